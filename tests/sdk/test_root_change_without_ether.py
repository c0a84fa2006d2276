"""A patient without ether takes a new phrase: step by step, and from wherever it stops it goes on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.reverts import NotController
from medrec_py.crypto.decisions import SetGuardians
from medrec_py.crypto.signed_decisions import Bundle
from medrec_py.errors import (
    InvalidInput,
    RelayError,
    RootSecretMissing,
    RootSecretReplaced,
    StoreUnavailable,
    SurvivorUnreadable,
)
from medrec_py.guardians import GuardiansStay
from medrec_py.network import Network
from medrec_py.storage.cid import Cid
from tests.sdk.people import People, meet
from tests.sdk.test_deciding_without_ether import Carrying, net, poor
from tests.sdk.test_root_change import fill_inbox

__all__ = ["net", "poor"]

pytestmark = pytest.mark.slow

STEPS = [["ChangeWallet"], ["PublishKeyring"], ["SetGuardians"], ["PublishKeyring"], ["PublishMoved"]]
"""What is signed and carried, where there are guardians and a record waits in the inbox."""


class Stopping(Carrying):
    """Takes no more than so many bundles; it has them, and may carry the one that it did not take later."""

    def __init__(self, net: Network) -> None:
        super().__init__(net)
        self.left = 1000

    def carry(self, bundle: Bundle) -> str:
        if not self.left:
            raise RelayError("no more")
        self.left -= 1
        return super().carry(bundle)


@pytest.fixture
def courier(net: Network) -> Stopping:
    return Stopping(net)


@pytest.fixture
def people(net: Network, poor: Network) -> People:
    """Alice has no ether; everybody else has."""
    usual = meet(net)
    alice = poor.patient(medrec.Wallet.create()).register(["general", "psychiatry"])
    return People(net, alice, usual.hospital, usual.doctor)


@pytest.fixture
def guardian() -> medrec.Wallet:
    return medrec.Wallet.create()


@pytest.fixture
def waiting(people: People, guardian: medrec.Wallet) -> medrec.Appended:
    """Alice has guardians, an old record, and one in the inbox."""
    people.alice.set_guardians(1, [guardian.address])
    people.alice.append(b"old", compartment="psychiatry", title="old")
    return fill_inbox(people)


def read_all(patient: medrec.Patient) -> list[bytes]:
    return [record.read() for record in patient.records()]


def steps(courier: Carrying, behind: int) -> list[list[str]]:
    return [[type(signed.decision).__name__ for signed in bundle.decisions] for bundle in courier.bundles[behind:]]


def test_a_new_phrase_without_ether(
    net: Network, poor: Network, people: People, courier: Stopping, waiting: medrec.Appended, guardian: medrec.Wallet
) -> None:
    """The wallet first, then what the new one signs; the new phrase alone opens and decides everything."""
    alice, old, heir, before = people.alice, people.alice._wallet, medrec.Wallet.create(), len(courier.bundles)
    changed = alice.change_root(wallet=heir)
    assert steps(courier, before) == STEPS
    assert changed.moved == (waiting.number,)
    device = poor.patient(medrec.Wallet.from_phrase(heir.phrase or ""))
    assert device.id == alice.id
    assert read_all(device) == [b"old", b"waits"]
    present = device.guardians().present
    assert present is not None
    assert present.accounts == (guardian.address,)
    device.revoke(people.hospital)
    with pytest.raises(NotController):
        poor.patient(old, patient=alice.id).revoke(people.hospital)
    for account in (old, heir):
        assert net.chain.transaction_count(account.address) == net.chain.balance(account.address) == 0


def test_another_root_secret_alone(people: People, poor: Network, courier: Stopping) -> None:
    """The wallet stays; only the keyring is needed, where there are no guardians and nothing waits."""
    before, root = len(courier.bundles), medrec.RootSecret.generate()
    number = people.alice.append(b"one", compartment="general", title="1").number
    before = len(courier.bundles)
    changed = people.alice.change_root(root)
    assert steps(courier, before) == [["PublishKeyring"]]
    assert changed.moved == ()
    assert poor.patient(people.alice._wallet, root).read(number).read() == b"one"
    former = poor.patient(people.alice._wallet)
    assert former.read(number).read() == b"one"  # as it could before
    with pytest.raises(RootSecretReplaced):
        former.rotate()


@pytest.mark.parametrize("done", range(len(STEPS)))
def test_where_it_stops_it_goes_on(
    net: Network,
    poor: Network,
    people: People,
    courier: Stopping,
    waiting: medrec.Appended,
    guardian: medrec.Wallet,
    done: int,
) -> None:
    """Nothing is lost to whoever has both secrets, authors go on, and the rest is done later."""
    alice, old, heir, before = people.alice, people.alice._wallet, medrec.Wallet.create(), len(courier.bundles)
    courier.left = done
    with pytest.raises(RelayError, match="no more"):
        alice.change_root(wallet=heir)
    assert steps(courier, before) == STEPS[:done]
    decides = old if done == 0 else heir
    assert net.contract.patient_of(alice.id).wallet == decides.address
    late = people.chart().append(b"meanwhile", compartment="general", title="meanwhile")
    courier.left = 1000
    if done == 0:
        assert read_all(alice) == [b"old", b"waits", b"meanwhile"]
        alice.change_root(wallet=heir)
    else:
        moved = poor.patient(heir).rescue(old.root)  # type: ignore[arg-type]
        assert moved == len({waiting.number, late.number} if late.in_inbox or done < 2 else {waiting.number})
    device = poor.patient(medrec.Wallet.from_phrase(heir.phrase or ""))
    assert read_all(device) == [b"old", b"waits", b"meanwhile"]
    present = device.guardians().present
    assert present is not None
    assert present.accounts == (guardian.address,)
    handed = len(courier.bundles)
    assert device.rescue(old.root) == 0  # type: ignore[arg-type]
    assert len(courier.bundles) == handed


def test_what_a_courier_holds_back_is_carried_late(net: Network, poor: Network, people: People) -> None:
    """The patient gives up, and then the change of wallet is mined: the new wallet goes on with what is left."""
    people.alice.append(b"one", compartment="general", title="1")
    heir, old = medrec.Wallet.create(), people.alice._wallet

    class Withholding(Carrying):
        def carry(self, bundle: Bundle) -> str:
            raise RelayError("busy")

    withheld = Network(net.chain, net.contract, net.store, courier=Withholding(net)).patient(old)
    with pytest.raises(RelayError) as caught:
        withheld.change_root(wallet=heir)
    people.alice.append(b"two", compartment="general", title="2")
    net.carry(caught.value.bundle, payer=medrec.Wallet.create())
    device = poor.patient(heir)
    with pytest.raises(RootSecretReplaced):
        device.compartments()
    device.rescue(old.root)  # type: ignore[arg-type]
    assert read_all(device) == [b"one", b"two"]


def test_a_keyring_that_comes_late(net: Network, people: People, courier: Stopping) -> None:
    """What was held back is mined just before what is signed in its place: one of the two counts, and that will do."""
    people.alice.append(b"one", compartment="general", title="1")
    heir, old = medrec.Wallet.create(), people.alice._wallet
    courier.left = 1
    with pytest.raises(RelayError) as caught:
        people.alice.change_root(wallet=heir)

    class Late(Carrying):
        held: Bundle | None = caught.value.bundle

        def carry(self, bundle: Bundle) -> str:
            if self.held is not None:
                held, self.held = self.held, None
                super().carry(held)
            return super().carry(bundle)

    device = Network(net.chain, net.contract, net.store, courier=Late(net)).patient(heir)
    assert device.rescue(old.root) == 0  # type: ignore[arg-type]
    assert read_all(device) == [b"one"]
    device.rotate()


def test_a_child_is_not_handed_over_to_the_parents_secret(people: People, poor: Network, courier: Stopping) -> None:
    """Nor where the change of the wallet has gone through already."""
    mother, newborn = medrec.Wallet.create(), medrec.Wallet.create()
    child = poor.patient(mother, patient=newborn).register(["general"], identity=newborn)
    grown = medrec.Wallet.from_key(b"\5" * 32)
    courier.left = 1
    with pytest.raises(RelayError):
        child.hand_over(grown, medrec.RootSecret.generate())
    assert child._ledger.contract.patient_of(child.id).wallet == grown.address
    courier.left = 1000
    with pytest.raises(RootSecretMissing):
        child.hand_over(grown, mother.root)
    adult = child.hand_over(grown, medrec.RootSecret.generate())
    with pytest.raises(RootSecretReplaced):
        child.rotate()
    adult.rotate()


def test_no_signature_does_harm_alone(net: Network, people: People, courier: Stopping, waiting: object) -> None:
    """Each is signed by the wallet that decides when the one before stands, and is no use twice."""
    before = len(courier.bundles)
    people.alice.change_root(wallet=medrec.Wallet.create())
    word = net.contract.patient_of(people.alice.id)
    for bundle in courier.bundles[before:]:
        net.carry(bundle, payer=medrec.Wallet.create())  # done already, which is no error
    assert net.contract.patient_of(people.alice.id) == word


def test_what_cannot_be_read_stops_it_before_anything_changed(
    people: People, courier: Stopping, waiting: medrec.Appended
) -> None:
    """It would be lost with the old phrase; the patient may say that it may be."""
    ledger, alice, before = people.alice._ledger, people.alice, len(courier.bundles)
    entry = ledger.history(alice.id).record(waiting.number)
    pointer = alice.chart().envelope(ledger.history(alice.id), entry).pointer
    people.net.store.unpin(Cid.raw(pointer))
    people.net.store.collect()  # type: ignore[attr-defined]
    with pytest.raises(SurvivorUnreadable, match=f"entry {waiting.number},"):
        alice.change_root(wallet=medrec.Wallet.create())
    assert len(courier.bundles) == before
    alice.change_root(wallet=medrec.Wallet.create(), leave=[waiting.number])
    assert steps(courier, before) == STEPS[:3]


def test_a_store_that_is_down_behind_the_change_of_wallet(
    net: Network, poor: Network, people: People, courier: Stopping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keyring is not stored, so nothing is signed; later it goes on."""
    people.alice.append(b"one", compartment="general", title="1")
    heir, old = medrec.Wallet.create(), people.alice._wallet

    def down(*_: object) -> None:
        raise StoreUnavailable("the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(people.alice._ledger, "put_block", down)
        with pytest.raises(StoreUnavailable):
            people.alice.change_root(wallet=heir)
    assert net.contract.patient_of(people.alice.id).wallet == heir.address
    assert poor.patient(heir, old.root, patient=people.alice.id).compartments()  # as before, by the new wallet
    poor.patient(heir).rescue(old.root)  # type: ignore[arg-type]
    assert read_all(poor.patient(heir)) == [b"one"]


def test_a_change_that_took_place_is_not_begun_again(poor: Network, people: People, courier: Stopping) -> None:
    """The error says what does the rest."""
    heir, old = medrec.Wallet.create(), people.alice._wallet
    people.alice.append(b"one", compartment="general", title="1")
    device = poor.patient(old)
    device.change_root(wallet=heir)
    with pytest.raises(InvalidInput, match="rescue"):
        people.alice.change_root(wallet=heir)


def pointer_of(people: People, record: int) -> bytes:
    """Where a record's envelope is."""
    history, chart = people.alice._ledger.history(people.alice.id), people.alice.chart()
    return chart.envelope(history, history.record(record)).pointer


def test_a_block_that_is_damaged_in_between_stops_it(
    net: Network, poor: Network, people: People, courier: Stopping, waiting: medrec.Appended
) -> None:
    """It is all that there was: nothing is passed over, and once the block is whole again, it is moved."""
    alice, old, heir = people.alice, people.alice._wallet, medrec.Wallet.create()
    path = Path(net.store._block(Cid.raw(pointer_of(people, waiting.number))))  # type: ignore[attr-defined]
    good, carry = path.read_bytes(), courier.carry

    def damaging(bundle: Bundle) -> str:
        done = carry(bundle)
        path.chmod(0o600)
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        return done

    courier.carry = damaging  # type: ignore[method-assign]
    with pytest.raises(SurvivorUnreadable):
        alice.change_root(wallet=heir)
    courier.carry = carry  # type: ignore[method-assign]
    path.write_bytes(good)
    assert poor.patient(heir).rescue(old.root) == 1  # type: ignore[arg-type]
    assert read_all(poor.patient(heir)) == [b"old", b"waits"]


def test_what_is_written_behind_the_new_keyring_stops_nothing(
    net: Network, poor: Network, people: People, courier: Stopping, waiting: medrec.Appended
) -> None:
    """It needs no moving, so nobody can hold the change up by it."""
    old, heir, courier.left = people.alice._wallet, medrec.Wallet.create(), 3
    with pytest.raises(RelayError):
        people.alice.change_root(wallet=heir)
    courier.left = 1000
    late = people.chart().append(b"junk", compartment="general", title="junk")
    Path(net.store._block(Cid.raw(pointer_of(people, late.number)))).unlink()  # type: ignore[attr-defined]
    device = Network(net.chain, net.contract, net.store, courier=courier).patient(heir)
    assert device.rescue(old.root) == 1  # type: ignore[arg-type]
    assert device.read(waiting.number).read() == b"waits"


def test_what_only_the_former_phrase_opens_is_not_to_be_given_up(
    poor: Network, people: People, courier: Stopping, waiting: object
) -> None:
    """Yet another change of the phrase says that the one before is to be finished."""
    courier.left = 3
    with pytest.raises(RelayError):
        people.alice.change_root(wallet=(heir := medrec.Wallet.create()))
    courier.left = 1000
    with pytest.raises(SurvivorUnreadable) as caught:
        poor.patient(heir).change_root(wallet=medrec.Wallet.create())
    assert "medrec keys finish" in caught.value.remedy


def test_where_guardians_hand_the_id_on_in_between(
    net: Network, poor: Network, people: People, courier: Stopping, waiting: object, guardian: medrec.Wallet
) -> None:
    """The new root secret counts, and a third wallet decides: with both secrets it goes on."""
    old, heir, third = people.alice._wallet, medrec.Wallet.create(), medrec.Wallet.create()
    recovery = net.wallet_recovery(people.alice.id, third, old.root)
    recovery.begin([recovery.receive(net.approve_recovery(guardian, recovery.request, recovery.fingerprint))])
    courier.left = 2
    with pytest.raises(RelayError):
        people.alice.change_root(wallet=heir)
    courier.left = 1000
    people.travel(timedelta(days=7))
    recovery.complete()
    found = poor.patient(third, heir.root, patient=people.alice.id)
    assert found.rescue(old.root) == 1  # type: ignore[arg-type]
    assert read_all(found) == [b"old", b"waits"]


def test_guardians_to_come_are_kept_while_a_store_is_down(
    poor: Network, people: People, courier: Stopping, guardian: medrec.Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing follows from a store that does not answer: they are neither dropped nor told again."""
    friend, heir, old = medrec.Wallet.create(), medrec.Wallet.create(), people.alice._wallet
    for one in (guardian, friend):
        people.alice.set_guardians(1, [one.address], delay=timedelta(days=7))

    def down(patient: medrec.Patient, patch: pytest.MonkeyPatch) -> None:
        """The block of the guardians that were told last cannot be had."""
        forms = [signed.decision for bundle in courier.bundles for signed in bundle.decisions]
        document = [form.document for form in forms if isinstance(form, SetGuardians)][-1]
        fetch = patient._ledger.fetch

        def fetched(pointer: bytes) -> bytes:
            if pointer == document:
                raise StoreUnavailable("the store does not answer")
            return fetch(pointer)

        patch.setattr(patient._ledger, "fetch", fetched)

    with monkeypatch.context() as patch:
        down(people.alice, patch)
        with pytest.raises(StoreUnavailable):
            people.alice.change_root(wallet=heir)
    device = poor.patient(heir)
    device.rescue(old.root)  # type: ignore[arg-type]
    following, since = device.guardians().following, device.guardians().since
    assert following is not None
    assert following.accounts == (friend.address,)
    people.travel(timedelta(days=6))
    with monkeypatch.context() as patch:
        down(device, patch)
        with pytest.raises(StoreUnavailable):
            device.rescue(old.root)  # type: ignore[arg-type]
    assert device.guardians().since == since


def test_a_secret_that_never_took_over_sends_nothing(
    poor: Network, people: People, courier: Stopping, waiting: object
) -> None:
    """The patient has a later one than either: not even the guardians are told to it."""
    old = people.alice._root
    people.alice.change_root(medrec.RootSecret.generate())
    handed = len(courier.bundles)
    with pytest.raises(RootSecretReplaced):
        poor.patient(people.alice._wallet, medrec.RootSecret.generate()).rescue(old)
    assert len(courier.bundles) == handed


def test_signing_for_later_sends_no_ether(net: Network, poor: Network, people: People, courier: Stopping) -> None:
    """What is only signed sends nothing at all, the old wallet's ether neither."""
    old, heir, courier.left = people.alice._wallet, medrec.Wallet.create(), 1
    with pytest.raises(RelayError):
        people.alice.change_root(wallet=heir)
    net._fund(old.address)  # type: ignore[misc]
    root = old.root
    bundle = poor.patient(heir).signed(lambda patient: patient.rescue(root, wallet=old))  # type: ignore[arg-type]
    assert [type(signed.decision).__name__ for signed in bundle.decisions] == ["PublishKeyring"]
    assert net.chain.transaction_count(old.address) == 0


def test_a_hand_over_that_is_done_touches_no_guardians_of_the_child(poor: Network, guardian: medrec.Wallet) -> None:
    """Called again for safety, it leaves those whom the child has named since."""
    mother, newborn, grown, friend = (medrec.Wallet.create() for _ in range(4))
    child = poor.patient(mother, patient=newborn).register(["general"], identity=newborn)
    child.set_guardians(1, [guardian.address])
    with pytest.warns(GuardiansStay):
        adult = child.hand_over(grown)
    adult.set_guardians(1, [friend.address])
    with pytest.warns(GuardiansStay):
        child.hand_over(grown)
    following = adult.guardians().following
    assert following is not None
    assert following.accounts == (friend.address,)


def test_a_child_that_is_left_alone_is_guarded_by_the_parents_no_longer(
    poor: Network, courier: Stopping, guardian: medrec.Wallet
) -> None:
    """The guardians end before the wallet changes: nobody gains anything by leaving off in between."""
    mother, newborn, grown = (medrec.Wallet.create() for _ in range(3))
    child = poor.patient(mother, patient=newborn).register(["general"], identity=newborn)
    child.set_guardians(1, [guardian.address])
    courier.left = 2
    with pytest.raises(RelayError):
        child.hand_over(grown)
    state = child._ledger.contract.guardianship_of(child.id)
    assert child._ledger.contract.patient_of(child.id).wallet == grown.address
    assert not any(state.following)


def test_a_root_secret_takes_over_from_the_one_before_and_never_back(people: People, courier: Stopping) -> None:
    """Two that were mixed up, or one that was never the patient's, change nothing."""
    wallet, old, new = people.alice._wallet, people.alice._root, medrec.RootSecret.generate()
    people.alice.change_root(new)
    handed = len(courier.bundles)
    for present, before in ((old, new), (new, medrec.RootSecret.generate())):
        with pytest.raises(InvalidInput, match="root secret"):
            medrec.Patient(people.alice._ledger, wallet, present).rescue(before)
    assert len(courier.bundles) == handed
    people.alice.rotate()


@pytest.mark.parametrize("done", [0, 1, 2, 3])
def test_a_child_is_handed_over_without_ether(
    net: Network, poor: Network, people: People, courier: Stopping, guardian: medrec.Wallet, done: int
) -> None:
    """Also where it stops in between: called again, it goes on. The parent's guardians go."""
    mother, newborn, grown = medrec.Wallet.create(), medrec.Wallet.create(), medrec.Wallet.create()
    child = poor.patient(mother, patient=newborn).register(["general"], identity=newborn)
    child.append(b"3,400 g", compartment="general", title="birth")
    child.set_guardians(1, [guardian.address], delay=timedelta(days=7))
    before, courier.left = len(courier.bundles), done
    whole = [["SetGuardians"], ["ChangeWallet"], ["PublishKeyring"]]
    if done < len(whole):
        with pytest.raises(RelayError, match="no more"):
            child.hand_over(grown)
    courier.left = 1000
    with pytest.warns(GuardiansStay, match="count until"):
        adult = child.hand_over(grown)
    assert steps(courier, before) == whole
    assert read_all(adult) == [b"3,400 g"]
    status = adult.guardians()
    assert status.present is not None
    assert status.following is None
    later = adult.append(b"mine", compartment="general", title="mine").number
    with pytest.raises(RootSecretReplaced):
        poor.patient(mother, patient=newborn).read(later)
    assert adult.read(later).read() == b"mine"
    assert net.chain.transaction_count(mother.address) == net.chain.transaction_count(grown.address) == 0
