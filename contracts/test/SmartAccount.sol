// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title An account with code that answers for signatures as it is told
/// @dev For tests alone.
contract SmartAccount is IERC1271 {
    enum Answer {
        Yes,
        No,
        Revert,
        BurnGas,
        TooLong,
        Short,
        /// Yes, if it is given nearly all the gas that it may be asked with, which it then uses up.
        Costly
    }

    error Refused();

    Answer public answer;

    function setAnswer(Answer answer_) external {
        answer = answer_;
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        if (answer == Answer.No) return 0xffffffff;
        if (answer == Answer.Revert) revert Refused();
        uint256 work;
        while (answer == Answer.BurnGas) ++work;
        if (answer == Answer.Costly) {
            if (gasleft() < 195_000) return 0xffffffff;
            while (gasleft() > 5000) ++work;
        }
        bytes4 yes = IERC1271.isValidSignature.selector;
        uint256 size = answer == Answer.TooLong ? 64 : answer == Answer.Short ? 4 : 32;
        // Solidity returns 32 bytes alone.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            mstore(0, yes)
            mstore(32, 0)
            return(0, size)
        }
    }
}
