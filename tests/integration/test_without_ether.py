"""People without ether decide from wallets of every kind, through a relayer as it is run, on a real chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.connection import Chain
from medrec_py.chain.types import ProviderKind
from medrec_py.crypto.bundle_texts import from_text, to_parts
from medrec_py.storage import FolderStore
from scripts.devchain import running_anvil
from tests.integration.test_relay import Relayer, relaying
from tests.support.chains import ANVIL_PHRASE, DAY, Site, settle
from tests.support.clef import running_clef
from tests.support.safe import Safes
from tests.support.wallets import MONTH, a_patients_way, root

pytestmark = [pytest.mark.anvil, pytest.mark.slow]


@dataclass(frozen=True)
class World:
    """A relayer with its store, and a doctor who pays for herself.

    Attributes:
        site: The chain, and MedRec on it.
        relayer: The running process.
        doctor: Accredited.
    """

    site: Site
    node: str
    relayer: Relayer
    doctor: medrec.Practitioner

    def device(self, folder: Path) -> medrec.Network:
        """MedRec on somebody's device: its own folder for blocks, and behind it the one that the relayer keeps."""
        stores = [str(folder), str(self.relayer.folder / "blocks")]
        address = self.relayer.ready["address"]
        return medrec.connect(self.node, contract=self.site.contract.address, store=stores, relayer=address)

    def spent_nothing(self, address: str) -> bool:
        """Whether an account never had ether and never sent a transaction."""
        return self.site.chain.balance(address) == 0 and self.site.chain.transaction_count(address) == 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("relayer")
    with running_anvil("--hardfork", "london") as node, Chain.connect(node) as chain:
        site = settle(chain, ANVIL_PHRASE)
        with relaying(home, node, site) as relayer:
            FolderStore(home / "blocks")
            net = medrec.connect(node, contract=site.contract.address, store=str(home / "blocks"))
            with net:
                doctor = net.practitioner(site.person(10), root(), name="Doctor")
                end = chain.now() + 365 * DAY
                site.contract.send(
                    site.rich, site.contract.accredit(doctor.address, ProviderKind.PRACTITIONER, False, end)
                )
                yield World(site, node, relayer, doctor)


def test_from_a_phrase(world: World, tmp_path: Path) -> None:
    """Registered, granted, read, revoked; the keys that were made on the device reach the doctor by the relayer."""
    with world.device(tmp_path / "device") as net:
        alice = net.patient(medrec.Wallet.create()).register(compartments=["general"])
        a_patients_way(net, alice, world.doctor)
        assert world.spent_nothing(alice.address)


@pytest.mark.clef
def test_from_clef(world: World, tmp_path: Path) -> None:
    """The same with the key in geth's Clef."""
    key = medrec.Wallet.create()
    with running_clef(bytes(key._account.key)) as clef, world.device(tmp_path / "device") as net:
        wallet = medrec.ClefWallet(clef.url, key.address, chain_id=net.chain_id)
        alice = net.patient(wallet, root()).register(compartments=["general"])
        a_patients_way(net, alice, world.doctor)
        assert world.spent_nothing(alice.address)


@pytest.mark.safe
@pytest.mark.parametrize("owners", [1, 2])
def test_from_a_safe(world: World, tmp_path: Path, owners: int) -> None:
    """The same where the patient is a Safe, whose owners have no ether either."""
    people = [medrec.Wallet.create() for _ in range(owners)]
    address = Safes.deploy(world.site.chain, world.site.rich).make(*people, number=owners)
    with world.device(tmp_path / "device") as net:
        alice = net.patient(medrec.SafeWallet(net.chain, address, people), root()).register(compartments=["general"])
        a_patients_way(net, alice, world.doctor)
        assert all(world.spent_nothing(person.address) for person in people)


def test_offline_by_qr_codes(world: World, tmp_path: Path) -> None:
    """Signed on one device, carried as the texts of QR codes, handed to the relayer from another."""
    with world.device(tmp_path / "device") as net, world.device(tmp_path / "other") as other:
        alice = net.patient(medrec.Wallet.create()).register(compartments=["general"])
        grant = alice.signed(lambda patient: patient.grant(world.doctor, read=["general"], expires=MONTH))
        assert not alice.permissions()
        other.carry(from_text("\n".join(reversed(to_parts(grant)))))
        assert [line.grantee for line in alice.permissions()] == [world.doctor.address]
        other.carry(from_text("\n".join(to_parts(alice.signed(lambda patient: patient.revoke(world.doctor))))))
        assert not alice.permissions()
        assert world.spent_nothing(alice.address)


def test_what_the_contract_refuses_has_its_error(world: World, tmp_path: Path) -> None:
    """As if it had been sent: the class says why, and nothing reaches the relayer."""
    with world.device(tmp_path / "device") as net:
        alice = net.patient(medrec.Wallet.create()).register(compartments=["general"])
        grant = alice.signed(lambda patient: patient.grant(world.doctor, append=["general"], expires=MONTH))
        alice.revoke(world.doctor)
        with pytest.raises(medrec.errors.ContractError) as caught:
            net.carry(grant)
        assert type(caught.value).__name__ == "VersionMismatch"
