"""Granting and revoking act on keys: who can open what, whatever the permission on chain says."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.types import Kind, address_bytes
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto.keys import EpochId
from medrec_py.errors import InInbox, InvalidInput, KeysMissing, ProfileNotFound, StoreUnavailable
from medrec_py.party import KeyedParty
from tests.sdk.people import MONTH, People, meet


@pytest.fixture(scope="module")
def net() -> Iterator[medrec.Network]:
    with medrec.local() as network:
        yield network


@pytest.fixture
def people(net: medrec.Network) -> People:
    return meet(net)


def open_with_keys_alone(people: People, reader: KeyedParty, number: int) -> bytes:
    """Open a record as an attacker would: with the reader's keys, all events and blocks, whatever is permitted."""
    ledger = people.alice._ledger
    history, consent = ledger.history(people.alice.id), ledger.consent(people.alice.id)
    chart = medrec.Chart(ledger, people.alice.id, reader._wallet, reader.address, reader.keys())
    verified = chart.verified(history, consent, history.record(number))
    return b"".join(verified.content())


def destination_of(people: People, number: int) -> envelopes.Destination:
    ledger = people.alice._ledger
    history = ledger.history(people.alice.id)
    return people.alice.chart().envelope(history, history.record(number)).to


# --- granting -------------------------------------------------------------------------------------------------------


def test_what_a_doctor_appends_comes_back_byte_for_byte_to_doctor_and_patient(people: People) -> None:
    """A record travels from the doctor through the store to both who may read it."""
    people.grant()
    appended = people.chart().append(b"\x00\xffpulse 62", compartment="general", title="pulse")
    assert people.chart().read(appended).read() == b"\x00\xffpulse 62"
    record = people.alice.read(appended)
    assert (record.read(), record.title) == (b"\x00\xffpulse 62", "pulse")
    assert (record.author, record.on_behalf_of) == (people.doctor.address, people.hospital.address)


def test_a_grant_without_history_opens_nothing_earlier(people: People) -> None:
    """From now on means that no earlier epoch opens, and that is a matter of keys."""
    before = people.alice.append(b"before", compartment="general", title="before")
    people.grant()
    after = people.alice.append(b"after", compartment="general", title="after")
    assert open_with_keys_alone(people, people.hospital, after.number) == b"after"
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, people.hospital, before.number)


def test_a_grant_with_history_opens_the_past_across_rotations(people: People) -> None:
    """With HISTORY one seal opens every earlier epoch of the compartment, through the back-links."""
    first = people.alice.append(b"first", compartment="general", title="first")
    people.alice.rotate()
    people.alice.rotate("general")
    second = people.alice.append(b"second", compartment="general", title="second")
    people.grant(history=True)
    people.alice.rotate()
    third = people.alice.append(b"third", compartment="general", title="third")
    for number, content in ((first.number, b"first"), (second.number, b"second"), (third.number, b"third")):
        assert open_with_keys_alone(people, people.hospital, number) == content


def test_another_compartment_stays_closed(people: People) -> None:
    """A permission for one compartment gives no key of another, and the contract refuses appending to it."""
    people.grant(history=True)
    secret = people.alice.append(b"secret", compartment="psychiatry", title="secret")
    with pytest.raises(medrec.CompartmentNotGranted):
        people.chart().read(secret)
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, people.hospital, secret.number)
    with pytest.raises(InvalidInput, match="no compartment 'psychiatry'"):
        people.chart().append(b"x", compartment="psychiatry", title="x")


def test_who_may_only_append_cannot_read_even_what_it_wrote(people: People) -> None:
    """A laboratory with APPEND and no READ opens nothing, not even what it wrote a minute ago."""
    laboratory = people.clinic()
    people.alice.grant(laboratory, append=["general"], expires=MONTH)
    result = laboratory.chart(people.alice).append(b"Hb 13.9", compartment="general", title="blood count")
    with pytest.raises(medrec.CompartmentNotGranted):
        laboratory.chart(people.alice).read(result)
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, laboratory, result.number)
    assert people.alice.read(result).read() == b"Hb 13.9"


def test_a_renewal_keeps_what_the_first_grant_opened(people: People) -> None:
    """Renewing does not take away what the reader could read since its first grant."""
    people.grant()
    first = people.alice.append(b"first", compartment="general", title="first")
    people.grant(expires=2 * MONTH)
    second = people.alice.append(b"second", compartment="general", title="second")
    assert people.chart().read(first).read() == b"first"
    assert people.chart().read(second).read() == b"second"


