"""Format and vet the Go program of `tools/format`: `python -m scripts.lint_go`.

Exits with 1 if gofmt would change a file or `go vet` has something to say.
"""

import os
import subprocess
import sys

from scripts import toolchain
from scripts.toolchain import ROOT

FOLDER = ROOT / "tools" / "format"
ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def main() -> int:
    """Say what is wrong; the status is 0 if nothing is."""
    compiler = toolchain.go()
    gofmt = [str(compiler.with_name("gofmt")), "-l", "."]
    unformatted = subprocess.run(gofmt, cwd=FOLDER, capture_output=True, text=True, check=True).stdout.split()
    for name in unformatted:
        print(f"tools/format/{name}: gofmt would change it", file=sys.stderr)
    environment = {**os.environ, **ENVIRONMENT}
    vetted = subprocess.run([str(compiler), "vet", "."], cwd=FOLDER, env=environment, check=False)
    return 1 if unformatted or vetted.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
