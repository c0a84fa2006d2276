"""The block that says who a patient's guardians are, sealed to the patient's root key (docs/format.md §13).

The chain has no more than a hash of each set. Whoever has the root secret finds the sets here: a new device to ask the
guardians, and any device of the patient's to change them, since a change has to show the delay of the set before.
"""

from __future__ import annotations

from collections.abc import Sequence

from medrec_py.crypto import cbor, padding
from medrec_py.crypto.blocks import check_size
from medrec_py.crypto.guardian_set import GuardianSet
from medrec_py.crypto.keys import Place, RootSecret, context
from medrec_py.crypto.suites import Sealed, Suite, by_number
from medrec_py.errors import FormatError

VERSION = 1
MAX_SETS = 2
"""The set that counts now, and the one that will."""

_INFO = "medrec/1/guardian-document"
_KEYS = ("v", "suite", "enc", "ciphertext")


def seal(sets: Sequence[GuardianSet], place: Place, public_key: bytes, suite: Suite) -> bytes:
    """The block.

    Args:
        sets: The one that counts, if there is one, and the one that will.
        place: Chain, contract and patient.
        public_key: The patient's root public key of the suite.
        suite: By which it is sealed.
    """
    content = padding.pad(cbor.encode([one.to_bytes() for one in sets]))
    sealed = suite.seal(public_key, _info(suite, place), content)
    return cbor.encode({"v": VERSION, "suite": suite.number, "enc": sealed.enc, "ciphertext": sealed.ciphertext})


def open_sets(block: bytes, place: Place, root: RootSecret) -> tuple[GuardianSet, ...]:
    """The sets in a block. Hold them against what stands on the chain.

    Raises:
        FormatError: it is no such block of this version, or what is sealed in it is none.
        UnknownSuite: it is sealed by a suite that this version does not have.
        WrongKey: another root secret opens it, or it was changed.
    """
    what = "the block of the guardians"
    fields = cbor.Fields(cbor.decode(check_size(block, what)), what, _KEYS)
    if fields.uint("v") != VERSION:
        raise FormatError(f"{what} is of another version")
    suite = by_number(fields.uint("suite"))
    sealed = Sealed(fields.octets("enc", suite.enc_size), fields.octets("ciphertext"))
    content = padding.unpad(suite.open(root.root_key(suite.number, place), _info(suite, place), sealed))
    sets = cbor.array(cbor.decode(content), "the sets of guardians")
    if not 0 < len(sets) <= MAX_SETS:
        raise FormatError(f"{what} has {len(sets)} sets")
    return tuple(GuardianSet.from_bytes(cbor.octets(one, "a set of guardians")) for one in sets)


def _info(suite: Suite, place: Place) -> bytes:
    return context(_INFO, suite.number, *place)
