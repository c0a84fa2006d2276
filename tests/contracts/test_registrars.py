"""addRegistrar(), removeRegistrar(), isRegistrar()

addRegistrar
├── given the caller is not the authority: NotAuthority
├── given the account is zero: ZeroAddress
├── given it is a registrar: AlreadyRegistrar
└── else it is one, beside those before; RegistrarAdded
removeRegistrar
├── given the caller is not the authority: NotAuthority
├── given the account is no registrar: NotRegistrar
└── else it is none; the others, and the accreditations it gave, stay; RegistrarRemoved
"""

from tests.contracts.support import ORGANISATION, YEAR_2100, ZERO, Account, Contract, emitted, plain, refused, said


def test_add_registrar_names_one(medrec: Contract, authority: Account, registrar: Account, carol: Account) -> None:
    """The account is a registrar, and those before it still are."""
    medrec.addRegistrar(carol, sender=authority)
    assert medrec.isRegistrar(carol)
    assert medrec.isRegistrar(registrar)


def test_add_registrar_emits(medrec: Contract, authority: Account, carol: Account) -> None:
    """RegistrarAdded names the registrar and who decided."""
    receipt = medrec.addRegistrar(carol, sender=authority)
    assert emitted(medrec, receipt) == [said("RegistrarAdded", registrar=carol, by=authority)]


def test_add_registrar_refuses_others(medrec: Contract, registrar: Account, carol: Account) -> None:
    """The caller is the authority; a registrar names none."""
    with refused("NotAuthority", registrar):
        medrec.addRegistrar(carol, sender=registrar)


def test_add_registrar_refuses_zero(medrec: Contract, authority: Account) -> None:
    """The account is not zero."""
    with refused("ZeroAddress"):
        medrec.addRegistrar(ZERO, sender=authority)


def test_add_registrar_refuses_one_twice(medrec: Contract, authority: Account, registrar: Account) -> None:
    """The account is not a registrar already."""
    with refused("AlreadyRegistrar", registrar):
        medrec.addRegistrar(registrar, sender=authority)


def test_remove_registrar_ends_its_powers(
    medrec: Contract, authority: Account, registrar: Account, carol: Account
) -> None:
    """A removed registrar accredits and suspends nobody."""
    medrec.removeRegistrar(registrar, sender=authority)
    assert not medrec.isRegistrar(registrar)
    with refused("NotRegistrar", registrar):
        medrec.accredit(carol, ORGANISATION, False, YEAR_2100, sender=registrar)


def test_remove_registrar_emits(medrec: Contract, authority: Account, registrar: Account) -> None:
    """RegistrarRemoved names the registrar and who decided."""
    receipt = medrec.removeRegistrar(registrar, sender=authority)
    assert emitted(medrec, receipt) == [said("RegistrarRemoved", registrar=registrar, by=authority)]


def test_remove_registrar_keeps_accreditations(
    medrec: Contract, authority: Account, registrar: Account, hospital: Account
) -> None:
    """The accreditations that it gave stay."""
    before = plain(medrec.providerOf(hospital))
    medrec.removeRegistrar(registrar, sender=authority)
    assert plain(medrec.providerOf(hospital)) == before


def test_remove_registrar_refuses_others(medrec: Contract, registrar: Account) -> None:
    """The caller is the authority; a registrar cannot even remove itself."""
    with refused("NotAuthority", registrar):
        medrec.removeRegistrar(registrar, sender=registrar)


def test_remove_registrar_refuses_who_is_none(
    medrec: Contract, authority: Account, registrar: Account, carol: Account
) -> None:
    """The account is a registrar; and no other is dropped in its place."""
    with refused("NotRegistrar", carol):
        medrec.removeRegistrar(carol, sender=authority)
    assert medrec.isRegistrar(registrar)


def test_remove_registrar_allows_to_name_it_again(medrec: Contract, authority: Account, registrar: Account) -> None:
    """Removing is not for ever."""
    medrec.removeRegistrar(registrar, sender=authority)
    medrec.addRegistrar(registrar, sender=authority)
    assert medrec.isRegistrar(registrar)


def test_is_registrar_knows_nobody_else(
    medrec: Contract, authority: Account, hospital: Account, stranger: Account
) -> None:
    """Not even the authority is one unless it names itself."""
    assert not any(medrec.isRegistrar(account) for account in (authority, hospital, stranger, ZERO))
