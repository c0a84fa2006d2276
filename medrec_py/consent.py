"""What the chain says about one patient's decisions: who was granted what, and which keyrings were published.

Made from events, and held against the contract: the keyring version on chain rises with each keyring and each loss of
a reading right, so that a node which leaves one of them out is found out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from medrec_py.chain.events import (
    Event,
    KeyringPublished,
    Logged,
    PatientRegistered,
    PermissionGranted,
    PermissionRevoked,
    WalletChanged,
)
from medrec_py.chain.types import Flag, Terms, address_bytes, address_of
from medrec_py.crypto.blocks import Fetch
from medrec_py.crypto.keyring import Keyring
from medrec_py.crypto.keys import ADDRESS_SIZE, EpochId, Place
from medrec_py.errors import EntryExtra, EntryMissing
from medrec_py.keyrings import Cache, KeyringEntry, Keyrings

DECISIONS = (PatientRegistered, WalletChanged, KeyringPublished, PermissionGranted, PermissionRevoked)
"""Events that say what a patient has decided."""


NOBODY = bytes(ADDRESS_SIZE)
"""The wallet of a patient id that is not registered."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant, as its event has it.

    Attributes:
        grantee: 20 bytes.
        version: Of the permission that it created.
        terms: What was granted.
        seal: SHA-256 of the block with the keys, 32 bytes; zero if none came with it.
        block: Number of the block that it was mined in.
        by: Who granted it, the patient's wallet or a representative; 20 bytes.
    """

    grantee: bytes
    version: int
    terms: Terms
    seal: bytes
    block: int
    by: bytes

    @property
    def history(self) -> bool:
        """Whether what was written before may be read too."""
        return bool(self.terms.flags & Flag.HISTORY)

    @property
    def manages(self) -> bool:
        """Whether it makes the grantee a representative."""
        return bool(self.terms.flags & Flag.MANAGE)

    def read_at(self, time: int) -> int:
        """The reading mask at a time: empty outside the permission's window."""
        return self.terms.read if self.terms.not_before <= time < self.terms.expiry else 0


