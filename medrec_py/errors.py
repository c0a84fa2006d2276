"""Every error that MedRec raises, in one tree.

Each class says what happened in its message and what to do in ``remedy``. The tree::

    MedRecError
    ├── InvalidInput                 a value that the caller gave cannot be used
    │   └── ConfigurationError       the same, from a file, the environment or a flag
    │       ├── SuiteDowngrade       the deployment as it is known here is of an earlier suite than the keys in it
    │       └── ClockWrong           this machine's clock does not fit the chain's
    ├── FormatError                  bytes are not what they should be (not CBOR, not canonical, unknown version …)
    │   ├── UnknownSuite
    │   └── ShareDamaged             the words of a share are not what was dealt out
    ├── IntegrityError               bytes or events were altered, truncated, swapped, reordered or left out
    │   ├── BlockMismatch            a block does not hash to its CID
    │   ├── ContentTampered          a chunk, an envelope or its metadata does not authenticate
    │   ├── ContentTruncated         the content ends before its last chunk, or goes on behind it
    │   ├── StatementMismatch        the author's statement does not fit the entry on chain
    │   ├── KeyringMismatch          a keyring or seal contradicts itself or its entry
    │   ├── SharesContradict         guardians' shares of one set do not fit together
    │   ├── SignatureMissing         a decision was not signed by everybody who has to
    │   ├── AccessMismatch           a request for access, or an answer to one, is not what it seems
    │   ├── FingerprintMismatch      a request for recovery is another than the one that was read out
    │   └── HistoryMismatch          the events do not lead to the contract's head
    │       ├── EntryMissing
    │       ├── EntryAltered
    │       └── EntryExtra
    ├── KeyUnavailable               no key here opens this
    │   ├── KeysMissing
    │   │   └── KeyringMissing       the patient has published no keys yet
    │   ├── InInbox
    │   ├── WrongKey
    │   └── SharesUnusable           the guardians' shares at hand do not restore the patient's root secret
    │       ├── TooFewShares
    │       ├── ShareRepeated
    │       ├── SharesOfSeveralSets
    │       ├── ShareOfAnotherPatient
    │       └── RootMismatch
    ├── KeyServiceError          an organisation's key service did not do what it was asked
    │   ├── KeyServiceUnavailable
    │   ├── AccountUnwritable
    │   └── RequestRefused       the request is not what its agent asked of this service, now
    │       ├── RequestMalformed
    │       │   └── RequestTooLarge
    │       ├── RequestElsewhere
    │       ├── RequestNotSigned
    │       ├── RequestStale
    │       └── RequestReplayed
    ├── RelayError               a relayer did not do what it was asked
    │   ├── RelayerUnavailable
    │   ├── BundleRefused            it does not take these decisions
    │   │   └── QuotaExceeded
    │   ├── MailRefused              it does not take a request for access, or an answer to one
    │   │   └── AnsweredAlready
    │   └── RelayTimeout             it took them, and they are not mined yet
    ├── RecoveryError                guardians do not hand a patient id to a new wallet
    │   ├── GuardiansUnknown         there are none, or this root secret does not tell who they are
    │   ├── NotGuardian
    │   └── RecoveryOver             it was stopped, or another was begun, or its time is over
    ├── QueueError                   what is to be sent cannot be kept on this machine
    │   ├── QueueFull
    │   ├── QueueInUse
    │   ├── QueueDamaged
    │   └── QueueUnwritable
    ├── StorageError
    │   ├── BlockNotFound
    │   ├── StoreUnavailable
    │   ├── StoreTimeout
    │   ├── StoreFull
    │   ├── StoreReadOnly
    │   └── BlockTooLarge
    ├── WalletError
    │   ├── WrongPassphrase
    │   ├── InvalidPhrase
    │   ├── RootSecretMissing
    │   ├── RootSecretReplaced
    │   ├── KeyModuleError       a module that holds private keys
    │   │   └── WrongPin
    │   └── SignerError          a wallet outside of this process did not sign
    │       ├── SignerUnavailable
    │       │   ├── SignerTimeout
    │       │   └── PageClosed           of a wallet in a browser
    │       ├── SignerMalformed
    │       ├── SignerRefused
    │       │   ├── SigningDeclined
    │       │   ├── AccountUnknown
    │       │   └── MethodUnknown
    │       ├── SignatureForeign
    │       ├── ForeignChain
    │       ├── SignsNoTransactions
    │       └── OwnersMissing
    ├── NotFound                     a record, profile or deployment that does not exist
    │   ├── RecordNotFound
    │   ├── RecordErased
    │   ├── RecordRepeated
    │   ├── SurvivorUnreadable
    │   ├── RequestNotFound
    │   ├── ProfileNotFound
    │   ├── ProfileOutdated          its key is of another suite than the deployment's
    │   └── NotDeployed
    └── ChainError
        ├── ChainUnavailable
        ├── WrongChain
        ├── TransactionFailed
        ├── TransactionTimeout
        └── ContractError            the contract refused; one class per Solidity error, see ``medrec_py.chain.reverts``
            └── NotPermitted         one class per reason of ``Denial``
"""

