"""Representatives: who decides for a patient, within what the patient gave it, with the keys of its compartments alone.

appointed by the patient, and by nobody else
├── reads its compartments, with their past
├── grants and revokes within its limits, with keys; its name stands with what it did
├── rotates its compartments; their keys open for those who may read and for the patient
└── what waits in the inbox stays there for the patient
refused, each with its own error, and nothing is stored or sent
├── terms beyond its compartments, purposes, history, end; in place of terms beyond them
├── itself, the patient, the patient's wallet; MANAGE, another representative
├── keyrings of other compartments
└── before its time, after its end, once revoked or resigned
its end
├── revoked by the patient, resigned, or over: no key to what is written from then on
├── also none that it made itself and sealed to nobody, for the time behind its end
└── what it granted stays, and the patient finds it
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import medrec_py as medrec
from medrec_py.chain.reverts import NotController, SelfGrant
from medrec_py.chain.types import Flag, Kind, Terms, address_bytes
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto import new_keyring
from medrec_py.crypto.keys import EpochId, EpochKeys
from medrec_py.crypto.new_keyring import NewEpoch
from medrec_py.errors import InInbox, InvalidInput, KeysMissing
from medrec_py.party import KeyedParty
from medrec_py.storage import FolderStore
from tests.sdk.people import MONTH, People, meet

pytestmark = pytest.mark.slow

YEAR = timedelta(days=365)


@pytest.fixture(scope="module")
def net() -> Iterator[medrec.Network]:
    with medrec.local() as network:
        yield network


@pytest.fixture
def people(net: medrec.Network) -> People:
    return meet(net)


@pytest.fixture
def mother(people: People) -> medrec.Representative:
    """Represents alice in general, for a year."""
    opened = people.net.representative(medrec.Wallet.create(), people.alice, name="Mother")
    people.alice.appoint(opened, compartments=["general"], until=YEAR)
    return opened


def open_with_keys_alone(people: People, reader: KeyedParty, number: int) -> bytes:
    """Open a record as an attacker would: with the reader's keys, all events and blocks, whatever is permitted."""
    ledger = people.alice._ledger
    history, consent = ledger.history(people.alice.id), ledger.consent(people.alice.id)
    chart = medrec.Chart(ledger, people.alice.id, reader._wallet, reader.address, reader.keys())
    return b"".join(chart.verified(history, consent, history.record(number)).content())


def waits_in_inbox(people: People, number: int) -> bool:
    ledger = people.alice._ledger
    history = ledger.history(people.alice.id)
    to = people.alice.chart().envelope(history, history.record(number)).to
    return to.kind is envelopes.Kind.INBOX


def written(people: People, content: bytes, compartment: str = "general") -> int:
    """The number of a record that alice appends."""
    return people.alice.append(content, compartment=compartment, title="note").number


def number_of(people: People, name: str) -> int:
    return next(number for number, known in people.alice.compartments().items() if known == name)


# --- what it can ----------------------------------------------------------------------------------------------------


def test_it_reads_its_compartments_with_their_past(people: People, mother: medrec.Representative) -> None:
    """The keys of the past go along, of its compartments and of no other; it reads for a purpose of its own."""
    now, other = written(people, b"now"), written(people, b"secret", "psychiatry")
    later = people.net.representative(medrec.Wallet.create(), people.alice)
    people.alice.appoint(later, compartments=["general"], until=YEAR)
    for one in (mother, later):
        assert one.chart().read(now).read() == b"now"
        assert list(one.compartments().values()) == ["general"]
        with pytest.raises(medrec.CompartmentNotGranted):
            one.chart().read(other)
        with pytest.raises(KeysMissing):
            open_with_keys_alone(people, one, other)


def test_it_grants_and_the_keys_go_along(people: People, mother: medrec.Representative) -> None:
    """A paediatrician reads and appends, from then on or with the past; the event has the representative's name."""
    before = written(people, b"before")
    granted = mother.grant(people.hospital, read=["general"], append=["general"], expires=MONTH)
    after = people.chart().append(b"after", compartment="general", title="cough")
    assert people.chart().read(after).read() == b"after"
    assert mother.chart().read(after.number).read() == people.alice.read(after).read() == b"after"
    with pytest.raises(KeysMissing):
        people.chart().read(before)
    mother.grant(people.hospital, read=["general"], append=["general"], expires=MONTH, history=True)
    assert people.chart().read(before).read() == b"before"
    line = next(line for line in people.alice.permissions() if line.grantee == people.hospital.address)
    assert (line.by, line.manages, line.version) == (mother.address, False, granted.version + 1)


