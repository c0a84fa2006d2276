"""Recovery by guardians: a patient deals out, guardians keep and hand over, a new device is restored."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from medrec_py.cli import identities
from medrec_py.wallet import Wallet
from tests.sdk.cli.conftest import PASSPHRASE, Shell
from tests.sdk.cli.test_terminal import at_a_terminal

pytestmark = pytest.mark.slow

GUARDIANS = ("hospital", "doctor", "stranger")


@dataclass
class Circle:
    """Alice, whose root secret is dealt out to three guardians, any two of whom restore it. Each keeps its share."""

    shell: Shell
    dealt: dict[str, Any]

    def file(self, guardian: str) -> Path:
        """The share that a guardian was given."""
        return Path("shares") / f"{self.shell.address(guardian)}.share"

    def recover(self, profile: str = "new", output: str = "request") -> str:
        """Begin a recovery on another device; the fingerprint."""
        line = f"--profile {profile} keys recover --patient {{default}} --output {output} --light-kdf"
        fingerprint: str = self.shell.ask(line)["fingerprint"]
        return fingerprint

    def hand_over(self, guardian: str, fingerprint: str, request: str = "request", output: str | None = None) -> str:
        """What a guardian does; the file."""
        output = output or f"from-{guardian}"
        line = f"--profile {guardian} keys hand-over {request} --output {output} --fingerprint"
        self.shell.ask(line, fingerprint)
        return output

    def files(self, *guardians: str) -> str:
        """Begin a recovery and have guardians hand over; their files, for a command line."""
        fingerprint = self.recover()
        return " ".join(self.hand_over(guardian, fingerprint) for guardian in guardians)


@pytest.fixture
def circle(world: Shell) -> Circle:
    Path("note.txt").write_text("All is well.")
    world.ask("record add note.txt --compartment general")
    for guardian in GUARDIANS[1:]:
        world.ask(f"--profile {guardian} provider publish")
    dealt = world.ask("keys share {hospital} {doctor} {stranger} --threshold 2 --output shares")
    made = Circle(world, dealt)
    for guardian in GUARDIANS:
        world.ask(f"--profile {guardian} keys guard {made.file(guardian)} --name", "Alice, my sister")
    return made


def without_patient(shell: Shell) -> None:
    """The patient's device is lost."""
    (shell.home / "profiles" / "default").rename(shell.home / "lost")


def test_two_of_three_guardians_restore_what_can_be_read(circle: Circle) -> None:
    """The new device lists and gets the records; the wallet is new, so nothing can be decided, and it says so."""
    files = circle.files("stranger", "hospital")
    without_patient(circle.shell)
    restored = circle.shell.ask(f"--profile new keys restore {files}")
    assert restored["patient"] == circle.shell.address()
    assert restored["decides"] is False
    assert "medrec keys change-root" in restored["next"]
    assert Wallet.from_phrase(restored["phrase"]).address == restored["address"] != restored["patient"]
    for patient in ("", " --patient {default}"):
        (line,) = circle.shell.ask(f"--profile new record list{patient}")["records"]
        assert (line["title"], line["problem"]) == ("note.txt", None)
    circle.shell.ask("--profile new record get 1 --output copy.txt")
    assert Path("copy.txt").read_text() == "All is well."
    assert circle.shell.ask("--profile new record verify --all")["verified"] == 1
    assert circle.shell.ask("--profile new permission list")["permissions"] == []
    assert circle.shell.ask("--profile new patient show")["compartments"] == ["general", "psychiatry"]
    assert circle.shell.ask("--profile new history")["entries"]
    circle.shell.there().chain.fund(restored["address"])
    code, error = circle.shell.fail("--profile new patient rotate")
    assert (code, error["type"]) == (3, "NotController")


def test_with_the_wallet_that_is_still_there_everything_is_back(circle: Circle) -> None:
    """A keystore with its passphrase beside the shares: the restored profile decides as before."""
    files = circle.files("doctor", "hospital")
    without_patient(circle.shell)
    Path("secret").write_text(PASSPHRASE + "\n")
    keystore = circle.shell.home / "lost" / "identity" / "wallet.json"
    line = f"--profile new keys restore {files} --wallet {keystore} --wallet-passphrase-file secret"
    restored = circle.shell.ask(line)
    assert (restored["address"], restored["decides"]) == (circle.shell.address(), True)
    assert "phrase" not in restored
    circle.shell.ask("--profile new patient rotate")
    circle.shell.ask("--profile new record add note.txt --compartment general")


