"""The program begins quickly and ends cleanly, as a real process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sdk.cli.conftest import PASSPHRASE

pytestmark = pytest.mark.slow

PROGRAM = [sys.executable, "-m", "medrec_py.cli"]
SLOW = ("web3", "eth_account", "eth_abi", "cryptography", "requests", "ipfshttpclient")


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """Variables of a process with a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MEDREC_")}
    return kept | {"MEDREC_HOME": str(tmp_path / "home"), "MEDREC_PASSPHRASE": PASSPHRASE}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["record", "add", "--help"], ["config", "show"]], ids=" ".join
)
def test_nothing_slow_is_imported_where_it_is_not_needed(variables: dict[str, str], arguments: list[str]) -> None:
    """Help, version and settings come without web3, which takes more than a second."""
    code = (
        f"import sys\nfrom medrec_py.cli.app import run\nrun({arguments!r})\n"
        f"print([name for name in {SLOW!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert done.stdout


def test_the_package_gives_what_it_exports() -> None:
    """Public names are imported when they are used first; what it does not have is an AttributeError as usual."""
    code = (
        "import medrec_py as m\n"
        "assert not hasattr(m, 'nonsense') and set(dir(m)) >= set(m.__all__)\n"
        "from medrec_py import *\n"
        "assert Wallet is m.Wallet and m.errors.MedRecError is m.MedRecError\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_it_runs_as_a_module_and_by_its_entry_point() -> None:
    """``python -m medrec_py.cli`` is ``medrec``, whatever its own name is."""
    shown = subprocess.run([*PROGRAM, "--help"], capture_output=True, text=True, check=True)
    assert "Usage: medrec " in shown.stdout
    entry = [sys.executable, "-c", "from medrec_py.cli import main; main(['--version'])"]
    assert subprocess.run(entry, capture_output=True, text=True, check=True).stdout.startswith("medrec ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_cleanly(variables: dict[str, str], number: signal.Signals, code: int) -> None:
    """Ctrl-C and SIGTERM while a node does not answer: the exit codes of the documentation, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [*PROGRAM, "authority", "show", "--chain", url, "--json"],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = silent.accept()
        with connection:
            connection.recv(1 << 16)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert "Traceback" not in err
    assert ('"Interrupted"' in err) == (code == 130)


def test_a_reader_that_goes_away_is_no_error(variables: dict[str, str]) -> None:
    """``medrec … | head``: exit code 141, and nothing on standard error."""
    process = subprocess.Popen(
        [*PROGRAM, "config", "show"], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    err = process.stderr.read()
    assert (process.wait(timeout=60), err) == (141, b"")
    process.stderr.close()


def test_a_terminal_that_lacks_a_character_is_no_error(variables: dict[str, str]) -> None:
    """What its encoding does not have is written out."""
    done = subprocess.run(
        [*PROGRAM, "config", "set", "contract", "Ü"],
        env=variables | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\\xdc" in done.stdout


@pytest.mark.slow
def test_help_comes_quickly() -> None:
    """The goal: twice what Python and Typer themselves take, in time of the processor; twice that fails."""
    bare = "import typer\napp = typer.Typer()\napp.command()(lambda: None)\napp(['--help'])"
    took = [(processor_time([*PROGRAM, "--help"]), processor_time([sys.executable, "-c", bare])) for _ in range(3)]
    ours, theirs = map(min, zip(*took, strict=True))
    assert ours < 4 * theirs


def processor_time(command: list[str]) -> float:
    """Seconds of the processor that a command takes."""
    before = os.times()
    subprocess.run(command, capture_output=True, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
