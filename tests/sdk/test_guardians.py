"""Guardians hand a patient id to a new wallet: who they are, how they do it, and what attacks on that come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

import medrec_py as medrec
from medrec_py.chain.reverts import GuardiansTooFew, RecoveryMismatch, RecoveryNotDue
from medrec_py.chain.types import address_bytes
from medrec_py.crypto import guardian_document
from medrec_py.crypto.guardian_set import GuardianSet
from medrec_py.crypto.keys import RootSecret
from medrec_py.crypto.signed_decisions import Bundle, SignedDecision
from medrec_py.crypto.wallet_recovery import Approval, parse_request
from medrec_py.errors import (
    FingerprintMismatch,
    FormatError,
    GuardiansUnknown,
    InvalidInput,
    KeyringMismatch,
    NotFound,
    NotGuardian,
    RecoveryOver,
    RelayError,
    SignatureMissing,
    WrongKey,
)
from medrec_py.guardians import GuardiansKept
from medrec_py.wallet import require_root
from medrec_py.wallet_recovery import WalletRecovery
from tests.sdk.people import People, meet
from tests.sdk.test_deciding_without_ether import Carrying

pytestmark = pytest.mark.slow

WEEK = timedelta(days=7)
THREE = range(3)


@dataclass(frozen=True)
class Guarded:
    """Alice, three guardians of whom it takes two, and the phone that she lost."""

    people: People
    guardians: list[medrec.Wallet] = field(default_factory=lambda: [medrec.Wallet.create() for _ in THREE])

    @property
    def alice(self) -> medrec.Patient:
        return self.people.alice

    @property
    def net(self) -> medrec.Network:
        return self.people.net

    @property
    def root(self) -> RootSecret:
        return self.alice._root

    def ask(self, wallet: medrec.Wallet | None = None) -> medrec.WalletRecovery:
        """The new wallet's request."""
        return self.net.wallet_recovery(self.alice.id, wallet or medrec.Wallet.create(), self.root)

    def approvals(self, recovery: medrec.WalletRecovery, who: range | list[int] = range(2)) -> list[Approval]:
        """What these guardians answer, once the digits were read out to them."""
        return [
            recovery.receive(self.net.approve_recovery(self.guardians[n], recovery.request, recovery.fingerprint))
            for n in who
        ]

    def begin(self, who: range = range(2)) -> medrec.WalletRecovery:
        """A recovery that has begun."""
        recovery = self.ask()
        recovery.begin(self.approvals(recovery, who))
        return recovery


@pytest.fixture(scope="module")
def net() -> Iterator[medrec.Network]:
    with medrec.local() as network:
        yield network


@pytest.fixture
def guarded(net: medrec.Network) -> Guarded:
    made = Guarded(meet(net))
    made.alice.set_guardians(2, [one.address for one in made.guardians], delay=WEEK)
    return made


# --- the story ------------------------------------------------------------------------------------------------------


def test_a_new_wallet_takes_over(guarded: Guarded) -> None:
    """Two of three sign; after the delay the new wallet decides, with the same id, history and permissions."""
    people = guarded.people
    people.grant()
    people.chart().append(b"before", compartment="general", title="a note")
    recovery = guarded.ask()
    begun = recovery.begin(guarded.approvals(recovery))
    assert recovery.under_way is not None
    assert not recovery.under_way.unanimous
    assert recovery.under_way.due == begun.timestamp + int(WEEK.total_seconds())
    with pytest.raises(RecoveryNotDue):
        recovery.complete()
    people.travel(WEEK)
    recovery.complete()
    assert recovery.is_complete

    found = guarded.net.patient(recovery._wallet, guarded.root, patient=guarded.alice.id)
    assert [record.read() for record in found.records()] == [b"before"]
    assert [line.grantee for line in found.permissions()] == [people.hospital.address]
    found.revoke(people.hospital)
    with pytest.raises(medrec.NotPermitted):
        guarded.alice.revoke(people.clinic())
    assert found.guardians().present == guarded.alice.guardians().present


