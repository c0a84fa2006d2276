"""Where everything begins: a deployment and a store, in this process (``local``) or elsewhere (``connect``)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from medrec_py import wallet_recovery
from medrec_py.answers import Answer, check_exchange
from medrec_py.chain.connection import Chain
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import Deployed, deploy
from medrec_py.chain.local import LocalChain
from medrec_py.chain.transactions import Carried, Receipt
from medrec_py.courier import Courier, OwnExpense
from medrec_py.crypto.exchange import UnverifiedExchange
from medrec_py.crypto.keys import Deployment, KemSeed, RootSecret
from medrec_py.crypto.profile import ProfileContent
from medrec_py.crypto.signed_decisions import Bundle
from medrec_py.crypto.suites import FIRST_SUITE, by_number
from medrec_py.errors import InvalidInput, NotFound
from medrec_py.guardianship import Recovery
from medrec_py.keymodule import KeySession
from medrec_py.ledger import Ledger
from medrec_py.mail import Mail
from medrec_py.party import Account, KeyedParty, Party, address_of
from medrec_py.patient import Patient
from medrec_py.provider import Mandate, Organisation, Practitioner, Provider
from medrec_py.registrar import Authority, Registrar
from medrec_py.relayer import RelayerClient
from medrec_py.representative import Representative
from medrec_py.storage import open_store
from medrec_py.storage.opening import Address
from medrec_py.storage.store import BlockStore
from medrec_py.unsealing import Unsealer
from medrec_py.wallet import Signer, Wallet, require_root
from medrec_py.wallet_recovery import WalletRecovery

if TYPE_CHECKING:
    from web3 import Web3

    from medrec_py.keyservice.service import KeyService


_P = TypeVar("_P", bound=KeyedParty)


class Network:
    """A deployment of MedRec and a block store; the roles are opened from here.

    Use it as a context manager, or ``close`` it: that closes the store, and what ``local`` or ``connect`` opened.

    Args:
        chain: The connection.
        contract: MedRec on it.
        store: Where blocks are.
        first_block: Number of the block with the deployment, where reading events begins.
        suite: Number of the deployment's cipher suite.
        fund: Gives an account some ether before its first transaction; ``None`` where accounts pay for themselves.
        authority: The wallet of the authority, where this network has one of its own.
        registrar: The wallet of a registrar, where this network has one of its own.
        courier: Brings to the chain what wallets sign, so that they need no ether: a ``RelayerClient``, for instance.
        mail: Carries requests for access and their answers: a ``RelayerClient``, too, which need not be the courier.

    Raises:
        UnknownSuite: this version does not have the suite.
    """

    def __init__(
        self,
        chain: Chain,
        contract: MedRecContract,
        store: BlockStore,
        *,
        first_block: int = 0,
        suite: int = FIRST_SUITE,
        fund: Callable[[str], None] | None = None,
        authority: Signer | None = None,
        registrar: Signer | None = None,
        courier: Courier | None = None,
        mail: Mail | None = None,
    ) -> None:
        self._ledger = Ledger(chain, contract, store, first_block, suite=suite, courier=courier, mail=mail)
        self._fund = fund
        self._authority = authority
        self._registrar = registrar
        self._resources = ExitStack()

    # --- roles ------------------------------------------------------------------------------------------------------

    def patient(self, wallet: Signer, root: RootSecret | None = None, *, patient: Account | None = None) -> Patient:
        """A patient, registered or about to be.

        Args:
            wallet: Decides for the patient.
            root: Opens everything of the patient's; the wallet's own if it was made from a phrase.
            patient: The patient id, if the wallet controls several. Otherwise it is found: the wallet's own address, or
                the id that was handed to it.

        Raises:
            RootSecretMissing: neither is there.
            InvalidInput: the wallet controls several patient ids: say which.
        """
        found = self._ledger.patient_controlled_by(wallet.address) if patient is None else address_of(patient)
        return Patient(self._ledger, self._funded(wallet), require_root(wallet, root), found)

    def organisation(
        self, wallet: Signer, root: RootSecret | None = None, *, name: str = "", publish: bool = True
    ) -> Organisation:
        """A hospital, a laboratory, an insurer.

        Its profile is published if it has none, so that something can be granted to it.

        Args:
            wallet: Signs for it.
            root: What its profile key is derived from; the wallet's own if it was made from a phrase.
            name: Published in its profile.
            publish: ``False`` to leave the profile alone.

        Raises:
            RootSecretMissing: neither root secret is there.
        """
        return self._published(
            Organisation(self._ledger, self._funded(wallet), require_root(wallet, root)), name, publish
        )

    def practitioner(
        self, wallet: Signer, root: RootSecret | None = None, *, name: str = "", publish: bool = True
    ) -> Practitioner:
        """A doctor, a nurse, a therapist. As ``organisation``."""
        return self._published(
            Practitioner(self._ledger, self._funded(wallet), require_root(wallet, root)), name, publish
        )

    def reader(
        self, wallet: Signer, root: RootSecret | None = None, *, name: str = "", publish: bool = True
    ) -> Provider:
        """Somebody who is no accredited provider and may be granted reading: a relative, a carer.

        As ``organisation``.
        """
        return self._published(Provider(self._ledger, self._funded(wallet), require_root(wallet, root)), name, publish)

    def representative(
        self, wallet: Signer, patient: Account, root: RootSecret | None = None, *, name: str = "", publish: bool = True
    ) -> Representative:
        """Who decides for a patient: a parent, a carer, an attorney. The patient names it (``Patient.appoint``).

        Args:
            wallet: Its own.
            patient: Patient id.
            root: What its profile key is derived from; the wallet's own if it was made from a phrase.
            name: Published in its profile, if it has none.
            publish: ``False`` to leave the profile alone.

        Raises:
            RootSecretMissing: neither root secret is there.
        """
        opened = Representative(self._ledger, self._funded(wallet), require_root(wallet, root), address_of(patient))
        return self._published(opened, name, publish)

    def account(self, wallet: Signer) -> Party:
        """Somebody with a wallet and no keys at hand: enough to publish a profile whose key is in a key service.

        Args:
            wallet: Signs for it.
        """
        return Party(self._ledger, self._funded(wallet))

    def registrar(self, wallet: Signer | None = None) -> Registrar:
        """A registrar; the network's own unless a wallet is given.

        Raises:
            InvalidInput: this network has none of its own.
        """
        wallet = wallet or self._registrar
        if wallet is None:
            raise InvalidInput("give the registrar's wallet: this network has no registrar of its own")
        return Registrar(self._ledger, self._funded(wallet))

    def authority(self, wallet: Signer | None = None) -> Authority:
        """The authority, that names registrars; the network's own unless a wallet is given.

        Raises:
            InvalidInput: this network has none of its own.
        """
        wallet = wallet or self._authority
        if wallet is None:
            raise InvalidInput("give the authority's wallet: this network has none of its own")
        return Authority(self._ledger, self._funded(wallet))

    def mandate(self, wallet: Signer, principal: Account, keys: Unsealer) -> Mandate:
        """An actor on behalf of a principal whose keys are anywhere: a key service, or this machine.

        Args:
            wallet: Of the actor, which has no need of keys of its own.
            principal: Whom it acts for: itself, or the provider that named it its agent.
            keys: Open data keys for the principal.
        """
        return Mandate(self._ledger, self._funded(wallet), address_of(principal), keys)

    def key_service(self, principal: Account, module: KeySession, account: str | Path) -> KeyService:
        """The service that opens data keys of a provider for its agents. ``keyservice.server.Server`` lets it listen.

        Args:
            principal: The provider.
            module: Has its profile keys: a ``KeyFile`` that was logged in to, or a hardware module.
            account: File in which every request is entered; made if it is not there. Close the service to let go of it.

        Raises:
            ConfigurationError: the file cannot be used, or another service keeps it.
            AccountAltered: it was altered, or is another service's.
            AccountUnwritable: it cannot be written.
        """
        from medrec_py.keyservice.service import KeyService  # noqa: PLC0415 - needs POSIX file locks

        return KeyService.open(self._ledger, module, address_of(principal), Path(account))

    def patient_id(self, wallet: Account) -> str:
        """The patient id that a wallet decides for: its own address, or one that was handed to it.

        Raises:
            InvalidInput: it decides for several.
        """
        return self._ledger.patient_controlled_by(address_of(wallet))

    def patient_ids(self, wallet: Account) -> list[str]:
        """All patient ids that a wallet decides for: its own, and those of children, for instance."""
        return self._ledger.patients_of(address_of(wallet))

    def controls(self, wallet: Account) -> bool:
        """Whether a wallet decides for a patient who is registered."""
        return bool(self._ledger.patients_of(address_of(wallet)))

    def recovery(self, patient: Account, seed: KemSeed | None = None) -> Recovery:
        """Restore a patient's root secret on this device by the guardians' shares.

        Args:
            patient: Patient id.
            seed: Of a recovery that had begun; a new one begins unless given.

        Raises:
            NotFound: nobody is registered under that id.
        """
        address = address_of(patient)
        if not self.contract.patient_of(address).is_registered:
            raise NotFound(f"no patient is registered as {address} with the contract {self.address}")
        return Recovery(self._ledger, address, KemSeed.generate() if seed is None else seed)

    def wallet_recovery(
        self, patient: Account, wallet: Signer, root: RootSecret | None = None, *, request: bytes | None = None
    ) -> WalletRecovery:
        """Have a patient's guardians hand the patient id to a new wallet.

        Args:
            patient: Patient id.
            wallet: The new wallet.
            root: The patient's root secret, which tells who the guardians are; the wallet's own unless given.
            request: Of a recovery that had been asked for; a new one is asked for unless given.

        Raises:
            NotFound: nobody is registered under that id.
            RootSecretMissing: neither a root secret nor a wallet with one is given.
            GuardiansUnknown: the patient has no guardians, or the root secret does not tell who they are.
            InvalidInput: the wallet decides for the patient already, or the request is another wallet's.
        """
        address = address_of(patient)
        if not self.contract.patient_of(address).is_registered:
            raise NotFound(f"no patient is registered as {address} with the contract {self.address}")
        secret = require_root(wallet, root)
        if request is None:
            return WalletRecovery.ask(self._ledger, address, self._funded(wallet), secret)
        return WalletRecovery.resume(self._ledger, self._funded(wallet), secret, request)

    def approve_recovery(self, guardian: Signer, request: bytes, fingerprint: str) -> bytes:
        """Sign, as a guardian, that a patient id goes to a new wallet; see ``medrec_py.wallet_recovery.approve``."""
        return wallet_recovery.approve(self._ledger, guardian, request, fingerprint)

    def carry(self, bundle: Bundle, payer: Signer | None = None) -> Receipt:
        """Have decisions carried out that somebody signed, whoever it was, and wait until they are mined.

        Args:
            bundle: From ``Patient.signed``.
            payer: Sends and pays; the network's relayer unless given.

        Raises:
            InvalidInput: there is neither a payer nor a relayer.
            SignatureMissing: somebody who has to sign did not.
            ContractError: the contract refuses one of the decisions; nothing was sent.
            RelayError: the relayer did not do it, or does not answer.
            ChainError: the node does not answer, or refuses.
        """
        courier = self._ledger.courier if payer is None else OwnExpense(self.contract, self._funded(payer))
        if courier is None:
            raise InvalidInput("name who pays, or connect with relayer=")
        return self._ledger.carry(courier, bundle)

    def check_exchange(self, document: bytes) -> Answer:
        """Whether a request for access was made, and answered so: for both sides, and for whom they show it to.

        Args:
            document: What ``Exchange.to_json`` wrote.

        Raises:
            FormatError: it is no exchange.
            RequestNotFound: there is no answer in it.
            AccessMismatch, SignatureMissing: it was not asked or answered so, or the chain has nothing of it.
            ChainError: the node does not answer.
        """
        return check_exchange(self._ledger, UnverifiedExchange.from_json(document))

    # --- what is known of others ------------------------------------------------------------------------------------

    def profile(self, account: Account) -> ProfileContent:
        """The profile that an account has published, verified.

        Raises:
            ProfileNotFound: it has published none.
            IntegrityError: the block is not what the account signed.
            StorageError: it cannot be had.
        """
        return self._ledger.profile(address_of(account))

    # --- what it is made of -----------------------------------------------------------------------------------------

    @property
    def chain(self) -> Chain:
        """The connection."""
        return self._ledger.chain

    @property
    def contract(self) -> MedRecContract:
        """The contract, for what the roles do not cover."""
        return self._ledger.contract

    @property
    def store(self) -> BlockStore:
        """The block store."""
        return self._ledger.store

    @property
    def address(self) -> str:
        """Of the contract, EIP-55."""
        return self._ledger.contract.address

    @property
    def suite(self) -> int:
        """Number of the cipher suite by which everything new is sealed: the deployment's."""
        return self._ledger.suite.number

    @property
    def chain_id(self) -> int:
        """EIP-155 chain id."""
        return self._ledger.chain.chain_id

    @property
    def deployment(self) -> Deployment:
        """Chain and contract, as keys and signatures are bound to them."""
        return self._ledger.deployment

    def on_receipt(self, observer: Callable[[Receipt], None]) -> None:
        """Have every transaction's receipt shown to ``observer`` as well, for accounts of gas."""
        self._ledger.observe(observer)

    def keep(self, resources: ExitStack) -> None:
        """Close these as well when the network is closed."""
        self._resources.push(resources)

    def close(self) -> None:
        """Close the store and whatever else belongs to this network. Closing twice is as once."""
        self._ledger.store.close()
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Network {self.address} on chain {self.chain_id}, blocks in {self.store!r}>"

    # --- private ----------------------------------------------------------------------------------------------------

    def _funded(self, wallet: Signer) -> Signer:
        pays = wallet.payer if isinstance(wallet, Carried) else wallet
        if self._fund is not None and not self.chain.balance(pays.address):
            self._fund(pays.address)
        return wallet

    def _published(self, party: _P, name: str, publish: bool) -> _P:
        if publish and not any(self.contract.profile_of(party.address)):
            party.publish_profile(name)
        return party


