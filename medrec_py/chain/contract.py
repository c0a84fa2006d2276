"""The MedRec contract, typed: a method for each of its functions, and what its views return as dataclasses.

    contract = MedRecContract(chain, address)
    contract.history_of(alice).length
    contract.send(wallet, contract.revoke(alice, hospital))
    contract.send(wallet, contract.multicall([contract.register(), contract.publish_profile(digest)]))

Conventions as in `medrec_py.chain.types`; what each function requires is said in ``contracts/interfaces/IMedRec.sol``.
Addresses are taken in any usual writing. Every view takes ``block``: a number, a hash, or a tag; and every view raises:

- ``InvalidInput``: an argument is no address or does not fit its type;
- ``ChainUnavailable``: the node does not answer, or has no state for that block;
- ``NotDeployed``: what answers is not MedRec.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, TypeVar

from eth_abi.exceptions import DecodingError, EncodingError

from medrec_py.chain import abi
from medrec_py.chain.connection import Chain
from medrec_py.chain.reverts import not_permitted
from medrec_py.chain.transactions import RECEIPT_SECONDS, Call, Pending, Receipt, send, simulate, submit
from medrec_py.chain.types import (
    ZERO_ADDRESS,
    Action,
    BlockId,
    Denial,
    Entry,
    Guardianship,
    HistoryState,
    Item,
    PatientState,
    Permission,
    ProviderKind,
    ProviderState,
    Terms,
    address_bytes,
    address_of,
    to_address,
)
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
from medrec_py.crypto.wallet_recovery import Recover
from medrec_py.errors import ContractError, InvalidInput, NotDeployed
from medrec_py.wallet import Signer

_M = TypeVar("_M", bound=IntEnum)

NAME = "MedRec"
VERSION = "1"


def _is_relayable(function: str) -> bool:
    """Whether a call asks nobody who sends it."""
    return function.endswith("Signed") or function in {"beginRecovery", "completeRecovery"}


class MedRecContract:
    """The contract at an address.

    Attributes:
        chain: Where it is.
        address: Its address.
    """

    def __init__(self, chain: Chain, address: str, *, check: bool = True) -> None:
        """Take the contract at an address.

        Args:
            chain: Where it is.
            address: Its address.
            check: Ask the node whether MedRec is there. Leave it out only where that was just done.

        Raises:
            NotDeployed: there is no code at the address, or not that of MedRec.
            ChainUnavailable: the node does not answer.
        """
        self.chain = chain
        self.address = to_address(address)
        if check:
            self._check()

    def __repr__(self) -> str:
        return f"<MedRecContract {self.address} on chain {self.chain.chain_id}>"

    def _check(self) -> None:
        if not self.chain.code(self.address):
            raise NotDeployed(f"there is no contract at {self.address} on chain {self.chain.chain_id}")
        if self.eip712_domain() != self.domain():
            raise NotDeployed(
                f"the contract at {self.address} is not MedRec version {VERSION} of chain {self.chain.chain_id}"
            )

    # --- sending ----------------------------------------------------------------------------------

    def send(
        self,
        signer: Signer,
        call: Call,
        *,
        gas: int | None = None,
        max_fee_per_gas: int | None = None,
        timeout: float = RECEIPT_SECONDS,
    ) -> Receipt:
        """Send a call and wait until it is mined; see `medrec_py.chain.transactions.send`."""
        return send(self.chain, signer, call, gas=gas, max_fee_per_gas=max_fee_per_gas, timeout=timeout)

    def submit(
        self, signer: Signer, call: Call, *, gas: int | None = None, max_fee_per_gas: int | None = None
    ) -> Pending:
        """Hand a call to the node without waiting; see `medrec_py.chain.transactions.submit`."""
        return submit(self.chain, signer, call, gas=gas, max_fee_per_gas=max_fee_per_gas)

    def check(self, sender: str, call: Call, block: BlockId = "latest") -> None:
        """Find out whether the contract would refuse a call of an account, without sending it.

        Raises:
            ContractError: it would; the class says why.
        """
        simulate(self.chain, to_address(sender), call, block)

    def multicall(self, calls: Sequence[Call]) -> Call:
        """Several calls in one transaction: all take place, or none."""
        for call in calls:
            if call.to != self.address or call.value:
                raise InvalidInput("a multicall takes calls of this contract alone, without value")
        return self._call("multicall", [call.data for call in calls])

    def together(self, calls: Sequence[Call]) -> Call:
        """One call as it is, several as a `multicall`: they take place together, or none does."""
        return calls[0] if len(calls) == 1 else self.multicall(calls)

    # --- patients ---------------------------------------------------------------------------------

    def register(self) -> Call:
        """Register the sender as a patient."""
        return self._call("register")

    def change_wallet(self, patient: str, wallet: str, decision: int, deadline: int, signature: bytes) -> Call:
        """Hand a patient id to another wallet, which signed ``medrec_py.crypto.wallet_change.WalletChange``.

        Warning: from then on the sender can take nothing back.
        """
        return self._call("changeWallet", to_address(patient), to_address(wallet), decision, deadline, signature)

    def set_guardians(
        self, patient: str, decision: int, *, delay: int, rest: bytes, guardians: bytes, document: bytes
    ) -> Call:
        """Set the guardians of a patient id; 32 zero bytes for none.

        Args:
            patient: The patient id.
            decision: The patient's decisions so far plus one.
            delay: Of the set that counts now, in seconds; zero if there is none.
            rest: Of the set that counts now (``GuardianSet.rest``); zero if there is none.
            guardians: Commitment to the new set (``GuardianSet.commitment``).
            document: H of the sealed block that says who they are; zero if none comes with it.
        """
        return self._call("setGuardians", to_address(patient), decision, delay, rest, guardians, document)

    def set_guardians_signed(self, decision: SetGuardians, signature: bytes) -> Call:
        """`set_guardians` by a signature."""
        return self._signed("setGuardiansSigned", decision, signature)

    def begin_recovery(
        self, consent: Recover, signature: bytes, guardians: GuardianSet, approvals: Mapping[bytes, bytes]
    ) -> Call:
        """Begin to hand a patient id to a new wallet.

        Args:
            consent: The new wallet's own ``Recover``.
            signature: Of the new wallet.
            guardians: The set that counts now.
            approvals: Guardian, 20 bytes → its signature of its own ``Recover``.

        Raises:
            InvalidInput: a signature is of no guardian of the set, or it is for another chain or contract.
        """
        self._require_here(consent)
        if strangers := approvals.keys() - set(guardians.guardians):
            raise InvalidInput(f"{address_of(min(strangers))} is no guardian of the patient")
        return self._call(
            "beginRecovery",
            address_of(consent.place.patient),
            address_of(consent.wallet),
            consent.round,
            consent.deadline,
            guardians.delay,
            guardians.salt,
            guardians.threshold,
            [address_of(guardian) for guardian in guardians.guardians],
            signature,
            [approvals.get(guardian, b"") for guardian in guardians.guardians],
        )

    def stop_recovery(self, patient: str, round_: int) -> Call:
        """Stop the recovery of that number."""
        return self._call("stopRecovery", to_address(patient), round_)

    def stop_recovery_signed(self, decision: StopRecovery, signature: bytes) -> Call:
        """`stop_recovery` by a signature."""
        return self._signed("stopRecoverySigned", decision, signature)

    def complete_recovery(self, patient: str) -> Call:
        """Hand a patient id to the wallet that its guardians named. Anybody may."""
        return self._call("completeRecovery", to_address(patient))

    def guardianship_of(self, patient: str, block: BlockId = "latest") -> Guardianship:
        """The guardians of a patient, as commitments, and the recovery that is under way."""
        present, following, since, round_, wallet, due, unanimous = self._one(
            "guardianshipOf", to_address(patient), block=block
        )
        return Guardianship(present, following, since, round_, to_address(wallet), due, unanimous)

    def register_signed(self, decision: Register, signature: bytes, wallet_signature: bytes = b"") -> Call:
        """Register a patient by its signature; ``wallet_signature`` is that of a wallet that is not the patient id."""
        return self._signed("registerSigned", decision, signature, wallet_signature)

    def change_wallet_signed(self, decision: ChangeWallet, signature: bytes, consent: bytes) -> Call:
        """`change_wallet` by the present wallet's signature; ``consent`` is the new wallet's ``WalletChange``."""
        return self._signed("changeWalletSigned", decision, signature, consent)

    def patient_of(self, patient: str, block: BlockId = "latest") -> PatientState:
        """What is stored of a patient id."""
        wallet, decisions, flags = self._view("patientOf", to_address(patient), block=block)
        return PatientState(to_address(wallet), decisions, flags)

    # --- keys -------------------------------------------------------------------------------------

    def publish_profile(self, digest: bytes) -> Call:
        """Set the digest of the sender's profile; 32 zero bytes withdraw it."""
        return self._call("publishProfile", digest)

    def profile_of(self, account: str, block: BlockId = "latest") -> bytes:
        """The digest of an account's profile, 32 bytes, zero if it has none."""
        return bytes(self._one("profileOf", to_address(account), block=block))

    def profiles_of(self, accounts: Sequence[str], block: BlockId = "latest") -> list[bytes]:
        """The digests of many accounts' profiles, as `profile_of`, in one call of the node."""
        if not accounts:
            return []
        calls = [self._call("profileOf", to_address(account)) for account in accounts]
        digests: Sequence[bytes] = self._one("multicall", [call.data for call in calls], block=block)
        if [len(digest) for digest in digests] != [32] * len(calls):
            raise NotDeployed(f"what answers at {self.address} on chain {self.chain.chain_id} is not MedRec")
        return list(digests)

    # --- providers --------------------------------------------------------------------------------

    def authority(self, block: BlockId = "latest") -> str:
        """The account that names registrars."""
        return to_address(self._one("authority", block=block))

    def pending_authority(self, block: BlockId = "latest") -> str | None:
        """The account that the authority was offered to and that has not accepted yet."""
        candidate = to_address(self._one("pendingAuthority", block=block))
        return None if candidate == ZERO_ADDRESS else candidate

    def offer_authority(self, candidate: str | None) -> Call:
        """Offer the authority to another account; ``None`` withdraws the offer."""
        return self._call("offerAuthority", ZERO_ADDRESS if candidate is None else to_address(candidate))

    def accept_authority(self) -> Call:
        """Take over the authority."""
        return self._call("acceptAuthority")

    def add_registrar(self, account: str) -> Call:
        """Name a registrar."""
        return self._call("addRegistrar", to_address(account))

    def remove_registrar(self, account: str) -> Call:
        """Remove a registrar; its accreditations stay."""
        return self._call("removeRegistrar", to_address(account))

    def is_registrar(self, account: str, block: BlockId = "latest") -> bool:
        """Whether an account is a registrar."""
        return bool(self._one("isRegistrar", to_address(account), block=block))

    def accredit(self, provider: str, kind: ProviderKind, emergency: bool, expiry: int) -> Call:
        """Accredit a provider until ``expiry``, or change its accreditation. A suspension stays."""
        return self._call("accredit", to_address(provider), int(kind), emergency, expiry)

    def suspend(self, provider: str) -> Call:
        """Suspend a provider."""
        return self._call("suspend", to_address(provider))

    def reinstate(self, provider: str) -> Call:
        """End a suspension."""
        return self._call("reinstate", to_address(provider))

    def provider_of(self, provider: str, block: BlockId = "latest") -> ProviderState:
        """What is stored of a provider."""
        kind, *rest = self._one("providerOf", to_address(provider), block=block)
        return ProviderState(self._member(ProviderKind, kind), *rest)

    def name_agent(self, agent: str, until: int) -> Call:
        """Name an agent of the sender, or change its time.

        Warning: the agent writes in the sender's name wherever the sender may append.
        """
        return self._call("nameAgent", to_address(agent), until)

    def dismiss_agent(self, agent: str) -> Call:
        """Dismiss an agent of the sender."""
        return self._call("dismissAgent", to_address(agent))

    def agent_until(self, principal: str, agent: str, block: BlockId = "latest") -> int:
        """The first second at which the agent no longer acts for the principal; zero if never."""
        return int(self._one("agentUntil", to_address(principal), to_address(agent), block=block))

    # --- permissions ------------------------------------------------------------------------------

    def grant(self, patient: str, grantee: str, terms: Terms, seal: bytes, version: int) -> Call:
        """Grant the terms, in place of those before.

        Args:
            patient: The patient id.
            grantee: Who is granted.
            terms: What.
            seal: H of the block with the keys (docs/format.md §7), 32 bytes; zero if none comes with it.
            version: The one that this grant creates: the stored one plus one.
        """
        return self._call("grant", to_address(patient), to_address(grantee), _terms(terms), seal, version)

    def revoke(self, patient: str, grantee: str) -> Call:
        """End whatever the grantee was granted."""
        return self._call("revoke", to_address(patient), to_address(grantee))

    def revoke_and_rotate(
        self, patient: str, grantee: str, keyring_version: int, compartments: int, pointer: bytes
    ) -> Call:
        """Revoke, and publish the keyring that the remaining readers hold.

        Args:
            patient: The patient id.
            grantee: Who loses its permission.
            keyring_version: The one before the call. If it has passed, only the revocation takes place
                (`KeyringSkipped`).
            compartments: Mask of those that get new epochs.
            pointer: H of the keyring, 32 bytes.
        """
        return self._call(
            "revokeAndRotate", to_address(patient), to_address(grantee), keyring_version, compartments, pointer
        )

    def grant_signed(self, decision: Grant, signature: bytes) -> Call:
        """`grant` by a signature. What is there already, version included, is done: no event says so."""
        return self._signed("grantSigned", decision, signature)

    def revoke_signed(self, decision: Revoke, signature: bytes) -> Call:
        """`revoke`, or `revoke_and_rotate`, by a signature. What is revoked already is done: no event says so."""
        return self._signed("revokeSigned", decision, signature)

    def permission_of(self, patient: str, grantee: str, block: BlockId = "latest") -> Permission:
        """A permission as stored."""
        terms, version = self._one("permissionOf", to_address(patient), to_address(grantee), block=block)
        return Permission(Terms(*terms), version)

    def readers_at(self, patient: str, grantees: Sequence[str], time: int, block: BlockId = "latest") -> list[int]:
        """Which compartments each grantee may read at a time, as masks in the order of ``grantees``."""
        masks = self._one("readersAt", to_address(patient), [to_address(one) for one in grantees], time, block=block)
        if len(masks) != len(grantees):
            raise NotDeployed(f"what answers at {self.address} gives {len(masks)} masks for {len(grantees)} readers")
        return list(masks)

    def may(
        self,
        patient: str,
        actor: str,
        principal: str,
        action: Action,
        compartments: int,
        purpose: int,
        *,
        block: BlockId = "latest",
    ) -> Denial:
        """The predicate for authority: whether the actor, for the principal, may act, and why not.

        Args:
            patient: The patient id.
            actor: Who would send the transaction.
            principal: Whom it acts for: itself, the patient id (for its wallet), or a provider that named it as agent.
            action: What.
            compartments: Mask; all of them must be granted. Empty for reading: any.
            purpose: Number of the purpose of use, 0 to 15.
            block: Judged by the clock of this block.
        """
        people = (to_address(patient), to_address(actor), to_address(principal))
        return self._member(Denial, self._one("may", *people, int(action), compartments, purpose, block=block))

    def require(
        self,
        patient: str,
        actor: str,
        principal: str,
        action: Action,
        compartments: int,
        purpose: int,
        *,
        block: BlockId = "latest",
    ) -> None:
        """The same as `may`, raising what the contract would refuse with.

        Raises:
            NotPermitted: one of its subclasses, see `medrec_py.chain.reverts`.
        """
        denial = self.may(patient, actor, principal, action, compartments=compartments, purpose=purpose, block=block)
        if denial is not Denial.NONE:
            raise not_permitted(to_address(patient), to_address(actor), to_address(principal), action, denial)

    # --- history ----------------------------------------------------------------------------------

    def append(self, patient: str, on_behalf_of: str, keyring_version: int, purpose: int, entry: Entry) -> Call:
        """Append one record; its number is ``length`` + 1 of its event's ``state_before``."""
        return self._call(
            "append", to_address(patient), to_address(on_behalf_of), keyring_version, purpose, _entry(entry)
        )

    def append_many(
        self,
        patient: str,
        on_behalf_of: str,
        keyring_version: int,
        purpose: int,
        entries: Sequence[Entry],
        skip_refused: bool = False,
    ) -> Call:
        """Append many records to one history; ``skip_refused`` leaves out what is refused (`EntryRefused` says why)."""
        return self._call(
            "appendMany",
            to_address(patient),
            to_address(on_behalf_of),
            keyring_version,
            purpose,
            [_entry(entry) for entry in entries],
            skip_refused,
        )

    def append_to_many(
        self, on_behalf_of: str, purpose: int, items: Sequence[Item], skip_refused: bool = False
    ) -> Call:
        """Append records to the histories of many patients; ``skip_refused`` as in `append_many`."""
        encoded = [(to_address(item.patient), item.keyring_version, _entry(item.entry)) for item in items]
        return self._call("appendToMany", to_address(on_behalf_of), purpose, encoded, skip_refused)

    def append_signed(self, form: Append, signature: bytes) -> Call:
        """`append` by the author's signature."""
        return self._signed("appendSigned", form, signature)

    def publish_keyring(self, patient: str, keyring_version: int, compartments: int, pointer: bytes) -> Call:
        """Publish a keyring; arguments as for `revoke_and_rotate`."""
        return self._call("publishKeyring", to_address(patient), keyring_version, compartments, pointer)

    def publish_keyring_signed(self, decision: PublishKeyring, signature: bytes) -> Call:
        """`publish_keyring` by a signature."""
        return self._signed("publishKeyringSigned", decision, signature)

    def publish_moved(self, patient: str, decision: int, compartments: int, pointer: bytes) -> Call:
        """Publish a manifest of new pointers (docs/format.md §9). ``decision``: the patient's decisions plus one."""
        return self._call("publishMoved", to_address(patient), decision, compartments, pointer)

    def publish_erased(self, patient: str, decision: int, compartments: int, pointer: bytes) -> Call:
        """Publish a manifest of records that the patient erased. ``decision``: the patient's decisions plus one."""
        return self._call("publishErased", to_address(patient), decision, compartments, pointer)

    def publish_moved_signed(self, decision: PublishMoved, signature: bytes) -> Call:
        """`publish_moved` by the wallet's signature."""
        return self._signed("publishMovedSigned", decision, signature)

    def history_of(self, patient: str, block: BlockId = "latest") -> HistoryState:
        """The word that a history is checked against."""
        return HistoryState(*self._view("historyOf", to_address(patient), block=block))

    # --- accesses ---------------------------------------------------------------------------------

    def log_access(self, patient: str, on_behalf_of: str, purpose: int, digest: bytes) -> Call:
        """Enter that the sender has read; ``digest`` is H of the sealed document that says what and why."""
        return self._call("logAccess", to_address(patient), to_address(on_behalf_of), purpose, digest)

    def log_access_signed(self, form: LogAccess, signature: bytes) -> Call:
        """`log_access` by the reader's signature."""
        return self._signed("logAccessSigned", form, signature)

    # --- relay ------------------------------------------------------------------------------------

    def relay(self, calls: Sequence[Call]) -> Call:
        """Signed forms of any patients and authors in one transaction, each by itself.

        One that is refused sinks no other: `CallRefused` says which and why. (`multicall` carries out all or none.)

        Raises:
            InvalidInput: a call is of another contract, or no signed form.
        """
        for call in calls:
            if call.to != self.address or call.value or not _is_relayable(call.function):
                raise InvalidInput("a relay takes signed forms of this contract alone")
        return self._call("relay", [call.data for call in calls])

    # --- domain -----------------------------------------------------------------------------------

    def domain(self) -> dict[str, Any]:
        """The EIP-712 domain that statements and decisions for this deployment are signed in."""
        return {
            "name": NAME,
            "version": VERSION,
            "chainId": self.chain.chain_id,
            "verifyingContract": self.address,
        }

    def eip712_domain(self, block: BlockId = "latest") -> dict[str, Any]:
        """The domain as the contract itself states it (ERC-5267)."""
        _, name, version, chain_id, contract, _, _ = self._view("eip712Domain", block=block)
        return {"name": name, "version": version, "chainId": chain_id, "verifyingContract": to_address(contract)}

    # --- encoding ---------------------------------------------------------------------------------

    def _call(self, function: str, *arguments: Any) -> Call:
        return self._encoded(function, abi.items("function")[function].input_types, arguments)

    def _encoded(self, function: str, types: Sequence[str], values: Sequence[Any]) -> Call:
        try:
            data = abi.items("function")[function].selector + abi.codec.encode(types, values)
        except (EncodingError, TypeError, ValueError) as error:
            raise InvalidInput(f"{function}: {error}") from error
        return Call(self.address, data, function, arguments=tuple(values))

    def _signed(self, function: str, form: SignedForm, *signatures: bytes) -> Call:
        """A call of a signed form: the members of its message, one after another, and then the signatures."""
        self._require_here(form)
        types = [kind for _, kind in form.struct.fields] + ["bytes"] * len(signatures)
        return self._encoded(function, types, (*form.values(), *signatures))

    def _require_here(self, form: SignedForm) -> None:
        if (form.place.chain_id, form.place.contract) != (self.chain.chain_id, address_bytes(self.address)):
            raise InvalidInput(f"{form.struct.name}: this was signed for another chain or contract")

    def _view(self, function: str, *arguments: Any, block: BlockId) -> tuple[Any, ...]:
        call = self._call(function, *arguments)
        try:
            answer = simulate(self.chain, None, call, block)
            return abi.codec.decode(abi.items("function")[function].output_types, answer)
        except (DecodingError, ContractError, ValueError, OverflowError) as error:  # text that is no UTF-8 among them
            raise NotDeployed(
                f"what answers at {self.address} on chain {self.chain.chain_id} is not MedRec (block {block})"
            ) from error

    def _one(self, function: str, *arguments: Any, block: BlockId) -> Any:
        (value,) = self._view(function, *arguments, block=block)
        return value

    def _member(self, kind: type[_M], value: int) -> _M:
        try:
            return kind(value)
        except ValueError as error:
            raise NotDeployed(
                f"what answers at {self.address} is not MedRec: it has a {kind.__name__} {value}"
            ) from error


def _terms(terms: Terms) -> tuple[int, ...]:
    return (terms.read, terms.append, terms.not_before, terms.expiry, terms.purposes, terms.flags)


def _entry(entry: Entry) -> tuple[int, int, bytes, bytes]:
    return (entry.compartments, entry.replaces, entry.pointer, entry.claim)
