"""A patient without ether decides: every decision is signed, and somebody else brings it to the chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.reverts import AlreadyRegistered, DeadlinePassed, SignatureInvalid, VersionMismatch
from medrec_py.chain.transactions import InsufficientFunds
from medrec_py.courier import OwnExpense
from medrec_py.crypto.blocks import pointer_to
from medrec_py.crypto.decisions import PublishKeyring
from medrec_py.crypto.signed_decisions import Bundle, SignedDecision, blocks_named
from medrec_py.errors import InvalidInput, RelayError, SignatureMissing
from medrec_py.network import Network
from medrec_py.storage import Cid, FolderStore
from medrec_py.storage.fallback import FallbackStore

QUARTER = timedelta(days=90)


class Carrying(OwnExpense):
    """Carries at an account's expense, and keeps what it was given."""

    def __init__(self, net: Network) -> None:
        payer = medrec.Wallet.create()
        net._fund(payer.address)  # type: ignore[misc]
        super().__init__(net.contract, payer)
        self.bundles: list[Bundle] = []

    def carry(self, bundle: Bundle) -> str:
        self.bundles.append(bundle)
        return super().carry(bundle)


@pytest.fixture
def net() -> Iterator[Network]:
    """A network whose accounts are given ether, for providers."""
    with medrec.local() as opened:
        yield opened


@pytest.fixture
def courier(net: Network) -> Carrying:
    return Carrying(net)


@pytest.fixture
def poor(net: Network, courier: Carrying) -> Network:
    """The same deployment and store for people without ether."""
    return Network(net.chain, net.contract, net.store, courier=courier)


@pytest.fixture
def hospital(net: Network) -> medrec.Organisation:
    opened = net.organisation(medrec.Wallet.create())
    net.registrar().accredit(opened, expires=timedelta(days=365))
    return opened


@pytest.fixture
def alice(poor: Network) -> medrec.Patient:
    return poor.patient(medrec.Wallet.create()).register(["general", "psychiatry"])


def test_a_life_without_ether(net: Network, alice: medrec.Patient, hospital: medrec.Organisation) -> None:
    """Registers, grants, reads, revokes, rotates and reseals, and never has any ether."""
    wallet = alice.address
    alice.grant(hospital, read=["general"], append=["general"], expires=QUARTER, history=True)
    chart = hospital.chart(alice.id)
    first, second = (
        chart.append(b"one", compartment="general", title="1"),
        chart.append(b"two", compartment="general", title="2"),
    )
    assert chart.read(first.number).read() == b"one"
    revoked = alice.revoke(hospital)
    assert revoked.rotated
    with pytest.raises(medrec.NotPermitted):
        chart.read(first.number)
    alice.rotate()
    alice.add_compartment("dental")
    assert alice.reseal(first.number, second.number).records == (first.number, second.number)
    assert [record.read() for record in alice.records()] == [b"one", b"two"]
    assert net.chain.balance(wallet) == 0
    assert net.chain.transaction_count(wallet) == 0


def test_what_a_bundle_says(alice: medrec.Patient, hospital: medrec.Organisation, courier: Carrying) -> None:
    """Decisions of one call travel together; each names its signer."""
    alice.grant(hospital, read=["general"], expires=QUARTER)
    kinds = [[type(signed.decision).__name__ for signed in bundle.decisions] for bundle in courier.bundles]
    assert kinds == [["Register", "PublishKeyring"], ["PublishKeyring", "Grant"]]
    assert all(bundle.atomic for bundle in courier.bundles)
    assert all(Bundle.from_json(bundle.to_json()) == bundle for bundle in courier.bundles)


def test_an_author_without_ether(net: Network, poor: Network, hospital: medrec.Organisation) -> None:
    """A doctor's records are appended by somebody else's transactions, several at once too."""
    alice = net.patient(medrec.Wallet.create()).register()
    doctor = net.practitioner(medrec.Wallet.create())
    net.registrar().accredit(doctor, expires=QUARTER)
    alice.grant(doctor, read=["general"], append=["general"], expires=QUARTER)
    author = poor.practitioner(doctor._wallet, publish=False)
    before = net.chain.transaction_count(doctor.address)
    chart = author.chart(alice.id)
    numbers = [chart.append(b"1", compartment="general", title="one").number]
    drafts = [medrec.Draft(str(n).encode(), "general", str(n)) for n in (2, 3)]
    numbers += [appended.number for appended in chart.append_many(drafts)]
    assert [record.read() for record in alice.records()] == [b"1", b"2", b"3"]
    assert net.contract.provider_of(doctor.address).relayed == 3
    assert net.chain.transaction_count(doctor.address) == before
    assert len(set(numbers)) == 3