def test_it_grants_appending_alone(people: People, mother: medrec.Representative) -> None:
    """Without keys, and with the compartment's name, so that a laboratory finds it."""
    laboratory = people.clinic()
    mother.grant(laboratory, append=["general"], expires=MONTH)
    result = laboratory.chart(people.alice).append(b"Hb 13.9", compartment="general", title="count")
    assert mother.chart().read(result.number).read() == b"Hb 13.9"


def test_it_revokes_and_changes_the_keys(people: People, mother: medrec.Representative) -> None:
    """Whoever it revokes has no key to what is written next; the others read on, and so does the patient."""
    people.grant()
    carol = people.net.reader(medrec.Wallet.create())
    people.alice.grant(carol, read=["general"], expires=MONTH)
    assert mother.revoke(people.hospital).rotated
    number = written(people, b"later")
    assert not waits_in_inbox(people, number)
    with pytest.raises(medrec.PermissionRevoked):
        people.chart().read(number)
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, people.hospital, number)
    assert open_with_keys_alone(people, carol, number) == mother.chart().read(number).read() == b"later"
    assert people.alice.read(number).read() == b"later"


def test_who_it_granted_loses_the_keys_at_the_end_with_nobody_online(
    people: People, mother: medrec.Representative
) -> None:
    """The epoch that begins then is published with the grant."""
    mother.grant(people.hospital, read=["general"], append=["general"], expires=timedelta(days=10))
    people.travel(timedelta(days=10))
    number = written(people, b"later")
    assert not waits_in_inbox(people, number)
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, people.hospital, number)
    assert mother.chart().read(number).read() == b"later"


def test_its_keys_lead_back_for_whoever_gets_the_past_later(people: People, mother: medrec.Representative) -> None:
    """Its epochs are links of the chain: with the patient's later keys, and a new root secret, all before opens."""
    numbers = []
    for content in (b"one", b"two", b"three"):
        numbers.append(written(people, content))
        mother.rotate("general")
    people.alice.rotate()
    people.grant(history=True)
    people.alice.change_root(wallet=medrec.Wallet.create())
    for number, content in zip(numbers, (b"one", b"two", b"three"), strict=True):
        assert open_with_keys_alone(people, people.hospital, number) == content
        assert people.alice.read(number).read() == content


def test_its_keyring_has_neither_inbox_nor_names_nor_other_compartments(
    people: People, mother: medrec.Representative
) -> None:
    """Exactly what it may publish: readers leave everything else out."""
    mother.rotate()
    consent = people.alice._ledger.consent(people.alice.id)
    entry = consent.keyrings.entries[-1]
    published = consent.keyrings.read(entry)
    assert not entry.by_patient
    assert entry.author == address_bytes(mother.address)
    assert published.inbox is None
    assert entry.compartments == 1 << number_of(people, "general")
    assert people.alice._keys._open(published).names == {}
    assert len(people.alice.compartments()) == 2
    newest = consent.keyrings.newest(number_of(people, "general"), people.alice._ledger.now())
    assert newest is not None
    assert newest.entry == entry


def test_what_it_did_stands_in_the_history_under_its_name(people: People, mother: medrec.Representative) -> None:
    """Keyrings and decisions alike."""
    mother.grant(people.hospital, read=["general"], expires=MONTH)
    line = list(people.alice.history())[-1]
    assert (line.kind, line.author, line.compartments) == (Kind.KEYRING, mother.address, ("general",))
    by = {line.grantee: (line.by, line.manages) for line in mother.permissions()}
    assert by == {
        mother.address: (people.alice.address, True),
        people.hospital.address: (mother.address, False),
    }


