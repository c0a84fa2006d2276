"""Who could read a record: by the permissions that were in force while it was there, and as its author."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medrec_py.chain.events import Event, Logged, PermissionGranted, PermissionRevoked
from medrec_py.chain.types import Flag, Terms
from medrec_py.crypto.typed_data import checksum_address
from medrec_py.history import Entry


@dataclass(frozen=True, slots=True)
class HadAccess:
    """Somebody who could read records.

    Attributes:
        account: EIP-55. Those who acted for it could, too.
        records: Numbers of the records.
        as_author: Whether it wrote one of them, or had it written for it.
    """

    account: str
    records: tuple[int, ...]
    as_author: bool


@dataclass(frozen=True, slots=True)
class _Permission:
    grantee: str
    terms: Terms
    begin: int
    end: int | None
    """Blocks; without an end it is still in force, or its time is over."""

    def opened(self, record: Entry) -> bool:
        """Whether it let its grantee read a record, at some time."""
        if not self.terms.read & record.compartments or self.terms.expiry <= record.time:
            return False
        if self.end is not None and self.end <= record.block:
            return False
        return self.begin < record.block or bool(self.terms.flags & Flag.HISTORY)


def who_had_access(events: Iterable[Logged[Event]], records: Sequence[Entry]) -> list[HadAccess]:
    """Who could read some records, by address.

    Args:
        events: PermissionGranted and PermissionRevoked of the patient, all of them, in order.
        records: Their entries.
    """
    found: dict[str, set[int]] = {}
    authors: set[str] = set()
    for permission in _permissions(events):
        for record in records:
            if permission.opened(record):
                found.setdefault(permission.grantee, set()).add(record.number)
    for record in records:
        for account in {checksum_address(record.author), checksum_address(record.on_behalf_of)}:
            found.setdefault(account, set()).add(record.number)
            authors.add(account)
    return [HadAccess(account, tuple(sorted(found[account])), account in authors) for account in sorted(found)]


def _permissions(events: Iterable[Logged[Event]]) -> list[_Permission]:
    ended: list[_Permission] = []
    open_ones: dict[str, _Permission] = {}
    for logged in events:
        event = logged.event
        if not isinstance(event, PermissionGranted | PermissionRevoked):
            continue
        before = open_ones.pop(event.grantee, None)
        if before is not None:
            ended.append(_Permission(before.grantee, before.terms, before.begin, logged.block))
        if isinstance(event, PermissionGranted):
            open_ones[event.grantee] = _Permission(event.grantee, event.terms, logged.block, None)
    return [*ended, *open_ones.values()]