def test_a_refusal_comes_before_anything_is_handed_over(
    alice: medrec.Patient, poor: Network, courier: Carrying
) -> None:
    """What the contract would refuse leaves the machine with nobody."""
    handed = len(courier.bundles)
    with pytest.raises(AlreadyRegistered):
        alice.register()
    assert len(courier.bundles) == handed


class _Liar(Carrying):
    """Says that it did, and names another transaction."""

    def carry(self, bundle: Bundle) -> str:
        return self.said

    said = "0x" + "11" * 32


def test_a_courier_is_not_taken_at_its_word(net: Network, alice: medrec.Patient, hospital: medrec.Organisation) -> None:
    """Neither a transaction that is not there nor one that did something else passes for what was asked."""
    liar = _Liar(net)
    cheated = Network(net.chain, net.contract, net.store, courier=liar).patient(alice._wallet)
    with pytest.raises(RelayError, match="not on the chain"):
        cheated.grant(hospital, append=["general"], expires=QUARTER)
    other = net.patient(medrec.Wallet.create()).register()
    liar.said = other.grant(hospital, append=["general"], expires=QUARTER).receipt.transaction
    with pytest.raises(RelayError, match="nothing of it"):
        cheated.grant(hospital, append=["general"], expires=QUARTER)


def test_an_altered_bundle_is_refused(alice: medrec.Patient, hospital: medrec.Organisation, courier: Carrying) -> None:
    """A courier that changes a decision has no signature for it."""
    alice.grant(hospital, append=["general"], expires=QUARTER)
    (signed,) = courier.bundles[-1].decisions
    wider = replace(signed.decision, append=3, version=2)
    with pytest.raises(SignatureMissing):
        replace(signed, decision=wider).verify()
    with pytest.raises(SignatureInvalid):
        courier.carry(Bundle((replace(signed, decision=wider),)))


def test_the_same_bundle_twice_is_as_once(
    alice: medrec.Patient, hospital: medrec.Organisation, courier: Carrying, net: Network
) -> None:
    """Whoever is first, the second has done it too: nothing changes, and nothing is an error."""
    granted = alice.grant(hospital, append=["general"], expires=QUARTER)
    courier.carry(courier.bundles[-1])
    assert net.contract.permission_of(alice.id, hospital.address).version == granted.version


def test_signed_now_and_sent_later(net: Network, hospital: medrec.Organisation) -> None:
    """What is signed changes nothing until somebody sends it; the seal of the grantee's keys travels along."""
    alice = net.patient(medrec.Wallet.create()).register()
    record = alice.chart().append(b"one", compartment="general", title="1")
    bundle = alice.signed(
        lambda patient: patient.grant(hospital, read=["general"], expires=QUARTER, history=True),
        valid=timedelta(days=1),
    )
    assert not list(alice.permissions())
    pointers = {pointer for signed in bundle.decisions for pointer in blocks_named(signed.decision)}
    assert pointers <= {pointer_to(block) for block in bundle.blocks}
    receipt = net.carry(Bundle.from_json(bundle.to_json()), payer=medrec.Wallet.create())
    assert hospital.chart(alice.id).read(record.number).read() == b"one"
    again = net.carry(bundle, payer=medrec.Wallet.create())  # by somebody else, who is told what was first
    assert again == receipt


def test_signed_and_overtaken(net: Network, hospital: medrec.Organisation) -> None:
    """A grant in a drawer is dead once its patient has decided otherwise, or its time has passed."""
    alice = net.patient(medrec.Wallet.create()).register()
    grant = alice.signed(lambda patient: patient.grant(hospital, append=["general"], expires=QUARTER))
    alice.revoke(hospital)
    with pytest.raises(VersionMismatch):
        net.carry(grant, payer=medrec.Wallet.create())
    late = alice.signed(
        lambda patient: patient.grant(hospital, append=["general"], expires=QUARTER), valid=timedelta(hours=1)
    )
    net.chain.travel(seconds=3700)  # type: ignore[attr-defined]
    with pytest.raises(DeadlinePassed):
        net.carry(late, payer=medrec.Wallet.create())


def test_a_revocation_from_a_drawer_ends_a_later_grant(net: Network, hospital: medrec.Organisation) -> None:
    """A signed revocation works on whatever version there is by then."""
    alice = net.patient(medrec.Wallet.create()).register()
    alice.grant(hospital, append=["general"], expires=QUARTER)
    revocation = alice.signed(lambda patient: patient.revoke(hospital))
    alice.grant(hospital, append=["general"], expires=2 * QUARTER)
    net.carry(revocation, payer=medrec.Wallet.create())
    assert not net.contract.permission_of(alice.id, hospital.address).terms.append


