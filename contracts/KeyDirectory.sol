// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMedRec} from "./interfaces/IMedRec.sol";

/// @title Public profiles
/// @notice Where to find the public key that documents for an account are sealed to. Set by that account alone.
abstract contract KeyDirectory is IMedRec {
    mapping(address account => bytes32 digest) private _profiles;

    /// @inheritdoc IMedRec
    function publishProfile(bytes32 digest) external {
        _profiles[msg.sender] = digest;
        emit ProfilePublished(msg.sender, msg.sender, digest);
    }

    /// @inheritdoc IMedRec
    function profileOf(address account) external view returns (bytes32 digest) {
        return _profiles[account];
    }
}