def test_a_grantee_without_a_profile_is_named(people: People) -> None:
    """Nothing can be sealed to an account that published no key, and the error says what to do."""
    stranger = medrec.Wallet.create()
    with pytest.raises(ProfileNotFound, match=stranger.address):
        people.alice.grant(stranger.address, read=["general"], expires=MONTH)


def test_a_permission_to_read_that_starts_later_is_refused(people: People) -> None:
    """Keys are given with the grant, so a reading permission cannot start later."""
    with pytest.raises(InvalidInput, match="starts at once"):
        people.grant(starts=timedelta(days=1))


# --- revoking -------------------------------------------------------------------------------------------------------


def test_who_kept_every_key_cannot_open_what_comes_after_the_revocation(people: People) -> None:
    """Revoking changes the keys: all that the reader ever had does not open what is written afterwards."""
    people.grant(history=True)
    before = people.alice.append(b"before", compartment="general", title="before")
    assert open_with_keys_alone(people, people.hospital, before.number) == b"before"
    assert people.alice.revoke(people.hospital).rotated
    after = people.alice.append(b"after", compartment="general", title="after")
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, people.hospital, after.number)
    assert destination_of(people, after.number).kind is envelopes.Kind.EPOCH


def test_a_revoked_provider_is_refused_on_chain(people: People) -> None:
    """The doctor of a revoked hospital neither appends nor reads from the next transaction on."""
    people.grant()
    chart = people.chart()
    record = chart.append(b"x", compartment="general", title="x")
    people.alice.revoke(people.hospital)
    with pytest.raises(medrec.PermissionRevoked):
        chart.append(b"y", compartment="general", title="y")
    with pytest.raises(medrec.PermissionRevoked):
        chart.read(record)


def test_those_who_stay_read_on_after_a_revocation(people: People) -> None:
    """A revocation takes keys from one reader alone."""
    clinic = people.clinic()
    people.grant()
    people.alice.grant(clinic, read=["general"], expires=MONTH)
    people.alice.revoke(people.hospital)
    after = people.alice.append(b"after", compartment="general", title="after")
    assert clinic.chart(people.alice).read(after).read() == b"after"


def test_revoking_works_with_the_store_down_and_authors_use_the_inbox(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The patient can always revoke; what is written before new keys exist goes to the inbox, and is moved later."""
    clinic = people.clinic()
    people.grant()
    people.alice.grant(clinic, read=["general"], append=["general"], expires=MONTH)
    with monkeypatch.context() as patch:
        patch.setattr(type(people.net.store), "put_block", _down)
        with pytest.warns(medrec.KeysNotRotated, match="store is down"):
            revoked = people.alice.revoke(people.hospital)
    assert not revoked.rotated
    with pytest.raises(medrec.PermissionRevoked):
        people.chart().append(b"x", compartment="general", title="x")
    between = clinic.chart(people.alice).append(b"between", compartment="general", title="between")
    assert between.in_inbox
    with pytest.raises(InInbox):
        clinic.chart(people.alice).read(between)
    with pytest.raises(InInbox):
        open_with_keys_alone(people, people.hospital, between.number)
    assert people.alice.read(between).read() == b"between"
    people.alice.rotate()
    moved = clinic.chart(people.alice).read(between)
    assert (moved.read(), moved.author) == (b"between", clinic.address)
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, people.hospital, between.number)
    assert [entry.kind for entry in people.alice.history()][-2:] == [Kind.KEYRING, Kind.MOVED]


def _down(self: object, data: bytes) -> None:
    raise StoreUnavailable("the store is down")


def test_narrowing_a_grant_takes_the_keys_of_what_was_lost(people: People) -> None:
    """A grant that takes a compartment away rotates it, like a revocation."""
    people.grant(read=["general", "psychiatry"])
    people.grant(read=["general"])
    secret = people.alice.append(b"secret", compartment="psychiatry", title="secret")
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, people.hospital, secret.number)
    assert destination_of(people, secret.number).kind is envelopes.Kind.EPOCH


def test_revoking_who_has_nothing_leaves_the_keys_alone(people: People) -> None:
    """Where nothing could be read, nothing is rotated, and a grant in a drawer is dead all the same."""
    clinic = people.clinic()
    people.alice.revoke(clinic)
    assert [entry.kind for entry in people.alice.history()] == [Kind.KEYRING]
    assert people.net.contract.permission_of(people.alice.id, clinic.address).version == 1


def test_an_append_that_raced_with_a_revocation_is_sealed_anew(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """An author who sealed to keys that a revocation outdated is refused on chain, and seals again."""
    clinic = people.clinic()
    people.grant()
    people.alice.grant(clinic, read=["general"], append=["general"], expires=MONTH)
    chart = clinic.chart(people.alice)
    ledger, original = chart._ledger, chart._ledger.put_block
    raced: list[int] = []

    def revoke_first(block: bytes) -> bytes:
        if not raced:
            raced.append(1)
            people.alice.revoke(people.hospital)
        return original(block)

    monkeypatch.setattr(ledger, "put_block", revoke_first)
    appended = chart.append(b"raced", compartment="general", title="raced")
    assert raced
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, people.hospital, appended.number)
    assert chart.read(appended).read() == b"raced"


# --- expiry ---------------------------------------------------------------------------------------------------------


def test_an_expired_reader_gets_no_key_though_the_patient_is_offline(people: People) -> None:
    """The epoch after a permission's end is published with the grant, so the expired reader has no key."""
    clinic = people.clinic()
    people.grant(expires=timedelta(days=2))
    people.alice.grant(clinic, read=["general"], append=["general"], expires=MONTH)
    during = clinic.chart(people.alice).append(b"during", compartment="general", title="during")
    people.travel(timedelta(days=2, minutes=5))
    after = clinic.chart(people.alice).append(b"after", compartment="general", title="after")
    assert not after.in_inbox
    assert open_with_keys_alone(people, people.hospital, during.number) == b"during"
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, people.hospital, after.number)
    with pytest.raises(medrec.PermissionExpired):
        people.chart().read(after)
    assert clinic.chart(people.alice).read(after).read() == b"after"


