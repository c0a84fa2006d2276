"""What holds for every signed form: whoever sends it, only what was signed is carried out, in time, once

a signed form
├── given the deadline has passed: DeadlinePassed; in its last second it counts
├── given the signature is not the signer's over exactly this: SignatureInvalid
│   ├── another signer; the zero signer; a changed member
│   ├── another chain, another deployment, another account with code of the same owner
│   ├── high s, 64 bytes, empty, zeros, v of 0 or 1, 66 bytes
│   └── an account with code that says no, reverts, burns gas, or answers at another length
├── given a word that is no value of its type: no reason
├── given the signer may not: what the direct form says
├── given it was carried out: it cannot be once more
└── given it is good: carried out, whoever sends it, also in a multicall and in a relay; the events name the signer
    ├── by an account with code (ERC-1271)
    └── by the key of an account that delegates to code (EIP-7702), whatever the code says
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest
from ape.api import ProviderAPI
from ape.managers.chain import ChainManager
from ape.managers.project import ProjectManager
from eth_account import Account as Keys

from medrec_py.crypto.decisions import (
    Append,
    ChangeWallet,
    Grant,
    LogAccess,
    PublishKeyring,
    PublishMoved,
    Register,
    Revoke,
    SetGuardians,
    SignedForm,
    StopRecovery,
)
from tests.contracts.guardians import Begun, Guardians, set_guardians
from tests.contracts.signing import AMPLE_GAS, FUNCTIONS, POINTER, Desk, address, high_s, sign
from tests.contracts.support import (
    DAY,
    GENERAL,
    YEAR_2100,
    ZERO,
    Account,
    Clock,
    Contract,
    digest,
    emitted,
    plain,
    refused,
    set_code,
    terms,
    word_of,
)

People = dict[str, Account]


@dataclass(frozen=True)
class Case:
    """A form that is good in the world of the tests, who signs it, and what the account is called in its events."""

    form: Callable[[Desk, People], SignedForm]
    signer: str
    event: str
    named: str = "by"


def stoppable(desk: Desk, people: People) -> StopRecovery:
    """A guardian begins a recovery of alice's id, so that there is one to stop."""
    guardians = Guardians((people["bob"], people["hospital"]), threshold=1)
    set_guardians(desk, people["alice"], guardians)
    Begun(desk, people["alice"], people["carol"], guardians, [people["bob"]]).send()
    return desk.stop_recovery(people["alice"])


CASES: dict[type[SignedForm], Case] = {
    Register: Case(lambda desk, people: desk.register(people["carol"]), "carol", "PatientRegistered"),
    ChangeWallet: Case(
        lambda desk, people: desk.change_wallet(people["alice"], people["carol"]), "alice", "WalletChanged"
    ),
    Grant: Case(lambda desk, people: desk.grant(people["alice"], people["clinic"]), "alice", "PermissionGranted"),
    Revoke: Case(lambda desk, people: desk.revoke(people["alice"], people["hospital"]), "alice", "PermissionRevoked"),
    PublishKeyring: Case(lambda desk, people: desk.keyring(people["alice"]), "alice", "KeyringPublished", "author"),
    PublishMoved: Case(lambda desk, people: desk.moved(people["alice"]), "alice", "RecordsMoved", "author"),
    SetGuardians: Case(
        lambda desk, people: desk.set_guardians(people["alice"], digest("guardians")), "alice", "GuardiansSet"
    ),
    StopRecovery: Case(stoppable, "alice", "RecoveryStopped"),
    Append: Case(
        lambda desk, people: desk.append(people["alice"], people["nurse"], people["hospital"]),
        "nurse",
        "RecordAppended",
        "author",
    ),
    LogAccess: Case(
        lambda desk, people: desk.access(people["alice"], people["nurse"], people["hospital"]),
        "nurse",
        "AccessLogged",
        "actor",
    ),
}
each_form = pytest.mark.parametrize("kind", CASES, ids=[FUNCTIONS[kind] for kind in CASES])


@pytest.fixture
def people(alice: Account, bob: Account, carol: Account, hospital: Account, clinic: Account, nurse: Account) -> People:
    return {"alice": alice, "bob": bob, "carol": carol, "hospital": hospital, "clinic": clinic, "nurse": nurse}


