// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMedRec} from "./interfaces/IMedRec.sol";

/// @title Relay
/// @notice Many signed forms in one transaction, each by itself.
abstract contract Relay is IMedRec {
    /// @dev What one call may use: two signatures of accounts with code (see {Signatures}), and three times what the dearest form uses
    /// besides.
    uint256 private constant CALL_GAS = 600_000;
    /// @dev What has to be left so that a call gets all of it: a caller keeps a 64th (EIP-150), and the call itself costs something.
    uint256 private constant NEEDED_GAS = CALL_GAS + CALL_GAS / 63 + 3_000;
    /// @dev Longer than every error of this contract.
    uint256 private constant MAX_REASON = 256;

    /// @inheritdoc IMedRec
    function relay(bytes[] calldata calls) external {
        for (uint256 i = 0; i < calls.length; ++i) {
            bytes calldata call = calls[i];
            bytes4 selector = bytes4(call);
            if (!_isSignedForm(selector)) {
                emit CallRefused(msg.sender, i, abi.encodeWithSelector(NotRelayable.selector, selector));
            } else if (!_carryOut(i, call)) {
                emit CallRefused(msg.sender, i, _reason());
            }
        }
    }

    /// @dev Written so that nothing which grows with the call stands between the look at the gas and the call: a relayer may put as many
    /// bytes as it likes behind one. Memory is not kept, so many calls cost no more than one by one.
    function _carryOut(uint256 item, bytes calldata call) private returns (bool success) {
        uint256 needed = NEEDED_GAS;
        uint256 left;
        // Solidity copies the call after it has looked at the gas, and keeps all that comes back.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let at := mload(0x40)
            calldatacopy(at, call.offset, call.length)
            left := gas()
            if iszero(lt(left, needed)) {
                success := delegatecall(CALL_GAS, address(), at, call.length, 0, 0)
            }
        }
        if (left < needed) revert RelayGasTooLow(item, left, needed);
    }

    /// @notice What the last call reverted with, up to a bound.
    function _reason() private pure returns (bytes memory reason) {
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let size := returndatasize()
            if gt(size, MAX_REASON) { size := MAX_REASON }
            reason := mload(0x40)
            mstore(0x40, add(reason, and(add(size, 63), not(31))))
            mstore(reason, size)
            returndatacopy(add(reason, 32), 0, size)
        }
    }

    function _isSignedForm(bytes4 selector) private pure returns (bool) {
        return selector == IMedRec.grantSigned.selector || selector == IMedRec.revokeSigned.selector
            || selector == IMedRec.appendSigned.selector || selector == IMedRec.logAccessSigned.selector
            || selector == IMedRec.publishKeyringSigned.selector || selector == IMedRec.publishMovedSigned.selector
            || selector == IMedRec.changeWalletSigned.selector || selector == IMedRec.registerSigned.selector
            || selector == IMedRec.setGuardiansSigned.selector || selector == IMedRec.stopRecoverySigned.selector
            || selector == IMedRec.beginRecovery.selector || selector == IMedRec.completeRecovery.selector;
    }
}
