"""Unauthorised calls of every function that changes something, by every kind of outsider.

The tables below are compared with the ABI: a function without a row fails.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from ape.managers.chain import ChainManager
from ape.managers.project import ProjectManager

from medrec_py.crypto.decisions import SignedForm
from tests.contracts.guardians import Begun, Guardians, set_guardians
from tests.contracts.signing import FUNCTIONS, Desk, sign
from tests.contracts.support import (
    APPEND,
    DECIDE,
    GENERAL,
    ORGANISATION,
    READ,
    TREAT,
    YEAR_2100,
    Account,
    Action,
    Contract,
    Denial,
    Item,
    digest,
    emitted,
    entry,
    error_data,
    plain,
    refused,
    said,
    terms,
)

SEAL, POINTER = digest("seal"), digest("pointer")


People = dict[str, Account]
# Alice's first decision set her guardians.
DECISION = 2
# The error, of the people by name and of the name of the sender.
Refusal = Callable[[People, str], tuple[Any, ...]]


class Row(NamedTuple):
    """A call, who may make it, and with which error everybody else is refused."""

    function: str
    arguments: Callable[[People, Account], tuple[Any, ...]]
    allowed: set[str]
    refusal: Refusal


def only(name: str) -> Refusal:
    """Anybody else gets that error with its own address."""
    return lambda people, sender: (name, people[sender])


def not_permitted(principal: str, action: Action, denials: Any) -> Refusal:
    """Anybody else is refused by the predicate; `denials` is one reason, or one for each by name."""

    def refusal(people: People, sender: str) -> tuple[Any, ...]:
        on_behalf_of = people[sender if principal == "self" else principal]
        denial = denials if isinstance(denials, Denial) else denials.get(sender, denials[...])
        return ("NotPermitted", people["alice"], people[sender], on_behalf_of, action, denial)

    return refusal


def on_behalf_of(principal: str) -> Callable[[People, Account], Account]:
    """The account that a row's call names as its principal."""
    return lambda people, sender: sender if principal == "self" else people[principal]


def authority_rows() -> Iterator[Row]:
    """What the authority may, and what the account that it was offered to."""
    for function, who in (("offerAuthority", "carol"), ("addRegistrar", "carol"), ("removeRegistrar", "registrar")):
        yield Row(function, lambda people, sender, who=who: (people[who],), {"authority"}, only("NotAuthority"))
    yield Row("acceptAuthority", lambda people, sender: (), {"bob"}, only("NotAuthority"))


def registrar_rows() -> Iterator[Row]:
    """What registrars may."""
    kind = (ORGANISATION, True, YEAR_2100)
    yield Row("accredit", lambda people, sender: (sender, *kind), {"registrar"}, only("NotRegistrar"))
    for function in ("suspend", "reinstate"):
        yield Row(function, lambda people, sender: (people["clinic"],), {"registrar"}, only("NotRegistrar"))


def guardians(people: People) -> Guardians:
    """Alice's: another patient, a provider and an agent, who are outsiders all the same."""
    return Guardians((people["bob"], people["clinic"], people["nurse"]))


def next_guardians(people: People) -> tuple[int, int, bytes, bytes]:
    """Number of the decision, what it shows of the present guardians, and the new ones."""
    present = guardians(people)
    return DECISION, present.delay, present.rest, present.but(threshold=3).commitment


def patient_rows() -> Iterator[Row]:
    """What only the patient's wallet may."""
    calls = {
        "grant": lambda people, sender: (people["alice"], people["stranger"], terms(), SEAL, 1),
        "revoke": lambda people, sender: (people["alice"], people["hospital"]),
        "revokeAndRotate": lambda people, sender: (people["alice"], people["hospital"], 1, GENERAL, POINTER),
        "publishKeyring": lambda people, sender: (people["alice"], 1, GENERAL, POINTER),
        "publishMoved": lambda people, sender: (people["alice"], DECISION, GENERAL, POINTER),
        "publishErased": lambda people, sender: (people["alice"], DECISION, GENERAL, POINTER),
        "changeWallet": lambda people, sender: (people["alice"], people["smart"], DECISION, YEAR_2100, b"any"),
        "setGuardians": lambda people, sender: (people["alice"], *next_guardians(people), POINTER),
        "stopRecovery": lambda people, sender: (people["alice"], 1),
    }
    for function, arguments in calls.items():
        yield Row(function, arguments, {"alice"}, not_permitted("alice", DECIDE, Denial.NotController))