def test_without_ether(net: medrec.Network) -> None:
    """What is signed is carried by somebody else: setting, asking, beginning, completing and stopping."""
    courier = Carrying(net)
    poor = medrec.Network(net.chain, net.contract, net.store, courier=courier)
    guarded = Guarded(replace(meet(net), net=poor, alice=poor.patient(medrec.Wallet.create()).register()))
    guarded.alice.set_guardians(2, [one.address for one in guarded.guardians], delay=WEEK)
    guarded.begin()
    guarded.alice.stop_recovery()
    recovery = guarded.begin()
    guarded.people.travel(WEEK)
    recovery.complete()
    assert recovery.is_complete
    assert net.chain.transaction_count(guarded.alice._wallet.address) == 0
    assert net.chain.transaction_count(recovery._wallet.address) == 0
    assert all(Bundle.from_json(bundle.to_json()) == bundle for bundle in courier.bundles)


def test_it_goes_on_after_an_interruption(guarded: Guarded) -> None:
    """A request that was kept is gone on with, and its answers still count."""
    first = guarded.ask()
    given = guarded.approvals(first)
    again = guarded.net.wallet_recovery(guarded.alice.id, first._wallet, guarded.root, request=first.request)
    assert again.fingerprint == first.fingerprint
    again.begin(given)
    assert first.under_way == again.under_way


def test_the_log_of_decisions_has_it_all(guarded: Guarded) -> None:
    """Who looks whether somebody has the wallet sees guardians and recoveries, too."""
    guarded.begin()
    guarded.alice.stop_recovery()
    recovery = guarded.begin(THREE)
    guarded.people.travel(WEEK)
    recovery.complete()
    found = guarded.net.patient(recovery._wallet, guarded.root, patient=guarded.alice.id)
    found.remove_guardians()
    lines = list(found.decisions())
    kinds = ["GUARDIANS_SET", "RECOVERY_BEGUN", "RECOVERY_STOPPED", "RECOVERY_BEGUN", "WALLET_CHANGED"]
    assert [line.kind.name for line in lines[-6:]] == [*kinds, "GUARDIANS_REMOVED"]
    assert not any(line.by_representative for line in lines)
    new, old = recovery._wallet.address, guarded.alice._wallet.address
    assert [line.by for line in lines[-4:]] == [old, new, new, new]
    assert lines[-3].about == new


# --- who they are ---------------------------------------------------------------------------------------------------


def test_the_chain_does_not_show_who(guarded: Guarded) -> None:
    """Neither the event nor the block names a guardian, and two sets of the same people look different."""
    receipt = guarded.alice.set_guardians(2, [one.address for one in guarded.guardians], delay=WEEK)
    (event,) = [logged.event for logged in receipt.events]
    block = guarded.net._ledger.fetch(event.document)
    for guardian in guarded.guardians:
        assert address_bytes(guardian.address) not in block
        assert address_bytes(guardian.address) not in event.guardians
    state = guarded.net.contract.guardianship_of(guarded.alice.id)
    assert state.present != state.following


def test_the_root_secret_tells(guarded: Guarded) -> None:
    present = guarded.alice.guardians().present
    assert present is not None
    assert set(present.accounts) == {one.address for one in guarded.guardians}
    assert (present.threshold, present.delay) == (2, int(WEEK.total_seconds()))


def test_another_root_secret_does_not(guarded: Guarded) -> None:
    with pytest.raises(GuardiansUnknown):
        guarded.net.wallet_recovery(guarded.alice.id, medrec.Wallet.create(), RootSecret.generate())


def test_a_new_root_secret_tells_them_too(guarded: Guarded) -> None:
    """Otherwise nobody could change them any more: a change shows the delay of the set before."""
    before = guarded.alice.guardians().present
    wallet = medrec.Wallet.create()
    guarded.alice.change_root(wallet=wallet)
    assert guarded.alice.guardians().present == before
    guarded.alice.set_guardians(1, [guarded.guardians[0].address], delay=WEEK)
    following = guarded.alice.guardians().following
    assert following is not None
    assert following.accounts == (guarded.guardians[0].address,)


