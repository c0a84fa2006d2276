// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Provider, ProviderKind} from "../interfaces/IMedRec.sol";

/// @notice A provider packed into one storage word, from the lowest bit:
/// `kind (8) | suspended (1) | emergency (1) | free (6) | expiry (40) | relayed (64) | free (136)`. Kind zero: never accredited.
type ProviderWord is uint256;

using ProviderWords for ProviderWord global;

/// @title Packing of providers
library ProviderWords {
    uint256 private constant ONE_RELAYED = 1 << 56;
    uint256 private constant SUSPENDED = 1 << 8;
    uint256 private constant EMERGENCY = 1 << 9;
    /// @dev What an accreditation sets: kind, emergency mark and expiry. It leaves the rest as it is.
    uint256 private constant ACCREDITATION = 0xff | EMERGENCY | (uint256(type(uint40).max) << 16);

    function unpack(ProviderWord word) internal pure returns (Provider memory) {
        uint256 bits = ProviderWord.unwrap(word);
        return Provider({
            kind: word.kind(),
            suspended: word.isSuspended(),
            emergency: bits & EMERGENCY != 0,
            expiry: word.expiry(),
            relayed: word.relayed()
        });
    }

    function accredited(
        ProviderWord word,
        ProviderKind kind_,
        bool emergency,
        uint40 expiry_
    ) internal pure returns (ProviderWord) {
        uint256 accreditation = uint256(kind_) | (emergency ? EMERGENCY : 0) | (uint256(expiry_) << 16);
        return ProviderWord.wrap((ProviderWord.unwrap(word) & ~ACCREDITATION) | accreditation);
    }

    function withSuspension(ProviderWord word, bool suspended) internal pure returns (ProviderWord) {
        uint256 bits = ProviderWord.unwrap(word);
        return ProviderWord.wrap(suspended ? bits | SUSPENDED : bits & ~SUSPENDED);
    }

    /// @notice The word after one more relayed call.
    /// @dev The caller sees to it that the number is not the last.
    function withNextRelayed(ProviderWord word) internal pure returns (ProviderWord) {
        return ProviderWord.wrap(ProviderWord.unwrap(word) + ONE_RELAYED);
    }

    function kind(ProviderWord word) internal pure returns (ProviderKind) {
        return ProviderKind(uint8(ProviderWord.unwrap(word)));
    }

    function isKnown(ProviderWord word) internal pure returns (bool) {
        return uint8(ProviderWord.unwrap(word)) != 0;
    }

    function isSuspended(ProviderWord word) internal pure returns (bool) {
        return ProviderWord.unwrap(word) & SUSPENDED != 0;
    }

    function expiry(ProviderWord word) internal pure returns (uint40) {
        return uint40(ProviderWord.unwrap(word) >> 16);
    }

    function relayed(ProviderWord word) internal pure returns (uint64) {
        return uint64(ProviderWord.unwrap(word) >> 56);
    }
}
