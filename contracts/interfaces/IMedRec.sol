// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @notice What an entry of a history is. The numbers are part of the head (docs/format.md §10).
enum Kind {
    None,
    /// A record, written by an author who holds an append permission.
    Record,
    /// Many records under one Merkle root. Reserved.
    Batch,
    /// New public keys of compartments, published by the patient.
    Keyring,
    /// A manifest of new pointers for earlier records.
    Moved,
    /// A manifest of records that the patient erased.
    Erased,
    /// The history goes on from an earlier deployment. Reserved.
    Continues
}

/// @notice What a provider is.
enum ProviderKind {
    None,
    Organisation,
    Practitioner
}

/// @notice What somebody wants to do with a patient's record.
enum Action {
    /// Read, and enter that it was read.
    Read,
    /// Append records.
    Append,
    /// Decide for the patient: grant, revoke, publish keys.
    Decide
}

/// @notice Why the predicate for authority refuses. `None` means that it does not.
enum Denial {
    None,
    /// The patient id is not registered. Only who acts for the id itself is told so: to others it has granted nothing.
    PatientUnknown,
    /// The actor is not the wallet that controls the patient id, and no representative either.
    NotController,
    /// The principal never named the actor as its agent, or dismissed it.
    AgentNotNamed,
    /// The actor's time as an agent is over.
    AgentExpired,
    /// The agent is itself a provider, and suspended.
    AgentSuspended,
    /// The agent is itself a provider, and its accreditation is over.
    AgentAccreditationExpired,
    /// The principal is not an accredited provider.
    NotAccredited,
    /// The principal is suspended by a registrar.
    Suspended,
    /// The principal's accreditation is over.
    AccreditationExpired,
    /// The patient never granted the principal anything.
    NotGranted,
    /// The patient revoked the permission.
    Revoked,
    /// The permission has not begun.
    NotYetValid,
    /// The permission is over.
    Expired,
    /// The permission does not cover one of the compartments.
    CompartmentNotGranted,
    /// The permission does not cover the purpose of use.
    PurposeNotGranted,
    /// The permission that a representative would give or end does not lie within its own.
    BeyondLimits
}

/// @notice What a patient grants.
struct Terms {
    /// Bit c: compartment c may be read. Reading is enforced by keys; this says to whom they are given.
    uint64 read;
    /// Bit c: records may be appended to compartment c.
    uint64 append;
    /// First second of the permission, Unix time. Zero: at once.
    uint40 notBefore;
    /// First second after the permission, Unix time.
    uint40 expiry;
    /// Bit p: purpose of use p, by the numbers of docs/concepts.md (HL7 v3 PurposeOfUse).
    uint16 purposes;
    /// Bit 0 HISTORY: what was written before the grant may be read too. Bit 1 MANAGE: the grantee is a representative, who decides for
    /// the patient within these terms. Bit 2 EMERGENCY: reserved.
    uint8 flags;
}

/// @notice A stored permission: its terms and its version. Version 0 means that nothing was ever granted or revoked; empty masks
/// with a version mean that it was revoked.
struct Permission {
    Terms terms;
    uint24 version;
}

/// @notice A stored provider.
struct Provider {
    ProviderKind kind;
    bool suspended;
    /// May open what patients granted to the emergency role.
    bool emergency;
    /// First second after the accreditation, Unix time.
    uint40 expiry;
    /// How many of its calls were relayed; the next relayed call names this number plus one. Whoever signs one has this number, also
    /// where it is no provider (kind `None`).
    uint64 relayed;
}

/// @notice The guardians of a patient, and the recovery that is under way. A set of guardians is a commitment (docs/format.md §13).
struct Guardianship {
    /// The set that counts before `since`; zero if there was none.
    bytes32 present;
    /// The set that counts from then on; zero if there is none.
    bytes32 next;
    /// First second of `next`, Unix time; zero: it counts.
    uint40 since;
    /// Number of the latest recovery, zero if none was begun. The next one names this number plus one.
    uint64 round;
    /// The wallet that the patient id goes to; zero if no recovery is under way, and then the members behind it say nothing.
    address wallet;
    /// First second at which it can be completed, Unix time. Until then it can be stopped.
    uint40 due;
    /// All guardians signed, so it cannot be stopped.
    bool unanimous;
}

/// @notice A record's entry as its author gives it.
struct Entry {
    /// Bit c: the entry belongs to compartment c.
    uint64 compartments;
    /// Entry number times 2**32 plus leaf of the record that this one corrects; zero if none.
    uint64 replaces;
    /// sha2-256 of the envelope.
    bytes32 pointer;
    /// Commitment to the author's signed statement.
    bytes32 claim;
}

/// @notice A record for one of many patients in a call.
struct Item {
    address patient;
    /// The keyring version that the author sealed to.
    uint24 keyringVersion;
    Entry entry;
}

