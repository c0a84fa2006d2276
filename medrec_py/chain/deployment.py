"""Deploying the contract, and the file that says where it is.

    deployed = deploy(chain, wallet, folder=Path("deployments"))
    contract = MedRecContract(chain, deployed.address)

The address follows from the contract's code and the authority alone, on every chain that has the usual deterministic
deployer (CREATE2, at `DEPLOYER`) or takes the transaction that puts it there; on others it is an ordinary one.
Deploying twice changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

from medrec_py.chain import abi
from medrec_py.chain.answers import to_bytes
from medrec_py.chain.artifacts import load_artifact
from medrec_py.chain.connection import Chain, NodeError
from medrec_py.chain.contract import VERSION, MedRecContract
from medrec_py.chain.events import AuthorityAccepted
from medrec_py.chain.logs import fetch_logs
from medrec_py.chain.nonces import Signed
from medrec_py.chain.transactions import RECEIPT_SECONDS, Call, Pending, Receipt, says_funds_lack, send
from medrec_py.chain.types import ZERO_ADDRESS, address_of, to_address
from medrec_py.crypto.suites import FIRST_SUITE, by_number
from medrec_py.crypto.typed_data import keccak
from medrec_py.errors import ChainError, ChainUnavailable, FormatError, InvalidInput, NotDeployed, TransactionFailed
from medrec_py.wallet import Signer

DEPLOYER = "0x4e59b44847b379578588920cA78FbF26c0B4956C"
"""The usual deterministic deployer (github.com/Arachnid/deterministic-deployment-proxy): most chains have it."""

SALT = bytes(32)

_DEPLOYER_SENDER = to_address("0x3fab184622dc19b6109349b94811493bf2a45362")
_DEPLOYER_COST = 100_000 * 100 * 10**9  # its gas limit at its gas price, both fixed by the signature
_DEPLOYER_TRANSACTION = bytes.fromhex(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba0222222222222222222222222222222"
    "2222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222"
)
_DEPLOYER_CODE = bytes.fromhex(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f5801515603957"
    "8182fd5b8082525050506014600cf3"
)


class DeploymentDiffers(ChainError):
    """The folder has another deployment for this chain than the one asked for."""

    remedy = (
        "Use the deployment that the file names: leave the authority out, or name the one that it has. For a new "
        "deployment give another folder (`--home`)."
    )


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment, as its file has it: ``<chain id>.json`` in the folder of deployments.

    Attributes:
        chain_id: EIP-155 chain id.
        address: Of the contract.
        authority: The account that it was deployed with as authority; who it is now the contract tells.
        block: Number of the block with the deployment: where reading its events begins.
        block_hash: Of that block.
        transaction: Hash of the transaction that deployed it.
        artifact: SHA-256 of the creation code that was deployed, 64 hexadecimal digits.
        version: Of the contract's EIP-712 domain.
        suite: Number of the cipher suite by which clients seal whatever is new (docs/format.md §1). A file without it
            means 1. It is no property of the contract: who makes the file chooses it, for all who use the deployment.
    """

    chain_id: int
    address: str
    authority: str
    block: int
    block_hash: str
    transaction: str
    artifact: str
    version: str
    suite: int = FIRST_SUITE

    def save(self, folder: Path) -> Path:
        """Write the file, in one step. Returns its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = _path(folder, self.chain_id)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=path.name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        return path

    @classmethod
    def load(cls, folder: Path, chain_id: int) -> Self:
        """The deployment on a chain.

        Raises:
            NotDeployed: the folder has none for this chain.
            FormatError: its file cannot be read.
            UnknownSuite: it names a suite that this version does not have.
        """
        path = _path(folder, chain_id)
        if not path.exists():
            raise NotDeployed(f"{folder} has no deployment on chain {chain_id}")
        found = cls.read(path)
        if found.chain_id != chain_id:
            raise FormatError(f"{path} is of chain {found.chain_id}, not of chain {chain_id}")
        return found

    @classmethod
    def read(cls, path: Path) -> Self:
        """A deployment file.

        Raises:
            NotDeployed: there is no such file.
            FormatError: it cannot be read.
            UnknownSuite: it names a suite that this version does not have.
        """
        try:
            document = {"suite": FIRST_SUITE} | json.loads(path.read_text(encoding="utf-8"))
            found = cls(*(_typed(field.type, document[field.name]) for field in fields(cls)))
            found = replace(found, address=to_address(found.address), authority=to_address(found.authority))
        except OSError as error:
            raise NotDeployed(f"{path} cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, KeyError) as error:
            raise FormatError(f"{path} is not a deployment file") from error
        by_number(found.suite)
        return found


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `deploy` did.

    Attributes:
        deployed: Where the contract is.
        is_new: Whether it was deployed now; if not, it was there already and nothing was sent.
        gas_used: By the deployment itself, zero if nothing was sent.
        note: What the caller should know, e.g. why the address is an ordinary one; empty as a rule.
    """

    deployed: Deployed
    is_new: bool
    gas_used: int = 0
    note: str = ""

    @property
    def address(self) -> str:
        """Of the contract."""
        return self.deployed.address