def test_one_guardian_restores_nothing_and_nothing_is_written(circle: Circle) -> None:
    """Exit code 5; the profile is as it was, and a second share makes it work."""
    files = circle.files("hospital")
    before = everything(circle.shell)
    code, error = circle.shell.fail(f"--profile new keys restore {files}")
    assert (code, error["type"]) == (5, "TooFewShares")
    assert everything(circle.shell) == before
    code, error = circle.shell.fail(f"--profile new keys restore {files} {files}")
    assert (code, error["type"]) == (5, "ShareRepeated")
    assert everything(circle.shell) == before


def test_a_share_of_another_set_is_named(circle: Circle) -> None:
    """Alice deals out anew; a guardian who hands over from the old set is told apart from the others."""
    shell = circle.shell
    shell.there().chain.travel(seconds=60)
    again = shell.ask("keys share {hospital} {doctor} --threshold 2 --output again")
    assert "needed" in again["warnings"][0]
    shell.ask(f"--profile hospital keys guard again/{shell.address('hospital')}.share")
    fingerprint = circle.recover()
    kept = shell.ask("--profile hospital keys guarded")["shares"]
    assert {share["set"] for share in kept} == {circle.dealt["set"], again["set"]}
    handed_over = shell.ask("--profile hospital keys hand-over request --output new-set --fingerprint", fingerprint)
    assert handed_over["set"] == again["set"]
    assert "--set" in handed_over["warnings"][0]
    circle.hand_over("doctor", fingerprint)
    code, error = shell.fail("--profile new keys restore new-set from-doctor")
    assert (code, error["type"]) == (5, "SharesOfSeveralSets")
    for name, guardian in ((again["set"], "hospital"), (circle.dealt["set"], "doctor")):
        assert f"{name[:8]} (2 of" in error["message"]
        assert shell.address(guardian).lower() in error["message"]
    line = f"--profile hospital keys hand-over request --output old-set --set {circle.dealt['set'][:16]} --fingerprint"
    shell.ask(line, fingerprint)
    assert shell.ask("--profile new keys restore old-set from-doctor")["patient"] == shell.address()


def test_a_guardian_sees_for_whom_it_keeps_what(circle: Circle) -> None:
    """Whose it is, by address and in the guardian's own words, and how many restore; twice is once."""
    (share,) = circle.shell.ask("--profile doctor keys guarded")["shares"]
    assert (share["patient"], share["name"]) == (circle.shell.address(), "Alice, my sister")
    assert (share["share"], share["threshold"], share["count"], share["problem"]) == (2, 2, 3, None)
    assert circle.shell.ask(f"--profile doctor keys guard {circle.file('doctor')}")["is_new"] is False
    assert "keeps no share" in circle.shell.type("keys guarded").out


def test_a_guardian_does_not_keep_what_it_cannot_open(circle: Circle) -> None:
    """Another guardian's share, a changed one, and what is none: refused, and nothing is kept."""
    shell = circle.shell
    changed = bytearray(circle.file("hospital").read_bytes())
    changed[-1] ^= 1
    Path("changed").write_bytes(changed)
    Path("huge").write_bytes(bytes((1 << 20) + 1))
    before = everything(shell)
    for file, code, kind in (
        (circle.file("doctor"), 5, "WrongKey"),
        ("changed", 5, "WrongKey"),
        ("note.txt", 4, "FormatError"),
        ("huge", 2, "InvalidInput"),
        ("missing", 2, "InvalidInput"),
    ):
        found, error = shell.fail(f"--profile hospital keys guard {file}")
        assert (found, error["type"]) == (code, kind), file
        assert str(file) in " ".join([error["message"], *error.get("notes", [])])
    assert everything(shell) == before