class Made:
    """A good form, its signer, and what goes with the signature: for a change of wallet the new one's consent."""

    def __init__(self, kind: type[SignedForm], desk: Desk, people: People) -> None:
        self.desk, self.people, self.case = desk, people, CASES[kind]
        self.form = self.case.form(desk, people)
        self.signer = people[self.case.signer]

    def rest(self, form: SignedForm | None = None) -> tuple[bytes, ...]:
        """What stands behind the signature."""
        form = form or self.form
        if isinstance(form, ChangeWallet):
            return (sign(self.desk.consent(form), self.people["carol"]),)
        return (b"",) if isinstance(form, Register) else ()

    def signature(self) -> bytes:
        return sign(self.form, self.signer)

    def call(self) -> bytes:
        return self.desk.call(self.form, self.signature(), *self.rest())

    def send(self, signature: bytes, form: SignedForm | None = None, **options: Any) -> Any:
        return self.desk.send(form or self.form, signature, *self.rest(form), **options)


@pytest.fixture
def made(desk: Desk, people: People, kind: type[SignedForm]) -> Made:
    return Made(kind, desk, people)


def test_every_signed_form_has_a_case(medrec: Contract) -> None:
    """None of the contract's is left out."""
    names = {abi.name for abi in medrec.contract_type.mutable_methods if abi.name.endswith("Signed")}
    assert {FUNCTIONS[kind] for kind in CASES} == names == set(FUNCTIONS.values())


@each_form
def test_the_event_names_the_signer(medrec: Contract, made: Made, kind: type[SignedForm]) -> None:
    """The contract accepts exactly what the SDK's messages are, sent by a stranger, and the stranger is in no event."""
    events = emitted(medrec, made.send(made.signature()))
    assert [event.name for event in events] == [made.case.event]
    assert events[0].arguments[made.case.named] == made.signer
    assert made.desk.stranger.address not in plain(list(events[0].arguments.values()))


@each_form
def test_it_does_not_matter_who_sends_it(medrec: Contract, made: Made, people: People, kind: type[SignedForm]) -> None:
    """The signer itself, the patient, or anybody."""
    for sender in (made.signer, people["alice"], people["bob"]):
        made_call = getattr(medrec, FUNCTIONS[kind])
        made_call.call(*made.desk.arguments(made.form, made.signature(), *made.rest()), sender=sender)


@each_form
def test_it_goes_into_a_multicall_and_a_relay(
    medrec: Contract, made: Made, stranger: Account, kind: type[SignedForm]
) -> None:
    """Within them the message is the inner call's."""
    medrec.multicall.call([made.call()], sender=stranger, gas=AMPLE_GAS)
    receipt = made.desk.relay([made.call()])
    assert [event.name for event in emitted(medrec, receipt)] == [made.case.event]


@each_form
def test_a_replay_changes_nothing(medrec: Contract, made: Made, people: People, kind: type[SignedForm]) -> None:
    """Refused, or done already without a trace."""
    made.send(made.signature())
    state = [word_of(medrec, people["alice"]), *map(plain, everything(medrec, people))]
    if kind in {Grant, Revoke}:
        assert emitted(medrec, made.send(made.signature())) == []
    else:
        errors = {
            Register: ("AlreadyRegistered", people["carol"]),
            ChangeWallet: ("NotPermitted", people["alice"], people["alice"], people["alice"], 2, 2),
            PublishKeyring: ("StaleKeyring", people["alice"], 2, 1),
            PublishMoved: ("DecisionMismatch", people["alice"], 1, 1),
            SetGuardians: ("DecisionMismatch", people["alice"], 1, 1),
            StopRecovery: ("RecoveryMismatch", people["alice"], 1, 1),
            Append: ("RelayedMismatch", people["nurse"], 1, 1),
            LogAccess: ("RelayedMismatch", people["nurse"], 1, 1),
        }
        with refused(*errors[kind]):
            made.send(made.signature())
    assert [word_of(medrec, people["alice"]), *map(plain, everything(medrec, people))] == state


def everything(medrec: Contract, people: People) -> list[Any]:
    """What could change."""
    views: list[Any] = []
    for account in people.values():
        views += [medrec.patientOf(account), medrec.historyOf(account), medrec.providerOf(account)]
        views += [medrec.permissionOf(people["alice"], account), medrec.guardianshipOf(account)]
    return views


@each_form
def test_the_deadline_is_the_last_second(made: Made, clock: Clock, kind: type[SignedForm]) -> None:
    """It counts in that second, and not in the next."""
    deadline = clock.now + DAY
    form = replace(made.form, deadline=deadline)
    clock.set_next(deadline + 1)
    with refused("DeadlinePassed", deadline):
        made.send(sign(form, made.signer), form)


