// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Denial, IMedRec, Provider, ProviderKind} from "./interfaces/IMedRec.sol";
import {ProviderWord} from "./words/ProviderWord.sol";

/// @title Providers
/// @notice Who is accredited, by registrars that the authority names, and who may act for whom.
abstract contract ProviderRegistry is IMedRec {
    address private _authority;
    address private _pendingAuthority;
    mapping(address account => bool) private _registrars;
    mapping(address provider => ProviderWord) private _providers;
    mapping(address principal => mapping(address agent => uint40 until)) private _agents;

    constructor(address initialAuthority) {
        if (initialAuthority == address(0)) revert ZeroAddress();
        _authority = initialAuthority;
        emit AuthorityAccepted(address(0), initialAuthority);
    }

    // ---------------------------------------------------------------------------------------------------------- authority

    /// @inheritdoc IMedRec
    function authority() external view returns (address) {
        return _authority;
    }

    /// @inheritdoc IMedRec
    function pendingAuthority() external view returns (address) {
        return _pendingAuthority;
    }

    /// @inheritdoc IMedRec
    function offerAuthority(address candidate) external {
        _requireAuthority();
        // Zero withdraws an offer.
        // slither-disable-next-line missing-zero-check
        _pendingAuthority = candidate;
        emit AuthorityOffered(msg.sender, candidate);
    }

    /// @inheritdoc IMedRec
    function acceptAuthority() external {
        if (msg.sender != _pendingAuthority) revert NotAuthority(msg.sender);
        address previous = _authority;
        _authority = msg.sender;
        delete _pendingAuthority;
        emit AuthorityAccepted(previous, msg.sender);
    }

    /// @inheritdoc IMedRec
    function addRegistrar(address account) external {
        _requireAuthority();
        if (account == address(0)) revert ZeroAddress();
        if (_registrars[account]) revert AlreadyRegistrar(account);
        _registrars[account] = true;
        emit RegistrarAdded(account, msg.sender);
    }

    /// @inheritdoc IMedRec
    function removeRegistrar(address account) external {
        _requireAuthority();
        if (!_registrars[account]) revert NotRegistrar(account);
        delete _registrars[account];
        emit RegistrarRemoved(account, msg.sender);
    }

    /// @inheritdoc IMedRec
    function isRegistrar(address account) external view returns (bool) {
        return _registrars[account];
    }

    // ------------------------------------------------------------------------------------------------------ accreditation

    /// @inheritdoc IMedRec
    function accredit(address provider, ProviderKind kind, bool emergency, uint40 expiry) external {
        _requireRegistrar();
        if (provider == address(0)) revert ZeroAddress();
        if (kind == ProviderKind.None) revert ProviderKindMissing(provider);
        if (expiry <= block.timestamp) revert ExpiryPassed(expiry);
        _providers[provider] = _providers[provider].accredited(kind, emergency, expiry);
        emit ProviderAccredited(provider, msg.sender, kind, emergency, expiry);
    }

    /// @inheritdoc IMedRec
    function suspend(address provider) external {
        _setSuspended(provider, true);
        emit ProviderSuspended(provider, msg.sender);
    }

    /// @inheritdoc IMedRec
    function reinstate(address provider) external {
        _setSuspended(provider, false);
        emit ProviderReinstated(provider, msg.sender);
    }

    /// @inheritdoc IMedRec
    function providerOf(address provider) external view returns (Provider memory) {
        return _providers[provider].unpack();
    }

    // ------------------------------------------------------------------------------------------------------------- agents

    /// @inheritdoc IMedRec
    function nameAgent(address agent, uint40 until) external {
        _nameAgent({principal: msg.sender, agent: agent, by: msg.sender, until: until});
    }

    /// @inheritdoc IMedRec
    function dismissAgent(address agent) external {
        _dismissAgent({principal: msg.sender, agent: agent, by: msg.sender});
    }

    /// @inheritdoc IMedRec
    function agentUntil(address principal, address agent) external view returns (uint40) {
        return _agents[principal][agent];
    }

    // ----------------------------------------------------------------------------------------------------------- internal

    function _nameAgent(address principal, address agent, address by, uint40 until) internal {
        if (agent == address(0)) revert ZeroAddress();
        if (agent == principal) revert SelfAgent(agent);
        if (until <= block.timestamp) revert ExpiryPassed(until);
        _agents[principal][agent] = until;
        emit AgentNamed(principal, agent, by, until);
    }

    function _dismissAgent(address principal, address agent, address by) internal {
        delete _agents[principal][agent];
        emit AgentDismissed(principal, agent, by);
    }

    /// @notice Takes the next number of the account's relayed calls, which the call must name.
    function _takeRelayed(address author, uint64 number) internal {
        ProviderWord stored = _providers[author];
        uint64 current = stored.relayed();
        if (number != uint256(current) + 1) revert RelayedMismatch(author, current, number);
        _providers[author] = stored.withNextRelayed();
    }

    /// @notice Whether `actor` may stand for `principal` at all, whatever the patient.
    /// @return denial Why not.
    /// @return provider The principal's record.
    function _standing(address actor, address principal) internal view returns (Denial denial, ProviderWord provider) {
        if (actor != principal) {
            uint40 until = _agents[principal][actor];
            if (until == 0) return (Denial.AgentNotNamed, provider);
            if (until <= block.timestamp) return (Denial.AgentExpired, provider);
            ProviderWord agent = _providers[actor];
            if (agent.isSuspended()) return (Denial.AgentSuspended, provider);
            if (agent.isKnown() && agent.expiry() <= block.timestamp) {
                return (Denial.AgentAccreditationExpired, provider);
            }
        }
        provider = _providers[principal];
        if (provider.isSuspended()) denial = Denial.Suspended;
    }

    /// @notice {_standing} for appending: the principal must be an accredited provider now.
    function _appendStanding(address actor, address principal) internal view returns (Denial denial) {
        ProviderWord provider;
        (denial, provider) = _standing(actor, principal);
        if (denial != Denial.None) return denial;
        if (!provider.isKnown()) return Denial.NotAccredited;
        if (provider.expiry() <= block.timestamp) return Denial.AccreditationExpired;
    }

    function _isSuspended(address provider) internal view returns (bool) {
        return _providers[provider].isSuspended();
    }

    // ------------------------------------------------------------------------------------------------------------ private

    function _setSuspended(address provider, bool suspended) private {
        _requireRegistrar();
        ProviderWord stored = _providers[provider];
        if (!stored.isKnown()) revert UnknownProvider(provider);
        _providers[provider] = stored.withSuspension(suspended);
    }

    function _requireAuthority() private view {
        if (msg.sender != _authority) revert NotAuthority(msg.sender);
    }

    function _requireRegistrar() private view {
        if (!_registrars[msg.sender]) revert NotRegistrar(msg.sender);
    }
}
