"""The deployment: its constructor, and what its bytecode, ABI and storage are and are not

constructor
├── given zero: ZeroAddress
└── else the authority is named; AuthorityAccepted; nothing else is there
bytecode
├── room is left for the modules to come
├── no call to another contract, and none is created or destroyed: only multicall's and relay's DELEGATECALL to itself
└── no instruction later than London
ABI
├── is IMedRec, multicall and eip712Domain: nothing to upgrade, pause or own
├── takes no ether, has no fallback
└── no name or content can be passed to it
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ape.managers.project import ProjectManager

from medrec_py.chain.artifacts import load_artifact
from scripts.compiler import ROOT
from tests.contracts import storage_layout, support
from tests.contracts.signing import FUNCTIONS
from tests.contracts.support import ZERO, Account, Contract, emitted, plain, refused, said, unencodable

# 90 % of EIP-170's limit.
LARGEST_CODE = 22_118
OPCODES = {
    0xF0: "CREATE",
    0xF1: "CALL",
    0xF2: "CALLCODE",
    0xF4: "DELEGATECALL",
    0xF5: "CREATE2",
    0xFA: "STATICCALL",
    0xFF: "SELFDESTRUCT",
    0x31: "BALANCE",
    0x32: "ORIGIN",
    0x3B: "EXTCODESIZE",
    0x5C: "TLOAD",
    0x5D: "TSTORE",
    0x5E: "MCOPY",
    0x5F: "PUSH0",
}


def without_metadata(code: bytes) -> bytes:
    """The code without the CBOR that the compiler puts behind it, whose length its last two bytes say."""
    return code[: -2 - int.from_bytes(code[-2:], "big")]


def instructions(code: bytes) -> Iterator[int]:
    """The opcodes, without what PUSH instructions carry."""
    place = 0
    while place < len(code):
        opcode = code[place]
        yield opcode
        place += 1 + (opcode - 0x5F if 0x60 <= opcode <= 0x7F else 0)


@pytest.fixture(scope="session")
def code(medrec: Contract) -> bytes:
    return bytes(medrec.code)


def test_constructor_names_the_authority(project: ProjectManager, authority: Account, carol: Account) -> None:
    """The account that names registrars; there is no registrar yet, and nothing pending."""
    contract = authority.deploy(project.MedRec, carol)
    assert (contract.authority(), contract.pendingAuthority()) == (carol, ZERO)
    assert not contract.isRegistrar(carol)
    assert emitted(contract, contract.creation_metadata.receipt) == [
        said("AuthorityAccepted", previous=ZERO, authority=carol)
    ]


def test_constructor_refuses_zero(project: ProjectManager, authority: Account) -> None:
    """Nobody could ever name a registrar."""
    with refused("ZeroAddress"):
        authority.deploy(project.MedRec, ZERO)


def test_code_is_that_of_the_tree(project: ProjectManager) -> None:
    """What is tested is what the SDK ships: where only a module changes, ape's build goes stale (`ape compile -f`)."""
    tested = project.MedRec.contract_type.deployment_bytecode.bytecode
    assert tested.removeprefix("0x") == load_artifact()["bytecode"].removeprefix("0x")


def test_code_leaves_room(code: bytes) -> None:
    """Modules that come later share the limit of EIP-170."""
    assert len(code) < LARGEST_CODE


def test_code_calls_nobody_who_could_come_back(code: bytes) -> None:
    """Multicall and relay call the contract itself; signatures are asked for in static calls.

    Those are two: of the precompile that recovers a key, and of an account with code (ERC-1271). EXTCODESIZE asks
    whether an account has code, and, in OpenZeppelin's multicall, for the contract's own where a call gave nothing
    back.
    """
    code = without_metadata(code)
    found = {OPCODES[opcode] for opcode in instructions(code) if opcode in OPCODES}
    assert found == {"DELEGATECALL", "STATICCALL", "EXTCODESIZE"}
    assert [list(instructions(code)).count(opcode) for opcode in (0xF4, 0xFA)] == [2, 2]


def test_abi_is_the_interface(project: ProjectManager) -> None:
    """IMedRec is the specification: nothing is missing, and what is beside it is named here."""

    def signatures(contract: Any, kind: str) -> set[str]:
        return {getattr(abi, "selector", "") for abi in contract.contract_type.abi if abi.type == kind}

    beside = {
        "function": {"multicall(bytes[])", "eip712Domain()"},
        "event": {"EIP712DomainChanged()"},
        "error": {
            "AddressEmptyCode(address)",
            "FailedCall()",
            "StringTooLong(string)",
        },
    }
    for kind, names in beside.items():
        assert signatures(project.MedRec, kind) - signatures(project.IMedRec, kind) == names
        assert signatures(project.IMedRec, kind) <= signatures(project.MedRec, kind)


def test_abi_takes_no_ether(project: ProjectManager, medrec: Contract, stranger: Account) -> None:
    """Nothing is payable, there is no fallback: ether cannot be sent, nor lost."""
    kinds = {abi.type for abi in project.MedRec.contract_type.abi}
    assert kinds == {"constructor", "function", "event", "error"}
    assert not [abi for abi in project.MedRec.contract_type.abi if getattr(abi, "stateMutability", "") == "payable"]
    with unencodable():
        stranger.transfer(medrec, 1)
    with unencodable():
        stranger.transfer(medrec, 0, data=b"\xde\xad\xbe\xef")


def test_abi_takes_no_content(project: ProjectManager) -> None:
    """No text, and no bytes of any length but calls of itself and signatures: names and records have no way in."""
    functions = [abi for abi in project.MedRec.contract_type.abi if abi.type == "function"]
    takers = {
        (function.name, parameter.name)
        for function in functions
        for parameter in function.inputs
        if re.search(r"string|bytes(?!\d)", parameter.canonical_type)
    }
    signatures = {"signature", "signatures", "patientSignature", "walletSignature", "consent"}
    calls = {("multicall", "data"), ("relay", "calls")}
    assert {taker for taker in takers if taker[1] not in signatures} == calls
    assert {name for name, _ in takers - calls} == {"changeWallet", "beginRecovery", *FUNCTIONS.values()}
    texts = [
        event.name
        for event in project.IMedRec.contract_type.events
        if any(re.search(r"string|bytes(?!\d)", parameter.canonical_type) for parameter in event.inputs)
    ]
    assert texts == ["CallRefused", "EntryRefused"]


def test_storage_layout_is_pinned() -> None:
    """A module that comes later must not move a slot unnoticed: `python -m tests.contracts.storage_layout`."""
    assert storage_layout.compiled() == json.loads(storage_layout.FILE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["Kind", "ProviderKind", "Action", "Denial"])
def test_enumerations_are_those_of_the_interface(name: str) -> None:
    """The numbers that these tests go by."""
    source = (ROOT / "contracts" / "interfaces" / "IMedRec.sol").read_text(encoding="utf-8")
    [body] = re.findall(rf"^enum {name} \{{(.*?)^\}}", source, re.DOTALL | re.MULTILINE)
    members = re.findall(r"^\s*(\w+),?$", body, re.MULTILINE)
    assert members == [member.name.rstrip("_") for member in getattr(support, name)]


def test_deployments_share_nothing(
    project: ProjectManager, medrec: Contract, authority: Account, alice: Account, hospital: Account
) -> None:
    """Another deployment knows no patient, permission or provider of this one."""
    other = authority.deploy(project.MedRec, authority)
    assert plain(other.patientOf(alice)) == (ZERO, 0, 0)
    assert other.permissionOf(alice, hospital).version == 0
    assert other.providerOf(hospital).kind == 0
