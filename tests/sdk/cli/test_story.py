"""The session of the issue, word for word, and what comes after it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.sdk.cli.conftest import GRANT, NOBODY, Shell, flip_a_byte

pytestmark = pytest.mark.slow

SCAN = bytes(range(256)) * 5_000  # 1.2 MiB: more than one block


@pytest.fixture
def echo() -> Path:
    """The file that the doctor appends."""
    path = Path("echo.dcm")
    path.write_bytes(SCAN)
    return path


ADD = "--profile doctor record add echo.dcm --patient {default} --compartment general --on-behalf-of {hospital}"
GET = "--profile doctor record get 1 --patient {default} --output copy.dcm"


def test_the_session_of_the_issue_works_as_it_stands(world: Shell, echo: Path) -> None:
    """Grant, append for the hospital, get back byte for byte, revoke, verify: each line as a person types it."""
    grant = "permission grant {hospital} --read general --append general --purpose TREAT --until 2127-03-01"
    for line in (grant, ADD, GET, "permission revoke {hospital}"):
        result = world.type(line)
        assert result.code == 0, (line, result.err)
    assert Path("copy.dcm").read_bytes() == SCAN
    verified = world.type("record verify --all")
    assert (verified.code, "1 of 1 verified" in verified.out) == (0, True)


def test_after_the_revocation_the_doctor_is_refused(granted: Shell, echo: Path) -> None:
    """Neither reading nor appending: exit code 3, and the error says who revoked what."""
    granted.ask(ADD)
    granted.ask("permission revoke {hospital}")
    for line in (GET, ADD):
        code, error = granted.fail(line)
        assert (code, error["type"]) == (3, "PermissionRevoked")
        assert granted.address("hospital") in error["message"]
    assert not Path("copy.dcm").exists()


def test_reading_finds_out_for_whom(granted: Shell, echo: Path) -> None:
    """The doctor has no permission, and the one hospital that named it an agent has: it reads for the hospital."""
    granted.ask(ADD)
    result = granted.type(GET)
    assert result.code == 0
    assert f"on behalf of {granted.address('hospital')}" in result.err


def test_a_stranger_reads_nothing(granted: Shell, echo: Path) -> None:
    """Who was granted nothing is refused in its own name, whatever other profiles are on the machine."""
    granted.ask(ADD)
    code, error = granted.fail("--profile stranger record get 1 --patient {default} --output copy.dcm")
    assert (code, error["type"]) == (3, "PermissionMissing")
    assert granted.address("stranger") in error["message"]


def test_several_providers_that_come_into_question_are_named(granted: Shell, echo: Path) -> None:
    """Where two hospitals on the machine were granted something, the doctor has to say for which it reads."""
    other = granted.newcomer("clinic")
    granted.ask("--profile clinic provider publish")
    granted.ask("--profile clinic provider agent add {doctor}")
    granted.ask(f"permission grant {other} --read general --until 30d")
    granted.ask(ADD)
    code, error = granted.fail(GET)
    assert code == 2
    assert other in error["message"]
    assert granted.address("hospital") in error["message"]
    assert granted.type(GET, "--on-behalf-of", granted.address("hospital")).code == 0


def test_the_keys_of_the_hospital_have_to_be_on_this_machine(granted: Shell, echo: Path) -> None:
    """Acting for a provider whose keys are elsewhere is refused, and the error says what to do."""
    elsewhere = granted.home / "profiles" / "hospital"
    elsewhere.rename(granted.home / "elsewhere")
    code, error = granted.fail(ADD)
    assert (code, error["type"]) == (5, "KeysElsewhere")
    assert "init --from-phrase" in error["remedy"]


def test_the_hospital_has_a_passphrase_of_its_own(granted: Shell, echo: Path) -> None:
    """The doctor's passphrase does not open the hospital's keys; a setting of that profile names the file that does."""
    shutil.rmtree(granted.home / "profiles" / "hospital" / "identity")
    Path("phrase").write_text(granted.there().phrases["hospital"])
    Path("secret").write_text("the hospital's own\n")
    granted.ask("--profile hospital init --light-kdf --phrase-file phrase --passphrase-file secret")
    code, error = granted.fail(ADD)
    assert (code, error["type"]) == (8, "WrongPassphrase")
    assert "'hospital'" in error["message"]
    granted.ask("--profile hospital config set passphrase-file secret")
    assert granted.ask(ADD)["on_behalf_of"] == granted.address("hospital")


def test_alice_reads_and_appends_her_own_record(world: Shell, echo: Path) -> None:
    """Without --patient it is the profile's own record, read and written with the patient's keys."""
    added = world.ask("record add echo.dcm --compartment psychiatry --title", "A scan of my own")
    assert [record["number"] for record in added["records"]] == [1]
    assert added["on_behalf_of"] == added["patient"] == world.address()
    (line,) = world.ask("record list")["records"]
    assert (line["title"], line["compartments"], line["problem"]) == ("A scan of my own", ["psychiatry"], None)
    world.ask("record get 1 --output copy.dcm")
    assert Path("copy.dcm").read_bytes() == SCAN


def test_the_other_compartment_stays_closed(granted: Shell, echo: Path) -> None:
    """The hospital was granted general: what is in psychiatry is refused, and it cannot append there."""
    granted.ask("record add echo.dcm --compartment psychiatry")
    code, error = granted.fail(GET)
    assert (code, error["type"]) == (3, "CompartmentNotGranted")
    code, error = granted.fail(ADD.replace("general", "psychiatry"))
    assert code == 2  # its name is not even known there
    (line,) = granted.ask("--profile doctor record list --patient {default}")["records"]
    assert (line["title"], line["problem"]["type"]) == (None, "CompartmentNotGranted")


def test_a_flipped_byte_in_the_store_is_told_apart_by_its_code(granted: Shell, echo: Path) -> None:
    """Verification of an altered store ends with 4, names the record, and still verifies the others."""
    granted.ask(ADD)
    granted.ask("record add - --compartment general --title note", stdin=b"All is well.")
    flip_a_byte(granted.home / "blocks")
    result = granted.type("record verify --all --json")
    assert result.code == 4
    first, second = json.loads(result.out)["records"]
    assert (first["ok"], first["error"]["type"], second["ok"]) == (False, "BlockMismatch", True)
    assert granted.type(GET).code == 4
    assert not Path("copy.dcm").exists()
    assert "FAILED" in granted.type("record verify 1").out


def test_a_grant_reaches_what_was_written_before_only_with_history(world: Shell, echo: Path) -> None:
    """--history opens earlier records; without it they stay closed."""
    world.ask("record add echo.dcm --compartment general")
    world.ask(GRANT)
    code, error = world.fail(GET)
    assert (code, error["type"]) == (5, "KeysMissing")
    world.ask(GRANT + " --history")
    assert world.type(GET).code == 0


def test_deploying_again_from_another_profile_is_nothing_to_do(world: Shell) -> None:
    """Who shares the home has the deployment already, and is told whose it is; naming another one is an error."""
    again = world.ask("--profile stranger deploy")
    assert (again["is_new"], again["authority"]) == (False, world.address("registrar"))
    assert again["note"] == f"It was deployed with another authority: {world.address('registrar')}."
    code, error = world.fail("--profile stranger deploy --authority {stranger}")
    assert (code, error["type"]) == (7, "DeploymentDiffers")
    assert "leave the authority out" in error["remedy"]


def test_a_permission_that_ended_before_it_was_granted(world: Shell) -> None:
    """A past --until is said to be past."""
    code, error = world.fail("permission grant {hospital} --read general --append general --until 2020-01-01")
    assert (code, error["type"]) == (10, "WindowInvalid")
    assert "begins at once and ends at 2020-01-01 00:00:00 UTC" in error["message"]
    assert "1970" not in error["message"]


def test_a_node_that_is_not_there_is_not_said_to_have_taken_anything(
    world: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was sent, so nothing may still be mined."""
    monkeypatch.setenv("MEDREC_CHAIN", NOBODY)
    code, error = world.fail("patient register")
    assert (code, error["type"]) == (7, "NodeUnreachable")
    assert "mined" not in error["remedy"]
