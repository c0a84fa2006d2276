"""A deployment moves to a later cipher suite, and never back: who reads on, who waits, and what is sealed by which."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.crypto.envelope import Kind
from medrec_py.deciding import KeysNotRotated
from medrec_py.errors import KeysMissing, ProfileOutdated, SuiteDowngrade
from medrec_py.healing import Staleness
from medrec_py.keyring_maker import KeysNotSealed
from tests.sdk.people import MONTH, People, meet
from tests.sdk.test_suites import LARGE, envelope_of, keyring_suites, open_with, profile_suite, seal_suite, suites_of

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Migration:
    """The same people, as they were in suite 1 and as they are since the deployment has moved to suite 2.

    Attributes:
        before: With suite 1. Alice has granted the hospital everything, and revoked and granted others.
        after: With suite 2.
        clinic: Another reader with HISTORY, after the move.
        old: A record from before.
        waiting: A record from before that waits in the inbox.
    """

    before: People
    after: People
    clinic: medrec.Organisation
    old: medrec.Appended
    waiting: medrec.Appended


def moved(people: People) -> People:
    """The people with the deployment's new file."""
    old = people.net
    net = medrec.Network(
        old.chain,
        old.contract,
        old.store,
        suite=2,
        fund=old.chain.fund,
        registrar=old._registrar,  # type: ignore[attr-defined]
    )
    hospital, doctor = net.organisation(people.hospital._wallet), net.practitioner(people.doctor._wallet)
    return People(net, net.patient(people.alice._wallet), hospital, doctor)


@pytest.fixture
def migration() -> Iterator[Migration]:
    with medrec.local() as net:
        people = meet(net)
        clinic = people.clinic()
        old = people.alice.append(b"old", compartment="general", title="old")
        people.grant(history=True)
        people.alice.grant(clinic, read=["general"], history=True, expires=MONTH)
        net.registrar().suspend(clinic)
        waiting = people.chart().append(b"waiting", compartment="general", title="waiting")
        net.registrar().reinstate(clinic)
        assert waiting.in_inbox
        after = moved(people)
        yield Migration(people, after, after.net.organisation(clinic._wallet), old, waiting)


def rotate_without(people: People, *readers: medrec.HasAddress) -> None:
    """Rotate, with the warning that these were given no new keys."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        people.alice.rotate()
    assert {warning.category for warning in caught} == ({KeysNotSealed} if readers else set())
    assert all(any(reader.address in str(warning.message) for warning in caught) for reader in readers)


def test_everybody_reads_on_and_authors_write_on_before_anybody_has_new_keys(migration: Migration) -> None:
    """An author seals to the keys that there are, by their own suite; the content is by the deployment's already."""
    people = migration.after
    record = people.chart().append(b"between", compartment="general", title="between")
    for content, there in ((b"old", migration.old), (b"between", record)):
        assert people.chart().read(there).read() == content
        assert people.alice.read(there).read() == content
        assert migration.clinic.chart(people.alice).read(there).read() == content
    assert suites_of(people, migration.old.number) == (1, 1)
    assert suites_of(people, record.number) == (1, 2)
    assert people.alice.read(migration.waiting).read() == b"waiting"


def test_nothing_is_granted_to_a_key_of_another_suite(migration: Migration) -> None:
    """The weaker of two suites would decide: a grant waits until the reader has published a key of the new one."""
    people = migration.after
    keyrings = keyring_suites(people)
    with pytest.raises(ProfileOutdated, match=r"suite 1.*suite 2") as refused:
        people.grant(history=True)
    assert "medrec provider publish" in refused.value.remedy
    assert keyring_suites(people) == keyrings
    people.hospital.publish_profile("St Mary's")
    with pytest.warns(KeysNotSealed, match=migration.clinic.address):
        granted = people.grant(history=True)
    assert (seal_suite(people, granted), profile_suite(people.net, people.hospital)) == (2, 2)
    assert keyring_suites(people) == [*keyrings, 2]


def test_a_new_key_in_an_old_deployment_is_no_way_around_either(migration: Migration) -> None:
    """Neither way: who still has the old deployment file seals nothing to a key of the new suite."""
    migration.after.hospital.publish_profile()
    with pytest.raises(ProfileOutdated, match=r"suite 2.*suite 1"):
        migration.before.grant()


