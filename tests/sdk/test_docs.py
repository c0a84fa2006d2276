"""The documentation is true of the code: links lead somewhere, tables are current, what is named exists."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from medrec_py.cli.app import app
from medrec_py.errors import MedRecError
from medrec_py.purposes import Purpose
from scripts import doc_tables
from tests.support.documents import ROOT, anchors, code_blocks, code_spans, documents, links, name_of

README = ROOT / "README.md"

every_document = pytest.mark.parametrize("document", documents(), ids=name_of)


@every_document
def test_links_lead_somewhere(document: Path) -> None:
    """Each relative link names a file of this repository, and each anchor a heading in it."""
    broken = []
    for link in links(document.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert not broken


def test_the_readme_leads_to_every_document() -> None:
    """Nothing is written that a newcomer does not find from the README."""
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(README.read_text(encoding="utf-8"))}
    wanted = {path for path in documents() if path.parent in {ROOT, ROOT / "docs"}} - {README} | {ROOT / "LICENSE"}
    assert not {name_of(path) for path in wanted - linked}


@every_document
def test_every_path_that_is_named_exists(document: Path) -> None:
    """A folder, module or test that a document names is there."""
    named = re.compile(r"(?<![\w/.@])((?:\.ci|bench|contracts|docs|medrec_py|scripts|tests|tools)/[\w./-]*[\w/])")
    text = document.read_text(encoding="utf-8")
    missing = {path for span in code_spans(text) for path in named.findall(span) if not (ROOT / path).exists()}
    assert not missing


@every_document
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    """`make …` in a document can be typed."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    spans = code_spans(document.read_text(encoding="utf-8"))
    named = {target for span in spans for target in re.findall(r"^make ([a-z][a-z-]*)", span)}
    assert not named - targets


@every_document
def test_every_command_that_is_named_exists(document: Path) -> None:
    """`medrec …` in a document can be typed, in remedies too."""
    unknown, program = set(), typer.main.get_command(app)
    for span in code_spans(document.read_text(encoding="utf-8")):
        words = span.removeprefix("$ ").split()
        if words and words[0] == "medrec" and not _is_command(program, words[1:]):
            unknown.add(span)
    assert not unknown


def _is_command(here: Any, words: list[str]) -> bool:
    """Whether words lead from the program to a command, or to a group of commands."""
    rest = iter(words)
    for word in rest:
        if word in {"--profile", "-p"}:
            next(rest)
        elif word.startswith("-") or not hasattr(here, "commands"):
            break
        elif word not in here.commands:
            return False
        else:
            here = here.commands[word]
    return True


@every_document
def test_python_in_documents_is_python(document: Path) -> None:
    """Each Python block at least compiles; those of the README are run by `test_readme.py`."""
    for block in code_blocks(document.read_text(encoding="utf-8"), "python"):
        compile(block, name_of(document), "exec")


@every_document
def test_nothing_stands_there_that_holds_on_one_machine_alone(document: Path) -> None:
    """No absolute path of somebody's machine, no registry's host, nothing left to do."""
    forbidden = re.compile(
        r"(?<![\w.…:/])/(?:home|root|Users|work|tmp|private|mnt)/|[A-Z]:\\|TODO|FIXME|XXX|PLACEHOLDER"
        r"|pypi\.org|npmjs|proxy\.golang|crates\.io|[ \t]$"
    )
    lines = document.read_text(encoding="utf-8").splitlines()
    assert not [f"{number}: {line}" for number, line in enumerate(lines, 1) if forbidden.search(line)]


def test_the_tables_are_those_of_the_code() -> None:
    """Gas, purposes and errors are what the code says; `python -m scripts.doc_tables` writes them."""
    assert not [name_of(path) for path in doc_tables.outdated()]


def test_every_public_error_has_its_cause_and_remedy() -> None:
    """Each error of the tree has one row, with a cause and a remedy in whole sentences, and stands in the tree."""
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = {
        name: (cause, remedy)
        for name, cause, remedy in re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    }
    tree = re.findall(r"^[│ ]*[├└]── (\w+)$", text, re.MULTILINE)
    names = [error.__name__ for error in doc_tables.public_errors()]
    assert sorted(["MedRecError", *tree]) == sorted(names)
    for name in names[1:]:
        cause, remedy = rows[name]
        assert cause.endswith("."), name
        assert remedy.endswith("."), name


def test_every_error_of_the_package_says_its_own_remedy_or_its_familys() -> None:
    """No error falls back to the advice to report it, but those that nothing else can be said of."""
    fallback = MedRecError.remedy
    assert not [error.__name__ for error in doc_tables.public_errors()[1:] if error.remedy == fallback]


def test_every_purpose_of_use_is_in_the_concepts() -> None:
    """All sixteen, by number and code."""
    text = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| .+ \|$", text, re.MULTILINE)
    assert [(int(number), code) for number, code in rows] == [(int(purpose), purpose.name) for purpose in Purpose]
    assert len(rows) == 16


def test_every_gas_figure_is_documented() -> None:
    """All numbers are the committed ones; the README has some of them."""
    figures: dict[str, int] = json.loads((ROOT / "bench" / "gas.json").read_text(encoding="utf-8"))
    everything = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8").partition("\n## Gas\n")[2]
    assert sorted(_gas(everything)) == sorted(figures.values())
    in_short = _gas(README.read_text(encoding="utf-8"))
    assert len(in_short) > 3
    assert set(in_short) < set(figures.values())


def _gas(text: str) -> list[int]:
    return [int(row.replace(",", "")) for row in re.findall(r"^\| .+ \| ([\d,]+) \|$", text, re.MULTILINE)]


def test_the_check_of_tables_notices_a_change() -> None:
    """A number that was changed by hand, or a table without a place, does not pass."""
    text = "<!-- table: gas -->\n\n| stale |\n\n<!-- end of table -->\n"
    current = doc_tables.with_table(text, "gas", doc_tables.gas_table())
    assert current != text
    assert doc_tables.with_table(current, "gas", doc_tables.gas_table()) == current
    with pytest.raises(ValueError, match="one place"):
        doc_tables.with_table("nothing", "gas", "")
    with pytest.raises(ValueError, match="no end"):
        doc_tables.with_table("<!-- table: gas -->", "gas", "")