def principal_rows() -> Iterator[Row]:
    """What is done on behalf of somebody: of the patient, of a provider with agents, of the sender itself."""
    calls = {
        "append": lambda alice, whom: (alice, whom, 1, TREAT, entry()),
        "appendMany": lambda alice, whom: (alice, whom, 1, TREAT, [entry(), entry("second")], False),
        "appendToMany": lambda alice, whom: (whom, TREAT, [Item(alice, 1, entry())], False),
        "logAccess": lambda alice, whom: (alice, whom, TREAT, digest("access")),
    }
    writing = {...: Denial.NotAccredited, "doctor": Denial.NotGranted, "clinic": Denial.Suspended}
    reading = {...: Denial.NotGranted, "clinic": Denial.Suspended}
    for function, arguments in calls.items():
        action = READ if function == "logAccess" else APPEND
        by_itself = {"hospital", "alice", "carol"} if action is READ else {"hospital", "alice"}
        for principal, allowed, denials in (
            ("alice", {"alice"}, Denial.NotController),
            ("hospital", {"hospital", "nurse", "doctor"}, Denial.AgentNotNamed),
            ("self", by_itself, reading if action is READ else writing),
        ):
            whom = on_behalf_of(principal)
            yield Row(
                function,
                lambda people, sender, call=arguments, whom=whom: call(people["alice"], whom(people, sender)),
                allowed,
                not_permitted(principal, action, denials),
            )


class SignedRow(NamedTuple):
    """A signed form by its signer, who may sign it, and with which error everybody else is refused."""

    function: str
    form: Callable[[Desk, People, Account], SignedForm]
    allowed: set[str]
    refusal: Refusal
    rest: Callable[[Desk, People, Any], tuple[bytes, ...]] = lambda desk, people, form: ()


def signed_rows() -> Iterator[SignedRow]:
    """What only the patient's wallet may sign, and what authors and readers may."""
    decisions: dict[str, Callable[[Desk, People, Account], SignedForm]] = {
        "grantSigned": lambda desk, people, signer: desk.grant(people["alice"], people["stranger"], signer=signer),
        "revokeSigned": lambda desk, people, signer: desk.revoke(people["alice"], people["hospital"], signer=signer),
        "publishKeyringSigned": lambda desk, people, signer: desk.keyring(people["alice"], signer=signer),
        "publishMovedSigned": lambda desk, people, signer: desk.moved(
            people["alice"], signer=signer, decision=DECISION
        ),
        "setGuardiansSigned": lambda desk, people, signer: desk.set_guardians(
            people["alice"], digest("guardians"), signer=signer, decision=DECISION
        ),
        "stopRecoverySigned": lambda desk, people, signer: desk.stop_recovery(people["alice"], signer=signer),
    }
    refusal = not_permitted("alice", DECIDE, Denial.NotController)
    for function, form in decisions.items():
        yield SignedRow(function, form, {"alice"}, refusal)
    yield SignedRow(
        "changeWalletSigned",
        lambda desk, people, signer: desk.change_wallet(
            people["alice"], people["smart"], signer=signer, decision=DECISION
        ),
        {"alice"},
        refusal,
        lambda desk, people, form: (b"any",),
    )
    writing = {...: Denial.NotAccredited, "doctor": Denial.NotGranted, "clinic": Denial.Suspended}
    reading = {...: Denial.NotGranted, "clinic": Denial.Suspended}
    for function, action, by_itself, denials in (
        ("appendSigned", APPEND, {"hospital", "alice"}, writing),
        ("logAccessSigned", READ, {"hospital", "alice", "carol"}, reading),
    ):
        for principal, allowed, reasons in (
            ("alice", {"alice"}, Denial.NotController),
            ("hospital", {"hospital", "nurse", "doctor"}, Denial.AgentNotNamed),
            ("self", by_itself, denials),
        ):
            whom = on_behalf_of(principal)
            yield SignedRow(
                function,
                lambda desk, people, signer, action=action, whom=whom: (
                    desk.append if action is APPEND else desk.access
                )(people["alice"], signer, whom(people, signer)),
                allowed,
                not_permitted(principal, action, reasons),
            )


SIGNED = list(signed_rows())
ROWS = [*authority_rows(), *registrar_rows(), *patient_rows(), *principal_rows()]
# Anybody may call these, since they change what is the caller's own.
OWN = {
    "register": lambda people: (),
    "publishProfile": lambda people: (digest("profile"),),
    "nameAgent": lambda people: (people["clinic"], YEAR_2100),
    "dismissAgent": lambda people: (people["nurse"],),
}
each_row = pytest.mark.parametrize("row", ROWS, ids=[f"{place}-{row.function}" for place, row in enumerate(ROWS)])


