"""``medrec keys``: a hospital renews its key, and the patient heals its permission."""

from __future__ import annotations

from pathlib import Path

import pytest

from medrec_py.errors import ChainUnavailable
from medrec_py.party import KeyedParty
from tests.sdk.cli.conftest import Shell

pytestmark = pytest.mark.slow


def add_note(shell: Shell, text: str) -> None:
    Path("note.txt").write_text(text)
    shell.ask("record add note.txt --compartment general")


def reading(shell: Shell, number: int) -> int:
    """The exit code of the hospital's reading a record."""
    Path("copy.txt").unlink(missing_ok=True)
    return shell.type(f"--profile hospital record get {number} --patient {{default}} --output copy.txt").code


def test_a_renewed_key_is_healed_and_nothing_is_left_to_do(granted: Shell) -> None:
    """Key 2 stands in the profile, the permission shows as stale, is healed, and shows no longer."""
    add_note(granted, "first")
    assert granted.ask("keys stale") == {"stale": []}
    assert granted.ask("--profile hospital keys renew")["number"] == 2
    (stale,) = granted.ask("keys stale")["stale"]
    assert stale == {
        "grantee": granted.address("hospital"),
        "reasons": ["other_key", "old_key_opens"],
        "problem": None,
    }
    healed = granted.ask("keys heal")
    assert (healed["sealed"], healed["rotated"], healed["left"]) == ([granted.address("hospital")], True, [])
    assert len(healed["transactions"]) == 2
    assert granted.ask("keys stale") == {"stale": []}
    assert granted.ask("keys heal")["transactions"] == []
    add_note(granted, "second")
    assert [reading(granted, number) for number in (1, 2)] == [0, 0]


def test_a_new_phrase_opens_nothing_until_the_patient_has_healed(granted: Shell) -> None:
    """The root secret is another one from then on; the old one is kept, and its keys open nothing new."""
    add_note(granted, "first")
    folder = granted.home / "profiles" / "hospital" / "identity"
    before = (folder / "root.json").read_bytes()
    renewed = granted.ask("--profile hospital keys renew --new-phrase")
    assert len(renewed["phrase"].split()) == 24
    assert (folder / "root.json").read_bytes() != before
    assert (folder / "root-before-1.json").read_bytes() == before
    assert (folder / "root-before-1.json").stat().st_mode & 0o077 == 0
    code, error = granted.fail("--profile hospital record get 1 --patient {default} --output copy.txt")
    assert (code, error["type"]) == (5, "KeysMissing")
    assert "medrec keys heal" in error["remedy"]
    granted.ask("keys heal")
    assert reading(granted, 1) == 0


def test_a_patients_root_secret_is_not_replaced(world: Shell) -> None:
    """Nothing else opens the record."""
    root = world.home / "profiles" / "default" / "identity" / "root.json"
    before = root.read_bytes()
    code, error = world.fail("keys renew --new-phrase")
    assert (code, error["type"]) == (2, "InvalidInput")
    assert root.read_bytes() == before


def test_a_renewal_that_fails_says_how_it_goes_on(world: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The root secret is replaced, the key is not published: the same command without the option publishes it."""

    def fail(self: KeyedParty) -> None:
        raise ChainUnavailable("the node went away")

    with monkeypatch.context() as patch:
        patch.setattr(KeyedParty, "renew_key", fail)
        result = world.type("--profile hospital keys renew --new-phrase --json")
    assert result.error["type"] == "ChainUnavailable"
    assert result.error["notes"] == ["The root secret is replaced already: publish its key by `medrec keys renew`."]
    assert world.ask("--profile hospital keys renew")["number"] == 2


def test_without_a_key_there_is_none_to_renew(world: Shell) -> None:
    """And no root secret is replaced."""
    world.newcomer("carer")
    root = world.home / "profiles" / "carer" / "identity" / "root.json"
    before = root.read_bytes()
    assert world.fail("--profile carer keys renew --new-phrase")[1]["type"] == "ProfileNotFound"
    assert root.read_bytes() == before


def test_what_cannot_be_healed_is_a_warning(granted: Shell) -> None:
    """A suspended hospital is named with the reason; somebody without a permission is the caller's mistake."""
    granted.ask("--profile hospital keys renew")
    granted.ask("--profile registrar registrar suspend {hospital}")
    document = granted.ask("keys heal")
    assert document["sealed"] == []
    assert [left["problem"] for left in document["left"]] == ["a registrar has suspended its holder"]
    assert "suspended" in document["warnings"][0]
    assert granted.fail("keys heal {stranger}")[0] == 2