def local(store: Address | Sequence[Address] | None = None, *, suite: int = FIRST_SUITE) -> Network:
    """MedRec on a chain inside this process, with blocks in a folder: for trying it out and for tests.

    Nothing stays behind. Accounts are given ether as they are used. The network has an authority and a registrar
    of its own.

    Args:
        store: Where blocks go; a temporary folder unless given.
        suite: Number of the deployment's cipher suite.

    Raises:
        UnknownSuite: this version does not have the suite.
        ConfigurationError: the extra ``local`` is not installed (``pip install medrec-py[local]``).
    """
    by_number(suite)  # before anything is opened
    resources = ExitStack()
    if store is None:
        store = resources.enter_context(tempfile.TemporaryDirectory(prefix="medrec-"))
    chain = LocalChain()
    network = on_development_chain(chain, open_store(store), chain.fund, suite=suite)
    network.keep(resources)
    return network


def on_development_chain(
    chain: Chain, store: BlockStore, fund: Callable[[str], None], *, suite: int = FIRST_SUITE
) -> Network:
    """A fresh deployment on a development chain, with an authority and a registrar made for it.

    Args:
        chain: The connection.
        store: Where blocks are.
        fund: Gives an account ether.
        suite: Number of the deployment's cipher suite.
    """
    authority, registrar = Wallet.create(), Wallet.create()
    fund(authority.address)
    deployed = deploy(chain, authority, suite=suite).deployed
    network = Network(
        chain,
        MedRecContract(chain, deployed.address, check=False),
        store,
        first_block=deployed.block,
        suite=deployed.suite,
        fund=fund,
        authority=authority,
        registrar=registrar,
    )
    network.authority().add_registrar(registrar)
    return network