@dataclass(frozen=True)
class Consent:
    """The decisions of one patient up to a block.

    Attributes:
        place: Chain, contract and patient.
        grants: All grants, in order.
        permissions: Grantee → the grant in force (its window may be over); revoked ones are not in it.
        versions: Grantee → version of its permission now, revoked or not.
        keyrings: All keyrings.
        keyring_version: As the contract has it.
        block: Number of the block that this is the state after.
        wallet: Decides for the patient, 20 bytes; empty if nobody is registered.
    """

    place: Place
    grants: Sequence[Grant]
    permissions: Mapping[bytes, Grant]
    versions: Mapping[bytes, int]
    keyrings: Keyrings = field(repr=False)
    keyring_version: int
    block: int
    wallet: bytes = b""

    def extended(self, events: Sequence[Logged[Event]], keyring_version: int, block: int) -> Consent:
        """What holds after further decisions, held against the contract. Takes time for those alone, not for the past.

        Args:
            events: Those of the kinds ``DECISIONS`` of the patient, in order, after ``self.block`` and up to ``block``.
            keyring_version: Of the contract after ``block``.
            block: Number of the last block.

        Raises:
            EntryMissing: the node left out an event that changed the keyring version.
            EntryExtra: it returned one too many.
        """
        grants: list[Grant] = []
        permissions, versions = dict(self.permissions), dict(self.versions)
        entries: list[KeyringEntry] = []
        version, wallet = self.keyring_version, self.wallet
        for logged in events:
            event = logged.event
            if isinstance(event, PatientRegistered | WalletChanged):
                wallet = address_bytes(event.wallet)
            if isinstance(event, KeyringPublished):
                named = event.state_before.keyring_version
                _check(version, named)
                author = address_bytes(event.author)
                mine, at = author == wallet, (event.time, logged.block)
                entries.append(KeyringEntry(named, event.compartments, event.pointer, *at, mine, author))
                version += 1
                continue
            if not isinstance(event, PermissionGranted | PermissionRevoked):
                continue
            grantee = address_bytes(event.grantee)
            versions[grantee] = event.version
            if isinstance(event, PermissionGranted):
                by = address_bytes(event.by)
                permissions[grantee] = Grant(grantee, event.version, event.terms, event.seal, logged.block, by)
                grants.append(permissions[grantee])
            else:
                permissions.pop(grantee, None)
            if event.lost:
                _check(version + 1, event.keyring_version)
                version += 1
        _check(version, keyring_version)
        return Consent(
            place=self.place,
            grants=(*self.grants, *grants),
            permissions=permissions,
            versions=versions,
            keyrings=self.keyrings.extended(entries),
            keyring_version=keyring_version,
            block=block,
            wallet=wallet,
        )

    def check_wallet(self, stated: bytes) -> None:
        """Hold the wallet that the events lead to against the contract's.

        By it the patient's own keyrings are told from representatives'. Without a change of it those of the new wallet
        would be left out, and authors would go on sealing to what the wallet before can open.

        Args:
            stated: As the contract has it after ``block``, 20 bytes.

        Raises:
            EntryMissing: the node left out a change of wallet, or invented one.
        """
        if (self.wallet or NOBODY) != stated:
            raise EntryMissing(
                f"the events of the node lead to the wallet {address_of(self.wallet or NOBODY)} where the chain has "
                f"{address_of(stated)}: a change of wallet was left out, or invented"
            )

    def grants_to(self, grantee: bytes) -> list[Grant]:
        """All grants to one grantee, in order, that came with a seal."""
        return [grant for grant in self.grants if grant.grantee == grantee and any(grant.seal)]

    def chosen_by(self) -> dict[bytes, bytes]:
        """Grantee → who chose the terms that it was granted last, 20 bytes each: whoever gave them first.

        That they were given once more changes nothing: healing seals the same terms to another key.
        """
        last: dict[bytes, Grant] = {}
        chosen: dict[bytes, bytes] = {}
        for grant in self.grants:
            before = last.get(grant.grantee)
            if before is None or (before.version + 1, before.terms) != (grant.version, grant.terms):
                chosen[grant.grantee] = grant.by
            last[grant.grantee] = grant
        return chosen

    def readers_at(self, time: int) -> Iterator[Grant]:
        """The permissions in force that allow reading something at a time."""
        return (grant for grant in self.permissions.values() if grant.read_at(time))

    def holders_of(self, epoch: EpochId) -> set[bytes]:
        """Whoever may hold the keys of an epoch.

        Those it was sealed to, those a later epoch of its compartment was sealed to (it may lead back), those
        granted READ of the compartment since, for a time that reaches into it, and representatives who made it or a
        later one: whoever makes keys may keep them, for times too that are sealed to it in no list.
        """
        entry, published = self.keyrings.publisher(epoch)
        start = published.epochs[epoch].start
        since = list(self.keyrings.since(epoch))
        makers = {later.author for later, _ in since if not later.by_patient}
        sealed_to = {
            reader
            for _, keyring in since
            for reader, epochs in keyring.holders.items()
            if any(held.compartment == epoch.compartment and held.number >= epoch.number for held in epochs)
        }
        granted = {
            grant.grantee
            for grant in self.grants
            if grant.block >= entry.block and grant.terms.read >> epoch.compartment & 1 and grant.terms.expiry > start
        }
        return sealed_to | granted | makers

    def may_read_from(self, grantee: bytes, compartment: int, block: int) -> bool:
        """Whether a reader of a compartment may read what was written in a block."""
        since = self.reads_behind(grantee, compartment)
        return since is not None and since < block

    def reads_behind(self, grantee: bytes, compartment: int) -> int | None:
        """The block behind which a reader of a compartment may read what was written; -1 by HISTORY.

        It is the one of its grant, or of an earlier one: they count as far back as each was renewed before it ended.
        Where that cannot be told, it was not. ``None`` for somebody who has no permission.
        """
        now = self.permissions.get(grantee)
        if now is None or now.history:
            return None if now is None else -1
        return self.unbroken(now, compartment)[-1].block

    def unbroken(self, now: Grant, compartment: int) -> list[Grant]:
        """A grant in force and those before it, latest first, as far back as each was renewed before it ended.

        Those that allow reading the compartment, and the first in any case.
        """
        row = [now]
        for grant in reversed([grant for grant in self.grants if grant.grantee == now.grantee]):
            if grant.version >= now.version:
                continue
            if not grant.terms.read >> compartment & 1 or grant.version + 1 != row[-1].version:
                break
            if not self._renewed(grant, row[-1]):
                break
            row.append(grant)
        return row

    def is_sealed_to(self, reader: Grant, epoch: EpochId) -> bool:
        """Whether a reader was given the keys of an epoch that holds now: by its keyring, or by a grant since."""
        entry, published = self.keyrings.publisher(epoch)
        start = published.epochs[epoch].start
        return epoch in published.holders.get(reader.grantee, ()) or any(
            grant.block >= entry.block and grant.terms.expiry > start
            for grant in self.unbroken(reader, epoch.compartment)
            if grant.terms.read >> epoch.compartment & 1
        )

    def epochs_given(self, reader: Grant, compartment: int) -> set[EpochId]:
        """The epochs whose keys a reader without HISTORY was given since the first of its unbroken grants.

        Those that keyrings sealed to it, and those that were published with its grants.
        """
        row = self.unbroken(reader, compartment)
        ends = {grant.block: grant.terms.expiry for grant in row}
        given: set[EpochId] = set()
        for entry, published in self.keyrings.covering(compartment):
            if entry.block < row[-1].block:
                break
            given |= _given_with_grant(entry, published, compartment, ends.get(entry.block, 0))
            given.update(published.holders.get(reader.grantee, ()))
        return {epoch for epoch in given if epoch.compartment == compartment}

    def _renewed(self, grant: Grant, renewal: Grant) -> bool:
        """Whether a grant was in force when the next was mined.

        It was if it ends no earlier, since the contract grants nothing that is over; or by the time of the keyring that
        was published with the next.
        """
        if grant.terms.not_before == 0 and grant.terms.expiry >= renewal.terms.expiry:
            return True
        times = [entry.time for entry in self.keyrings.entries if entry.block == renewal.block]
        return bool(times) and bool(grant.read_at(times[0]))


