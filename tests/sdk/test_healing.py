"""Readers publish new keys, and the patient's client seals their permissions to them: who opens what, and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

import medrec_py as medrec
from medrec_py.chain.transactions import Call
from medrec_py.chain.types import address_bytes
from medrec_py.crypto.keys import RootSecret
from medrec_py.errors import EntryMissing, InvalidInput, KeysMissing, ProfileNotFound
from medrec_py.healing import Staleness
from medrec_py.keymodule import RootModule
from medrec_py.party import KeyedParty
from medrec_py.unsealing import ReaderKeys
from tests.sdk.people import MONTH, People, meet
from tests.sdk.test_keys_follow_consent import open_with_keys_alone

pytestmark = pytest.mark.slow

PATIENTS = 12


@pytest.fixture(scope="module")
def net() -> Iterator[medrec.Network]:
    with medrec.local() as network:
        yield network


@pytest.fixture
def people(net: medrec.Network) -> People:
    return meet(net)


def moved_to_a_new_root(people: People, reader: medrec.Provider) -> medrec.Provider:
    """The same account with another root secret, its next key published."""
    renewed = people.net.reader(reader._wallet, RootSecret.generate(), publish=False)
    renewed.renew_key()
    return renewed


def write(people: People, text: str) -> int:
    return people.alice.append(text.encode(), compartment="general", title=text).number


def reasons(people: People) -> dict[str, tuple[Staleness, ...]]:
    return {stale.grantee: stale.reasons for stale in people.alice.stale_permissions()}


class OldKeys:
    """A thief of one key: a reader's keys as they were up to a number."""

    def __init__(self, people: People, victim: medrec.Provider, number: int) -> None:
        self.address, self._wallet = victim.address, victim._wallet
        self._keys = ReaderKeys(
            RootModule(victim._root, number), people.alice._ledger.deployment, address_bytes(self.address)
        )

    def keys(self) -> ReaderKeys:
        return self._keys


# --- the reader's side ----------------------------------------------------------------------------------------------


def test_the_next_key_is_found_by_a_new_device(people: People) -> None:
    """The number of the present key stands in the account's own profile: phrase, chain and store are enough."""
    people.grant()
    people.hospital.renew_key()
    people.alice.heal_permissions()
    number = write(people, "after")
    device = people.net.organisation(people.hospital._wallet)
    assert people.net.profile(device).number == 2
    assert people.net.profile(device).name == "St Mary's"
    assert device.chart(people.alice).read(number).read() == b"after"


def test_earlier_keys_of_the_same_root_secret_open_what_was_sealed_to_them(people: People) -> None:
    """A renewal takes nothing from the reader: its old seals open as before, healed or not."""
    people.grant()
    before = write(people, "before")
    assert people.hospital.renew_key().number == 2
    assert people.hospital.renew_key().number == 3
    assert people.chart().read(before).read() == b"before"


def test_publishing_a_profile_again_changes_no_key(people: People) -> None:
    """Another name is no other key, and no permission becomes stale."""
    people.grant()
    people.hospital.renew_key()
    people.alice.heal_permissions()
    people.hospital.publish_profile("St Mary's Hospital")
    assert people.net.profile(people.hospital).number == 2
    assert people.alice.stale_permissions() == []


def test_a_withdrawn_key_does_not_come_again(people: People) -> None:
    """Who withdraws a profile and publishes one later goes on with the numbers."""
    people.hospital.renew_key()
    people.net.contract.send(people.hospital._wallet, people.net.contract.publish_profile(bytes(32)))
    people.hospital.publish_profile("back")
    assert people.net.profile(people.hospital).number == 2


def test_a_profile_is_not_published_from_another_root_secret_by_mistake(people: People) -> None:
    """The key would change under an innocent name."""
    mistaken = people.net.reader(people.hospital._wallet, RootSecret.generate(), publish=False)
    with pytest.raises(InvalidInput, match="renew_key"):
        mistaken.publish_profile("St Mary's")


def test_there_is_nothing_to_renew_without_a_key(people: People) -> None:
    """The first key is published, not renewed."""
    nobody = people.net.reader(medrec.Wallet.create(), publish=False)
    with pytest.raises(ProfileNotFound, match=nobody.address):
        nobody.renew_key()


# --- healing --------------------------------------------------------------------------------------------------------