def test_nothing_is_handed_over_without_the_fingerprint(circle: Circle) -> None:
    """With other digits it is refused with 4; without a terminal and without digits, with 2; and no file appears."""
    fingerprint = circle.recover()
    line = "--profile doctor keys hand-over request --output out"
    code, error = circle.shell.fail(line, "--fingerprint", fingerprint[::-1])
    assert (code, error["type"]) == (4, "FingerprintMismatch")
    assert fingerprint not in json.dumps(error)
    code, error = circle.shell.fail(line)
    assert (code, error["type"]) == (2, "InvalidInput")
    code, error = circle.shell.fail(line.replace("request", "note.txt"), "--fingerprint", fingerprint)
    assert (code, error["type"]) == (4, "FormatError")
    assert not Path("out").exists()


def test_a_damaged_file_keeps_nobody_from_the_other_shares(circle: Circle) -> None:
    """It is listed with its problem, and what a guardian keeps of others is handed over as ever."""
    shell = circle.shell
    folder = shell.home / "profiles" / "doctor" / "guarded"
    kept = json.loads(next(folder.iterdir()).read_text())
    (folder / f"{'0' * 64}.json").write_text(json.dumps(kept))
    (folder / f"{'1' * 64}.json").write_text("nonsense")
    shares = shell.ask("--profile doctor keys guarded")["shares"]
    assert [share["problem"] is None for share in shares].count(True) == 1
    assert {share["patient"] for share in shares} == {None, shell.address()}
    assert "cannot be read" in shell.type("--profile doctor keys guarded").out
    circle.hand_over("doctor", circle.recover())


def test_a_guardians_wrong_passphrase_is_told_as_such(circle: Circle) -> None:
    """And not as a share that is not kept."""
    fingerprint = circle.recover()
    Path("wrong").write_text("something else\n")
    for line in (
        "keys guarded",
        f"keys guard {circle.file('doctor')}",
        f"keys hand-over request --output out --fingerprint {fingerprint.replace(' ', '')}",
    ):
        code, error = circle.shell.fail(f"--profile doctor {line} --passphrase-file wrong")
        assert (code, error["type"]) == (8, "WrongPassphrase"), line
    assert not Path("out").exists()


def test_who_keeps_no_share_of_that_patient_is_told_so(circle: Circle) -> None:
    """Exit code 9."""
    fingerprint = circle.recover()
    line = "--profile registrar keys hand-over request --output out --fingerprint"
    code, error = circle.shell.fail(line, fingerprint)
    assert (code, error["type"]) == (9, "ShareNotKept")
    assert circle.shell.address() in error["message"]


def test_a_recovery_that_has_begun_goes_on(circle: Circle) -> None:
    """The same request again, not another; another patient's, or where an identity is, is refused."""
    shell = circle.shell
    fingerprint = circle.recover()
    assert circle.recover(output="again") == fingerprint
    assert Path("again").read_bytes() == Path("request").read_bytes()
    shell.ask("--profile stranger patient register")
    code, error = shell.fail("--profile new keys recover --patient {stranger} --output other")
    assert (code, error["type"]) == (8, "RecoveryPending")
    code, error = shell.fail("keys recover --patient {default} --output other")
    assert (code, error["type"]) == (8, "IdentityExists")
    code, error = shell.fail("--profile newer keys recover --patient {doctor} --output other")
    assert (code, error["type"]) == (9, "NotFound")
    code, error = shell.fail("--profile new keys recover --patient {default} --output again")
    assert (code, error["type"]) == (2, "InvalidInput")
    assert not Path("other").exists()


def test_what_answers_another_request_is_refused(circle: Circle) -> None:
    """A file that was handed over to another device, or a changed one: named, and nothing is written."""
    fingerprint = circle.recover("other", "other-request")
    circle.hand_over("doctor", fingerprint, "other-request", "elsewhere")
    files = circle.files("hospital")
    changed = bytearray(Path(files).read_bytes())
    changed[-1] ^= 1
    Path("changed").write_bytes(changed)
    before = everything(circle.shell)
    for file, code, kind in (
        ("elsewhere", 4, "KeyringMismatch"),
        ("changed", 5, "WrongKey"),
        ("note.txt", 4, "FormatError"),
    ):
        found, error = circle.shell.fail(f"--profile new keys restore {files} {file}")
        assert (found, error["type"]) == (code, kind)
        assert error["notes"] == [f"in {file}"]
    assert everything(circle.shell) == before


