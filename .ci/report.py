"""Read the JUnit reports of a CI run: every suite must be there, have run something, and have skipped nothing.

python .ci/report.py reports
"""

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

SUITES = ("contracts", "contracts-anvil", "python")


def count(report: Path) -> Counter[str]:
    """How many tests a report has, and how many of them did anything but pass."""
    totals: Counter[str] = Counter()
    for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314  (written by our own run)
        totals.update({kind: int(suite.get(kind, "0")) for kind in ("tests", "failures", "errors", "skipped")})
    return totals


def faults(name: str, report: Path) -> list[str]:
    """What is wrong with one suite."""
    if not report.is_file():
        return [f"{name}: no report"]
    totals = count(report)
    print(f"{name:<16} {totals['tests']:>5} tests, {totals['skipped']} skipped")
    found = [f"{name}: {totals[kind]} {kind}" for kind in ("failures", "errors", "skipped") if totals[kind]]
    return found if totals["tests"] else [*found, f"{name}: no test ran"]


def main(folder: Path) -> int:
    """Print a line a suite, and what is wrong."""
    found = [fault for name in SUITES for fault in faults(name, folder / f"{name}.xml")]
    for fault in found:
        print(fault, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
