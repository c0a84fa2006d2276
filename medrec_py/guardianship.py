"""Guardians: m of n restore a patient's root secret on a new device, and fewer learn nothing.

The patient deals out shares, sealed to the guardians' published keys. The new device makes a request, and reads its
fingerprint out to the guardians; each holds its share against the request and seals it to the new device. Nothing of
this is on the chain or costs ether, but the guardians' profiles, which have to be there before.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from medrec_py.chain.types import address_bytes
from medrec_py.crypto import recovery, share_seal, shares
from medrec_py.crypto.keyring import Keyring
from medrec_py.crypto.keys import KemSeed, RootSecret
from medrec_py.crypto.shares import Share
from medrec_py.errors import InvalidInput, RootMismatch
from medrec_py.keyrings import Keyrings
from medrec_py.ledger import Ledger
from medrec_py.party import Account, address_of


@dataclass(frozen=True, slots=True)
class GuardianShare:
    """A share that is sealed to its guardian, to be handed over as a file or by a store.

    Attributes:
        guardian: Whom it is for, EIP-55.
        name: As the guardian's profile has it; may be empty.
        set_id: Of the set that it belongs to, 16 bytes.
        block: About 1.7 kB, which say neither whose share nor whose guardian it is.
    """

    guardian: str
    name: str
    set_id: bytes
    block: bytes = field(repr=False)


def make_shares(
    ledger: Ledger, patient: str, root: RootSecret, threshold: int, guardians: Iterable[Account]
) -> list[GuardianShare]:
    """Deal out a patient's root secret.

    Args:
        ledger: Chain and store.
        patient: Patient id, EIP-55.
        root: The patient's root secret.
        threshold: How many of the guardians restore it together, from 2.
        guardians: At most 16, each with a published profile.

    Raises:
        ProfileNotFound: a guardian has published no key.
        RootMismatch: the secret is not the patient's, or not any longer.
        InvalidInput: somebody is there twice, or is the patient, or the numbers cannot be used.
    """
    place = ledger.place(patient)
    check_root(ledger.consent(patient).keyrings, root)
    addresses = [address_of(guardian) for guardian in guardians]
    if patient in addresses:
        raise InvalidInput(f"{patient} cannot guard their own secret: what opens the share would be lost with it")
    dealt = shares.split(root, place, [address_bytes(address) for address in addresses], threshold, ledger.now())
    return [_for_guardian(ledger, address, share) for address, share in zip(addresses, dealt, strict=True)]


def open_share(block: bytes, guardian: Account, root: RootSecret) -> Share:
    """A share that was sealed to a guardian, in whichever of its profile's keys. Needs neither chain nor store.

    Args:
        block: From the patient.
        guardian: Who opens it.
        root: The guardian's own root secret.

    Raises:
        WrongKey: it is sealed to somebody else, or was changed.
        FormatError: it is no share.
        KeyringMismatch: it was dealt out to another guardian.
    """
    sealed = share_seal.parse(block)
    account = address_bytes(address_of(guardian))
    return sealed.open(account, root.profile_key(sealed.suite.number, sealed.deployment, account, sealed.number))


def hand_over_share(share: Share, request: bytes, fingerprint: str) -> bytes:
    """Seal a guardian's share to the patient's new device.

    Warning: whoever made the request gets the share. Have the fingerprint read out by the patient, in person or on the
        telephone, and make sure that it is the patient who reads.

    Args:
        share: Of the patient whom the request names.
        request: From the new device.
        fingerprint: What the patient read out.

    Raises:
        FingerprintMismatch: the request has another fingerprint: it may be somebody else's.
        ShareOfAnotherPatient: the share is not of the patient whom the request names.
        FormatError: it is no request.
    """
    parsed = recovery.parse_request(request)
    parsed.check_fingerprint(fingerprint)
    return recovery.hand_over(share, parsed)


class Recovery:
    """A recovery that has begun on a new device. ``Network.recovery`` makes it.

    Args:
        ledger: Chain and store.
        patient: Patient id, EIP-55.
        seed: Of the request's key, which was made for this recovery alone. Secret: keep it until the shares have come.
    """

    def __init__(self, ledger: Ledger, patient: str, seed: KemSeed) -> None:
        self._ledger = ledger
        self._request = recovery.Request.make(ledger.place(patient), seed, ledger.suite)
        self.patient = patient
        self.seed = seed

    @property
    def request(self) -> bytes:
        """What the guardians are sent. Holds no secret, and proves nothing by itself."""
        return self._request.to_bytes()

    @property
    def fingerprint(self) -> str:
        """24 digits of the request, for the person to read out to the guardians."""
        return self._request.fingerprint()

    def receive(self, block: bytes) -> Share:
        """Open a share that a guardian handed over.

        Raises:
            KeyringMismatch: it answers another request.
            WrongKey, FormatError: it was changed, or is no share.
        """
        return recovery.receive(block, self._request, self.seed)

    def restore(self, received: Sequence[Share]) -> RootSecret:
        """The root secret of enough shares, held against the keyring that the chain names.

        Args:
            received: Shares of one set.

        Raises:
            SharesUnusable: they are too few, of several sets, repeated, another patient's; or they are of a root
                secret that the patient has changed since (``RootMismatch``).
            SharesContradict: they do not fit together.
            HistoryMismatch, StorageError: the keyring cannot be had.
        """
        root = shares.combine(self._ledger.place(self.patient), received)
        check_root(self._ledger.consent(self.patient).keyrings, root)
        return root

    def __repr__(self) -> str:
        return f"<Recovery of {self.patient}>"


def check_root(keyrings: Keyrings, root: RootSecret) -> None:
    """Make sure that a root secret is the one that the patient's latest keyring is sealed to.

    Raises:
        RootMismatch: it is not.
        KeysMissing: the patient has published no keyring.
    """
    latest, published = keyrings.latest_by_patient()
    if _is_sealed_to(published, root):
        return
    earlier = any(_is_sealed_to(keyrings.read(entry), root) for entry in reversed(keyrings.own) if entry != latest)
    patient = f"patient 0x{keyrings.place.patient.hex()}"
    raise RootMismatch(
        f"this is an earlier root secret of {patient}, which was changed since"
        if earlier
        else f"this is not the root secret of {patient}"
    )


def _is_sealed_to(published: Keyring, root: RootSecret) -> bool:
    suite = published.suite
    return suite.public_key(root.root_key(suite.number, published.place)) == published.root_public_key


def _for_guardian(ledger: Ledger, address: str, share: Share) -> GuardianShare:
    profile = ledger.profile(address)
    block = share_seal.build(share, ledger.key_of(address), profile.number, profile.suite)
    return GuardianShare(address, profile.name, share.set_id, block)
