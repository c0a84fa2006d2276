"""One call of the program: its settings, its identities, and what it has opened."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

from medrec_py.cli import browsers, opening
from medrec_py.cli.errors import KeysElsewhere
from medrec_py.cli.files import private_folder, write_private
from medrec_py.cli.identities import BROWSER, Identities, Identity
from medrec_py.cli.options import Given
from medrec_py.cli.output import Document, Output
from medrec_py.cli.passphrases import Passphrases
from medrec_py.cli.pins import Pins
from medrec_py.cli.settings import Settings
from medrec_py.errors import ConfigurationError, RelayError

if TYPE_CHECKING:
    from medrec_py.chain.connection import Chain
    from medrec_py.chain.transactions import Receipt
    from medrec_py.crypto.keys import RootSecret
    from medrec_py.keyservice.client import KeyServiceClient
    from medrec_py.network import Network
    from medrec_py.party import Party
    from medrec_py.patient import Patient
    from medrec_py.provider import Mandate, Provider
    from medrec_py.relayer import RelayerClient
    from medrec_py.representative import Representative
    from medrec_py.wallet import Signer
    from medrec_py.wallets.browser import BrowserWallet

UNSENT = "unsent"
"""Folder, in a profile's, of signed decisions that a relayer did not carry out."""


class Session:
    """What a command works with. Everything is opened, and each passphrase asked for, when it is needed first.

    Args:
        given: The common options.
        output: Where to print.
        environment: Variables.
    """

    def __init__(self, given: Given, output: Output, environment: Mapping[str, str]) -> None:
        self.given = given
        self.output = output
        flags = {
            "chain": given.chain,
            "contract": given.contract,
            "store": given.store or None,
            "key-service": given.key_service,
            "relayer": given.relayer,
            "passphrase-file": given.passphrase_file,
        }
        self.settings = Settings(flags, environment, home=given.home, profile=given.profile)
        self.identities = Identities(self.settings.home, self.settings.profile_folder)
        self.passphrases = Passphrases(self.settings, environment)
        self.pins = Pins(environment)
        self.receipts: list[Receipt] = []
        self.mentioned: list[str] = []
        """Accounts that the command is about: a page on which it is signed shows the names that they publish."""
        self._resources = ExitStack()
        self._browser: BrowserWallet | None = None

    def close(self) -> None:
        """Close what was opened."""
        self._resources.close()

    # --- chain and store --------------------------------------------------------------------------------------------

    @cached_property
    def chain(self) -> Chain:
        """The node."""
        chain = opening.open_chain(self.settings)
        self._resources.callback(chain.close)
        return chain

    @cached_property
    def network(self) -> Network:
        """Contract and store."""
        relayer = self.relayer if self.settings.text("relayer") is not None else None
        network = opening.open_network(self.settings, self.chain, relayer)
        self._resources.callback(network.close)
        network.on_receipt(self.receipts.append)
        return network

    @cached_property
    def relayer(self) -> RelayerClient:
        """The relayer that is set.

        Raises:
            ConfigurationError: none is.
            InvalidInput: its address cannot be used.
        """
        from medrec_py.relayer import RelayerClient  # noqa: PLC0415 - slow to import

        address = self.settings.text("relayer")
        if address is None:
            raise ConfigurationError("no relayer is set: name one with --relayer, or the setting relayer")
        relayer = RelayerClient(address, timeout=opening.timeout(self.settings))
        self._resources.callback(relayer.close)
        return relayer

    def keep_unsent(self, error: RelayError) -> None:
        """Write down what was signed where the relayer did not do it, and say in the error where.

        What cannot be written is lost, and said to be: the error stays the relayer's.
        """
        if error.bundle is None:
            return
        folder = self.settings.profile_folder(self.settings.profile) / UNSENT
        path = folder / f"{error.bundle.id}.json"
        try:
            write_private(private_folder(folder) / path.name, error.bundle.to_json())
        except ConfigurationError as problem:
            error.add_note(f"What was signed could not be kept: {problem}")
            return
        error.add_note(f"What was signed is in {path}: `medrec relay send {path}` sends it, until its deadline.")

    @property
    def first_block(self) -> int:
        """Where the contract's events begin, as far as that is known."""
        return opening.find_contract(self.settings, self.chain.chain_id).first_block

    def transactions(self) -> list[Document]:
        """What was sent, for machines."""
        return [
            {"transaction": receipt.transaction, "block": receipt.block, "gas_used": receipt.gas_used}
            for receipt in self.receipts
        ]

    def sent(self) -> tuple[str, str]:
        """What was sent, for people: a pair for `Fields`."""
        gas = sum(receipt.gas_used for receipt in self.receipts)
        return "transactions", f"{', '.join(receipt.transaction for receipt in self.receipts)} ({gas:,} gas)"

    # --- identities -------------------------------------------------------------------------------------------------

    @cached_property
    def identity(self) -> Identity:
        """That of the profile in use."""
        return self.identities.get(self.settings.profile)

    @cached_property
    def wallet(self) -> Signer:
        """Its wallet, unlocked; or the signer that has its key, for the node's chain."""
        return self.wallet_of(self.identity)

    def wallet_of(self, identity: Identity) -> Signer:
        """The wallet of any identity on this machine, as `wallet`."""
        kind = identity.signer
        if kind is None:
            return identity.wallet(self.passphrases.of(identity.profile))
        if kind == BROWSER:
            return self._in_browser(identity)
        return opening.open_signer(self.settings, kind, identity.address, self.chain.chain_id)

    def _in_browser(self, identity: Identity) -> BrowserWallet:
        """A wallet in a browser, with one page for everything that the command has signed."""
        from medrec_py.wallets.browser import BrowserWallet  # noqa: PLC0415 - slow to import

        wallet = BrowserWallet(
            identity.address,
            chain_id=self.chain.chain_id,
            timeout=opening.signer_timeout(self.settings),
            open_page=lambda url: browsers.open_page(self.output, url),
        )
        self._browser = self._resources.enter_context(wallet)
        return wallet

    @cached_property
    def root(self) -> RootSecret:
        """Its root secret, unlocked."""
        return self.root_of(self.identity)

    def root_of(self, identity: Identity) -> RootSecret:
        """The root secret of any identity on this machine."""
        return identity.root(self.passphrases.of(identity.profile))

    @cached_property
    def patient_id(self) -> str:
        """Whose record the profile's root secret opens: of a patient restored, or of whom its wallet decides for."""
        restored = self.identity.patient
        return restored if restored != self.identity.address else self.network.patient_id(restored)

    # --- roles ------------------------------------------------------------------------------------------------------

    def decides(self, identity: Identity) -> bool:
        """Whether the wallet of an identity decides for the patient whose record its root secret is to open."""
        return self.network.contract.patient_of(identity.patient).wallet == identity.address

    def decides_for(self, patient: str) -> bool:
        """Whether the record of a patient id is the profile's own, or that of a child whom its wallet decides for."""
        if self.network.contract.patient_of(patient).wallet == self.identity.address:
            return True
        return patient == self.patient_id

    def decider(self, patient: str | None, *, locked: bool = False) -> Patient | Representative:
        """The profile as who decides for a patient id: as the patient, or as a representative.

        Args:
            patient: Whose; the profile's own unless given.
            locked: It only reads.
        """
        from medrec_py.wallet import Locked  # noqa: PLC0415

        if patient is None or self.decides_for(patient):
            return self.patient(patient, locked=locked)
        signer = Locked(self.identity.address) if locked else self.wallet
        return self.network.representative(signer, patient, self.root, publish=False)

    def patient(self, patient: str | None = None, *, locked: bool = False) -> Patient:
        """The profile as a patient. The node is asked before the passphrase is.

        Args:
            patient: The id, of those that its wallet decides for; the profile's own unless given.
            locked: It only reads: its wallet stays locked.
        """
        from medrec_py.wallet import Locked  # noqa: PLC0415 - slow to import

        network = self.network
        if self.identities.successor_folder(self.identity.profile).exists():
            self.output.warn("a change of this profile's phrase was interrupted: `medrec keys finish` goes on with it")
        elif any(map(self.decides, self.identities.given_up(self.identity.profile))):
            self.output.warn(
                "a change of this profile's phrase that was set aside took place: `medrec keys finish` takes it up"
            )
        signer = Locked(self.identity.address) if locked else self.wallet
        opened = network.patient(signer, self.root, patient=patient or self.patient_id)
        if self._browser is not None:
            self._browser.names = lambda: browsers.known_names(network, opened, self.mentioned)
        return opened

    def provider(self) -> Provider:
        """The profile as a provider that acts for itself."""
        network = self.network
        return network.reader(self.wallet, self.root, publish=False)

    def account(self) -> Party:
        """The profile as an account that signs: its root secret stays locked."""
        network = self.network
        return network.account(self.wallet)

    def mandate(self, principal: str, *, locked: bool = False) -> Mandate:
        """The profile on behalf of a provider, whose keys are in its key service or on this machine; or of itself.

        Args:
            principal: Address of the provider.
            locked: It only reads: no wallet is unlocked, unless a key service wants its signature.

        Raises:
            KeysElsewhere: no key service is set, and no profile on this machine has the provider's keys.
            InvalidInput: the address of the key service cannot be used.
        """
        from medrec_py.wallet import Locked  # noqa: PLC0415

        network = self.network
        service = self.settings.text("key-service")
        if service is not None and principal != self.identity.address:
            return network.mandate(self.wallet, principal, self._key_service(service, principal))
        identity = self.identities.find(principal)
        if identity is None:
            raise KeysElsewhere(f"no profile on this machine has the keys of {principal}, and no key service is set")
        signer = Locked(self.identity.address) if locked else self.wallet
        keys = network.reader(Locked(principal), self.root_of(identity), publish=False).keys()
        return network.mandate(signer, principal, keys)

    def _key_service(self, address: str, principal: str) -> KeyServiceClient:
        from medrec_py.keyservice.client import KeyServiceClient  # noqa: PLC0415 - slow to import

        client = KeyServiceClient(address, self.wallet, principal, timeout=opening.timeout(self.settings))
        self._resources.callback(client.close)
        return client
