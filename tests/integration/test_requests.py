"""A provider asks, a patient without ether answers: a relayer as it is run, killed in between, on a real chain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.connection import Chain
from medrec_py.chain.types import ProviderKind, address_bytes
from medrec_py.errors import AnsweredAlready, MailRefused
from medrec_py.network import Network
from medrec_py.relayer import RelayerClient
from medrec_py.storage import FolderStore, open_store
from scripts.devchain import running_anvil
from tests.integration.test_relay import Relayer, relaying
from tests.support.chains import ANVIL_PHRASE, DAY, Site, settle
from tests.support.safe import Safes
from tests.support.wallets import MONTH, root

pytestmark = [pytest.mark.anvil, pytest.mark.slow]


class World:
    """A relayer with its store, an accredited hospital that pays for itself, and its agent.

    Attributes:
        site: The chain, and MedRec on it.
        node: Its URL.
        relayer: The running process.
        hospital: Accredited.
        doctor: Its agent, accredited as well.
    """

    def __init__(self, site: Site, node: str, relayer: Relayer) -> None:
        self.site, self.node, self.relayer = site, node, relayer
        net = self.provider_network()
        self.hospital = net.organisation(site.person(10), root(), name="General Hospital")
        self.doctor = net.practitioner(site.person(10), root(), name="Dr Grey")
        end = site.chain.now() + 365 * DAY
        for provider, kind in ((self.hospital, ProviderKind.ORGANISATION), (self.doctor, ProviderKind.PRACTITIONER)):
            site.contract.send(site.rich, site.contract.accredit(provider.address, kind, False, end))
        self.hospital.add_agent(self.doctor)

    def provider_network(self) -> Network:
        """Who pays for what it sends, and posts requests with the relayer."""
        mail = RelayerClient(self.relayer.ready["address"])
        return Network(self.site.chain, self.site.contract, open_store(str(self.relayer.folder / "blocks")), mail=mail)

    def reopened(self) -> medrec.Practitioner:
        """The doctor, after the relayer was started again elsewhere."""
        return self.provider_network().practitioner(self.doctor._wallet, self.doctor._root, publish=False)

    def device(self, folder: Path) -> Network:
        """MedRec on a patient's device, where a relayer pays."""
        stores = [str(folder), str(self.relayer.folder / "blocks")]
        address = self.relayer.ready["address"]
        return medrec.connect(self.node, contract=self.site.contract.address, store=stores, relayer=address)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("relayer")
    with running_anvil("--hardfork", "london") as node, Chain.connect(node) as chain:
        site = settle(chain, ANVIL_PHRASE)
        FolderStore(home / "blocks")
        with relaying(home, node, site) as relayer:
            yield World(site, node, relayer)


def test_asked_and_granted_in_part(world: World, tmp_path: Path) -> None:
    """Seen with credential and name; granted without ether; the relayer is killed in between and has lost nothing."""
    patient = medrec.Wallet.create()
    with world.device(tmp_path / "device") as net:
        alice = net.patient(patient).register(compartments=["general", "psychiatry"])
        asked = world.doctor.ask(
            alice,
            read=True,
            append=True,
            history=True,
            what="your heart's records",
            why="an operation",
            expires=timedelta(days=180),
            on_behalf_of=world.hospital,
        )
    world.relayer.kill()
    world.relayer.start()
    doctor = world.reopened()
    with world.device(tmp_path / "device") as net:
        alice = net.patient(patient)
        (seen,) = alice.requests()
        assert (seen.id, seen.name, seen.requester_name) == (asked.id, "General Hospital", "Dr Grey")
        assert (seen.kind, seen.wish.what) == (ProviderKind.ORGANISATION, "your heart's records")
        answered = alice.grant_request(seen, read=["general"], append=["general"], expires=MONTH, reason="a month")
        assert answered.is_posted
        assert world.site.chain.balance(alice.address) == 0
        assert world.site.chain.transaction_count(alice.address) == 0
    world.relayer.kill()
    world.relayer.start()
    doctor = world.reopened()
    answer = doctor.answer(asked)
    assert answer is not None
    assert (answer.is_granted, answer.is_whole, answer.reason) == (True, False, "a month")
    hospital = world.provider_network().organisation(world.hospital._wallet, world.hospital._root, publish=False)
    chart = doctor.on_behalf_of(hospital).chart(alice.id)
    number = chart.append(b"all well", compartment="general", title="note").number
    assert chart.read(number).read() == b"all well"
    shown = world.provider_network().check_exchange(answer.exchange.to_json())
    assert shown.terms == answer.terms


def test_asked_and_refused(world: World, tmp_path: Path) -> None:
    """Nothing is granted; the answer is the patient's word, once."""
    doctor = world.reopened()
    with world.device(tmp_path / "device") as net:
        bob = net.patient(medrec.Wallet.create()).register()
        asked = doctor.ask(bob, read=True, expires=MONTH, on_behalf_of=world.hospital)
        (seen,) = bob.requests()
        refused = bob.refuse_request(seen, "no")
        bob.post_answer(refused.exchange.to_json())
        with pytest.raises(AnsweredAlready):
            bob.refuse_request(seen, "no, again")
        assert not list(bob.permissions())
    answer = doctor.answer(asked)
    assert answer is not None
    assert (answer.is_granted, answer.reason) == (False, "no")


@pytest.mark.safe
def test_a_safe_is_asked_by_a_safe(world: World, tmp_path: Path) -> None:
    """Both sides sign by ERC-1271; relayer, patient and requester ask the accounts themselves."""
    site = world.site
    safes = Safes.deploy(site.chain, site.rich)
    practice, patient = site.person(10), medrec.Wallet.create()
    clinic_wallet = medrec.SafeWallet(site.chain, safes.make(practice, number=1), [practice])
    clinic = world.provider_network().organisation(clinic_wallet, root(), name="Clinic")
    end = site.chain.now() + 365 * DAY
    site.contract.send(site.rich, site.contract.accredit(clinic.address, ProviderKind.ORGANISATION, False, end))
    with world.device(tmp_path / "device") as net:
        wallet = medrec.SafeWallet(net.chain, safes.make(patient, number=2), [patient])
        carol = net.patient(wallet, root()).register()
        asked = clinic.ask(carol, append=True, expires=MONTH)
        (seen,) = carol.requests()
        carol.grant_request(seen, append=["general"])
    answer = clinic.answer(asked)
    assert answer is not None
    assert answer.is_whole


def test_a_stranger_gets_nothing_in(world: World, tmp_path: Path) -> None:
    """Past its own client's checks, a stranger is refused by the relayer; and sees no names in anybody's inbox."""
    doctor = world.reopened()
    with world.device(tmp_path / "device") as net:
        dave = net.patient(medrec.Wallet.create()).register()
        doctor.ask(dave, read=True, expires=MONTH, on_behalf_of=world.hospital)
        client = RelayerClient(world.relayer.ready["address"])
        (waiting,) = client.waiting_for(dave.id)
        for account in (world.doctor, world.hospital, dave):
            assert address_bytes(account.address) not in waiting.letter
    mallory = world.provider_network().reader(medrec.Wallet.create(), publish=False)
    asking = mallory._asking()
    asking._require_answerable = lambda _request: None  # type: ignore[method-assign]
    mallory._asking = lambda: asking  # type: ignore[method-assign]
    with pytest.raises(MailRefused, match="accredited"):
        mallory.ask(dave, read=True, expires=MONTH)
