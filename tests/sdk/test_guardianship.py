"""Guardians restore what was lost: m of n of them, on a device that has nothing; and what attacks on that come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from shamir_mnemonic import Share as Slip39

import medrec_py as medrec
from medrec_py.chain.types import address_bytes
from medrec_py.crypto import share_seal, shares
from medrec_py.crypto.keys import KemSeed, RootSecret
from medrec_py.crypto.suites import FIRST_SUITE, by_number
from medrec_py.errors import (
    FingerprintMismatch,
    InvalidInput,
    KeyringMismatch,
    NotFound,
    ProfileNotFound,
    RootMismatch,
    ShareOfAnotherPatient,
    ShareRepeated,
    SharesContradict,
    SharesOfSeveralSets,
    TooFewShares,
    WalletError,
    WrongKey,
)
from medrec_py.wallet import require_root
from tests.sdk.people import People, meet

SUITE = by_number(FIRST_SUITE)

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Guardian:
    """A relative with a published profile."""

    wallet: medrec.Wallet

    @property
    def address(self) -> str:
        return self.wallet.address

    @property
    def root(self) -> RootSecret:
        return require_root(self.wallet)

    def hand_over(self, given: medrec.GuardianShare, to: medrec.Recovery) -> bytes:
        """What the guardian's machine does once the person has read out the digits."""
        return medrec.hand_over_share(medrec.open_share(given.block, self, self.root), to.request, to.fingerprint)


@pytest.fixture(scope="module")
def net() -> Iterator[medrec.Network]:
    with medrec.local() as network:
        yield network


@pytest.fixture(scope="module")
def guardians(net: medrec.Network) -> list[Guardian]:
    """Three of them."""
    made = [Guardian(medrec.Wallet.create()) for _ in range(3)]
    for guardian in made:
        net.reader(guardian.wallet)
    return made


@pytest.fixture(scope="module")
def people(net: medrec.Network) -> People:
    """Alice, whose record has something in it."""
    people = meet(net)
    people.alice.append(b"Blood pressure 120/80.", compartment="general", title="Blood pressure")
    return people


@pytest.fixture(scope="module")
def dealt(people: People, guardians: list[Guardian]) -> list[medrec.GuardianShare]:
    """Any two of the three."""
    return people.alice.make_shares(2, guardians)


@pytest.fixture
def begun(net: medrec.Network, people: People) -> medrec.Recovery:
    """A recovery of Alice's on a new device."""
    return net.recovery(people.alice.id)


def received(
    begun: medrec.Recovery, guardians: list[Guardian], dealt: list[medrec.GuardianShare], *which: int
) -> list[shares.Share]:
    return [begun.receive(guardians[index].hand_over(dealt[index], begun)) for index in which]


@pytest.mark.parametrize("which", [(0, 1), (2, 0), (1, 2), (2, 1, 0)])
def test_enough_guardians_restore_everything_on_a_device_that_has_nothing(
    net: medrec.Network,
    people: People,
    guardians: list[Guardian],
    dealt: list[medrec.GuardianShare],
    begun: medrec.Recovery,
    which: tuple[int, ...],
) -> None:
    """Any two, in any order, and all three: the root secret comes back, and with it the whole record."""
    root = begun.restore(received(begun, guardians, dealt, *which))
    assert root == people.alice._root
    restored = net.patient(medrec.Wallet.create(), root, patient=people.alice.id)
    (record,) = restored.records()
    assert (record.title, record.read()) == ("Blood pressure", b"Blood pressure 120/80.")
    assert [line.title for line in restored.history() if line.title] == ["Blood pressure"]
    assert restored.compartments() == people.alice.compartments()


def test_guardians_decide_nothing(
    net: medrec.Network,
    people: People,
    guardians: list[Guardian],
    dealt: list[medrec.GuardianShare],
    begun: medrec.Recovery,
) -> None:
    """With the root secret and another wallet everything can be read, and nothing granted, revoked or appended."""
    root = begun.restore(received(begun, guardians, dealt, 0, 1))
    restored = net.patient(medrec.Wallet.create(), root, patient=people.alice.id)
    for decide in (
        lambda: restored.grant(people.hospital, read=["general"], expires=2_000_000_000),
        lambda: restored.revoke(people.hospital),
        restored.rotate,
    ):
        with pytest.raises(medrec.NotPermitted):
            decide()
    with pytest.raises(WalletError):
        restored.append(b"", compartment="general", title="forged")


