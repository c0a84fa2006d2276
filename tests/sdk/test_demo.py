"""The demonstration: that the story holds, and that it says so, by its exit status too, whenever something does not."""

from __future__ import annotations

import io
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from medrec_py import author_rule
from medrec_py.chain.connection import NodeError
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.local import LocalChain
from medrec_py.crypto.envelope import Destination, Kind
from medrec_py.crypto.keys import EpochId
from medrec_py.demo import funding, story
from medrec_py.demo.attack import Intruder
from medrec_py.demo.report import StoryReport
from medrec_py.demo.samples import BUNDLE, SAMPLES, Sample, digest
from medrec_py.demo.stage import Stage, open_stage
from medrec_py.demo.steps import STEPS, Step, consent, ending, refusals, revocation, sharing
from medrec_py.demo.vault import Vault
from medrec_py.errors import ChainUnavailable, ConfigurationError, KeysMissing
from medrec_py.patient import Patient
from medrec_py.storage import Cid, FolderStore, Unverified
from medrec_py.wallet import Wallet

pytestmark = pytest.mark.slow

DATA = Path(story.__file__).parent / "data"
ESCAPE = "\x1b"


def told(*, width: int = 80, terminal: bool = False, as_json: bool = False, **where: str) -> tuple[int, str]:
    """The exit status and the text of the story."""
    output = io.StringIO()
    console = Console(file=output, width=width, force_terminal=terminal)
    return story.run(**where, console=console, as_json=as_json), output.getvalue()


# --- as it should be ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole() -> tuple[int, str, StoryReport, float]:
    """The story as it goes into a pipe: exit status, text, what it came to, and what time of the processor it took."""
    reports = []

    def keeping(*arguments: Any) -> StoryReport:
        reports.append(tell(*arguments))
        return reports[0]

    tell = story.tell
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(story, "tell", keeping)
        began = time.process_time()
        status, text = told()
    return status, text, reports[0], time.process_time() - began


@pytest.fixture(scope="module")
def plain(whole: tuple[int, str, StoryReport, float]) -> str:
    """Its text."""
    return whole[1]


@pytest.fixture(scope="module")
def document(whole: tuple[int, str, StoryReport, float]) -> dict[str, Any]:
    """Its form as JSON."""
    again: dict[str, Any] = json.loads(json.dumps(whole[2].as_json()))
    return again


def test_the_story_holds_on_embedded_defaults(whole: tuple[int, str, StoryReport, float]) -> None:
    """Exit status 0, every step with its title, and a last word that says so."""
    status, text, *_ = whole
    assert status == 0
    assert [title for title in (step.title for step in STEPS) if title not in text] == []
    assert "Everything was as it should be" in text
    assert "✗" not in text


def test_the_text_fits_and_has_no_escapes_without_a_terminal(plain: str) -> None:
    """Piped, it is plain text of at most 80 columns."""
    assert ESCAPE not in plain
    assert max(len(line) for line in plain.splitlines()) <= 80


def test_the_timeline_has_every_column(plain: str) -> None:
    """Number, time, kind, author, principal, compartment, title and size, in 80 columns, of every record."""
    timeline = plain[plain.index("The patient's history") :].splitlines()
    assert " ".join(timeline[1].split()) == "No. Time Kind Author On behalf of Compartment Title Size"
    for sample in SAMPLES:
        (line,) = [line for line in timeline if sample.title in line]
        assert re.fullmatch(
            rf" *\d \d\d:\d\d:\d\d record +doctor +hospital +general +{sample.title} +[\d.]+ kB *", line
        )


def test_each_step_shows_gas_and_time(plain: str) -> None:
    """Seconds at the end of each heading, and gas before them where the step has transactions."""
    headings = [line for line in plain[: plain.index("history, ")].splitlines() if re.match(r" [ \d]\d \S", line)]
    assert len(headings) == len(STEPS)
    assert all(re.search(r" \d+\.\d s$", line) for line in headings)
    assert sum("gas" in line for line in headings) == len(STEPS) - 3  # reading, tampering and verifying send nothing


def test_the_json_form_adds_up(document: dict[str, Any]) -> None:
    """Steps with gas, seconds and ok; their sums are the totals; the history is complete."""
    assert document["ok"] is True
    assert [step["title"] for step in document["steps"]] == [step.title for step in STEPS]
    assert all(step["ok"] and step["checks"] and step["seconds"] >= 0 for step in document["steps"])
    assert sum(step["gas"] for step in document["steps"]) == document["gas"] > 0
    assert sum(len(step["transactions"]) for step in document["steps"]) == document["transactions"]
    assert [entry["number"] for entry in document["history"]] == list(range(1, 9))
    assert {entry["title"] for entry in document["history"] if entry["kind"] == "record"} == set(ending.TITLES)