def test_nothing_to_sign(net: Network) -> None:
    """Where nothing is decided, or for no time at all, there is nothing to sign."""
    alice = net.patient(medrec.Wallet.create()).register()
    with pytest.raises(InvalidInput, match="nothing was decided"):
        alice.signed(lambda patient: patient.history())
    with pytest.raises(InvalidInput, match="a second"):
        alice.signed(lambda patient: patient.rotate(), valid=timedelta(0))


def test_what_only_the_wallet_can_send_is_not_sent_by_signing(net: Network) -> None:
    """Asked to sign and send nothing, it sends nothing: what cannot be signed for another is refused."""
    alice = net.patient(medrec.Wallet.create()).register()
    number = alice.chart().append(b"one", compartment="general", title="1").number
    sent = net.chain.transaction_count(alice.id)
    for decide in (
        lambda patient: patient.erase(number, wallet=medrec.Wallet.create()),
        lambda patient: patient.change_root(root=medrec.Wallet.create().root),
        lambda patient: patient.reseal(number),
    ):
        with pytest.raises(InvalidInput, match="cannot be signed for somebody else"):
            alice.signed(decide)
    assert net.chain.transaction_count(alice.id) == sent
    assert alice.chart().read(number).read() == b"one"


def test_nobody_pays(net: Network, hospital: medrec.Organisation) -> None:
    """Without a relayer somebody has to be named."""
    alice = net.patient(medrec.Wallet.create()).register()
    bundle = alice.signed(lambda patient: patient.grant(hospital, append=["general"], expires=QUARTER))
    with pytest.raises(InvalidInput, match="who pays"):
        net.carry(bundle)


def test_of_another_deployment(net: Network, hospital: medrec.Organisation) -> None:
    """What was signed for one deployment is nothing to another."""
    alice = net.patient(medrec.Wallet.create()).register()
    bundle = alice.signed(lambda patient: patient.grant(hospital, append=["general"], expires=QUARTER))
    with medrec.local() as elsewhere, pytest.raises(InvalidInput, match="another chain or contract"):
        elsewhere.carry(bundle, payer=medrec.Wallet.create())


def test_the_blocks_of_a_bundle_are_stored_by_whoever_sends_it(
    net: Network, hospital: medrec.Organisation, tmp_path: Path
) -> None:
    """The patient's device need not reach the store that others read: the keys are in the bundle."""
    alice = net.patient(medrec.Wallet.create()).register()
    record = alice.chart().append(b"one", compartment="general", title="1")
    own = FallbackStore([FolderStore(tmp_path / "device"), net.store])
    device = Network(net.chain, net.contract, own).patient(alice._wallet)
    bundle = device.signed(lambda me: me.grant(hospital, read=["general"], expires=QUARTER, history=True))
    assert not any(net.store.has(Cid.raw(pointer_to(block))) for block in bundle.blocks)
    net.carry(bundle, payer=medrec.Wallet.create())
    assert hospital.chart(alice.id).read(record.number).read() == b"one"


class _Splitter(Carrying):
    """Sends the first decision of a bundle alone, and says what came of the whole then."""

    def carry(self, bundle: Bundle) -> str:
        if len(bundle.decisions) > 1:
            super().carry(bundle.only(bundle.decisions[:1]))
        return super().carry(bundle)


def test_a_bundle_that_was_split_is_carried_to_its_end(net: Network, hospital: medrec.Organisation) -> None:
    """Whoever sends a part of it alone takes nothing away: the rest stays good, and is sent."""
    splitter = _Splitter(net)
    poor = Network(net.chain, net.contract, net.store, courier=splitter)
    alice = poor.patient(medrec.Wallet.create()).register(["general"])
    alice.grant(hospital, read=["general"], append=["general"], expires=QUARTER)
    chart = hospital.chart(alice.id)
    numbers = [chart.append(text, compartment="general", title="note").number for text in (b"one", b"two")]
    alice.reseal()
    assert [record.read() for record in alice.records()] == [b"one", b"two"]
    assert len(numbers) == len(list(alice.records()))


def test_what_must_not_be_left_in_between_is_sent_by_the_wallet_itself(
    net: Network, alice: medrec.Patient, courier: Carrying
) -> None:
    """Erasing is one transaction or none: a part of it alone would lose records."""
    number = alice.chart().append(b"one", compartment="general", title="1").number
    handed = len(courier.bundles)
    with pytest.raises(InsufficientFunds):
        alice.erase(number, wallet=medrec.Wallet.create())
    assert len(courier.bundles) == handed
    net._fund(alice.address)  # type: ignore[misc]
    alice.erase(number, wallet=medrec.Wallet.create())
    assert not list(alice.records())
    assert len(courier.bundles) == handed


