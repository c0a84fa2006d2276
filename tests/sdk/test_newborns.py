"""A newborn's record: registered by the id's own key, decided about by a parent's wallet, handed over at majority."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import timedelta

import pytest

import medrec_py as medrec
from medrec_py.chain.events import WalletChanged
from medrec_py.chain.reverts import AlreadyRegistered, NotController
from medrec_py.errors import EntryMissing, InvalidInput, RootSecretMissing, RootSecretReplaced
from medrec_py.guardians import GuardiansStay
from medrec_py.network import Network
from tests.sdk.people import MONTH, People, meet
from tests.sdk.test_deciding_without_ether import Carrying

pytestmark = pytest.mark.slow


@pytest.fixture
def people() -> Iterator[People]:
    with medrec.local() as net:
        yield meet(net)


def test_from_birth_to_majority(people: People) -> None:
    """The parent decides and reads for eighteen years, and then no more; the record, its authors and its id stay."""
    net, mother, newborn = people.net, medrec.Wallet.create(), medrec.Wallet.create()
    child = net.patient(mother, patient=newborn).register(["general"], identity=newborn)
    assert child.id == newborn.address
    assert net.contract.patient_of(child.id).wallet == mother.address
    child.grant(people.hospital, read=["general"], append=["general"], expires=MONTH)
    birth = people.doctor.on_behalf_of(people.hospital).chart(child.id)
    first = birth.append(b"3,400 g", compartment="general", title="birth").number
    assert child.read(first).read() == b"3,400 g"
    assert not net.chain.transaction_count(newborn.address)

    people.travel(timedelta(days=18 * 365))
    grown = medrec.Wallet.create()
    net._funded(grown)
    ether = net.chain.balance(mother.address)
    adult = child.hand_over(grown)
    adult.rotate()
    assert net.chain.balance(mother.address) > ether - 10**17  # gas alone: a parent's ether is not the child's
    later = adult.append(b"my own", compartment="general", title="first of my own").number
    assert adult.id == newborn.address
    assert [adult.read(number).read() for number in (first, later)] == [b"3,400 g", b"my own"]

    former = net.patient(mother, patient=newborn)
    for parent in (child, former):
        with pytest.raises(NotController):
            parent.revoke(people.hospital)
        with pytest.raises(RootSecretReplaced):
            parent.read(later)
    history, consent = adult._ledger.history(child.id), adult._ledger.consent(child.id)
    with pytest.raises(RootSecretReplaced):  # with its keys, whatever is permitted
        former.chart().verified(history, consent, history.record(later))
    assert former.chart().verified(history, consent, history.record(first))  # what it could read it may have kept


def test_the_parent_has_a_record_of_its_own(people: People) -> None:
    """One wallet, two patients: each has keys of its own, and the parent's comes first where nobody says which."""
    net, newborn = people.net, medrec.Wallet.create()
    wallet = people.alice._wallet
    child = net.patient(wallet, patient=newborn).register(identity=newborn)
    child.append(b"the child's", compartment="general", title="note")
    people.alice.append(b"the mother's", compartment="general", title="note")
    assert net.patient_id(wallet) == people.alice.id
    assert [record.read() for record in net.patient(wallet).records()] == [b"the mother's"]
    assert [record.read() for record in net.patient(wallet, patient=newborn).records()] == [b"the child's"]


def test_a_wallet_finds_the_only_child_that_it_decides_for(people: People) -> None:
    """As it finds an id that was handed to it; of two it has to be said which."""
    net, parent = people.net, medrec.Wallet.create()
    first, second = medrec.Wallet.create(), medrec.Wallet.create()
    net.patient(parent, patient=first).register(identity=first)
    assert net.patient(parent).id == first.address
    net.patient(parent, patient=second).register(identity=second)
    with pytest.raises(InvalidInput, match="several"):
        net.patient(parent)


def test_nobody_registers_an_id_whose_key_does_not_sign(people: People) -> None:
    """Without its key, or with another's, nothing is stored or registered."""
    net, parent, newborn = people.net, medrec.Wallet.create(), medrec.Wallet.create()
    for identity in (None, medrec.Wallet.create()):
        with pytest.raises(InvalidInput, match="signs its registration"):
            net.patient(parent, patient=newborn).register(identity=identity)
    assert not net.contract.patient_of(newborn.address).is_registered
    net.patient(parent, patient=newborn).register(identity=newborn)
    with pytest.raises(AlreadyRegistered):
        net.patient(parent, patient=newborn).register(identity=newborn)


