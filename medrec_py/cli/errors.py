"""Errors that only the command line has: they concern profiles, passphrases and files on this machine."""

from __future__ import annotations

from medrec_py.errors import InvalidInput, KeyModuleError, KeyUnavailable, NotFound, WalletError


class IdentityMissing(NotFound):
    """The profile has no identity."""

    remedy = "Create one with `medrec --profile NAME init`, or name another profile (--profile, MEDREC_PROFILE)."


class IdentityExists(WalletError):
    """The profile has an identity already, which is never overwritten."""

    remedy = "Choose another name with --profile. To give up the old identity for good, remove its folder yourself."


class SuccessorExists(WalletError):
    """The profile has begun to change its phrase, and was interrupted."""

    remedy = "`medrec keys finish` looks whether the chain was told of it, and finishes it or gives it up."


class SignerElsewhere(WalletError):
    """The identity's key is with a signer, so this command cannot give it another phrase and wallet."""

    remedy = (
        "From Python, `Patient.change_root(root=…)` and `Patient.erase(root=…)` take another root secret and leave the "
        "wallet as it is."
    )


class PassphraseMissing(WalletError):
    """A passphrase is needed, and nobody is there to ask."""

    remedy = "Run it in a terminal, or give --passphrase-file FILE, the setting passphrase-file, or MEDREC_PASSPHRASE."


class KeysElsewhere(KeyUnavailable):
    """The provider that is acted for has its keys on another machine."""

    remedy = (
        "Give the address of the provider's key service (--key-service, the setting key-service), or have the "
        "provider's identity as a profile on this machine (`medrec --profile NAME init --from-phrase`)."
    )


class PinMissing(KeyModuleError):
    """A PIN is needed, and nobody is there to ask."""

    remedy = "Run it in a terminal, or give --pin-file FILE or MEDREC_PIN."


class RecoveryMissing(NotFound):
    """No recovery has begun in the profile, so there is no key that shares could have been handed over to."""

    remedy = "Begin one with `medrec keys recover`, or name the profile in which it has begun (--profile)."


class RecoveryPending(WalletError):
    """A recovery of another patient has begun in the profile."""

    remedy = "Choose another name with --profile. To give up the other recovery, remove its file yourself."


class ShareNotKept(NotFound):
    """The profile keeps no share of that patient."""

    remedy = "Look at `medrec keys guarded`; keep a share that a patient gave you with `medrec keys guard FILE`."


class OutputExists(InvalidInput):
    """A file would be overwritten."""

    remedy = "Give another name, or --force to replace it."