def test_nobody_guards_unless_asked(net: medrec.Network) -> None:
    people = meet(net)
    status = people.alice.guardians()
    assert (status.present, status.following, status.since, status.recovery) == (None, None, 0, None)
    with pytest.raises(GuardiansUnknown):
        net.wallet_recovery(people.alice.id, medrec.Wallet.create(), people.alice._root)
    with pytest.raises(RecoveryOver):
        people.alice.stop_recovery()


@pytest.mark.parametrize(("threshold", "days"), [(0, 7), (4, 7), (2, 0), (2, 400)])
def test_numbers_that_cannot_be_used(net: medrec.Network, threshold: int, days: int) -> None:
    people = meet(net)
    guardians = [medrec.Wallet.create().address for _ in THREE]
    with pytest.raises(InvalidInput):
        people.alice.set_guardians(threshold, guardians, delay=timedelta(days=days))
    assert people.alice.guardians().present is None


def test_people_that_cannot_guard(net: medrec.Network) -> None:
    """Nobody twice, and not the patient: what is lost hands nothing over."""
    people = meet(net)
    one, other = (medrec.Wallet.create().address for _ in range(2))
    for guardians in ([one, other, one], [one, people.alice.id], []):
        with pytest.raises(InvalidInput):
            people.alice.set_guardians(1, guardians, delay=WEEK)


def test_a_change_waits_for_the_delay(guarded: Guarded) -> None:
    """So does having none: the old ones count until then, and each change is shown with its time."""
    new = [medrec.Wallet.create() for _ in range(2)]
    guarded.alice.set_guardians(2, [one.address for one in new], delay=WEEK)
    status = guarded.alice.guardians()
    assert status.present is not None
    assert status.following is not None
    assert set(status.present.accounts) == {one.address for one in guarded.guardians}
    assert set(status.following.accounts) == {one.address for one in new}
    assert status.since > guarded.net.chain.now()
    guarded.people.travel(WEEK)
    assert guarded.alice.guardians().present == status.following
    guarded.alice.remove_guardians()
    assert guarded.alice.guardians().following is None
    assert guarded.alice.guardians().present == status.following
    guarded.people.travel(WEEK)
    assert guarded.alice.guardians().present is None


# --- what must fail -------------------------------------------------------------------------------------------------


def test_too_few(guarded: Guarded) -> None:
    recovery = guarded.ask()
    with pytest.raises(GuardiansTooFew) as refused:
        recovery.begin(guarded.approvals(recovery, [1]))
    assert refused.value.values["missing"] == 2


def test_one_who_answers_twice_counts_once(guarded: Guarded) -> None:
    recovery = guarded.ask()
    with pytest.raises(GuardiansTooFew):
        recovery.begin(guarded.approvals(recovery, [0, 0]))


def test_a_stranger_is_named(guarded: Guarded) -> None:
    recovery, stranger = guarded.ask(), medrec.Wallet.create()
    block = guarded.net.approve_recovery(stranger, recovery.request, recovery.fingerprint)
    with pytest.raises(NotGuardian, match=stranger.address):
        recovery.receive(block)
    forged = Approval(address_bytes(stranger.address), b"\1" * 65)
    with pytest.raises(NotGuardian, match=stranger.address):
        recovery.begin([*guarded.approvals(recovery), forged])


def test_a_signature_in_anothers_name(guarded: Guarded) -> None:
    """One guardian cannot sign for another."""
    recovery = guarded.ask()
    (approval,) = guarded.approvals(recovery, [0])
    forged = replace(approval, guardian=address_bytes(guarded.guardians[1].address))
    with pytest.raises(SignatureMissing, match=guarded.guardians[1].address):
        recovery.receive(forged.to_bytes(parse_request(recovery.request)))


def test_an_answer_to_another_request(guarded: Guarded) -> None:
    """It names another wallet."""
    first, second = guarded.ask(), guarded.ask()
    block = guarded.net.approve_recovery(guarded.guardians[0], first.request, first.fingerprint)
    with pytest.raises(KeyringMismatch):
        second.receive(block)
    with pytest.raises(FormatError):
        second.receive(b"\xa0")


