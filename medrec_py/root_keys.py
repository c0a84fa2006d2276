"""The patient's own keys, all from the root secret.

A patient may have had other root secrets before (``medrec_py.rekeying``). What was sealed to the root key of one of
those is reached over the back-links of the first keyring of the present one, unless the patient cut them to erase.
"""

from __future__ import annotations

import hmac
from bisect import bisect_left
from collections.abc import Mapping

from medrec_py.consent import Consent
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto import keyring
from medrec_py.crypto.envelope import Kind, UnverifiedEnvelope
from medrec_py.crypto.epochs import Epoch, walk_back
from medrec_py.crypto.keyring import Inbox, Keyring
from medrec_py.crypto.keys import DataKey, EpochId, EpochKeys, KemSeed, Place, RootSecret
from medrec_py.crypto.suites import Suite
from medrec_py.errors import KeyringMismatch, KeysMissing, RootSecretReplaced
from medrec_py.keyrings import KeyringEntry
from medrec_py.purposes import Purpose

FIRST_INBOX = 1


class RootKeys:
    """Opens everything of a patient's; an ``Unsealer``, which opens the inbox too. Epoch keys that it opened are kept.

    Args:
        root: The patient's root secret.
    """

    def __init__(self, root: RootSecret) -> None:
        self._root = root
        self._opened: dict[bytes, EpochKeys] = {}  # by public key
        self._public_keys: dict[tuple[int, Place], bytes] = {}

    def public_key(self, place: Place, suite: Suite) -> bytes:
        """The root public key of a patient, that keyrings of a suite are sealed to."""
        return suite.public_key(self._root.root_key(suite.number, place))

    def root_public_key(self, consent: Consent, suite: Suite) -> bytes:
        """As ``KeyringKeys``: that of this root secret, be it the present one or about to be."""
        return self.public_key(consent.place, suite)

    def inbox(self, consent: Consent, suite: Suite) -> Inbox:
        """The inbox that the next keyring names, of the keyring's suite.

        Raises:
            RootSecretReplaced: the patient has another root secret by now.
        """
        number = _inbox_number(self._current(consent)) if consent.keyrings.own else FIRST_INBOX
        return self._inbox(consent.place, number, suite)

    def inbox_after_change(self, consent: Consent, suite: Suite) -> Inbox:
        """The inbox of this root secret, when it takes the place of another: no number ever stands for two keys."""
        return self._inbox(consent.place, _inbox_number(consent.keyrings.latest_by_patient()[1]) + 1, suite)

    def inbox_key(self, place: Place, suite: Suite, number: int) -> KemSeed:
        """The key of an inbox of this root secret, whichever keyring named it."""
        return self._root.inbox_key(suite.number, place, number)

    def data_key(
        self,
        consent: Consent,
        envelope: UnverifiedEnvelope,
        entry: int = 0,  # noqa: ARG002 - as Unsealer
        purpose: Purpose = Purpose.PATRQT,  # noqa: ARG002
    ) -> DataKey:
        """As ``Unsealer``; the inbox opens too."""
        to, place = envelope.to, consent.place
        if to.kind is Kind.INBOX:
            seed = self._root.inbox_key(envelope.suite.number, place, to.number)
        else:
            seed = self.epoch_keys(consent, EpochId(to.compartment, to.number)).seed
        return envelopes.open_data_key(envelope, place, seed)

    def epoch_keys(self, consent: Consent, epoch: EpochId) -> EpochKeys:
        """The keys of any epoch: from the keyring that published it, or by the way back from the first of this root.

        Raises:
            RootSecretReplaced: the patient has another root secret by now, and the epoch belongs to that.
            KeysMissing: it was published before the present root secret, and nothing leads back to it.
        """
        _, published = consent.keyrings.publisher(epoch)
        public_key = published.epochs[epoch].public_key
        if public_key not in self._opened:
            if self._is_mine(published):
                self._keep(published.epochs, self._open(published).epochs)
            else:
                self._walk_back(consent, epoch)
        if public_key not in self._opened:
            raise KeysMissing(
                f"epoch {epoch.number} of compartment {epoch.compartment} is older than the root secret, and nothing "
                "leads back to it: what it held was erased"
            )
        return self._opened[public_key]

    def reaches(self, consent: Consent, epoch: EpochId) -> bool:
        """Whether the keys of an epoch can be had. Raises as ``epoch_keys``, but for ``KeysMissing``."""
        try:
            self.epoch_keys(consent, epoch)
        except (KeysMissing, KeyringMismatch):  # a record may name an epoch that nobody published
            return False
        return True

    def names(self, consent: Consent, purpose: Purpose = Purpose.PATRQT) -> Mapping[int, str]:  # noqa: ARG002
        """The names of all compartments.

        Raises:
            RootSecretReplaced: the patient has another root secret by now.
        """
        return self._open(self._current(consent)).names

    def names_to_seal(self, consent: Consent) -> Mapping[int, str]:
        """As ``KeyringKeys``: all of them. Raises as ``names``."""
        return self.names(consent)

    def was_used(self, consent: Consent) -> bool:
        """Whether any keyring of the patient's belongs to this root secret."""
        return any(self._is_mine(consent.keyrings.read(entry)) for entry in consent.keyrings.own)

    def is_current(self, consent: Consent) -> bool:
        """Whether the patient's latest keyring belongs to this root secret."""
        return self._is_mine(consent.keyrings.latest_by_patient()[1])

    def first_keyring(self, consent: Consent) -> KeyringEntry:
        """The keyring by which this root secret took over.

        Raises:
            RootSecretReplaced: the patient has another root secret now.
        """
        self._current(consent)
        return consent.keyrings.own[self._first(consent)]

    # --- private ----------------------------------------------------------------------------------------------------

    def _first(self, consent: Consent) -> int:
        """Which of the patient's own keyrings is the first of this root secret, which is the present one."""
        keyrings = consent.keyrings
        return bisect_left(keyrings.own, True, key=lambda entry: self._is_mine(keyrings.read(entry)))

    def _current(self, consent: Consent) -> Keyring:
        """The patient's latest keyring, if it belongs to this root secret."""
        latest = consent.keyrings.latest_by_patient()[1]
        if not self._is_mine(latest):
            raise RootSecretReplaced("the patient's keyring belongs to another root secret than this one")
        return latest

    def _walk_back(self, consent: Consent, epoch: EpochId) -> None:
        """Keep the keys of all epochs of a compartment that this root's first keyring leads back to."""
        self._current(consent)
        keyrings = consent.keyrings
        for entry in keyrings.own[self._first(consent) :]:
            if entry.compartments >> epoch.compartment & 1:
                opened = self._open(keyrings.read(entry)).epochs
                break
        else:
            return
        start = max(known for known in opened if known.compartment == epoch.compartment)
        try:
            for reached, keys in walk_back(consent.place, keyrings, start, opened[start]):
                self._keep(keyrings, {reached: keys})
        except KeyringMismatch:
            if keyrings[epoch].public_key not in self._opened:
                raise

    def _keep(self, published: Mapping[EpochId, Epoch], opened: Mapping[EpochId, EpochKeys]) -> None:
        for epoch, keys in opened.items():
            self._opened[published[epoch].public_key] = keys

    def _is_mine(self, published: Keyring) -> bool:
        known = (published.suite.number, published.place)
        if known not in self._public_keys:
            self._public_keys[known] = published.suite.public_key(self._seed(published))
        return hmac.compare_digest(self._public_keys[known], published.root_public_key)

    def _open(self, published: Keyring) -> keyring.RootKeys:
        return keyring.open_as_root(published, self._seed(published))

    def _seed(self, published: Keyring) -> KemSeed:
        return self._root.root_key(published.suite.number, published.place)

    def _inbox(self, place: Place, number: int, suite: Suite) -> Inbox:
        return Inbox(number, suite.public_key(self._root.inbox_key(suite.number, place, number)))


def _inbox_number(published: Keyring) -> int:
    assert published.inbox is not None  # noqa: S101 - it is of a keyring that the patient published
    return published.inbox.number
