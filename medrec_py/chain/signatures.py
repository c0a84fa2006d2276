"""Signatures of accounts with code (ERC-1271): the account itself is asked, as the contract MedRec asks it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from medrec_py.chain.abi import codec
from medrec_py.chain.connection import Chain, NodeError
from medrec_py.crypto.typed_data import checksum_address, keccak

ERC1271_GAS: Final = 200_000
"""What the account may use (contracts/Signatures.sol)."""

_MAGIC: Final = keccak(b"isValidSignature(bytes32,bytes)")[:4]
_VALID: Final = _MAGIC.ljust(32, b"\0")
_HALTED: Final = re.compile(
    r"out of ?gas|gas required|intrinsic gas|opcode|EVM error|stack (under|over)flow|invalid jump|invalid instruction",
    re.IGNORECASE,
)
"""What nodes say of code that neither returned nor reverted, for which JSON-RPC has no word."""


@dataclass(frozen=True, slots=True)
class ContractSignatures:
    """Whether accounts with code say that a signature is theirs, at the latest block.

    An account may change its mind: one that has new owners no longer knows what the old ones signed. What MedRec's
    contract was shown it was shown then; a statement in a record is checked whenever it is read.

    Attributes:
        chain: Where the accounts are.
    """

    chain: Chain

    def __call__(self, account: bytes, digest: bytes, signature: bytes) -> bool:
        """Ask an account; ``False`` for one without code, and for one that reverts, fails or uses too much gas.

        Args:
            account: 20 bytes.
            digest: 32 bytes.
            signature: As the account wants it.

        Raises:
            ChainUnavailable: the node does not answer.
        """
        data = _MAGIC + codec.encode(["bytes32", "bytes"], [digest, signature])
        call = {"to": checksum_address(account), "data": "0x" + data.hex(), "gas": hex(_intrinsic(data) + ERC1271_GAS)}
        try:
            return self.chain.call(call) == _VALID
        except NodeError as error:
            if error.revert is None and not _HALTED.search(error.reason):
                raise
            return False


def _intrinsic(data: bytes) -> int:
    """What a call costs before any code runs (EIP-2028)."""
    zeros = data.count(0)
    return 21_000 + 4 * zeros + 16 * (len(data) - zeros)
