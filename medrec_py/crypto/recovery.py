"""What goes to and fro when a patient is restored: a request, and shares in answer (docs/format.md §11).

The new device's request has a key that was made for it alone. Nobody signs it, since the device has nothing to sign
with: a guardian compares its fingerprint with the one that the person reads out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from medrec_py.crypto import cbor, padding
from medrec_py.crypto.blocks import check_size
from medrec_py.crypto.fingerprint import Fingerprinted
from medrec_py.crypto.keys import ADDRESS_SIZE, KemSeed, Place, context
from medrec_py.crypto.share_seal import deployment_of
from medrec_py.crypto.shares import Share
from medrec_py.crypto.suites import Sealed, Suite, by_number
from medrec_py.errors import FormatError, KeyringMismatch, ShareOfAnotherPatient

VERSION = 1

_INFO = "medrec/1/handed-over-share"
_DIGEST_SIZE = 32
_REQUEST_KEYS = ("v", "suite", "chain", "contract", "patient", "key")
_HANDED_OVER_KEYS = ("v", "suite", "request", "enc", "ciphertext")


@dataclass(frozen=True, slots=True)
class Request(Fingerprinted):
    """A new device's request for the shares of a patient.

    Attributes:
        suite: Of its key.
        place: Chain, contract and patient.
        public_key: What shares are sealed to.
    """

    purpose: ClassVar[bytes] = b"medrec/1/recovery-fingerprint"

    suite: Suite
    place: Place
    public_key: bytes = field(repr=False)

    @classmethod
    def make(cls, place: Place, seed: KemSeed, suite: Suite) -> Request:
        """The request of a new device.

        Args:
            place: Chain, contract and patient.
            seed: Made for this request, and kept on the device until it is restored.
            suite: Of the key.
        """
        return cls(suite, place, suite.public_key(seed))

    def to_bytes(self) -> bytes:
        """The block."""
        chain_id, contract, patient = self.place
        return cbor.encode(
            {
                "v": VERSION,
                "suite": self.suite.number,
                "chain": chain_id,
                "contract": contract,
                "patient": patient,
                "key": self.public_key,
            }
        )


def parse_request(block: bytes) -> Request:
    """Read a request. Only its fingerprint tells whose it is.

    Raises:
        FormatError: it is none of this version, or nothing can be sealed to its key.
        UnknownSuite: its key is of a suite that this version does not have.
    """
    fields = cbor.Fields(cbor.decode(check_size(block, "the request")), "the request", _REQUEST_KEYS)
    if fields.uint("v") != VERSION:
        raise FormatError("a request for recovery of another version")
    suite = by_number(fields.uint("suite"))
    public_key = fields.octets("key", suite.public_key_size)
    suite.check_public_key(public_key)
    deployment = deployment_of(fields)
    place = Place(deployment.chain_id, deployment.contract, fields.octets("patient", ADDRESS_SIZE))
    return Request(suite, place, public_key)


def hand_over(share: Share, request: Request) -> bytes:
    """Seal a guardian's share to a new device, whose request was compared with the person's fingerprint.

    Raises:
        ShareOfAnotherPatient: the request is for another patient, chain or contract.
    """
    if share.place != request.place:
        raise ShareOfAnotherPatient(
            f"the share is of patient 0x{share.place.patient.hex()}, and the request for "
            f"0x{request.place.patient.hex()} on chain {request.place.chain_id}"
        )
    sealed = request.suite.seal(request.public_key, _info(request), padding.pad(share.to_bytes()))
    return cbor.encode(
        {
            "v": VERSION,
            "suite": request.suite.number,
            "request": request.digest(),
            "enc": sealed.enc,
            "ciphertext": sealed.ciphertext,
        }
    )


def receive(block: bytes, request: Request, seed: KemSeed) -> Share:
    """Open a share that was handed over.

    Args:
        block: From the guardian.
        request: What this device asked for.
        seed: Of the request's key.

    Raises:
        FormatError, ShareDamaged: the block or the share in it has the wrong form.
        UnknownSuite: it is sealed by a suite that this version does not have.
        KeyringMismatch: it answers another request.
        WrongKey: it was changed.
    """
    what = "the share that was handed over"
    fields = cbor.Fields(cbor.decode(check_size(block, what)), what, _HANDED_OVER_KEYS)
    if fields.uint("v") != VERSION:
        raise FormatError("a share that was handed over, of another version")
    suite = by_number(fields.uint("suite"))
    if fields.octets("request", _DIGEST_SIZE) != request.digest() or suite.number != request.suite.number:
        raise KeyringMismatch("the share was handed over for another request than this device's")
    sealed = Sealed(fields.octets("enc", suite.enc_size), fields.octets("ciphertext"))
    return Share.from_bytes(padding.unpad(suite.open(seed, _info(request), sealed)), request.place)


def _info(request: Request) -> bytes:
    return context(_INFO, request.suite.number, *request.place, request.digest())