def deploy(
    chain: Chain,
    signer: Signer,
    *,
    authority: str | None = None,
    suite: int | None = None,
    folder: Path | None = None,
    timeout: float = RECEIPT_SECONDS,
) -> Outcome:
    """Deploy MedRec, unless it is deployed already; and write down by which suite clients seal.

    Args:
        chain: Where.
        signer: Who pays.
        authority: The account that names registrars. If not given, that of the deployment which the folder names,
            whoever it is, or else the signer.
        suite: Number of the deployment's cipher suite. Unless given, what the file in the folder says, else 1. A
            deployment moves to a later suite by being given one; nothing is sent for that, its file is written anew.
        folder: Where the deployment file is looked for and written; nowhere if not given.
        timeout: Seconds that each receipt is waited for.

    Raises:
        InvalidInput: the authority is no address, or zero.
        UnknownSuite: this version does not have the suite.
        DeploymentDiffers: the folder names a deployment on this chain with another authority or other code, or of a
            later suite.
        TransactionFailed: the deployment failed; `InsufficientFunds` where the signer cannot pay.
        TransactionTimeout: there is no receipt yet.
        ChainUnavailable: the node does not answer.
    """
    named = None if authority is None else to_address(authority)
    if named == ZERO_ADDRESS:
        raise InvalidInput("nobody could ever name a registrar: the zero address cannot be the authority")
    if suite is not None:
        by_number(suite)
    chosen = signer.address if named is None else named
    known = _in_folder(chain, named, folder) or _at_its_address(chain, chosen, folder)
    if known is not None:
        return Outcome(_moved(known, suite, folder), is_new=False, note=_whose(known, chosen))
    outcome = _deploy(chain, signer, chosen, timeout, FIRST_SUITE if suite is None else suite)
    if folder is not None:
        outcome.deployed.save(folder)
    return outcome


def create2_address(authority: str) -> str:
    """Where the deterministic deployer puts MedRec with this authority (EIP-1014), on every chain."""
    deployer = bytes.fromhex(DEPLOYER[2:])
    return address_of(keccak(b"\xff" + deployer + SALT + keccak(creation_code(authority)))[12:])


def creation_code(authority: str) -> bytes:
    """The code that deploys MedRec: the artifact's bytecode and the constructor's argument."""
    return _bytecode() + abi.codec.encode(["address"], [to_address(authority)])


def artifact_hash() -> str:
    """SHA-256 of the artifact's creation code, 64 hexadecimal digits."""
    return hashlib.sha256(_bytecode()).hexdigest()


def is_medrec_code(code: bytes) -> bool:
    """Whether code at an address is what the shipped artifact deploys.

    Compared byte by byte except for the immutables, which differ between deployments: the artifact has 32 zero bytes
    behind a PUSH32 for each of them. They hold the EIP-712 domain, which `MedRecContract` checks.
    """
    template = _runtime()
    if len(code) != len(template):
        return False
    masked = bytearray(code)
    place = template.find(_IMMUTABLE)
    while place >= 0:
        masked[place + 1 : place + 33] = bytes(32)
        place = template.find(_IMMUTABLE, place + 33)
    return bytes(masked) == template


_IMMUTABLE = b"\x7f" + bytes(32)


@cache
def _bytecode() -> bytes:
    return to_bytes(load_artifact()["bytecode"])


@cache
def _runtime() -> bytes:
    """The deployed code as the artifact has it, at the end of the creation code, its immutables still zero."""
    size: int = load_artifact()["deployedSize"]
    return _bytecode()[-size:]


def _path(folder: Path, chain_id: int) -> Path:
    return folder / f"{chain_id}.json"


def _typed(kind: object, value: Any) -> Any:
    if type(value).__name__ != kind:
        raise TypeError(f"{value!r} is not of type {kind}")
    return value


# --- what is there --------------------------------------------------------------------------------


def _in_folder(chain: Chain, authority: str | None, folder: Path | None) -> Deployed | None:
    """The deployment that is there already, by its file; whichever authority it has unless one is named."""
    if folder is None or not _path(folder, chain.chain_id).exists():
        return None
    found = Deployed.load(folder, chain.chain_id)
    code = chain.code(found.address)
    if not code:  # the chain began anew since: a development chain
        return None
    _check_same(found, code, authority)
    return found


def _at_its_address(chain: Chain, authority: str, folder: Path | None) -> Deployed | None:
    """The deployment with an authority that is there already, by its address."""
    address = create2_address(authority)
    if not chain.code(address):
        return None
    found = _find(chain, address, authority)
    if folder is not None:
        found.save(folder)
    return found


def _moved(known: Deployed, suite: int | None, folder: Path | None) -> Deployed:
    """The deployment with the suite that it is to have from now on."""
    moved = known if suite is None else replace(known, suite=suite)
    if moved.suite < known.suite:
        raise DeploymentDiffers(
            f"MedRec on chain {known.chain_id} at {known.address} seals by suite {known.suite}: it never goes back to "
            f"suite {suite}"
        )
    if folder is not None and moved != known:
        moved.save(folder)
    return moved


