"""Which keys accounts have published, and when: what tells whether a seal was made for a key that is still good.

Profiles stand in no history with a head. That none was left out of the events is checked as far as the contract can
tell: the last one must be the one that the contract has now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from medrec_py.chain.types import ZERO_BYTES32
from medrec_py.errors import ChainError, EntryMissing, MedRecError
from medrec_py.ledger import Ledger


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """The keys of one account, in the order in which they took each other's place.

    Attributes:
        account: EIP-55.
        keys: Block and public key of each; a key that can no longer be read counts as one of its own, ``None``.
        present: The present one; ``None`` if there is none that can be sealed to.
        problem: Why not.
    """

    account: str
    keys: Sequence[tuple[int, bytes | None]] = field(repr=False)
    present: bytes | None = field(repr=False)
    problem: MedRecError | None

    @property
    def changed(self) -> int:
        """Number of the block in which the present key took the place of another; zero if it is the first."""
        return self.keys[-1][0] if len(self.keys) > 1 else 0

    def is_current(self, block: int) -> bool:
        """Whether what was sealed to this account, in a transaction of that block, was sealed to its present key.

        A key that was published in the same block does not count: its seal was made before.
        """
        before = [key for since, key in self.keys if since < block]
        return bool(before) and len(before) == len(self.keys)


def of_accounts(ledger: Ledger, accounts: Sequence[str], block: int) -> Mapping[str, PublishedKeys]:
    """The keys that accounts had published by a block.

    Args:
        ledger: Chain and store.
        accounts: EIP-55.
        block: Its number.

    Raises:
        EntryMissing: the node left out of its events what the contract has.
        ChainUnavailable: it does not answer.
    """
    digests: dict[str, list[tuple[int, bytes]]] = {account: [] for account in accounts}
    for log in ledger.profiles_published(accounts, block):
        digests[log.event.account].append((log.block, log.event.digest))
    present = _present(ledger, accounts, block)
    return {account: _of_account(ledger, account, digests[account], present[account]) for account in accounts}


def _present(ledger: Ledger, accounts: Sequence[str], block: int) -> Mapping[str, bytes]:
    return dict(zip(accounts, ledger.profile_digests(accounts, block), strict=True))


def _of_account(ledger: Ledger, account: str, published: list[tuple[int, bytes]], present: bytes) -> PublishedKeys:
    if (published[-1][1] if published else ZERO_BYTES32) != present:
        raise EntryMissing(f"the profile that {account} has published is missing from the node's events")
    keys = list(_keys(ledger, account, published))
    try:
        return PublishedKeys(account, keys, ledger.key_named(account, present), None)
    except ChainError:
        raise
    except MedRecError as error:
        return PublishedKeys(account, keys, None, error)


def _keys(ledger: Ledger, account: str, published: list[tuple[int, bytes]]) -> Iterator[tuple[int, bytes | None]]:
    """Each key when it took the place of another. Another name for the same key, or a pause, is no change."""
    last: bytes | None = None
    first = True
    for block, digest in published:
        if digest == ZERO_BYTES32:
            continue
        key = _key(ledger, account, digest) if len(published) > 1 else b""  # the only one need not be read
        if first or key is None or key != last:
            yield block, key
        first, last = False, key


def _key(ledger: Ledger, account: str, digest: bytes) -> bytes | None:
    try:
        return ledger.profile_named(account, digest).public_key
    except ChainError:
        raise
    except MedRecError:
        return None