def test_a_reader_with_a_new_root_secret_opens_nothing_until_the_patient_has_healed_it(people: People) -> None:
    """KeysMissing says what to do; healing gives all that the permission had opened, and no more."""
    never = write(people, "before the grant")
    people.grant()
    first = write(people, "first")
    people.alice.rotate()
    second = write(people, "second")
    renewed = moved_to_a_new_root(people, people.hospital)
    with pytest.raises(KeysMissing) as missing:
        renewed.chart(people.alice).read(first)
    assert "medrec keys heal" in missing.value.remedy
    healed = people.alice.heal_permissions()
    assert (healed.sealed, healed.rotated, healed.left) == ((people.hospital.address,), True, ())
    third = write(people, "third")
    chart = renewed.chart(people.alice)
    assert [chart.read(number).read() for number in (first, second, third)] == [b"first", b"second", b"third"]
    assert set(chart.compartments().values()) == {"general"}
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, renewed, never)


def test_healing_again_and_again_keeps_what_the_first_grant_opened(people: People) -> None:
    """Each healing is a renewal: the right of a reader without HISTORY reaches back to its first grant."""
    never = write(people, "before the grant")
    people.grant()
    numbers = [write(people, "0")]
    reader: medrec.Provider = people.hospital
    for turn in range(1, 4):
        reader = moved_to_a_new_root(people, reader)
        people.alice.heal_permissions()
        numbers.append(write(people, str(turn)))
        assert [reader.chart(people.alice).read(number).read() for number in numbers] == [
            str(n).encode() for n in range(turn + 1)
        ]
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, reader, never)


def test_with_history_healing_gives_the_whole_past(people: People) -> None:
    """The newest keys lead back, from one seal of the usual size."""
    first = write(people, "first")
    people.alice.rotate()
    people.grant(history=True)
    renewed = moved_to_a_new_root(people, people.hospital)
    people.alice.heal_permissions()
    assert renewed.chart(people.alice).read(first).read() == b"first"


def test_the_old_key_opens_nothing_that_is_written_after_healing(people: People) -> None:
    """A thief of the old key has what it could open before, and nothing else, though it is the account's own."""
    people.grant(history=True)
    thief = OldKeys(people, people.hospital, 1)
    people.hospital.renew_key()
    exposed = write(people, "exposed")  # the patient's client has not been told yet
    assert open_with_keys_alone(people, thief, exposed) == b"exposed"
    people.alice.heal_permissions()
    after = write(people, "after")
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, thief, after)
    assert people.chart().read(after).read() == b"after"


def test_a_permission_that_was_renewed_to_the_new_key_still_needs_other_epochs(people: People) -> None:
    """Renewing seals to the new key, but the epoch that the old key opens goes on until a rotation."""
    people.grant()
    thief = OldKeys(people, people.hospital, 1)
    people.hospital.renew_key()
    people.grant(expires=2 * MONTH)
    assert reasons(people) == {people.hospital.address: (Staleness.OLD_KEY_OPENS,)}
    healed = people.alice.heal_permissions()
    assert healed.rotated
    assert healed.sealed == ()
    after = write(people, "after")
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, thief, after)


def test_terms_stay_and_the_version_rises(people: People) -> None:
    """Healing is no new decision about what is allowed."""
    people.grant(history=True, read=["general", "psychiatry"])
    before = people.net.contract.permission_of(people.alice.id, people.hospital.address)
    people.hospital.renew_key()
    people.alice.heal_permissions()
    after = people.net.contract.permission_of(people.alice.id, people.hospital.address)
    assert after.terms == before.terms
    assert after.version == before.version + 1


def test_healing_twice_sends_nothing_the_second_time(people: People) -> None:
    """What is done is found done."""
    people.grant()
    people.hospital.renew_key()
    assert len(people.alice.heal_permissions().receipts) == 2
    assert people.alice.stale_permissions() == []
    assert people.alice.heal_permissions().receipts == ()


def test_nothing_is_stale_where_nobody_renewed(people: People) -> None:
    """Grants, renewals, rotations, revocations and permissions without HISTORY leave nothing to heal."""
    clinic = people.clinic()
    people.grant()
    people.alice.grant(clinic, read=["general", "psychiatry"], append=["general"], history=True, expires=MONTH)
    people.grant(expires=2 * MONTH, read=["psychiatry"])
    people.alice.rotate("general")
    people.alice.revoke(clinic)
    people.travel(timedelta(days=31))
    assert people.alice.stale_permissions() == []