def test_a_parent_without_ether_registers_and_decides(people: People) -> None:
    """Both signatures travel in the bundle, with the keyring; the parent has no ether, and neither has the child."""
    net = people.net
    courier = Carrying(net)
    poor = Network(net.chain, net.contract, net.store, courier=courier)
    parent, newborn = medrec.Wallet.create(), medrec.Wallet.create()
    child = poor.patient(parent, patient=newborn).register(identity=newborn)
    registration, keyring = courier.bundles[0].decisions
    assert len(registration.signatures) == 2
    assert type(keyring.decision).__name__ == "PublishKeyring"
    child.grant(people.hospital, read=["general"], append=["general"], expires=MONTH)
    number = people.hospital.chart(child.id).append(b"seen", compartment="general", title="visit").number
    assert child.read(number).read() == b"seen"
    assert net.chain.balance(parent.address) == net.chain.balance(newborn.address) == 0


def test_handing_over_takes_another_wallet_and_another_secret(people: People) -> None:
    """The same wallet is no hand-over, and the parent's own root secret would go on opening everything."""
    net, parent, newborn = people.net, medrec.Wallet.create(), medrec.Wallet.create()
    child = net.patient(parent, patient=newborn).register(identity=newborn)
    with pytest.raises(InvalidInput, match="another wallet"):
        child.hand_over(parent, medrec.Wallet.create().root)
    with pytest.raises(RootSecretMissing):
        child.hand_over(medrec.Wallet.create(), parent.root)
    assert net.contract.patient_of(child.id).wallet == parent.address
    child.append(b"still", compartment="general", title="note")


def test_a_node_that_hides_the_hand_over_brings_no_author_back_to_the_parents_keys(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the change of wallet the child's own keyring would be some representative's, and be left out."""
    net, grown = people.net, medrec.Wallet.create()
    net._funded(grown)
    child = net.patient(medrec.Wallet.create()).register(["general"])
    child.hand_over(grown)
    adult = net.patient(grown, patient=child.id)
    adult.grant(people.hospital, append=["general"], expires=MONTH)
    ledger = type(net._ledger)(net.chain, net.contract, net.store, suite=net.suite)
    events = ledger._events
    monkeypatch.setattr(
        ledger,
        "_events",
        lambda *arguments: [logged for logged in events(*arguments) if not isinstance(logged.event, WalletChanged)],
    )
    with pytest.raises(EntryMissing, match="wallet"):
        ledger.consent(child.id)
    with pytest.raises(EntryMissing, match="wallet"):
        list(ledger.decisions(child.id))


def test_a_parents_guardians_go_with_it(people: People) -> None:
    """They could hand the child's record back. Until they are gone, and of a recovery that has begun, it is told."""
    net, grown, guardian = people.net, medrec.Wallet.create(), medrec.Wallet.create()
    net._funded(grown)
    child = net.patient(medrec.Wallet.create()).register(["general"])
    child.set_guardians(1, [guardian.address], delay=timedelta(days=7))
    recovery = net.wallet_recovery(child.id, medrec.Wallet.create(), child._root)
    with pytest.warns(GuardiansStay, match="count until"):
        adult = child.hand_over(grown)
    status = adult.guardians()
    assert status.present is not None
    assert status.present.accounts == (guardian.address,)
    assert status.following is None
    recovery.begin([recovery.receive(net.approve_recovery(guardian, recovery.request, recovery.fingerprint))])
    heir = medrec.Wallet.create()
    net._funded(heir)
    with pytest.warns(GuardiansStay, match="under way"):
        adult.hand_over(heir)


def test_without_guardians_a_hand_over_warns_of_none(people: People) -> None:
    net, grown = people.net, medrec.Wallet.create()
    net._funded(grown)
    child = net.patient(medrec.Wallet.create()).register(["general"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", GuardiansStay)
        adult = child.hand_over(grown)
    assert adult.guardians().present is None
