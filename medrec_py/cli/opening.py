"""From settings to a connection: the node, the contract on it, and the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medrec_py.cli.settings import Settings
from medrec_py.errors import ConfigurationError, NotDeployed

if TYPE_CHECKING:
    from medrec_py.chain.connection import Chain
    from medrec_py.chain.deployment import Deployed
    from medrec_py.network import Network
    from medrec_py.relayer import RelayerClient
    from medrec_py.storage import BlockStore
    from medrec_py.wallets.remote import RemoteWallet

RETRIES: Final = 2
"""How often a read is repeated while the node cannot be reached. A person who waits would rather know soon."""


CLEF: Final = "http://127.0.0.1:8550"
"""Where Clef listens if it is started with ``--http`` and nothing else."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the contract is.

    Attributes:
        address: EIP-55.
        first_block: Where its events begin; zero if that is not known.
        suite: Number of the deployment's cipher suite.
        source: What says so.
    """

    address: str
    first_block: int
    suite: int
    source: str


def open_chain(settings: Settings) -> Chain:
    """Connect to the node.

    Raises:
        ChainUnavailable: it does not answer.
        WrongChain: it serves another chain than the setting chain-id names.
    """
    from medrec_py.chain.connection import Chain  # noqa: PLC0415 - slow to import

    chain_id = settings.find("chain-id").value
    return Chain.connect(
        settings.text("chain") or "",
        headers=_authorization(settings.text("chain-token")),
        timeout=timeout(settings),
        chain_id=chain_id if isinstance(chain_id, int) else None,
        retries=RETRIES,
    )


def find_contract(settings: Settings, chain_id: int) -> Place:
    """Where the contract is: by the setting, else by the deployment file of the chain.

    Raises:
        NotDeployed: neither says so.
        InvalidInput: the setting is no address.
        ConfigurationError: the setting ``suite`` contradicts the deployment file.
        FormatError: a deployment file cannot be read.
    """
    from medrec_py.chain.deployment import Deployed  # noqa: PLC0415
    from medrec_py.chain.types import to_address  # noqa: PLC0415
    from medrec_py.crypto.suites import FIRST_SUITE  # noqa: PLC0415

    found = settings.find("contract")
    known = _deployed(settings, chain_id)
    if isinstance(found.value, str) and Path(found.value).expanduser().is_file():
        deployed = Deployed.read(Path(found.value).expanduser())
        return _place(settings, deployed, f"{found.source}: {found.value}")
    if isinstance(found.value, str):
        address = to_address(found.value)
        if known is not None and known.address == address:
            return _place(settings, known, found.source)
        return Place(address, 0, _suite(settings) or FIRST_SUITE, found.source)
    if known is None:
        raise NotDeployed(f"no MedRec contract is known for chain {chain_id}")
    return _place(settings, known, f"deployment file {settings.deployments / f'{chain_id}.json'}")


def open_blocks(settings: Settings) -> BlockStore:
    """Open the store.

    Raises:
        InvalidInput: its address cannot be used.
        ConfigurationError: it needs an extra that is not installed.
        StoreUnavailable: a folder cannot be opened. Servers are asked only when needed.
    """
    from medrec_py.storage import open_store  # noqa: PLC0415

    value = settings.find("store").value
    stores = value if isinstance(value, list) else [str(value)]
    token = settings.text("store-token")
    if len(stores) > 1:
        return open_store(stores, token=token, timeout=timeout(settings))
    return open_store(stores[0], token=token, timeout=timeout(settings))


def open_signer(settings: Settings, kind: str, address: str, chain_id: int) -> RemoteWallet:
    """The signer that has the key of an identity. It is not asked for anything yet.

    Args:
        settings: Say where it is: else Clef is where it listens by itself, and a node is the one in use.
        kind: One of ``identities.SIGNERS``, but a browser.
        address: Of the account.
        chain_id: The chain that it is to sign for.

    Raises:
        InvalidInput: its URL cannot be used.
    """
    from medrec_py.wallets.clef import ClefWallet  # noqa: PLC0415
    from medrec_py.wallets.node import NodeWallet  # noqa: PLC0415

    url, token = settings.text("signer-url"), settings.text("signer-token")
    if url is None and kind == "node":
        url, token = settings.text("chain"), token or settings.text("chain-token")
    wallet = ClefWallet if kind == "clef" else NodeWallet
    return wallet(
        url or CLEF,
        address,
        chain_id=chain_id,
        headers=_authorization(token),
        timeout=signer_timeout(settings),
    )


def open_network(settings: Settings, chain: Chain, relayer: RelayerClient | None = None) -> Network:
    """The contract on a chain, with the store, and the relayer that brings decisions and requests, if there is one.

    Raises as the three above, and `NotDeployed` if it is not MedRec, `UnknownSuite` if this version does not have the
    deployment's suite.
    """
    from medrec_py.chain.contract import MedRecContract  # noqa: PLC0415
    from medrec_py.network import Network  # noqa: PLC0415

    place = find_contract(settings, chain.chain_id)
    contract = MedRecContract(chain, place.address)
    blocks = open_blocks(settings)
    return Network(
        chain, contract, blocks, first_block=place.first_block, suite=place.suite, courier=relayer, mail=relayer
    )


def timeout(settings: Settings) -> float:
    """Seconds until a request is given up."""
    return _seconds(settings, "timeout")


def signer_timeout(settings: Settings) -> float:
    """Seconds until a request to the signer is given up."""
    return _seconds(settings, "signer-timeout")


def _seconds(settings: Settings, name: str) -> float:
    value = settings.find(name).value
    assert isinstance(value, int | float)  # noqa: S101 - it has a default
    return float(value)


def _place(settings: Settings, deployed: Deployed, source: str) -> Place:
    """Where a deployment file says that the contract is."""
    found = settings.find("suite")
    if found.value not in {None, deployed.suite}:
        raise ConfigurationError(f"{found.source} says suite {found.value}, and the deployment has {deployed.suite}")
    return Place(deployed.address, deployed.block, deployed.suite, source)


def _suite(settings: Settings) -> int | None:
    value = settings.find("suite").value
    return value if isinstance(value, int) else None


def _deployed(settings: Settings, chain_id: int) -> Deployed | None:
    from medrec_py.chain.deployment import Deployed  # noqa: PLC0415

    if not (settings.deployments / f"{chain_id}.json").exists():
        return None
    return Deployed.load(settings.deployments, chain_id)


def _authorization(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}
