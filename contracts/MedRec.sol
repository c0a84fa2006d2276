// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {Guardians} from "./Guardians.sol";
import {KeyDirectory} from "./KeyDirectory.sol";
import {ProviderRegistry} from "./ProviderRegistry.sol";
import {Relay} from "./Relay.sol";
import {SignedDecisions} from "./SignedDecisions.sol";
import {SignedEntries} from "./SignedEntries.sol";

/// @title MedRec
/// @notice One deployment: what it does is said in {IMedRec}, and each module of it stands in a file of its own.
contract MedRec is SignedDecisions, SignedEntries, Guardians, KeyDirectory, Relay, EIP712, Multicall {
    string private constant NAME = "MedRec";
    string private constant VERSION = "1";

    /// @param authority_ The account that names registrars.
    constructor(address authority_) ProviderRegistry(authority_) EIP712(NAME, VERSION) {}

    /// @inheritdoc EIP712
    /// @dev What is inherited could have names that are kept in storage, and half a kilobyte of code to read them.
    function eip712Domain()
        public
        view
        override
        returns (bytes1, string memory, string memory, uint256, address, bytes32, uint256[] memory)
    {
        // All fields but the salt, as in OpenZeppelin's.
        return (0x0f, NAME, VERSION, block.chainid, address(this), 0, new uint256[](0));
    }

    function _typedDataHash(bytes32 structHash) internal view override returns (bytes32) {
        return _hashTypedDataV4(structHash);
    }
}