def test_one_guardian_alone_restores_nothing(
    guardians: list[Guardian], dealt: list[medrec.GuardianShare], begun: medrec.Recovery
) -> None:
    """Nor the same one twice."""
    with pytest.raises(TooFewShares):
        begun.restore(received(begun, guardians, dealt, 0))
    with pytest.raises(ShareRepeated):
        begun.restore(received(begun, guardians, dealt, 0, 0))
    with pytest.raises(TooFewShares):
        begun.restore([])


def test_a_share_of_another_set_is_named(
    people: People, guardians: list[Guardian], dealt: list[medrec.GuardianShare], begun: medrec.Recovery
) -> None:
    """The error says which guardians' shares are of which set."""
    other = people.alice.make_shares(2, guardians)
    mixed = [*received(begun, guardians, dealt, 0, 1), *received(begun, guardians, other, 2)]
    with pytest.raises(SharesOfSeveralSets) as caught:
        begun.restore(mixed)
    message = str(caught.value).lower()
    first, second = (part for part in message.split("first: ")[1].split("; "))
    parts = {first[:8]: first, second[:8]: second}
    assert guardians[2].address.lower() in parts[other[0].set_id[:4].hex()]
    assert guardians[0].address.lower() in parts[dealt[0].set_id[:4].hex()]
    assert guardians[1].address.lower() in parts[dealt[0].set_id[:4].hex()]


def test_nobody_but_its_guardian_opens_a_share(guardians: list[Guardian], dealt: list[medrec.GuardianShare]) -> None:
    """Another guardian's keys do not, nor the guardian's own under another name; and the block tells nobody's name."""
    with pytest.raises(WrongKey):
        medrec.open_share(dealt[0].block, guardians[1], guardians[1].root)
    with pytest.raises(WrongKey):
        medrec.open_share(dealt[0].block, guardians[1], guardians[0].root)
    assert address_bytes(guardians[0].address) not in dealt[0].block
    assert medrec.open_share(dealt[0].block, guardians[0], guardians[0].root).place.patient not in dealt[0].block


def test_a_guardian_with_a_renewed_key_still_opens_its_share(
    net: medrec.Network, people: People, dealt: list[medrec.GuardianShare], guardians: list[Guardian]
) -> None:
    """The block says to which of the guardian's keys it is sealed: the first opens after a second was published."""
    carer = Guardian(medrec.Wallet.create())
    net.reader(carer.wallet)
    given, _ = people.alice.make_shares(2, [carer, guardians[0]])
    share = medrec.open_share(given.block, carer, carer.root)
    deployment = people.alice._ledger.deployment
    second = carer.root.profile_key(1, deployment, address_bytes(carer.address), 2)
    to_the_second = share_seal.build(share, SUITE.public_key(second), 2, SUITE)
    assert medrec.open_share(to_the_second, carer, carer.root) == share


def test_nothing_is_handed_over_to_a_request_that_was_not_read_out(
    net: medrec.Network,
    people: People,
    guardians: list[Guardian],
    dealt: list[medrec.GuardianShare],
    begun: medrec.Recovery,
) -> None:
    """A thief's request for the same patient has another fingerprint than the one that the patient reads out."""
    thief = net.recovery(people.alice.id)
    share = medrec.open_share(dealt[0].block, guardians[0], guardians[0].root)
    for heard in (begun.fingerprint, "", begun.fingerprint[:-1], thief.fingerprint + "0"):
        with pytest.raises(FingerprintMismatch):
            medrec.hand_over_share(share, thief.request, heard)
    typed = begun.fingerprint.replace(" ", "-")
    assert begun.receive(medrec.hand_over_share(share, begun.request, f" {typed}\n")) == share


def test_what_is_handed_over_opens_on_that_device_alone(
    net: medrec.Network,
    people: People,
    guardians: list[Guardian],
    dealt: list[medrec.GuardianShare],
    begun: medrec.Recovery,
) -> None:
    """Another recovery's key does not open it; the same recovery, begun again from its key, does."""
    handed_over = guardians[0].hand_over(dealt[0], begun)
    with pytest.raises(KeyringMismatch):
        net.recovery(people.alice.id).receive(handed_over)
    again = net.recovery(people.alice.id, begun.seed)
    assert (again.request, again.fingerprint) == (begun.request, begun.fingerprint)
    assert again.receive(handed_over) == begun.receive(handed_over)


def test_a_share_is_not_handed_over_for_another_patient(
    net: medrec.Network, guardians: list[Guardian], dealt: list[medrec.GuardianShare]
) -> None:
    """Somebody else's request does not get Alice's share, whatever its fingerprint."""
    bob = net.patient(medrec.Wallet.create()).register()
    with pytest.raises(ShareOfAnotherPatient):
        guardians[0].hand_over(dealt[0], net.recovery(bob.id))


