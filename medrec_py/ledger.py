"""The chain and the store as the roles see them: histories, decisions, profiles, and blocks by their pointers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from copy import copy
from dataclasses import replace
from itertools import islice
from typing import NamedTuple, cast

from medrec_py import consent as consents
from medrec_py import history as histories
from medrec_py.chain.answers import Block
from medrec_py.chain.connection import Chain, NodeError
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.events import (
    Event,
    KeyringPublished,
    Logged,
    PatientRegistered,
    ProfilePublished,
    RecordAppended,
    RecordsAppended,
    RecordsErased,
    RecordsMoved,
    WalletChanged,
)
from medrec_py.chain.logs import fetch_logs
from medrec_py.chain.signatures import ContractSignatures
from medrec_py.chain.transactions import Call, Receipt, transfer_all
from medrec_py.chain.types import ZERO_BYTES32, BlockId, address_bytes, address_of, to_address
from medrec_py.consent import Consent
from medrec_py.courier import Courier, Delivery
from medrec_py.crypto import profile as profiles
from medrec_py.crypto.keys import Deployment, Place
from medrec_py.crypto.profile import ProfileContent
from medrec_py.crypto.signed_decisions import MAX_BLOCKS, MAX_BLOCKS_SIZE, Bundle, SignedDecision, blocks_reached
from medrec_py.crypto.suites import by_number
from medrec_py.errors import (
    ClockWrong,
    ContractError,
    HistoryMismatch,
    InvalidInput,
    ProfileNotFound,
    ProfileOutdated,
    RelayError,
    StorageError,
)
from medrec_py.history import History
from medrec_py.keyrings import Cache
from medrec_py.mail import Mail
from medrec_py.recent import Recent
from medrec_py.signed_forms import Signing, signed_call, stages
from medrec_py.storage.cid import Cid
from medrec_py.storage.store import BlockStore
from medrec_py.times import as_datetime
from medrec_py.trial import Trials
from medrec_py.wallet import Signer
from medrec_py.whereabouts import Whereabouts

PATIENTS, PROFILES = 256, 4096
"""Of how many patients, and how many profiles, what was read is kept: a service of 10,000 patients stays small."""

CLOCK_TOLERANCE = 3600
"""Seconds that a statement's time may lie ahead of the chain's clock."""

_ENTRIES = (RecordAppended, RecordsAppended, KeyringPublished, RecordsMoved, RecordsErased)


SIGNED_FOR = 3600
"""Seconds for which a decision that somebody else is to send is signed."""

ACCOUNTS_AT_ONCE = 200
"""Nodes take a filter of so many addresses; geth's limit is 1,000."""


class _Decided(NamedTuple):
    """What was read of a patient's decisions: the events up to a block, and what they come to."""

    events: Sequence[Logged[Event]]
    consent: Consent
    block: Block


