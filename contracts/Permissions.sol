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
        // The version that is there already is no next one.
        if (_grant(patient, msg.sender, grantee, PermissionWords.pack(terms, version), seal)) {
            revert VersionMismatch(patient, grantee, version, version);
        }
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

    /// @param granted What the permission becomes, with its version.
    /// @return done Whether exactly this was granted before: then nothing changes.
    // One requirement after another, and an event of many lines. More functions would be more code, for which there is no room.
    // solhint-disable function-max-lines
    // slither-disable-next-line cyclomatic-complexity
    function _grant(
        address patient,
        address by,
        address grantee,
        PermissionWord granted,
        bytes32 seal
    ) internal returns (bool done) {
        PermissionWord limits = _limitsOf(patient, by);
        if (grantee == address(0)) revert ZeroAddress();
        if (grantee == patient || grantee == by) revert SelfGrant(patient);
        if (granted.read() | granted.append() == 0) revert CompartmentsEmpty();
        if (granted.purposes() == 0) revert PurposesEmpty();
        if (granted.flags() & ~KNOWN_FLAGS != 0) revert FlagsNotSupported(granted.flags());
        if (granted.expiry() <= block.timestamp || granted.expiry() <= granted.notBefore()) {
            revert WindowInvalid(granted.notBefore(), granted.expiry());
        }
        Slot storage slot = _slotOf(patient, grantee);
        PermissionWord stored = slot.word;
        uint256 next;
        unchecked {
            next = uint256(stored.version()) + 1;
        }
        if (granted.version() != next) {
            if (stored.equals(granted)) return true;
            revert VersionMismatch(patient, grantee, stored.version(), granted.version());
        }
        if (limits.manages()) {
            if (grantee == _walletOf(patient)) revert SelfGrant(patient);
            _requireWithin(patient, by, limits, stored);
            _requireWithin(patient, by, limits, granted);
        }
        uint64 lost = stored.readAt(block.timestamp);
        if (lost != 0) lost &= ~granted.readAt(block.timestamp);
        slot.word = granted;
        uint24 keyringVersion = lost == 0 ? 0 : _raiseKeyringVersion(patient);
        emit PermissionGranted(
            patient,
            grantee,
            by,
            granted.version(),
            Terms({
                read: granted.read(),
                append: granted.append(),
                notBefore: granted.notBefore(),
                expiry: granted.expiry(),
                purposes: granted.purposes(),
                flags: granted.flags()
            }),
            seal,
            lost,
            keyringVersion
        );
    }

    // solhint-enable function-max-lines

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
        slot.word = tombstone;
        uint24 keyringVersion = lost == 0 ? 0 : _raiseKeyringVersion(patient);
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
        // A function an action: the compiler would copy one with the action as a parameter for each action that is asked for.
        if (action == Action.Append) return _appendDenial(patient, actor, principal, compartments, purpose);
        if (action == Action.Read) return _readDenial(patient, actor, principal, compartments, purpose);
        return _decideDenial(patient, actor, principal, compartments, purpose);
    }

    function _readDenial(
        address patient,
        address actor,
        address principal,
        uint64 compartments,
        uint8 purpose
    ) internal view returns (Denial denial) {
        PermissionWord permission = PermissionWords.EVERYTHING;
        if (principal == patient) {
            denial = _controlDenial(patient, actor);
        } else {
            (denial,) = _standing(actor, principal);
            permission = _granted(patient, principal);
        }
        return _verdict(denial, permission, permission.readFor(purpose, block.timestamp), compartments, purpose);
    }

    function _appendDenial(
        address patient,
        address actor,
        address principal,
        uint64 compartments,
        uint8 purpose
    ) internal view returns (Denial) {
        (Denial denial, PermissionWord permission) = _appendAuthority(patient, actor, principal);
        return _verdict(denial, permission, permission.appendFor(purpose, block.timestamp), compartments, purpose);
    }

    /// @notice The part of the predicate for appending that is the same for all compartments and purposes, and the permission that says
    /// the rest.
    function _appendAuthority(
        address patient,
        address actor,
        address principal
    ) internal view returns (Denial denial, PermissionWord permission) {
        if (principal == patient) return (_controlDenial(patient, actor), PermissionWords.EVERYTHING);
        return (_appendStanding(actor, principal), _granted(patient, principal));
    }

    /// @notice Within what `actor` decides about permissions and keyrings of the patient: everything for its wallet, the actor's own
    /// permission for a representative.
    function _limitsOf(address patient, address actor) internal view returns (PermissionWord limits) {
        if (_walletOf(patient) == actor) return PermissionWords.EVERYTHING;
        limits = _granted(patient, actor);
        if (!limits.manages()) {
            revert NotPermitted(patient, actor, patient, Action.Decide, _controlDenial(patient, actor));
        }
        if (!limits.isOpenAt(block.timestamp)) {
            _refuse(patient, actor, block.timestamp < limits.notBefore() ? Denial.NotYetValid : Denial.Expired);
        }
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

    /// @notice Raises the patient's keyring version, since a reader was lost, and returns it.
    function _raiseKeyringVersion(address patient) internal virtual returns (uint24);

    // ------------------------------------------------------------------------------------------------------------ private

    function _decideDenial(
        address patient,
        address actor,
        address principal,
        uint64 compartments,
        uint8 purpose
    ) private view returns (Denial denial) {
        PermissionWord permission = PermissionWords.EVERYTHING;
        if (principal == patient) {
            denial = _controlDenial(patient, actor);
        } else {
            permission = _granted(patient, principal);
            if (actor != principal || !permission.manages()) denial = Denial.NotController;
        }
        return _verdict(denial, permission, permission.readFor(purpose, block.timestamp), compartments, purpose);
    }

    /// @param mask Of the compartments that the permission opens for the purpose now.
    function _verdict(
        Denial denial,
        PermissionWord permission,
        uint64 mask,
        uint64 compartments,
        uint8 purpose
    ) private view returns (Denial) {
        if (denial != Denial.None) return denial;
        return mask != 0 && compartments & ~mask == 0 ? Denial.None : permission.denial(purpose, block.timestamp);
    }

    function _requireWithin(address patient, address actor, PermissionWord limits, PermissionWord word) private pure {
        if (!word.liesWithin(limits)) _refuse(patient, actor, Denial.BeyondLimits);
    }

    /// @notice Refuses a decision of a representative.
    function _refuse(address patient, address actor, Denial denial) private pure {
        revert NotPermitted(patient, actor, actor, Action.Decide, denial);
    }
}
