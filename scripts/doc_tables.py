"""Write the tables of the documentation that come from the code: figures of gas and speed, purposes of use, errors.

    python -m scripts.doc_tables            # write them
    python -m scripts.doc_tables --check    # compare; exit 1 if one is out of date

A table stands between ``<!-- table: NAME -->`` and ``<!-- end of table -->``.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

import medrec_py
from medrec_py.cli.app import app
from medrec_py.errors import ChainError, ContractError, MedRecError, NotPermitted
from medrec_py.purposes import Purpose

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "bench" / "gas.json"
SPEED = ROOT / "bench" / "keys.json"
RELAY = ROOT / "bench" / "relay.json"

MEASURED = {
    "register_patient": "register as a patient",
    "change_wallet": "change the wallet that decides for the patient",
    "register_provider": "accredit a provider",
    "publish_key": "publish the key that grants are sealed to",
    "grant": "grant, the first time",
    "grant_renewal": "grant, in place of an earlier permission",
    "grant_signed": "grant by a signature, the first time, sent by somebody else",
    "grant_signed_renewal": "grant by a signature, in place of an earlier permission",
    "grant_signed_batch20": "grant by a signature, 20 patients in a relay, each",
    "publish_keyring": "publish a keyring",
    "revoke": "revoke",
    "revoke_signed": "revoke by a signature",
    "revoke_and_rotate": "revoke and publish new keys, in one transaction",
    "append": "append a record",
    "append_signed": "append a record by the author's signature",
    "append_for_organisation": "append a record as an organisation's agent",
    "append_many_one_patient": "append a record, 100 for one patient in a call, each",
    "append_many_hundred_patients": "append a record, 100 for 100 patients in a call, each",
    "access_event": "enter an access",
    "set_guardians": "set guardians by a signature, the first time",
    "begin_recovery": "begin a recovery, by two of three guardians",
    "complete_recovery": "complete a recovery",
    "deploy": "deploy MedRec",
}


IN_SHORT = ("register_patient", "grant", "grant_signed", "revoke_and_rotate", "append", "append_many_one_patient")
"""What a reader of the README wants to know of gas."""

TIMED = {
    "grant_ms_1": "grant with the past, on a history of one record, ms",
    "grant_ms_1000000": "the same on a history of 1,000,000 records, ms",
    "grant_ms_after_1000_rotations": "the same after 1,000 rotations, ms",
    "grant_cold_ms_1": "the first grant of a process, on a history of one record, ms",
    "grant_cold_ms_after_1000_rotations": "the same after 1,000 rotations, ms",
    "grant_bytes": "blocks and transaction of a grant, on a history of one record, bytes",
    "grant_bytes_1000000": "the same on a history of 1,000,000 records, bytes",
    "grant_bytes_after_1000_rotations": "the same after 1,000 rotations, bytes",
    "small_seal_ms": "seal a record of 4 KiB, signature included, ms",
    "small_open_ms": "open and verify it, ms",
    "seal_vs_sha256": "seal a file of 1 GiB: speed beside that of SHA-256 alone",
    "seal_vs_pyrage": "the same beside age",
    "open_vs_pyrage": "open a file of 1 GiB: speed beside that of age",
    "stream_extra_mib": "memory for sealing and opening 10 GiB, MiB",
    "range_read_mib": "blocks read for 1 MiB out of 1 GiB, MiB",
    "rotate_1000_readers_s": "seal and store a keyring for 1,000 readers, s",
    "reseal_records_per_s": "records of 4 KiB that are sealed anew and stored, a second",
    "rewrap_records_per_s": "records of 4 KiB that are opened, verified and given a new envelope, a second",
    "erase_records_per_s": "survivors of an erased record: the same, stored, and old blocks removed, a second",
}

RELAYED = {
    "grants": "grants, each signed by a patient of its own",
    "clients": "clients at once",
    "grants_per_s": "grants a second, the time without a node included",
    "p50_s": "from sending one to hearing that it is done, half of them, s",
    "p99_s": "the same, all but one of a hundred, s",
    "node_away_s": "how long the node was away, s",
    "blocks_gone": "blocks that were gone with it, at least",
    "lost": "grants that are not on the chain in the end",
    "doubled": "grants that took place twice",
}


def speed_table() -> str:
    """What keys and contents take, from the committed figures."""
    return _figures_table(SPEED, TIMED)


def relay_table() -> str:
    """What a relayer does, from the committed figures."""
    return _figures_table(RELAY, RELAYED)


def _figures_table(path: Path, names: dict[str, str]) -> str:
    figures: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    if figures.keys() != names.keys():
        raise ValueError(f"{path.name} and the table name different figures: {figures.keys() ^ names.keys()}")
    rows = [f"| {what} | `{name}` | {figures[name]:,.4g} |" for name, what in names.items()]
    return "\n".join(["| what | name | figure |", "|---|---|---:|", *rows])


def gas_table() -> str:
    """What each transaction costs, from the committed figures."""
    figures: dict[str, int] = json.loads(FIGURES.read_text(encoding="utf-8"))
    if figures.keys() != MEASURED.keys():
        raise ValueError(
            f"{FIGURES.name} and the table name different transactions: {figures.keys() ^ MEASURED.keys()}"
        )
    return _gas_rows(figures, MEASURED)


def gas_in_short() -> str:
    """The same of the commonest transactions."""
    return _gas_rows(json.loads(FIGURES.read_text(encoding="utf-8")), IN_SHORT)


def _gas_rows(figures: dict[str, int], names: Iterable[str]) -> str:
    rows = [f"| {MEASURED[name]} | {figures[name]:,} |" for name in names]
    return "\n".join(["| transaction | gas |", "|---|---:|", *rows])


def purposes_table() -> str:
    """The purposes of use with their numbers on chain. Their meanings stand in the source, below each member."""
    meanings = re.findall(r'^    (\w+) = \d+\n    """(.+)\."""', inspect.getsource(Purpose), re.MULTILINE)
    if [name for name, _ in meanings] != list(Purpose.__members__):
        raise ValueError("a purpose of use has no meaning beside it")
    rows = [f"| {int(Purpose[name])} | `{name}` | {meaning} |" for name, meaning in meanings]
    return "\n".join(["| number | code | meaning |", "|---:|---|---|", *rows])


def public_errors() -> list[type[MedRecError]]:
    """Every public error of the package, base classes first."""
    for module in pkgutil.walk_packages(medrec_py.__path__, "medrec_py."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return list(dict.fromkeys(error for error in _with_subclasses(MedRecError) if not error.__name__.startswith("_")))


def _with_subclasses(error: type[MedRecError]) -> Iterator[type[MedRecError]]:
    if error.__module__.startswith("medrec_py."):
        yield error
    # Of one module in the order of their definition, those of `errors` first, whatever was imported first.
    for child in sorted(
        error.__subclasses__(), key=lambda found: (found.__module__ != "medrec_py.errors", found.__module__)
    ):
        yield from _with_subclasses(child)


def _parent(error: type[MedRecError]) -> type[MedRecError]:
    """The nearest public base class."""
    return next(
        base for base in error.__mro__[1:] if issubclass(base, MedRecError) and not base.__name__.startswith("_")
    )


def error_tree() -> str:
    """The tree of all public errors."""
    children: dict[type[MedRecError], list[type[MedRecError]]] = {}
    for error in public_errors()[1:]:
        children.setdefault(_parent(error), []).append(error)

    def lines(error: type[MedRecError], indent: str) -> Iterator[str]:
        below = children.get(error, [])
        for child in below:
            is_last = child is below[-1]
            yield f"{indent}{'└── ' if is_last else '├── '}{child.__name__}"
            yield from lines(child, indent + ("    " if is_last else "│   "))

    return "\n".join(["```text", "MedRecError", *lines(MedRecError, ""), "```"])


def errors_table() -> str:
    """A table for each family of errors: what happened, and what to do."""
    heads = [*(error for error in public_errors()[1:] if _parent(error) is MedRecError), ContractError, NotPermitted]
    heads.sort(key=lambda head: issubclass(head, ChainError))  # the chain's last
    return "\n\n".join(_family(head, heads) for head in heads)


def _family(head: type[MedRecError], heads: Sequence[type[MedRecError]]) -> str:
    def head_of(error: type[MedRecError]) -> type[MedRecError]:
        return error if error in heads else head_of(_parent(error))

    rows = [_row(error) for error in public_errors()[1:] if head_of(error) is head]
    return "\n".join([f"### {head.__name__}", "", "| error | what happened | what to do |", "|---|---|---|", *rows])


def _row(error: type[MedRecError]) -> str:
    first = inspect.cleandoc(error.__doc__ or "").partition("\n\n")[0]
    cells = [f"`{error.__name__}`", first, error.remedy]
    return "| " + " | ".join(_markdown(cell) for cell in cells) + " |"


def _markdown(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def commands_index() -> str:
    """Every command by its group, with the first sentence of its help and a link to its section."""
    groups: dict[str, list[str]] = {}
    for path, command in _commands(typer.main.get_command(app)):
        name, sentence = " ".join(path), (command.help or "").partition("\n")[0].partition(". ")[0].removesuffix(".")
        row = f"| [`{name}`](#medrec-{name.replace(' ', '-')}) | {_markdown(sentence)} |"
        groups.setdefault(path[0] if len(path) > 1 else "", []).append(row)
    rows = [row for group in sorted(groups) for row in (*([f"| **{group}** | |"] if group else []), *groups[group])]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, child in command.commands.items():
        below = (*path, name)
        yield from _commands(child, below) if hasattr(child, "commands") else [(below, child)]


TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "commands": ("docs/cli.md", commands_index),
    "gas in short": ("README.md", gas_in_short),
    "gas": ("docs/speed.md", gas_table),
    "speed": ("docs/speed.md", speed_table),
    "relay": ("docs/speed.md", relay_table),
    "purposes": ("docs/concepts.md", purposes_table),
    "error tree": ("docs/errors.md", error_tree),
    "errors": ("docs/errors.md", errors_table),
}


def with_table(text: str, name: str, table: str) -> str:
    """A document with the table of that name replaced.

    Raises:
        ValueError: the document has no place for it, or several.
    """
    begin, end = f"<!-- table: {name} -->", "<!-- end of table -->"
    if text.count(begin) != 1:
        raise ValueError(f"one place for the table {name!r} is wanted, not {text.count(begin)}")
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the table {name!r} has no end")
    return f"{before}{begin}\n\n{table}\n\n{end}{after}"


def outdated() -> dict[Path, str]:
    """The documents with a table that differs from the code, and what they should be."""
    wanted: dict[Path, str] = {}
    for name, (document, table) in TABLES.items():
        path = ROOT / document
        wanted[path] = with_table(wanted.get(path) or path.read_text(encoding="utf-8"), name, table())
    return {path: text for path, text in wanted.items() if path.read_text(encoding="utf-8") != text}


def main() -> int:
    """Write the tables, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    stale = outdated()
    for path, text in stale.items():
        if check:
            print(
                f"{path.relative_to(ROOT)}: a table is out of date: run `python -m scripts.doc_tables`", file=sys.stderr
            )
        else:
            path.write_text(text, encoding="utf-8")
            print(f"Wrote {path.relative_to(ROOT)}.")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
