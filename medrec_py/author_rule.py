"""Where an author seals a record to: the author's rule.

To the compartment's newest epoch that has started, if all who may hold its keys may read the compartment now;
otherwise to the patient's inbox, whose key nobody but the patient has. So a reader who was revoked, suspended or has
expired learns nothing that is written afterwards, even before new keys were published, and writing never has to wait
for them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from medrec_py.consent import Consent
from medrec_py.crypto.envelope import Destination, Kind
from medrec_py.crypto.suites import Suite

MARGIN = 60
"""Seconds by which an author looks ahead.

A permission that ends before the record is mined is over already, and the epoch that begins then holds already.
"""


@dataclass(frozen=True, slots=True)
class Target:
    """What an envelope will be sealed to, by the suite of the keyring that named it, and what makes that current."""

    destination: Destination
    public_key: bytes = field(repr=False)
    suite: Suite
    keyring_version: int


def choose(
    consent: Consent,
    compartment: int,
    now: int,
    readers_at: Callable[[Sequence[bytes], int], Sequence[int]],
) -> Target:
    """Apply the rule.

    Args:
        consent: The patient's decisions, held against the keyring version on chain.
        compartment: Where the record belongs.
        now: Unix time.
        readers_at: Asks the contract which compartments each of some grantees may read at a time.

    Raises:
        KeyringMissing: the patient has published no keyring yet.
        IntegrityError, StorageError: a keyring is not what its entry says, or cannot be had.
    """
    time = now + MARGIN
    newest = consent.keyrings.newest(compartment, time)
    if newest is not None:
        holders = sorted(consent.holders_of(newest.epoch.id))
        if all(mask >> compartment & 1 for mask in readers_at(holders, time)):
            destination = Destination(Kind.EPOCH, compartment, newest.epoch.id.number)
            return Target(destination, newest.epoch.public_key, newest.epoch.suite, consent.keyring_version)
    suite, inbox = consent.keyrings.inbox()
    destination = Destination(Kind.INBOX, compartment, inbox.number)
    return Target(destination, inbox.public_key, suite, consent.keyring_version)
