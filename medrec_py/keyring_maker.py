"""Making a patient's keyrings: who holds them, which epochs begin when, and their blocks in the store."""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from medrec_py import rotation
from medrec_py.chain.transactions import Call
from medrec_py.chain.types import address_of as checksum
from medrec_py.consent import Consent, Grant
from medrec_py.crypto import new_keyring
from medrec_py.crypto.keyring import Inbox
from medrec_py.crypto.keys import EpochId, EpochKeys
from medrec_py.crypto.new_keyring import NewKeyring
from medrec_py.crypto.suites import Suite
from medrec_py.errors import ChainError, MedRecError, StoreTimeout, SuiteDowngrade
from medrec_py.ledger import Ledger
from medrec_py.root_keys import RootKeys
from medrec_py.rotation import Holder, Rotation


class KeysNotSealed(UserWarning):
    """A reader keeps its permission, and was not given new keys.

    Its profile cannot be read, or its key is of another suite than the deployment's. Renew the permission later.
    """


class KeyringKeys(Protocol):
    """The keys of who makes keyrings: the patient (``RootKeys``) or a representative (``RepresentativeKeys``)."""

    def epoch_keys(self, consent: Consent, epoch: EpochId) -> EpochKeys:
        """The keys of an epoch, with its history key, for the ways back. Raises ``KeyUnavailable``."""
        ...

    def names(self, consent: Consent) -> Mapping[int, str]:
        """Number → name of the compartments that it knows."""
        ...

    def names_to_seal(self, consent: Consent) -> Mapping[int, str]:
        """Number → name of the compartments, as the next keyring has it for the root key."""
        ...

    def root_public_key(self, consent: Consent, suite: Suite) -> bytes:
        """The patient's root public key of a suite. Raises ``KeyUnavailable``."""
        ...

    def inbox(self, consent: Consent, suite: Suite) -> Inbox | None:
        """The inbox that the next keyring names; ``None`` for a representative's."""
        ...


class KeyringMaker:
    """Makes the keyrings of one patient.

    Args:
        ledger: Chain and store.
        patient: Patient id, EIP-55.
        keys: The patient's, or a representative's.
    """

    def __init__(self, ledger: Ledger, patient: str, keys: KeyringKeys) -> None:
        self._ledger = ledger
        self._patient = patient
        self._place = ledger.place(patient)
        self._keys = keys

    def consent(self) -> Consent:
        """What the patient has decided so far, for who is to make new keys.

        Raises:
            SuiteDowngrade: the latest keyring is of a later suite than the deployment as it is known here. A
                deployment file that is out of date, or was edited, must not bring weaker keys back.
        """
        consent, suite = self._ledger.consent(self._patient), self._ledger.suite
        for entry in consent.keyrings.own[-1:]:
            latest = consent.keyrings.read(entry).suite
            if latest.number > suite.number:
                raise SuiteDowngrade(
                    f"the patient's keys are of suite {latest.number}, and the deployment is said to seal by suite "
                    f"{suite.number}"
                )
        return consent

    def holders(
        self, consent: Consent, now: int, without: bytes | None = None, patience: float | None = None
    ) -> list[Holder]:
        """Those who may read now, with their keys. One whose profile cannot be used is left out, with a warning.

        Args:
            consent: The patient's decisions.
            now: Unix time.
            without: A reader who is to lose its permission, 20 bytes.
            patience: Seconds that reading their profiles may take.

        Raises:
            StoreTimeout: reading their profiles takes longer than ``patience``.
        """
        readers = [grant for grant in consent.readers_at(now) if grant.grantee != without]
        masks = self._ledger.readers_at(self._patient, [grant.grantee for grant in readers], now)
        profiles = self._ledger.profile_digests([checksum(grant.grantee) for grant in readers])
        began = time.monotonic()
        holders: list[Holder] = []
        for grant, mask, profile in zip(readers, masks, profiles, strict=True):
            if patience is not None and time.monotonic() - began > patience:
                raise StoreTimeout("the profiles of those who may read take too long to fetch")
            if mask and (holder := self._holder(grant, mask & grant.terms.read, profile)) is not None:
                holders.append(holder)
        return holders

    def plan(
        self,
        consent: Consent,
        holders: Sequence[Holder],
        *,
        rotate: int,
        schedule: int,
        now: int,
        audiences: Mapping[int, Sequence[Collection[bytes]]] = MappingProxyType({}),
        cut: int = 0,
    ) -> Rotation:
        """Plan a keyring; see ``rotation.plan``."""

        def open_keys(epoch: EpochId) -> EpochKeys:
            return self._keys.epoch_keys(consent, epoch)

        begin = min(now, self._ledger.chain.now())  # this machine's clock may be fast, and authors go by theirs
        return rotation.plan(
            consent.keyrings,
            open_keys,
            holders,
            now=now,
            begin=begin,
            rotate=rotate,
            schedule=schedule,
            audiences=audiences,
            cut=cut,
        )

    def call(
        self,
        consent: Consent,
        planned: Rotation,
        holders: Sequence[Holder],
        names: Mapping[int, str] | None = None,
    ) -> Call:
        """Store a keyring, and make the call that publishes it. Raises as ``store``."""
        return self.publish(consent, self.store(consent, planned, holders, names))

    def publish(self, consent: Consent, built: NewKeyring) -> Call:
        """The call that publishes a keyring which is stored."""
        return self._ledger.contract.publish_keyring(
            self._patient,
            keyring_version=consent.keyring_version,
            compartments=built.compartments,
            pointer=built.pointer,
        )

    def store(
        self,
        consent: Consent,
        planned: Rotation,
        holders: Sequence[Holder],
        names: Mapping[int, str] | None = None,
        successor: RootKeys | None = None,
    ) -> NewKeyring:
        """Seal a keyring to those who hold it, store it, read it back.

        Args:
            consent: The patient's decisions.
            planned: From ``plan``.
            holders: Those whom it is sealed to. A new grantee is not among them: it has its keys from the grant's seal.
            names: Number → name of all compartments; as before unless given.
            successor: The patient's keys from now on, where this keyring changes the root secret.

        Raises:
            RootSecretReplaced: the patient has another root secret by now.
            StorageError: the store did not take it.
        """
        suite = self._ledger.suite
        present = self._keys.inbox(consent, suite)
        staying = {holder.address for holder in holders}
        built = new_keyring.build(
            self._place,
            consent.keyring_version,
            epochs=planned.epochs,
            readers=[reader for reader in planned.readers if reader.address in staying],
            root_public_key=(successor or self._keys).root_public_key(consent, suite),
            names=self._keys.names_to_seal(consent) if names is None else names,
            inbox=present if successor is None else successor.inbox_after_change(consent, suite),
            suite=suite,
        )
        for page in built.pages:
            self._ledger.put_block(page)
        self._ledger.put_block(built.block)
        return built

    def _holder(self, grant: Grant, mask: int, profile: bytes) -> Holder | None:
        address = checksum(grant.grantee)
        try:
            public_key = self._ledger.key_named(address, profile)
        except ChainError:
            raise
        except MedRecError as error:
            warnings.warn(f"{address} was given no new keys: {error}", KeysNotSealed, stacklevel=2)
            return None
        return Holder(grant.grantee, public_key, mask, grant.history, grant.terms.expiry)
