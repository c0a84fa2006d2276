"""The program in this process, on a chain in this process: typed commands, and what they print.

The named actors are profiles: ``default`` is alice, a patient with two compartments; ``hospital`` is accredited and has
named ``doctor`` its agent; ``registrar`` accredits, and is the authority, too; ``stranger`` has an identity and nothing
else.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from medrec_py.chain.connection import Chain
from medrec_py.chain.local import LocalChain
from medrec_py.chain.nonces import Nonces
from medrec_py.cli.app import run

IN_PROCESS = "http://in.process"
NOBODY = "http://127.0.0.1:9"
"""The discard port of this machine: nothing listens there."""

PASSPHRASE = "correct horse battery staple"
ACTORS = ("default", "hospital", "doctor", "registrar", "stranger")
SET_UP = (
    "--profile registrar deploy",
    "--profile registrar authority add-registrar {registrar}",
    "--profile registrar registrar accredit {hospital} --kind organisation",
    "--profile hospital provider publish --name Hospital",
    "--profile hospital provider agent add {doctor}",
    "patient register --compartment general --compartment psychiatry",
)


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Have children hear Ctrl-C: they inherit deafness to it from a runner that was started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


GRANT = "permission grant {hospital} --read general --append general --until 90d"


@dataclass(frozen=True)
class Result:
    """What a command did.

    Attributes:
        code: Its exit code.
        out: What it wrote to standard output.
        err: What it wrote to standard error.
    """

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Its result: one JSON document."""
        assert self.code == 0, self.err
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def error(self) -> dict[str, Any]:
        """Its error, in JSON; nothing stands on standard output then."""
        assert self.code != 0, self.out
        assert self.out == ""
        error: dict[str, Any] = json.loads(self.err)["error"]
        assert set(error) >= {"type", "message", "remedy"}
        return error


@dataclass(frozen=True)
class World:
    """What every test with a chain begins with.

    Attributes:
        chain: The chain.
        home: The home folder as it is then.
        actors: Profile → address.
        phrases: Profile → its phrase.
    """

    chain: LocalChain
    home: Path
    actors: dict[str, str]
    phrases: dict[str, str]


@dataclass
class Shell:
    """Types commands.

    Attributes:
        home: Its home folder.
        capsys: Reads what the program prints.
        monkeypatch: Sets its standard input.
        world: Chain and actors, where there are any.
    """

    home: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    world: World | None = None

    def type(self, line: str, *more: str, stdin: bytes = b"") -> Result:
        """Run a line, in which ``{doctor}`` is the doctor's address, with further arguments as they are."""
        self.capsys.readouterr()
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        code = run([*line.format(**(self.world.actors if self.world else {})).split(), *more])
        printed = self.capsys.readouterr()
        return Result(code, printed.out, printed.err)

    def ask(self, line: str, *more: str, stdin: bytes = b"") -> dict[str, Any]:
        """Run a line with ``--json`` behind it, and return what it says."""
        return self.type(line, *more, "--json", stdin=stdin).document

    def fail(self, line: str, *more: str) -> tuple[int, dict[str, Any]]:
        """Run a line with ``--json`` that fails: exit code and error."""
        result = self.type(line, *more, "--json")
        return result.code, result.error

    def there(self) -> World:
        """Chain and actors."""
        assert self.world is not None
        return self.world

    def address(self, profile: str = "default") -> str:
        """The address of an actor."""
        return self.there().actors[profile]

    def newcomer(self, profile: str) -> str:
        """Another identity, with ether; its address."""
        address: str = self.ask(f"--profile {profile} init --light-kdf")["address"]
        self.there().chain.fund(address)
        return address


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No variable of the machine's own, a home folder to come, and a present folder of the test's."""
    for name in [name for name in os.environ if name.startswith("MEDREC_")]:
        monkeypatch.delenv(name)
    home, here = tmp_path / "home", tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("MEDREC_HOME", str(home))
    monkeypatch.setenv("MEDREC_PASSPHRASE", PASSPHRASE)
    return home


@pytest.fixture
def shell(environment: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """The program on a machine where nothing is yet, and without a node."""
    monkeypatch.setenv("MEDREC_CHAIN", NOBODY)
    return Shell(environment, capsys, monkeypatch)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A deployment and its actors, made by the program itself."""
    home = tmp_path_factory.mktemp("cli") / "home"
    chain = LocalChain()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("HOME", str(home)), ("PASSPHRASE", PASSPHRASE), ("CHAIN", IN_PROCESS)):
            patch.setenv(f"MEDREC_{name}", value)
        patch.setattr(Chain, "connect", _connect(chain))
        made = {profile: _init(profile) for profile in ACTORS}
        actors = {profile: document["address"] for profile, document in made.items()}
        for address in actors.values():
            chain.fund(address)
        for line in SET_UP:
            assert run(line.format(**actors).split()) == 0, line
    return World(chain, home, actors, {profile: document["phrase"] for profile, document in made.items()})


def _init(profile: str) -> dict[str, str]:
    with redirect_stdout(io.StringIO()) as printed:
        assert run(["--profile", profile, "init", "--light-kdf", "--json"]) == 0
    document: dict[str, str] = json.loads(printed.getvalue())
    return document


@pytest.fixture
def world(shell: Shell, prepared: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """The program where contract and actors are there and nothing is granted."""
    shutil.copytree(prepared.home, shell.home)
    monkeypatch.setenv("MEDREC_CHAIN", IN_PROCESS)
    monkeypatch.setattr(Chain, "connect", _connect(prepared.chain))
    shell.world = prepared
    snapshot = prepared.chain.request("evm_snapshot")
    yield shell
    prepared.chain.request("evm_revert", snapshot)
    prepared.chain.nonces = Nonces()


@pytest.fixture
def granted(world: Shell) -> Shell:
    """The same, and alice has granted the hospital reading and appending in general."""
    world.ask(GRANT)
    return world


def flip_a_byte(folder: Path) -> None:
    """Change the last block of content in a store: of those that are not small, the smallest."""
    blocks = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 1 << 16]
    path = min(blocks, key=lambda block: block.stat().st_size)
    octets = bytearray(path.read_bytes())
    octets[1000] ^= 1
    path.chmod(0o600)
    path.write_bytes(octets)


def _connect(chain: LocalChain) -> Any:
    """In place of ``Chain.connect``: the chain in this process by its name, and any other as usual."""
    usual = Chain.connect

    def connect(cls: type[Chain], /, url: str, **options: Any) -> Chain:
        if url != IN_PROCESS:
            return usual(url, **options)
        if options.get("chain_id") is not None:
            chain.require_chain(options["chain_id"])
        return chain

    return classmethod(connect)