def _given_with_grant(entry: KeyringEntry, published: Keyring, compartment: int, end: int) -> set[EpochId]:
    """The epochs of a grant's own keyring: that which authors seal to, and those that begin before the grant ends.

    Not those for older records, which begin together with it and have lower numbers.
    """
    own = [epoch for epoch in published.epochs.values() if epoch.id.compartment == compartment and epoch.start < end]
    begun = [epoch.id for epoch in own if epoch.start <= entry.time]
    return {epoch.id for epoch in own if epoch.start > entry.time} | set(sorted(begun)[-1:])


def undecided(place: Place, block: int, fetch: Fetch, cache: Cache) -> Consent:
    """What holds after a block before which nothing was decided.

    Args:
        place: Chain, contract and patient.
        block: Its number; -1 before the first.
        fetch: Gives a block of a store by its pointer.
        cache: Keyrings that were read before.
    """
    return Consent(place, (), {}, {}, Keyrings(place, [], fetch, cache), 0, block)


def _check(accounted: int, stated: int) -> None:
    """Compare the keyring version that the events lead to with one that the chain states."""
    if accounted < stated:
        raise EntryMissing(
            f"the events of the node lead to keyring version {accounted} where the chain has {stated}: "
            "a keyring or a revocation was left out"
        )
    if accounted > stated:
        raise EntryExtra(
            f"the events of the node lead to keyring version {accounted} where the chain has only {stated}"
        )
