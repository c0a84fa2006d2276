"""``medrec keys``: old records get new keys, a new phrase takes the place of the old one, and records are erased."""

from __future__ import annotations

from pathlib import Path

import pytest

from medrec_py.chain.contract import MedRecContract
from medrec_py.cli.identities import Identities
from medrec_py.errors import TransactionTimeout
from medrec_py.rekeying import Rekeying
from medrec_py.root_change import RootChange
from tests.sdk.cli.conftest import Shell

pytestmark = pytest.mark.slow

LARGE = bytes(range(256)) * 5_000


@pytest.fixture
def filled(granted: Shell) -> Shell:
    """Three records of alice's own: two in general, one in psychiatry."""
    for name, compartment, content in (
        ("scan", "general", LARGE),
        ("note", "general", b"note"),
        ("talk", "psychiatry", b"talk"),
    ):
        Path(name).write_bytes(content)
        granted.ask(f"record add {name} --compartment {compartment}")
    return granted


def titles(shell: Shell) -> list[str | None]:
    return [line["title"] for line in shell.ask("record list")["records"]]


def killed(*_: object) -> None:
    """Stands for a step before which the process is killed."""
    raise KeyboardInterrupt


def folder(shell: Shell) -> list[str]:
    """What there is in the profile's folder."""
    return sorted(path.name for path in (shell.home / "profiles" / "default").iterdir())


def test_reseal_gives_old_records_new_keys(filled: Shell) -> None:
    """All of them, one, or a compartment; what is read back is the same."""
    assert filled.ask("keys reseal")["records"] == 3
    assert filled.ask("keys reseal 2")["records"] == 1
    assert filled.ask("keys reseal --compartment psychiatry")["records"] == 1
    filled.ask("record get 1 --output copy")
    assert Path("copy").read_bytes() == LARGE
    assert filled.ask("record verify --all")["verified"] == 3


def test_reseal_of_nothing_says_so(world: Shell) -> None:
    """A patient without records."""
    result = world.type("keys reseal")
    assert (result.code, "nothing to do" in result.out) == (0, True)
    assert world.fail("keys reseal 7")[0] == 9


def test_change_root_takes_the_place_of_the_identity(filled: Shell) -> None:
    """The profile has the new wallet and root secret; the patient id stays; decisions go on."""
    before = filled.address()
    changed = filled.ask("keys change-root --light-kdf")
    assert changed["patient"] == before != changed["wallet"]
    assert len(changed["phrase"].split()) == 24
    assert filled.ask("patient show")["patient"] == before
    assert titles(filled) == ["scan", "note", "talk"]
    filled.ask("permission revoke {hospital}")
    assert filled.ask("record add note --compartment general")["patient"] == before
    assert folder(filled) == ["identity"]


def test_the_new_phrase_restores_everything_on_a_new_device(filled: Shell) -> None:
    """In a home that has nothing but the deployment and the store."""
    changed = filled.ask("keys change-root --light-kdf")
    Path("phrase").write_text(changed["phrase"])
    filled.ask("--profile phone init --light-kdf --phrase-file phrase")
    assert [line["title"] for line in filled.ask("--profile phone record list")["records"]] == ["scan", "note", "talk"]
    assert filled.ask("--profile phone patient show")["patient"] == filled.address()


def test_erase_needs_to_be_told_what(filled: Shell) -> None:
    """Nothing is erased by a line that was not finished."""
    assert filled.fail("keys erase")[0] == 2
    assert titles(filled) == ["scan", "note", "talk"]


def test_erase_shreds_a_record_and_says_who_could_read_it(filled: Shell) -> None:
    """The rest stays; the report names the hospital."""
    erased = filled.ask("keys erase 1 --light-kdf")
    assert (erased["erased"], erased["survivors"]) == (1, 1)
    assert filled.address("hospital") in [one["account"] for one in erased["had_access"]]
    code, error = filled.fail("record get 1 --output copy")
    assert (code, error["type"]) == (9, "RecordErased")
    assert not Path("copy").exists()
    assert titles(filled) == [None, "note", "talk"]
    verified = filled.ask("record verify --all")
    assert (verified["verified"], verified["erased"], verified["failed"]) == (2, 1, 0)
    assert filled.type("record verify 1").code == 9


def test_erase_says_what_is_left_to_do(filled: Shell) -> None:
    """The old phrase and its shares have to be destroyed: by a person."""
    result = filled.type("keys erase --everything --light-kdf")
    assert result.code == 0
    assert "Destroy the old phrase" in result.out


