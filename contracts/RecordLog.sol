// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Permissions} from "./Permissions.sol";
import {Action, Denial, Entry, IMedRec, Item, Kind} from "./interfaces/IMedRec.sol";
import {HistoryWord, Link} from "./words/HistoryWord.sol";
import {PermissionWord, PermissionWords} from "./words/PermissionWord.sol";

/// @title Histories
/// @notice One rolling head per patient. The entries themselves are events; the head proves that none is missing or altered.
abstract contract RecordLog is Permissions {
    /// @dev A struct of one word, so that a slot is computed once and read and written through it.
    struct History {
        HistoryWord word;
    }

    mapping(address patient => History) private _histories;

    // ------------------------------------------------------------------------------------------------------------ records

    /// @inheritdoc IMedRec
    function append(
        address patient,
        address onBehalfOf,
        uint24 keyringVersion,
        uint8 purpose,
        Entry calldata entry
    ) external returns (uint32 number) {
        return _append(patient, msg.sender, onBehalfOf, keyringVersion, purpose, entry);
    }

    /// @inheritdoc IMedRec
    function appendMany(
        address patient,
        address onBehalfOf,
        uint24 keyringVersion,
        uint8 purpose,
        Entry[] calldata entries,
        bool skipRefused
    ) external {
        HistoryWord previous = _histories[patient].word; // before the run of accepted entries that begins at `first`
        uint256 first = 0;
        Link memory link = _recordLink(previous, patient, msg.sender, onBehalfOf);
        (Denial denial, PermissionWord permission) = _appendAuthority(patient, msg.sender, onBehalfOf);
        uint64 open = _open(denial, permission, purpose, previous, keyringVersion);

        for (uint256 i = 0; i < entries.length; ++i) {
            link.set(entries[i]);
            if (_isSound(link, open)) {
                link.previous = link.hash();
                continue;
            }
            bytes memory reason = _refusal(link, keyringVersion, purpose);
            if (!skipRefused) _revert(reason);
            _emitRecords(link, previous, entries[first:i]);
            emit EntryRefused(patient, msg.sender, onBehalfOf, i, reason);
            previous = link.previous;
            first = i + 1;
        }
        _histories[patient].word = link.previous;
        _emitRecords(link, previous, entries[first:]);
    }

    /// @inheritdoc IMedRec
    function appendToMany(address onBehalfOf, uint8 purpose, Item[] calldata items, bool skipRefused) external {
        Denial standing = _appendStanding(msg.sender, onBehalfOf);
        Link memory link = _recordLink(HistoryWord.wrap(0), address(0), msg.sender, onBehalfOf);
        for (uint256 i = 0; i < items.length; ++i) {
            Item calldata item = items[i];
            address patient = item.patient;
            History storage history = _histories[patient];
            link.patient = patient;
            link.previous = history.word;
            link.set(item.entry);
            (Denial denial, PermissionWord permission) = patient == onBehalfOf
                ? (_controlDenial(patient, msg.sender), PermissionWords.EVERYTHING)
                : (standing, _granted(patient, onBehalfOf));
            if (_isSound(link, _open(denial, permission, purpose, link.previous, item.keyringVersion))) {
                history.word = link.hash();
                _emitRecord(patient, msg.sender, onBehalfOf, link.previous, item.entry);
            } else {
                bytes memory reason = _refusal(link, item.keyringVersion, purpose);
                if (!skipRefused) _revert(reason);
                emit EntryRefused(patient, msg.sender, onBehalfOf, i, reason);
            }
        }
    }

    // ------------------------------------------------------------------------------------------- the patient's own entries

    /// @inheritdoc IMedRec
    function publishKeyring(address patient, uint24 keyringVersion, uint64 compartments, bytes32 pointer) external {
        _publishKeyring(patient, msg.sender, keyringVersion, compartments, pointer);
    }

    /// @inheritdoc IMedRec
    function revokeAndRotate(
        address patient,
        address grantee,
        uint24 keyringVersion,
        uint64 compartments,
        bytes32 pointer
    ) external {
        PermissionWord limits = _limitsOf(patient, msg.sender);
        _rotate(patient, msg.sender, limits, keyringVersion, compartments, pointer);
        Slot storage slot = _slotOf(patient, grantee);
        _revoke(patient, msg.sender, limits, grantee, slot, slot.word);
    }

    /// @inheritdoc IMedRec
    function publishMoved(address patient, uint64 decision, uint64 compartments, bytes32 pointer) external {
        _publishManifest(Kind.Moved, patient, msg.sender, decision, compartments, pointer);
    }

    /// @inheritdoc IMedRec
    function publishErased(address patient, uint64 decision, uint64 compartments, bytes32 pointer) external {
        _publishManifest(Kind.Erased, patient, msg.sender, decision, compartments, pointer);
    }

    /// @inheritdoc IMedRec
    function historyOf(address patient) external view returns (bytes25 head, uint32 length, uint24 keyringVersion) {
        HistoryWord word = _histories[patient].word;
        return (word.head(), word.length(), word.keyringVersion());
    }

    // ----------------------------------------------------------------------------------------------------------- internal

    function _append(
        address patient,
        address author,
        address onBehalfOf,
        uint24 keyringVersion,
        uint8 purpose,
        Entry calldata entry
    ) internal returns (uint32 number) {
        History storage history = _histories[patient];
        Link memory link = _recordLink(history.word, patient, author, onBehalfOf);
        (Denial denial, PermissionWord permission) = _appendAuthority(patient, author, onBehalfOf);
        uint64 open = _open(denial, permission, purpose, link.previous, keyringVersion);

        link.set(entry);
        if (!_isSound(link, open)) _revert(_refusal(link, keyringVersion, purpose));
        HistoryWord word = link.hash();
        history.word = word;
        _emitRecord(patient, author, onBehalfOf, link.previous, entry);
        return word.length();
    }

    function _publishKeyring(
        address patient,
        address actor,
        uint24 keyringVersion,
        uint64 compartments,
        bytes32 pointer
    ) internal {
        PermissionWord limits = _limitsOf(patient, actor);
        uint24 current = _histories[patient].word.keyringVersion();
        if (keyringVersion != current) revert StaleKeyring(patient, current, keyringVersion);
        _bindKeyring(patient, actor, limits, compartments, pointer);
    }

    /// @notice Publishes the keyring that comes with a revocation, if its version is still to be taken.
    /// @param limits Of `actor`.
    function _rotate(
        address patient,
        address actor,
        PermissionWord limits,
        uint24 keyringVersion,
        uint64 compartments,
        bytes32 pointer
    ) internal {
        if (_isNextKeyring(patient, keyringVersion)) {
            _bindKeyring(patient, actor, limits, compartments, pointer);
        } else {
            emit KeyringSkipped(patient, _histories[patient].word.keyringVersion(), keyringVersion, pointer);
        }
    }

    /// @notice Whether a keyring that names this version can be published.
    function _isNextKeyring(address patient, uint24 keyringVersion) internal view returns (bool) {
        HistoryWord word = _histories[patient].word;
        return keyringVersion == word.keyringVersion() && !word.isExhausted();
    }

    /// @notice Publishes a manifest of the patient's, of records that moved or that are erased.
    function _publishManifest(
        Kind kind,
        address patient,
        address actor,
        uint64 decision,
        uint64 compartments,
        bytes32 pointer
    ) internal {
        _requireController(patient, actor);
        _takeDecision(patient, decision);
        bytes32 previous = _publish(_ownLink(kind, patient, actor, compartments, pointer)).toBytes32();
        if (kind == Kind.Moved) {
            emit RecordsMoved(patient, actor, uint40(block.timestamp), previous, compartments, pointer);
        } else {
            emit RecordsErased(patient, actor, uint40(block.timestamp), previous, compartments, pointer);
        }
    }

    /// @inheritdoc Permissions
    function _raiseKeyringVersion(address patient) internal override returns (uint24) {
        History storage history = _histories[patient];
        HistoryWord word = history.word.withNextKeyringVersion();
        history.word = word;
        return word.keyringVersion();
    }

    // ------------------------------------------------------------------------------------------------------------ private

    /// @notice The link for a record of `author`, the entry itself still empty.
    function _recordLink(
        HistoryWord previous,
        address patient,
        address author,
        address onBehalfOf
    ) private view returns (Link memory) {
        return Link({
            previous: previous,
            patient: patient,
            kind: Kind.Record,
            compartments: 0,
            author: author,
            onBehalfOf: onBehalfOf,
            time: block.timestamp,
            pointer: 0,
            claim: 0,
            replaces: 0
        });
    }

    function _emitRecords(Link memory link, HistoryWord previous, Entry[] calldata entries) private {
        if (entries.length == 1) {
            _emitRecord(link.patient, link.author, link.onBehalfOf, previous, entries[0]);
        } else if (entries.length > 1) {
            emit RecordsAppended(
                link.patient, link.author, link.onBehalfOf, uint40(block.timestamp), previous.toBytes32(), entries
            );
        }
    }

    function _emitRecord(
        address patient,
        address author,
        address onBehalfOf,
        HistoryWord previous,
        Entry calldata entry
    ) private {
        emit RecordAppended(patient, author, onBehalfOf, uint40(block.timestamp), previous.toBytes32(), entry);
    }

    /// @notice The compartments that the author may append to now; none if it sealed to a stale keyring.
    function _open(
        Denial denial,
        PermissionWord permission,
        uint8 purpose,
        HistoryWord word,
        uint24 keyringVersion
    ) private view returns (uint64) {
        if (denial != Denial.None || word.keyringVersion() != keyringVersion) return 0;
        return permission.appendFor(purpose, block.timestamp);
    }

    /// @notice Whether the record in the link can be appended; if not, {_refusal} says why.
    function _isSound(Link memory link, uint64 open) private pure returns (bool) {
        return link.compartments != 0 && link.compartments & ~open == 0 && link.pointer != 0
            && (link.replaces == 0 || link.previous.hasEntry(link.replaces >> 32));
    }

    /// @return reason Why the record in the link cannot be appended, as an ABI-encoded error.
    function _refusal(
        Link memory link,
        uint24 keyringVersion,
        uint8 purpose
    ) private view returns (bytes memory reason) {
        Denial denial = _appendDenial(link.patient, link.author, link.onBehalfOf, link.compartments, purpose);
        if (denial != Denial.None) {
            return abi.encodeWithSelector(
                NotPermitted.selector, link.patient, link.author, link.onBehalfOf, Action.Append, denial
            );
        }
        uint24 current = link.previous.keyringVersion();
        if (keyringVersion != current) {
            return abi.encodeWithSelector(StaleKeyring.selector, link.patient, current, keyringVersion);
        }
        if (link.compartments == 0) return abi.encodeWithSelector(CompartmentsEmpty.selector);
        if (link.pointer == 0) return abi.encodeWithSelector(PointerEmpty.selector);
        return abi.encodeWithSelector(ReplacedUnknown.selector, link.patient, link.replaces, link.previous.length());
    }

    function _bindKeyring(
        address patient,
        address actor,
        PermissionWord limits,
        uint64 compartments,
        bytes32 pointer
    ) private {
        _requireReadable(patient, actor, limits, compartments);
        HistoryWord previous = _publish(_ownLink(Kind.Keyring, patient, actor, compartments, pointer));
        if (previous.isExhausted()) revert KeyringExhausted(patient);
        emit KeyringPublished(patient, actor, uint40(block.timestamp), previous.toBytes32(), compartments, pointer);
    }

    /// @notice Binds an entry of the patient's own into the head. A keyring raises the keyring version with it.
    /// @param link The entry, what was before it left out.
    /// @return previous The word before.
    function _publish(Link memory link) private returns (HistoryWord previous) {
        if (link.compartments == 0) revert CompartmentsEmpty();
        if (link.pointer == 0) revert PointerEmpty();
        History storage history = _histories[link.patient];
        previous = history.word;
        link.previous = previous;
        HistoryWord word = link.hash();
        history.word = link.kind == Kind.Keyring ? word.withNextKeyringVersion() : word;
    }

    /// @notice The link for an entry of the patient's own, what was before it still empty.
    function _ownLink(
        Kind kind,
        address patient,
        address actor,
        uint64 compartments,
        bytes32 pointer
    ) private view returns (Link memory) {
        return Link({
            previous: HistoryWord.wrap(0),
            patient: patient,
            kind: kind,
            compartments: compartments,
            author: actor,
            onBehalfOf: patient,
            time: block.timestamp,
            pointer: pointer,
            claim: 0,
            replaces: 0
        });
    }

    function _revert(bytes memory reason) private pure {
        // Solidity cannot revert with bytes that are an encoded error already.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }
}
