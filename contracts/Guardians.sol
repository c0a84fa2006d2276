// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {PatientRegistry} from "./PatientRegistry.sol";
import {Guardianship, IMedRec} from "./interfaces/IMedRec.sol";
import {RecoveryWord, RecoveryWords} from "./words/RecoveryWord.sol";

/// @title Guardians
/// @notice Who together can hand a patient id to another wallet when its own is lost: hidden until they do, and never at once.
abstract contract Guardians is PatientRegistry {
    // Hashed by the compiler. The members stand in the order of the functions' parameters, see {Signatures}.
    // solhint-disable gas-small-strings
    bytes32 private constant SET_GUARDIANS = keccak256(
        "SetGuardians(address patient,address signer,uint64 decision,uint40 delay,bytes32 rest,bytes32 guardians,bytes32 document,uint256 deadline)"
    );
    bytes32 private constant RECOVER =
        keccak256("Recover(address patient,address signer,address wallet,uint64 round,uint256 deadline)");
    bytes32 private constant STOP_RECOVERY =
        keccak256("StopRecovery(address patient,address signer,uint64 round,uint256 deadline)");

    // solhint-enable gas-small-strings

    /// @dev `present` holds until `from`, and `next` from then on: so the wallet is never asked which of them is in force. A recovery
    /// goes on under the set that began it, whatever becomes of the others meanwhile.
    struct Sets {
        bytes32 present;
        bytes32 next;
        uint40 from;
        bytes32 recovering;
        RecoveryWord recovery;
    }

    mapping(address patient => Sets) private _sets;

    /// @inheritdoc IMedRec
    function setGuardians(
        address patient,
        uint64 decision,
        uint40 delay,
        bytes32 rest,
        bytes32 guardians,
        bytes32 document
    ) external {
        _setGuardians(patient, msg.sender, decision, delay, rest, guardians, document);
    }

    /// @inheritdoc IMedRec
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
    ) external {
        _requireSigned(SET_GUARDIANS, 8, signer, deadline, signature);
        _setGuardians(patient, signer, decision, delay, rest, guardians, document);
    }

    /// @inheritdoc IMedRec
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
    ) external {
        if (block.timestamp > deadline) revert DeadlinePassed(deadline);
        Sets storage sets = _sets[patient];
        bytes32 commitment = _commitment(delay, keccak256(abi.encodePacked(salt, threshold, guardians)));
        _requireGuardians(patient, commitment == _inForce(sets) && signatures.length == guardians.length);

        _requireRecover(patient, wallet, wallet, round, deadline, consent);
        uint256 missing = guardians.length;
        for (uint256 i = 0; i < guardians.length; ++i) {
            bytes calldata signature = signatures[i];
            if (signature.length == 0) continue;
            _requireRecover(patient, guardians[i], wallet, round, deadline, signature);
            // It begins with all of them.
            unchecked {
                --missing;
            }
        }
        if (guardians.length < threshold + missing) revert GuardiansTooFew(patient, missing, threshold);

        bool unanimous = missing == 0;
        RecoveryWord last = sets.recovery;
        // What all signed counts as well where somebody sent it with fewer of the signatures first, to stop that.
        bool outvotes = unanimous && !last.isUnanimous();
        uint256 ahead;
        unchecked {
            ahead = uint256(round) - last.round();
        }
        _requireRound(
            patient, last, round, ahead == 1 ? outvotes || !last.isUnderWay() : ahead == 0 && outvotes && !last.isNone()
        );
        uint40 due = uint40(block.timestamp) + delay;
        sets.recovering = commitment;
        sets.recovery = RecoveryWords.pack(wallet, due, unanimous, round);
        emit RecoveryBegun(patient, wallet, round, due, unanimous);
    }

    /// @inheritdoc IMedRec
    function stopRecovery(address patient, uint64 round) external {
        _stopRecovery(patient, msg.sender, round);
    }

    /// @inheritdoc IMedRec
    function stopRecoverySigned(
        address patient,
        address signer,
        uint64 round,
        uint256 deadline,
        bytes calldata signature
    ) external {
        _requireSigned(STOP_RECOVERY, 4, signer, deadline, signature);
        _stopRecovery(patient, signer, round);
    }

    /// @inheritdoc IMedRec
    function completeRecovery(address patient) external {
        Sets storage sets = _sets[patient];
        RecoveryWord last = sets.recovery;
        if (!last.isUnderWay() || block.timestamp < last.due()) revert RecoveryNotDue(patient, last.due());
        sets.next = sets.recovering;
        sets.from = 0;
        sets.recovery = last.completed();
        _setWallet({patient: patient, wallet: last.wallet(), by: last.wallet()});
    }

    /// @inheritdoc IMedRec
    function guardianshipOf(address patient) external view returns (Guardianship memory) {
        Sets storage sets = _sets[patient];
        RecoveryWord last = sets.recovery;
        return Guardianship({
            present: sets.present,
            next: sets.next,
            since: sets.from,
            round: last.round(),
            wallet: last.wallet(),
            due: last.due(),
            unanimous: last.isUnanimous()
        });
    }

    function _setGuardians(
        address patient,
        address by,
        uint64 decision,
        uint40 delay,
        bytes32 rest,
        bytes32 guardians,
        bytes32 document
    ) private {
        _requireController(patient, by);
        _takeDecision(patient, decision);
        Sets storage sets = _sets[patient];
        bytes32 present = _inForce(sets);
        uint40 from = 0;
        if (present != 0) {
            _requireGuardians(patient, _commitment(delay, rest) == present);
            from = uint40(block.timestamp) + delay;
        }
        sets.present = present;
        sets.next = guardians;
        sets.from = from;
        emit GuardiansSet(patient, by, guardians, document, from);
    }

    function _stopRecovery(address patient, address by, uint64 round) private {
        _requireController(patient, by);
        RecoveryWord last = _sets[patient].recovery;
        _requireRound(
            patient,
            last,
            round,
            last.isUnderWay() && round == last.round() && !last.isUnanimous() && block.timestamp < last.due()
        );
        _sets[patient].recovery = last.stopped();
        emit RecoveryStopped(patient, by, round);
    }

    function _requireGuardians(address patient, bool matches) private pure {
        if (!matches) revert GuardiansMismatch(patient);
    }

    function _requireRound(address patient, RecoveryWord last, uint64 round, bool matches) private pure {
        if (!matches) revert RecoveryMismatch(patient, last.round(), round);
    }

    /// @notice The set of guardians that counts now, zero if there is none.
    function _inForce(Sets storage sets) private view returns (bytes32) {
        return sets.from <= block.timestamp ? sets.next : sets.present;
    }

    /// @notice Requires that a guardian, or the new wallet, signed that the patient id goes to the wallet.
    function _requireRecover(
        address patient,
        address signer,
        address wallet,
        uint64 round,
        uint256 deadline,
        bytes calldata signature
    ) private view {
        _requireSignature(signer, keccak256(abi.encode(RECOVER, patient, signer, wallet, round, deadline)), signature);
    }

    /// @param rest Hash of salt, threshold and guardians, so that the delay can be shown without them.
    function _commitment(uint40 delay, bytes32 rest) private pure returns (bytes32) {
        return keccak256(abi.encode(delay, rest));
    }
}
