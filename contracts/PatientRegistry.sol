// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Signatures} from "./Signatures.sol";
import {Action, Denial, IMedRec} from "./interfaces/IMedRec.sol";

/// @title Patients
/// @notice Which wallet controls which patient id, and how many decisions the patient has made.
abstract contract PatientRegistry is IMedRec, Signatures {
    // Hashed by the compiler.
    bytes32 private constant WALLET_CHANGE =
    // solhint-disable-next-line gas-small-strings
    keccak256("WalletChange(address patient,address wallet,uint64 decision,uint256 deadline)");

    /// @dev One slot. `flags` is for what later modules need to know about a patient at once (guardians set, recovery under way).
    struct Patient {
        address wallet;
        uint64 decisions;
        uint32 flags;
    }

    mapping(address patient => Patient) private _patients;

    /// @inheritdoc IMedRec
    function register() external {
        _register({patient: msg.sender, wallet: msg.sender, by: msg.sender});
    }

    /// @inheritdoc IMedRec
    function changeWallet(
        address patient,
        address wallet,
        uint64 decision,
        uint256 deadline,
        bytes calldata signature
    ) external {
        _changeWallet(patient, msg.sender, wallet, decision, deadline, signature);
    }

    /// @inheritdoc IMedRec
    function patientOf(address patient) external view returns (address wallet, uint64 decisions, uint32 flags) {
        Patient storage stored = _patients[patient];
        return (stored.wallet, stored.decisions, stored.flags);
    }

    function _register(address patient, address wallet, address by) internal {
        if (_patients[patient].wallet != address(0)) revert AlreadyRegistered(patient);
        _patients[patient].wallet = wallet;
        emit PatientRegistered(patient, wallet, by);
    }

    function _changeWallet(
        address patient,
        address by,
        address wallet,
        uint64 decision,
        uint256 deadline,
        bytes calldata consent
    ) internal {
        _requireController(patient, by);
        if (wallet == address(0)) revert ZeroAddress();
        if (wallet == by) revert WalletUnchanged(patient, wallet);
        _takeDecision(patient, decision);
        if (block.timestamp > deadline) revert DeadlinePassed(deadline);
        _requireSignature(wallet, keccak256(abi.encode(WALLET_CHANGE, patient, wallet, decision, deadline)), consent);
        _setWallet(patient, wallet, by);
    }

    function _setWallet(address patient, address wallet, address by) internal {
        _patients[patient].wallet = wallet;
        emit WalletChanged(patient, wallet, by);
    }

    function _walletOf(address patient) internal view returns (address) {
        return _patients[patient].wallet;
    }

    /// @notice Whether `actor` is the wallet that decides for the patient.
    function _controlDenial(address patient, address actor) internal view returns (Denial) {
        address wallet = _patients[patient].wallet;
        if (wallet == address(0)) return Denial.PatientUnknown;
        return wallet == actor ? Denial.None : Denial.NotController;
    }

    /// @notice Requires that `actor` is the wallet that decides for the patient.
    function _requireController(address patient, address actor) internal view {
        if (_walletOf(patient) != actor) {
            revert NotPermitted(patient, actor, patient, Action.Decide, _controlDenial(patient, actor));
        }
    }

    /// @notice Takes the next number of the patient's decisions, which the decision must name.
    function _takeDecision(address patient, uint64 decision) internal {
        uint64 current = _patients[patient].decisions;
        // Subtracting cannot underflow where decision is positive, and current never reaches the last number.
        if (decision == 0 || decision - 1 != current) revert DecisionMismatch(patient, current, decision);
        _patients[patient].decisions = decision;
    }
}
