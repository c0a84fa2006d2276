"""Build the web pages that the SDK ships, so that whoever uses it needs no Node.

python -m scripts.build_pages            # write them
python -m scripts.build_pages --check    # compare; exit 1 if one is not what its sources build to
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts import toolchain
from scripts.toolchain import ROOT

PAGE = ROOT / "medrec_py" / "wallets" / "page"
CONFIG = "web/vite.config.ts"


def build(folder: Path = PAGE) -> None:
    """Build the page on which wallets sign into a folder, in place of what is there."""
    command = [*toolchain.vite(), "build", "--config", CONFIG, "--outDir", str(folder), "--emptyOutDir"]
    subprocess.run(command, cwd=ROOT, check=True)


def differences(folder: Path = PAGE) -> list[str]:
    """The files of a folder that are not what the sources build to, missing and superfluous ones included."""
    with tempfile.TemporaryDirectory() as temporary:
        build(Path(temporary))
        built, there = _contents(Path(temporary)), _contents(folder)
    return sorted(name for name in built.keys() | there.keys() if built.get(name) != there.get(name))


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    if not parser.parse_args().check:
        build()
        return 0
    stale = differences()
    for name in stale:
        print(f"{PAGE.relative_to(ROOT) / name} is not what its sources build to: run `make pages`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
