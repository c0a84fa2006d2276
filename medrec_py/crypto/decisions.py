"""What is signed in a wallet and sent by anybody (``IMedRec.sol``, signed forms; EIP-712; docs/format.md §12).

One frozen dataclass per signed form of the contract. Its attributes are the members of the message, in their order,
after ``place`` (chain, contract and patient). Addresses are 20 bytes, times are Unix seconds, masks have bit c set for
compartment c. Each raises ``InvalidInput`` where a value does not fit its type::

    decision = Grant(place, signer=wallet, grantee=clinic, read=1 << 5, ..., version=1, deadline=now + 3600)
    signature = wallet.sign_typed_data(decision.typed_data())
    relayer.send(contract.grant_signed(decision, signature))

A decision that was signed and not sent can be sent by whoever has it until its deadline: keep deadlines short.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from medrec_py.crypto.keys import ADDRESS_SIZE, Place, check_size, check_uint
from medrec_py.crypto.typed_data import Message, TypedStruct


@dataclass(frozen=True, slots=True)
class SignedForm:
    """Base of all of them.

    Attributes:
        place: Chain, contract and patient.
    """

    struct: ClassVar[TypedStruct]
    """The EIP-712 type."""

    place: Place

    def __post_init__(self) -> None:
        message = self._message()
        for name, kind in self.struct.fields:
            value: Any = message[name]
            if kind.startswith("uint"):
                check_uint(value, name, (1 << int(kind[4:])) - 1)
            else:
                check_size(value, ADDRESS_SIZE if kind == "address" else 32, name)

    @classmethod
    def from_typed_data(cls, document: Mapping[str, Any]) -> Self:
        """The decision that an EIP-712 document states, if it is exactly one that ``typed_data`` makes.

        Raises:
            FormatError: it is another one, or is written otherwise.
        """
        deployment, message = cls.struct.read(document)
        values: dict[str, Any] = {_snake(name): value for name, value in message.items()}
        return cls(Place(deployment.chain_id, deployment.contract, values.pop("patient")), **values)

    def typed_data(self) -> dict[str, Any]:
        """The EIP-712 document as JSON has it, for a wallet to show and sign."""
        return self.struct.typed_data(self.place, self._message())

    def digest(self) -> bytes:
        """The EIP-712 digest that is signed, 32 bytes."""
        return self.struct.digest(self.place, self._message())

    def values(self) -> tuple[int | bytes, ...]:
        """The members of the message in their order, as the contract's function takes them one after another."""
        return tuple(self._message().values())

    def _message(self) -> Message:
        return {
            name: getattr(self.place if name == "patient" else self, _snake(name)) for name, _ in self.struct.fields
        }


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


@dataclass(frozen=True, slots=True)
class Register(SignedForm):
    """A patient id is registered. Its own key signs it, and the wallet too if it is another.

    Attributes:
        wallet: What controls the id from then on; often the patient id itself.
        deadline: Last second at which it counts.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "Register", (("patient", "address"), ("wallet", "address"), ("deadline", "uint256"))
    )

    wallet: bytes
    deadline: int


@dataclass(frozen=True, slots=True)
class Grant(SignedForm):
    """A permission is given.

    Attributes:
        signer: The patient's wallet, or its representative.
        grantee: Who is granted.
        read: Mask of the compartments that may be read.
        append: Mask of the compartments that may be appended to.
        not_before: First second of the permission; zero: at once.
        expiry: First second after the permission.
        purposes: Bit p: purpose of use p.
        flags: Bit 0 HISTORY, bit 1 MANAGE.
        seal: H of the block with the keys; zero if none comes with it.
        version: The one that it creates: the stored one plus one.
        deadline: Last second at which it counts.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "Grant",
        (
            ("patient", "address"),
            ("signer", "address"),
            ("grantee", "address"),
            ("read", "uint64"),
            ("append", "uint64"),
            ("notBefore", "uint40"),
            ("expiry", "uint40"),
            ("purposes", "uint16"),
            ("flags", "uint8"),
            ("seal", "bytes32"),
            ("version", "uint24"),
            ("deadline", "uint256"),
        ),
    )

    signer: bytes
    grantee: bytes
    read: int
    append: int
    not_before: int
    expiry: int
    purposes: int
    flags: int
    seal: bytes
    version: int
    deadline: int


@dataclass(frozen=True, slots=True)
class Revoke(SignedForm):
    """Whatever the grantee was granted ends, with or without a keyring for the readers who stay.

    Attributes:
        signer: The patient's wallet, or its representative.
        grantee: Who loses its permission.
        version: The lowest version that it kills: the stored one, or one higher to kill a grant that is signed and not
            sent yet.
        keyring_version: The one before the call.
        compartments: Mask of those that get new epochs.
        keyring: H of the keyring; zero to revoke alone.
        deadline: Last second at which it counts. It ends later grants too until then, so an hour is long.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "Revoke",
        (
            ("patient", "address"),
            ("signer", "address"),
            ("grantee", "address"),
            ("version", "uint24"),
            ("keyringVersion", "uint24"),
            ("compartments", "uint64"),
            ("keyring", "bytes32"),
            ("deadline", "uint256"),
        ),
    )

    signer: bytes
    grantee: bytes
    version: int
    keyring_version: int
    compartments: int
    keyring: bytes
    deadline: int


@dataclass(frozen=True, slots=True)
class ChangeWallet(SignedForm):
    """A patient id goes to another wallet, which signs ``medrec_py.crypto.wallet_change.WalletChange`` itself.

    Attributes:
        signer: The present wallet.
        wallet: The new one.
        decision: The patient's decisions so far plus one, the same as in the new wallet's consent.
        deadline: Last second at which it counts, the same as in the new wallet's consent.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "ChangeWallet",
        (
            ("patient", "address"),
            ("signer", "address"),
            ("wallet", "address"),
            ("decision", "uint64"),
            ("deadline", "uint256"),
        ),
    )

    signer: bytes
    wallet: bytes
    decision: int
    deadline: int