def test_every_decision_stands_in_the_log(people: People, mother: medrec.Representative) -> None:
    """Also what stands no longer: who decided what about whom, and whether as a representative."""
    mother.grant(people.hospital, append=["general"], expires=MONTH)
    mother.revoke(people.hospital)
    mother.resign()
    me, hers = people.alice.address, mother.address
    lines = [(line.kind.name, line.by, line.by_representative, line.about) for line in people.alice.decisions()]
    assert lines == [
        ("REGISTERED", me, False, me),
        ("KEYS_CHANGED", me, False, None),
        ("KEYS_CHANGED", me, False, None),
        ("APPOINTED", me, False, hers),
        ("GRANTED", hers, True, people.hospital.address),
        ("REVOKED", hers, True, people.hospital.address),
        ("RESIGNED", hers, True, hers),
    ]
    assert list(mother.decisions()) == list(people.alice.decisions())


def test_the_inbox_stays_the_patients(people: People, mother: medrec.Representative) -> None:
    """What waits there it neither opens nor moves, whatever it decides; the patient's next rotation moves it."""
    people.grant()
    people.alice._ledger.send(
        people.alice._wallet, people.net.contract.revoke(people.alice.id, people.hospital.address)
    )
    number = written(people, b"waiting")
    assert waits_in_inbox(people, number)
    mother.rotate()
    mother.grant(people.clinic(), read=["general"], expires=MONTH, history=True)
    with pytest.raises(InInbox):
        mother.chart().read(number)
    assert waits_in_inbox(people, number)
    people.alice.rotate()
    assert mother.chart().read(number).read() == b"waiting"


def test_without_ether_it_signs(people: People, mother: medrec.Representative) -> None:
    """Its decisions have the same signed forms: whoever sends them changes nothing, and its name stands there."""
    sent = people.net.chain.transaction_count(mother.address)
    payer = medrec.Wallet.create()
    grant = mother.signed(lambda me: me.grant(people.hospital, read=["general"], append=["general"], expires=MONTH))
    assert [type(signed.decision).__name__ for signed in grant.decisions] == ["PublishKeyring", "Grant"]
    people.net.carry(grant, payer)
    number = people.chart().append(b"seen", compartment="general", title="visit").number
    assert people.chart().read(number).read() == b"seen"
    people.net.carry(mother.signed(lambda me: me.revoke(people.hospital)), payer)
    people.net.carry(mother.signed(lambda me: me.rotate()), payer)
    people.net.carry(mother.signed(lambda me: me.resign()), payer)
    assert people.alice.permissions() == []
    assert people.net.chain.transaction_count(mother.address) == sent


def test_renewing_its_key_and_being_healed(people: People, mother: medrec.Representative) -> None:
    """With a new profile key it can make no keys until the patient has healed its permission; then it can again."""
    number = written(people, b"note")
    mother.renew_key()
    assert people.alice.heal_permissions().sealed == (mother.address,)
    mother.rotate()
    assert mother.chart().read(number).read() == b"note"
    assert people.alice.permissions()[0].manages


# --- what it cannot -------------------------------------------------------------------------------------------------

BEYOND: dict[str, tuple[dict[str, Any], str]] = {
    "a compartment": ({"read": ["psychiatry"]}, "no compartment 'psychiatry' is known"),
    "a purpose": ({"read": ["general"], "purpose": "HRESCH"}, "the purpose of use HRESCH"),
    "a later end": ({"read": ["general"], "expires": 2 * YEAR}, "an end after"),
}