from __future__ import annotations

from typing import Any, ClassVar


class MedRecError(Exception):
    """Base of all errors of this package.

    Attributes:
        remedy: What the caller can do about it, one sentence.
    """

    remedy: ClassVar[str] = "Read the message; if it does not help, report it."


class InvalidInput(MedRecError, ValueError):
    """A value given by the caller cannot be used."""

    remedy = "Correct the value named in the message."


class ConfigurationError(InvalidInput):
    """A configuration file, environment variable or flag cannot be used."""

    remedy = "Correct the setting named in the message; `medrec doctor` shows where each setting comes from."


class SuiteDowngrade(ConfigurationError):
    """Keys were published by a later cipher suite than the one that the deployment is said to have."""

    remedy = "Get the deployment's present file: a deployment moves to later suites only."


class ClockWrong(ConfigurationError):
    """This machine's clock is far ahead of the chain's, so what would be signed now would carry a wrong date."""

    remedy = (
        "Set this machine's clock (NTP). If it is right, the node is behind, or its chain makes blocks only when "
        "somebody writes: send something first, for instance publish your profile."
    )


class FormatError(MedRecError):
    """Bytes are not in the format they should be in (docs/format.md)."""

    remedy = (
        "Fetch the block again, or have the file sent again; if it stays, its author wrote something that this version "
        "does not read."
    )


class UnknownSuite(FormatError):
    """A document names a cipher suite that this version does not have."""

    remedy = "Upgrade medrec-py, or ask the author to seal with a suite that your deployment allows."


class ShareDamaged(FormatError):
    """The words of a guardian's share are not a share: one was altered, left out or put elsewhere."""

    remedy = "Ask the guardian to hand the share over again; if it stays, use another guardian's."


class IntegrityError(MedRecError):
    """Something was altered, truncated, swapped, reordered or left out."""

    remedy = "Do not use the data. Try another store or node, and tell the patient if it stays."


class BlockMismatch(IntegrityError):
    """A block does not hash to the CID it was asked for by."""

    remedy = "The store returned other bytes than were asked for: fetch from another store and have this one checked."


class ContentTampered(IntegrityError):
    """A ciphertext does not authenticate under its key and context."""

    remedy = "The bytes were changed or moved after they were sealed: restore the block from another store."


class ContentTruncated(IntegrityError):
    """Sealed content ends too early or too late."""

    remedy = "Part of the content is missing or was added: restore the blocks from another store."


class StatementMismatch(IntegrityError):
    """The author's signed statement does not fit the entry on chain or the content."""

    remedy = "The record is not what its author signed: do not rely on it, and ask the author to append it again."


class KeyringMismatch(IntegrityError):
    """A keyring or seal contradicts itself or the entry that names it."""

    remedy = "Ask the patient to rotate the keys (`medrec patient rotate`)."


class SharesContradict(IntegrityError):
    """Guardians' shares belong to one set by what they say, and do not fit together: one at least was forged."""

    remedy = "Add the shares of further guardians: with as many honest ones as the set asks for it works."


class SignatureMissing(IntegrityError):
    """A decision was not signed by everybody who has to, or was altered afterwards."""

    remedy = "Sign it again, with the wallet of the account that is named."


class AccessMismatch(IntegrityError):
    """A request for access, or an answer to one, is not what was signed, or the chain does not bear it out."""

    remedy = "Do not rely on it. Ask whoever it is said to be from by another way, and use another relayer."