def connect(
    url: str | None = None,
    *,
    contract: str | Deployed,
    store: Address | Sequence[Address],
    suite: int | None = None,
    w3: Web3 | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
    chain_id: int | None = None,
    store_token: str | None = None,
    relayer: str | None = None,
) -> Network:
    """MedRec as it is deployed on a chain.

    Args:
        url: Of the node's JSON-RPC interface.
        contract: Address of the contract; or a ``Deployed`` from its deployment file, which also says where its
            events begin, and its suite.
        store: Where blocks are: a folder, a Kubo node's RPC address, a gateway, or several in order (``open_store``).
        suite: Number of the deployment's cipher suite, where ``contract`` is an address alone; 1 unless given.
        w3: The caller's own connection, in place of a URL.
        headers: Sent with each request to the node, ``Authorization`` for instance.
        timeout: Seconds until a request to the node or the store is given up.
        chain_id: The chain that it is expected to be.
        store_token: Bearer token for the store.
        relayer: Of a relayer: what wallets decide they sign, and it sends and pays (``medrec_py.relayer``). Its
            address is that of ``RelayerClient``.

    Raises:
        InvalidInput: not exactly one of ``url`` and ``w3`` is given, a suite beside a ``Deployed``, or a value cannot
            be used.
        UnknownSuite: this version does not have the suite.
        ChainUnavailable: the node does not answer.
        WrongChain: it serves another chain.
        NotDeployed: there is no MedRec at the address.
    """
    chosen = _suite_of(contract, suite)
    if (url is None) == (w3 is None):
        raise InvalidInput("give the node's URL, or your own Web3 as w3=")
    with ExitStack() as resources:
        chain = _connected(url, w3, headers, timeout, chain_id)
        resources.callback(chain.close)  # a caller's own Web3 is left alone
        address, first_block = (contract, 0) if isinstance(contract, str) else (contract.address, contract.block)
        there = MedRecContract(chain, address)
        courier = None if relayer is None else resources.enter_context(RelayerClient(relayer, timeout=timeout))
        blocks = open_store(store, token=store_token, timeout=timeout)
        network = Network(chain, there, blocks, first_block=first_block, suite=chosen, courier=courier, mail=courier)
        network.keep(resources.pop_all())
    return network


def _connected(
    url: str | None, w3: Web3 | None, headers: Mapping[str, str] | None, timeout: float, chain_id: int | None
) -> Chain:
    if w3 is not None:
        return Chain(w3, chain_id=chain_id)
    assert url is not None  # noqa: S101 - one of them is
    return Chain.connect(url, headers=headers, timeout=timeout, chain_id=chain_id)


def _suite_of(contract: str | Deployed, suite: int | None) -> int:
    """The deployment says its suite; the caller may only where nothing else does."""
    if isinstance(contract, str):
        return by_number(FIRST_SUITE if suite is None else suite).number
    if suite is not None:
        raise InvalidInput(f"the deployment itself says its suite, {contract.suite}: give suite= with an address alone")
    return by_number(contract.suite).number
