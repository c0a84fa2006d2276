// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Denial, Permission, Terms} from "../interfaces/IMedRec.sol";

/// @notice A permission packed into one storage word, from the highest bit:
/// `read (64) | append (64) | notBefore (40) | expiry (40) | purposes (16) | flags (8) | version (24)`.
/// Zero: never granted, never revoked. A version alone: revoked.
type PermissionWord is uint256;

using PermissionWords for PermissionWord global;

/// @title Packing of permissions
library PermissionWords {
    uint24 internal constant LAST_VERSION = type(uint24).max;

    uint256 private constant MANAGE = 1 << 25;
    /// @dev All that says what is permitted: masks, purposes and flags; neither when nor the version.
    uint256 private constant RIGHTS = (type(uint256).max << 128) | (0xffffff << 24);

    /// @notice What the patient's own wallet may do: everything, for any purpose, at any time.
    PermissionWord internal constant EVERYTHING =
        PermissionWord.wrap((type(uint256).max << 128) | (0xffffffffffffff << 32));

    function pack(Terms calldata terms_, uint24 version_) internal pure returns (PermissionWord) {
        return PermissionWord.wrap(
            (uint256(terms_.read) << 192) | (uint256(terms_.append) << 128) | (uint256(terms_.notBefore) << 88)
                | (uint256(terms_.expiry) << 48) | (uint256(terms_.purposes) << 32) | (uint256(terms_.flags) << 24)
                | version_
        );
    }

    function unpack(PermissionWord word) internal pure returns (Permission memory) {
        return Permission({
            terms: Terms({
                read: word.read(),
                append: word.append(),
                notBefore: word.notBefore(),
                expiry: word.expiry(),
                purposes: word.purposes(),
                flags: word.flags()
            }),
            version: word.version()
        });
    }

    /// @notice What is left of a permission when it is revoked: the next version, or the last for good.
    function tombstone(PermissionWord word) internal pure returns (PermissionWord) {
        uint24 current = word.version();
        return PermissionWord.wrap(current == LAST_VERSION ? current : current + 1);
    }

    function read(PermissionWord word) internal pure returns (uint64) {
        return uint64(PermissionWord.unwrap(word) >> 192);
    }

    function append(PermissionWord word) internal pure returns (uint64) {
        return uint64(PermissionWord.unwrap(word) >> 128);
    }

    function notBefore(PermissionWord word) internal pure returns (uint40) {
        return uint40(PermissionWord.unwrap(word) >> 88);
    }

    function expiry(PermissionWord word) internal pure returns (uint40) {
        return uint40(PermissionWord.unwrap(word) >> 48);
    }

    function purposes(PermissionWord word) internal pure returns (uint16) {
        return uint16(PermissionWord.unwrap(word) >> 32);
    }

    function flags(PermissionWord word) internal pure returns (uint8) {
        return uint8(PermissionWord.unwrap(word) >> 24);
    }

    function covers(PermissionWord word, uint8 purpose) internal pure returns (bool) {
        return word.purposes() & (uint256(1) << purpose) != 0;
    }

    /// @notice The compartments that may be read at a time, whatever for: none outside the permission's window.
    function readAt(PermissionWord word, uint256 time) internal pure returns (uint64) {
        return word.isOpenAt(time) ? word.read() : 0;
    }

    /// @notice The compartments that may be read at a time for a purpose.
    function readFor(PermissionWord word, uint8 purpose, uint256 time) internal pure returns (uint64) {
        return word.isOpenAt(time) && word.covers(purpose) ? word.read() : 0;
    }

    /// @notice The compartments that may be appended to at a time for a purpose.
    function appendFor(PermissionWord word, uint8 purpose, uint256 time) internal pure returns (uint64) {
        return word.isOpenAt(time) && word.covers(purpose) ? word.append() : 0;
    }

    /// @notice Why {readFor} or {appendFor} lacks a compartment.
    function denial(PermissionWord word, uint8 purpose, uint256 time) internal pure returns (Denial) {
        if (word.isAbsent()) return Denial.NotGranted;
        if (word.isRevoked()) return Denial.Revoked;
        if (time < word.notBefore()) return Denial.NotYetValid;
        if (time >= word.expiry()) return Denial.Expired;
        return word.covers(purpose) ? Denial.CompartmentNotGranted : Denial.PurposeNotGranted;
    }

    function isOpenAt(PermissionWord word, uint256 time) internal pure returns (bool) {
        return word.notBefore() <= time && time < word.expiry();
    }

    /// @notice Whether the grantee is a representative: it decides for the patient within this permission.
    function manages(PermissionWord word) internal pure returns (bool) {
        return PermissionWord.unwrap(word) & MANAGE != 0;
    }

    /// @notice Whether a representative whose permission is `limits` may give this one, or end it: it has every right that is in it, but
    /// to represent, and no earlier end. Its beginning does not matter, since limits that are open have begun.
    function liesWithin(PermissionWord word, PermissionWord limits) internal pure returns (bool) {
        uint256 given = PermissionWord.unwrap(limits) & RIGHTS & ~MANAGE;
        return PermissionWord.unwrap(word) & RIGHTS & ~given == 0 && word.expiry() <= limits.expiry();
    }

    function equals(PermissionWord word, PermissionWord other) internal pure returns (bool) {
        return PermissionWord.unwrap(word) == PermissionWord.unwrap(other);
    }

    /// @notice Whether something was granted and not revoked, be it over or not begun.
    function stands(PermissionWord word) internal pure returns (bool) {
        return PermissionWord.unwrap(word) >> 24 != 0;
    }

    function version(PermissionWord word) internal pure returns (uint24) {
        return uint24(PermissionWord.unwrap(word));
    }

    function isAbsent(PermissionWord word) internal pure returns (bool) {
        return PermissionWord.unwrap(word) == 0;
    }

    function isRevoked(PermissionWord word) internal pure returns (bool) {
        return !word.isAbsent() && !word.stands();
    }
}
