"""People without ether decide from wallets of every kind, through a relayer as it is run, on a real chain."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import medrec_py as medrec
from medrec_py.chain.connection import Chain
from medrec_py.chain.types import ProviderKind
from medrec_py.crypto.bundle_texts import from_text, to_parts
from medrec_py.storage import FolderStore
from scripts.devchain import running_anvil
from scripts.pytest_components import require
from tests.integration.test_cli import PROGRAM
from tests.integration.test_relay import Relayer, relaying
from tests.support import chromium
from tests.support.chains import ANVIL_PHRASE, DAY, Site, settle
from tests.support.chromium import LONGEST, Browser
from tests.support.clef import running_clef
from tests.support.documents import ROOT, code_blocks
from tests.support.safe import Safes
from tests.support.wallets import MONTH, a_patients_way, root

pytestmark = [pytest.mark.anvil, pytest.mark.slow, pytest.mark.timeout(1200)]  # dozens of processes, one after another


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


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """Chromium of one person, whose extension has one key."""
    for component in ("node", "typescript", "vite", "chromium"):
        require(component)
    with chromium.running(tmp_path / "chromium") as running:
        yield running


def in_an_extension(key: medrec.Wallet, chain_id: int) -> dict[str, Any]:
    """An extension of Chromium that has a key."""
    return {"name": "Test wallet", "key": bytes(key._account.key).hex(), "chainId": chain_id, "chains": None}


class ProgramShell:
    """The program as a person runs it, on a device of its own."""

    def __init__(self, world: World, folder: Path, **variables: str) -> None:
        self.folder = folder
        self._environment = {
            **os.environ,
            "MEDREC_HOME": str(folder / "home"),
            "MEDREC_PASSPHRASE": "correct horse battery staple",
            "MEDREC_CHAIN": world.node,
            "MEDREC_CONTRACT": world.site.contract.address,
            **variables,
        }
        for profile in ("default", "friend"):
            stores = f"{folder / profile} {world.relayer.folder / 'blocks'}"
            self.ask(f"--profile {profile} config set store {stores}")

    def ask(self, line: str) -> dict[str, Any]:
        """Run a command that has nothing signed in the browser."""
        return self._ended(self._started(line))

    def _started(self, line: str) -> subprocess.Popen[str]:
        command, pipe = [*PROGRAM, *line.split(), "--json"], subprocess.PIPE
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment,
            stdout=pipe,
            stderr=pipe,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    @staticmethod
    def _ended(program: subprocess.Popen[str]) -> dict[str, Any]:
        try:
            out, err = program.communicate(timeout=LONGEST)
        finally:
            program.kill()
        assert program.returncode == 0, (out, err)
        document: dict[str, Any] = json.loads(out)
        return document


class BrowserShell(ProgramShell):
    """The same, whose wallet is in Chromium: `BROWSER` says what opens its pages."""

    def __init__(self, world: World, browser: Browser, folder: Path, extension: dict[str, Any]) -> None:
        self._browser, self._extension, self._url = browser, extension, folder / "url"
        opener = folder / "opener"
        opener.write_text(f'#!/bin/sh\nprintf %s "$1" >{folder}/part && mv {folder}/part {self._url}\n')
        opener.chmod(0o755)
        super().__init__(world, folder, BROWSER=f"{opener} %s")

    def approved(self, line: str) -> tuple[dict[str, Any], list[str]]:
        """Run a command, and sign on its page; returns what the page said as well."""
        self._url.unlink(missing_ok=True)
        program = self._started(line)
        while not self._url.exists():
            assert program.poll() is None, program.communicate()
            time.sleep(0.05)
        approval = self._browser.start("approve", url=self._url.read_text(), extension=self._extension)
        return self._ended(program), approval.result(LONGEST)["summaries"]


def test_from_a_phrase(world: World, tmp_path: Path) -> None:
    """Registered, granted, read, revoked; the keys that were made on the device reach the doctor by the relayer."""
    with world.device(tmp_path / "device") as net:
        alice = net.patient(medrec.Wallet.create()).register(compartments=["general"])
        a_patients_way(net, alice, world.doctor)
        assert world.spent_nothing(alice.address)


@pytest.mark.node
@pytest.mark.typescript
@pytest.mark.vite
@pytest.mark.chromium
def test_from_a_browser(world: World, browser: Browser, tmp_path: Path) -> None:
    """The same with the key in an extension of Chromium: all of it signed on one page, and sent by the relayer."""
    key, approvals = medrec.Wallet.create(), list[Future[Any]]()
    with world.device(tmp_path / "device") as net:
        extension = in_an_extension(key, net.chain_id)

        def approve(url: str) -> None:
            approvals.append(browser.start("approve", url=url, extension=extension))

        with medrec.BrowserWallet(key.address, chain_id=net.chain_id, open_page=approve, timeout=LONGEST) as wallet:
            alice = net.patient(wallet, root()).register(compartments=["general"])
            wallet.names = lambda: medrec.KnownNames(alice.compartments(), {world.doctor.address: "Doctor"})
            a_patients_way(net, alice, world.doctor)
        assert world.spent_nothing(alice.address)
    (approval,) = approvals
    summaries = approval.result(LONGEST)["summaries"]
    assert any("“Doctor” may read and add to “general” in your record" in one for one in summaries)
    assert "“Doctor” may no longer read or add to your record." in summaries[-1]


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


@pytest.mark.node
@pytest.mark.typescript
@pytest.mark.vite
@pytest.mark.chromium
def test_the_program_with_a_wallet_in_a_browser(world: World, browser: Browser, tmp_path: Path) -> None:
    """Registers by the relayer, grants and revokes offline: each command opens a page, anybody sends what it signed."""
    key = medrec.Wallet.create()
    shell = BrowserShell(world, browser, tmp_path, in_an_extension(key, world.site.chain.chain_id))
    shell.ask(f"config set relayer {world.relayer.ready['address']}")
    shell.ask(f"init --light-kdf --signer browser --address {key.address}")
    registered, summaries = shell.approved("patient register --compartment general")
    assert registered["patient"] == key.address
    assert summaries[0].startswith("You open your record.")
    granted, summaries = shell.approved(
        f"permission grant {world.doctor.address} --read general --until 30d --offline grant.json --qr codes"
    )
    assert any("“Doctor” may read “general” in your record" in one for one in summaries)
    assert granted["link"].startswith("medrec:")
    assert list((tmp_path / "codes").iterdir())
    assert shell.ask("permission list")["permissions"] == []
    shell.ask("relay send grant.json")
    (permission,) = shell.ask("permission list")["permissions"]
    assert permission["grantee"] == world.doctor.address
    shell.approved(f"permission revoke {world.doctor.address} --offline revoke.json")
    shell.ask("relay send revoke.json")
    assert shell.ask("permission list")["permissions"] == []
    assert world.spent_nothing(key.address)


# --- the sessions of docs/wallets.md ---------------------------------------------------------------

DOCUMENT = (ROOT / "docs" / "wallets.md").read_text(encoding="utf-8")
SESSIONS = DOCUMENT.partition("\n## Granting and revoking without ether\n")[2].partition("\n## ")[0]
FROM_A_BROWSER, FROM_CLEF, BY_QR_CODES = code_blocks(SESSIONS, "console")
(FROM_A_SAFE,) = code_blocks(SESSIONS, "python")


def lines(session: str, world: World, alice: str = "") -> Iterator[str]:
    """The lines of a session as they are typed after ``medrec``, with identities that are quick to unlock."""
    names = {"$ALICE": alice, "$HOSPITAL": world.doctor.address, "$RELAYER": world.relayer.ready["address"]}
    for name, value in names.items():
        session = session.replace(name, value)
    for line in session.splitlines():
        yield line.removeprefix("$ medrec ").replace("init", "init --light-kdf", 1)


def followed(shell: ProgramShell, session: Iterator[str], deciding: Callable[[str], object] | None = None) -> list[int]:
    """Run a session; how many permissions there are after each line from the registration on."""
    counts = []
    for line in session:
        decides = line.startswith(("patient", "permission"))
        (deciding if deciding and decides else shell.ask)(line)
        if counts or line.startswith("patient register"):
            counts.append(len(shell.ask("permission list")["permissions"]))
    return counts


@pytest.mark.node
@pytest.mark.typescript
@pytest.mark.vite
@pytest.mark.chromium
def test_the_session_from_a_browser(world: World, browser: Browser, tmp_path: Path) -> None:
    """As it stands in the documentation: every command that decides opens a page."""
    key = medrec.Wallet.create()
    shell = BrowserShell(world, browser, tmp_path, in_an_extension(key, world.site.chain.chain_id))
    assert followed(shell, lines(FROM_A_BROWSER, world, key.address), shell.approved) == [0, 1, 0]
    assert world.spent_nothing(key.address)


@pytest.mark.clef
def test_the_session_from_clef(world: World, tmp_path: Path) -> None:
    """As it stands there, where Clef's rules approve."""
    key = medrec.Wallet.create()
    with running_clef(bytes(key._account.key)) as clef:
        shell = ProgramShell(world, tmp_path, MEDREC_SIGNER_URL=clef.url)
        assert followed(shell, lines(FROM_CLEF, world, key.address)) == [0, 1, 0]
    assert world.spent_nothing(key.address)


