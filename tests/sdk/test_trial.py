"""What nothing on chain will ever point to does not stay pinned; what may be pointed to yet does."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.transactions import InsufficientFunds
from medrec_py.errors import BlockMismatch, ChainUnavailable, MedRecError, TransactionTimeout, WalletError
from medrec_py.storage.cid import Cid
from medrec_py.storage.folder import FolderStore
from medrec_py.wallet import Locked
from tests.sdk.people import MONTH, People, meet
from tests.sdk.test_attacks import revoke_without_keys

pytestmark = pytest.mark.slow

LARGE = secrets.token_bytes(300_000)
"""Too much for an envelope: it is stored as a file of its own."""


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[medrec.Network]:
    with medrec.local(str(tmp_path_factory.mktemp("blocks"))) as network:
        yield network


@pytest.fixture
def people(net: medrec.Network) -> People:
    people = meet(net)
    people.grant()
    return people


def pins(net: medrec.Network) -> set[Cid]:
    """What the store keeps."""
    assert isinstance(net.store, FolderStore)
    return set(net.store.pins())


def locked(people: People) -> medrec.Patient:
    """Alice with a wallet that signs nothing: everything is prepared and stored, and then not sent."""
    alice = people.alice
    return medrec.Patient(alice._ledger, Locked(alice.address), alice._wallet.root, alice.id)  # type: ignore[attr-defined]


def append(chart: medrec.Chart, content: bytes = LARGE) -> medrec.Appended:
    return chart.append(content, compartment="general", title="scan")


def test_content_that_does_not_come_back_is_not_kept(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that returns other bytes than it took keeps no file that no record names."""

    def mismatch(self: object, cid: Cid) -> None:
        raise BlockMismatch(f"{cid} does not come back")

    before = pins(people.net)
    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "verify", mismatch)
        with pytest.raises(BlockMismatch):
            append(people.chart())
    assert pins(people.net) == before


def test_an_author_without_ether_leaves_nothing(people: People) -> None:
    """Neither content nor envelope stays when the account cannot pay."""
    poor = medrec.Network(people.net.chain, people.net.contract, people.net.store)
    doctor = poor.practitioner(medrec.Wallet.create(), publish=False)
    people.hospital.add_agent(doctor)
    before = pins(people.net)
    with pytest.raises(InsufficientFunds):
        append(doctor.on_behalf_of(people.hospital).chart(people.alice))
    assert pins(people.net) == before


def test_a_patient_without_ether_leaves_no_keyring(people: People) -> None:
    """Nor does the first keyring of somebody who cannot register."""
    poor = medrec.Network(people.net.chain, people.net.contract, people.net.store)
    before = pins(people.net)
    with pytest.raises(InsufficientFunds):
        poor.patient(medrec.Wallet.create()).register()
    assert pins(people.net) == before


@pytest.mark.parametrize(
    "decide",
    [
        lambda alice, people: alice.grant(people.hospital, read=["psychiatry"], expires=MONTH),
        lambda alice, people: alice.revoke(people.hospital),
        lambda alice, people: alice.rotate(),
        lambda alice, people: alice.add_compartment("teeth"),
        lambda alice, people: alice.append(LARGE, compartment="general", title="scan"),
    ],
    ids=["grant", "revoke", "rotate", "add_compartment", "append"],
)
def test_a_wallet_that_does_not_sign_leaves_nothing(
    people: People, decide: Callable[[medrec.Patient, People], object]
) -> None:
    """Keyrings, seals, contents and envelopes of what was never sent are dropped."""
    before = pins(people.net)
    with pytest.raises(WalletError):
        decide(locked(people), people)
    assert pins(people.net) == before


def test_an_inbox_that_is_not_emptied_leaves_nothing(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new envelopes, the manifest and the keyring are dropped."""
    laboratory = people.clinic()
    people.alice.grant(laboratory, append=["general"], expires=MONTH)
    revoke_without_keys(people, monkeypatch, people.hospital)
    assert append(laboratory.chart(people.alice), b"waits").in_inbox
    before = pins(people.net)
    for attempt in (locked(people).rotate, locked(people).empty_inbox):
        with pytest.raises(WalletError):
            attempt()
        assert pins(people.net) == before
    assert people.alice.empty_inbox() == 1


@pytest.mark.parametrize("trouble", [ChainUnavailable("silence"), TransactionTimeout("no receipt", "0x00")])
def test_what_may_be_mined_yet_stays(people: People, monkeypatch: pytest.MonkeyPatch, trouble: MedRecError) -> None:
    """Where nobody knows whether the transaction will be mined, all that it names stays pinned."""

    def fail(*_: object, **__: object) -> None:
        raise trouble

    before = pins(people.net)
    with monkeypatch.context() as patch:
        patch.setattr(MedRecContract, "send", fail)
        with pytest.raises(type(trouble)):
            append(people.chart())
    assert len(pins(people.net) - before) == 2  # content and envelope


def test_what_was_taken_stays(people: People, tmp_path: Path) -> None:
    """Content, envelope, keyring and seal of what succeeded are pinned, and read."""
    before = pins(people.net)
    appended = append(people.chart())
    people.alice.rotate()
    assert len(pins(people.net) - before) >= 3
    assert people.alice.read(appended).read() == LARGE
