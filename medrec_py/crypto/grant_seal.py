"""A grant's seal: the keys that come with a permission, one block for a history of any length (docs/format.md §7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medrec_py.crypto import cbor, padding
from medrec_py.crypto.blocks import check_size
from medrec_py.crypto.epochs import check_epoch_id, check_names, keys_row, parse_epoch_id, parse_keys, parse_names
from medrec_py.crypto.keys import ADDRESS_SIZE, EpochId, EpochKeys, Place, check_uint, context
from medrec_py.crypto.keys import check_size as check_input
from medrec_py.crypto.suites import PrivateKey, Sealed, Suite, by_number
from medrec_py.errors import FormatError, InvalidInput, KeyringMismatch

VERSION = 1
MAX_VERSION = (1 << 24) - 1

_GRANT = "medrec/1/grant"
_KEYS = ("v", "suite", "chain", "contract", "patient", "grantee", "version", "enc", "ciphertext")


@dataclass(frozen=True, slots=True)
class GrantedKeys:
    """What a grant's seal holds.

    Attributes:
        epochs: Keys by epoch; none in a grant to append alone, and no history keys without HISTORY. Hold each against
            the published epoch with ``epochs.check_keys`` before you rely on it.
        names: Number → name of the compartments granted.
    """

    epochs: Mapping[EpochId, EpochKeys]
    names: Mapping[int, str] = field(repr=False)


def build(
    place: Place,
    grantee: bytes,
    version: int,
    public_key: bytes,
    keys: GrantedKeys,
    *,
    suite: Suite,
) -> bytes:
    """Seal keys to a grantee; the SHA-256 of the block goes into the grant.

    Args:
        place: Chain, contract and patient.
        grantee: Address, 20 bytes.
        version: Of the permission that the grant creates.
        public_key: From the grantee's verified profile.
        keys: What the permission opens.
        suite: Of the grantee's key.

    Raises:
        InvalidInput: a value is out of bounds, or there are neither keys nor names.
        FormatError: nothing can be sealed to the public key.
    """
    check_input(grantee, ADDRESS_SIZE, "the grantee's address")
    check_uint(version, "the permission's version", MAX_VERSION)
    if not keys.epochs and not keys.names:
        raise InvalidInput("a grant's seal holds keys, or names at least")
    rows = [[*check_epoch_id(epoch), *keys_row(keys.epochs[epoch])] for epoch in sorted(keys.epochs)]
    document = {"epochs": rows, "names": check_names(keys.names)}
    sealed = suite.seal(public_key, _info(suite, place, grantee, version), padding.pad(cbor.encode(document)))
    block = cbor.encode(
        {
            "v": VERSION,
            "suite": suite.number,
            "chain": place.chain_id,
            "contract": place.contract,
            "patient": place.patient,
            "grantee": grantee,
            "version": version,
            "enc": sealed.enc,
            "ciphertext": sealed.ciphertext,
        }
    )
    return check_size(block, "the grant's seal")


def suite_of(block: bytes) -> Suite:
    """The suite of the key that a grant's seal was sealed to.

    Raises:
        FormatError: the block is no grant's seal of this version.
        UnknownSuite: it is sealed by a suite that this version does not have.
    """
    return by_number(_fields(block).uint("suite"))


def open_seal(block: bytes, place: Place, grantee: bytes, version: int, key: PrivateKey) -> GrantedKeys:
    """Open the seal that came with a grant.

    Args:
        block: Whose digest stands in the grant.
        place: Chain, contract and patient of the grant.
        grantee: Address, 20 bytes.
        version: Of the permission that the grant created.
        key: The grantee's profile key.

    Raises:
        FormatError: the block, or what is sealed in it, has the wrong form.
        UnknownSuite: it is sealed by a suite that this version does not have.
        KeyringMismatch: it was made for another grant.
        WrongKey: it is sealed to another key of the grantee's, or was changed.
    """
    fields = _fields(block)
    suite = by_number(fields.uint("suite"))
    _check_grant(fields, place, grantee, version)
    sealed = Sealed(fields.octets("enc", suite.enc_size), fields.octets("ciphertext"))
    return _parse_document(padding.unpad(key.open(suite, _info(suite, place, grantee, version), sealed)))


def _fields(block: bytes) -> cbor.Fields:
    fields = cbor.Fields(cbor.decode(block), "the grant's seal", _KEYS)
    if fields.uint("v") != VERSION:
        raise FormatError("a grant's seal of another version")
    return fields


def _info(suite: Suite, place: Place, grantee: bytes, version: int) -> bytes:
    return context(_GRANT, suite.number, *place, grantee, version)


def _check_grant(fields: cbor.Fields, place: Place, grantee: bytes, version: int) -> None:
    there = (
        fields.uint("chain"),
        fields.octets("contract", ADDRESS_SIZE),
        fields.octets("patient", ADDRESS_SIZE),
        fields.octets("grantee", ADDRESS_SIZE),
        fields.uint("version", MAX_VERSION),
    )
    if there != (*place, grantee, version):
        raise KeyringMismatch("the seal was made for another grant")


def _parse_document(document: bytes) -> GrantedKeys:
    what = "the grant's seal"
    fields = cbor.Fields(cbor.decode(document), what, ("epochs", "names"))
    rows = [cbor.array(row, "an epoch of the grant", 4) for row in fields.array("epochs")]
    ids = [parse_epoch_id(row[0], row[1], what) for row in rows]
    if ids != sorted(set(ids)):
        raise FormatError("the epochs of a grant's seal are not in ascending order")
    keys = [parse_keys(row[2], row[3], what) for row in rows]
    return GrantedKeys(dict(zip(ids, keys, strict=True)), parse_names(fields.value("names"), what))
