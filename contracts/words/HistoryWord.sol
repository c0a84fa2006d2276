// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Entry, Kind} from "../interfaces/IMedRec.sol";

/// @notice The state of one patient's history in one storage word: `head (200) | length (32) | keyring version (24)`.
type HistoryWord is uint256;

using HistoryWords for HistoryWord global;

/// @notice What an entry's hash covers, in its order: each field a 32-byte word, in memory as in `abi.encode`.
struct Link {
    HistoryWord previous;
    address patient;
    Kind kind;
    uint64 compartments;
    address author;
    address onBehalfOf;
    uint256 time;
    bytes32 pointer;
    bytes32 claim;
    uint64 replaces;
}

using HistoryWords for Link global;

/// @title The rolling head of a history
/// @dev docs/format.md §10; `tests/vectors/head.json` pins it.
library HistoryWords {
    uint24 private constant LAST_KEYRING_VERSION = type(uint24).max;
    uint256 private constant ONE_ENTRY = 1 << 24;
    uint256 private constant BELOW_HEAD = (1 << 56) - 1;

    function head(HistoryWord word) internal pure returns (bytes25) {
        return bytes25(bytes32(HistoryWord.unwrap(word)));
    }

    function length(HistoryWord word) internal pure returns (uint32) {
        return uint32(HistoryWord.unwrap(word) >> 24);
    }

    function keyringVersion(HistoryWord word) internal pure returns (uint24) {
        return uint24(HistoryWord.unwrap(word));
    }

    /// @notice Whether the history has an entry of that number; they count from 1.
    function hasEntry(HistoryWord word, uint64 number) internal pure returns (bool) {
        return number != 0 && number <= word.length();
    }

    function toBytes32(HistoryWord word) internal pure returns (bytes32) {
        return bytes32(HistoryWord.unwrap(word));
    }

    /// @notice Puts an entry into a link.
    function set(Link memory link, Entry calldata entry) internal pure {
        link.compartments = entry.compartments;
        link.pointer = entry.pointer;
        link.claim = entry.claim;
        link.replaces = entry.replaces;
    }

    /// @notice The word after the link.
    /// @dev The length is not checked, to save gas on each entry. 2**32 entries of one history would make it zero again and set the
    /// lowest bit of the head. That is about 2e13 gas, all from authors whom the patient lets append: paid for by them where gas
    /// costs something, but possible on a chain without fees (docs/threat-model.md).
    function hash(Link memory link) internal pure returns (HistoryWord) {
        uint256 digest;
        // Ten words: the same as over abi.encode(link), which would copy them first.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            digest := keccak256(link, 320)
        }
        uint256 rest;
        unchecked {
            rest = (HistoryWord.unwrap(link.previous) & BELOW_HEAD) + ONE_ENTRY;
        }
        return HistoryWord.wrap((digest & ~BELOW_HEAD) | rest);
    }

    /// @notice Whether the keyring version has reached its last number.
    function isExhausted(HistoryWord word) internal pure returns (bool) {
        return word.keyringVersion() == LAST_KEYRING_VERSION;
    }

    /// @notice The word with the next keyring version. At the last version it stays there: revoking must always work.
    function withNextKeyringVersion(HistoryWord word) internal pure returns (HistoryWord) {
        return word.isExhausted() ? word : HistoryWord.wrap(HistoryWord.unwrap(word) + 1);
    }
}
