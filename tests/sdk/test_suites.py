"""The cipher suite is the deployment's: everything is sealed by it, and nobody names it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.deployment import Deployed
from medrec_py.chain.events import PermissionGranted
from medrec_py.crypto import grant_seal
from medrec_py.crypto.envelope import UnverifiedEnvelope
from medrec_py.crypto.suites import by_number
from medrec_py.errors import InvalidInput, KeysMissing, UnknownSuite
from medrec_py.purposes import Purpose
from medrec_py.unsealing import ReaderKeys
from tests.sdk.people import MONTH, People, meet

LARGE = bytes(50_000)


def envelope_of(people: People, number: int) -> UnverifiedEnvelope:
    """A record's envelope, where it is now."""
    ledger = people.alice._ledger
    history = ledger.history(people.alice.id)
    return people.alice.chart().envelope(history, history.record(number))


def open_with(keys: ReaderKeys, people: People, number: int) -> None:
    """A record's data key, past the contract: with the keys that a reader has."""
    keys.data_key(people.alice._ledger.consent(people.alice.id), envelope_of(people, number), number, Purpose.TREAT)


def suites_of(people: People, number: int) -> tuple[int, int]:
    """Of a record's envelope, and of its content."""
    envelope = envelope_of(people, number)
    return envelope.suite.number, envelope.content_suite.number


def keyring_suites(people: People) -> list[int]:
    """Of all keyrings that Alice has published, the first one first."""
    keyrings = people.alice._ledger.consent(people.alice.id).keyrings
    return [keyrings.read(entry).suite.number for entry in keyrings.entries]


def seal_suite(people: People, granted: medrec.Granted) -> int:
    """Of the seal that came with a grant."""
    event = next(granted.receipt.every(PermissionGranted))
    return grant_seal.suite_of(people.alice._ledger.fetch(event.seal)).number


def profile_suite(net: medrec.Network, account: medrec.HasAddress) -> int:
    return net.profile(account.address).suite.number


@pytest.mark.parametrize("suite", [1, 2])
def test_the_whole_life_of_a_record_is_by_the_suite_of_its_deployment(suite: int) -> None:
    """Profiles, keyrings, grants, content and envelopes, from registering to the last rotation; nobody names it."""
    with medrec.local(suite=suite) as net:
        people = meet(net)
        clinic = people.clinic()
        first = people.alice.append(b"first", compartment="general", title="first")
        granted = people.grant(history=True)
        people.alice.grant(clinic, read=["general"], history=True, expires=MONTH)
        second, large = people.chart().append_many(
            [medrec.Draft(b"second", "general", "second"), medrec.Draft(LARGE, "general", "large")]
        )
        for record, content in ((first, b"first"), (second, b"second"), (large, LARGE)):
            assert people.chart().read(record).read() == content
            assert clinic.chart(people.alice).read(record).read() == content
        assert people.alice.revoke(people.hospital).rotated
        third = people.alice.append(b"third", compartment="general", title="third")
        people.alice.rotate()
        assert [clinic.chart(people.alice).read(record).read() for record in (first, third)] == [b"first", b"third"]
        with pytest.raises(KeysMissing):
            open_with(people.hospital.keys(), people, third.number)
        assert {suites_of(people, record.number) for record in (first, second, large, third)} == {(suite, suite)}
        assert set(keyring_suites(people)) == {suite}
        assert (seal_suite(people, granted), profile_suite(net, clinic)) == (suite, suite)
        assert (net.suite, people.alice._ledger.suite) == (suite, by_number(suite))


def test_a_deployment_without_a_suite_is_of_suite_1() -> None:
    """As those that were made before there was another."""
    with medrec.local() as net:
        assert net.suite == 1


def test_an_unknown_suite_is_refused_before_anything_is_sealed() -> None:
    """Whoever opens a deployment of a suite that this version does not have learns it at once."""
    with pytest.raises(UnknownSuite, match="3"):
        medrec.local(suite=3)


def test_a_connection_takes_the_suite_of_the_deployment_file(tmp_path: Path) -> None:
    """An address alone says none, and there the caller does; beside a deployment file nobody has a say."""
    with medrec.local(suite=2) as net:
        deployed = Deployed(net.chain_id, net.address, net.address, 0, "", "", "", "1", suite=2)

        def connected(contract: str | Deployed, suite: int | None = None) -> int:
            with medrec.connect(w3=net.chain.web3, contract=contract, suite=suite, store=tmp_path) as found:
                return found.suite

        assert (connected(deployed), connected(net.address), connected(net.address, 2)) == (2, 1, 2)
        for suite in (1, 2):
            with pytest.raises(InvalidInput, match="deployment itself"):
                connected(deployed, suite)
        for unknown in (lambda: connected(net.address, 7), lambda: connected(replace(deployed, suite=7))):
            with pytest.raises(UnknownSuite):
                unknown()