def test_an_author_looks_ahead_at_the_end_of_a_permission(people: People) -> None:
    """A record that is sealed seconds before a reader's end is sealed to the epoch that begins then."""
    clinic = people.clinic()
    expiry = people.grant(expires=timedelta(days=1)).expiry
    people.alice.grant(clinic, read=["general"], append=["general"], expires=MONTH)
    people.net.chain.travel(to=expiry - 20)  # type: ignore[attr-defined]
    close = clinic.chart(people.alice).append(b"close", compartment="general", title="close")
    assert not close.in_inbox
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, people.hospital, close.number)


def test_when_everybody_has_expired_authors_seal_to_the_patient_alone(people: People) -> None:
    """The last scheduled epoch has no reader; records in it open for the patient."""
    people.grant(expires=timedelta(days=1))
    people.travel(timedelta(days=3))
    late = people.alice.append(b"late", compartment="general", title="late")
    assert not late.in_inbox
    assert people.alice.read(late).read() == b"late"


def test_a_suspended_reader_gets_nothing_that_is_written_afterwards(people: People) -> None:
    """Suspension stops reading what is written from then on: authors use the inbox until the next rotation."""
    clinic = people.clinic()
    people.grant()
    people.alice.grant(clinic, read=["general"], append=["general"], expires=MONTH)
    people.net.registrar().suspend(people.hospital)
    between = clinic.chart(people.alice).append(b"between", compartment="general", title="between")
    assert between.in_inbox
    people.alice.rotate()
    after = clinic.chart(people.alice).append(b"after", compartment="general", title="after")
    assert not after.in_inbox
    for number in (between.number, after.number):
        with pytest.raises(KeysMissing):
            open_with_keys_alone(people, people.hospital, number)


# --- two devices, and keys that are not there -----------------------------------------------------------------------


def test_two_devices_that_rotate_at_once_end_in_one_keyring_each_reads(people: People) -> None:
    """The device that loses the compare-and-swap reads again and rotates after the other."""
    phone = people.net.patient(people.alice._wallet, None)
    ledger, original = phone._ledger, phone._ledger.put_block
    people.grant()
    people.alice.rotate()
    phone.rotate()
    assert ledger.put_block == original
    record = people.alice.append(b"x", compartment="general", title="x")
    assert open_with_keys_alone(people, people.hospital, record.number) == b"x"