class FingerprintMismatch(IntegrityError):
    """A request for recovery does not have the fingerprint that was read out, so it may be somebody else's."""

    remedy = "Hand nothing over. Speak with the person again, and have the request sent by another way."


class HistoryMismatch(IntegrityError):
    """The events of a history do not lead to the head that the contract holds."""

    remedy = "The node left out or changed events: ask another node."


class EntryMissing(HistoryMismatch):
    """An entry of the history is missing from the node's events."""


class EntryAltered(HistoryMismatch):
    """An entry differs from the one that the contract hashed."""


class EntryExtra(HistoryMismatch):
    """The node returned an entry that the contract never hashed."""


class AccountAltered(IntegrityError):
    """A line of a key service's account was altered, removed or put in."""

    remedy = "Keep the file as it is, compare it with a copy, and find out who could write to it."


class KeyUnavailable(MedRecError):
    """No key at hand opens this document."""

    remedy = "Ask the patient for access."


class KeysMissing(KeyUnavailable):
    """No seal addressed to this reader holds the key of the epoch."""

    remedy = (
        "Ask the patient to seal the present keys to your published key (`medrec keys heal`, `heal_permissions()`), "
        "or, for what is older than your permission, to grant it with the history (`--history`)."
    )


class KeyringMissing(KeysMissing):
    """The patient has published no keyring yet, so the record has no keys."""

    remedy = "Check the patient id. A patient registers first (`medrec patient register`, `register()`)."


class InInbox(KeyUnavailable):
    """The record waits in the patient's inbox, which only the patient's root secret opens."""

    remedy = "The patient's next rotation moves it to the compartment; try again after that."


class WrongKey(KeyUnavailable):
    """A sealed document was not sealed to this key, or was altered."""

    remedy = "Use the key that the document was sealed to; if it is this one, the document was changed or moved."


class SharesUnusable(KeyUnavailable):
    """The guardians' shares at hand do not restore the patient's root secret."""

    remedy = "Ask the guardians for their shares of one and the same set, the latest."


class TooFewShares(SharesUnusable):
    """There are fewer shares than the set asks for. They say nothing about the secret, not even a part of it."""

    remedy = "Ask further guardians to hand over their shares."


class ShareRepeated(SharesUnusable):
    """One share is there twice."""

    remedy = "Give each share once, and one of another guardian in place of the second."


class SharesOfSeveralSets(SharesUnusable):
    """The shares come from several sets, which cannot be combined with one another."""

    remedy = "Leave out those that the message says are of another set, or ask their guardians for this set's."


class ShareOfAnotherPatient(SharesUnusable):
    """A share belongs to another patient, or to another chain or contract."""

    remedy = "Leave it out, and ask its guardian for the share of the patient who is to be restored."


class RootMismatch(SharesUnusable):
    """A root secret is not the one that the patient's latest keyring is sealed to."""

    remedy = "It was changed since, or is another's: use the shares, or the phrase, that were made after the change."


class KeyServiceError(MedRecError):
    """An organisation's key service did not do what it was asked."""

    remedy = "Have the organisation look at the service's own messages."


class KeyServiceUnavailable(KeyServiceError):
    """The key service cannot be reached, does not answer in time, or answers with something else than it should."""

    remedy = "Start the service (`medrec keys serve`) or correct its address (the setting key-service)."


class AccountUnwritable(KeyServiceError):
    """The key service cannot write its account, so no key leaves it."""

    remedy = "Make room on the disk of the key service; restart the service if it goes on refusing."


class RequestRefused(KeyServiceError):
    """The key service does not take the request for one of its agent's, meant for it, of this moment."""

    remedy = "Ask again with a new request."


class RequestMalformed(RequestRefused):
    """A request to the key service has the wrong form."""

    remedy = "Use the same version of medrec-py on both sides."


class RequestTooLarge(RequestMalformed):
    """A request to the key service is larger than any has to be."""


class RequestElsewhere(RequestRefused):
    """A request was made for another principal, chain or contract than the key service serves."""

    remedy = "Name the key service of the provider that you act for (the setting key-service)."