@dataclass(frozen=True, slots=True)
class PublishKeyring(SignedForm):
    """A keyring is published.

    Attributes:
        signer: The patient's wallet, or its representative.
        pointer: H of the keyring.
        keyring_version: The one before this keyring.
        compartments: Mask of those that get new epochs.
        deadline: Last second at which it counts.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "PublishKeyring",
        (
            ("patient", "address"),
            ("signer", "address"),
            ("pointer", "bytes32"),
            ("keyringVersion", "uint24"),
            ("compartments", "uint64"),
            ("deadline", "uint256"),
        ),
    )

    signer: bytes
    pointer: bytes
    keyring_version: int
    compartments: int
    deadline: int


@dataclass(frozen=True, slots=True)
class PublishMoved(SignedForm):
    """A manifest of new pointers is published.

    Attributes:
        signer: The patient's wallet.
        decision: The patient's decisions so far plus one.
        compartments: Mask of the compartments of the records.
        pointer: H of the manifest.
        deadline: Last second at which it counts.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "PublishMoved",
        (
            ("patient", "address"),
            ("signer", "address"),
            ("decision", "uint64"),
            ("compartments", "uint64"),
            ("pointer", "bytes32"),
            ("deadline", "uint256"),
        ),
    )

    signer: bytes
    decision: int
    compartments: int
    pointer: bytes
    deadline: int


@dataclass(frozen=True, slots=True)
class SetGuardians(SignedForm):
    """The guardians of the patient change: at once if there were none, else after the delay of those there are.

    Attributes:
        signer: The patient's wallet.
        decision: The patient's decisions so far plus one.
        delay: Of the set that counts now, in seconds; zero if there is none.
        rest: Of the set that counts now (``GuardianSet.rest``); zero if there is none.
        guardians: Commitment to the new set (``GuardianSet.commitment``); zero for none.
        document: H of the sealed block that says who they are; zero if none comes with it.
        deadline: Last second at which it counts.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "SetGuardians",
        (
            ("patient", "address"),
            ("signer", "address"),
            ("decision", "uint64"),
            ("delay", "uint40"),
            ("rest", "bytes32"),
            ("guardians", "bytes32"),
            ("document", "bytes32"),
            ("deadline", "uint256"),
        ),
    )

    signer: bytes
    decision: int
    delay: int
    rest: bytes
    guardians: bytes
    document: bytes
    deadline: int


@dataclass(frozen=True, slots=True)
class StopRecovery(SignedForm):
    """A recovery that guardians began is stopped by the wallet that it would replace.

    Attributes:
        signer: The patient's wallet.
        round: Number of the recovery.
        deadline: Last second at which it counts.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "StopRecovery",
        (("patient", "address"), ("signer", "address"), ("round", "uint64"), ("deadline", "uint256")),
    )

    signer: bytes
    round: int
    deadline: int


@dataclass(frozen=True, slots=True)
class Append(SignedForm):
    """A record is appended.

    Attributes:
        author: Who wrote it and signs.
        on_behalf_of: Whom the author acts for.
        keyring_version: The one that was sealed to.
        purpose: Number of the purpose of use.
        compartments: Mask of those that the entry belongs to.
        replaces: Entry number × 2^32 + leaf of the record that it corrects; zero if none.
        pointer: H of the envelope.
        claim: Commitment to the author's statement.
        number: The author's relayed calls so far plus one.
        deadline: Last second at which it counts.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "Append",
        (
            ("patient", "address"),
            ("author", "address"),
            ("onBehalfOf", "address"),
            ("keyringVersion", "uint24"),
            ("purpose", "uint8"),
            ("compartments", "uint64"),
            ("replaces", "uint64"),
            ("pointer", "bytes32"),
            ("claim", "bytes32"),
            ("number", "uint64"),
            ("deadline", "uint256"),
        ),
    )

    author: bytes
    on_behalf_of: bytes
    keyring_version: int
    purpose: int
    compartments: int
    replaces: int
    pointer: bytes
    claim: bytes
    number: int
    deadline: int


@dataclass(frozen=True, slots=True)
class LogAccess(SignedForm):
    """It is entered that somebody has read.

    Attributes:
        actor: Who read and signs.
        on_behalf_of: Whom the actor acts for.
        document: H of the sealed document that says what and why.
        purpose: Number of the purpose of use.
        number: The actor's relayed calls so far plus one.
        deadline: Last second at which it counts.
    """

    struct: ClassVar[TypedStruct] = TypedStruct(
        "LogAccess",
        (
            ("patient", "address"),
            ("actor", "address"),
            ("onBehalfOf", "address"),
            ("document", "bytes32"),
            ("purpose", "uint8"),
            ("number", "uint64"),
            ("deadline", "uint256"),
        ),
    )

    actor: bytes
    on_behalf_of: bytes
    document: bytes
    purpose: int
    number: int
    deadline: int
