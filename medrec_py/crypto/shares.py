"""Shares of the root secret: m of n restore it, and fewer say nothing about it (docs/format.md §11; SLIP-39).

What is shared is the root secret, not the phrase that it came from: m guardians together can read the record, and
sign nothing. Share and set are SLIP-39's; whose they are, and which belong together, stands beside the words.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final, TypeAlias

import shamir_mnemonic
from shamir_mnemonic.utils import MnemonicError

from medrec_py.crypto import cbor
from medrec_py.crypto.keys import ADDRESS_SIZE, SECRET_SIZE, Deployment, Place, RootSecret, check_size, check_uint
from medrec_py.errors import (
    InvalidInput,
    ShareDamaged,
    ShareOfAnotherPatient,
    ShareRepeated,
    SharesContradict,
    SharesOfSeveralSets,
    TooFewShares,
)

MIN_THRESHOLD: Final = 2
"""With a threshold of one each guardian has the secret itself; SLIP-39 does not share so."""
MAX_SHARES: Final = 16
SET_ID_SIZE: Final = 16

_ITERATION_EXPONENT = 0  # stretches SLIP-39's passphrase, and there is none
_MAX_WORDS_SIZE = 512
_KEYS = ("patient", "guardian", "set", "count", "time", "words")

_Slip39: TypeAlias = shamir_mnemonic.Share


@dataclass(frozen=True, slots=True)
class Share:
    """One guardian's share, with what it belongs to.

    Attributes:
        place: Chain, contract and patient.
        guardian: Whom it was given, an address of 20 bytes.
        set_id: Of the set that it can be combined in, 16 random bytes.
        count: Of the shares in the set.
        time: When the set was made, Unix time.
        words: The 33 words of SLIP-39. Secret.

    Raises:
        InvalidInput: a value is out of bounds.
        ShareDamaged: the words are no share, or no share of such a set.
    """

    place: Place
    guardian: bytes
    set_id: bytes
    count: int
    time: int
    words: str = field(repr=False)

    def __post_init__(self) -> None:
        check_size(self.guardian, ADDRESS_SIZE, "the guardian's address")
        check_size(self.set_id, SET_ID_SIZE, "the id of a set of shares")
        check_uint(self.count, "the number of shares in a set", MAX_SHARES, MIN_THRESHOLD)
        check_uint(self.time, "the time of a set of shares")
        share = _parse(self.words)
        if share is None or not self._is_of_this_form(share):
            raise ShareDamaged(f"the words of the share of 0x{self.guardian.hex()} are not a share of such a set")

    @property
    def threshold(self) -> int:
        """How many shares of the set restore the secret."""
        return int(self._parsed().member_threshold)

    @property
    def index(self) -> int:
        """Of the share in its set, from 0."""
        return int(self._parsed().index)

    @property
    def identifier(self) -> int:
        """Of the set by SLIP-39: 15 random bits, which other programs go by."""
        return int(self._parsed().identifier)

    @property
    def set_name(self) -> str:
        """The set for people: the beginning of its id."""
        return self.set_id[:4].hex()

    def to_bytes(self) -> bytes:
        """What is sealed: the CBOR map of §11. Chain and contract stand beside it, where it is sealed."""
        return cbor.encode(
            {
                "patient": self.place.patient,
                "guardian": self.guardian,
                "set": self.set_id,
                "count": self.count,
                "time": self.time,
                "words": self.words,
            }
        )

    @classmethod
    def from_bytes(cls, document: bytes, deployment: Deployment) -> Share:
        """Read what `to_bytes` wrote.

        Raises:
            FormatError: the document has another form.
            ShareDamaged: its words are no share.
        """
        fields = cbor.Fields(cbor.decode(document), "the share", _KEYS)
        count = fields.uint("count", MAX_SHARES)
        if count < MIN_THRESHOLD:
            raise ShareDamaged(f"a set of {count} shares")
        return cls(
            place=Place(deployment.chain_id, deployment.contract, fields.octets("patient", ADDRESS_SIZE)),
            guardian=fields.octets("guardian", ADDRESS_SIZE),
            set_id=fields.octets("set", SET_ID_SIZE),
            count=count,
            time=fields.uint("time"),
            words=fields.text("words"),
        )

    def _parsed(self) -> _Slip39:
        share = _parse(self.words)
        assert share is not None  # noqa: S101 - they were parsed before
        return share

    def _is_of_this_form(self, share: _Slip39) -> bool:
        """One group, 32 bytes, no passphrase to stretch, a place in a set of that size, and written in one way."""
        return (
            (share.group_index, share.group_threshold, share.group_count) == (0, 1, 1)
            and (share.extendable, share.iteration_exponent, len(share.value)) == (True, _ITERATION_EXPONENT, 32)
            and MIN_THRESHOLD <= share.member_threshold <= self.count
            and share.index < self.count
            and share.mnemonic() == self.words
        )


def split(root: RootSecret, place: Place, guardians: Sequence[bytes], threshold: int, time: int) -> list[Share]:
    """Deal out a root secret.

    Args:
        root: The secret.
        place: Chain, contract and patient.
        guardians: Their addresses, 20 bytes each: one share for each, in this order.
        threshold: How many of them restore it together, from 2.
        time: Unix time.

    Raises:
        InvalidInput: somebody is there twice, or the numbers cannot be used.
    """
    check_uint(len(guardians), "the number of guardians", MAX_SHARES, MIN_THRESHOLD)
    check_uint(threshold, "the number of guardians who restore a record together", len(guardians), MIN_THRESHOLD)
    if len(set(guardians)) != len(guardians):
        raise InvalidInput("a guardian is named twice: each has one share")
    set_id = secrets.token_bytes(SET_ID_SIZE)
    (dealt,) = shamir_mnemonic.generate_mnemonics(
        1, [(threshold, len(guardians))], root.expose(), iteration_exponent=_ITERATION_EXPONENT
    )
    return [
        Share(place, guardian, set_id, len(guardians), time, words)
        for guardian, words in zip(guardians, dealt, strict=True)
    ]


def combine(place: Place, shares: Sequence[Share]) -> RootSecret:
    """The root secret of enough shares of one set.

    Where there are more than enough, those that fit together are found: a guardian who hands over a forged share keeps
    the others from nothing.

    Warning: what comes out is what was dealt out. Hold it against the patient's keyring before you rely on it.

    Args:
        place: Chain, contract and patient that are to be restored.
        shares: In any order.

    Raises:
        ShareOfAnotherPatient, SharesOfSeveralSets, ShareRepeated, TooFewShares: as they say.
        SharesContradict: the shares do not fit together.
    """
    if not shares:
        raise TooFewShares("there is no share")
    _check_place(place, shares)
    _check_one_set(shares)
    _check_distinct(shares)
    threshold = shares[0].threshold
    if len(shares) < threshold:
        raise TooFewShares(
            f"{threshold} shares of the set {shares[0].set_name} restore it, and {len(shares)} of them can be used here"
        )
    for some in combinations(shares, threshold):
        secret = _recover([share.words for share in some])
        if secret is not None:
            return RootSecret(secret)
    raise SharesContradict(f"the shares of the set {shares[0].set_name} do not fit together: {_guardians(shares)}")


def _check_place(place: Place, shares: Sequence[Share]) -> None:
    strangers = [share for share in shares if share.place != place]
    if strangers:
        theirs = strangers[0].place
        raise ShareOfAnotherPatient(
            f"not of patient 0x{place.patient.hex()} on chain {place.chain_id}, contract 0x{place.contract.hex()}: "
            f"the shares of {_guardians(strangers)}, of patient 0x{theirs.patient.hex()} on chain {theirs.chain_id}, "
            f"contract 0x{theirs.contract.hex()}"
        )


def _check_one_set(shares: Sequence[Share]) -> None:
    sets: dict[tuple[bytes, int, int, int], list[Share]] = {}
    for share in shares:
        sets.setdefault((share.set_id, share.identifier, share.threshold, share.count), []).append(share)
    if len(sets) > 1:
        parts = [
            f"{of[0].set_name} ({of[0].threshold} of {of[0].count}): {_guardians(of)}"
            for of in sorted(sets.values(), key=lambda of: -of[0].time)
        ]
        raise SharesOfSeveralSets(f"the shares come from {len(sets)} sets, the latest first: {'; '.join(parts)}")


def _check_distinct(shares: Sequence[Share]) -> None:
    places: Mapping[int, list[Share]] = {share.index: [] for share in shares}
    for share in shares:
        places[share.index].append(share)
    for same in places.values():
        if len({share.words for share in same}) < len(same):
            raise ShareRepeated(f"share {same[0].index + 1} is there {len(same)} times: {_guardians(same)}")


def _guardians(shares: Iterable[Share]) -> str:
    return ", ".join(f"0x{share.guardian.hex()}" for share in shares)


# These return nothing in place of raising: the library's errors show words, and an exception that is being handled
# stays attached to one that is raised from there.


def _parse(words: str) -> _Slip39 | None:
    if len(words) > _MAX_WORDS_SIZE:
        return None
    try:
        return shamir_mnemonic.Share.from_mnemonic(words)
    except MnemonicError:
        return None


def _recover(words: Sequence[str]) -> bytes | None:
    try:
        secret: bytes = shamir_mnemonic.combine_mnemonics(words)
    except MnemonicError:
        return None
    return secret if len(secret) == SECRET_SIZE else None
