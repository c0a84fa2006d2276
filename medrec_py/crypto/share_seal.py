"""A share sealed to its guardian's published key (docs/format.md §11).

In the clear it says nothing but which key of which deployment opens it: neither whose share it is nor whose guardian
somebody is. All of that is sealed with the words.
"""

from __future__ import annotations

from dataclasses import dataclass

from medrec_py.crypto import cbor, padding
from medrec_py.crypto.blocks import check_size
from medrec_py.crypto.keys import ADDRESS_SIZE, Deployment, KemSeed, check_uint, context
from medrec_py.crypto.shares import Share
from medrec_py.crypto.suites import Sealed, Suite, by_number
from medrec_py.errors import FormatError, KeyringMismatch

VERSION = 1

_INFO = "medrec/1/guardian-share"
_KEYS = ("v", "suite", "chain", "contract", "number", "enc", "ciphertext")
_MAX_NUMBER = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class SealedShare:
    """A share that has the right form and is not opened yet.

    Attributes:
        suite: By which it is sealed.
        deployment: Chain and contract.
        number: Of the guardian's profile key that opens it.
        sealed: Everything else.
    """

    suite: Suite
    deployment: Deployment
    number: int
    sealed: Sealed

    def open(self, guardian: bytes, seed: KemSeed) -> Share:
        """The share.

        Args:
            guardian: Who opens it, an address of 20 bytes.
            seed: Of the guardian's profile key ``number``.

        Raises:
            WrongKey: it is sealed to somebody else, or was changed.
            FormatError, ShareDamaged: what is sealed is no share.
            KeyringMismatch: it was dealt out to another guardian, who passed it on.
        """
        opened = self.suite.open(seed, _info(self.suite, self.deployment, guardian, self.number), self.sealed)
        share = Share.from_bytes(padding.unpad(opened), self.deployment)
        if share.guardian != guardian:
            raise KeyringMismatch(f"the share was dealt out to another guardian, 0x{share.guardian.hex()}")
        return share


def build(share: Share, public_key: bytes, number: int, suite: Suite) -> bytes:
    """Seal a share to its guardian.

    Args:
        share: Of the set.
        public_key: From the guardian's verified profile.
        number: Of that key, from there too.
        suite: Of the key.

    Raises:
        InvalidInput: the number is out of bounds.
        FormatError: nothing can be sealed to the public key.
    """
    check_uint(number, "the number of the profile key", _MAX_NUMBER)
    place = share.place
    sealed = suite.seal(public_key, _info(suite, place, share.guardian, number), padding.pad(share.to_bytes()))
    block = cbor.encode(
        {
            "v": VERSION,
            "suite": suite.number,
            "chain": place.chain_id,
            "contract": place.contract,
            "number": number,
            "enc": sealed.enc,
            "ciphertext": sealed.ciphertext,
        }
    )
    return check_size(block, "the sealed share")


def parse(block: bytes) -> SealedShare:
    """Read the block that `build` made.

    Raises:
        FormatError: it is none of this version.
        UnknownSuite: it is sealed by a suite that this version does not have.
    """
    fields = cbor.Fields(cbor.decode(check_size(block, "the sealed share")), "the sealed share", _KEYS)
    if fields.uint("v") != VERSION:
        raise FormatError("a sealed share of another version")
    suite = by_number(fields.uint("suite"))
    return SealedShare(
        suite=suite,
        deployment=deployment_of(fields),
        number=fields.uint("number", _MAX_NUMBER),
        sealed=Sealed(fields.octets("enc", suite.enc_size), fields.octets("ciphertext")),
    )


def deployment_of(fields: cbor.Fields) -> Deployment:
    """Chain and contract of a block.

    Raises:
        FormatError: they are none.
    """
    chain_id = fields.uint("chain")
    if not chain_id:
        raise FormatError("a chain id of zero")
    return Deployment(chain_id, fields.octets("contract", ADDRESS_SIZE))


def _info(suite: Suite, deployment: Deployment, guardian: bytes, number: int) -> bytes:
    return context(_INFO, suite.number, deployment.chain_id, deployment.contract, guardian, number)
