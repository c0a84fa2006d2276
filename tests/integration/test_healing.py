"""A thousand live permissions of one patient, whose holders all publish other keys, on a real node."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.connection import Chain
from medrec_py.chain.types import Flag, Terms
from medrec_py.crypto.keys import RootSecret
from medrec_py.errors import KeysMissing
from medrec_py.healing import GRANTS_AT_ONCE, Healed
from medrec_py.network import on_development_chain
from medrec_py.purposes import Purpose
from medrec_py.storage import FolderStore
from scripts.devchain import running_anvil
from scripts.pytest_components import require
from tests.sdk.people import MONTH, People, meet
from tests.sdk.test_healing import OldKeys
from tests.sdk.test_keys_follow_consent import open_with_keys_alone

pytestmark = [pytest.mark.slow, pytest.mark.anvil, pytest.mark.timeout(1200)]

FUNDS = 10**18
READERS = 1000
GAS_LIMIT = 5_000_000
INTERRUPTED_AT = 300


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    """The actors on Anvil."""
    require("anvil")
    with running_anvil() as url:
        chain = Chain.connect(url)

        def fund(address: str) -> None:
            chain.request("anvil_setBalance", address, hex(FUNDS))

        with on_development_chain(chain, FolderStore(tmp_path), fund) as network:
            yield meet(network)


def new_wallet() -> medrec.Wallet:
    """As ``Wallet.create`` without the phrase, which takes longest."""
    return medrec.Wallet.from_key(secrets.token_bytes(32), root=RootSecret.generate())


def grant_to_all(people: People, readers: list[medrec.Provider]) -> Healed:
    """Grant reading to all, every other with HISTORY, by as few transactions as can be."""
    number = next(number for number, name in people.alice.compartments().items() if name == "general")
    expiry = people.net.chain.now() + int(MONTH.total_seconds())
    contract = people.net.contract
    for start in range(0, len(readers), GRANTS_AT_ONCE):
        calls = [
            contract.grant(
                people.alice.id,
                reader.address,
                Terms(1 << number, 0, 0, expiry, 1 << Purpose.TREAT, int(Flag.HISTORY) * (place % 2)),
                seal=bytes(32),
                version=1,
            )
            for place, reader in enumerate(readers[start : start + GRANTS_AT_ONCE], start)
        ]
        contract.send(people.alice._wallet, contract.multicall(calls))
    return people.alice.heal_permissions(*readers)


def test_a_thousand_permissions_are_healed_and_an_interrupted_healing_goes_on(people: People) -> None:
    """Every reader published another key, half of them of another root secret; Ctrl-C in the middle costs nothing."""
    past = people.alice.append(b"past", compartment="general", title="past").number
    readers = [people.net.reader(new_wallet()) for _ in range(READERS)]
    assert len(grant_to_all(people, readers).sealed) == READERS
    before = people.alice.append(b"before", compartment="general", title="before").number
    renewed = [
        people.net.reader(reader._wallet, RootSecret.generate() if place % 4 < 2 else None, publish=False)
        for place, reader in enumerate(readers)
    ]
    for reader in renewed:
        reader.renew_key()
    assert len(people.alice.stale_permissions()) == READERS

    done: list[int] = []

    def interrupt(count: int) -> None:
        done.append(count)
        if len(done) == INTERRUPTED_AT:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        people.alice.heal_permissions(progress=interrupt)
    between = people.alice.append(b"between", compartment="general", title="between").number
    assert len(people.alice.stale_permissions()) == READERS - INTERRUPTED_AT
    healed = people.alice.heal_permissions(progress=done.append)
    assert len(healed.sealed) == READERS - INTERRUPTED_AT
    assert not healed.rotated  # the first call did
    assert len(done) == READERS
    assert len(healed.receipts) == -(-(READERS - INTERRUPTED_AT) // GRANTS_AT_ONCE)
    assert max(receipt.gas_used for receipt in healed.receipts) < GAS_LIMIT
    assert people.alice.stale_permissions() == []

    after = people.alice.append(b"after", compartment="general", title="after").number
    for place in (0, 1, 2, 3, READERS // 2, READERS - 2, READERS - 1):
        for number, content in ((before, b"before"), (between, b"between"), (after, b"after")):
            assert open_with_keys_alone(people, renewed[place], number) == content
        if place % 2:
            assert open_with_keys_alone(people, renewed[place], past) == b"past"
        else:
            with pytest.raises(KeysMissing):
                open_with_keys_alone(people, renewed[place], past)
        with pytest.raises(KeysMissing):
            open_with_keys_alone(people, OldKeys(people, readers[place], 1), after)