class RequestNotSigned(RequestRefused):
    """A request is not signed by the agent that it names, or was altered afterwards."""

    remedy = "Sign with the agent's own key. Accounts with code (ERC-1271) cannot be agents of a key service yet."


class RequestStale(RequestRefused):
    """A request was made too long ago, or in the future."""

    remedy = "Set the clocks of both machines (NTP), and ask again."


class RequestReplayed(RequestRefused):
    """A request came a second time."""

    remedy = "Ask again with a new request. If you did not send it twice, somebody listens on the way."


class RelayError(MedRecError):
    """A relayer did not do what it was asked.

    Attributes:
        bundle: The signed decisions, a ``medrec_py.crypto.signed_decisions.Bundle``, where they were made for it:
            ``Network.carry`` takes them. ``None`` if there are none.
        exchange: The request for access that was signed, and the answer if it is about that, a
            ``medrec_py.crypto.exchange.Exchange``. ``None`` if it is about something else.
    """

    bundle: Any = None
    exchange: Any = None
    remedy = "Use another relayer, or send the decisions yourself: what was signed stays good until its deadline."


class RelayerUnavailable(RelayError):
    """The relayer cannot be reached, or gives no answer that can be used."""

    remedy = (
        "Check the address (the setting relayer), and try again: sending the same decisions twice is as once. Or use "
        "another relayer."
    )


class BundleRefused(RelayError):
    """The relayer does not take the signed decisions: the message says why."""


class QuotaExceeded(BundleRefused):
    """The relayer has carried out as much for this patient or this address as it does in a while."""

    remedy = "Wait, use another relayer, or send the decisions yourself."


class MailRefused(RelayError):
    """The relayer does not take a request for access, or an answer to one: the message says why."""

    remedy = "Do what the message says, or use another relayer, and tell the other side which."


class AnsweredAlready(MailRefused):
    """Another answer to the request was given before, from another device of the patient's for instance."""

    remedy = "An answer is given once. To decide otherwise, grant or revoke: the chain has what holds."


class RelayTimeout(RelayError):
    """The relayer took the decisions and they are not mined yet; they may still be.

    Attributes:
        bundle_id: What the relayer calls them.
    """

    remedy = "Ask for the state of the bundle later (medrec relay status), or send the same decisions through another."

    def __init__(self, message: str, bundle_id: str) -> None:
        super().__init__(message)
        self.bundle_id = bundle_id


class RecoveryError(MedRecError):
    """Guardians do not hand a patient id to a new wallet."""

    remedy = "Look at `medrec guardian status`, on a device with the patient's root secret."


class GuardiansUnknown(RecoveryError):
    """The patient has no guardians, or this root secret does not tell who they are."""

    remedy = (
        "Use the patient's present root secret. Guardians are set with `medrec guardian set`, before a wallet is lost."
    )


class NotGuardian(RecoveryError):
    """The account does not guard the patient now."""

    remedy = "Ask those who do: `medrec guardian status` lists them."


class RecoveryOver(RecoveryError):
    """The recovery was stopped, or another was begun, or its time is over."""

    remedy = (
        "To recover, make a new request (`medrec recover --again`), and have the guardians sign that: no signature "
        "counts twice."
    )


class QueueError(MedRecError):
    """A queue on this machine could not keep what was to be sent."""

    remedy = "Look at the file that the message names."


class QueueFull(QueueError):
    """As much waits in the queue as it takes."""

    remedy = "Wait until some of it was sent: see why it is not (the node, the fees, the balance), or allow more."


class QueueInUse(QueueError):
    """Another process has the queue."""

    remedy = "End the other process, or give this one a file of its own."


class QueueDamaged(QueueError):
    """The file is no queue, was damaged, or is of another version."""

    remedy = "Give the right file, or use the version of medrec-py that made it. Keep the file: what waits is in it."


class QueueUnwritable(QueueError):
    """The queue cannot be written, the disk being full for instance. Nothing is half-written."""

    remedy = "Make room on the disk, and see who may write the file and its folder."


class StorageError(MedRecError):
    """A block store could not do what was asked."""

    remedy = "Check the store named in the message, or configure another."


class BlockNotFound(StorageError):
    """No configured store has the block."""

    remedy = "Add a store that holds the block, or ask the author to store it again."


