// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessLog} from "./AccessLog.sol";
import {RecordLog} from "./RecordLog.sol";
import {Entry, IMedRec} from "./interfaces/IMedRec.sol";

/// @title Entries of authors and readers, signed
/// @notice An author's records and accesses by its signature, in the order of the numbers that it gives them.
abstract contract SignedEntries is RecordLog, AccessLog {
    // Hashed by the compiler. The members stand in the order of the functions' parameters, see {Signatures}.
    // solhint-disable gas-small-strings
    bytes32 private constant APPEND = keccak256(
        "Append(address patient,address author,address onBehalfOf,uint24 keyringVersion,uint8 purpose,uint64 compartments,uint64 replaces,bytes32 pointer,bytes32 claim,uint64 number,uint256 deadline)"
    );
    bytes32 private constant LOG_ACCESS = keccak256(
        "LogAccess(address patient,address actor,address onBehalfOf,bytes32 document,uint8 purpose,uint64 number,uint256 deadline)"
    );

    // solhint-enable gas-small-strings

    /// @inheritdoc IMedRec
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
    ) external {
        _requireSigned(APPEND, 11, author, deadline, signature);
        _takeRelayed(author, number);
        _append(patient, author, onBehalfOf, keyringVersion, purpose, entry);
    }

    /// @inheritdoc IMedRec
    function logAccessSigned(
        address patient,
        address actor,
        address onBehalfOf,
        bytes32 document,
        uint8 purpose,
        uint64 number,
        uint256 deadline,
        bytes calldata signature
    ) external {
        _requireSigned(LOG_ACCESS, 7, actor, deadline, signature);
        _takeRelayed(actor, number);
        _logAccess(patient, actor, onBehalfOf, purpose, document);
    }
}