@pytest.mark.safe
def test_the_session_from_a_safe(world: World, tmp_path: Path) -> None:
    """As it stands there, with two owners."""
    bob, carol = medrec.Wallet.create(), medrec.Wallet.create()
    names: dict[str, Any] = {
        "medrec": medrec,
        "timedelta": timedelta,
        "node": world.node,
        "contract": world.site.contract.address,
        "store": [str(tmp_path / "device"), str(world.relayer.folder / "blocks")],
        "relayer": world.relayer.ready["address"],
        "safes_address": Safes.deploy(world.site.chain, world.site.rich).make(bob, carol, number=7),
        "bob": bob,
        "carol": carol,
        "root": root(),
        "hospital": world.doctor,
    }
    exec(compile(FROM_A_SAFE, "docs/wallets.md", "exec"), names)  # noqa: S102 - the documentation is ours
    assert world.site.contract.permission_of(names["safes_address"], world.doctor.address).version == 2
    assert all(world.spent_nothing(person.address) for person in (bob, carol))


def test_the_session_by_qr_codes(world: World, tmp_path: Path) -> None:
    """As it stands there; the texts of the codes come in another order, from another profile without a key."""
    shell = ProgramShell(world, tmp_path)

    def scan(line: str) -> None:
        shell.ask(line)
        if "--offline" in line:
            file, folder = line.split()[-3], line.rsplit(maxsplit=1)[-1]
            texts = to_parts(from_text((tmp_path / file).read_text()))
            assert len(list((tmp_path / folder).iterdir())) == len(texts)
            (tmp_path / f"scanned-{folder}.txt").write_text("\n".join(reversed(texts)))

    assert followed(shell, lines(BY_QR_CODES, world), scan) == [0, 0, 1, 1, 0]
    (patient,) = {one["address"] for one in shell.ask("config show")["profiles"] if one["name"] == "default"}
    assert world.spent_nothing(patient)


def test_what_the_contract_refuses_has_its_error(world: World, tmp_path: Path) -> None:
    """As if it had been sent: the class says why, and nothing reaches the relayer."""
    with world.device(tmp_path / "device") as net:
        alice = net.patient(medrec.Wallet.create()).register(compartments=["general"])
        grant = alice.signed(lambda patient: patient.grant(world.doctor, append=["general"], expires=MONTH))
        alice.revoke(world.doctor)
        with pytest.raises(medrec.errors.ContractError) as caught:
            net.carry(grant)
        assert type(caught.value).__name__ == "VersionMismatch"
