"""register(), patientOf()

register
├── given the caller is registered: AlreadyRegistered
│   └── also where another wallet controls the id by now
└── given it is not
    ├── its wallet is the caller, no decisions, no flags
    ├── PatientRegistered
    └── whoever it is else: a provider, a registrar, a wallet of another patient
"""

from ape.api import ProviderAPI

from tests.contracts.support import ZERO, Account, Contract, emitted, plain, refused, said, set_slot, slot_of


def test_register_makes_the_caller_its_own_wallet(medrec: Contract, carol: Account) -> None:
    """A patient is controlled by the caller's wallet, and has made no decisions yet."""
    medrec.register(sender=carol)
    assert plain(medrec.patientOf(carol)) == (carol.address, 0, 0)


def test_register_emits(medrec: Contract, carol: Account) -> None:
    """PatientRegistered names the id, its wallet and who decided."""
    receipt = medrec.register(sender=carol)
    assert emitted(medrec, receipt) == [said("PatientRegistered", patient=carol, wallet=carol, by=carol)]


def test_register_refuses_a_registered_id(medrec: Contract, alice: Account) -> None:
    """The caller is not registered yet."""
    with refused("AlreadyRegistered", alice):
        medrec.register(sender=alice)


def test_register_refuses_an_id_that_another_wallet_controls(
    medrec: Contract, provider: ProviderAPI, alice: Account, carol: Account
) -> None:
    """An id registers once, whoever controls it by now."""
    set_slot(provider, medrec, slot_of("_patients", alice), int(carol.address, 16))
    with refused("AlreadyRegistered", alice):
        medrec.register(sender=alice)


def test_register_takes_anybody(medrec: Contract, hospital: Account, registrar: Account, authority: Account) -> None:
    """Nobody has to be asked, and other roles do not matter."""
    for account in (hospital, registrar, authority):
        medrec.register(sender=account)
        assert medrec.patientOf(account).wallet == account


def test_register_begins_with_an_empty_history(medrec: Contract, carol: Account) -> None:
    """No head, no entries, no keyring."""
    medrec.register(sender=carol)
    assert plain(medrec.historyOf(carol)) == (bytes(25), 0, 0)


def test_patient_of_knows_nobody_else(medrec: Contract, stranger: Account) -> None:
    """The wallet is zero if the id is not registered."""
    assert plain(medrec.patientOf(stranger)) == (ZERO, 0, 0)


def test_patient_of_gives_wallet_decisions_and_flags(
    medrec: Contract, provider: ProviderAPI, alice: Account, carol: Account
) -> None:
    """The three fields of a slot, each at its largest."""
    word = int(carol.address, 16) | (2**64 - 1) << 160 | (2**32 - 1) << 224
    set_slot(provider, medrec, slot_of("_patients", alice), word)
    assert plain(medrec.patientOf(alice)) == (carol.address, 2**64 - 1, 2**32 - 1)