@pytest.fixture
def nothing_is_sent(people: People, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refusals come before anything is stored or sent."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError("something was stored or sent")

    with monkeypatch.context() as patch:
        patch.setattr("medrec_py.ledger.Ledger.send", never)
        patch.setattr("medrec_py.ledger.Ledger.put_block", never)
        yield


@pytest.mark.usefixtures("mother", "nothing_is_sent")
@pytest.mark.parametrize("beyond", BEYOND.values(), ids=BEYOND)
def test_terms_beyond_its_limits(
    people: People, mother: medrec.Representative, beyond: tuple[dict[str, Any], str]
) -> None:
    """The error says what of them goes too far."""
    terms, why = beyond
    error = InvalidInput if "compartment" in why else medrec.BeyondLimits
    with pytest.raises(error, match=why):
        mother.grant(people.hospital, **{"expires": MONTH, **terms})


def test_several_things_beyond_are_all_named(people: People, net: medrec.Network) -> None:
    """Who may let nobody append, has no past, and knows a compartment that it may only append to."""
    carer = net.representative(medrec.Wallet.create(), people.alice)
    people.alice.appoint(carer, compartments=["general"], append=["psychiatry"], until=YEAR, history=False)
    with pytest.raises(medrec.BeyondLimits) as caught:
        carer.grant(people.hospital, read=["psychiatry"], append=["general"], expires=MONTH, history=True)
    for part in ("reading psychiatry", "appending to general", "HISTORY"):
        assert part in str(caught.value)


def test_overwriting_and_ending_terms_beyond_its_limits(people: People, mother: medrec.Representative) -> None:
    """What the patient gave beyond its limits it can neither narrow nor end."""
    people.alice.grant(people.hospital, read=["general", "psychiatry"], expires=MONTH)
    with pytest.raises(medrec.BeyondLimits, match=r"was granted before goes beyond .* reading #"):
        mother.grant(people.hospital, read=["general"], expires=MONTH)
    with pytest.raises(medrec.BeyondLimits, match="reading #"):
        mother.revoke(people.hospital)
    people.alice.grant(people.hospital, read=["general"], expires=2 * YEAR)
    with pytest.raises(medrec.BeyondLimits, match="an end after"):
        mother.revoke(people.hospital)
    assert len(people.alice.permissions()) == 2


def test_itself_and_the_patient(people: People, mother: medrec.Representative) -> None:
    """Neither by its own address nor by the wallet that decides for the patient now."""
    wallet = medrec.Wallet.create()
    people.alice.change_root(wallet=wallet)
    for grantee in (mother, people.alice, wallet.address):
        with pytest.raises(SelfGrant):
            mother.grant(grantee, read=["general"], expires=MONTH)


def test_no_representative_of_its_own(people: People, mother: medrec.Representative) -> None:
    """It has no word for it, the contract refuses it all the same, and another representative is beyond it."""
    terms = Terms(1 << number_of(people, "general"), 0, 0, people.net.chain.now() + 9999, 1, int(Flag.MANAGE))
    call = people.net.contract.grant(people.alice.id, people.hospital.address, terms, bytes(32), version=1)
    with pytest.raises(medrec.BeyondLimits):
        mother._ledger.send(mother._wallet, call)
    father = people.net.representative(medrec.Wallet.create(), people.alice)
    people.alice.appoint(father, compartments=["general"], until=YEAR)
    with pytest.raises(medrec.BeyondLimits, match="MANAGE"):
        mother.revoke(father)
    with pytest.raises(medrec.BeyondLimits, match="MANAGE"):
        mother.grant(father, read=["general"], expires=MONTH)


def test_keyrings_of_other_compartments(people: People, net: medrec.Network) -> None:
    """Not of one that it may only append to, not of one whose name it doesn't know, and not past the contract."""
    carer = net.representative(medrec.Wallet.create(), people.alice)
    people.alice.appoint(carer, compartments=["general"], append=["psychiatry"], until=YEAR)
    with pytest.raises(medrec.CompartmentNotGranted):
        carer.rotate("psychiatry")
    with pytest.raises(InvalidInput, match="no compartment"):
        carer.rotate("dental")
    version = net.contract.history_of(people.alice.id).keyring_version
    beyond = net.contract.publish_keyring(people.alice.id, version, 1 << number_of(people, "psychiatry"), b"\1" * 32)
    with pytest.raises(medrec.CompartmentNotGranted):
        carer._ledger.send(carer._wallet, beyond)


def test_nobody_else_decides(people: People) -> None:
    """Who was granted everything but MANAGE is no representative, nor is a stranger."""
    reader = people.net.representative(medrec.Wallet.create(), people.alice)
    for decide in _decisions(reader, people):
        with pytest.raises(NotController):
            decide()
    people.alice.grant(reader, read=["general"], append=["general"], expires=YEAR, history=True)
    for decide in _decisions(reader, people):
        with pytest.raises(NotController):
            decide()


def test_after_its_end(people: People, mother: medrec.Representative) -> None:
    """Nothing can be decided, and nothing that is written then opens."""
    people.travel(YEAR)
    for decide in _decisions(mother, people):
        with pytest.raises(medrec.PermissionExpired):
            decide()
    number = written(people, b"later")
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, mother, number)