def test_refusals_on_chain_are_real_transactions(document: dict[str, Any]) -> None:
    """Four transactions were mined, reverted and paid for: one stranger's, two doctor's, one patient's."""
    refused = [spent for step in document["steps"] for spent in step["transactions"] if spent["refused"]]
    assert len(refused) == 4
    assert all(spent["gas"] > 21_000 for spent in refused)


def test_it_takes_less_than_a_minute(whole: tuple[int, str, StoryReport, float]) -> None:
    """On embedded defaults, of the processor's time: what else the machine does counts for nothing."""
    assert whole[3] < 60


def test_no_blocks_are_left_behind(document: dict[str, Any]) -> None:
    """The folder for blocks is gone with the story."""
    folder = Path(document["store"].removeprefix("folder "))
    assert folder.name.startswith("medrec-demo-")
    assert not folder.exists()


# --- the input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_the_input_is_what_was_chosen(sample: Sample) -> None:
    """Each file has the SHA-256 that the story compares with, the type that it claims, and pieces to look for."""
    content = sample.read()
    assert digest(content) == sample.sha256
    kinds = {"application/pdf": content.startswith(b"%PDF-"), "application/dicom": content[128:132] == b"DICM"}
    assert kinds.get(sample.media_type, b'"resourceType": "Bundle"' in content[:200])
    pieces = list(sample.pieces())
    assert len(pieces) >= 20
    assert all(piece in content for piece in pieces)


def test_every_file_has_its_origin_and_licence() -> None:
    """SOURCES.md names each file of the folder with commit, size and licence, or the file is such a licence."""
    sources = (DATA / "SOURCES.md").read_text()
    rows = {row.split("|")[1].strip(): row for row in sources.splitlines() if row.startswith("| ")}
    for file in DATA.iterdir():
        if file.name == "SOURCES.md":
            continue
        if file.name.startswith("LICENSE."):
            assert file.name in sources
            continue
        assert f"{file.stat().st_size:,}" in rows[file.name]
        assert re.search(r"\b[0-9a-f]{40}\b", rows[file.name])
        assert re.search(r"Apache-2.0|MIT|CC0-1.0", rows[file.name])


# --- as it should not be: the story is told on, with something broken -----------------------------------------------


@contextmanager
def stage_after(last: Step) -> Iterator[Stage]:
    """A stage on which the story was told up to a step, and that one."""
    with open_stage(None, None) as stage:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(story, "open_stage", _handing_out(stage))
            patch.setattr(story, "STEPS", STEPS[: STEPS.index(last) + 1])
            assert told()[0] == 0
        yield stage


@pytest.fixture(scope="module")
def shared_stage() -> Iterator[Stage]:
    """The hospital may read and append, and has done so. Later steps may be tried on it that leave it so."""
    with stage_after(sharing.READ_BACK) as stage:
        yield stage


@pytest.fixture(scope="module")
def revoked_stage() -> Iterator[Stage]:
    """The hospital's permission was revoked. Later steps may be tried on it that leave it so."""
    with stage_after(revocation.REVOKE) as stage:
        yield stage


@pytest.fixture
def tell_on(monkeypatch: pytest.MonkeyPatch) -> Callable[[Stage, Step], tuple[int, str]]:
    """Tells one step on a stage, and gives exit status and text."""

    def tell(stage: Stage, step: Step) -> tuple[int, str]:
        monkeypatch.setattr(story, "open_stage", _handing_out(stage))
        monkeypatch.setattr(story, "STEPS", (step,))
        return told(width=200)

    return tell


TellOn = Callable[[Stage, Step], tuple[int, str]]


@pytest.mark.parametrize(
    "step", [refusals.STRANGER, refusals.OTHER_COMPARTMENT, refusals.TAMPERING], ids=lambda s: s.title
)
def test_the_refusals_hold_when_nothing_is_broken(shared_stage: Stage, tell_on: TellOn, step: Step) -> None:
    """Told on the shared stage, these steps pass: what makes them fail below is what is broken there."""
    assert tell_on(shared_stage, step)[0] == 0


