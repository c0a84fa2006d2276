"""From a lost device and wallet to new ones, by `medrec recover`, with guardians who type their side of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sdk.cli.conftest import Shell

pytestmark = pytest.mark.slow

GUARDIANS = ("hospital", "doctor", "stranger")
WEEK = 7 * 86_400


@dataclass
class Lost:
    """Alice's device is lost; two of her three guardians have her shares and can hand her to a new wallet."""

    shell: Shell
    wallet: str = ""
    """The new one, once it is there."""
    profile: str = "new"
    """The new device's."""

    def ask(self, output: str = "request", *more: str) -> str:
        """What comes next, on the new device; the digits that it shows."""
        fingerprint: str = self.shell.ask(f"--profile {self.profile} recover --output {output}", *more)["fingerprint"]
        return fingerprint

    def restore(self) -> None:
        """Steps 1 and 2."""
        line = f"--profile {self.profile} recover --patient {{default}} --output shares-wanted --light-kdf"
        digits = self.shell.ask(line)["fingerprint"]
        for name in GUARDIANS[:2]:
            line = f"--profile {name} keys hand-over shares-wanted --output share-{name} --fingerprint"
            self.shell.ask(line, digits)
        self.wallet = self.shell.ask(f"--profile {self.profile} recover share-hospital share-doctor")["address"]
        self.shell.there().chain.fund(self.wallet)

    def approve(self, digits: str, *names: str, request: str = "request") -> str:
        """What guardians do; their files, for a command line."""
        for name in names:
            self.shell.ask(f"--profile {name} guardian approve {request} --output ok-{name} --fingerprint", digits)
        return " ".join(f"ok-{name}" for name in names)


@pytest.fixture
def lost(world: Shell) -> Lost:
    Path("note.txt").write_text("All is well.")
    world.ask("record add note.txt --compartment general")
    for guardian in GUARDIANS[1:]:
        world.ask(f"--profile {guardian} provider publish")
    people = " ".join(f"{{{name}}}" for name in GUARDIANS)
    world.ask(f"keys share {people} --threshold 2 --output shares")
    for name in GUARDIANS:
        world.ask(f"--profile {name} keys guard shares/{world.address(name)}.share")
    set_ = world.ask(f"guardian set {people} --threshold 2 --delay 7d")
    assert set_["present"]["threshold"] == 2
    return Lost(world)


def test_a_lost_phone_is_an_inconvenience(lost: Lost) -> None:
    """Five calls on a new device, two of each guardian; then the record is whole, and the wallet decides."""
    shell = lost.shell
    phone = shell.home / "profiles" / "default"
    phone.rename(shell.home / "lost")
    lost.restore()
    digits = lost.ask()
    begun = shell.ask(f"--profile new recover {lost.approve(digits, 'hospital', 'stranger')}")
    assert begun["step"] == "begun"
    assert begun["recovery"]["unanimous"] is False
    assert shell.ask("--profile new recover")["step"] == "begun"
    shell.there().chain.travel(seconds=WEEK)
    assert shell.ask("--profile new recover")["step"] == "completed"
    assert shell.ask("--profile new recover")["step"] == "completed"

    shell.ask("--profile new record add note.txt --compartment general")
    shell.ask("--profile new record get 1 --output copy.txt")
    assert Path("copy.txt").read_text() == "All is well."
    changed = shell.ask("--profile new keys change-root --light-kdf")
    assert changed["patient"] == shell.address("default")
    assert shell.ask("--profile new guardian status")["present"]["threshold"] == 2
    (shell.home / "lost").rename(phone)
    code, error = shell.fail("patient rotate")
    assert (code, error["type"]) == (8, "RootSecretReplaced")


def test_a_wallet_that_is_not_lost_stops_it(lost: Lost) -> None:
    """Its device shows what goes on; what was signed begins nothing any more, and it is asked anew."""
    shell = lost.shell
    lost.restore()
    files = lost.approve(lost.ask(), "hospital", "doctor")
    shell.ask(f"--profile new recover {files}")
    seen = shell.ask("guardian status")["recovery"]
    assert seen["wallet"] == lost.wallet
    assert "medrec guardian stop" in shell.type("guardian status").out
    assert shell.ask("guardian stop")["recovery"] is None
    for line in ("--profile new recover --output again", f"--profile new recover {files}"):
        code, error = shell.fail(line)
        assert (code, error["type"]) == (3, "RecoveryOver")
    assert shell.fail("--profile new recover")[1]["type"] == "RecoveryOver"
    code, error = shell.fail("guardian stop")
    assert (error["type"], "nothing to stop" in error["message"]) == ("RecoveryOver", True)
    digits = lost.ask("again", "--again")
    code, error = shell.fail("--profile stranger guardian approve request --output ok --fingerprint", digits)
    assert error["type"] == "FingerprintMismatch"
    assert not Path("ok").exists()


def test_a_guardian_is_told_what_is_asked(lost: Lost) -> None:
    """Whose record goes where, and that it takes a call; without the digits nothing is signed."""
    lost.restore()
    lost.ask()
    typed = lost.shell.type("--profile doctor guardian approve request --output ok")
    assert typed.code == 2
    assert f"{lost.shell.address()} shall go to the wallet {lost.wallet}" in typed.err
    assert "--fingerprint" in typed.err
    assert not Path("ok").exists()