def test_a_reader_who_stays_is_left_out_until_it_has_a_new_key(migration: Migration) -> None:
    """It keeps its permission and what it could open; what is written from then on opens with a renewed grant."""
    people, clinic = migration.after, migration.clinic
    clinic.publish_profile()
    rotate_without(people, people.hospital)
    record = people.alice.append(b"new", compartment="general", title="new")
    assert suites_of(people, record.number) == (2, 2)
    with pytest.raises(KeysMissing):
        people.chart().read(record)
    assert people.chart().read(migration.old).read() == b"old"
    assert clinic.chart(people.alice).read(record).read() == b"new"
    people.hospital.publish_profile()
    people.grant(history=True)
    assert people.chart().read(record).read() == b"new"


def test_a_history_of_mixed_suites_reads(migration: Migration) -> None:
    """From epochs of suite 2 back to those of suite 1, by who was there before and by who came after the move."""
    people, clinic = migration.after, migration.clinic
    between = people.chart().append(b"between", compartment="general", title="between")
    people.hospital.publish_profile()
    clinic.publish_profile()
    assert people.chart().read(migration.old).read() == b"old"  # with the old key, which opens the old grant
    rotate_without(people)
    new = people.chart().append(b"new", compartment="general", title="new")
    late = people.clinic()
    people.alice.grant(late, read=["general"], history=True, expires=MONTH)
    assert people.alice.revoke(clinic).rotated
    last = people.alice.append(b"last", compartment="general", title="last")
    records = {b"old": migration.old, b"waiting": migration.waiting, b"between": between, b"new": new, b"last": last}
    for content, record in records.items():
        assert late.chart(people.alice).read(record).read() == content
        assert people.chart().read(record).read() == content
        assert people.alice.read(record).read() == content
    found = {content: suites_of(people, record.number) for content, record in records.items()}
    assert found == {b"old": (1, 1), b"waiting": (2, 1), b"between": (1, 2), b"new": (2, 2), b"last": (2, 2)}
    assert [entry.problem for entry in late.chart(people.alice).history()] == [None] * len(
        people.alice.chart().entries()
    )
    with pytest.raises(KeysMissing):
        open_with(clinic.keys(), people, last.number)


def test_what_waited_in_the_inbox_of_the_old_suite_moves_to_an_epoch_of_the_new(migration: Migration) -> None:
    """Its data key is sealed by suite 2 then; its content and claim stay as they are, under suite 1."""
    people = migration.after
    before = envelope_of(people, migration.waiting.number)
    migration.clinic.publish_profile()
    people.hospital.publish_profile()
    rotate_without(people)
    after = envelope_of(people, migration.waiting.number)
    assert (before.to.kind, after.to.kind) == (Kind.INBOX, Kind.EPOCH)
    assert (before.suite.number, after.suite.number) == (1, 2)
    assert (before.content_suite, before.body) == (after.content_suite, after.body)
    assert people.alice.read(migration.waiting).read() == b"waiting"


def test_keys_never_go_back_to_an_earlier_suite(migration: Migration) -> None:
    """A deployment file that is out of date, or was edited, makes no new keys. It keeps no revocation back, though."""
    people, old = migration.after, migration.before
    migration.clinic.publish_profile()
    rotate_without(people, people.hospital)
    for decide in (old.alice.rotate, lambda: old.alice.add_compartment("dentist"), old.grant):
        with pytest.raises(SuiteDowngrade, match=r"suite 2.*suite 1"):
            decide()
    assert keyring_suites(people) == [1, 1, 1, 2]
    with pytest.warns(KeysNotRotated, match=r"suite 2.*suite 1"):
        assert not old.alice.revoke(old.hospital).rotated
    assert keyring_suites(people) == [1, 1, 1, 2]
    people.alice.rotate()
    assert keyring_suites(people) == [1, 1, 1, 2, 2]


# --- old records ----------------------------------------------------------------------------------------------------


def append_large(people: People) -> medrec.Appended:
    return people.alice.append(LARGE, compartment="general", title="large")


def test_sealing_old_records_anew_brings_their_content_to_the_new_suite(migration: Migration) -> None:
    """New data keys, epochs and content, all by the deployment's suite; where content stands outside, too."""
    people, large = migration.after, append_large(migration.before)
    for reader in (people.hospital, migration.clinic):
        reader.publish_profile()
    people.alice.reseal()
    records = {b"old": migration.old, b"waiting": migration.waiting, LARGE: large}
    assert {suites_of(people, record.number) for record in records.values()} == {(2, 2)}
    for content, record in records.items():
        assert people.alice.read(record).read() == content
        assert people.chart().read(record).read() == content