@each_form
def test_in_the_last_second_it_counts(medrec: Contract, made: Made, clock: Clock, kind: type[SignedForm]) -> None:
    deadline = clock.now + DAY
    form = replace(made.form, deadline=deadline)
    clock.set_next(deadline)
    assert emitted(medrec, made.send(sign(form, made.signer), form))


@each_form
def test_each_member_is_signed(made: Made, kind: type[SignedForm]) -> None:
    """A relayer that alters any of them has no signature for it; who would have to sign is in the error."""
    signature = made.signature()
    for field in fields(made.form)[1:]:
        value = getattr(made.form, field.name)
        changed = value + 1 if isinstance(value, int) else value[:-1] + bytes([value[-1] ^ 1])
        altered = replace(made.form, **{field.name: changed})
        names_signer = field.name in {"signer", "author", "actor"}
        with refused("SignatureInvalid", f"0x{changed.hex()}" if names_signer else made.signer):
            made.send(signature, altered)


@each_form
def test_the_patient_is_signed(made: Made, people: People, kind: type[SignedForm]) -> None:
    """What is signed about one is nothing about another."""
    other = replace(made.form, place=made.desk.place(people["bob"]))
    with refused("SignatureInvalid", people["bob"] if kind is Register else made.signer):
        made.send(made.signature(), other)


@each_form
def test_the_domain_is_signed(made: Made, kind: type[SignedForm]) -> None:
    """Nor is what was signed for another chain or another deployment."""
    for change in ({"chain_id": 1}, {"contract": address(ZERO)}):
        elsewhere = replace(made.form, place=replace(made.form.place, **change))
        with refused("SignatureInvalid", made.signer):
            made.send(sign(elsewhere, made.signer))


@each_form
def test_another_deployment_refuses(
    project: ProjectManager, chain: ChainManager, made: Made, authority: Account, kind: type[SignedForm]
) -> None:
    """The same message, sent to a second deployment on the same chain."""
    second = Desk(authority.deploy(project.MedRec, authority), chain.chain_id, authority)
    with refused("SignatureInvalid", made.signer):
        second.send(made.form, made.signature(), *made.rest())


@each_form
def test_nobody_else_can_sign(made: Made, people: People, kind: type[SignedForm]) -> None:
    """Not the grantee, nor another patient."""
    for other in ("bob", "hospital"):
        with refused("SignatureInvalid", made.signer):
            made.send(sign(made.form, people[other]))


@each_form
def test_the_zero_signer_signs_nothing(made: Made, kind: type[SignedForm]) -> None:
    """A malformed signature recovers to nobody, and nobody is not the zero address."""
    name = next(n for n in ("signer", "author", "actor", "patient") if n == "patient" or hasattr(made.form, n))
    zero = address(ZERO)
    form = replace(made.form, place=made.desk.place(ZERO)) if name == "patient" else replace(made.form, **{name: zero})
    for signature in (bytes(65), b"", bytes(64) + b"\x1b"):
        with refused("SignatureInvalid", ZERO):
            made.send(signature, form)


MALFORMED = {
    "high s": high_s,
    "64 bytes": lambda signature: signature[:64],
    "empty": lambda signature: b"",
    "zeros": lambda signature: bytes(65),
    "v of 0 or 1": lambda signature: signature[:64] + bytes([signature[64] - 27]),
    "66 bytes": lambda signature: signature + b"\0",
}


@each_form
def test_refuses_malformed_signatures(made: Made, kind: type[SignedForm]) -> None:
    """One signature has one encoding."""
    for malformed in MALFORMED.values():
        with refused("SignatureInvalid", made.signer):
            made.send(malformed(made.signature()))


@pytest.mark.parametrize(
    ("word", "size"), [(0, 20), (1, 20), (2, 20), (3, 8), (4, 8), (5, 5), (6, 5), (7, 2), (8, 1), (10, 3)]
)
def test_refuses_words_that_are_no_values(
    medrec: Contract, desk: Desk, alice: Account, carol: Account, smart: Contract, word: int, size: int
) -> None:
    """Even from an account with code that signs whatever it is shown: an address of 21 bytes, a mask of 65 bits."""
    give_wallet(desk, alice, smart)
    call = bytearray(desk.call(desk.grant(alice, carol, signer=smart), b""))
    medrec.multicall.call([bytes(call)], sender=desk.stranger, gas=AMPLE_GAS)
    call[4 + 32 * word + 31 - size] = 1
    with refused("FailedCall"):
        medrec.multicall.call([bytes(call)], sender=desk.stranger, gas=AMPLE_GAS)