def test_a_manifest_is_signed_once_its_keyring_stands(
    net: Network, poor: Network, alice: medrec.Patient, courier: Carrying
) -> None:
    """Signed together, the manifest could be sent alone: records would be where no published key opens them."""
    alice.chart().append(b"one", compartment="general", title="1")
    before = len(courier.bundles)
    alice.reseal()
    kinds = [[type(signed.decision).__name__ for signed in bundle.decisions] for bundle in courier.bundles[before:]]
    assert kinds == [["PublishKeyring"], ["PublishMoved"]]
    assert [record.read() for record in alice.records()] == [b"one"]


class _Node:
    """Between the SDK and its node: keeps the calls that are only tried."""

    def __init__(self, net: Network) -> None:
        self.seen: list[str] = []
        ask = net.chain.request

        def request(method: str, *params: object) -> object:
            if method in {"eth_call", "eth_estimateGas"}:
                self.seen.append(str(params[0]))
            return ask(method, *params)

        net.chain.request = request  # type: ignore[method-assign]


def test_the_node_is_shown_no_signature(net: Network, alice: medrec.Patient, hospital: medrec.Organisation) -> None:
    """What is tried before is the direct form: a node that lies about it has nothing that it could send."""
    withheld = Network(net.chain, net.contract, net.store, courier=_Thief(net)).patient(alice._wallet)
    node = _Node(net)
    with pytest.raises(RelayError) as caught:
        withheld.grant(hospital, read=["general"], expires=QUARTER)
    signatures = [signature.hex() for signed in caught.value.bundle.decisions for signature in signed.signatures]
    assert signatures
    assert node.seen
    assert not any(signature in call for signature in signatures for call in node.seen)


def test_a_bundle_that_is_refused_drops_nothing(net: Network, alice: medrec.Patient) -> None:
    """A stranger's bundle names blocks that are somebody's already: they stay pinned, whatever becomes of it."""
    _, published = alice._ledger.consent(alice.id).keyrings.latest_by_patient()
    entry = alice._ledger.consent(alice.id).keyrings.own[-1]
    block = net.store.get_block(Cid.raw(entry.pointer))
    stranger = medrec.Wallet.create()
    me = bytes.fromhex(stranger.address[2:])
    place = replace(published.place, patient=me)
    decision = PublishKeyring(place, me, entry.pointer, 0, 1, 2**40)
    bundle = Bundle((SignedDecision(decision, (stranger.sign_typed_data(decision.typed_data()),)),), (block,))
    with pytest.raises(medrec.errors.ContractError):
        net.carry(bundle, payer=medrec.Wallet.create())
    net.store.collect()  # type: ignore[attr-defined]
    assert net.store.has(Cid.raw(entry.pointer))


def test_registered_and_no_more(net: Network, poor: Network, courier: Carrying) -> None:
    """Somebody sent the registration alone, and the rest too late: registering again publishes the keyring."""
    wallet = medrec.Wallet.create()
    thief = _Thief(net)
    with pytest.raises(RelayError):
        Network(net.chain, net.contract, net.store, courier=thief).patient(wallet).register()
    courier.carry(thief.bundles[0].only(thief.bundles[0].decisions[:1]))
    alice = poor.patient(wallet).register()
    assert alice.chart().append(b"one", compartment="general", title="1").number


class _Thief(Carrying):
    """Takes a bundle, sends nothing, and says that it is busy."""

    def carry(self, bundle: Bundle) -> str:
        self.bundles.append(bundle)
        raise RelayError("busy")


def test_what_a_courier_keeps_to_itself_can_be_sent_by_another(net: Network, hospital: medrec.Organisation) -> None:
    """The error has what was signed, and its keys are still in the store: sent later, everything opens."""
    alice = net.patient(medrec.Wallet.create()).register()
    record = alice.chart().append(b"one", compartment="general", title="1")
    withheld = Network(net.chain, net.contract, net.store, courier=_Thief(net)).patient(alice._wallet)
    with pytest.raises(RelayError) as caught:
        withheld.grant(hospital, read=["general"], expires=QUARTER, history=True)
    net.carry(caught.value.bundle, payer=medrec.Wallet.create())
    assert hospital.chart(alice.id).read(record.number).read() == b"one"


def test_an_earlier_revocation_is_not_this_one(net: Network, hospital: medrec.Organisation) -> None:
    """A signed revocation that comes too late is refused, though the same grantee was revoked once before."""
    alice = net.patient(medrec.Wallet.create()).register()
    alice.grant(hospital, append=["general"], expires=QUARTER)
    alice.revoke(hospital)
    alice.grant(hospital, append=["general"], expires=QUARTER)
    late = alice.signed(lambda patient: patient.revoke(hospital), valid=timedelta(hours=1))
    net.chain.travel(seconds=3700)  # type: ignore[attr-defined]
    with pytest.raises(DeadlinePassed):
        net.carry(late, payer=medrec.Wallet.create())
