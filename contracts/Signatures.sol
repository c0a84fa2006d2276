// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {IMedRec} from "./interfaces/IMedRec.sol";

/// @title Signatures of accounts
/// @notice Whether an account signed typed data of this deployment (EIP-712), with a key or by its code (ERC-1271).
abstract contract Signatures is IMedRec {
    /// @dev Enough for a multi-signature account, and too little to burn what a relayer pays.
    uint256 private constant ERC1271_GAS = 200_000;
    /// @dev Half the order of secp256k1: with `s` above it the same signature would have a second encoding (EIP-2).
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice The digest that is signed: the struct's hash within the domain of this deployment.
    function _typedDataHash(bytes32 structHash) internal view virtual returns (bytes32);

    /// @notice Requires that the signed form which is called now was signed by `signer` and is in time.
    /// @dev The message's members are the call's first words, in their order (docs/format.md §12), so their hash is over the call itself:
    /// what is carried out cannot differ from what was signed. A word that is no value of its type is one that no wallet signs, and is
    /// refused where it is read. Within {multicall} and {relay} the call is the inner one.
    /// @param typeHash Of the message's EIP-712 type.
    /// @param members How many it has.
    function _requireSigned(
        bytes32 typeHash,
        uint256 members,
        address signer,
        uint256 deadline,
        bytes calldata signature
    ) internal view {
        if (block.timestamp > deadline) revert DeadlinePassed(deadline);
        bytes32 structHash;
        // The same as keccak256(bytes.concat(typeHash, msg.data[4:4 + 32 * members])), at half the price.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            let at := mload(0x40)
            mstore(at, typeHash)
            calldatacopy(add(at, 32), 4, mul(members, 32))
            structHash := keccak256(at, add(mul(members, 32), 32))
        }
        _requireSignature(signer, structHash, signature);
    }

    function _requireSignature(address signer, bytes32 structHash, bytes calldata signature) internal view {
        bytes32 digest = _typedDataHash(structHash);
        // The key first: an account that delegates to code (EIP-7702) has code and still its key.
        if (signature.length == 65 && _isSignedByKey(signer, digest, signature)) return;
        if (!_isSignedByCode(signer, digest, signature)) revert SignatureInvalid(signer);
    }

    function _isSignedByKey(address signer, bytes32 digest, bytes calldata signature) private pure returns (bool) {
        bytes32 r;
        bytes32 s;
        uint8 v;
        // Slices would look at the length three times more.
        // solhint-disable-next-line no-inline-assembly
        assembly ("memory-safe") {
            r := calldataload(signature.offset)
            s := calldataload(add(signature.offset, 32))
            v := byte(0, calldataload(add(signature.offset, 64)))
        }
        if (uint256(s) > HALF_ORDER) return false;
        // Zero where there is no such key, and nobody is the zero address.
        address recovered = ecrecover(digest, v, r, s);
        return recovered == signer && signer != address(0);
    }

    function _isSignedByCode(address signer, bytes32 digest, bytes calldata signature) private view returns (bool) {
        if (signer.code.length == 0) return false;
        // The interface would revert where the account does, and lets it return as much as it likes.
        // solhint-disable-next-line avoid-low-level-calls
        // slither-disable-next-line low-level-calls
        (bool success, bytes memory answer) =
            signer.staticcall{gas: ERC1271_GAS}(abi.encodeCall(IERC1271.isValidSignature, (digest, signature)));
        return success && answer.length == 32 && bytes32(answer) == bytes32(IERC1271.isValidSignature.selector);
    }
}