def _whose(found: Deployed, expected: str) -> str:
    return "" if found.authority == expected else f"It was deployed with another authority: {found.authority}."


def _check_same(found: Deployed, code: bytes, authority: str | None) -> None:
    if authority not in {None, found.authority}:
        raise DeploymentDiffers(
            f"MedRec on chain {found.chain_id} at {found.address} has the authority {found.authority}, not {authority}"
        )
    if not is_medrec_code(code):
        raise DeploymentDiffers(
            f"the contract at {found.address} on chain {found.chain_id} is not what this version of medrec-py deploys"
        )


def _find(chain: Chain, address: str, authority: str) -> Deployed:
    """Where and when the contract at an address was deployed, from its first event."""
    contract = MedRecContract(chain, address)
    block = _first_block_with_code(chain, address)
    deployments = fetch_logs(
        contract,
        [AuthorityAccepted],
        from_block=0 if block is None else block,
        to_block=block,
        previous=ZERO_ADDRESS,
        authority=authority,
    )
    first = next(deployments, None)
    if first is None:
        raise ChainUnavailable(f"the node at {chain.node} has no events of the deployment at {address}")
    return _deployed(chain, address, authority, first.block, first.block_hash, first.transaction)


def _first_block_with_code(chain: Chain, address: str) -> int | None:
    """The block in which the contract appeared, by bisection; ``None`` where the node has no old states."""
    without, with_code = -1, chain.block_number()
    try:
        while with_code - without > 1:
            middle = (without + with_code) // 2
            if chain.code(address, middle):
                with_code = middle
            else:
                without = middle
    except NodeError:
        return None
    return with_code


def _deployed(
    chain: Chain, address: str, authority: str, block: int, block_hash: str, transaction: str, suite: int = FIRST_SUITE
) -> Deployed:
    return Deployed(chain.chain_id, address, authority, block, block_hash, transaction, artifact_hash(), VERSION, suite)


# --- deploying ------------------------------------------------------------------------------------


def _deploy(chain: Chain, signer: Signer, authority: str, timeout: float, suite: int) -> Outcome:
    refusal = _put_deployer(chain, signer, timeout)
    code = creation_code(authority)
    if refusal:
        receipt = send(chain, signer, Call(None, code, "deploy"), timeout=timeout)
        address = receipt.created
        note = f"The address is an ordinary one, since the chain does not take the deterministic deployer: {refusal}"
    else:
        receipt = send(chain, signer, Call(DEPLOYER, SALT + code, "deploy"), timeout=timeout)
        address, note = create2_address(authority), ""
    if address is None or not is_medrec_code(chain.code(address)):
        raise TransactionFailed(f"the transaction {receipt.transaction} was mined, and MedRec is not at {address}")
    MedRecContract(chain, address)
    deployed = _deployed(chain, address, authority, *_place(receipt), suite=suite)
    return Outcome(deployed, is_new=True, gas_used=receipt.gas_used, note=note)


def _place(receipt: Receipt) -> tuple[int, str, str]:
    return receipt.block, receipt.block_hash, receipt.transaction


def _put_deployer(chain: Chain, signer: Signer, timeout: float) -> str:
    """Make sure that the deterministic deployer is there. Returns why it cannot be; empty if it is.

    Its transaction was signed once, for all chains: without a chain id, which many nodes refuse (EIP-155), and with a
    fixed gas price. It is handed over before it is paid for, so that nothing is spent where it is refused.
    """
    if chain.code(DEPLOYER) == _DEPLOYER_CODE:
        return ""
    refusal = _hand_over_deployer(chain)
    if refusal is not None and says_funds_lack(refusal):
        missing = _DEPLOYER_COST - chain.balance(_DEPLOYER_SENDER)
        if chain.balance(signer.address) <= missing:  # a chain without fees, where nobody needs ether
            return f"its transaction costs {missing} wei, which {signer.address} does not have"
        send(chain, signer, Call(_DEPLOYER_SENDER, b"", "fund the deterministic deployer", missing), timeout=timeout)
        refusal = _hand_over_deployer(chain)
    if refusal is not None:
        return refusal.reason
    account = chain.nonces.of(_DEPLOYER_SENDER)
    signed = Signed("0x" + keccak(_DEPLOYER_TRANSACTION).hex(), _DEPLOYER_TRANSACTION)
    Pending(chain, _DEPLOYER_SENDER, Call(None, b"", "deploy the deterministic deployer"), 0, signed, account).wait(
        timeout
    )
    return "" if chain.code(DEPLOYER) == _DEPLOYER_CODE else f"what is at {DEPLOYER} is not that deployer"


def _hand_over_deployer(chain: Chain) -> NodeError | None:
    try:
        chain.request("eth_sendRawTransaction", "0x" + _DEPLOYER_TRANSACTION.hex())
    except NodeError as error:
        return error
    return None
