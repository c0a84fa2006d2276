"""Signed decisions on their way to the chain: what wallets signed, and the blocks that it names (docs/format.md §14).

A *bundle* is what a patient hands to a relayer, writes to a file or shows as QR codes. Whoever has it can send it and
nobody can change it: each decision is covered by its signature, each block by a digest that was signed. It holds no
secret: keys in it are sealed to their readers.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Self

from medrec_py.crypto import untrusted_json
from medrec_py.crypto.blocks import MAX_BLOCK, Fetch, pointer_to
from medrec_py.crypto.decisions import (
    Append,
    ChangeWallet,
    Grant,
    LogAccess,
    PublishKeyring,
    PublishMoved,
    Register,
    Revoke,
    SetGuardians,
    SignedForm,
    StopRecovery,
)
from medrec_py.crypto.guardian_set import GuardianSet
from medrec_py.crypto.keys import Place
from medrec_py.crypto.typed_data import MAX_SIGNATURE_SIZE, CheckContractSignature, is_signed_by
from medrec_py.crypto.wallet_change import WalletChange
from medrec_py.crypto.wallet_recovery import CompleteRecovery, Recover
from medrec_py.errors import FormatError, SignatureMissing

VERSION: Final = 1
MAX_DECISIONS: Final = 100
"""The most decisions of a bundle."""
MAX_BLOCKS: Final = 32
MAX_BLOCKS_SIZE: Final = 8 << 20
"""The most blocks of a bundle, and the most bytes in them: a keyring for thousands of readers has less."""
MAX_BUNDLE: Final = MAX_BLOCKS_SIZE * 4 // 3 + MAX_DECISIONS * (MAX_SIGNATURE_SIZE * 4 + 8192)
"""The longest bundle as JSON, in bytes."""

FORMS: Final[Mapping[str, type[SignedForm]]] = {
    form.struct.name: form
    for form in (
        Register,
        Grant,
        Revoke,
        ChangeWallet,
        PublishKeyring,
        PublishMoved,
        SetGuardians,
        StopRecovery,
        Recover,
        CompleteRecovery,
        Append,
        LogAccess,
    )
}
"""Name of an EIP-712 type → the decision."""

_SIGNERS: Final[Mapping[type[SignedForm], str]] = {Append: "author", LogAccess: "actor"}
_BUNDLE_KEYS: Final = {"v", "decisions", "blocks", "atomic"}
_DECISION_KEYS: Final = {"typedData", "signatures"}


def read_decision(document: Mapping[str, Any]) -> SignedForm:
    """The decision that an EIP-712 document states.

    Raises:
        FormatError: it is none of MedRec's, or is written otherwise than ``SignedForm.typed_data`` writes it.
    """
    form = FORMS.get(name) if isinstance(name := document.get("primaryType"), str) else None
    if form is None:
        raise FormatError("the document is none of the decisions that MedRec knows")
    return form.from_typed_data(document)


def signer_of(decision: SignedForm) -> bytes:
    """Whose decision it is: the address, 20 bytes, that the contract will say it was taken by."""
    if isinstance(decision, Register | CompleteRecovery):
        return decision.place.patient
    signer: bytes = getattr(decision, _SIGNERS.get(type(decision), "signer"))
    return signer


def deadline_of(decision: SignedForm) -> int:
    """Last second at which it counts, Unix time."""
    deadline: int = getattr(decision, "deadline")  # noqa: B009 - every form has one, behind its other members
    return deadline


def blocks_named(decision: SignedForm) -> tuple[bytes, ...]:
    """Pointers, 32 bytes, of the blocks that a decision publishes and that may travel with it.

    Envelopes are not among them: their author stores a record before appending it, and it is nobody else's to hold.
    """
    match decision:
        case Grant():
            named = decision.seal
        case Revoke():
            named = decision.keyring
        case PublishKeyring() | PublishMoved():
            named = decision.pointer
        case SetGuardians():
            named = decision.document
        case _:
            named = b""
    return (named,) if any(named) else ()


@dataclass(frozen=True, slots=True)
class SignedDecision:
    """A decision and its signatures. Whether they are good, only ``verify`` says.

    Attributes:
        decision: What was signed.
        signatures: Of the signer; then, for a registration under another wallet, and for a change of wallet, of that
            wallet; for a recovery, of the new wallet and then of each guardian, empty where it gave none. 65 bytes
            ``r ‖ s ‖ v`` of a key, or what an account with code takes for one.
        guardians: That a recovery shows.

    Raises:
        FormatError: there are too few or too many signatures, or one has an impossible size.
    """

    decision: SignedForm
    signatures: tuple[bytes, ...] = field(repr=False)
    guardians: GuardianSet | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.decision, Recover) != (self.guardians is not None):
            raise FormatError("guardians come with a recovery, and with nothing else")
        if len(self.signatures) != len(self._to_sign()):
            raise FormatError(f"{type(self.decision).__name__} takes {len(self._to_sign())} signatures")
        if any(len(signature) > MAX_SIGNATURE_SIZE for signature in self.signatures):
            raise FormatError(f"a signature has at most {MAX_SIGNATURE_SIZE} bytes")
        needed = self.signatures if self.guardians is None else self.signatures[:1]
        if not all(needed):
            raise FormatError(f"a signature of {type(self.decision).__name__} is empty")

    @property
    def approvals(self) -> Mapping[bytes, bytes]:
        """Guardian, 20 bytes → its signature, of those who gave one."""
        if self.guardians is None:
            return {}
        behind = zip(self.guardians.guardians, self.signatures[1:], strict=True)
        return {guardian: given for guardian, given in behind if given}

    @property
    def is_unanimous(self) -> bool:
        """Whether it is a recovery that all guardians signed, so that nobody stops it."""
        return self.guardians is not None and len(self.approvals) == len(self.guardians.guardians)

    def verify(self, check_contract: CheckContractSignature | None = None) -> None:
        """Check that everybody who has to sign did.

        Args:
            check_contract: Asks an account with code (ERC-1271); without it such signers are refused.

        Raises:
            SignatureMissing: somebody did not.
        """
        for (account, digest), signature in zip(self._to_sign(), self.signatures, strict=True):
            if signature and not is_signed_by(account, digest, signature, check_contract):
                raise SignatureMissing(f"0x{account.hex()} did not sign this {type(self.decision).__name__}")

    def _to_sign(self) -> list[tuple[bytes, bytes]]:
        """Account and digest of each signature."""
        decision = self.decision
        if isinstance(decision, CompleteRecovery):
            return []
        mine = (signer_of(decision), decision.digest())
        if isinstance(decision, Recover):
            guardians = () if self.guardians is None else self.guardians.guardians
            return [mine, *((guardian, replace(decision, signer=guardian).digest()) for guardian in guardians)]
        if isinstance(decision, Register) and decision.wallet != decision.place.patient:
            return [mine, (decision.wallet, mine[1])]
        if isinstance(decision, ChangeWallet):
            consent = WalletChange(decision.place, decision.wallet, decision.decision, decision.deadline)
            return [mine, (decision.wallet, consent.digest())]
        return [mine]


def blocks_reached(decisions: Iterable[SignedDecision], among: Collection[bytes], fetch: Fetch) -> Iterator[bytes]:
    """The blocks that decisions name, and those whose pointers stand in one that is reached, each once.

    Args:
        decisions: Where it begins.
        among: Pointers of the blocks that count.
        fetch: Gives one of them.
    """
    wanted = [pointer for signed in decisions for pointer in blocks_named(signed.decision)]
    missing = set(among)
    while missing and wanted:
        pointer = wanted.pop()
        if pointer in missing:
            missing.remove(pointer)
            block = fetch(pointer)
            yield block
            wanted += [other for other in missing if other in block]


@dataclass(frozen=True)
class Bundle:
    """Signed decisions and blocks.

    Attributes:
        decisions: In the order in which they are carried out.
        blocks: That the decisions name, or that a block among them names; any order.
        atomic: All of them take place together or none does. Else each stands for itself, and a relayer may put others
            between. It is what the sender asks for: nobody can be kept from sending one alone.

    Raises:
        FormatError: there is no decision, they are of several deployments, or a block belongs to none of them.
    """

    decisions: tuple[SignedDecision, ...]
    blocks: tuple[bytes, ...] = field(default=(), repr=False)
    atomic: bool = False

    def __post_init__(self) -> None:
        if not 0 < len(self.decisions) <= MAX_DECISIONS:
            raise FormatError(f"a bundle has between 1 and {MAX_DECISIONS} decisions")
        if len({(place.chain_id, place.contract) for place in self._places()}) > 1:
            raise FormatError("the decisions of a bundle belong to one deployment")
        if len(self.blocks) > MAX_BLOCKS or sum(map(len, self.blocks)) > MAX_BLOCKS_SIZE:
            raise FormatError(f"a bundle has at most {MAX_BLOCKS} blocks of {MAX_BLOCKS_SIZE} bytes together")
        if any(len(block) > MAX_BLOCK for block in self.blocks):
            raise FormatError(f"a block has at most {MAX_BLOCK} bytes")
        self._require_named()

    @cached_property
    def id(self) -> str:
        """What the bundle is called by whoever sends it: SHA-256 of its JSON, 0x and 64 digits."""
        return "0x" + hashlib.sha256(self.to_json()).hexdigest()

    @property
    def place(self) -> Place:
        """Chain, contract, and the patient of the first decision."""
        return self.decisions[0].decision.place

    @property
    def deadline(self) -> int:
        """Last second at which all of it counts, Unix time."""
        return min(deadline_of(signed.decision) for signed in self.decisions)

    def only(self, decisions: tuple[SignedDecision, ...]) -> Self:
        """A bundle of some of the decisions, with the blocks that these name."""
        blocks = {pointer_to(block): block for block in self.blocks}
        reached = tuple(blocks_reached(decisions, blocks, blocks.__getitem__))
        return type(self)(decisions, reached, self.atomic and len(decisions) > 1)

    def verify(self, check_contract: CheckContractSignature | None = None) -> None:
        """Check all signatures; see ``SignedDecision.verify``."""
        for signed in self.decisions:
            signed.verify(check_contract)

    def to_json(self) -> bytes:
        """The bundle as JSON, in one way of writing it."""
        document = {
            "v": VERSION,
            "atomic": self.atomic,
            "decisions": [_signed_as_json(signed) for signed in self.decisions],
            "blocks": [base64.b64encode(block).decode() for block in self.blocks],
        }
        return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, octets: bytes) -> Self:
        """Read a bundle of anybody's.

        Raises:
            FormatError: it is none.
        """
        if len(octets) > MAX_BUNDLE:
            raise FormatError(f"a bundle has at most {MAX_BUNDLE} bytes")
        try:
            document = untrusted_json.loads(octets)
        except ValueError as error:
            raise FormatError("the bundle is not JSON, or nested deeper than any has to") from error
        if not isinstance(document, dict) or document.keys() != _BUNDLE_KEYS or not _is_version(document["v"]):
            raise FormatError("the bundle is not one of this version")
        atomic, decisions, blocks = document["atomic"], document["decisions"], document["blocks"]
        if not (isinstance(atomic, bool) and isinstance(decisions, list) and isinstance(blocks, list)):
            raise FormatError("a member of the bundle has the wrong type")
        if len(decisions) > MAX_DECISIONS:
            raise FormatError(f"a bundle has at most {MAX_DECISIONS} decisions")
        return cls(tuple(map(_read_signed, decisions)), tuple(map(read_base64, blocks)), atomic)

    def _places(self) -> Iterator[Place]:
        return (signed.decision.place for signed in self.decisions)

    def _require_named(self) -> None:
        """Each block is named by a decision, or by a block that is: nobody stores what nobody signed."""
        blocks = {pointer_to(block): block for block in self.blocks}
        if len(blocks) < len(self.blocks):
            raise FormatError("a block stands twice in the bundle")
        if sum(1 for _ in blocks_reached(self.decisions, blocks, blocks.__getitem__)) < len(blocks):
            raise FormatError("a block of the bundle is named by no decision")


def _signed_as_json(signed: SignedDecision) -> dict[str, Any]:
    shown = {} if signed.guardians is None else {"guardians": base64.b64encode(signed.guardians.to_bytes()).decode()}
    return {
        "typedData": signed.decision.typed_data(),
        "signatures": ["0x" + signature.hex() for signature in signed.signatures],
        **shown,
    }


def _is_version(value: Any) -> bool:
    return type(value) is int and value == VERSION  # in Python True and 1.0 equal 1, in JSON they are something else


def _read_signed(value: Any) -> SignedDecision:
    if not isinstance(value, dict) or value.keys() - {"guardians"} != _DECISION_KEYS:
        raise FormatError("a decision of the bundle has other members")
    document, signatures = value["typedData"], value["signatures"]
    if not isinstance(document, dict) or not isinstance(signatures, list):
        raise FormatError("a decision of the bundle has the wrong form")
    shown = GuardianSet.from_bytes(read_base64(value["guardians"])) if "guardians" in value else None
    return SignedDecision(read_decision(document), tuple(map(read_hexadecimal, signatures)), shown)


def read_hexadecimal(value: Any) -> bytes:
    """The bytes of a JSON text of hexadecimal digits in lower case; raises ``FormatError`` for any other value."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise FormatError("a signature is not hexadecimal")
    try:
        octets = bytes.fromhex(value[2:])
    except ValueError as error:
        raise FormatError("a signature is not hexadecimal") from error
    if "0x" + octets.hex() != value:
        raise FormatError("a signature is written otherwise than in lower case without spaces")
    return octets


def read_base64(value: Any) -> bytes:
    """The bytes of a JSON text in base64, padded; raises ``FormatError`` for any other value."""
    try:
        octets = base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise FormatError("a block is not base64") from error
    if not isinstance(value, str) or base64.b64encode(octets).decode() != value:
        raise FormatError("a block is not base64")
    return octets
