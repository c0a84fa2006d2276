"""``medrec representative``, and deciding for somebody else with ``--patient``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sdk.cli.conftest import GRANT, Shell

pytestmark = pytest.mark.slow

APPOINT = "representative appoint {stranger} --compartment general --until 365d"
AS_MOTHER = "--profile stranger "
FOR_ALICE = " --patient {default}"


@pytest.fixture
def appointed(world: Shell) -> Shell:
    """The stranger is alice's mother, and represents her in general."""
    world.ask("--profile stranger provider publish --name Mother")
    world.ask(APPOINT)
    return world


def test_a_representative_decides(appointed: Shell) -> None:
    """It grants, lists, rotates and revokes for alice, and reads what she may."""
    appointed.ask("record add - --compartment general --title note", stdin=b"All is well.")
    granted = appointed.ask(AS_MOTHER + GRANT + FOR_ALICE)
    assert granted["patient"] == appointed.address()
    lines = appointed.ask(AS_MOTHER + "permission list" + FOR_ALICE)["permissions"]
    assert [(line["grantee"], line["is_representative"], line["by"]) for line in lines] == [
        (appointed.address("stranger"), True, appointed.address()),
        (appointed.address("hospital"), False, appointed.address("stranger")),
    ]
    assert lines[1]["read"] == ["general"]
    assert appointed.ask(AS_MOTHER + "patient rotate" + FOR_ALICE)["compartments"] == ["general"]
    appointed.ask(AS_MOTHER + "record get 1 --output copy.txt" + FOR_ALICE)
    assert Path("copy.txt").read_bytes() == b"All is well."
    assert appointed.ask(AS_MOTHER + "permission revoke {hospital}" + FOR_ALICE)["rotated"]
    history = appointed.ask("history")["entries"]
    assert appointed.address("stranger") in {entry["author"] for entry in history if entry["kind"] == "KEYRING"}


def test_the_log_says_whose_each_decision_was(appointed: Shell) -> None:
    """For people too, and for the representative."""
    appointed.ask(AS_MOTHER + GRANT + FOR_ALICE)
    appointed.ask("permission revoke {hospital}")
    lines = appointed.ask("permission log")["decisions"]
    kinds = [(line["kind"], line["by_representative"]) for line in lines if line["kind"] != "KEYS_CHANGED"]
    assert kinds == [("REGISTERED", False), ("APPOINTED", False), ("GRANTED", True), ("REVOKED", False)]
    shown = appointed.type(AS_MOTHER + "permission log" + FOR_ALICE)
    assert "(representative)" in shown.out


def test_beyond_its_limits(appointed: Shell) -> None:
    """Exit code 3, and the error says what goes too far; who represents nobody is told so."""
    code, error = appointed.fail(AS_MOTHER + GRANT.replace("90d", "900d") + FOR_ALICE)
    assert (code, error["type"]) == (3, "BeyondLimits")
    assert "an end after" in error["message"]
    code, error = appointed.fail("--profile hospital patient rotate --patient {default}")
    assert (code, error["type"]) == (3, "NotController")


def test_revoking_one_says_what_it_granted(appointed: Shell) -> None:
    """And revokes that as well, then or at once."""
    appointed.ask(AS_MOTHER + GRANT + FOR_ALICE)
    (line,) = appointed.ask("representative list")["representatives"]
    assert (line["representative"], line["granted_to"]) == (
        appointed.address("stranger"),
        [appointed.address("hospital")],
    )
    shown = appointed.type("permission revoke {stranger}")
    assert appointed.address("hospital") in shown.out
    assert "--with-grants" in shown.out
    revoked = appointed.ask("permission revoke {stranger} --with-grants")
    assert revoked["revoked_too"] == [appointed.address("hospital")]
    assert appointed.ask("permission list")["permissions"] == []
    assert appointed.ask("representative list")["representatives"] == []


def test_when_it_ends_has_to_be_said(appointed: Shell) -> None:
    """By a moment or a date of birth, and not both; the 18th birthday of a leap day is the first of March."""
    for end in ("", " --until 365d --born 2020-01-01", " --born yesterday", " --born 2020-02-30"):
        code, _ = appointed.fail("representative appoint {stranger} --compartment general" + end)
        assert code == 2
    minor = appointed.ask("representative appoint {stranger} --compartment general --born 2020-02-29")
    assert minor["until"] == "2038-03-01T00:00:00Z"


