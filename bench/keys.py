"""Speed and memory of keys and contents: ``bench/keys.json``, name → number.

    python -m bench.keys                 # measure and write
    python -m bench.keys --only small    # measure one group, and write its figures beside the others
    python -m bench.keys --check         # measure what is the same on each machine; exit 1 where it differs

Times are those of one machine, and say something beside each other: what is compared was measured in turns, in the same
run. So they are measured by hand and never asserted; bytes are checked. A bar that is missed is printed, no failure.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from bench import content, grants, rekeying, small

FIGURES = Path(__file__).parent / "keys.json"

AT_MOST = {
    "stream_extra_mib": 64,
    "range_read_mib": 3,
    "small_seal_ms": 0.8,
    "small_open_ms": 0.7,
    "rotate_1000_readers_s": 2,
}
AT_LEAST = {
    "seal_vs_sha256": 0.6,
    "seal_vs_pyrage": 1.5,
    "open_vs_pyrage": 1.5,
    "reseal_records_per_s": 200,
    "rewrap_records_per_s": 1_500,
}
ALIKE = 1.15
"""What a grant may cost on a long past, beside one on a short past: the same, but for noise."""

Figures = Mapping[str, float]

GROUPS: dict[str, Callable[[], Figures]] = {
    "grants": grants.grants,
    "speed": content.speed,
    "stream": content.stream,
    "range": content.range_read,
    "small": small.small,
    "rewrapping": small.rewrapping,
    "rekeying": rekeying.rekeying,
    "rotation": small.rotation_of_many,
}
EXACT: tuple[Callable[[], Figures], ...] = (grants.sizes, content.range_read)
"""What gives the same figures on each machine."""


def measure(works: Iterable[Callable[[], Figures]]) -> dict[str, float]:
    """The figures of several groups, to four digits."""
    figures: dict[str, float] = {}
    for work in works:
        for name, value in work().items():
            figures[name] = value if isinstance(value, int) else float(f"{value:.4g}")
            print(f"{name:32} {figures[name]:>12,.6g}   {_bar(name)}", flush=True)
    return figures


def missed(figures: Figures) -> list[str]:
    """The figures that miss their bars."""
    dear = [name for name, bar in AT_MOST.items() if figures.get(name, bar) > bar]
    slow = [name for name, bar in AT_LEAST.items() if figures.get(name, bar) < bar]
    unlike = [
        name
        for first in ("grant_ms_1", "grant_bytes")
        for name in (f"{first.removesuffix('_1')}_1000000", f"{first.removesuffix('_1')}_after_1000_rotations")
        if figures.get(name, 0) > ALIKE * figures.get(first, float("inf"))
    ]
    return [
        f"{name} is {figures[name]:g}, {_bar(name) or 'more than on a short past'}" for name in dear + slow + unlike
    ]


def _bar(name: str) -> str:
    if name in AT_MOST:
        return f"bar: at most {AT_MOST[name]:,}"
    return f"bar: at least {AT_LEAST[name]:,}" if name in AT_LEAST else ""


def check() -> int:
    """Compare what is the same on each machine with the committed figures; the exit status."""
    committed: dict[str, float] = json.loads(FIGURES.read_text(encoding="utf-8"))
    measured = measure(EXACT)
    problems = [
        f"{name}: {value} now, {committed.get(name)} in {FIGURES.name}"
        for name, value in measured.items()
        if value != committed.get(name)
    ] + missed(measured)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def write(groups: Iterable[str]) -> None:
    """Measure groups, and write their figures beside those that are there."""
    measured = measure(GROUPS[group] for group in groups)
    committed = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    figures = committed | measured
    FIGURES.write_text(json.dumps(dict(sorted(figures.items())), indent=2) + "\n", encoding="utf-8")
    for line in missed(figures):
        print(line, file=sys.stderr)


def main() -> int:
    """Measure, print, and write or compare; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--only", choices=GROUPS, help="measure this group alone")
    what.add_argument("--check", action="store_true", help="compare what is the same on each machine")
    arguments = parser.parse_args()
    if arguments.check:
        return check()
    write([arguments.only] if arguments.only else GROUPS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