def test_revoked_and_expired_permissions_stay_dead(people: People) -> None:
    """No seal, no version, no key for who has no permission any more."""
    revoked, expired = people.clinic(), people.clinic()
    people.alice.grant(expired, read=["general"], expires=timedelta(days=1))
    people.alice.grant(revoked, read=["general"], expires=MONTH)
    people.alice.revoke(revoked)
    people.travel(timedelta(days=2))
    renewed = [moved_to_a_new_root(people, clinic) for clinic in (revoked, expired)]
    versions = [people.net.contract.permission_of(people.alice.id, one.address).version for one in renewed]
    assert people.alice.heal_permissions().receipts == ()
    assert [people.net.contract.permission_of(people.alice.id, one.address).version for one in renewed] == versions
    after = write(people, "after")
    for reader in renewed:
        with pytest.raises(KeysMissing):
            open_with_keys_alone(people, reader, after)
    with pytest.raises(InvalidInput, match=revoked.address):
        people.alice.heal_permissions(revoked)


def test_a_permission_that_another_device_revokes_meanwhile_stays_revoked(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seal names the next version: a revocation that comes first voids it, and the others are healed anyway."""
    clinic = people.clinic()
    people.grant()
    people.alice.grant(clinic, read=["general"], expires=MONTH)
    people.hospital.renew_key()
    clinic.renew_key()
    phone = people.net.patient(people.alice._wallet, None)
    contract, original = people.net.contract, people.net.contract.grant
    revoked: list[int] = []

    def revoke_first(*arguments: object) -> Call:
        if not revoked:
            revoked.append(1)
            phone.revoke(people.hospital)
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(contract, "grant", revoke_first)
    healed = people.alice.heal_permissions()
    assert revoked
    assert healed.sealed == (clinic.address,)
    assert people.net.contract.permission_of(people.alice.id, people.hospital.address).terms.read == 0


def test_a_suspended_reader_is_not_healed(people: People) -> None:
    """It is named, with the reason, and healed once it is reinstated; nothing from its suspension opens then."""
    people.grant()
    first = write(people, "first")
    people.net.registrar().suspend(people.hospital)
    people.alice.rotate()
    during = write(people, "during")
    renewed = moved_to_a_new_root(people, people.hospital)
    healed = people.alice.heal_permissions()
    assert healed.receipts == ()
    assert [(stale.grantee, stale.problem) for stale in healed.left] == [
        (people.hospital.address, "a registrar has suspended its holder")
    ]
    people.net.registrar().reinstate(people.hospital)
    people.alice.heal_permissions()
    after = write(people, "after")
    assert open_with_keys_alone(people, renewed, first) == b"first"
    assert open_with_keys_alone(people, renewed, after) == b"after"
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, renewed, during)


def test_a_reader_that_a_rotation_left_out_is_given_the_present_keys(people: People) -> None:
    """Its profile could not be read then; it can now."""
    people.grant()
    present = people.net.contract.profile_of(people.hospital.address)
    people.net.contract.send(people.hospital._wallet, people.net.contract.publish_profile(bytes(32)))
    with pytest.warns(medrec.KeysNotSealed, match=people.hospital.address):
        people.alice.rotate()
    left = people.alice.heal_permissions().left
    assert [stale.grantee for stale in left] == [people.hospital.address]
    assert left[0].problem is not None
    assert "no profile" in left[0].problem
    people.net.contract.send(people.hospital._wallet, people.net.contract.publish_profile(present))
    assert reasons(people) == {people.hospital.address: (Staleness.LEFT_OUT,)}
    people.alice.heal_permissions()
    assert people.chart().read(write(people, "after")).read() == b"after"


def test_an_author_without_reading_gets_the_names_again(people: People) -> None:
    """A laboratory with a new root secret finds its compartments once it is healed; no keys change for that."""
    laboratory = people.clinic()
    people.alice.grant(laboratory, append=["general"], expires=MONTH)
    renewed = moved_to_a_new_root(people, laboratory)
    healed = people.alice.heal_permissions()
    assert (healed.sealed, healed.rotated) == ((laboratory.address,), False)
    result = renewed.chart(people.alice).append(b"Hb 13.9", compartment="general", title="blood count")
    with pytest.raises(KeysMissing):
        open_with_keys_alone(people, renewed, result.number)


def test_who_is_named_is_healed_whether_it_shows_or_not(people: People) -> None:
    """For a reader that says it opens nothing, whatever the reason."""
    clinic = people.clinic()
    people.grant()
    people.alice.grant(clinic, read=["general"], expires=MONTH)
    clinic.renew_key()
    healed = people.alice.heal_permissions(people.hospital)
    assert healed.sealed == (people.hospital.address,)
    assert healed.rotated
    assert list(reasons(people)) == [clinic.address]


def test_a_key_that_is_published_while_the_seals_are_made_is_found(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seal and keyring would be for the key before: both are made again in the same call."""
    people.grant()
    people.hospital.renew_key()
    ledger, original = people.alice._ledger, people.alice._ledger.send
    again: list[medrec.Provider] = []

    def renew_first(wallet: medrec.Signer, *calls: Call) -> medrec.Receipt:
        if not again and wallet is people.alice._wallet and calls[0].function == "grant":
            again.append(moved_to_a_new_root(people, people.hospital))
        return original(wallet, *calls)

    monkeypatch.setattr(ledger, "send", renew_first)
    people.alice.heal_permissions()
    (renewed,) = again
    assert renewed.chart(people.alice).read(write(people, "after")).read() == b"after"


def test_an_inbox_record_is_moved_to_who_was_healed(people: People) -> None:
    """The right of a reader without HISTORY reaches back behind the healing: it renewed the same terms."""
    clinic = people.clinic()
    people.grant()
    people.alice.grant(clinic, read=["general"], append=["general"], expires=MONTH)
    people.net.registrar().suspend(people.hospital)
    between = clinic.chart(people.alice).append(b"between", compartment="general", title="between")
    assert between.in_inbox
    clinic.renew_key()
    people.alice.heal_permissions()
    people.alice.rotate()
    assert clinic.chart(people.alice).read(between).read() == b"between"


def test_a_node_that_hides_a_new_key_is_found_out(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract's digest must be that of the last event."""
    people.grant()
    people.hospital.renew_key()
    ledger, original = people.alice._ledger, people.alice._ledger.profiles_published
    monkeypatch.setattr(ledger, "profiles_published", lambda *a, **k: original(*a, **k)[:-1])
    with pytest.raises(EntryMissing, match=people.hospital.address):
        people.alice.heal_permissions()


def test_an_organisation_with_many_patients_renews_once(people: People) -> None:
    """Each patient heals for itself, in its own time; the others' permissions wait, and are read by the old key."""
    patients = [people.net.patient(medrec.Wallet.create()).register() for _ in range(PATIENTS)]
    for patient in patients:
        patient.grant(people.hospital, read=["general"], append=["general"], expires=MONTH)
    numbers = [patient.append(b"before", compartment="general", title="before").number for patient in patients]
    renewed = people.net.reader(people.hospital._wallet, RootSecret.generate(), publish=False)
    renewed.renew_key()
    for patient in patients[::2]:
        assert patient.heal_permissions().sealed == (people.hospital.address,)
    for place, (patient, number) in enumerate(zip(patients, numbers, strict=True)):
        assert people.hospital.chart(patient).read(number).read() == b"before"
        if place % 2:
            with pytest.raises(KeysMissing):
                renewed.chart(patient).read(number)
        else:
            assert renewed.chart(patient).read(number).read() == b"before"


# --- killed in between ----------------------------------------------------------------------------------------------


class Killed(Exception):
    """The process ends here."""


@dataclass
class Guillotine:
    """Ends the process before its n-th transaction or block, counted over all patients' work."""

    after: int
    count: int = field(default=0)

    def step(self) -> None:
        self.count += 1
        if self.count > self.after:
            raise Killed


@pytest.mark.parametrize("what", ["send", "put_block"])
def test_a_process_killed_anywhere_leaves_everybody_reading_and_is_finished_later(
    people: People, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Before each transaction and each stored block: those who read go on reading, and the next call ends it."""
    monkeypatch.setattr("medrec_py.healing.GRANTS_AT_ONCE", 2)
    steady = people.clinic()
    people.alice.grant(steady, read=["general"], expires=MONTH)
    readers: list[KeyedParty] = [people.clinic() for _ in range(4)]
    for reader in readers:
        people.alice.grant(reader, read=["general"], expires=MONTH)
    ledger = people.alice._ledger
    for after in range(4):
        for reader in readers:
            reader.renew_key()
        guillotine = Guillotine(after)
        original = getattr(ledger, what)

        def cut(*arguments: object, _original: object = original, _guillotine: Guillotine = guillotine) -> object:
            _guillotine.step()
            return _original(*arguments)  # type: ignore[operator]

        with monkeypatch.context() as patch:
            patch.setattr(ledger, what, cut)
            if what == "send" and after >= 3:
                people.alice.heal_permissions()
            else:
                with pytest.raises(Killed):
                    people.alice.heal_permissions()
        number = write(people, f"{after}")
        for reader in (steady, *readers):
            assert open_with_keys_alone(people, reader, number) == str(after).encode()
        people.alice.heal_permissions()
        assert people.alice.stale_permissions() == []
