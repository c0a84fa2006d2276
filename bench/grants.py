"""What a grant costs on a short history, on a long one, and after many rotations: on Anvil, with blocks in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

from bench.content import in_memory
from bench.timing import best, seconds
from medrec_py.chain.connection import Chain
from medrec_py.chain.types import HistoryState
from medrec_py.crypto.typed_data import keccak
from medrec_py.deciding import Granted
from medrec_py.network import Network, connect, on_development_chain
from medrec_py.patient import Patient
from medrec_py.provider import Organisation
from medrec_py.storage import Cid, FolderStore
from medrec_py.wallet import Wallet
from scripts.devchain import running_anvil

SIMULATED = 1_000_000
ROTATIONS = 1_000
ROUNDS = 40
WEALTH = hex(10**24)
LAYOUT = Path(__file__).parent.parent / "tests" / "contracts" / "storage_layout.json"


def grants(rotations: int = ROTATIONS) -> dict[str, float]:
    """Milliseconds for a grant with the past, and bytes of the blocks that it stores and of its transaction.

    Three patients, each with one record, one compartment and one reader, whose permission is granted again and again,
    in turns. The second one's record count on chain is set to a million by hand (``anvil_setStorageAt``): a million
    entries need not be there, since a grant reads none, and would fail here if it did. The third has rotated a thousand
    times, for real. Cold is the first grant of a process that has to read all decisions of the past.
    """
    with _network() as (network, bench):
        few, many, rotated = (bench.patient() for _ in range(3))
        _pretend(network, many.patient, SIMULATED)
        for _ in range(rotations):
            rotated.patient.rotate()
        weights = {name: bench.size_of_grant(story) for name, story in _named(few, many, rotated)}
        taken = best(few.grant, many.grant, rotated.grant, rounds=ROUNDS)
        cold = [min(seconds(bench.again(story).grant) for _ in range(3)) for story in (few, rotated)]
    milliseconds = [value * 1000 for value in (*taken, *cold)]
    names = ("grant_ms_1", "grant_ms_1000000", "grant_ms_after_1000_rotations")
    cold_names = ("grant_cold_ms_1", "grant_cold_ms_after_1000_rotations")
    return dict(zip((*names, *cold_names), milliseconds, strict=True)) | weights


def sizes() -> dict[str, float]:
    """The bytes alone, of the first two: they are the same in each run."""
    with _network() as (network, bench):
        few, many = bench.patient(), bench.patient()
        _pretend(network, many.patient, SIMULATED)
        return {name: bench.size_of_grant(story) for name, story in _named(few, many)}


def _named(*stories: _Story) -> Iterator[tuple[str, _Story]]:
    return zip(("grant_bytes", "grant_bytes_1000000", "grant_bytes_after_1000_rotations"), stories, strict=False)


@dataclass(frozen=True)
class _Story:
    """A patient with one record, who grants the same reader again and again."""

    patient: Patient
    reader: str

    def grant(self) -> Granted:
        month = timedelta(days=30)
        return self.patient.grant(self.reader, read=["general"], append=["general"], expires=month, history=True)


class _Weighing(FolderStore):
    """A folder that notes how large the blocks are that are put into it."""

    weight = 0

    def put_block(self, data: bytes) -> Cid:
        self.weight += len(data)
        return super().put_block(data)


@dataclass
class _Bench:
    network: Network
    store: _Weighing
    url: str
    wallets: dict[str, Wallet] = field(default_factory=dict)

    def patient(self) -> _Story:
        """A new patient with a new reader."""
        hospital: Organisation = self.network.organisation(Wallet.create(), name="Hospital")
        self.network.registrar().accredit(hospital)
        patient = next(filter(_has_a_long_number, map(self._register, repeat("general"))))
        patient.append(b"Blood pressure 120/80.", compartment="general", title="Blood pressure")
        story = _Story(patient, hospital.address)
        story.grant()
        return story

    def _register(self, compartment: str) -> Patient:
        wallet = Wallet.create()
        patient = self.network.patient(wallet).register(compartments=[compartment])
        self.wallets[patient.id] = wallet
        return patient

    def again(self, story: _Story) -> _Story:
        """The same people in a process that knows nothing yet."""
        network = connect(self.url, contract=self.network.address, store=self.store)
        return _Story(network.patient(self.wallets[story.patient.id]), story.reader)

    def size_of_grant(self, story: _Story) -> int:
        self.store.weight = 0
        sent = self.network.chain.request("eth_getTransactionByHash", story.grant().receipt.transaction)
        return self.store.weight + len(bytes.fromhex(sent["input"][2:]))


@contextmanager
def _network() -> Iterator[tuple[Network, _Bench]]:
    with running_anvil("--hardfork", "prague") as url, in_memory() as folder, _Weighing(folder) as store:
        chain = Chain.connect(url)
        network = on_development_chain(chain, store, partial(_fund, chain))
        yield network, _Bench(network, store, url)


def _has_a_long_number(patient: Patient) -> bool:
    """Compartments are numbered at random, and a number above 23 takes a byte more: bytes are compared among those."""
    return min(patient.compartments()) > 23


def _fund(chain: Chain, account: str) -> None:
    chain.request("anvil_setBalance", account, WEALTH)


def _pretend(network: Network, patient: Patient, length: int) -> None:
    """Set the number of entries in the word of a patient's history; head and keyring version stay."""
    state = network.contract.history_of(patient.id)
    slot = next(variable["slot"] for variable in _variables() if variable["label"] == "_histories")
    where = keccak(bytes.fromhex(patient.id[2:]).rjust(32, b"\0") + int(slot).to_bytes(32))
    word = HistoryState(state.head, length, state.keyring_version).to_word()
    network.chain.request("anvil_setStorageAt", network.address, "0x" + where.hex(), "0x" + word.hex())
    assert network.contract.history_of(patient.id).length == length


def _variables() -> list[dict[str, Any]]:
    variables: list[dict[str, Any]] = json.loads(LAYOUT.read_text(encoding="utf-8"))["variables"]
    return variables