def test_what_fails_leaves_the_old_phrase_in_place(filled: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A successor is set aside where the chain was not told of it, and does not stand in the way of the next."""
    assert filled.fail("keys erase 9 --light-kdf")[0] == 9

    def broken(*_: object) -> None:
        raise ValueError("a fault")

    with monkeypatch.context() as patch:
        patch.setattr(RootChange, "run", broken)
        assert filled.type("keys change-root --light-kdf").code == 1
    assert [name.partition("-")[0] for name in folder(filled)] == ["given", "identity"]
    assert filled.ask("keys finish") == {"finished": False}
    assert titles(filled) == ["scan", "note", "talk"]
    filled.ask("keys change-root --light-kdf")
    assert titles(filled) == ["scan", "note", "talk"]


@pytest.mark.parametrize("told", [False, True])
def test_what_was_interrupted_is_finished_or_given_up(
    filled: Shell, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    """By whether the chain was told of it; the keys of one that was given up stay, and so does its phrase."""
    run = RootChange.run

    def interrupted(change: RootChange, *arguments: object) -> None:
        if told:
            run(change, *arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RootChange, "run", interrupted)
        stopped = filled.type("keys change-root --light-kdf")
    assert (stopped.code, "the new phrase, should it be finished:" in stopped.err) == (130, True)
    code, error = (0, None) if told else filled.fail("keys change-root --light-kdf")
    assert told or (code, error["type"]) == (8, "SuccessorExists")  # type: ignore[index]
    assert filled.ask("keys finish")["finished"] is told
    assert titles(filled) == ["scan", "note", "talk"]
    filled.ask("permission revoke {hospital}")
    assert [name.partition("-")[0] for name in folder(filled)] == (["identity"] if told else ["given", "identity"])


def test_what_is_mined_after_it_was_given_up_is_taken_up_again(filled: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that nobody saw mined may be mined yet: its keys are the only ones that open the record then."""
    send, kept = MedRecContract.send, []

    def late(contract: MedRecContract, *arguments: object) -> None:
        kept.append((contract, arguments))
        raise TransactionTimeout("no receipt yet", "0x00")

    with monkeypatch.context() as patch:
        patch.setattr(MedRecContract, "send", late)
        assert filled.fail("keys change-root --light-kdf")[1]["type"] == "TransactionTimeout"
    assert filled.ask("keys finish") == {"finished": False}
    [(contract, arguments)] = kept
    send(contract, *arguments)  # type: ignore[arg-type]
    finished = filled.ask("keys finish")
    assert finished["finished"]
    assert finished["wallet"] != filled.address("hospital")
    assert titles(filled) == ["scan", "note", "talk"]
    assert folder(filled) == ["identity"]
    filled.ask("permission revoke {hospital}")


def test_putting_the_successor_in_place_goes_on_where_it_was_killed(
    filled: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the moment the old identity is moved away and that at which the new one is there."""

    with monkeypatch.context() as patch:
        patch.setattr(Identities, "complete", killed)
        assert filled.type("keys change-root --light-kdf").code == 130
    assert folder(filled) == ["replaced", "successor"]
    assert filled.fail("init --light-kdf")[1]["type"] == "IdentityExists"
    assert "keys finish" in filled.fail("record list")[1]["message"]
    filled.ask("keys finish")
    assert folder(filled) == ["identity"]
    assert titles(filled) == ["scan", "note", "talk"]


def test_a_change_of_the_phrase_gives_an_interrupted_reseal_up(filled: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its journal opens with the old root secret alone, and would be in the way for ever."""

    with monkeypatch.context() as patch:
        patch.setattr(Rekeying, "publish", killed)
        assert filled.type("keys reseal").code == 130
    assert "reseal.journal" in folder(filled)
    filled.ask("keys change-root --light-kdf")
    assert folder(filled) == ["identity"]
    assert filled.ask("keys reseal")["records"] == 3
    assert filled.ask("record verify --all")["verified"] == 3


def test_clean_drops_what_is_left_over(filled: Shell) -> None:
    """Nothing, where nothing was interrupted; with --collect the store removes what nothing pins."""
    filled.ask("keys reseal")
    assert filled.ask("keys clean --collect")["unpinned"] >= 0
    assert filled.ask("record verify --all")["verified"] == 3