def test_once_revoked(people: People, mother: medrec.Representative) -> None:
    """By the patient, who changes the keys with it."""
    assert people.alice.revoke(mother).rotated
    for decide in _decisions(mother, people):
        with pytest.raises(NotController):
            decide()
    number = written(people, b"later")
    assert not waits_in_inbox(people, number)
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, mother, number)


def _decisions(representative: medrec.Representative, people: People) -> list[Any]:
    return [
        lambda: representative.grant(people.clinic(), append=["general"], expires=timedelta(days=1)),
        lambda: representative.revoke(people.hospital),
        representative.rotate,
        representative.resign,
    ]


# --- without its keys -----------------------------------------------------------------------------------------------


def test_without_the_past_it_makes_no_keys_and_revokes_all_the_same(people: People) -> None:
    """New keys lead back to the past, which it doesn't have: nobody else shall lose it for that."""
    people.grant(history=True)
    carer = people.net.representative(medrec.Wallet.create(), people.alice)
    people.alice.appoint(carer, compartments=["general"], until=YEAR, history=False)
    with pytest.raises(KeysMissing, match="history key"):
        carer.rotate()
    with pytest.raises(medrec.BeyondLimits, match="HISTORY"):  # the hospital has more than it
        carer.revoke(people.hospital)
    people.grant()
    with pytest.warns(medrec.KeysNotRotated, match="history key"):
        assert not carer.revoke(people.hospital).rotated
    number = written(people, b"later")
    assert waits_in_inbox(people, number)
    people.alice.rotate()
    assert carer.chart().read(number).read() == b"later"
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, people.hospital, number)


def test_the_past_that_was_granted_later_counts(people: People) -> None:
    """Named without the past, then with it: keys that it got first lack the history key, and later ones have it."""
    carer = people.net.representative(medrec.Wallet.create(), people.alice)
    people.alice.appoint(carer, compartments=["general"], until=YEAR, history=False)
    people.alice.rotate()
    people.alice.appoint(carer, compartments=["general"], until=YEAR)
    carer.rotate()


def test_it_revokes_without_the_store(people: People, mother: medrec.Representative, tmp_path: Path) -> None:
    """Revoking waits for nothing: where its profile, its seals and keyrings cannot be had, it revokes alone."""
    people.grant()
    elsewhere = medrec.Network(people.net.chain, people.net.contract, FolderStore(tmp_path))
    apart = elsewhere.representative(mother._wallet, people.alice, publish=False)
    with pytest.warns(medrec.KeysNotRotated):
        assert not apart.revoke(people.hospital).rotated
    assert not people.net.contract.permission_of(people.alice.id, people.hospital.address).terms.read


# --- its end --------------------------------------------------------------------------------------------------------


def test_it_resigns(people: People, mother: medrec.Representative) -> None:
    """It has no key to what is written next: authors seal to the inbox until the patient rotates."""
    people.grant()
    assert not mother.resign().rotated
    assert [line.grantee for line in people.alice.permissions()] == [people.hospital.address]
    number = written(people, b"later")
    assert waits_in_inbox(people, number)
    with pytest.raises((KeysMissing, InInbox)):
        open_with_keys_alone(people, mother, number)
    people.alice.rotate()
    assert people.chart().read(number).read() == b"later"
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, mother, number)


def test_keys_that_it_made_for_the_time_behind_its_end_are_not_used(
    people: People, mother: medrec.Representative
) -> None:
    """It makes the epoch that begins when its permission ends, and is on none of its lists: it may know the seed."""
    people.grant(expires=2 * YEAR)
    mother.rotate()  # plans the ends of all permissions anew, its own among them
    consent = people.alice._ledger.consent(people.alice.id)
    compartment = number_of(people, "general")
    behind = consent.keyrings.newest(compartment, people.net.chain.now() + int(YEAR.total_seconds()) + 3600)
    assert behind is not None
    assert behind.epoch.id not in behind.keyring.holders.get(address_bytes(mother.address), ())
    before = written(people, b"before")
    assert not waits_in_inbox(people, before)
    people.travel(YEAR)
    assert waits_in_inbox(people, written(people, b"behind"))
    people.alice.rotate()
    assert not waits_in_inbox(people, written(people, b"mine again"))