def test_the_same_request_again_and_each_to_its_command(lost: Lost) -> None:
    """Once asked, the patient need not be named again; a request for the other thing says which command answers it."""
    shell = lost.shell
    first = shell.ask("--profile new recover --patient {default} --output one --light-kdf")["fingerprint"]
    assert shell.ask("--profile new recover --output two")["fingerprint"] == first
    told = shell.type("--profile new recover --output three")
    assert "medrec recover FILE..." in told.out
    assert "medrec keys restore" not in told.out + told.err
    code, error = shell.fail("--profile doctor guardian approve one --output ok --fingerprint 1")
    assert (code, "medrec keys hand-over" in error["message"]) == (2, True)
    lost.restore()
    lost.ask()
    code, error = shell.fail("--profile doctor keys hand-over request --output ok --fingerprint 1")
    assert (code, "medrec guardian approve" in error["message"]) == (2, True)
    Path("junk").write_bytes(b"junk")
    assert shell.fail("--profile doctor guardian approve junk --output ok --fingerprint 1")[0] == 4
    assert not Path("ok").exists()


def test_too_few_and_strangers(lost: Lost) -> None:
    """Nothing begins, and the answers can be given again with more of them."""
    shell = lost.shell
    lost.restore()
    digits = lost.ask()
    code, error = shell.fail(f"--profile new recover {lost.approve(digits, 'hospital')}")
    assert error["type"] == "GuardiansTooFew"
    shell.ask("--profile registrar guardian approve request --output ok-registrar --fingerprint", digits)
    code, error = shell.fail("--profile new recover ok-hospital ok-registrar")
    assert error["type"] == "NotGuardian"
    assert "in ok-registrar" in str(error)
    assert code == 3
    shell.ask(f"--profile new recover ok-hospital {lost.approve(digits, 'doctor')}")


def test_what_is_missing_is_said(lost: Lost) -> None:
    """On a device that has nothing, and where no file is named for the request."""
    for line in ("--profile new recover", "--profile new recover --patient {default}"):
        code, error = lost.shell.fail(line)
        assert (code, error["type"]) == (2, "InvalidInput")
    lost.restore()
    code, error = lost.shell.fail("--profile new recover")
    assert "--output" in error["message"]
    assert code == 2


def test_guardians_change_and_go(lost: Lost) -> None:
    """A change waits, and both sets are shown; so does having none."""
    shell = lost.shell
    changed = shell.ask("guardian set {doctor} {stranger} --threshold 1 --delay 1d")
    assert len(changed["present"]["accounts"]) == 3
    assert changed["following"] == {
        "accounts": [shell.address("doctor"), shell.address("stranger")],
        "threshold": 1,
        "delay": 86_400,
    }
    shell.there().chain.travel(seconds=WEEK)
    assert shell.ask("guardian status")["present"] == changed["following"]
    shell.ask("guardian remove")
    shell.there().chain.travel(seconds=86_400)
    assert shell.ask("guardian status")["present"] is None
    code, error = shell.fail("guardian set {doctor} --threshold 1 --delay 2030-01-01")
    assert (code, error["type"]) == (2, "InvalidInput")


def test_a_slip_loses_no_request(lost: Lost) -> None:
    """Asking anew replaces the request, and its answers, only once there is another one to send."""
    shell = lost.shell
    lost.restore()
    files = lost.approve(lost.ask(), "hospital", "doctor")
    for line in ("recover --again", "recover --again --output request", f"recover --again {files} --output again"):
        code, error = shell.fail(f"--profile new {line}")
        assert (code, error["type"]) == (2, "InvalidInput")
    assert shell.ask(f"--profile new recover {files}")["step"] == "begun"
    lost.ask("again", "--again")  # for all to sign, so that nobody stops it; it goes on meanwhile
    assert shell.ask("--profile new recover")["step"] == "begun"
    shell.there().chain.travel(seconds=WEEK)
    assert "stop" not in shell.type("guardian status").out
    assert shell.ask("--profile new recover")["step"] == "completed"


def test_a_recovery_to_somebody_elses_wallet_is_no_step_of_this_one(lost: Lost) -> None:
    """It is named, and neither waited for nor completed."""
    shell = lost.shell
    lost.restore()
    lost.ask("hers")
    for file in Path().glob("share*-*"):
        file.unlink()
    thief = Lost(shell, profile="thief")
    thief.restore()
    shell.ask(f"--profile thief recover {thief.approve(thief.ask(), 'hospital', 'doctor')}")
    code, error = shell.fail("--profile new recover --output again")
    assert (code, error["type"]) == (3, "RecoveryOver")
    shell.there().chain.travel(seconds=WEEK)
    assert shell.fail("--profile new recover")[1]["type"] == "RecoveryOver"
    asked = shell.type("--profile new recover --again --output again")
    assert f"another wallet, {thief.wallet}" in asked.err
    assert "all guardians" in asked.err