@pytest.mark.parametrize("step", [refusals.STRANGER, refusals.OTHER_COMPARTMENT], ids=lambda step: step.title)
def test_a_contract_that_refuses_nobody_is_noticed(
    shared_stage: Stage, tell_on: TellOn, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    """Where the SDK no longer asks for a permission, the story fails although there are no keys either."""
    monkeypatch.setattr(MedRecContract, "require", lambda *_, **__: None)
    assert_failed(tell_on(shared_stage, step), "KeysMissing")


@pytest.mark.parametrize("step", [refusals.STRANGER, refusals.OTHER_COMPARTMENT], ids=lambda step: step.title)
def test_a_transaction_that_goes_through_is_noticed(
    shared_stage: Stage, tell_on: TellOn, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    """A refusal that doesn't happen on chain is a failure."""
    monkeypatch.setattr(Stage, "send_regardless", lambda *_: None)
    assert_failed(tell_on(shared_stage, step), "nothing refused it")


@pytest.mark.parametrize("step", [refusals.STRANGER, refusals.OTHER_COMPARTMENT], ids=lambda step: step.title)
def test_a_key_that_opens_what_it_should_not_is_noticed(
    shared_stage: Stage, tell_on: TellOn, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    """So is a record that opens past the contract."""
    monkeypatch.setattr(Intruder, "open", lambda *_: b"opened")
    assert_failed(tell_on(shared_stage, step), "nothing refused it")


def test_altering_that_is_not_caught_is_noticed(
    shared_stage: Stage, tell_on: TellOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where altered blocks read as if nothing were wrong, the story fails."""
    monkeypatch.setattr(Vault, "altered", lambda *_: ExitStack())
    assert_failed(tell_on(shared_stage, refusals.TAMPERING), "nothing refused it")


def test_bytes_that_are_not_put_back_are_noticed(
    shared_stage: Stage, tell_on: TellOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The story really alters the files: without them being restored, the record doesn't read afterwards."""
    blocks = Path(shared_stage.vault.name.removeprefix("folder ")) / "blocks"
    before = {file: file.read_bytes() for file in blocks.rglob("*") if file.is_file()}
    monkeypatch.setattr(
        "medrec_py.demo.vault._overwritten", lambda file, block: ExitStack() if file.write_bytes(block) else None
    )
    try:
        assert_failed(tell_on(shared_stage, refusals.TAMPERING), "BlockMismatch")
        assert sum(file.read_bytes() != content for file, content in before.items()) == 2
    finally:
        for file, content in before.items():
            file.write_bytes(content)


def test_behind_the_stores_check_there_is_another(
    shared_stage: Stage, tell_on: TellOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With blocks no longer compared with their CIDs, the seal and the entry on chain still catch both."""
    monkeypatch.setattr(Unverified, "verified", lambda self, _: self._data)
    status, text = tell_on(shared_stage, refusals.TAMPERING)
    assert status == 0, text
    assert "ContentTampered" in text
    assert "StatementMismatch" in text


def test_content_in_the_open_is_noticed(shared_stage: Stage) -> None:
    """Four kilobytes of a file in a block, a transaction or an event are found; without them, nothing is."""
    seen = list(shared_stage.public_bytes())
    assert sharing.secrets_in(seen) == []
    for sample in SAMPLES:
        assert sharing.secrets_in([*seen, sample.read()[5_000:9_000]]) != []


def test_another_content_than_was_appended_is_noticed(
    shared_stage: Stage, tell_on: TellOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What patient and doctor read is compared with the file's SHA-256 as it was committed."""
    number = shared_stage.numbers[SAMPLES[1].name]
    monkeypatch.setitem(shared_stage.numbers, SAMPLES[0].name, number)
    assert_failed(tell_on(shared_stage, sharing.READ_BACK), SAMPLES[1].sha256)


def test_a_permission_that_was_not_granted_is_noticed(
    shared_stage: Stage, tell_on: TellOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step of the permission looks at what the patient has granted, not at what it asked for."""
    monkeypatch.setattr(Patient, "grant", lambda *_, **__: None)
    assert tell_on(shared_stage, consent.GRANT)[0] == 0
    monkeypatch.setattr(Patient, "permissions", lambda _: [])
    assert_failed(tell_on(shared_stage, consent.GRANT), "0 instead of 1")


@pytest.mark.parametrize(("rotated", "happened"), [(True, "0 instead of 1"), (False, "the keys were not changed")])
def test_a_revocation_that_is_none_is_noticed(
    shared_stage: Stage, tell_on: TellOn, monkeypatch: pytest.MonkeyPatch, rotated: bool, happened: str
) -> None:
    """A revocation that sent nothing, or left the keys as they were, is none."""
    monkeypatch.setattr(Patient, "revoke", lambda *_: SimpleNamespace(rotated=rotated))
    assert_failed(tell_on(shared_stage, revocation.REVOKE), happened)


def test_refusals_after_the_revocation_are_missed(
    shared_stage: Stage, tell_on: TellOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the doctor can still read, because nothing was revoked, the step after the revocation fails."""
    monkeypatch.setattr(shared_stage, "held", dict.fromkeys(("doctor", "phone"), SimpleNamespace(call=None, gas=0)))
    assert_failed(tell_on(shared_stage, revocation.REFUSED), "nothing refused it")


def test_an_author_who_seals_to_the_old_keys_is_noticed(
    revoked_stage: Stage, tell_on: TellOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hospital's kept keys open what is sealed to the epoch that it had: the story then fails."""

    def choose(decided: Any, compartment: int, now: int, readers_at: Any) -> author_rule.Target:
        granted = EpochId(compartment, 2)  # the first had no reader
        target = Destination(Kind.EPOCH, compartment, granted.number)
        epoch = decided.keyrings[granted]
        return author_rule.Target(target, epoch.public_key, epoch.suite, decided.keyring_version)

    monkeypatch.setattr(author_rule, "choose", choose)
    assert_failed(tell_on(revoked_stage, revocation.AFTERWARDS), "nothing refused it")


def test_a_kept_key_that_opens_the_new_record_is_noticed(
    revoked_stage: Stage, tell_on: TellOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kept key is really tried, and one that fits is a failure."""
    monkeypatch.setattr(Intruder, "try_all", lambda *_: "the profile's")
    assert_failed(tell_on(revoked_stage, revocation.AFTERWARDS), "the profile's")


def test_the_kept_keys_are_tried_for_real(revoked_stage: Stage) -> None:
    """The same attempt opens what the hospital could read before, so that its failing afterwards says something."""
    intruder = revoked_stage.intruder(revoked_stage.people.hospital)
    assert intruder.try_all(revoked_stage.numbers[BUNDLE.name], revoked_stage.kept) is not None
    assert intruder.try_all(revoked_stage.numbers[consent.NOTE], revoked_stage.kept) is None
    with pytest.raises(KeysMissing):
        intruder.open(revoked_stage.numbers[consent.NOTE], revoked_stage.hospital.keys())


def test_a_history_that_takes_anything_is_noticed(
    shared_stage: Stage, tell_on: TellOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event left out must be refused."""
    monkeypatch.setattr(ending, "TITLES", ending.TITLES[:-1])
    assert tell_on(shared_stage, ending.HISTORY)[0] == 0
    monkeypatch.setattr(ending, "extend", lambda *_: ([], 0))
    assert_failed(tell_on(shared_stage, ending.HISTORY), "nothing refused it")


def test_a_record_that_is_missing_from_the_history_is_noticed(shared_stage: Stage, tell_on: TellOn) -> None:
    """The timeline is compared with what was appended: here the last record is not there yet."""
    assert_failed(tell_on(shared_stage, ending.HISTORY), "instead of")


def test_on_a_terminal_it_is_coloured(shared_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a terminal there are colours, and no line is longer than it is wide."""
    monkeypatch.setattr(story, "open_stage", _handing_out(shared_stage))
    monkeypatch.setattr(story, "STEPS", (sharing.READ_BACK, ending.HISTORY))
    monkeypatch.setattr(ending, "TITLES", ending.TITLES[:-1])
    monkeypatch.setenv("TERM", "xterm-256color")
    status, text = told(width=120, terminal=True)
    assert status == 0
    assert ESCAPE in text
    visible = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text).replace("\r", "\n")
    assert max(len(line) for line in visible.splitlines()) <= 120


def test_where_the_encoding_has_no_marks_it_uses_letters(shared_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Output that can only be ASCII is ASCII, the timeline included, rather than an error half way."""
    monkeypatch.setattr(story, "open_stage", _handing_out(shared_stage))
    monkeypatch.setattr(story, "STEPS", (sharing.READ_BACK, ending.HISTORY))
    output = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert story.run(console=Console(file=output, width=80)) == 1  # the last record is missing
    output.seek(0)
    text = output.read()
    assert "+ 'Bone scan'" in text
    assert "x expected" in text
    assert re.search(r"psychiatry *\|How I sleep", text)


def test_the_story_stops_at_the_first_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later steps are not told, and the JSON form says which failed and why."""
    monkeypatch.setattr("medrec_py.demo.steps.consent.is_medrec_code", lambda _: False)
    status, text = told(as_json=True)
    document = json.loads(text)
    assert (status, document["ok"]) == (1, False)
    assert [step["ok"] for step in document["steps"]] == [False]
    assert document["problem"] == document["steps"][0]["problem"]
    assert document["problem"]["happened"] == "it is other code"


def assert_failed(outcome: tuple[int, str], happened: str) -> None:
    """Exit status 1, and lines that say what was expected and what happened."""
    status, text = outcome
    assert status == 1
    assert re.search(r"✗ expected: \S", text)
    (said,) = re.findall(r"^ *happened: (.*)$", text, re.MULTILINE)
    assert happened in said
    assert "The story could not be told to its end." in text
    assert "Everything was as it should be" not in text


# --- where it cannot begin ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [ChainUnavailable("the node does not answer"), ConfigurationError("needs the extra [local]")]
)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_stage_that_cannot_be_set_is_said(monkeypatch: pytest.MonkeyPatch, error: Exception, as_json: bool) -> None:
    """Exit status 1, what is wrong, and what can be done about it; in both forms."""

    def open_no_stage(*_: object) -> Any:
        raise error

    monkeypatch.setattr(story, "open_stage", open_no_stage)
    status, text = told(as_json=as_json, width=200)
    assert status == 1
    said = json.loads(text)["problem"] if as_json else {"happened": text, "remedy": text}
    assert str(error) in said["happened"]
    assert error.remedy in said["remedy"]  # type: ignore[attr-defined]


def test_a_store_that_does_not_answer_is_said_before_anything_is_spent() -> None:
    """Nothing listens there: the story does not begin."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        status, text = told(as_json=True, ipfs_url=f"http://127.0.0.1:{probe.getsockname()[1]}")
    document = json.loads(text)
    assert (status, document["steps"], document["people"]) == (1, [], None)
    assert "StoreUnavailable" in document["problem"]["happened"]


def test_a_node_without_an_account_of_its_own_is_named() -> None:
    """Nobody pays for the people of the story there: it says so, and what kind of node does."""

    class Keyless(LocalChain):
        def request(self, method: str, *params: Any) -> Any:
            return [] if method == "eth_accounts" else super().request(method, *params)

    with pytest.raises(ConfigurationError, match=r"no unlocked account.*Anvil or Ganache"):
        funding.fund(Keyless(), [Wallet.create().address])


def test_a_node_that_does_not_know_accounts_is_named() -> None:
    """So is one that refuses the question."""

    class Hosted(LocalChain):
        def request(self, method: str, *params: Any) -> Any:
            if method == "eth_accounts":
                raise NodeError("the method does not exist", code=-32601)
            return super().request(method, *params)

    with pytest.raises(ConfigurationError, match="no unlocked account"):
        funding.fund(Hosted(), [Wallet.create().address])


def test_an_account_that_cannot_pay_is_named() -> None:
    """With the node's own reason."""
    with pytest.raises(ConfigurationError, match="does not pay"):
        funding.fund(LocalChain(), [Wallet.create().address], wei=10**40)


def test_everybody_is_paid() -> None:
    """Each has its ether when the funding returns."""
    chain, people = LocalChain(), [Wallet.create().address for _ in range(3)]
    funding.fund(chain, people)
    assert [chain.balance(address) for address in people] == [funding.WEI] * 3


# --- the vault ------------------------------------------------------------------------------------------------------


def test_the_vault_leaves_the_checks_to_the_sdk(tmp_path: Path) -> None:
    """It hands out what the store has, unverified, so that it is ``BlockStore`` that finds out."""
    vault = Vault(FolderStore(tmp_path))
    cid = vault.put_block(b"a block")
    assert vault.blocks == {cid: b"a block"}
    with vault.altered(cid, b"another"):
        assert vault._fetch(cid)._data == b"another"
    assert vault.get_block(cid) == b"a block"


def test_the_vault_clears_out_what_was_put(tmp_path: Path) -> None:
    """What the story has pinned is unpinned; what was there before stays pinned."""
    store = FolderStore(tmp_path)
    before = store.put_block(b"somebody else's")
    vault = Vault(store)
    vault.put_block(b"the story's")
    vault.put(b"and more" for _ in range(3))
    vault.clear_out()
    assert set(store.pins()) == {before}
    assert before == Cid.of(b"somebody else's")


# --- helpers --------------------------------------------------------------------------------------------------------


def _handing_out(stage: Stage) -> Callable[..., Any]:
    @contextmanager
    def opened(*_: object) -> Iterator[Stage]:
        yield stage

    return opened