def test_without_a_recovery_there_is_nothing_to_restore(circle: Circle) -> None:
    """Exit code 9."""
    code, error = circle.shell.fail("--profile new keys restore note.txt")
    assert (code, error["type"]) == (9, "RecoveryMissing")


def test_a_wrong_passphrase_restores_nothing(circle: Circle) -> None:
    """The recovery's key is as well guarded as an identity."""
    files = circle.files("hospital", "doctor")
    Path("wrong").write_text("something else\n")
    before = everything(circle.shell)
    code, error = circle.shell.fail(f"--profile new keys restore {files} --passphrase-file wrong")
    assert (code, error["type"]) == (8, "WrongPassphrase")
    keystore = circle.shell.home / "profiles" / "default" / "identity" / "wallet.json"
    line = f"--profile new keys restore {files} --wallet {keystore} --wallet-passphrase-file wrong"
    code, error = circle.shell.fail(line)
    assert (code, error["type"]) == (8, "WrongPassphrase")
    assert everything(circle.shell) == before


def test_an_interrupted_restore_leaves_the_recovery_and_nothing_else(
    circle: Circle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the identity is written: no identity, no remains, and the same command works afterwards."""
    files = circle.files("hospital", "doctor")
    before = everything(circle.shell)
    appear = identities._appear

    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(identities, "_appear", interrupted)
    result = circle.shell.type(f"--profile new keys restore {files} --json")
    assert result.code == 130
    assert everything(circle.shell) == before
    monkeypatch.setattr(identities, "_appear", appear)
    circle.shell.ask(f"--profile new keys restore {files}")
    assert not (circle.shell.home / "profiles" / "new" / "recovery.json").exists()


def test_shares_appear_all_or_none_and_never_over_others(circle: Circle) -> None:
    """A folder that is there stays as it is; a guardian without profile, and there is no folder."""
    before = everything(circle.shell)
    line = "keys share {hospital} {doctor} --threshold 2 --output"
    code, error = circle.shell.fail(line, "shares")
    assert (code, error["type"]) == (2, "InvalidInput")
    code, error = circle.shell.fail("keys share {hospital} {registrar} --threshold 2 --output more")
    assert (code, error["type"]) == (9, "ProfileNotFound")
    code, error = circle.shell.fail("keys share {hospital} {doctor} --threshold 1 --output more")
    assert (code, error["type"]) == (2, "InvalidInput")
    assert not Path("more").exists()
    assert not list(Path().glob(".*"))
    assert everything(circle.shell) == before


def test_files_are_for_their_owner_alone_and_hold_no_words(circle: Circle) -> None:
    """What the guardian keeps, and what the new device keeps, is sealed; nobody else may read the files."""
    circle.files("hospital")
    paths = [path for path in circle.shell.home.joinpath("profiles").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    assert Path("shares").stat().st_mode & 0o777 == 0o700
    kept = [path.read_text() for path in paths if path.parent.name == "guarded"]
    assert kept
    assert not [text for text in kept if "academic" in text]


def test_a_guardian_at_a_terminal_types_what_it_hears(circle: Circle) -> None:
    """The program says for whom, shows no digits, and asks for those that were read out; no node is needed."""
    fingerprint = circle.recover()
    arguments = ("keys", "hand-over", "request", "--output", "out", "--profile", "doctor")
    with at_a_terminal(circle.shell.home, *arguments) as terminal:
        terminal.expect("Passphrase of profile doctor: ")
        terminal.type(PASSPHRASE)
        terminal.expect("Alice, my sister")
        terminal.expect(circle.shell.address())
        terminal.expect("Digits: ")
        assert fingerprint not in terminal.shown
        terminal.type(fingerprint)
        assert terminal.end() == 0
    assert Path("out").exists()


def everything(shell: Shell) -> dict[Path, bytes]:
    """All files of the home folder."""
    return {path: path.read_bytes() for path in sorted(shell.home.joinpath("profiles").rglob("*")) if path.is_file()}