/// @title MedRec
/// @notice Patients decide who may read or append to their record; providers append pointers to encrypted records; every entry is
/// bound into one head per patient, against which a history is proved complete.
///
/// Words. A *patient* is an id: the address first registered. Its *wallet* is the account that decides for it now. An *actor* sends a
/// call; the *principal* is whom it acts for: itself, the patient (for its wallet), or a provider that named it as *agent*. Functions
/// call the principal `onBehalfOf`. A *representative* decides for a patient within the terms of its own permission, which carries the
/// flag MANAGE. A *signer* decides by a signed message, which anybody may send.
///
/// Signed forms. Whatever a patient decides has a direct form, for the one who decides, and a signed form, for anybody's hands: a patient
/// needs a wallet and no ether. What is signed is EIP-712 typed data in the domain of {eip712Domain}. The parameters of a signed form that
/// stand before its signatures are the members of the message, in their order and by their names (of a struct, its members), so each
/// function below names the type alone. The message names the patient and the signer, so that what one owner of two accounts with code
/// signed for one of them is nothing for the other. A signature is 65 bytes `r ‖ s ‖ v` with low `s`, or what an account with code takes
/// for one (ERC-1271); the key is asked first. Every signed form requires that
/// - `deadline`, the last second at which the signature counts (Unix time), has not passed ({DeadlinePassed});
/// - the signature is the signer's over exactly this ({SignatureInvalid});
/// and besides what its direct form requires of a caller, of the signer. Its events name the signer. Signed and direct decisions take their
/// numbers from the same counters, so whatever is decided directly makes older signatures worthless, and none counts twice, save that a
/// revocation ends until its deadline whatever is granted anew.
///
/// Warning: whoever holds a signed message may send it at any time until its deadline, or never. A relayer can withhold, delay, and
/// choose the order; it can change nothing.
///
/// Trust. There is no owner of patients, no proxy, no pause. The *authority* names registrars; registrars accredit and suspend
/// providers. Neither can grant, widen or read anything, and neither can keep a patient from revoking. The contract stores no content,
/// no name and no key. It does show who may act for which pseudonymous patient, and when.
///
/// Beside these functions the contract has `multicall(bytes[])`, which carries out several calls atomically, and `eip712Domain()`
/// (ERC-5267), the domain of every signed statement.
interface IMedRec {
    // ------------------------------------------------------------------------------------------------------------- errors

    /// @notice The predicate for authority refused.
    error NotPermitted(address patient, address actor, address principal, Action action, Denial denial);
    /// @notice The caller is not the authority (or, for accepting, not the one it was offered to).
    error NotAuthority(address caller);
    /// @notice The caller is not a registrar.
    error NotRegistrar(address caller);
    /// @notice The account is a registrar already.
    error AlreadyRegistrar(address account);
    /// @notice The patient id is registered already; an id registers once.
    error AlreadyRegistered(address patient);
    /// @notice The zero address cannot be used here.
    error ZeroAddress();
    /// @notice An account cannot be its own agent.
    error SelfAgent(address account);
    /// @notice The account is not a provider.
    error UnknownProvider(address provider);
    /// @notice A provider must be an organisation or a practitioner.
    error ProviderKindMissing(address provider);
    /// @notice The end lies in the past.
    error ExpiryPassed(uint40 expiry);
    /// @notice A patient cannot grant to itself, and a representative neither to itself nor to the patient.
    error SelfGrant(address patient);
    /// @notice The permission has another version than the caller took it to have. A grant names the version that it creates.
    error VersionMismatch(address patient, address grantee, uint24 current, uint24 given);
    /// @notice The flags name a right that this deployment does not know.
    error FlagsNotSupported(uint8 flags);
    /// @notice A grant must name a purpose of use.
    error PurposesEmpty();
    /// @notice A grant or an entry must name a compartment.
    error CompartmentsEmpty();
    /// @notice The permission would end before it begins, or has ended already.
    error WindowInvalid(uint40 notBefore, uint40 expiry);
    /// @notice Readers or keys changed since the caller read the keyring. Read it again and seal anew.
    error StaleKeyring(address patient, uint24 current, uint24 given);
    /// @notice The author's next relayed call has another number: something else of its was relayed meanwhile.
    error RelayedMismatch(address author, uint64 current, uint64 given);
    /// @notice Only signed forms can be relayed.
    error NotRelayable(bytes4 selector);
    /// @notice With what is left of the gas a relayed call could fail for want of it; the relayer must give more, or relay fewer calls.
    /// @param item Place of the call, counted from 0.
    error RelayGasTooLow(uint256 item, uint256 left, uint256 needed);
    /// @notice The patient has decided something else since. A decision names the number that it takes.
    error DecisionMismatch(address patient, uint64 current, uint64 given);
    /// @notice The account did not sign this, or the signature is malformed.
    error SignatureInvalid(address signer);
    /// @notice The signature was good until `deadline`.
    error DeadlinePassed(uint256 deadline);
    /// @notice The guardians that were shown are not those that the patient set, or there are not as many signatures as guardians.
    error GuardiansMismatch(address patient);
    /// @notice Not enough guardians signed.
    /// @param missing How many did not.
    /// @param threshold How many it takes.
    error GuardiansTooFew(address patient, uint256 missing, uint256 threshold);
    /// @notice The recovery is not the next one, or cannot be begun or stopped now: another is under way, or none, or all guardians
    /// signed it, or its time to be stopped is over.
    /// @param current Number of the latest recovery.
    error RecoveryMismatch(address patient, uint64 current, uint64 given);
    /// @notice There is no recovery that could be completed, or not yet.
    /// @param due First second at which it can be, Unix time; zero if none is under way.
    error RecoveryNotDue(address patient, uint40 due);
    /// @notice The wallet controls the patient id already.
    error WalletUnchanged(address patient, address wallet);
    /// @notice An entry must point to something.
    error PointerEmpty();
    /// @notice The entry says that it replaces one that the history does not have.
    error ReplacedUnknown(address patient, uint64 replaces, uint32 length);
    /// @notice The keyring version has reached its last number.
    error KeyringExhausted(address patient);

