// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The latest recovery of a patient packed into one storage word, from the highest bit:
/// `wallet (160) | due (40) | unanimous (1) | round (55)`. Without a wallet it is over, and what is left is its round.
type RecoveryWord is uint256;

using RecoveryWords for RecoveryWord global;

/// @title Packing of recoveries
library RecoveryWords {
    uint256 private constant UNANIMOUS = 1 << 55;

    /// @param round_ The last one's, or one more: it never comes near 2**55.
    function pack(address wallet_, uint40 due_, bool unanimous, uint64 round_) internal pure returns (RecoveryWord) {
        return RecoveryWord.wrap(
            (uint256(uint160(wallet_)) << 96) | (uint256(due_) << 56) | (unanimous ? UNANIMOUS : 0) | round_
        );
    }

    function wallet(RecoveryWord word) internal pure returns (address) {
        return address(uint160(RecoveryWord.unwrap(word) >> 96));
    }

    function due(RecoveryWord word) internal pure returns (uint40) {
        return uint40(RecoveryWord.unwrap(word) >> 56);
    }

    function isUnanimous(RecoveryWord word) internal pure returns (bool) {
        return RecoveryWord.unwrap(word) & UNANIMOUS != 0;
    }

    function round(RecoveryWord word) internal pure returns (uint64) {
        return uint64(RecoveryWord.unwrap(word) & (UNANIMOUS - 1));
    }

    /// @notice Whether there never was a recovery.
    function isNone(RecoveryWord word) internal pure returns (bool) {
        return RecoveryWord.unwrap(word) == 0;
    }

    function isUnderWay(RecoveryWord word) internal pure returns (bool) {
        return RecoveryWord.unwrap(word) >> 96 != 0;
    }

    function stopped(RecoveryWord word) internal pure returns (RecoveryWord) {
        return RecoveryWord.wrap(word.round());
    }

    /// @notice As if all had signed it: nothing that was signed for its round begins another.
    function completed(RecoveryWord word) internal pure returns (RecoveryWord) {
        return RecoveryWord.wrap(word.round() | UNANIMOUS);
    }
}
