"""What the exit code says: one code for each kind of error, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from medrec_py import errors


class ExitCode(IntEnum):
    """The exit codes of ``medrec``. They never change their meaning."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    NOT_PERMITTED = 3
    INTEGRITY = 4
    KEYS = 5
    STORAGE = 6
    CHAIN = 7
    WALLET = 8
    NOT_FOUND = 9
    REFUSED = 10
    KEY_SERVICE = 11
    RELAYER = 12
    INTERRUPTED = 130
    PIPE_CLOSED = 141
    TERMINATED = 143


MEANINGS: Mapping[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.UNEXPECTED: "doctor or the demo found a problem, or a fault of the program's own",
    ExitCode.USAGE: "the command, a value or a setting cannot be used",
    ExitCode.NOT_PERMITTED: "not permitted",
    ExitCode.INTEGRITY: "something was altered, truncated, swapped or left out",
    ExitCode.KEYS: "no key here opens it",
    ExitCode.STORAGE: "the block store, or a queue on this machine",
    ExitCode.CHAIN: "the chain or its node",
    ExitCode.WALLET: "the identity, its passphrase or its signer",
    ExitCode.NOT_FOUND: "something that was named does not exist",
    ExitCode.REFUSED: "the contract refused for another reason",
    ExitCode.KEY_SERVICE: "the organisation's key service",
    ExitCode.RELAYER: "the relayer",
    ExitCode.INTERRUPTED: "interrupted (Ctrl-C)",
    ExitCode.PIPE_CLOSED: "whoever read the output went away",
    ExitCode.TERMINATED: "terminated",
}

_KINDS: Mapping[type[errors.MedRecError], ExitCode] = {
    errors.InvalidInput: ExitCode.USAGE,
    errors.FormatError: ExitCode.INTEGRITY,
    errors.IntegrityError: ExitCode.INTEGRITY,
    errors.KeyUnavailable: ExitCode.KEYS,
    errors.KeyServiceError: ExitCode.KEY_SERVICE,
    errors.RelayError: ExitCode.RELAYER,
    errors.RecoveryError: ExitCode.NOT_PERMITTED,
    errors.QueueError: ExitCode.STORAGE,
    errors.StorageError: ExitCode.STORAGE,
    errors.WalletError: ExitCode.WALLET,
    errors.NotFound: ExitCode.NOT_FOUND,
    errors.ChainError: ExitCode.CHAIN,
    errors.ContractError: ExitCode.REFUSED,
    errors.NotPermitted: ExitCode.NOT_PERMITTED,
}


def exit_code(error: errors.MedRecError) -> ExitCode:
    """The code of an error: that of its nearest ancestor in the table."""
    from medrec_py.chain import reverts  # noqa: PLC0415 - slow to import, and only needed where something failed

    kinds = {**_KINDS, reverts.NotAuthority: ExitCode.NOT_PERMITTED, reverts.NotRegistrar: ExitCode.NOT_PERMITTED}
    return next((kinds[kind] for kind in type(error).__mro__ if kind in kinds), ExitCode.UNEXPECTED)
