"""The head of a history, against an independent implementation (tests/vectors/generate_head.py) and its vectors."""

import json
from typing import Any

import pytest
from ape.api import ProviderAPI

from tests.contracts.support import (
    GENERAL,
    PSYCHIATRY,
    TREAT,
    Account,
    Contract,
    Entry,
    Item,
    Kind,
    Said,
    after_records,
    as_previous,
    decoded,
    digest,
    entry,
    head_entry,
    next_word,
    plain,
    terms,
    word_of,
)
from tests.vectors import generate_head

HISTORIES = json.loads(generate_head.FILE.read_text(encoding="utf-8"))["histories"]
SEAL = digest("seal")


def number(text: str) -> int:
    """A number that is written as text."""
    return int(text, 16)


def test_vectors_are_what_the_generator_gives() -> None:
    """`python -m tests.vectors.generate_head` writes them."""
    assert generate_head.FILE.read_text(encoding="utf-8") == generate_head.render()


@pytest.mark.parametrize("history", HISTORIES, ids=[history["name"] for history in HISTORIES])
def test_vectors_are_what_the_contract_computes(words: Contract, history: dict[str, Any]) -> None:
    """Head, length and keyring version after each entry, from the word before it."""
    for vector in history["entries"]:
        link = (
            number(vector["previous"]),
            history["patient"],
            vector["kind"],
            number(vector["compartments"]),
            vector["author"],
            vector["onBehalfOf"],
            vector["time"],
            vector["pointer"],
            vector["claim"],
            number(vector["replaces"]),
        )
        word = words.hash(link)
        if vector["kind"] == Kind.Keyring:
            word = words.withNextKeyringVersion(word)
        assert word == number(vector["word"])
        head, length, keyring_version, _ = plain(words.unpackHistory(word))
        assert (head, length, keyring_version) == (
            bytes.fromhex(vector["head"][2:]),
            vector["length"],
            vector["keyringVersion"],
        )


@pytest.mark.parametrize("field", range(10))
def test_head_covers_every_field(words: Contract, field: int) -> None:
    """Another value anywhere is another head: length and version come from the word before."""
    link = [7 << 24 | 5, "0x" + "11" * 20, 1, 3, "0x" + "22" * 20, "0x" + "33" * 20, 9, digest("p"), digest("c"), 4]
    others = [8 << 24 | 5, "0x" + "12" * 20, 4, 2, "0x" + "23" * 20, "0x" + "34" * 20, 8, digest("q"), digest("d"), 5]
    changed = [*link[:field], others[field], *link[field + 1 :]]
    assert words.hash(tuple(changed)) >> 56 != words.hash(tuple(link)) >> 56


# -------------------------------------------------------------------------------------------------------- from events


def replayed(events: list[Said], patient: Account) -> int:
    """The word that a patient's events lead to, by the independent implementation; each one's `previous` must fit."""
    word = 0
    for event in events:
        said = event.arguments
        if said.get("patient") != patient.address:
            continue
        if "previous" in said:
            assert said["previous"] == as_previous(word)
        match event.name:
            case "RecordAppended":
                word = after_records(word, patient, *_written(said), Entry(*said["entry"]))
            case "RecordsAppended":
                word = after_records(word, patient, *_written(said), *(Entry(*one) for one in said["entries"]))
            case "KeyringPublished" | "RecordsMoved" | "RecordsErased":
                kind = {"K": Kind.Keyring, "RecordsM": Kind.Moved, "RecordsE": Kind.Erased}
                [of] = [value for start, value in kind.items() if event.name.startswith(start)]
                fields = {"compartments": said["compartments"], "pointer": said["pointer"]}
                word = next_word(word, patient, head_entry(of, said["author"], patient, said["time"], **fields))
            case "PermissionGranted" | "PermissionRevoked":
                if said["lost"]:
                    word = generate_head.reader_lost(word)
                    assert said["keyringVersion"] == generate_head.parts_of(word)[2]
                else:
                    assert said["keyringVersion"] == 0
            case _:
                pass
    return word


def _written(said: dict[str, Any]) -> tuple[str, str, int]:
    return said["author"], said["onBehalfOf"], said["time"]


def test_events_lead_to_the_head(
    medrec: Contract,
    provider: ProviderAPI,
    alice: Account,
    bob: Account,
    hospital: Account,
    clinic: Account,
    nurse: Account,
    carol: Account,
) -> None:
    """Every function that moves a history, refusals among them: its events alone give `historyOf`."""
    for patient in (alice, bob):
        medrec.grant(patient, clinic, terms(append=GENERAL | PSYCHIATRY), SEAL, 1, sender=patient)
    medrec.append(alice, hospital, 1, TREAT, entry("one"), sender=nurse)
    closed = entry(compartments=PSYCHIATRY)
    medrec.appendMany(alice, hospital, 1, TREAT, [entry("two"), closed, entry("3"), entry("4")], True, sender=hospital)
    items = [Item(bob, 1, closed), Item(carol, 0, closed), Item(alice, 1, closed), Item(alice, 1, entry("five"))]
    medrec.appendToMany(clinic, TREAT, items, True, sender=clinic)
    medrec.publishMoved(alice, 1, GENERAL, digest("moved"), sender=alice)
    medrec.grant(alice, clinic, terms(read=0), SEAL, 2, sender=alice)
    medrec.publishErased(alice, 2, PSYCHIATRY, digest("erased"), sender=alice)
    medrec.revokeAndRotate(alice, hospital, 2, GENERAL, digest("keyring"), sender=alice)
    medrec.revokeAndRotate(alice, carol, 2, GENERAL, digest("skipped"), sender=alice)
    medrec.append(alice, clinic, 4, TREAT, entry("six", replaces=5 << 32), sender=clinic)
    medrec.revoke(bob, clinic, sender=bob)
    calls = [
        medrec.publishKeyring.encode_input(bob, 2, GENERAL, digest("keyring")),
        medrec.append.encode_input(bob, bob, 3, TREAT, entry("own")),
    ]
    medrec.multicall(calls, sender=bob)

    logs = provider.web3.eth.get_logs({"address": medrec.address, "fromBlock": 0})
    events = [decoded(medrec, log) for log in logs]
    assert {event.name for event in events} >= {"RecordsAppended", "EntryRefused", "KeyringSkipped", "RecordsErased"}
    for patient in (alice, bob, carol):
        assert replayed(events, patient) == word_of(medrec, patient)
    assert plain(medrec.historyOf(alice))[1:] == (11, 4)
    assert plain(medrec.historyOf(bob))[1:] == (4, 3)
    times = {log["blockNumber"]: provider.web3.eth.get_block(log["blockNumber"])["timestamp"] for log in logs}
    for log, event in zip(logs, events, strict=True):
        assert event.arguments.get("time", times[log["blockNumber"]]) == times[log["blockNumber"]]