def test_a_dishonest_one_leaves_no_keys_behind(people: People, mother: medrec.Representative) -> None:
    """Epochs far ahead, sealed to nobody, whose seeds it kept: revoked without new keys, it opens nothing."""
    ledger, compartment = people.alice._ledger, number_of(people, "general")
    consent = ledger.consent(people.alice.id)
    _, patients = consent.keyrings.latest_by_patient()
    first = consent.keyrings.next_number(compartment)
    starts = [ledger.chain.now(), ledger.chain.now() + 30 * 86_400]
    epochs = [
        NewEpoch(EpochId(compartment, first + place), start, EpochKeys.generate()) for place, start in enumerate(starts)
    ]
    built = new_keyring.build(
        ledger.place(people.alice.id),
        consent.keyring_version,
        epochs=epochs,
        readers=[],
        root_public_key=patients.root_public_key,
        names={},
        inbox=None,
        suite=ledger.suite,
    )
    call = ledger.contract.publish_keyring(
        people.alice.id, consent.keyring_version, built.compartments, ledger.put_block(built.block)
    )
    ledger.send(mother._wallet, call)
    assert not waits_in_inbox(people, written(people, b"while it may read"))
    ledger.send(people.alice._wallet, ledger.contract.revoke(people.alice.id, mother.address))
    assert waits_in_inbox(people, written(people, b"at once"))
    people.travel(timedelta(days=31))
    assert waits_in_inbox(people, written(people, b"a month later"))


def test_what_it_granted_stays_and_the_patient_finds_it(people: People, mother: medrec.Representative) -> None:
    """Its grants survive its end; the patient lists those that it gave, and revokes them too."""
    clinic = people.clinic()
    mother.grant(people.hospital, read=["general"], append=["general"], expires=MONTH)
    mother.grant(clinic, append=["general"], expires=MONTH)
    carol = people.net.reader(medrec.Wallet.create())
    people.alice.grant(carol, read=["general"], expires=MONTH)
    people.alice.revoke(mother)
    number = people.chart().append(b"still", compartment="general", title="note").number
    assert people.chart().read(number).read() == b"still"
    left = people.alice.granted_by(mother)
    assert {line.grantee for line in left} == {people.hospital.address, clinic.address}
    for line in left:
        people.alice.revoke(line.grantee)
    assert people.alice.granted_by(mother) == []
    assert [line.grantee for line in people.alice.permissions()] == [carol.address]


def test_healing_makes_its_grants_nobody_elses(people: People, mother: medrec.Representative) -> None:
    """The patient's client seals them anew, on the same terms: they stay the representative's."""
    mother.grant(people.hospital, read=["general"], expires=MONTH)
    people.hospital.renew_key()
    assert people.alice.heal_permissions().sealed == (people.hospital.address,)
    assert [line.grantee for line in people.alice.granted_by(mother)] == [people.hospital.address]
    people.alice.grant(people.hospital, read=["general"], expires=2 * MONTH)
    assert people.alice.granted_by(mother) == []


def test_a_minors_ends_at_majority(people: People) -> None:
    """The end of the permission is the first second of the eighteenth birthday."""
    parent = people.net.representative(medrec.Wallet.create(), people.alice)
    born = date(datetime.now(UTC).year - 10, 7, 1)  # no 29 February, whenever this runs
    granted = people.alice.appoint(parent, compartments=["general"], until=medrec.majority(born))
    end = medrec.majority(born)
    assert (end.year, end.month, end.day) == (born.year + 18, born.month, born.day)
    assert granted.expiry % 86_400 == 0
    assert medrec.majority(date(2008, 2, 29)) == date(2026, 3, 1)
    assert medrec.majority(date(2008, 2, 29), age=16) == date(2024, 2, 29)
    with pytest.raises(InvalidInput, match="no year"):
        medrec.majority(date(9990, 1, 1))


def test_the_patient_rotates_over_what_it_did(people: People, mother: medrec.Representative) -> None:
    """Nothing of a representative's keeps the patient from deciding, and no warning comes up."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            mother.rotate()
            people.alice.rotate()
        assert people.alice.revoke(mother).rotated