def test_content_that_was_sealed_before_the_move_is_published_under_its_own_suite(
    migration: Migration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where sealing anew is interrupted and goes on after the move, the journal tells by which suite it was sealed."""
    people, large, journal = migration.after, append_large(migration.before), tmp_path / "journal"
    with monkeypatch.context() as patch:
        patch.setattr(migration.before.alice._ledger, "send", interrupt)
        with pytest.raises(KeyboardInterrupt):
            migration.before.alice.reseal(large.number, journal=journal)
    assert '"suite": 1' in journal.read_text()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KeysNotSealed)
        people.alice.reseal(large.number, journal=journal)
    assert suites_of(people, large.number) == (2, 1)
    assert people.alice.read(large).read() == LARGE


def interrupt(*_: object, **_how: object) -> None:
    raise KeyboardInterrupt


def test_an_old_deployment_file_seals_no_old_record_anew(migration: Migration) -> None:
    """Nor does it keep the patient's keys from being what they are: nothing changes."""
    people = migration.after
    migration.clinic.publish_profile()
    rotate_without(people, people.hospital)
    before = len(people.alice.chart().entries())
    with pytest.raises(SuiteDowngrade):
        migration.before.alice.reseal()
    assert len(people.alice.chart().entries()) == before


def test_a_new_root_secret_reaches_back_to_the_old_suite(migration: Migration) -> None:
    """Changed after the move: what the inbox held gets envelopes of the new suite, and all of it opens."""
    people, old = migration.after, append_large(migration.before)
    for reader in (people.hospital, migration.clinic):
        reader.publish_profile()
    wallet = medrec.Wallet.create()
    people.net.chain.fund(wallet.address)  # type: ignore[attr-defined]
    people.alice.change_root(wallet=wallet)
    new = people.alice.append(b"new", compartment="general", title="new")
    for content, record in {LARGE: old, b"waiting": migration.waiting, b"old": migration.old, b"new": new}.items():
        assert people.alice.read(record).read() == content
    assert suites_of(people, migration.waiting.number) == (2, 1)
    assert suites_of(people, new.number) == (2, 2)
    assert keyring_suites(people)[-1] == 2


# --- readers who publish keys of the new suite ----------------------------------------------------------------------


def test_healing_the_permissions_brings_them_to_the_new_suite(migration: Migration) -> None:
    """Once readers have published their keys: seals and keyring anew, on the same terms; who has not is named."""
    people, clinic = migration.after, migration.clinic
    clinic.publish_profile()
    with pytest.warns(KeysNotSealed, match=people.hospital.address):
        healed = people.alice.heal_permissions()
    assert (healed.sealed, healed.rotated) == ((clinic.address,), True)
    (waits,) = people.alice.stale_permissions()
    assert (waits.grantee, waits.reasons) == (people.hospital.address, (Staleness.LEFT_OUT,))
    assert "suite 1" in str(waits.problem)
    people.hospital.publish_profile()
    assert people.alice.heal_permissions().sealed == (people.hospital.address,)
    assert people.alice.stale_permissions() == []
    record = people.chart().append(b"new", compartment="general", title="new")
    for content, there in ((b"old", migration.old), (b"new", record)):
        assert clinic.chart(people.alice).read(there).read() == content
    assert suites_of(people, record.number) == (2, 2)


def test_an_old_deployment_file_heals_no_permission(migration: Migration) -> None:
    """Not even one to append alone, with which no keys go: nothing is sealed by the earlier suite any more."""
    people, lab = migration.before, migration.before.clinic()
    people.alice.grant(lab, append=["general"], expires=MONTH)
    migration.clinic.publish_profile()
    rotate_without(migration.after, people.hospital)
    lab.renew_key()
    with pytest.raises(SuiteDowngrade):
        people.alice.heal_permissions(lab)


def test_a_renewed_key_of_the_new_suite_still_opens_what_the_old_ones_did(migration: Migration) -> None:
    """Numbers count on over the move, and every number has a key in every suite."""
    people = migration.after
    people.hospital.renew_key()
    assert (people.net.profile(people.hospital).number, profile_suite(people.net, people.hospital)) == (2, 2)
    assert people.chart().read(migration.old).read() == b"old"
