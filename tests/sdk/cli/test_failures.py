"""What goes wrong outside: no node, no contract, no store, no identity, no passphrase, no such record."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from medrec_py.cli import opening
from tests.sdk.cli.conftest import GRANT, NOBODY, PASSPHRASE, Shell, flip_a_byte

pytestmark = pytest.mark.slow

NEEDS_A_NODE = (
    "deploy",
    "patient register",
    "patient show",
    "patient rotate",
    "provider publish",
    "provider show",
    "registrar suspend 0x00000000000000000000000000000000000000aa",
    "authority show",
    "permission list",
    "record list",
    "record verify --all",
    "history",
)
NEEDS_AN_IDENTITY = tuple(line for line in NEEDS_A_NODE if line != "authority show")
MALFORMED = (
    "0xB0b",
    "bob",
    "0x" + "g" * 40,
    "0x" + "1" * 39,
    "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92267",  # a digit mistyped: the capitals do not fit
)
TAKES_AN_ADDRESS = (
    "provider show {}",
    "provider agent add {}",
    "provider agent remove {}",
    "registrar accredit {} --kind organisation",
    "registrar suspend {}",
    "registrar reinstate {}",
    "authority add-registrar {}",
    "authority remove-registrar {}",
    "authority offer {}",
    "permission grant {} --read general --until 1d",
    "permission revoke {}",
    "record list --patient {}",
    "record list --on-behalf-of {}",
    "record add - --title x --compartment general --patient {}",
    "record add - --title x --compartment general --on-behalf-of {}",
    "history --patient {}",
    "history --sealed --patient {}",
    "deploy --authority {}",
)


def test_a_missing_node_is_told_before_the_passphrase_is_asked_for(
    world: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 7, and what to do. Nobody types a passphrase for nothing."""
    monkeypatch.delenv("MEDREC_PASSPHRASE")
    monkeypatch.setattr(opening, "RETRIES", 0)
    for line in NEEDS_A_NODE:
        code, error = world.fail(line, "--chain", NOBODY)
        assert (code, error["type"]) == (7, "NodeUnreachable"), line
        assert "127.0.0.1:9" in error["message"]
        assert "medrec doctor" in error["remedy"]


def test_an_unknown_profile_is_told(world: Shell) -> None:
    """Exit code 9, with the profiles that there are and what to do."""
    for line in NEEDS_AN_IDENTITY:
        code, error = world.fail(f"--profile nobody {line}")
        assert (code, error["type"]) == (9, "IdentityMissing"), line
        assert "'nobody'" in error["message"]
        assert "doctor" in error["message"]
        assert "init" in error["remedy"]


def sent(world: Shell) -> list[str]:
    """How many transactions each actor has sent."""
    there = world.there()
    return [there.chain.request("eth_getTransactionCount", one, "latest") for one in there.actors.values()]


@pytest.mark.parametrize("address", MALFORMED)
def test_a_malformed_address_is_refused(world: Shell, address: str) -> None:
    """Exit code 2, whatever takes it, and nothing is sent."""
    before = sent(world)
    for line in TAKES_AN_ADDRESS:
        code, error = world.fail(line.format(address))
        assert (code, error["type"]) == (2, "InvalidInput"), line
        assert address in error["message"]
    assert sent(world) == before


def test_another_chain_than_expected_is_refused(world: Shell) -> None:
    """The setting chain-id keeps a profile off the wrong network."""
    world.ask("config set chain-id 1")
    code, error = world.fail("patient show")
    assert (code, error["type"]) == (7, "WrongChain")


def test_no_contract_is_told(world: Shell) -> None:
    """None known for the chain, or none at the address: exit code 9, and what to do."""
    for path in (world.home / "deployments").iterdir():
        path.unlink()
    code, error = world.fail("patient show")
    assert (code, error["type"]) == (9, "NotDeployed")
    assert "medrec deploy" in error["remedy"]
    code, error = world.fail("patient show --contract {doctor}")
    assert (code, error["type"]) == (9, "NotDeployed")


def test_the_contract_may_be_named_by_its_deployment_file(world: Shell) -> None:
    """The file that ``deploy`` wrote serves on a machine that has not deployed."""
    (path,) = (world.home / "deployments").iterdir()
    path.rename("given.json")
    assert world.ask("patient show --contract given.json")["is_registered"]
    address = world.ask("--profile registrar deploy")["address"]
    assert world.ask("patient show --contract", address)["is_registered"]


def test_a_deployment_file_that_is_none_is_told(world: Shell) -> None:
    """Exit code 4: it was damaged, or is something else."""
    Path("given.json").write_text("{}")
    assert world.fail("patient show --contract given.json")[0] == 4


def test_a_missing_store_is_told(world: Shell) -> None:
    """A Kubo node that does not answer: exit code 6, and nothing was appended."""
    code, error = world.fail("record add - --title x --compartment general", "--store", NOBODY)
    assert (code, error["type"]) == (6, "StoreUnavailable")
    assert world.ask("record list")["records"] == []