def test_a_stale_rotation_is_prepared_anew(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring that was overtaken by another device's is made again on top of it, in the same call."""
    contract = people.net.contract
    original = contract.publish_keyring
    overtaken: list[int] = []

    def overtake(patient: str, **arguments: object) -> object:
        call = original(patient, **arguments)  # type: ignore[arg-type]
        if not overtaken:
            overtaken.append(1)
            people.net.patient(people.alice._wallet, None).rotate("psychiatry")
        return call

    monkeypatch.setattr(contract, "publish_keyring", overtake)
    people.alice.rotate("general")
    assert overtaken
    versions = [entry.keyring_version for entry in people.alice._ledger.history(people.alice.id).entries]
    assert versions == [0, 1, 2]


def test_a_phrase_alone_restores_everything(people: People) -> None:
    """Phrase, chain and store: no other file."""
    people.grant()
    record = people.chart().append(b"kept", compartment="general", title="kept")
    phrase = people.alice._wallet.phrase  # type: ignore[attr-defined]
    restored = people.net.patient(medrec.Wallet.from_phrase(phrase))
    assert restored.id == people.alice.id
    assert restored.read(record.number).read() == b"kept"
    assert set(restored.compartments().values()) == {"general", "psychiatry"}
    restored.revoke(people.hospital)


def test_acting_for_an_organisation_whose_keys_are_elsewhere_says_so(people: People) -> None:
    """Without the hospital's keys on this machine nothing opens, and the error names them."""
    people.grant()
    chart = people.doctor.on_behalf_of(people.hospital.address).chart(people.alice)
    with pytest.raises(KeysMissing, match="not on this machine"):
        chart.append(b"x", compartment="general", title="x")


def test_a_reader_whose_profile_is_gone_does_not_stop_a_rotation(people: People) -> None:
    """Revoking one reader waits for no other: one whose profile cannot be read is left out, with a warning."""
    clinic = people.clinic()
    people.grant()
    people.alice.grant(clinic, read=["general"], expires=MONTH)
    people.net.contract.send(clinic._wallet, people.net.contract.publish_profile(bytes(32)))
    with pytest.warns(medrec.KeysNotSealed, match=clinic.address):
        assert people.alice.revoke(people.hospital).rotated


def test_no_warning_is_given_where_all_goes_well(people: People) -> None:
    """Granting, appending and revoking are silent."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        people.grant()
        people.chart().append(b"x", compartment="general", title="x")
        people.alice.revoke(people.hospital)


def test_a_keyring_covers_what_its_grant_needs_and_no_more(people: People) -> None:
    """A grant for one compartment publishes epochs of that one alone: a start now, and one at its end."""
    expiry = people.grant().expiry
    consent = people.alice._ledger.consent(people.alice.id)
    latest = consent.keyrings.read(consent.keyrings.entries[-1])
    assert {epoch.compartment for epoch in latest.epochs} == {
        number for number, name in people.alice.compartments().items() if name == "general"
    }
    assert max(epoch.start for epoch in latest.epochs.values()) == expiry
    assert latest.holders == {}  # the new reader has its keys from the grant's seal
    (compartment,) = {epoch.compartment for epoch in latest.epochs}
    now, after = sorted(epoch.number for epoch in latest.epochs)
    assert consent.holders_of(EpochId(compartment, now)) == {address_bytes(people.hospital.address)}
    assert consent.holders_of(EpochId(compartment, after)) == set()


def test_saving_over_a_file_replaces_it_only_when_all_was_verified(people: People, tmp_path: Path) -> None:
    """A record that fails its checks leaves the file that stood there as it was."""
    people.grant()
    record = people.chart().append(b"a" * 100_000, compartment="general", title="long")
    target = tmp_path / "copy.bin"
    target.write_bytes(b"old")
    assert people.chart().read(record).save(target).read_bytes() == b"a" * 100_000
    assert [path.name for path in tmp_path.iterdir()] == ["copy.bin"]


def test_a_revoked_reader_sees_no_titles_in_the_history(people: People) -> None:
    """The history shows that records are there; what they are is for those who may read them now."""
    people.grant()
    people.chart().append(b"x", compartment="general", title="diagnosis")
    assert [entry.title for entry in people.chart().history() if entry.kind is Kind.RECORD] == ["diagnosis"]
    people.alice.revoke(people.hospital)
    (line,) = [entry for entry in people.chart().history() if entry.kind is Kind.RECORD]
    assert line.title is None
    assert isinstance(line.problem, medrec.PermissionRevoked)