class StoreUnavailable(StorageError):
    """The store does not answer or answers with an error."""

    remedy = "Start the store or correct its address; `medrec doctor` checks both."


class StoreTimeout(StoreUnavailable):
    """The store did not answer in time."""

    remedy = "Try again, raise the timeout, or add a second store."


class StoreFull(StorageError):
    """The store has no room for the block."""

    remedy = "Make room or choose another store; nothing was appended on chain."


class StoreReadOnly(StorageError):
    """The store can be read only."""

    remedy = "Configure a store that can be written: a folder or a Kubo node."


class BlockTooLarge(StorageError):
    """A block or document is larger than the format allows."""

    remedy = "Nothing that MedRec writes is that large: the pointer names something else."


class WalletError(MedRecError):
    """A wallet, keystore or root secret cannot be used."""

    remedy = "Check the keystore named in the message."


class WrongPassphrase(WalletError):
    """The passphrase does not open the keystore."""

    remedy = "Type the passphrase again; without it, restore from the phrase."


class InvalidPhrase(WalletError):
    """The words are not a valid BIP-39 phrase."""

    remedy = "Check each word and their order; the last word carries a checksum."


class RootSecretMissing(WalletError):
    """This wallet has no root secret, and the operation needs one."""

    remedy = "Give `root=`, or use a wallet made from a phrase (Wallet.create, Wallet.from_phrase)."


class RootSecretReplaced(WalletError):
    """The patient has another root secret by now, from a newer phrase."""

    remedy = (
        "Use the latest phrase: `medrec --profile NAME init --from-phrase` takes it into a new profile. If it is the "
        "latest, and the change to it was interrupted, `medrec keys finish` goes on, elsewhere with --old-phrase-file."
    )


class KeyModuleError(WalletError):
    """A module that holds private keys (a keystore file, an HSM, a KMS) cannot be used."""

    remedy = "Check the module named in the message."


class WrongPin(KeyModuleError):
    """The PIN does not open the module of keys."""

    remedy = "Type the PIN again; of a hardware module, mind how many attempts it allows."


class SignerError(WalletError):
    """A wallet outside of this process, or an account with code, did not sign what it was asked to."""

    remedy = "See the message, and the wallet's own."


class SignerUnavailable(SignerError):
    """The wallet cannot be reached."""

    remedy = (
        "Start the wallet, or correct its URL. Clef listens on HTTP only if it is started with --http. A wallet in a "
        "browser needs one on this machine: name it in the variable BROWSER."
    )


class SignerTimeout(SignerUnavailable):
    """The wallet did not answer in time; a person may have to approve there. What it signs afterwards is not used."""

    remedy = "Approve the request in the wallet when it asks, or raise the timeout; then try again."


class PageClosed(SignerUnavailable):
    """The page in the browser was closed before anything was signed on it."""

    remedy = "Ask for the signature again, and leave the page open until it says that it is done."


class SignerMalformed(SignerError):
    """The wallet answered with something that is no answer: not JSON-RPC, too long, or not what was asked for."""

    remedy = "Check that the URL is that of the wallet, and that the wallet is of the kind that was named."


