"""Opening data keys: the one thing that needs a private key, behind one interface.

A reader's keys are in a module that opens seals with them (``ReaderKeys``), the patient's root secret opens everything
(``medrec_py.root_keys``), and an organisation's keys may stay in a service of its own, which gives out data keys record
by record (``medrec_py.KeyServiceClient``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from medrec_py.consent import Consent
from medrec_py.crypto import envelope as envelopes
from medrec_py.crypto import grant_seal, keyring
from medrec_py.crypto.blocks import fetch_block
from medrec_py.crypto.envelope import Kind, UnverifiedEnvelope
from medrec_py.crypto.epochs import check_keys, walk_back
from medrec_py.crypto.keys import DataKey, Deployment, EpochId, EpochKeys
from medrec_py.errors import InInbox, KeysMissing, KeyUnavailable, WrongKey
from medrec_py.keymodule import KeyId, KeyInModule, KeySession
from medrec_py.purposes import Purpose


class Unsealer(Protocol):
    """Opens data keys for one account."""

    def data_key(self, consent: Consent, envelope: UnverifiedEnvelope, entry: int, purpose: Purpose) -> DataKey:
        """The data key of a record.

        Args:
            consent: What the chain says about the patient's permissions and keyrings.
            envelope: The record's.
            entry: Number of the record's entry, for who gives keys out record by record and keeps an account of it.
            purpose: Why, for the same.

        Raises:
            KeysMissing: no seal for this account holds the key of the record's epoch.
            InInbox: only the patient's root secret opens it.
            IntegrityError: the envelope, a keyring or a seal was altered.
            StorageError: a block cannot be had.
        """

    def names(self, consent: Consent, purpose: Purpose) -> Mapping[int, str]:
        """Number → name of the compartments that this account knows.

        Raises:
            KeysMissing, IntegrityError, StorageError: as ``data_key``.
        """


class ReaderKeys:
    """A reader's keys: its profile keys open grants and keyrings, and those hold the keys of epochs.

    Args:
        module: Has the profile keys: the newest, and earlier ones that older seals were made to.
        deployment: Chain and contract that they are for.
        account: The reader's address, 20 bytes.
    """

    def __init__(self, module: KeySession, deployment: Deployment, account: bytes) -> None:
        self._module = module
        self._deployment = deployment
        self._account = account

    def data_key(
        self,
        consent: Consent,
        envelope: UnverifiedEnvelope,
        entry: int,  # noqa: ARG002 - as Unsealer
        purpose: Purpose,  # noqa: ARG002
    ) -> DataKey:
        """As ``Unsealer``."""
        if envelope.to.kind is Kind.INBOX:
            raise InInbox("the record waits in the patient's inbox: it was written while the keys were changing")
        keys = self.epoch_keys(consent, EpochId(envelope.to.compartment, envelope.to.number))
        return envelopes.open_data_key(envelope, consent.place, keys.seed)

    def epoch_keys(self, consent: Consent, epoch: EpochId) -> EpochKeys:
        """The keys of an epoch, from the latest seal that holds them or leads back to them.

        Raises:
            KeysMissing: none does.
        """
        found = next(self._found(consent, epoch), None)
        if found is None:
            raise KeysMissing(
                f"no seal for {_hex(self._account)} holds epoch {epoch.number} of compartment {epoch.compartment}"
            )
        return found

    def keys_with_history(self, consent: Consent, epoch: EpochId) -> EpochKeys:
        """As ``epoch_keys``, with the history key, which leads back to the epochs before.

        Raises:
            KeysMissing: no seal holds it.
        """
        found = next((keys for keys in self._found(consent, epoch) if keys.history is not None), None)
        if found is None:
            raise KeysMissing(
                f"no seal for {_hex(self._account)} holds the history key of epoch {epoch.number} of compartment "
                f"{epoch.compartment}"
            )
        return found

    def names(self, consent: Consent, purpose: Purpose) -> Mapping[int, str]:  # noqa: ARG002 - as Unsealer
        """The names that came with the latest grant that opens."""
        for grant in reversed(consent.grants_to(self._account)):
            try:
                return self._open_grant(consent, grant.version, grant.seal).names
            except KeyUnavailable:
                continue
        raise KeysMissing(f"no grant's seal opens with the keys of {_hex(self._account)}")

    def _found(self, consent: Consent, epoch: EpochId) -> Iterator[EpochKeys]:
        """The keys of an epoch, as each kind of seal has them."""
        for look in (self._from_publisher, self._from_grants, self._from_later_keyrings):
            found = look(consent, epoch)
            if found is not None:
                yield found

    def _from_publisher(self, consent: Consent, epoch: EpochId) -> EpochKeys | None:
        """From the keyring that published the epoch."""
        _, published = consent.keyrings.publisher(epoch)
        if epoch not in published.holders.get(self._account, ()):
            return None
        return self._open_keyring(consent, published).get(epoch)

    def _from_later_keyrings(self, consent: Consent, epoch: EpochId) -> EpochKeys | None:
        """By the way back from a later keyring, the latest first: a new profile key may open no earlier one."""
        for _, published in consent.keyrings.covering(epoch.compartment):
            if epoch in published.epochs:
                return None  # earlier keyrings cannot know it
            if self._account in published.holders:
                found = self._search(consent, self._open_keyring(consent, published), epoch)
                if found is not None:
                    return found
        return None

    def _from_grants(self, consent: Consent, epoch: EpochId) -> EpochKeys | None:
        """From a grant's seal, the latest first: a renewal need not repeat what an earlier one gave."""
        for grant in reversed(consent.grants_to(self._account)):
            try:
                granted = self._open_grant(consent, grant.version, grant.seal)
            except KeyUnavailable:
                continue
            found = self._search(consent, granted.epochs, epoch)
            if found is not None:
                return found
        return None

    def _search(self, consent: Consent, held: Mapping[EpochId, EpochKeys], epoch: EpochId) -> EpochKeys | None:
        """The keys of an epoch among those held, or by the way back from one of them."""
        if epoch in held:
            return check_keys(consent.keyrings[epoch], held[epoch])
        later = [known for known in held if known.compartment == epoch.compartment and known.number > epoch.number]
        for start in sorted(later, key=lambda known: known.number):
            if held[start].history is None or start not in consent.keyrings:
                continue
            check_keys(consent.keyrings[start], held[start])
            for reached, keys in walk_back(consent.place, consent.keyrings, start, held[start]):
                if reached == epoch:
                    return keys
        return None

    def _open_keyring(self, consent: Consent, published: keyring.Keyring) -> Mapping[EpochId, EpochKeys]:
        for key in self._keys(published.suite.number):
            try:
                return keyring.open_as_reader(published, self._account, key, consent.keyrings.fetch)
            except WrongKey:
                continue
        return {}

    def _open_grant(self, consent: Consent, version: int, seal: bytes) -> grant_seal.GrantedKeys:
        block = fetch_block(consent.keyrings.fetch, seal)
        for key in self._keys(grant_seal.suite_of(block).number):
            try:
                return grant_seal.open_seal(block, consent.place, self._account, version, key)
            except WrongKey:
                continue
        raise WrongKey("the grant's seal does not open: it was sealed to another key, or altered")

    def _keys(self, suite: int) -> Iterator[KeyInModule]:
        """The profile keys of a suite, the newest first."""
        for key in self._module.find(KeyId(suite, self._deployment, self._account)):
            yield KeyInModule(self._module, key)


class NoKeys:
    """Of a principal whose keys are not on this machine: everything is refused.

    Args:
        account: Whose keys are missing, 20 bytes.
    """

    def __init__(self, account: bytes) -> None:
        self._account = account

    def data_key(self, *_: object) -> DataKey:
        """Refuses."""
        raise self._missing()

    def names(self, *_: object) -> Mapping[int, str]:
        """Refuses."""
        raise self._missing()

    def _missing(self) -> KeysMissing:
        return KeysMissing(f"the keys of {_hex(self._account)} are not on this machine")


def _hex(account: bytes) -> str:
    return "0x" + account.hex()