@pytest.fixture(scope="module")
def people(
    medrec: Contract,
    project: ProjectManager,
    chain: ChainManager,
    authority: Account,
    registrar: Account,
    hospital: Account,
    clinic: Account,
    doctor: Account,
    nurse: Account,
    alice: Account,
    bob: Account,
    carol: Account,
    stranger: Account,
) -> People:
    """The kinds of outsiders.

    Beside those of the world: carol is a grantee without accreditation, the clinic a suspended provider that is a
    grantee too, and bob, another patient, was offered the authority. Three of them are guardians of alice, and two of
    those have begun a recovery. The smart account signs whatever it is shown.
    """
    medrec.grant(alice, carol, terms(), SEAL, 1, sender=alice)
    medrec.grant(alice, clinic, terms(), SEAL, 1, sender=alice)
    medrec.suspend(clinic, sender=registrar)
    medrec.offerAuthority(bob, sender=authority)
    people = {
        "authority": authority,
        "registrar": registrar,
        "hospital": hospital,
        "clinic": clinic,
        "doctor": doctor,
        "nurse": nurse,
        "alice": alice,
        "bob": bob,
        "carol": carol,
        "stranger": stranger,
        "smart": authority.deploy(project.SmartAccount),
    }
    desk = Desk(medrec, chain.chain_id, stranger)
    set_guardians(desk, alice, guardians(people))
    Begun(desk, alice, carol, guardians(people), [bob, nurse]).send()
    return people


def test_every_function_has_a_row(medrec: Contract) -> None:
    """Each that changes something; multicall is tested with all of them. A recovery asks nobody who sends it."""
    changing = {abi.name for abi in medrec.contract_type.mutable_methods}
    direct = {row.function for row in ROWS} | OWN.keys()
    assert changing == direct | set(FUNCTIONS.values()) | {"multicall", "relay", "beginRecovery", "completeRecovery"}


def test_every_signed_form_has_a_row() -> None:
    """Each but the registration, which nobody but the patient id itself can sign (test_register_signed.py)."""
    assert {row.function for row in SIGNED} == set(FUNCTIONS.values()) - {"registerSigned"}


@each_row
def test_outsiders_are_refused(medrec: Contract, people: People, row: Row) -> None:
    """By every kind of outsider, with the reason that it is refused for."""
    outsiders = people.keys() - row.allowed - {"smart"}
    assert len(outsiders) >= 7
    for name in sorted(outsiders):
        sender = people[name]
        with refused(*row.refusal(people, name)):
            getattr(medrec, row.function).call(*row.arguments(people, sender), sender=sender)


@each_row
def test_outsiders_are_refused_in_a_multicall(medrec: Contract, people: People, row: Row) -> None:
    """A multicall asks who sent it, and not who called the function."""
    for name in sorted(people.keys() - row.allowed - {"smart"})[:2]:
        sender = people[name]
        call = getattr(medrec, row.function).encode_input(*row.arguments(people, sender))
        with refused(*row.refusal(people, name)):
            medrec.multicall.call([call], sender=sender)


@pytest.mark.parametrize("row", SIGNED, ids=[f"{place}-{row.function}" for place, row in enumerate(SIGNED)])
def test_signatures_of_outsiders_are_refused(medrec: Contract, people: People, desk: Desk, row: SignedRow) -> None:
    """A signature that is good in itself gives nobody a right: the signer is asked for like a sender."""
    outsiders = people.keys() - row.allowed - {"smart"}
    assert len(outsiders) >= 7
    for name in sorted(outsiders):
        form = row.form(desk, people, people[name])
        refusal = row.refusal(people, name)
        call = desk.call(form, sign(form, people[name]), *row.rest(desk, people, form))
        with refused(*refusal):
            medrec.multicall.call([call], sender=desk.stranger)
    relayed = emitted(medrec, desk.relay([call]))
    assert relayed == [said("CallRefused", relayer=desk.stranger, item=0, reason=error_data(*refusal))]


@each_row
def test_the_allowed_are_not_refused_and_leave_an_event(medrec: Contract, people: People, row: Row) -> None:
    """Each function leaves an event, so whoever it concerns can see it."""
    function = getattr(medrec, row.function)
    senders = [people[name] for name in sorted(row.allowed)]
    for sender in senders:
        function.call(*row.arguments(people, sender), sender=sender)
    receipt = function(*row.arguments(people, senders[0]), sender=senders[0])
    assert emitted(medrec, receipt)


@pytest.mark.parametrize("function", OWN)
def test_what_anybody_may_call_changes_the_callers_own(medrec: Contract, people: People, function: str) -> None:
    """Nothing of anybody else changes, and there is an event here too."""
    stranger = people["stranger"]
    others = [people[name] for name in ("alice", "hospital", "nurse")]

    def state() -> list[Any]:
        mine = []
        for account in others:
            mine += [medrec.patientOf(account), medrec.historyOf(account), medrec.providerOf(account)]
            mine += [medrec.profileOf(account), medrec.permissionOf(people["alice"], account)]
            mine += [medrec.agentUntil(people["hospital"], account), medrec.isRegistrar(account)]
        return [plain(view) for view in mine]

    before = state()
    receipt = getattr(medrec, function)(*OWN[function](people), sender=stranger)
    assert emitted(medrec, receipt)
    assert state() == before