class SignerRefused(SignerError):
    """The wallet answered a request with an error of its own.

    Attributes:
        code: Of JSON-RPC or EIP-1193; zero if it gave none.
        reason: The wallet's own message.
    """

    remedy = "See the wallet's own message."

    def __init__(self, message: str, code: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason or message


class SigningDeclined(SignerRefused):
    """The person, or the wallet's rules, said no (EIP-1193, code 4001). Nothing was signed."""

    remedy = "Approve the request in the wallet if it is what you want; with Clef's rules, let them approve it."


class AccountUnknown(SignerRefused):
    """The wallet does not have the account, or does not show it to this program (EIP-1193, code 4100)."""

    remedy = "Name an account that the wallet has, unlock it there, or let it be used by this program."


class MethodUnknown(SignerRefused):
    """The wallet does not know the method: it is of another kind, or its version lacks it."""

    remedy = "Use the kind that fits the wallet: Clef has methods of its own, nodes those of eth_."


class SignatureForeign(SignerError):
    """What the wallet returned is not a signature of the account over what it was asked to sign."""

    remedy = (
        "Do not use this wallet until you know why: it signs with another key, or something else than it was given."
    )


class ForeignChain(SignerError):
    """A document or transaction is for another chain than the wallet is meant for, or names none. It was not sent."""

    remedy = "Name the chain that the deployment is on when you make the wallet, or use the wallet of that chain."


class SignsNoTransactions(SignerError):
    """The wallet signs typed data, and does not give transactions back signed."""

    remedy = (
        "Use a wallet that signs transactions without sending them (eth_signTransaction, Clef, a keystore), or let a "
        "relayer send what the wallet signs: medrec.connect(..., relayer=...), --relayer. An account with code is sent "
        "through by one of its owners, which the SDK does where it sends for it."
    )


class OwnersMissing(SignerError):
    """Fewer owners of an account with code are here than have to sign, or one is not an owner."""

    remedy = "Give the wallets of as many owners as the account's threshold says."


class NotFound(MedRecError):
    """Something that was named does not exist."""

    remedy = "Check the name or number."


class RecordNotFound(NotFound):
    """The history has no record of that number or id."""

    remedy = "List the records (`medrec record list`) and use a number from there."


class RecordErased(NotFound):
    """The record was erased by the patient."""

    remedy = "It cannot be brought back."


class RecordRepeated(NotFound):
    """The entry repeats a record that the history has already: the same author and the same record id."""

    remedy = "Use the entry named in the message: a record counts once, where it stands first."


class SurvivorUnreadable(NotFound):
    """A record that is to outlive an erasure or a change of the root secret cannot be read, and would be lost."""

    remedy = (
        "Restore its blocks from another store, finish a change of the phrase that was interrupted (`medrec keys "
        "finish`), or, if nothing can open it, erase it too or leave it behind (`--leave`)."
    )


class RequestNotFound(NotFound):
    """No request for access of that id waits for an answer here."""

    remedy = "List what waits (`medrec inbox list`), or what was asked (`medrec permission requests`)."


class ProfileNotFound(NotFound):
    """The account has published no profile, so nothing can be sealed to it."""

    remedy = "Have the account publish its profile first (`medrec provider publish`, `publish_profile()`)."


class ProfileOutdated(NotFound):
    """The account's published key is not of the deployment's cipher suite, so nothing new is sealed to it."""

    remedy = (
        "Have the account publish its profile again (`medrec provider publish`), or get the deployment's present file; "
        "then grant or rotate again."
    )


class NotDeployed(NotFound):
    """There is no MedRec contract at the address, or none is known for the chain."""

    remedy = "Deploy it (`medrec deploy`) or give the right contract address."


class ChainError(MedRecError):
    """The chain, its node or the contract refused or failed."""

    remedy = "Check the node."


class ChainUnavailable(ChainError):
    """The node does not answer, or answers with an error of its own.

    What was being sent then was not handed over; where it was, the error is ``TransactionTimeout``.
    """

    remedy = "Start the node or correct its URL; `medrec doctor` checks it."


class WrongChain(ChainError):
    """The node serves another chain than expected."""

    remedy = "Connect to the chain that the deployment is on."


class TransactionFailed(ChainError):
    """A transaction was refused by the node, or was mined and failed without a reason."""

    remedy = "See the message; a missing balance for gas is the usual cause."


class TransactionTimeout(ChainError):
    """No receipt came in time. The transaction may still be mined.

    Attributes:
        transaction: Hash of the transaction, 0x and 64 hexadecimal digits.
    """

    remedy = "Look the transaction up by its hash before you try again."

    def __init__(self, message: str, transaction: str) -> None:
        super().__init__(message)
        self.transaction = transaction


class ContractError(ChainError):
    """The contract refused a call with one of its errors.

    Attributes:
        solidity: Name of the Solidity error, e.g. ``StaleKeyring``.
        values: The error's arguments by name.
    """

    solidity: ClassVar[str] = ""
    remedy = "See the message; contracts/interfaces/IMedRec.sol states each function's requirements."

    def __init__(self, message: str, values: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.values: dict[str, Any] = values or {}


class NotPermitted(ContractError):
    """The contract's predicate for authority refused (``Denial``)."""

    solidity = "NotPermitted"
    remedy = "Ask the patient for a permission that covers it."