    // ------------------------------------------------------------------------------------------------------------- events
    // `by` is the account that decided; with a signed decision it is not the sender of the transaction.

    event PatientRegistered(address indexed patient, address indexed wallet, address indexed by);

    /// @param by The wallet before; the new wallet itself where a recovery was completed.
    event WalletChanged(address indexed patient, address indexed wallet, address indexed by);

    /// @param guardians The commitment to the set; zero if there are none from then on.
    /// @param document sha2-256 of the sealed block that says who they are; zero if none comes with it.
    /// @param from First second at which the set counts, Unix time; zero: at once.
    event GuardiansSet(address indexed patient, address indexed by, bytes32 guardians, bytes32 document, uint40 from);
    /// @param due First second at which it can be completed, Unix time.
    /// @param unanimous All guardians signed, so it cannot be stopped.
    event RecoveryBegun(address indexed patient, address indexed wallet, uint64 round, uint40 due, bool unanimous);
    event RecoveryStopped(address indexed patient, address indexed by, uint64 round);

    event ProfilePublished(address indexed account, address indexed by, bytes32 digest);

    event AuthorityOffered(address indexed authority, address indexed candidate);
    event AuthorityAccepted(address indexed previous, address indexed authority);
    event RegistrarAdded(address indexed registrar, address indexed by);
    event RegistrarRemoved(address indexed registrar, address indexed by);
    event ProviderAccredited(
        address indexed provider, address indexed registrar, ProviderKind kind, bool emergency, uint40 expiry
    );
    event ProviderSuspended(address indexed provider, address indexed registrar);
    event ProviderReinstated(address indexed provider, address indexed registrar);
    event AgentNamed(address indexed principal, address indexed agent, address indexed by, uint40 until);
    event AgentDismissed(address indexed principal, address indexed agent, address indexed by);

    /// @param seal sha2-256 of the block with the keys, sealed to the grantee.
    /// @param lost Compartments that the grantee could read and no longer may.
    /// @param keyringVersion The new keyring version where something was lost, else zero.
    event PermissionGranted(
        address indexed patient,
        address indexed grantee,
        address indexed by,
        uint24 version,
        Terms terms,
        bytes32 seal,
        uint64 lost,
        uint24 keyringVersion
    );
    /// @param lost Compartments that the grantee could read and no longer may.
    /// @param keyringVersion The new keyring version where something was lost, else zero.
    event PermissionRevoked(
        address indexed patient,
        address indexed grantee,
        address indexed by,
        uint24 version,
        uint64 lost,
        uint24 keyringVersion
    );

    // The five events of a history. `previous` is the patient's word before the entry, which its hash covers: head (200 bits), length
    // (32), keyring version (24); so the entry's number is that length plus one. `time` is the block's, Unix time.

    /// @notice A record was bound into a history (Kind.Record).
    event RecordAppended(
        address indexed patient,
        address indexed author,
        address indexed onBehalfOf,
        uint40 time,
        bytes32 previous,
        Entry entry
    );
    /// @notice Two records or more were bound into a history, one after another: the same as a {RecordAppended} for each.
    /// @param previous The patient's word before the first of them.
    event RecordsAppended(
        address indexed patient,
        address indexed author,
        address indexed onBehalfOf,
        uint40 time,
        bytes32 previous,
        Entry[] entries
    );
    /// @notice A keyring was bound into a history (Kind.Keyring, on behalf of the patient), and the keyring version rose by one.
    event KeyringPublished(
        address indexed patient,
        address indexed author,
        uint40 time,
        bytes32 previous,
        uint64 compartments,
        bytes32 pointer
    );
    /// @notice A manifest of new pointers was bound into a history (Kind.Moved, on behalf of the patient).
    event RecordsMoved(
        address indexed patient,
        address indexed author,
        uint40 time,
        bytes32 previous,
        uint64 compartments,
        bytes32 pointer
    );
    /// @notice A manifest of erased records was bound into a history (Kind.Erased, on behalf of the patient).
    event RecordsErased(
        address indexed patient,
        address indexed author,
        uint40 time,
        bytes32 previous,
        uint64 compartments,
        bytes32 pointer
    );

    /// @notice In a call for many entries one was refused and skipped.
    /// @param item Its place in the call, counted from 0.
    /// @param reason The error that it would have reverted with, ABI-encoded.
    event EntryRefused(
        address indexed patient, address indexed author, address indexed onBehalfOf, uint256 item, bytes reason
    );
    /// @notice A revocation took place and the keyring that came with it did not, since its version had passed or was the last.
    /// @param current The keyring version before the call.
    event KeyringSkipped(address indexed patient, uint24 current, uint24 given, bytes32 pointer);

