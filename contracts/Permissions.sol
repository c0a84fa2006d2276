// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PatientRegistry} from "./PatientRegistry.sol";
import {ProviderRegistry} from "./ProviderRegistry.sol";
import {Action, Denial, IMedRec, Permission, Terms} from "./interfaces/IMedRec.sol";
import {PermissionWord, PermissionWords} from "./words/PermissionWord.sol";

/// @title Permissions
/// @notice What each patient granted to whom, and the one predicate that every module asks.
abstract contract Permissions is PatientRegistry, ProviderRegistry {
    /// @dev The flags that this deployment gives a meaning: HISTORY and MANAGE.
    uint8 private constant KNOWN_FLAGS = 3;

    /// @dev A struct of one word, so that a slot is computed once and read and written through it.
    struct Slot {
        PermissionWord word;
    }

    mapping(address patient => mapping(address grantee => Slot)) private _permissions;

    /// @inheritdoc IMedRec
    function grant(address patient, address grantee, Terms calldata terms, bytes32 seal, uint24 version) external {
        _grant(patient, msg.sender, grantee, terms, seal, version, false);
    }

    /// @inheritdoc IMedRec
    function revoke(address patient, address grantee) external {
        Slot storage slot = _slotOf(patient, grantee);
        _revoke(patient, msg.sender, _limitsOf(patient, msg.sender), grantee, slot, slot.word);
    }

    /// @inheritdoc IMedRec
    function permissionOf(address patient, address grantee) external view returns (Permission memory) {
        return _permissions[patient][grantee].word.unpack();
    }

    /// @inheritdoc IMedRec
    function readersAt(
        address patient,
        address[] calldata grantees,
        uint40 time
    ) external view returns (uint64[] memory masks) {
        masks = new uint64[](grantees.length);
        for (uint256 i = 0; i < grantees.length; ++i) {
            address grantee = grantees[i];
            masks[i] = _isSuspended(grantee) ? 0 : _permissions[patient][grantee].word.readAt(time);
        }
    }

    /// @inheritdoc IMedRec
    function may(
        address patient,
        address actor,
        address principal,
        Action action,
        uint64 compartments,
        uint8 purpose
    ) external view returns (Denial) {
        return _denial(patient, actor, principal, action, compartments, purpose);
    }

    // ----------------------------------------------------------------------------------------------------------- internal

    /// @param doneIsDone Whether a permission that is there already, version included, is done in place of an error.
    function _grant(
        address patient,
        address by,
        address grantee,
        Terms calldata terms,
        bytes32 seal,
        uint24 version,
        bool doneIsDone
    ) internal {
        PermissionWord limits = _limitsOf(patient, by);
        if (grantee == address(0)) revert ZeroAddress();
        if (grantee == patient || grantee == by) revert SelfGrant(patient);
        if (terms.read | terms.append == 0) revert CompartmentsEmpty();
        if (terms.purposes == 0) revert PurposesEmpty();
        if (terms.flags & ~KNOWN_FLAGS != 0) revert FlagsNotSupported(terms.flags);
        if (terms.expiry <= block.timestamp || terms.expiry <= terms.notBefore) {
            revert WindowInvalid(terms.notBefore, terms.expiry);
        }
        Slot storage slot = _slotOf(patient, grantee);
        PermissionWord stored = slot.word;
        PermissionWord granted = PermissionWords.pack(terms, version);
        if (version != uint256(stored.version()) + 1) {
            if (doneIsDone && stored.equals(granted)) return;
            revert VersionMismatch(patient, grantee, stored.version(), version);
        }
        if (limits.manages()) {
            if (grantee == _walletOf(patient)) revert SelfGrant(patient);
            _requireWithin(patient, by, limits, stored);
            _requireWithin(patient, by, limits, granted);
        }
        uint64 lost = stored.readAt(block.timestamp);
        if (lost != 0) lost &= ~granted.readAt(block.timestamp);
        uint24 keyringVersion = _replace(patient, slot, granted, lost);
        emit PermissionGranted(patient, grantee, by, version, terms, seal, lost, keyringVersion);
    }

    /// @param limits Of `by`.
    /// @param slot Where what the grantee was granted is stored, and what is in it.
    function _revoke(
        address patient,
        address by,
        PermissionWord limits,
        address grantee,
        Slot storage slot,
        PermissionWord stored
    ) internal {
        if (limits.manages() && grantee != by) _requireWithin(patient, by, limits, stored);
        PermissionWord tombstone = stored.tombstone();
        uint64 lost = stored.readAt(block.timestamp);
        uint24 keyringVersion = _replace(patient, slot, tombstone, lost);
        emit PermissionRevoked(patient, grantee, by, tombstone.version(), lost, keyringVersion);
    }

    /// @notice The one predicate for authority; {IMedRec-may} shows it and {NotPermitted} carries it.
    function _denial(
        address patient,
        address actor,
        address principal,
        Action action,
        uint64 compartments,
        uint8 purpose
    ) internal view returns (Denial) {
        (Denial denial, PermissionWord permission) = _authority(patient, actor, principal, action);
        if (denial != Denial.None) return denial;
        uint64 mask = action == Action.Append
            ? permission.appendFor(purpose, block.timestamp)
            : permission.readFor(purpose, block.timestamp);
        return mask != 0 && compartments & ~mask == 0 ? Denial.None : permission.denial(purpose, block.timestamp);
    }

    /// @notice The part of the predicate that is the same for all compartments and purposes, and the permission that says the rest.
    function _authority(
        address patient,
        address actor,
        address principal,
        Action action
    ) internal view returns (Denial denial, PermissionWord permission) {
        if (principal == patient) return (_controlDenial(patient, actor), PermissionWords.EVERYTHING);
        permission = _granted(patient, principal);
        if (action == Action.Decide) {
            return (actor == principal && permission.manages() ? Denial.None : Denial.NotController, permission);
        }
        return (_standing(actor, principal, action == Action.Append), permission);
    }

    /// @notice Within what `actor` decides about permissions and keyrings of the patient: everything for its wallet, the actor's own
    /// permission for a representative.
    function _limitsOf(address patient, address actor) internal view returns (PermissionWord limits) {
        if (_walletOf(patient) == actor) return PermissionWords.EVERYTHING;
        Denial denial;
        (denial, limits) = _authority(patient, actor, actor, Action.Decide);
        if (denial != Denial.None) {
            revert NotPermitted(patient, actor, patient, Action.Decide, _controlDenial(patient, actor));
        }
        if (!limits.isOpenAt(block.timestamp)) _refuse(patient, actor, limits.denial(0, block.timestamp));
    }

    /// @notice Requires that a keyring is for compartments alone whose keys `actor` may have.
    function _requireReadable(
        address patient,
        address actor,
        PermissionWord limits,
        uint64 compartments
    ) internal pure {
        if (compartments & ~limits.read() != 0) {
            _refuse(patient, actor, Denial.CompartmentNotGranted);
        }
    }

    function _slotOf(address patient, address grantee) internal view returns (Slot storage) {
        return _permissions[patient][grantee];
    }

    function _granted(address patient, address grantee) internal view returns (PermissionWord) {
        return _slotOf(patient, grantee).word;
    }

    function _requireMay(
        address patient,
        address actor,
        address principal,
        Action action,
        uint64 compartments,
        uint8 purpose
    ) internal view {
        Denial denial = _denial(patient, actor, principal, action, compartments, purpose);
        if (denial != Denial.None) revert NotPermitted(patient, actor, principal, action, denial);
    }

    /// @notice Raises the patient's keyring version, since a reader was lost, and returns it.
    function _raiseKeyringVersion(address patient) internal virtual returns (uint24);

    // ------------------------------------------------------------------------------------------------------------ private

    function _requireWithin(address patient, address actor, PermissionWord limits, PermissionWord word) private pure {
        if (!word.liesWithin(limits)) _refuse(patient, actor, Denial.BeyondLimits);
    }

    /// @notice Refuses a decision of a representative.
    function _refuse(address patient, address actor, Denial denial) private pure {
        revert NotPermitted(patient, actor, actor, Action.Decide, denial);
    }

    /// @param lost Compartments that the grantee could read until now and no longer may.
    /// @return keyringVersion The new one if something was lost, else zero.
    function _replace(
        address patient,
        Slot storage slot,
        PermissionWord replacement,
        uint64 lost
    ) private returns (uint24 keyringVersion) {
        slot.word = replacement;
        if (lost != 0) keyringVersion = _raiseKeyringVersion(patient);
    }
}
