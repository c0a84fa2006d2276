// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MedRec} from "contracts/MedRec.sol";
import {IMedRec, Permission, Terms} from "contracts/interfaces/IMedRec.sol";

interface Vm {
    function prank(address sender) external;
    function assume(bool condition) external pure;
    function warp(uint256 time) external;
}

interface Svm {
    function enableSymbolicStorage(address account) external;
}

/// @title Invariants, proved by halmos (README.md, 1 to 3)
/// @notice Each function is proved for all its arguments and for every storage that the contract can have, reachable or not: a step
/// from any state. What a call reverts with is left out of the claim: it changes nothing.
contract Prove {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    Svm private constant SVM = Svm(address(uint160(uint256(keccak256("svm cheat code")))));
    uint8 private constant HISTORY = 1;
    uint8 private constant MANAGE = 2;

    MedRec private _medrec;

    /// @dev Where a permission is looked at before a call: who decides, what it may, what stood.
    struct Before {
        address wallet;
        Permission own;
        Permission old;
    }

    function setUp() public {
        _medrec = new MedRec(address(this));
        SVM.enableSymbolicStorage(address(_medrec));
    }

    /// @notice 1 and 2: a grant that succeeds is the wallet's, or a representative's within its limits, and is the next version.
    function check_grant(
        address sender,
        address patient,
        address grantee,
        Terms calldata terms,
        bytes32 seal,
        uint24 version,
        uint40 time
    ) public {
        Before memory before = _before(patient, sender, grantee, time);
        VM.prank(sender);
        _medrec.grant(patient, grantee, terms, seal, version);
        assert(uint256(before.old.version) + 1 == version);
        _checkGranted(before, sender, patient, grantee, terms, version, time);
    }

    /// @notice 1 and 2: the same of the signer, whoever sends it, and in time; or it was there already.
    function check_grantSigned(
        address sender,
        address patient,
        address signer,
        address grantee,
        Terms calldata terms,
        uint24 version,
        uint256 deadline,
        bytes32[2] calldata rs,
        uint8 v,
        uint40 time
    ) public {
        Before memory before = _before(patient, signer, grantee, time);
        VM.assume(signer.code.length == 0);
        VM.prank(sender);
        bytes memory signature = abi.encodePacked(rs[0], rs[1], v);
        _medrec.grantSigned(patient, signer, grantee, terms, bytes32(0), version, deadline, signature);
        assert(time <= deadline);
        if (before.old.version == version) {
            assert(_isSame(before.old.terms, terms));
            assert(_isSame(_medrec.permissionOf(patient, grantee).terms, terms));
        } else {
            assert(uint256(before.old.version) + 1 == version);
            _checkGranted(before, signer, patient, grantee, terms, version, time);
        }
    }

    /// @notice 1 and 2: a revocation that succeeds is the wallet's, or a representative's within its limits or of itself.
    function check_revoke(address sender, address patient, address grantee, uint40 time) public {
        Before memory before = _before(patient, sender, grantee, time);
        VM.prank(sender);
        _medrec.revoke(patient, grantee);
        _checkRevoked(before, patient, grantee);
        if (sender == before.wallet) return;
        assert(_isRepresentative(before.own.terms, time));
        assert(sender == grantee || _liesWithin(before.old.terms, before.own.terms));
    }

    /// @notice 3: the wallet's revocation succeeds.
    function check_walletCanRevoke(address patient, address grantee, uint40 time) public {
        (address wallet,,) = _medrec.patientOf(patient);
        VM.assume(wallet != address(0));
        Before memory before = _before(patient, wallet, grantee, time);
        VM.prank(wallet);
        try _medrec.revoke(patient, grantee) {
            _checkRevoked(before, patient, grantee);
        } catch {
            assert(false);
        }
    }

    /// @notice 1: a grant changes the permission of no other patient, and of no other grantee.
    function check_grantTouchesNoOther(
        address sender,
        address[2] calldata patients,
        address[2] calldata grantees,
        Terms calldata terms,
        uint24 version
    ) public {
        VM.assume(patients[0] != patients[1] || grantees[0] != grantees[1]);
        Permission memory other = _medrec.permissionOf(patients[1], grantees[1]);
        VM.prank(sender);
        _medrec.grant(patients[0], grantees[0], terms, bytes32(0), version);
        Permission memory after_ = _medrec.permissionOf(patients[1], grantees[1]);
        assert(_isSame(other.terms, after_.terms) && other.version == after_.version);
    }

    // ------------------------------------------------------------------------------------------------------------ private

    function _before(
        address patient,
        address decider,
        address grantee,
        uint40 time
    ) private returns (Before memory before) {
        VM.warp(time);
        (before.wallet,,) = _medrec.patientOf(patient);
        before.own = _medrec.permissionOf(patient, decider);
        before.old = _medrec.permissionOf(patient, grantee);
        // No other flag is ever stored, see _checkGranted.
        VM.assume(before.own.terms.flags <= HISTORY | MANAGE);
    }

    function _checkGranted(
        Before memory before,
        address decider,
        address patient,
        address grantee,
        Terms calldata terms,
        uint24 version,
        uint40 time
    ) private view {
        Permission memory stored = _medrec.permissionOf(patient, grantee);
        assert(_isSame(stored.terms, terms) && stored.version == version);
        assert(terms.flags <= HISTORY | MANAGE);
        if (decider == before.wallet) return;
        assert(_isRepresentative(before.own.terms, time));
        assert(_liesWithin(before.old.terms, before.own.terms));
        assert(_liesWithin(terms, before.own.terms));
    }

    function _checkRevoked(Before memory before, address patient, address grantee) private view {
        Permission memory stored = _medrec.permissionOf(patient, grantee);
        assert(_isSame(stored.terms, Terms(0, 0, 0, 0, 0, 0)));
        assert(stored.version == (before.old.version == type(uint24).max ? type(uint24).max : before.old.version + 1));
    }

    function _isRepresentative(Terms memory own, uint40 time) private pure returns (bool) {
        return own.flags & MANAGE != 0 && own.notBefore <= time && time < own.expiry;
    }

    function _liesWithin(Terms memory terms, Terms memory limits) private pure returns (bool) {
        return terms.read & ~limits.read == 0 && terms.append & ~limits.append == 0
            && terms.purposes & ~limits.purposes == 0 && terms.flags & ~(limits.flags & HISTORY) == 0
            && terms.expiry <= limits.expiry;
    }

    function _isSame(Terms memory one, Terms memory other) private pure returns (bool) {
        return keccak256(abi.encode(one)) == keccak256(abi.encode(other));
    }
}