    /// @notice In {relay} one call was refused. It changed nothing, and the others do not depend on it.
    /// @param item Its place in the call, counted from 0.
    /// @param reason The error that it reverted with, ABI-encoded: one of this contract's, so a few words at most. Empty if it used up
    /// all the gas that a relayed call may use.
    event CallRefused(address indexed relayer, uint256 item, bytes reason);

    /// @param digest Of the sealed entry that says what was read and why.
    event AccessLogged(
        address indexed patient, address indexed actor, address indexed onBehalfOf, uint8 purpose, bytes32 digest
    );

    // ----------------------------------------------------------------------------------------------------------- patients

    /// @notice Registers the caller as a patient, controlled by the caller's wallet.
    /// @dev Emits {PatientRegistered}.
    ///
    /// Requirements:
    /// - the caller is not registered yet.
    function register() external;

    /// @notice Registers a patient by its signature. Another wallet may control the id from the start, if it signs too: a newborn's record
    /// under a parent's wallet.
    /// @dev Emits {PatientRegistered}, by the patient id. Signed: `Register(address patient,address wallet,uint256 deadline)`, by both. The
    /// id's own key always decides about its registration.
    ///
    /// Requirements, besides those of signed forms:
    /// - `patient` is not registered yet;
    /// - `wallet` is not zero;
    /// - `walletSignature` is the wallet's, unless the wallet is the patient id: then it is not looked at.
    function registerSigned(
        address patient,
        address wallet,
        uint256 deadline,
        bytes calldata patientSignature,
        bytes calldata walletSignature
    ) external;