class Ledger:
    """One deployment and one store.

    Args:
        chain: The connection.
        contract: MedRec on it.
        store: Where blocks are.
        first_block: Number of the block with the deployment: no event comes before it.
        suite: Number of the deployment's cipher suite: what is sealed anew is sealed by it.
        patients: Of how many patients what was read is kept: those that were asked for last.
        courier: Brings to the chain what wallets sign, so that they need no ether; they send it themselves unless
            given.
        mail: Carries requests for access and their answers.

    Raises:
        UnknownSuite: this version does not have the suite.
    """

    def __init__(
        self,
        chain: Chain,
        contract: MedRecContract,
        store: BlockStore,
        first_block: int = 0,
        *,
        suite: int,
        patients: int = PATIENTS,
        courier: Courier | None = None,
        mail: Mail | None = None,
    ) -> None:
        self.chain = chain
        self.contract = contract
        self.store = store
        self.suite = by_number(suite)
        self.check_contract = ContractSignatures(chain)
        self.first_block = first_block
        self.deployment = Deployment(chain.chain_id, address_bytes(contract.address))
        self._keyrings: Recent[str, Cache] = Recent(patients)
        self._profiles: Recent[tuple[str, bytes], ProfileContent] = Recent(PROFILES)
        self._decisions: Recent[str, _Decided] = Recent(patients)
        self._histories: Recent[str, History] = Recent(patients)
        self._whereabouts: Recent[bytes, tuple[int, Whereabouts]] = Recent(patients)  # by the word of a history
        self._observers: list[Callable[[Receipt], None]] = []
        self._trials = Trials()
        self.courier = courier
        self._mail = mail
        self.signed_for = SIGNED_FOR
        self.only_signs = False

    # --- chain ------------------------------------------------------------------------------------------------------

    def place(self, patient: str) -> Place:
        """Chain, contract and patient."""
        return Place(self.deployment.chain_id, self.deployment.contract, address_bytes(patient))

    def now(self) -> int:
        """Unix time: the later of this machine's clock and the latest block's, so that no expiry is missed."""
        return max(int(time.time()), self.chain.now())

    def signing_time(self) -> int:
        """The time that a statement made now carries, Unix time; like ``now``, and near to the chain's clock.

        Where nobody has written for long, the latest block says little, and the next one, as the node would make it
        now, is asked for.

        Raises:
            ClockWrong: this machine's clock is more than an hour ahead of both.
        """
        own, latest = int(time.time()), self.chain.now()
        if own - latest > CLOCK_TOLERANCE and own - (self.chain.next_time() or latest) > CLOCK_TOLERANCE:
            raise ClockWrong(
                f"this machine's clock says {as_datetime(own):%Y-%m-%d %H:%M} UTC, and the latest block is of "
                f"{as_datetime(latest):%Y-%m-%d %H:%M}"
            )
        return max(own, latest)

    def send(self, wallet: Signer, *calls: Call, at_once: bool = False) -> Receipt:
        """Send one call, or several that take place together or not at all.

        With a courier the wallet signs what has a signed form, and the courier brings it. Then several calls may take
        place one after another, and be left in between, as ``signed_forms.stages`` has them.

        Args:
            wallet: Whose calls they are.
            calls: What.
            at_once: They must not be left in between: the wallet sends them itself, courier or not.

        Raises:
            ContractError: the contract refused.
            ChainError: the node refused or does not answer.
            TransactionTimeout: there is no receipt yet.
            RelayError: the courier did not do it. It may still be done until the signatures' deadline.
        """
        staged = [] if self.courier is None or at_once else stages(calls)
        if self.only_signs and len(staged) != 1:
            raise InvalidInput(
                "this cannot be signed for somebody else to send: it takes several steps, or must take place all at "
                "once; let the wallet send it"
            )
        if self.courier is not None and staged:
            return self._together([self._have_carried(self.courier, wallet, stage) for stage in staged])
        with self._trials.sending():
            receipt = self.contract.send(wallet, self.contract.together(calls))
        return self._together([receipt])

    def only_signing(self, drawer: Courier, signed_for: int) -> Ledger:
        """The same, where nothing is sent: what is decided is signed and given to a courier, or cannot be decided.

        Args:
            drawer: Takes what was signed.
            signed_for: Seconds for which decisions are signed.
        """
        other = copy(self)  # what was read, and which attempts run, is the same for both
        other.courier, other.signed_for, other.only_signs = drawer, signed_for, True
        return other

    def carry(self, courier: Courier, bundle: Bundle) -> Receipt:
        """Have a bundle carried out that somebody signed, and store its blocks before, unless the courier does.

        Returns:
            The receipt; that of an earlier transaction if somebody else was first.

        Raises:
            SignatureMissing: somebody who has to sign did not.
            StorageError: the store did not take the blocks; nothing was sent.
            ContractError: the contract refuses it.
            RelayError, ChainError: as ``Courier.carry``.
        """
        bundle.verify(self.check_contract)
        return self._together([self._delivered(courier, bundle, lambda: self._brought(courier, bundle))])

    @property
    def mail(self) -> Mail:
        """Carries requests for access and their answers.

        Raises:
            InvalidInput: nobody does.
        """
        if self._mail is None:
            raise InvalidInput(
                "requests for access go by a relayer, and none is named (relayer=, or the setting relayer)"
            )
        return self._mail

    def transfer_all(self, wallet: Signer, to: str) -> None:
        """Send everything that a wallet has to another account, less the fee. Raises as ``send``."""
        receipt = transfer_all(self.chain, wallet, to)
        if receipt is not None:
            for observer in self._observers:
                observer(receipt)

    def observe(self, observer: Callable[[Receipt], None]) -> None:
        """Show every receipt to ``observer`` as well."""
        self._observers.append(observer)

    def readers_at(self, patient: str, readers: Sequence[bytes], at: int) -> Sequence[int]:
        """Which compartments each reader (20 bytes) may read at a time: its mask, zero while it is suspended."""
        if not readers:
            return []
        return self.contract.readers_at(patient, [address_of(reader) for reader in readers], at)

    def consent(self, patient: str) -> Consent:
        """The decisions of a patient, held against the contract's keyring version.

        Raises:
            HistoryMismatch: the node left out or invented one.
            ChainUnavailable: the node does not answer.
        """
        return self._decided(patient)[0]

    def history(self, patient: str) -> History:
        """The history of a patient, proved complete.

        What was checked before is not fetched again unless the chain changed.

        Raises:
            HistoryMismatch: the node left out, changed or invented an entry.
            ChainUnavailable: the node does not answer.
        """
        patient = to_address(patient)
        known = self._histories.get(patient)
        if known is not None:
            try:
                return self._extended(patient, known)
            except HistoryMismatch:
                pass  # the chain was reorganised, or the node is wrong: begin again
        return self._extended(patient, None)

    def patient_controlled_by(self, wallet: str) -> str:
        """The patient id that a wallet decides for: its own address, or one registered under it or handed to it.

        A wallet that controls none may be about to register its own.

        Raises:
            InvalidInput: it controls several.
        """
        if self.contract.patient_of(wallet).wallet == wallet:
            return wallet
        controlled = self.patients_of(wallet)
        if len(controlled) > 1:
            raise InvalidInput(f"{wallet} decides for several patients, say for which: {', '.join(controlled)}")
        return controlled[0] if controlled else wallet

    def patients_of(self, wallet: str) -> list[str]:
        """The patient ids that a wallet decides for: its own, those registered under it, those handed to it."""
        kinds = (PatientRegistered, WalletChanged)
        named = {
            str(logged.event.patient)
            for logged in fetch_logs(self.contract, kinds, wallet=wallet, from_block=self.first_block)
            if isinstance(logged.event, kinds)
        }
        return sorted(patient for patient in named if self.contract.patient_of(patient).wallet == wallet)

    def decisions(self, patient: str) -> Sequence[Logged[Event]]:
        """The events of a patient's keyrings and permissions, in order, held against the contract's keyring version.

        Raises:
            HistoryMismatch: the node left out or invented one.
        """
        return self._decided(patient)[1]

    def whereabouts(self, history: History, place: Place) -> Whereabouts:
        """Where the records of a history are now. That of the latest history of a patient is kept."""
        kept = self._whereabouts.get(place.patient)
        if kept is None or kept[0] != history.word:
            kept = self._whereabouts.put(place.patient, (history.word, Whereabouts(history, place, self.fetch)))
        return kept[1]

    # --- profiles ---------------------------------------------------------------------------------------------------

    def profile(self, account: str) -> ProfileContent:
        """The verified profile of an account.

        Raises:
            ProfileNotFound: it has published none.
            IntegrityError: the block is not what the account signed.
            StorageError: it cannot be had.
        """
        return self.profile_named(account, self.contract.profile_of(account))

    def profile_named(self, account: str, digest: bytes) -> ProfileContent:
        """The verified profile of an account that a digest names, be it its present one or an earlier one.

        Raises as ``profile``; ``ProfileNotFound`` for the digest of 32 zero bytes.
        """
        if digest == ZERO_BYTES32:
            raise ProfileNotFound(f"{account} has published no profile, so nothing can be sealed to it")
        known = self._profiles.get((account, digest))
        if known is not None:
            return known
        verified = profiles.parse(self.fetch(digest)).verify(
            self.deployment, address_bytes(account), self.check_contract
        )
        return self._profiles.put((account, digest), verified)

    def key_of(self, account: str) -> bytes:
        """The public key that may be sealed to: that of the account's present profile. Raises as ``key_named``."""
        return self.key_named(account, self.contract.profile_of(account))

    def key_named(self, account: str, digest: bytes) -> bytes:
        """The public key of a verified profile, if it may be sealed to: if it is of the deployment's suite.

        Raises:
            ProfileOutdated: it is of another suite. Nothing is sealed to it, lest the weaker one decide.
            ProfileNotFound, IntegrityError, StorageError: as ``profile``.
        """
        profile = self.profile_named(account, digest)
        if profile.suite.number != self.suite.number:
            raise ProfileOutdated(
                f"the profile of {account} has a key of suite {profile.suite.number}, "
                f"and this deployment seals by suite {self.suite.number}"
            )
        return profile.public_key

    def profile_digests(self, accounts: Sequence[str], block: BlockId = "latest") -> list[bytes]:
        """The digests of accounts' profiles (EIP-55), 32 bytes each, zero where there is none."""
        return [
            digest
            for start in range(0, len(accounts), ACCOUNTS_AT_ONCE)
            for digest in self.contract.profiles_of(accounts[start : start + ACCOUNTS_AT_ONCE], block)
        ]

    def profiles_published(
        self, accounts: Sequence[str], last: int, first: int | None = None
    ) -> list[Logged[ProfilePublished]]:
        """When these accounts published or withdrew profiles, in order.

        Args:
            accounts: EIP-55.
            last: Number of the last block to look at.
            first: Of the first one; that of the deployment unless given.
        """
        found: list[Logged[ProfilePublished]] = []
        for start in range(0, len(accounts), ACCOUNTS_AT_ONCE):
            some = accounts[start : start + ACCOUNTS_AT_ONCE]
            begin = self.first_block if first is None else first
            logs = fetch_logs(self.contract, [ProfilePublished], from_block=begin, to_block=last, account=some)
            found += cast("Iterator[Logged[ProfilePublished]]", logs)
        return sorted(found, key=lambda log: (log.block, log.index))

    # --- blocks -----------------------------------------------------------------------------------------------------

    def fetch(self, pointer: bytes) -> bytes:
        """The block that a pointer names, verified. Raises ``StorageError`` and ``BlockMismatch``."""
        return self.store.get_block(Cid.raw(pointer))

    def put_block(self, block: bytes) -> bytes:
        """Store a block, read it back, and return its pointer: only then may it go on chain.

        Raises:
            StorageError, BlockMismatch: the store did not take it, or does not give it back.
        """
        cid = self.store.put_block(block)
        self._trials.add(cid)
        self._trials.publish(cid)
        self.store.verify(cid)
        return cid.digest

    def put_content(self, octets: Iterable[bytes]) -> Cid:
        """Store a file, and read it back. Raises as ``put_block``."""
        cid = self.store.put(octets)
        self._trials.add(cid)
        self.store.verify(cid)
        return cid

    def trial(self) -> AbstractContextManager[None]:
        """What is put meanwhile, block by block, is unpinned if this ends in an error and no transaction may be mined.

        So nothing stays in the store that nothing on chain will ever point to; and what may be pointed to stays.
        """
        return self._trials.attempt(self.unpin)

    def keep_block(self, block: bytes) -> bytes:
        """As ``put_block``; the block stays whatever becomes of the attempt, since others may have put the same."""
        cid = self.store.put_block(block)
        self._trials.publish(cid)
        self.store.verify(cid)
        return cid.digest

    def put_blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Store many blocks, batch by batch, and give the pointer of each once it was read back; as ``put_block``."""
        for cid in self.store.put_many(blocks):
            self._trials.add(cid)
            yield cid.digest

    def unpin(self, cid: Cid) -> bool:
        """Let the store drop a block or file. Where it cannot, that is no reason to fail: returns whether it could."""
        try:
            self.store.unpin(cid)
        except StorageError:
            return False
        return True

    def unpin_many(self, cids: Iterable[Cid]) -> int:
        """As ``unpin``, for many at once. Returns how many were taken up before the store failed, if it did."""
        count = 0

        def counted() -> Iterator[Cid]:
            nonlocal count
            for cid in cids:
                count += 1
                yield cid

        with suppress(StorageError):
            self.store.unpin_many(counted())
        return count

    # --- private ----------------------------------------------------------------------------------------------------

    def _have_carried(self, courier: Courier, wallet: Signer, calls: Sequence[Call]) -> Receipt:
        with self._trials.sending():
            # In its direct form: what is only tried shows the node no signature.
            self.contract.check(wallet.address, self.contract.together(calls))
            bundle = self._signed(courier, wallet, calls)
        # From here on no error says that it will never be mined: whoever has the signatures may send them.
        return self._delivered(courier, bundle, lambda: courier.carry(bundle))

    def _together(self, receipts: Sequence[Receipt]) -> Receipt:
        """Show receipts to the observers, and make one of them, with the events of all."""
        for receipt in receipts:
            for observer in self._observers:
                observer(receipt)
        return replace(receipts[-1], events=tuple(logged for receipt in receipts for logged in receipt.events))

    def _delivered(self, courier: Courier, bundle: Bundle, carry: Callable[[], str]) -> Receipt:
        """The receipt of a bundle once all of it was carried out, by whomever.

        Nobody can be kept from sending a part of it. What is left is sent then: it stays good.
        """
        delivery = Delivery(self.contract, bundle, self.first_block)
        try:
            return delivery.receipt(carry())
        except ContractError:
            missing = delivery.missing()
            if len(missing) == len(bundle.decisions):
                raise
        except RelayError as error:
            error.bundle = bundle
            raise
        if missing:
            rest = bundle.only(missing)
            self._delivered(courier, rest, lambda: self._brought(courier, rest))
        return delivery.last()

    def _brought(self, courier: Courier, bundle: Bundle) -> str:
        """The hash of the transaction that carried out a bundle of anybody's.

        Its blocks stay in the store, whatever becomes of it: the same ones may be others', and be there already. So
        nothing is stored that the contract would refuse.
        """
        if courier.keeps_blocks:
            return courier.carry(bundle)
        calls = [signed_call(self.contract, signed) for signed in bundle.decisions]
        nobody = address_of(bytes(19) + b"\1")  # who sends it makes no difference
        self.contract.check(nobody, self.contract.together(calls))
        for block in bundle.blocks:
            self.keep_block(block)
        return courier.carry(replace(bundle, blocks=()))

    def _signed(self, courier: Courier, wallet: Signer, calls: Sequence[Call]) -> Bundle:
        decisions = Signing(self.contract, wallet, self.now() + self.signed_for, self.check_contract).sign(calls)
        blocks = self._blocks_of(decisions) if courier.keeps_blocks else ()
        return Bundle(decisions, blocks, atomic=len(decisions) > 1)

    def _blocks_of(self, decisions: Sequence[SignedDecision]) -> tuple[bytes, ...]:
        """What decisions publish, as far as it was stored in this attempt and a bundle has room for it."""
        found: list[bytes] = []
        room = MAX_BLOCKS_SIZE
        for block in islice(blocks_reached(decisions, self._trials.published, self.fetch), MAX_BLOCKS):
            room -= len(block)
            if room < 0:
                break
            found.append(block)
        return tuple(found)

    def _decided(self, patient: str) -> tuple[Consent, Sequence[Logged[Event]]]:
        """The decisions of a patient, and the events that they come from."""
        patient = to_address(patient)
        known = self._decisions.get(patient)
        if known is not None and self._is_current(known.block):
            try:
                return self._continued(patient, known.events, known.consent)
            except HistoryMismatch:
                pass  # the chain was reorganised, or the node is wrong: begin again
        cache = self._keyrings.get(patient)
        if cache is None:
            cache = self._keyrings.put(patient, {})
        nothing = consents.undecided(self.place(patient), self.first_block - 1, self.fetch, cache)
        return self._continued(patient, [], nothing)

    def _continued(
        self, patient: str, before: Sequence[Logged[Event]], then: Consent
    ) -> tuple[Consent, Sequence[Logged[Event]]]:
        """What holds now, by the decisions up to some block and those since."""
        block = self.chain.block()
        state = self.contract.history_of(patient, block=block.number)
        since = self._events(patient, consents.DECISIONS, then.block + 1, block.number)
        now = then.extended(since, state.keyring_version, block.number)
        if since:
            now.check_wallet(address_bytes(self.contract.patient_of(patient, block=block.number).wallet))
        events = [*before, *since] if since else before
        self._decisions.put(patient, _Decided(events, now, block))
        return now, events

    def _is_current(self, block: Block) -> bool:
        """Whether a block is still part of the chain. A grant that a reorganisation moved leaves no other trace."""
        try:
            return self.chain.block(block.number).hash == block.hash
        except NodeError:
            return False

    def _extended(self, patient: str, known: History | None) -> History:
        block = self.chain.block().number
        stated = int.from_bytes(self.contract.history_of(patient, block=block).to_word())
        if known is not None and known.word == stated:
            return known
        start = self.first_block if known is None else known.block + 1
        events = self._events(patient, _ENTRIES, start, block)
        word = 0 if known is None else known.word
        entries, word = histories.extend(address_bytes(patient), word, events, stated)
        before = () if known is None else known.entries
        checked = History((*before, *entries), word, block)
        return self._histories.put(patient, checked)

    def _events(self, patient: str, kinds: Sequence[type[Event]], first: int, last: int) -> list[Logged[Event]]:
        return list(fetch_logs(self.contract, kinds, patient=patient, from_block=first, to_block=last))