def test_a_request_that_is_not_the_persons(guarded: Guarded) -> None:
    """What a thief sends has other digits than those that the person reads out."""
    thiefs, hers = guarded.ask(), guarded.ask()
    with pytest.raises(FingerprintMismatch):
        guarded.net.approve_recovery(guarded.guardians[0], thiefs.request, hers.fingerprint)


def test_a_request_from_elsewhere(guarded: Guarded) -> None:
    recovery = guarded.ask()
    request = parse_request(recovery.request)
    nobody = replace(request, place=replace(request.place, patient=bytes(20)))
    with pytest.raises(NotFound):
        guarded.net.approve_recovery(guarded.guardians[0], nobody.to_bytes(), nobody.fingerprint())
    elsewhere = replace(request, place=replace(request.place, chain_id=5))
    with pytest.raises(InvalidInput, match="another chain"):
        guarded.net.approve_recovery(guarded.guardians[0], elsewhere.to_bytes(), elsewhere.fingerprint())
    with pytest.raises(InvalidInput, match="another chain"):
        guarded.net.wallet_recovery(guarded.alice.id, recovery._wallet, guarded.root, request=elsewhere.to_bytes())
    with pytest.raises(InvalidInput, match="for the wallet"):
        guarded.net.wallet_recovery(guarded.alice.id, medrec.Wallet.create(), guarded.root, request=request.to_bytes())


def test_a_request_that_is_good_for_years(guarded: Guarded) -> None:
    """A signature for it could turn up whenever somebody has enough of them: no guardian's client gives one."""
    recovery = guarded.ask()
    request = parse_request(recovery.request)
    lasting = replace(request, deadline=request.deadline + 61 * 86_400)
    with pytest.raises(InvalidInput, match="more than 90 days"):
        guarded.net.approve_recovery(guarded.guardians[0], lasting.to_bytes(), lasting.fingerprint())
    for days in (0, 91):
        with pytest.raises(InvalidInput, match="at the most"):
            WalletRecovery.ask(
                guarded.net._ledger, guarded.alice.id, recovery._wallet, guarded.root, timedelta(days=days)
            )


def test_after_a_veto(guarded: Guarded) -> None:
    """The wallet that is not lost stops it; the same signatures begin nothing any more, and new ones do."""
    stopped = guarded.ask()
    given = guarded.approvals(stopped)
    stopped.begin(given)
    guarded.alice.stop_recovery()
    assert stopped.under_way is None
    guarded.people.travel(WEEK)
    with pytest.raises(RecoveryOver):
        stopped.complete()
    with pytest.raises(RecoveryOver):
        stopped.begin(given)
    with pytest.raises(RecoveryOver):
        guarded.net.approve_recovery(guarded.guardians[2], stopped.request, stopped.fingerprint)
    assert guarded.begin().under_way is not None


def test_all_of_them_cannot_be_stopped(guarded: Guarded) -> None:
    recovery = guarded.begin(THREE)
    with pytest.raises(RecoveryMismatch):
        guarded.alice.stop_recovery()
    guarded.people.travel(WEEK)
    recovery.complete()
    assert recovery.is_complete


def test_a_thief_who_changes_the_guardians_first(guarded: Guarded) -> None:
    """With the stolen wallet: the old ones still count, all of them are not stopped, and the change is undone."""
    thief = medrec.Wallet.create()
    guarded.alice.set_guardians(1, [thief.address], delay=timedelta(hours=1))
    recovery = guarded.begin(THREE)
    guarded.people.travel(WEEK)
    theirs = guarded.ask(medrec.Wallet.create())
    block = guarded.net.approve_recovery(thief, theirs.request, theirs.fingerprint)
    with pytest.raises(RecoveryMismatch):
        theirs.begin([theirs.receive(block)])
    recovery.complete()
    present = guarded.net.patient(recovery._wallet, guarded.root, patient=guarded.alice.id).guardians().present
    assert present is not None
    assert set(present.accounts) == {one.address for one in guarded.guardians}