def test_offline(appointed: Shell) -> None:
    """Appointed, deciding and resigning by signed decisions that somebody else sends."""
    send = "--profile hospital relay send decision.json --at-own-expense"
    appointed.ask(APPOINT + " --append psychiatry --offline decision.json")
    appointed.ask(send)
    (line,) = appointed.ask("representative list")["representatives"]
    assert line["append"] == ["psychiatry"]
    Path("decision.json").unlink()
    appointed.ask(
        AS_MOTHER + "permission grant {hospital} --read general --until 30d --offline decision.json" + FOR_ALICE
    )
    appointed.ask(send)
    Path("decision.json").unlink()
    appointed.ask(AS_MOTHER + "representative resign --offline decision.json" + FOR_ALICE)
    appointed.ask(send)
    assert [line["grantee"] for line in appointed.ask("permission list")["permissions"]] == [
        appointed.address("hospital")
    ]
    code, _ = appointed.fail("permission revoke {stranger} --with-grants --offline other.json")
    assert code == 2


def test_a_childs_record(world: Shell) -> None:
    """Registered under the parent's wallet, decided about, read, and handed over to the child's own profile."""
    child = world.ask("patient register --newborn --compartment general")["patient"]
    assert world.ask("patient show")["decides_for"] == [child]
    world.ask(GRANT, "--patient", child)
    add = "--profile doctor record add - --compartment general --title birth --on-behalf-of {hospital}"
    world.ask(add, "--patient", child, stdin=b"3,400 g")
    assert world.ask("record list", "--patient", child)["records"][0]["title"] == "birth"
    assert world.ask("record list")["records"] == []
    assert world.ask("patient show", "--patient", child)["permissions"] == 1
    _keep(world, child)
    code, error = world.fail("keys change-root --light-kdf")
    assert code == 2
    assert child in error["message"]
    heir = world.newcomer("grown")
    handed = world.ask("patient hand-over --to grown", "--patient", child)
    assert "count until" in handed["warnings"][0]
    assert handed["wallet"] == heir
    world.ask("--profile grown patient rotate", "--patient", child)
    world.ask("--profile grown record get 1 --output birth.txt", "--patient", child)
    assert Path("birth.txt").read_bytes() == b"3,400 g"
    code, error = world.fail("permission revoke {hospital}", "--patient", child)
    assert (code, error["type"]) == (3, "NotController")
    assert world.ask("patient show")["decides_for"] == []


def _keep(world: Shell, child: str) -> None:
    """What a patient does about keys and guardians, for the child, and nothing of it for the parent."""
    journals = world.home / "profiles" / "default"
    for line, numbers in (("keys reseal", 1), ("keys reseal 1", 1)):
        assert world.ask(line, "--patient", child)["records"] == numbers
    assert not list(journals.glob("*.journal"))
    assert world.ask("keys clean", "--patient", child)["patient"] == child
    assert world.ask("keys stale", "--patient", child)["stale"] == []
    healed = world.ask("keys heal {hospital}", "--patient", child)
    assert (healed["patient"], healed["sealed"]) == (child, [world.address("hospital")])
    world.ask("guardian set {stranger} {doctor} --threshold 1 --delay 1h", "--patient", child)
    assert world.ask("guardian status", "--patient", child)["present"]["threshold"] == 1
    assert world.ask("guardian status")["present"] is None
    assert world.ask("guardian remove", "--patient", child)["following"] is None


def test_a_childs_record_alone(world: Shell) -> None:
    """Then it is the profile's record, and one of the parent's own beside it would be mistaken for it."""
    world.newcomer("parent")
    child = world.ask("--profile parent patient register --newborn")["patient"]
    assert world.ask("--profile parent patient show")["patient"] == child
    code, error = world.fail("--profile parent patient register")
    assert (code, error["type"]) == (2, "InvalidInput")
    assert child in error["message"]
    assert "another profile" in error["message"]
    world.ask("--profile parent patient register --newborn")


def test_who_is_no_patient_is_told(world: Shell) -> None:
    """Nothing is asked for that somebody else would have to do."""
    code, error = world.fail("--profile stranger permission list")
    assert (code, error["type"]) == (5, "KeyringMissing")
    assert "medrec patient register" in error["remedy"]


def test_nothing_to_resign_from(world: Shell) -> None:
    """The patient itself is no representative."""
    code, error = world.fail("representative resign --patient {default}")
    assert code == 2
    assert "nothing to resign" in error["message"]