def test_a_forged_share_is_outvoted_or_told(
    guardians: list[Guardian], dealt: list[medrec.GuardianShare], begun: medrec.Recovery, people: People
) -> None:
    """A guardian hands over other words: with two honest ones beside it works, with one it is an error."""
    honest = received(begun, guardians, dealt, 0, 1)
    place, count = honest[0].place, honest[0].count
    names = [share.guardian for share in honest] + [address_bytes(guardians[2].address)]
    others = shares.split(RootSecret.generate(), place, names, 2, honest[0].time)
    words = replace(Slip39.from_mnemonic(others[2].words), identifier=honest[0].identifier).mnemonic()
    forged = shares.Share(place, names[2], honest[0].set_id, count, honest[0].time, words)
    with pytest.raises(SharesContradict):
        begun.restore([honest[0], forged])
    assert begun.restore([forged, *honest]) == people.alice._root


def test_shares_of_another_secret_do_not_pass_for_the_patients(
    guardians: list[Guardian], begun: medrec.Recovery, people: People
) -> None:
    """Whatever is combined is held against the keyring that the chain names."""
    place = people.alice._ledger.place(people.alice.id)
    names = [address_bytes(guardian.address) for guardian in guardians]
    others = shares.split(RootSecret.generate(), place, names, 2, 0)
    with pytest.raises(RootMismatch, match="not the root secret"):
        begun.restore(others[:2])


def test_shares_of_a_root_secret_that_was_changed_since_are_told_as_such(
    net: medrec.Network, guardians: list[Guardian]
) -> None:
    """The latest keyring is sealed to another root: the old shares restore nothing, and the error says why."""
    carol = net.patient(medrec.Wallet.create()).register()
    begun = net.recovery(carol.id)
    old = received(begun, guardians, carol.make_shares(2, guardians), 0, 1)
    old_root = begun.restore(old)
    assert old_root == carol._root
    carol.change_root(RootSecret.generate())
    with pytest.raises(RootMismatch, match="an earlier root secret"):
        begun.restore(old)
    with pytest.raises(RootMismatch, match="an earlier root secret"):
        net.patient(carol._wallet, old_root).make_shares(2, guardians)
    new = received(begun, guardians, carol.make_shares(2, guardians), 1, 2)
    assert begun.restore(new) == carol._root


def test_a_secret_that_is_not_the_patients_is_not_dealt_out(
    net: medrec.Network, people: People, guardians: list[Guardian]
) -> None:
    """A device that missed a change of the root secret does not hand out what restores nothing."""
    with pytest.raises(RootMismatch):
        net.patient(medrec.Wallet.create(), patient=people.alice.id).make_shares(2, guardians)


@pytest.mark.parametrize("threshold", [-1, 0, 1, 4])
def test_thresholds_that_make_no_sense_are_refused(people: People, guardians: list[Guardian], threshold: int) -> None:
    """One guardian alone would have the secret; and more than there are never come together."""
    with pytest.raises(InvalidInput):
        people.alice.make_shares(threshold, guardians)


def test_guardians_who_cannot_be_given_anything_are_refused(people: People, guardians: list[Guardian]) -> None:
    """Without a profile, named twice, the patient themselves, or more than sixteen."""
    nobody = medrec.Wallet.create()
    with pytest.raises(ProfileNotFound, match=nobody.address):
        people.alice.make_shares(2, [*guardians, nobody])
    with pytest.raises(InvalidInput, match="twice"):
        people.alice.make_shares(2, [*guardians, guardians[0]])
    with pytest.raises(InvalidInput, match="their own"):
        people.alice.make_shares(2, [*guardians, people.alice])
    with pytest.raises(InvalidInput, match="16"):
        people.alice.make_shares(2, [medrec.Wallet.create() for _ in range(17)])


def test_a_recovery_of_nobody_does_not_begin(net: medrec.Network) -> None:
    """An id that was mistyped is found out before the guardians are called."""
    with pytest.raises(NotFound):
        net.recovery(medrec.Wallet.create())


def test_secrets_are_not_shown(
    guardians: list[Guardian], dealt: list[medrec.GuardianShare], begun: medrec.Recovery
) -> None:
    """Neither words nor keys stand in what is printed."""
    share = medrec.open_share(dealt[0].block, guardians[0], guardians[0].root)
    shown = repr([share, dealt, begun, begun.seed])
    words = share.words.split()
    assert not [pair for pair in pairwise(words) if " ".join(pair) in shown]
    assert repr(begun) == f"<Recovery of {begun.patient}>"
    assert isinstance(begun.seed, KemSeed)
    assert begun.seed.expose().hex() not in shown
