"""Where the story takes place: a chain, a block store, and people with wallets; and what was spent."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import Self

from medrec_py.chain.connection import Chain
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import Outcome
from medrec_py.chain.local import LocalChain
from medrec_py.chain.transactions import Call, Pending, Receipt
from medrec_py.chart import Appended, Chart, TimelineEntry
from medrec_py.demo import funding
from medrec_py.demo.attack import HeldBack, Intruder, KeptKeys
from medrec_py.demo.report import Place, Spent
from medrec_py.demo.vault import Vault
from medrec_py.ledger import Ledger
from medrec_py.network import Network
from medrec_py.patient import Patient
from medrec_py.provider import Organisation, Practitioner, Provider
from medrec_py.storage import Cid, open_store
from medrec_py.wallet import Signer, Wallet

OPEN = "general"
CLOSED = "psychiatry"
"""The two compartments; the patient grants the first alone."""

REFUSED_GAS = 400_000
"""Gas limit of transactions that are sent although they will be refused, since nobody estimates one for those."""


@dataclass(frozen=True, slots=True)
class People:
    """Everybody's wallet, in the order of their entrance."""

    authority: Wallet
    registrar: Wallet
    hospital: Wallet
    doctor: Wallet
    patient: Wallet
    stranger: Wallet
    relative: Wallet

    @classmethod
    def create(cls) -> Self:
        """New people."""
        return cls(*(Wallet.create() for _ in fields(cls)))

    @property
    def addresses(self) -> dict[str, str]:
        """Role → address."""
        return {field.name: getattr(self, field.name).address for field in fields(self)}