# ------------------------------------------------------------------------------------------------- accounts with code


def give_wallet(desk: Desk, patient: Account, wallet: Contract) -> None:
    """The patient's wallet is from now on an account with code."""
    desk.medrec.changeWallet(patient, wallet, 1, YEAR_2100, b"", sender=patient, gas=AMPLE_GAS)


def test_an_account_with_code_decides(
    medrec: Contract, desk: Desk, alice: Account, clinic: Account, smart: Contract
) -> None:
    """By ERC-1271, whatever it takes for a signature."""
    give_wallet(desk, alice, smart)
    receipt = desk.send(desk.grant(alice, clinic, signer=smart), b"two owners")
    assert emitted(medrec, receipt)[0].arguments["by"] == smart.address
    assert plain(medrec.permissionOf(alice, clinic)) == (terms(), 1)


@pytest.mark.parametrize("answer", [1, 2, 3, 4, 5], ids=["no", "revert", "burn gas", "too long", "short"])
def test_an_account_with_code_that_does_not_agree(
    desk: Desk, alice: Account, clinic: Account, smart: Contract, authority: Account, answer: int
) -> None:
    """Whatever it does, the answer is that it did not sign, at a bounded price."""
    give_wallet(desk, alice, smart)
    smart.setAnswer(answer, sender=authority)
    with refused("SignatureInvalid", smart):
        desk.send(desk.grant(alice, clinic, signer=smart), b"any")


def test_one_owners_signature_is_for_one_account(
    project: ProjectManager, desk: Desk, medrec: Contract, alice: Account, bob: Account, carol: Account, clinic: Account
) -> None:
    """Carol owns two accounts with code, alice's wallet and bob's. What she signed for one is nothing for the other."""
    first, second = (carol.deploy(project.OwnedAccount, carol) for _ in range(2))
    for patient, wallet in ((alice, first), (bob, second)):
        form = desk.change_wallet(patient, wallet)
        medrec.changeWallet(patient, wallet, 1, YEAR_2100, sign(desk.consent(form), carol), sender=patient)
    form = desk.grant(alice, clinic, signer=first)
    signature = sign(form, carol)
    for other in (desk.grant(bob, clinic, signer=second), desk.grant(alice, clinic, signer=second)):
        with refused("SignatureInvalid", second):
            desk.send(other, signature)
    with refused("SignatureInvalid", carol):
        desk.send(desk.grant(alice, clinic, signer=carol), signature)
    desk.send(form, signature)
    assert medrec.permissionOf(alice, clinic).version == 1


def test_the_key_of_an_account_that_delegates_to_code(
    medrec: Contract,
    desk: Desk,
    provider: ProviderAPI,
    alice: Account,
    clinic: Account,
    smart: Contract,
    authority: Account,
) -> None:
    """EIP-7702: the account has code, which says no, and still its key."""
    smart.setAnswer(1, sender=authority)
    set_code(provider, alice.address, provider.get_code(smart.address))
    desk.carry_out(desk.grant(alice, clinic), alice)
    assert medrec.permissionOf(alice, clinic).version == 1


def test_a_message_is_for_its_own_form(medrec: Contract, desk: Desk, alice: Account) -> None:
    """A message of another type with the same members is another message."""
    moved = desk.moved(alice)
    document = json.loads(json.dumps(moved.typed_data(), default=str).replace("PublishMoved", "PublishErased"))
    signature = bytes(Keys.sign_typed_data(alice.private_key, full_message=document).signature)
    with refused("SignatureInvalid", alice):
        desk.send(moved, signature)


def test_a_statement_is_no_decision(desk: Desk, alice: Account) -> None:
    """Nor is a new wallet's consent the present wallet's decision."""
    form = desk.change_wallet(alice, alice)
    with refused("SignatureInvalid", alice):
        desk.send(form, sign(desk.consent(form), alice), b"")


def test_pointers_are_what_was_signed(medrec: Contract, desk: Desk, alice: Account) -> None:
    """The event has the very values of the message."""
    [event] = emitted(medrec, desk.carry_out(desk.keyring(alice, compartments=GENERAL), alice))
    assert (event.arguments["pointer"], event.arguments["compartments"]) == (POINTER, GENERAL)