def test_a_request_that_is_over(guarded: Guarded) -> None:
    recovery = guarded.ask()
    given = guarded.approvals(recovery)
    guarded.people.travel(timedelta(days=31))
    with pytest.raises(RecoveryOver, match="time"):
        guarded.net.approve_recovery(guarded.guardians[2], recovery.request, recovery.fingerprint)
    with pytest.raises(medrec.errors.ContractError, match="good until"):
        recovery.begin(given)


def test_the_wallet_that_decides_needs_none(guarded: Guarded) -> None:
    with pytest.raises(InvalidInput, match="already"):
        guarded.ask(guarded.alice._wallet)  # type: ignore[arg-type]


def test_a_recovery_takes_its_guardians_along(guarded: Guarded) -> None:
    """A bundle without them, or with others' signatures, is none."""
    recovery = guarded.ask()
    consent = parse_request(recovery.request).to_sign(address_bytes(recovery._wallet.address))
    signature = recovery._wallet.sign_typed_data(consent.typed_data())
    with pytest.raises(FormatError):
        SignedDecision(consent, (signature,))
    guardians = recovery.guardians()
    with pytest.raises(FormatError):
        SignedDecision(consent, (signature, b"", b""), guardians)
    with pytest.raises(FormatError, match="empty"):
        SignedDecision(consent, (b"", *(b"\1" * 65,) * 3), guardians)
    with pytest.raises(SignatureMissing):
        SignedDecision(consent, (signature, *(b"\1" * 65,) * 3), guardians).verify()


# --- the block that says who they are -------------------------------------------------------------------------------


def test_the_block_belongs_to_one_patient(guarded: Guarded) -> None:
    """Another patient's, another root secret's and an altered one open to nothing."""
    place, suite = guarded.net._ledger.place(guarded.alice.id), guarded.net._ledger.suite
    public_key = suite.public_key(guarded.root.root_key(suite.number, place))
    chosen = GuardianSet.choose(1, [b"\7" * 20], 3600)
    block = guardian_document.seal([chosen], place, public_key, suite)
    assert guardian_document.open_sets(block, place, guarded.root) == (chosen,)
    with pytest.raises(WrongKey):
        guardian_document.open_sets(block, replace(place, patient=bytes(20)), guarded.root)
    with pytest.raises(WrongKey):
        guardian_document.open_sets(block, place, require_root(medrec.Wallet.create()))
    with pytest.raises(WrongKey):
        guardian_document.open_sets(block[:-1] + bytes([block[-1] ^ 1]), place, guarded.root)
    with pytest.raises(FormatError):
        guardian_document.open_sets(b"\xa0", place, guarded.root)


# --- whoever has the wallet, or carries what was signed --------------------------------------------------------------


def _junk(guarded: Guarded, document: bytes, commitment: bytes = b"\5" * 32) -> None:
    """What a thief of the wallet sets, with the guardians shown by a recovery that has begun."""
    shown = guarded.ask().guardians()
    number = guarded.net.contract.patient_of(guarded.alice.id).decisions + 1
    call = guarded.net.contract.set_guardians(
        guarded.alice.id, number, delay=shown.delay, rest=shown.rest, guardians=commitment, document=document
    )
    guarded.net._ledger.send(guarded.alice._wallet, call)


@pytest.mark.parametrize("document", [bytes(32), b"\6" * 32], ids=["none", "nowhere"])
def test_a_thief_of_the_wallet_hides_no_guardians(guarded: Guarded, document: bytes) -> None:
    """It names guardians whom no block tells, in a block that is nowhere: those that count are still asked."""
    _junk(guarded, document)
    recovery = guarded.begin(THREE)
    status = guarded.alice.guardians()
    assert status.recovery == recovery.under_way
    assert status.present is not None
    assert (status.following, status.following_unknown, status.present_unknown) == (None, True, False)
    _junk(guarded, document, guarded.net.contract.guardianship_of(guarded.alice.id).present)  # under their own name
    assert guarded.alice.guardians().present == status.present
    guarded.alice.set_guardians(2, [one.address for one in guarded.guardians], delay=WEEK)
    guarded.people.travel(WEEK)
    recovery.complete()
    found = guarded.net.patient(recovery._wallet, guarded.root, patient=guarded.alice.id).guardians()
    assert found.present == status.present


