// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Permissions} from "./Permissions.sol";
import {Action, Denial, IMedRec} from "./interfaces/IMedRec.sol";

/// @title Accesses
/// @notice Who read, for whom and when. What was read is in a sealed document that only its digest stands for.
abstract contract AccessLog is Permissions {
    /// @inheritdoc IMedRec
    function logAccess(address patient, address onBehalfOf, uint8 purpose, bytes32 digest) external {
        _logAccess(patient, msg.sender, onBehalfOf, purpose, digest);
    }

    function _logAccess(address patient, address actor, address principal, uint8 purpose, bytes32 digest) internal {
        Denial denial = _readDenial(patient, actor, principal, 0, purpose);
        if (denial != Denial.None) revert NotPermitted(patient, actor, principal, Action.Read, denial);
        emit AccessLogged(patient, actor, principal, purpose, digest);
    }
}
