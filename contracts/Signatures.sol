// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {IMedRec} from "./interfaces/IMedRec.sol";

/// @title Signatures of accounts
/// @notice Whether an account signed typed data of this deployment (EIP-712), with a key or by its code (ERC-1271).
abstract contract Signatures is IMedRec {
    /// @dev Enough for a multi-signature account, and too little to burn what a relayer pays.
    uint256 private constant ERC1271_GAS = 200_000;

    /// @notice The digest that is signed: the struct's hash within the domain of this deployment.
    function _typedDataHash(bytes32 structHash) internal view virtual returns (bytes32);

    function _requireSignature(address signer, bytes32 structHash, bytes calldata signature) internal view {
        if (!_isSigned(signer, _typedDataHash(structHash), signature)) revert SignatureInvalid(signer);
    }

    /// @dev The key first: an account that delegates to code (EIP-7702) has code and still its key.
    function _isSigned(address signer, bytes32 digest, bytes calldata signature) private view returns (bool) {
        // The third value says what is wrong with a malformed signature; all of them are refused alike.
        // slither-disable-next-line unused-return
        (address recovered, ECDSA.RecoverError problem,) = ECDSA.tryRecover(digest, signature);
        if (problem == ECDSA.RecoverError.NoError && recovered == signer) return true;
        if (signer.code.length == 0) return false;
        // The interface would revert where the account does, and lets it return as much as it likes.
        // solhint-disable-next-line avoid-low-level-calls
        // slither-disable-next-line low-level-calls
        (bool success, bytes memory answer) =
            signer.staticcall{gas: ERC1271_GAS}(abi.encodeCall(IERC1271.isValidSignature, (digest, signature)));
        return success && answer.length == 32 && bytes32(answer) == bytes32(IERC1271.isValidSignature.selector);
    }
}