def test_lists_say_why_a_record_does_not_open(granted: Shell) -> None:
    """With the store down the history is shown and proved all the same, with a warning. Others' records are none."""
    granted.ask("record add - --compartment psychiatry --title note", stdin=b"x")
    for line in ("record list", "history"):
        document = granted.ask(line, "--store", NOBODY)
        assert "1 of the records could not be opened" in document["warnings"][0]
        assert "warnings" not in granted.ask(f"--profile doctor {line} --patient {{default}}")


def test_a_store_that_cannot_be_used_is_told(world: Shell) -> None:
    """An address that none has, a file in place of a folder."""
    Path("file").write_text("")
    assert world.fail("record list --store ftp://a")[0] == 2
    assert world.fail("record list --store file")[0] == 6


def test_a_wrong_passphrase_is_told(world: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 8, the name of the profile, and nothing of the passphrase itself."""
    monkeypatch.setenv("MEDREC_PASSPHRASE", "incorrect donkey")
    code, error = world.fail("record list")
    assert (code, error["type"]) == (8, "WrongPassphrase")
    assert "'default'" in error["message"]
    assert "donkey" not in str(error)


def test_without_passphrase_and_terminal_it_says_how_to_give_one(world: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is there to ask: exit code 8, and the ways that there are."""
    monkeypatch.delenv("MEDREC_PASSPHRASE")
    for line in ("record list", "--profile new init"):
        code, error = world.fail(line)
        assert (code, error["type"]) == (8, "PassphraseMissing")
        assert all(way in error["remedy"] for way in ("--passphrase-file", "passphrase-file", "MEDREC_PASSPHRASE"))


def test_a_passphrase_comes_from_a_file(world: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """By flag, by variable and by setting; its first line, without the end of the line. The flag wins over all."""
    Path("good").write_text(f"{PASSPHRASE}\r\nsecond line\n")
    Path("bad").write_text("wrong\n")
    assert world.ask("record list --passphrase-file good")
    assert world.fail("record list --passphrase-file bad")[0] == 8
    monkeypatch.delenv("MEDREC_PASSPHRASE")
    monkeypatch.setenv("MEDREC_PASSPHRASE_FILE", "good")
    assert world.ask("record list")
    assert world.fail("record list --passphrase-file bad")[0] == 8
    monkeypatch.delenv("MEDREC_PASSPHRASE_FILE")
    world.ask("config set passphrase-file good")
    assert world.ask("record list")


@pytest.mark.parametrize("content", [None, "", "\nsecond\n", b"\xff\xfe"])
def test_a_passphrase_file_that_has_none_is_told(world: Shell, content: str | bytes | None) -> None:
    """Missing, empty, with an empty first line, or no text: exit code 2, and its name."""
    if content is not None:
        Path("file").write_bytes(content if isinstance(content, bytes) else content.encode())
    code, error = world.fail("record list --passphrase-file file")
    assert (code, error["type"]) == (2, "ConfigurationError")
    assert "file" in error["message"]


def test_there_is_no_way_to_give_a_secret_as_an_argument(world: Shell) -> None:
    """No command has an option for a passphrase, a phrase, a key or a token itself."""
    for line in ("--help", "init --help", "record add --help"):
        options = set(re.findall(r"--[a-z-]+", world.type(line).out))
        suspicious = {option for option in options if re.search(r"phrase$|mnemonic|token|secret|key$", option)}
        assert suspicious <= {"--from-phrase"}  # a switch


def test_a_record_that_there_is_not_is_told(world: Shell) -> None:
    """Exit code 9, and how many there are."""
    for line in ("record get 0 --output x", "record get 1 --output x"):
        code, error = world.fail(line)
        assert (code, error["type"]) == (9, "RecordNotFound")
        assert "0 records" in error["message"]
    assert world.type("record verify 1").code == 9


def test_a_file_is_never_overwritten_unless_told(world: Shell) -> None:
    """Exit code 2 before anything is fetched; with --force it is replaced as a whole."""
    world.ask("record add - --compartment general --title note", stdin=b"new")
    Path("note").write_text("old")
    for target in ("note", "."):
        code, error = world.fail(f"record get 1 --output {target}")
        assert (code, error["type"]) == (2, "OutputExists")
    assert Path("note").read_text() == "old"
    world.ask("record get 1 --output note --force")
    assert Path("note").read_text() == "new"


def test_a_record_goes_to_standard_output_whole_or_not_at_all(world: Shell) -> None:
    """Byte for byte, after all of it was verified; from an altered store nothing comes."""
    text = "".join(map(chr, range(32, 127))) * 30_000  # more than one block
    world.ask("record add - --compartment general --title long", stdin=text.encode())
    assert world.type("record get 1 --output -").out == text
    flip_a_byte(world.home / "blocks")
    result = world.type("record get 1 --output -")
    assert (result.code, result.out) == (4, "")


def test_standard_output_cannot_be_both(world: Shell) -> None:
    """--json and --output - exclude each other."""
    code, error = world.fail("record get 1 --output -")
    assert (code, error["type"]) == (2, "InvalidInput")


def test_what_cannot_be_appended_is_told(world: Shell) -> None:
    """A missing file, a folder, standard input without a title, a compartment that there is not."""
    for line in (
        "record add missing.dcm --compartment general",
        "record add . --compartment general",
        "record add - --compartment general",
        "record add a b --compartment general --title both",
        "record add - --title x --compartment dental",
        "record add - --title x --compartment general --created soon",
    ):
        assert world.fail(line)[0] == 2, line
    assert world.ask("record list")["records"] == []


def test_a_correction_names_the_record_that_it_replaces(world: Shell) -> None:
    """--replaces takes the number that lists show."""
    world.ask("record add - --compartment general --title first", stdin=b"wrong")
    world.ask("record add - --compartment general --title second --replaces 1", stdin=b"right")
    assert world.fail("record add - --compartment general --title third --replaces 3")[0] == 9
    assert len(world.ask("record list")["records"]) == 2


def test_several_files_are_appended_in_one_transaction(world: Shell) -> None:
    """All of them, or none: one that cannot be read keeps the others out."""
    for name in ("a.txt", "b.txt"):
        Path(name).write_text(name)
    added = world.ask("record add a.txt b.txt --compartment general")
    assert [record["number"] for record in added["records"]] == [1, 2]
    assert len(added["transactions"]) == 1
    assert world.fail("record add a.txt missing.txt --compartment general")[0] == 2
    assert len(world.ask("record list")["records"]) == 2


def test_a_grant_needs_something_to_grant(world: Shell) -> None:
    """Neither --read nor --append, no end, an unknown purpose, an end in the past."""
    grantee = world.address("hospital")
    for line, code in (
        (f"permission grant {grantee} --until 1d", 2),
        (f"permission grant {grantee} --read general", 2),
        (f"permission grant {grantee} --read general --until 1d --purpose FUN", 2),
        (f"permission grant {grantee} --read dental --until 1d", 2),
        (f"permission grant {grantee} --read general --until 2020-01-01", 10),
        (f"permission grant {grantee} --read general --until 2d --from 1d", 2),
    ):
        assert world.fail(line)[0] == code, line


def test_somebody_without_a_published_key_cannot_be_granted_anything(world: Shell) -> None:
    """Exit code 9, and what that somebody has to do."""
    code, error = world.fail("permission grant {stranger} --read general --until 1d")
    assert (code, error["type"]) == (9, "ProfileNotFound")
    assert "provider publish" in error["remedy"]


def test_only_who_may_accredits(world: Shell) -> None:
    """Others end with 3."""
    assert world.fail("registrar accredit {stranger} --kind organisation")[0] == 3
    assert world.fail("authority add-registrar {stranger}")[0] == 3


def test_registering_twice_is_refused(world: Shell) -> None:
    """Exit code 10, and the record stays as it is."""
    code, error = world.fail("patient register")
    assert (code, error["type"]) == (10, "AlreadyRegistered")


def test_deploying_twice_says_so(world: Shell) -> None:
    """Nothing is sent, and the answer is the deployment that is there."""
    before = sent(world)
    assert world.ask("--profile registrar deploy")["is_new"] is False
    assert "already" in world.type("--profile registrar deploy").out
    assert sent(world) == before


def test_a_history_is_checked_without_any_key(granted: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """``history --sealed`` needs neither identity nor passphrase, and opens nothing."""
    granted.ask("record add - --compartment general --title note")
    monkeypatch.delenv("MEDREC_PASSPHRASE")
    entries = granted.ask("--profile nobody history --sealed --patient {default}")["entries"]
    assert [entry["kind"] for entry in entries] == ["KEYRING", "KEYRING", "RECORD"]
    assert [entry["title"] for entry in entries] == [None, None, None]
    assert granted.type("--profile nobody history --sealed").code == 9


def test_reading_leaves_the_wallet_locked(granted: Shell) -> None:
    """Lists, histories and records are read with the root secret alone: the wallet's file is not even there."""
    granted.ask("record add - --compartment general --title note", stdin=b"x")
    path = granted.home / "profiles" / "default" / "identity" / "wallet.json"
    document = path.read_text()
    path.write_text(re.sub(r'"crypto": \{.*?\n  \}', '"crypto": {}', document, flags=re.DOTALL))
    for line in ("record list", "record get 1 --output x", "record verify --all", "history", "permission list"):
        assert granted.type(line).code == 0, line
    assert granted.type("record add - --compartment general --title y").code == 4


def test_an_expired_permission_is_told_apart(granted: Shell) -> None:
    """``permission list`` shows which are over."""
    granted.ask(GRANT.replace("90d", "5s"))
    granted.there().chain.travel(seconds=10)
    (line,) = granted.ask("permission list")["permissions"]
    assert line["state"] == "over"