def test_guardians_that_nobody_can_name_are_shown_as_such(guarded: Guarded) -> None:
    """Once they count, they cannot be replaced; what is under way is still told."""
    _junk(guarded, bytes(32))
    guarded.people.travel(WEEK)
    status = guarded.alice.guardians()
    assert (status.present, status.present_unknown) == (None, True)
    with pytest.raises(GuardiansUnknown):
        guarded.alice.remove_guardians()


def test_a_new_root_secret_gets_the_guardians_in_spite_of_a_thief(guarded: Guarded) -> None:
    """Otherwise nobody would ever change them again: the old phrase is destroyed."""
    before = guarded.alice.guardians().present
    _junk(guarded, bytes(32))
    with pytest.warns(GuardiansKept):
        guarded.alice.change_root(wallet=medrec.Wallet.create())
    assert guarded.alice.guardians().present == before
    guarded.people.travel(WEEK)
    assert guarded.alice.guardians().present == before


def test_a_recovery_to_another_wallet_is_not_this_one(guarded: Guarded) -> None:
    """Of two requests of the same number one is begun: the other wallet neither waits for it nor completes it."""
    hers, thiefs = guarded.ask(), guarded.ask()
    given = guarded.approvals(hers)
    rest = guarded.approvals(hers, [2])
    thiefs.begin(guarded.approvals(thiefs))
    assert hers.under_way is None
    assert hers.rival == thiefs.under_way
    with pytest.raises(RecoveryOver):
        hers.begin(given)
    guarded.people.travel(WEEK)
    with pytest.raises(RecoveryOver):
        hers.complete()
    hers.begin([*given, *rest])  # what all signed comes before it
    assert hers.under_way is not None
    assert hers.rival is None


class _LeavingOut(Carrying):
    """Begins recoveries with no more signatures than it takes, so that the wallet before can stop them."""

    def carry(self, bundle: Bundle) -> str:
        (signed,) = bundle.decisions
        fewer = replace(signed, signatures=(*signed.signatures[:-1], b""))
        return super().carry(replace(bundle, decisions=(fewer,)))


def test_signatures_that_a_courier_leaves_out_are_missed(guarded: Guarded) -> None:
    """What can be stopped is not what all signed; what all signed is good still, by an honest courier."""
    leaving_out = _LeavingOut(guarded.net)
    cheated = medrec.Network(guarded.net.chain, guarded.net.contract, guarded.net.store, courier=leaving_out)
    asked = guarded.ask()
    given = guarded.approvals(asked, THREE)
    recovery = cheated.wallet_recovery(guarded.alice.id, asked._wallet, guarded.root, request=asked.request)
    with pytest.raises(RelayError, match="nothing of it"):
        recovery.begin(given)
    guarded.alice.stop_recovery()
    asked.begin(given)
    assert asked.under_way is not None
    assert asked.under_way.unanimous


class _Stale(Carrying):
    """Says that it did, and names what it did before."""

    said = ""

    def carry(self, bundle: Bundle) -> str:
        return self.said


def test_the_completion_before_is_not_this_one(guarded: Guarded) -> None:
    """The same wallet takes over twice: a courier cannot pass the first time off as the second."""
    first = guarded.begin(THREE)
    guarded.people.travel(WEEK)
    said = first.complete().transaction
    back = guarded.net.patient(first._wallet, guarded.root, patient=guarded.alice.id)
    back.change_root(RootSecret.generate(), wallet=medrec.Wallet.create())
    second = guarded.net.wallet_recovery(guarded.alice.id, first._wallet, back._root)
    payer = Carrying(guarded.net)._payer
    second.begin(guarded.approvals(second, THREE), payer)
    guarded.people.travel(WEEK)
    stale = _Stale(guarded.net)
    stale.said = said
    cheated = medrec.Network(guarded.net.chain, guarded.net.contract, guarded.net.store, courier=stale)
    recovery = cheated.wallet_recovery(guarded.alice.id, first._wallet, back._root, request=second.request)
    with pytest.raises(RelayError, match="nothing of it"):
        recovery.complete()
    assert not recovery.is_complete
    second.complete(payer)
    assert recovery.is_complete
