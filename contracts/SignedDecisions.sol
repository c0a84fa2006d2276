// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {RecordLog} from "./RecordLog.sol";
import {IMedRec, Kind, Terms} from "./interfaces/IMedRec.sol";
import {PermissionWord, PermissionWords} from "./words/PermissionWord.sol";

/// @title Decisions of a patient, signed
/// @notice The same decisions as in the modules below, by a signature in place of the sender. Nothing here asks who sends them.
abstract contract SignedDecisions is RecordLog {
    // Hashed by the compiler. The members stand in the order of the functions' parameters, see {Signatures}.
    // solhint-disable gas-small-strings
    bytes32 private constant REGISTER = keccak256("Register(address patient,address wallet,uint256 deadline)");
    bytes32 private constant CHANGE_WALLET =
        keccak256("ChangeWallet(address patient,address signer,address wallet,uint64 decision,uint256 deadline)");
    bytes32 private constant GRANT = keccak256(
        "Grant(address patient,address signer,address grantee,uint64 read,uint64 append,uint40 notBefore,uint40 expiry,uint16 purposes,uint8 flags,bytes32 seal,uint24 version,uint256 deadline)"
    );
    bytes32 private constant REVOKE = keccak256(
        "Revoke(address patient,address signer,address grantee,uint24 version,uint24 keyringVersion,uint64 compartments,bytes32 keyring,uint256 deadline)"
    );
    bytes32 private constant PUBLISH_KEYRING = keccak256(
        "PublishKeyring(address patient,address signer,bytes32 pointer,uint24 keyringVersion,uint64 compartments,uint256 deadline)"
    );
    bytes32 private constant PUBLISH_MOVED = keccak256(
        "PublishMoved(address patient,address signer,uint64 decision,uint64 compartments,bytes32 pointer,uint256 deadline)"
    );

    // solhint-enable gas-small-strings

    /// @inheritdoc IMedRec
    function registerSigned(
        address patient,
        address wallet,
        uint256 deadline,
        bytes calldata patientSignature,
        bytes calldata walletSignature
    ) external {
        _requireSigned(REGISTER, 3, patient, deadline, patientSignature);
        if (wallet == address(0)) revert ZeroAddress();
        if (wallet != patient) _requireSigned(REGISTER, 3, wallet, deadline, walletSignature);
        _register({patient: patient, wallet: wallet, by: patient});
    }

    /// @inheritdoc IMedRec
    function changeWalletSigned(
        address patient,
        address signer,
        address wallet,
        uint64 decision,
        uint256 deadline,
        bytes calldata signature,
        bytes calldata consent
    ) external {
        _requireSigned(CHANGE_WALLET, 5, signer, deadline, signature);
        _changeWallet(patient, signer, wallet, decision, deadline, consent);
    }

    /// @inheritdoc IMedRec
    function grantSigned(
        address patient,
        address signer,
        address grantee,
        Terms calldata terms,
        bytes32 seal,
        uint24 version,
        uint256 deadline,
        bytes calldata signature
    ) external {
        _requireSigned(GRANT, 12, signer, deadline, signature);
        // Whether it is done already makes no difference: whoever sends it first sends it for all.
        // slither-disable-next-line unused-return
        _grant(patient, signer, grantee, PermissionWords.pack(terms, version), seal);
    }

    /// @inheritdoc IMedRec
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
    ) external {
        _requireSigned(REVOKE, 8, signer, deadline, signature);
        PermissionWord limits = _limitsOf(patient, signer);
        Slot storage slot = _slotOf(patient, grantee);
        PermissionWord stored = slot.word;
        bool done = _isDone(patient, grantee, stored, version);
        // Once it is done, a keyring that has passed is no news: whoever sends this again shall leave no trace.
        if (keyring != 0 && !(done && !_isNextKeyring(patient, keyringVersion))) {
            _rotate(patient, signer, limits, keyringVersion, compartments, keyring);
        }
        if (!done) _revoke(patient, signer, limits, grantee, slot, stored);
    }

    /// @inheritdoc IMedRec
    function publishKeyringSigned(
        address patient,
        address signer,
        bytes32 pointer,
        uint24 keyringVersion,
        uint64 compartments,
        uint256 deadline,
        bytes calldata signature
    ) external {
        _requireSigned(PUBLISH_KEYRING, 6, signer, deadline, signature);
        _publishKeyring(patient, signer, keyringVersion, compartments, pointer);
    }

    /// @inheritdoc IMedRec
    function publishMovedSigned(
        address patient,
        address signer,
        uint64 decision,
        uint64 compartments,
        bytes32 pointer,
        uint256 deadline,
        bytes calldata signature
    ) external {
        _requireSigned(PUBLISH_MOVED, 6, signer, deadline, signature);
        _publishManifest(Kind.Moved, patient, signer, decision, compartments, pointer);
    }

    /// @notice Whether a revocation that names `version` has nothing left to do. Refuses one that names a version too high.
    function _isDone(
        address patient,
        address grantee,
        PermissionWord stored,
        uint24 version
    ) private pure returns (bool) {
        uint24 current = stored.version();
        if (version <= current) return stored.isRevoked();
        if (stored.stands() || version - 1 != current) revert VersionMismatch(patient, grantee, current, version);
        return false;
    }
}