    /// @notice Hands a patient id to another wallet, which says by its signature that it is there. From the next transaction it alone
    /// decides for the patient. The id, the history and all permissions stay.
    /// @dev Emits {WalletChanged}. The patient's decision counter rises by one. The new wallet signs, as EIP-712 typed data in the domain
    /// of {eip712Domain}, `WalletChange(address patient,address wallet,uint64 decision,uint256 deadline)`, so that a typing error locks
    /// nobody out. An account with code signs by ERC-1271.
    ///
    /// Requirements:
    /// - the caller is the patient's wallet;
    /// - `wallet` is not zero and not the present wallet;
    /// - `decision` is the patient's decision counter plus one;
    /// - `deadline` has not passed;
    /// - `signature` is the new wallet's.
    ///
    /// Warning: whoever has the new wallet decides from then on, and the old one can take nothing back.
    /// @param deadline Last second at which the signature counts, Unix time.
    /// @param signature 65 bytes `r ‖ s ‖ v` with low `s`, or what an account with code takes for a signature.
    function changeWallet(
        address patient,
        address wallet,
        uint64 decision,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice {changeWallet} by the present wallet's signature.
    /// @dev Signed: `ChangeWallet(address patient,address signer,address wallet,uint64 decision,uint256 deadline)`.
    /// @param consent What {changeWallet} takes as `signature`: the new wallet's, over the same decision and deadline.
    function changeWalletSigned(
        address patient,
        address signer,
        address wallet,
        uint64 decision,
        uint256 deadline,
        bytes calldata signature,
        bytes calldata consent
    ) external;

    /// @notice Sets the guardians of a patient, who together can hand the id to another wallet ({beginRecovery}). Nobody sees who they
    /// are until they do.
    /// @dev Emits {GuardiansSet}. The patient's decision counter rises by one. Where a set counts already, the new one counts only after
    /// the delay of that one, during which the old one still does: so whoever stole the wallet cannot replace the guardians before they
    /// act. Another change meanwhile takes the place of this one, and waits anew.
    ///
    /// Requirements:
    /// - the caller is the patient's wallet;
    /// - `decision` is the patient's decision counter plus one;
    /// - where a set counts already, `delay` and `rest` are those it was made of ({GuardiansMismatch}).
    ///
    /// Warning: as many guardians as the threshold says take the id over if nobody stops them in time, and all of them together cannot be
    /// stopped.
    /// @param delay Of the set that counts now, in seconds; anything if there is none.
    /// @param rest Of the set that counts now: keccak256 of salt, threshold and guardians; anything if there is none.
    /// @param guardians The commitment `keccak256(delay ‖ rest)` to the new set, each a 32-byte word; zero for none.
    /// @param document sha2-256 of the sealed block that says who they are, for the patient's own devices; zero if none comes with it.
    function setGuardians(
        address patient,
        uint64 decision,
        uint40 delay,
        bytes32 rest,
        bytes32 guardians,
        bytes32 document
    ) external;

    /// @notice {setGuardians} by a signature.
    /// @dev Signed: `SetGuardians(address patient,address signer,uint64 decision,uint40 delay,bytes32 rest,bytes32 guardians,bytes32
    /// document,uint256 deadline)`.
    function setGuardiansSigned(
        address patient,
        address signer,
        uint64 decision,
        uint40 delay,
        bytes32 rest,
        bytes32 guardians,
        bytes32 document,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Begins to hand a patient id to another wallet, by the signatures of its guardians. Anybody may send it.
    /// @dev Emits {RecoveryBegun}. After the delay of the set anybody may complete it ({completeRecovery}); until then the present wallet
    /// may stop it ({stopRecovery}), unless all guardians signed. One that all signed takes the place of one that they did not. Each
    /// guardian signs, and so does the new wallet, so that a typing error locks nobody out: `Recover(address patient,address
    /// signer,address wallet,uint64 round,uint256 deadline)`, in which it is the `signer`. Signatures are those of signed forms.
    ///
    /// Requirements:
    /// - `deadline` has not passed;
    /// - `delay`, `salt`, `threshold` and `guardians` are those of the set that counts now ({GuardiansMismatch});
    /// - `consent` is the new wallet's signature;
    /// - there is a signature for each guardian, in their order, empty for those who do not sign;
    /// - each that is not empty is the guardian's ({SignatureInvalid}), and they are at least `threshold` ({GuardiansTooFew});
    /// - `round` is the number of the latest recovery plus one, and no other is under way, save one that not all signed where this one all
    /// did ({RecoveryMismatch}). So signatures count once, also where the recovery is stopped;
    /// - or all signed it, and `round` is that of the latest one, which not all signed and which was not completed. Else whoever holds the
    /// wallet could send what all signed without one of the signatures, and stop that.
    /// @param delay Of the set, in seconds.
    function beginRecovery(
        address patient,
        address wallet,
        uint64 round,
        uint256 deadline,
        uint40 delay,
        bytes32 salt,
        uint256 threshold,
        address[] calldata guardians,
        bytes calldata consent,
        bytes[] calldata signatures
    ) external;

    /// @notice Stops a recovery, which the guardians can begin again with new signatures.
    /// @dev Emits {RecoveryStopped}.
    ///
    /// Requirements:
    /// - the caller is the patient's wallet;
    /// - `round` is the recovery that is under way, it is not due yet, and not all guardians signed it ({RecoveryMismatch}).
    function stopRecovery(address patient, uint64 round) external;

    /// @notice {stopRecovery} by a signature.
    /// @dev Signed: `StopRecovery(address patient,address signer,uint64 round,uint256 deadline)`.
    function stopRecoverySigned(
        address patient,
        address signer,
        uint64 round,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Hands the patient id to the wallet that its guardians named. Anybody may send it.
    /// @dev Emits {WalletChanged}, by the new wallet. The set that began the recovery is the one that counts from then on: what the wallet
    /// before changed about the guardians is undone. Its permissions stay as they are, those it gave to representatives too.
    ///
    /// Requirements:
    /// - a recovery is under way and due ({RecoveryNotDue}).
    function completeRecovery(address patient) external;

    /// @notice The guardians of a patient, and the recovery that is under way.
    function guardianshipOf(address patient) external view returns (Guardianship memory);

    /// @notice The wallet that controls a patient id now, the number of its decisions so far, and its flags (none in use).
    /// @return wallet Zero if the id is not registered.
    function patientOf(address patient) external view returns (address wallet, uint64 decisions, uint32 flags);

    // --------------------------------------------------------------------------------------------------------------- keys

    /// @notice Sets the digest of the caller's public profile: its HPKE public key, name and endpoints (docs/format.md §8).
    /// @dev Emits {ProfilePublished}. Nobody else can set it. Zero withdraws the profile.
    function publishProfile(bytes32 digest) external;

    /// @notice The digest of an account's profile, zero if it has none.
    function profileOf(address account) external view returns (bytes32 digest);

    // ---------------------------------------------------------------------------------------------------------- providers

    /// @notice The account that names registrars.
    function authority() external view returns (address);

    /// @notice The account that the authority was offered to and that has not accepted yet.
    function pendingAuthority() external view returns (address);

    /// @notice Offers the authority to another account. A second offer replaces the first; offering to zero withdraws it.
    /// @dev Emits {AuthorityOffered}. Nothing changes until {acceptAuthority}, so a typing error costs nothing.
    ///
    /// Requirements:
    /// - the caller is the authority.
    function offerAuthority(address candidate) external;

    /// @notice Takes over the authority.
    /// @dev Emits {AuthorityAccepted}.
    ///
    /// Requirements:
    /// - the caller is the account that it was offered to.
    function acceptAuthority() external;

    /// @notice Names a registrar.
    /// @dev Emits {RegistrarAdded}.
    ///
    /// Requirements:
    /// - the caller is the authority;
    /// - the account is not zero and not a registrar already.
    function addRegistrar(address account) external;

    /// @notice Removes a registrar. The accreditations that it gave stay.
    /// @dev Emits {RegistrarRemoved}.
    ///
    /// Requirements:
    /// - the caller is the authority;
    /// - the account is a registrar.
    function removeRegistrar(address account) external;

    /// @notice Whether an account is a registrar.
    function isRegistrar(address account) external view returns (bool);

    /// @notice Accredits a provider until `expiry`, or changes the accreditation of one. A suspension stays.
    /// @dev Emits {ProviderAccredited}.
    ///
    /// Requirements:
    /// - the caller is a registrar;
    /// - `provider` is not zero;
    /// - `kind` is given;
    /// - `expiry` lies in the future.
    function accredit(address provider, ProviderKind kind, bool emergency, uint40 expiry) external;

    /// @notice Suspends a provider: it can append nothing from the next transaction, and is given no key at the next rotation.
    /// @dev Emits {ProviderSuspended}. Any registrar may, whoever accredited. Suspending twice is done, not an error.
    ///
    /// Requirements:
    /// - the caller is a registrar;
    /// - `provider` has been accredited at some time.
    function suspend(address provider) external;

    /// @notice Ends a suspension.
    /// @dev Emits {ProviderReinstated}.
    ///
    /// Requirements:
    /// - the caller is a registrar;
    /// - `provider` has been accredited at some time.
    function reinstate(address provider) external;

    /// @notice A provider as stored; kind `None` if it was never accredited.
    function providerOf(address provider) external view returns (Provider memory);

    /// @notice Names an agent who may append and enter accesses on the caller's behalf until `until`, or changes the time.
    /// @dev Emits {AgentNamed}. Whether the caller is an accredited provider is asked when the agent acts, not here.
    ///
    /// Requirements:
    /// - `agent` is not zero and not the caller;
    /// - `until` lies in the future.
    ///
    /// Warning: the agent writes in the caller's name wherever the caller may append. It cannot grant, decide or name agents.
    function nameAgent(address agent, uint40 until) external;

    /// @notice Dismisses an agent, from the next transaction.
    /// @dev Emits {AgentDismissed}. Dismissing somebody who is no agent is done, not an error.
    function dismissAgent(address agent) external;

    /// @notice The first second at which `agent` no longer acts for `principal`, zero if it never did or was dismissed.
    function agentUntil(address principal, address agent) external view returns (uint40);

    // -------------------------------------------------------------------------------------------------------- permissions

    /// @notice Grants `grantee` the terms, in place of those it had.
    /// @dev Emits {PermissionGranted}. Where the grantee loses a compartment that it could read until now, the keyring version rises by
    /// one, so that nothing more is sealed to keys that it holds.
    ///
    /// Requirements:
    /// - the caller is the patient's wallet, or its representative;
    /// - `grantee` is neither zero, nor the patient id, nor its wallet, nor the caller;
    /// - `version` is the stored version plus one;
    /// - `terms` name at least one compartment and one purpose;
    /// - `terms` carry no flag but HISTORY and, from the patient's wallet alone, MANAGE;
    /// - `terms.expiry` lies in the future and behind `terms.notBefore`;
    /// - by a representative: both `terms` and what the grantee has now lie within its own permission, which is open: no compartment to
    /// read or append, no purpose and no HISTORY that it does not have, no later end, and no MANAGE.
    ///
    /// Warning: a representative with MANAGE gives others whatever lies within its terms, until its end or its revocation. What it gave
    /// survives both, and is revoked like any other permission.
    ///
    /// Warning: the contract cannot see whether `seal` holds the right keys. It says who may read; the seal makes it true.
    /// @param seal sha2-256 of the block with the keys, sealed to the grantee (docs/format.md §7); zero if none comes with it.
    /// @param version The version that this grant creates.
    function grant(address patient, address grantee, Terms calldata terms, bytes32 seal, uint24 version) external;

    /// @notice {grant} by a signature.
    /// @dev Signed: `Grant(address patient,address signer,address grantee,uint64 read,uint64 append,uint40 notBefore,uint40 expiry,uint16
    /// purposes,uint8 flags,bytes32 seal,uint24 version,uint256 deadline)`. If the stored permission is exactly what this would write,
    /// version included, it is done and not an error: nothing changes and no event is emitted. So it does not matter who sends it
    /// first.
    ///
    /// Warning: a stored permission does not have its seal in it. That of the grant which was first counts; whether it is this one's is
    /// in the event.
    function grantSigned(
        address patient,
        address signer,
        address grantee,
        Terms calldata terms,
        bytes32 seal,
        uint24 version,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Ends whatever `grantee` was granted, from the next transaction.
    /// @dev Emits {PermissionRevoked}. Works on an absent permission too: the version rises, so that a grant which was signed for the
    /// next version and kept in a drawer is dead. At the last version it stays there. Where the grantee could read until now, the
    /// keyring version rises by one.
    ///
    /// Requirements:
    /// - the caller is the patient's wallet, or its representative;
    /// - by a representative: what the grantee has lies within its own permission (see {grant}), or is its own: it may resign.
    ///
    /// Warning: what the grantee has read it may have kept. New records are out of its reach as soon as authors see the new keyring
    /// version; {revokeAndRotate} gives them new keys in the same transaction.
    function revoke(address patient, address grantee) external;

    /// @notice Revokes, and publishes the keyring that the remaining readers hold.
    /// @dev Emits {KeyringPublished}, then {PermissionRevoked}: in this order the keyring's entry follows the very version that its
    /// maker read, whether or not the revocation raises it. If that version has passed, or none is left, the revocation takes place all
    /// the same and {KeyringSkipped} is emitted instead.
    ///
    /// Requirements:
    /// - those of {revoke};
    /// - those of {publishKeyring} for `compartments` and `pointer`, unless the keyring is skipped.
    function revokeAndRotate(
        address patient,
        address grantee,
        uint24 keyringVersion,
        uint64 compartments,
        bytes32 pointer
    ) external;

    /// @notice {revoke}, or {revokeAndRotate} where a keyring is given, by a signature.
    /// @dev Signed: `Revoke(address patient,address signer,address grantee,uint24 version,uint24 keyringVersion,uint64 compartments,bytes32
    /// keyring,uint256 deadline)`. Revoking is easier than granting: `version` is the lowest version that the signer wants dead. The
    /// revocation takes place on that version and on every later one, until its deadline. Where nothing stands it leaves a tombstone,
    /// so that a grant in a drawer which would create `version` is dead. Where `version` was reached and revoked already it is done,
    /// and not an error: no version rises and no event is emitted, except that a keyring which is still good is published.
    ///
    /// Requirements, besides those of signed forms and of {revoke}:
    /// - `version` is not above the stored version of a permission that stands, nor above the version that a tombstone would have.
    ///
    /// Warning: it ends a later grant too, until its deadline passes. Choose an early one.
    /// @param keyring sha2-256 of the keyring; zero if none comes with it, and then `keyringVersion` and `compartments` say nothing.
    function revokeSigned(
        address patient,
        address signer,
        address grantee,
        uint24 version,
        uint24 keyringVersion,
        uint64 compartments,
        bytes32 keyring,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice A permission as stored.
    function permissionOf(address patient, address grantee) external view returns (Permission memory);

    /// @notice Which compartments each grantee may read at a time: its mask within its window, zero while it is suspended.
    /// @dev What an author asks before sealing to an epoch (the author's rule, docs/concepts.md).
    /// @param time Unix time.
    function readersAt(
        address patient,
        address[] calldata grantees,
        uint40 time
    ) external view returns (uint64[] memory masks);

    /// @notice The one predicate for authority: whether `actor`, for `principal`, may do `action`, and why not.
    /// @dev For `Read` no accreditation is needed, a suspended provider is refused, and empty `compartments` ask for any. For `Append`
    /// the principal must be accredited now. The patient's own wallet, with the patient id as `principal`, may do everything, for any
    /// purpose. For `Decide` anybody else needs to be a representative, which has no agents and needs no accreditation, nor does a
    /// suspension touch what it decides: its permission carries MANAGE, and `compartments` are among those it may read, so that it may
    /// publish their keys. A permission that it gives or ends must lie within its own in every respect (`BeyondLimits`; see {grant}). An agent needs to be named by the principal; if it is a provider itself, it needs to be accredited now. Where
    /// several reasons apply, the answer is the first in the order of {Denial}, save that the purpose comes before the compartments.
    /// `PatientUnknown` is the answer for the patient id itself as `principal` alone: to any other an id that is not registered has
    /// granted nothing, so the answer is that of the other checks (`NotController`, `NotAccredited`, `NotGranted` and the like).
    /// @param compartments All of them must be granted.
    /// @param purpose Number of the purpose of use, 0 to 15.
    function may(
        address patient,
        address actor,
        address principal,
        Action action,
        uint64 compartments,
        uint8 purpose
    ) external view returns (Denial);

    // ------------------------------------------------------------------------------------------------------------ history

    /// @notice Appends one record.
    /// @dev Emits {RecordAppended}.
    ///
    /// Requirements:
    /// - the caller may append to the entry's compartments on behalf of `onBehalfOf` for the purpose;
    /// - `keyringVersion` is the current one;
    /// - the entry names a compartment and a pointer;
    /// - the entry that it replaces, if any, is in the history.
    /// @param onBehalfOf The caller itself, the patient id (for its wallet), or the provider that the caller is an agent of.
    /// @return number Of the entry in the patient's history, from 1.
    function append(
        address patient,
        address onBehalfOf,
        uint24 keyringVersion,
        uint8 purpose,
        Entry calldata entry
    ) external returns (uint32 number);

    /// @notice {append} by the author's signature.
    /// @dev Signed: `Append(address patient,address author,address onBehalfOf,uint24 keyringVersion,uint8 purpose,uint64 compartments,uint64
    /// replaces,bytes32 pointer,bytes32 claim,uint64 number,uint256 deadline)`.
    ///
    /// Requirements, besides those of signed forms and of {append}:
    /// - `number` is the number of the author's relayed calls so far plus one ({providerOf}).
    /// @param number Of the author's relayed call. A call that is refused takes none.
    function appendSigned(
        address patient,
        address author,
        address onBehalfOf,
        uint24 keyringVersion,
        uint8 purpose,
        Entry calldata entry,
        uint64 number,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Appends many records to one patient's history. The same as its accepted entries one after another.
    /// @dev Emits {RecordAppended} or {RecordsAppended} for each run of accepted entries, and {EntryRefused} for each one skipped.
    ///
    /// Requirements, for each entry, unless `skipRefused`:
    /// - those of {append}.
    /// @param skipRefused Skip what is refused and go on, in place of reverting.
    function appendMany(
        address patient,
        address onBehalfOf,
        uint24 keyringVersion,
        uint8 purpose,
        Entry[] calldata entries,
        bool skipRefused
    ) external;

    /// @notice Appends records to the histories of many patients. The same as its accepted items one after another.
    /// @dev Emits {RecordAppended} for each accepted item, and {EntryRefused} for each one skipped.
    ///
    /// Requirements, for each item, unless `skipRefused`:
    /// - those of {append}.
    /// @param skipRefused Skip what is refused and go on, in place of reverting.
    function appendToMany(address onBehalfOf, uint8 purpose, Item[] calldata items, bool skipRefused) external;

    /// @notice Publishes a keyring; the keyring version rises by one.
    /// @dev Emits {KeyringPublished}.
    ///
    /// Requirements:
    /// - the caller is the patient's wallet, or a representative that may read all the compartments;
    /// - `keyringVersion` is the current one, and not the last;
    /// - `compartments` and `pointer` are not empty.
    /// @param keyringVersion The version before this keyring.
    /// @param compartments Those that get new epochs.
    function publishKeyring(address patient, uint24 keyringVersion, uint64 compartments, bytes32 pointer) external;

    /// @notice {publishKeyring} by a signature.
    /// @dev Signed: `PublishKeyring(address patient,address signer,bytes32 pointer,uint24 keyringVersion,uint64 compartments,uint256
    /// deadline)`.
    function publishKeyringSigned(
        address patient,
        address signer,
        bytes32 pointer,
        uint24 keyringVersion,
        uint64 compartments,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Publishes a manifest of new pointers for earlier records (docs/format.md §9).
    /// @dev Emits {RecordsMoved}. The patient's decision counter rises by one.
    ///
    /// Requirements:
    /// - the caller is the patient's wallet;
    /// - `decision` is the patient's decision counter plus one;
    /// - `compartments` and `pointer` are not empty.
    function publishMoved(address patient, uint64 decision, uint64 compartments, bytes32 pointer) external;

    /// @notice {publishMoved} by a signature.
    /// @dev Signed: `PublishMoved(address patient,address signer,uint64 decision,uint64 compartments,bytes32 pointer,uint256 deadline)`.
    function publishMovedSigned(
        address patient,
        address signer,
        uint64 decision,
        uint64 compartments,
        bytes32 pointer,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Publishes a manifest of records that the patient erased.
    /// @dev Emits {RecordsErased}. The patient's decision counter rises by one.
    ///
    /// Requirements:
    /// - the caller is the patient's wallet;
    /// - `decision` is the patient's decision counter plus one;
    /// - `compartments` and `pointer` are not empty.
    function publishErased(address patient, uint64 decision, uint64 compartments, bytes32 pointer) external;

    /// @notice The word that a history is checked against (docs/format.md §10).
    /// @return head 200 bits over all entries, zero if there are none.
    /// @return length Number of entries.
    /// @return keyringVersion Rises with each keyring and each loss of a reading right.
    function historyOf(address patient) external view returns (bytes25 head, uint32 length, uint24 keyringVersion);

    // ----------------------------------------------------------------------------------------------------------- accesses

    /// @notice Enters that the caller has read, on behalf of `onBehalfOf`. What and why is in a sealed document.
    /// @dev Emits {AccessLogged}.
    ///
    /// Requirements:
    /// - the caller may read something of the patient's on behalf of `onBehalfOf` for the purpose.
    /// @param digest sha2-256 of the sealed document.
    function logAccess(address patient, address onBehalfOf, uint8 purpose, bytes32 digest) external;

    /// @notice {logAccess} by the reader's signature.
    /// @dev Signed: `LogAccess(address patient,address actor,address onBehalfOf,bytes32 document,uint8 purpose,uint64
    /// number,uint256 deadline)`.
    ///
    /// Requirements, besides those of signed forms and of {logAccess}:
    /// - `number` is the number of the actor's relayed calls so far plus one, as in {appendSigned}.
    /// @param document The `digest` that {logAccess} takes.
    function logAccessSigned(
        address patient,
        address actor,
        address onBehalfOf,
        bytes32 document,
        uint8 purpose,
        uint64 number,
        uint256 deadline,
        bytes calldata signature
    ) external;

    // -------------------------------------------------------------------------------------------------------------- relay

    /// @notice Carries out signed forms of any patients and authors, each by itself: one that is refused sinks no other.
    /// @dev Emits what the calls emit, and {CallRefused} for each that is refused, also where it is none that can be relayed
    /// ({NotRelayable}). Only signed forms can be: they never ask who sends them, so relaying gives nobody's rights to anybody, and
    /// neither {multicall} nor {relay} itself can be put around a call to take its gas away. Each gets a share of gas that is enough
    /// for it and that it cannot exceed, so an account with code that burns gas harms its own call alone.
    ///
    /// Requirements:
    /// - before each call there is enough gas left for its whole share ({RelayGasTooLow}): a refusal never comes of too little gas.
    /// Everything is undone otherwise. What is not used is given back as always.
    ///
    /// Warning: {CallRefused} says what came of the call that was sent. A relayer may send something else than it was given; what it was
    /// given stays good, and whoever has it may send it.
    /// @param calls ABI-encoded calls of signed forms, carried out in their order.
    function relay(bytes[] calldata calls) external;
}
