// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Denial, Permission, Provider, ProviderKind, Terms} from "../interfaces/IMedRec.sol";
import {HistoryWord, Link} from "../words/HistoryWord.sol";
import {PermissionWord, PermissionWords} from "../words/PermissionWord.sol";
import {ProviderWord} from "../words/ProviderWord.sol";

/// @title The packing libraries, callable one by one
/// @dev For tests alone.
contract WordsHarness {
    // -------------------------------------------------------------------------------------------------------- permissions

    function packPermission(Terms calldata terms, uint24 version) external pure returns (PermissionWord) {
        return PermissionWords.pack(terms, version);
    }

    function unpackPermission(PermissionWord word) external pure returns (Permission memory) {
        return word.unpack();
    }

    function tombstone(PermissionWord word) external pure returns (PermissionWord) {
        return word.tombstone();
    }

    function permissionAt(
        PermissionWord word,
        uint8 purpose,
        uint256 time
    ) external pure returns (uint64 readAt, uint64 readFor, uint64 appendFor, Denial denial) {
        return (
            word.readAt(time), word.readFor(purpose, time), word.appendFor(purpose, time), word.denial(purpose, time)
        );
    }

    // ---------------------------------------------------------------------------------------------------------- providers

    function unpackProvider(ProviderWord word) external pure returns (Provider memory) {
        return word.unpack();
    }

    function accredited(
        ProviderWord word,
        ProviderKind kind,
        bool emergency,
        uint40 expiry
    ) external pure returns (ProviderWord) {
        return word.accredited(kind, emergency, expiry);
    }

    function withSuspension(ProviderWord word, bool suspended) external pure returns (ProviderWord) {
        return word.withSuspension(suspended);
    }

    // ---------------------------------------------------------------------------------------------------------- histories

    function unpackHistory(HistoryWord word)
        external
        pure
        returns (bytes25 head, uint32 length, uint24 keyringVersion, bool exhausted)
    {
        return (word.head(), word.length(), word.keyringVersion(), word.isExhausted());
    }

    function hasEntry(HistoryWord word, uint64 number) external pure returns (bool) {
        return word.hasEntry(number);
    }

    function withNextKeyringVersion(HistoryWord word) external pure returns (HistoryWord) {
        return word.withNextKeyringVersion();
    }

    // In memory, since it is the layout in memory that is hashed.
    // solhint-disable-next-line gas-calldata-parameters
    function hash(Link memory link) external pure returns (HistoryWord) {
        return link.hash();
    }
}
