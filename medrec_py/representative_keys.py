"""A representative's keys: those that it was granted, and of the patient's own only the root public key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from medrec_py.consent import Consent
from medrec_py.crypto.keys import EpochId, EpochKeys
from medrec_py.crypto.suites import Suite
from medrec_py.errors import KeysMissing
from medrec_py.purposes import Purpose
from medrec_py.unsealing import ReaderKeys


class RepresentativeKeys:
    """Makes keyrings of a representative's compartments possible; a ``KeyringKeys``.

    Such a keyring has no inbox and no names, and is sealed to the patient's root public key as the patient's latest
    keyring names it (docs/format.md §6): the patient can open all of it, and the representative nothing more by it.

    Args:
        open_reader: Opens what was sealed to the representative. Called when it is needed first: where the profile
            cannot be had, a revocation goes without keys.
    """

    def __init__(self, open_reader: Callable[[], ReaderKeys]) -> None:
        self._open_reader = open_reader

    def epoch_keys(self, consent: Consent, epoch: EpochId) -> EpochKeys:
        """As ``KeyringKeys``.

        Raises:
            KeysMissing: the representative was not given the epoch, or not its past.
        """
        return self._reader.keys_with_history(consent, epoch)

    def names(self, consent: Consent) -> Mapping[int, str]:
        """The names that came with the representative's own grant."""
        return self._reader.names(consent, Purpose.FAMRQT)

    def names_to_seal(self, consent: Consent) -> Mapping[int, str]:  # noqa: ARG002 - as KeyringKeys
        """None: the patient's own keyrings have all of them."""
        return {}

    def root_public_key(self, consent: Consent, suite: Suite) -> bytes:
        """As ``KeyringKeys``.

        Raises:
            KeysMissing: the patient has published none of that suite yet.
        """
        latest = consent.keyrings.latest_by_patient()[1]
        if latest.suite.number != suite.number:
            raise KeysMissing(
                f"the patient's root key of suite {suite.number} is not known yet: the patient has to rotate first"
            )
        return latest.root_public_key

    def inbox(self, consent: Consent, suite: Suite) -> None:
        """None: only the patient's keyrings name it."""

    @cached_property
    def _reader(self) -> ReaderKeys:
        return self._open_reader()