class Stage:
    """What the steps share.

    Args:
        chain: A development chain.
        vault: Where blocks go.
        people: With ether for their transactions.
        place: The same in words.

    Attributes:
        numbers: Name of a file or note → number of its entry.
        held: Transactions that were prepared and not sent, by who holds them.
        kept: What the hospital kept of its keys.
        history: The patient's history, once it was verified.
        first_block: Number of the block with the deployment.
        say: Shows progress inside a step.
    """

    def __init__(self, chain: Chain, vault: Vault, people: People, place: Place) -> None:
        self.chain = chain
        self.vault = vault
        self.people = people
        self.place = place
        self.numbers: dict[str, int] = {}
        self.held: dict[str, HeldBack] = {}
        self.kept = KeptKeys({})
        self.history: list[TimelineEntry] = []
        self.first_block = 0
        self.say: Callable[[str], None] = lambda _: None
        self._spent: list[Spent] = []
        self._seen = 0
        self._network: Network | None = None

    # --- the deployment and who acts on it ----------------------------------------------------------------------------

    def opened(self, outcome: Outcome) -> None:
        """Go on with the contract that was deployed."""
        deployed = outcome.deployed
        self._spent.append(Spent(deployed.transaction, outcome.gas_used))
        self.first_block = deployed.block
        contract = MedRecContract(self.chain, deployed.address)
        self._network = Network(self.chain, contract, self.vault, first_block=deployed.block, suite=deployed.suite)
        self._network.on_receipt(self._note)

    @property
    def net(self) -> Network:
        """MedRec, once it is deployed."""
        assert self._network is not None  # noqa: S101 - the first step deploys it
        return self._network

    @property
    def contract_address(self) -> str:
        """Of the contract; empty until it is deployed."""
        return self._network.address if self._network else ""

    @property
    def hospital(self) -> Organisation:
        """With its keys."""
        return self.net.organisation(self.people.hospital, publish=False)

    @property
    def doctor(self) -> Practitioner:
        """With a wallet; the hospital's keys are on this machine, too."""
        return self.net.practitioner(self.people.doctor, publish=False)

    @property
    def patient(self) -> Patient:
        """With the root secret."""
        return self.net.patient(self.people.patient)

    @property
    def stranger(self) -> Provider:
        """With keys of its own."""
        return self.net.reader(self.people.stranger, publish=False)

    @property
    def patient_id(self) -> str:
        """EIP-55."""
        return self.people.patient.address

    def doctors_chart(self, signer: Signer | None = None) -> Chart:
        """The patient's record, as the doctor has it on the hospital's behalf."""
        doctor = self.net.practitioner(signer or self.people.doctor, self.people.doctor.root, publish=False)
        return doctor.on_behalf_of(self.hospital).chart(self.patient_id)

    def new_device(self) -> Network:
        """A device that has read nothing yet, with a connection of its own."""
        return Network(self.chain, self.net.contract, self.vault, first_block=self.first_block, suite=self.net.suite)

    def intruder(self, wallet: Wallet) -> Intruder:
        """Somebody who asks the chain and the store alone, with a connection of its own."""
        ledger = Ledger(self.chain, self.net.contract, self.vault, self.first_block, suite=self.net.suite)
        return Intruder(ledger, self.patient_id, wallet)

    def remember(self, name: str, appended: Appended) -> int:
        """Note the number of an entry."""
        self.numbers[name] = appended.number
        return appended.number

    # --- what was spent -----------------------------------------------------------------------------------------------

    def send_regardless(self, signer: Signer, call: Call, gas: int = REFUSED_GAS) -> Receipt:
        """Send a transaction without asking first whether it will be refused, and wait until it is mined.

        Raises:
            ContractError: it was mined, and the contract refused it.
        """
        pending = self.net.contract.submit(signer, call, gas=gas)
        try:
            receipt = pending.wait()
        finally:
            self._note_mined(pending)
        return receipt

    @property
    def transactions(self) -> int:
        """How many there were since ``take_spent`` was last called."""
        return len(self._spent) - self._seen

    def take_spent(self) -> tuple[Spent, ...]:
        """The transactions since this was last called."""
        taken = tuple(self._spent[self._seen :])
        self._seen = len(self._spent)
        return taken

    def public_bytes(self) -> Iterator[bytes]:
        """All that others can see: every block that was stored, every transaction's data, every event."""
        yield from self.vault.blocks.values()
        for spent in self._spent:
            sent, mined = self.chain.transaction(spent.transaction), self.chain.receipt(spent.transaction)
            if sent is not None:
                yield sent.data
            if mined is not None:
                yield from (log.data for log in mined.logs)

    def _note(self, receipt: Receipt) -> None:
        self._spent.append(Spent(receipt.transaction, receipt.gas_used))

    def _note_mined(self, pending: Pending) -> None:
        receipt = self.chain.receipt(pending.transaction)
        if receipt is not None:
            self._spent.append(Spent(pending.transaction, receipt.gas_used, not receipt.succeeded))


@contextmanager
def open_stage(chain_url: str | None, ipfs_url: str | None) -> Iterator[Stage]:
    """Set the stage: on embedded defaults, or on a development node and a Kubo node. Blocks do not outlive the story.

    Raises:
        ConfigurationError: something is not installed, or the node does not pay for the people.
        ChainUnavailable, InvalidInput, StorageError: a node or store cannot be used.
    """
    people = People.create()
    addresses = list(people.addresses.values())
    with ExitStack() as resources:
        folder = ipfs_url or resources.enter_context(tempfile.TemporaryDirectory(prefix="medrec-demo-"))
        vault = resources.enter_context(Vault(open_store(folder)))
        if ipfs_url is not None:
            vault.has(Cid.of(b""))  # one that does not answer is found before anything is spent
            resources.callback(vault.clear_out)
        chain: Chain
        if chain_url is None:
            chain = local = LocalChain()
            for address in addresses:
                local.fund(address)
            where = "inside this process (py-evm)"
        else:
            chain = resources.enter_context(Chain.connect(chain_url))
            funding.fund(chain, addresses)
            where = chain.node
        yield Stage(chain, vault, people, Place(where, chain.chain_id, vault.name, people.addresses))
