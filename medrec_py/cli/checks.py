"""What ``medrec doctor`` looks at."""

from __future__ import annotations

import importlib.util
import platform
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from medrec_py.cli import opening
from medrec_py.cli.files import is_exposed
from medrec_py.cli.moments import readable
from medrec_py.cli.session import Session
from medrec_py.errors import MedRecError, NotFound, StoreReadOnly

if TYPE_CHECKING:
    from medrec_py.chain.connection import Chain
    from medrec_py.chain.contract import MedRecContract
    from medrec_py.storage import BlockStore

CLOCK_AHEAD: Final = 60
"""Seconds that the latest block may lie in the future of this machine's clock."""

CLOCK_BEHIND: Final = 15 * 60
"""Seconds that it may lie in the past. A development chain makes blocks only when somebody writes."""

_OLDEST_PYTHON: Final = (3, 11)


class State(StrEnum):
    """What a finding means."""

    OK = "ok"
    INFORMATION = "info"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Attributes:
        name: What was looked at.
        state: How it is.
        message: What was found.
        remedy: What to do about it, if anything.
    """

    name: str
    state: State
    message: str
    remedy: str = ""


class Examination:
    """All checks, in an order in which each builds on those before: what is known to be missing is reported once.

    Args:
        session: Names settings and profile.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._settings = session.settings
        self._address: str | None = None
        self._chain: Chain | None = None
        self._contract: MedRecContract | None = None

    def findings(self) -> Iterator[Finding]:
        """Everything that is found. Nothing is raised."""
        checks: dict[str, Callable[[], Iterator[Finding]]] = {
            "python": self._python,
            "extras": self._extras,
            "identity": self._identity,
            "node": self._node,
            "contract": self._deployment,
            "store": self._store,
            "relayer": self._relayer,
            "balance": self._balance,
            "standing": self._standing,
            "programs": self._programs,
        }
        for name, check in checks.items():
            try:
                yield from check()
            except MedRecError as error:
                yield Finding(name, State.PROBLEM, str(error), error.remedy)

    # --- this machine -----------------------------------------------------------------------------------------------

    def _python(self) -> Iterator[Finding]:
        from medrec_py import __version__  # noqa: PLC0415 - defined only after this module was imported

        fits = sys.version_info >= _OLDEST_PYTHON
        message = f"medrec {__version__} on Python {platform.python_version()}"
        yield Finding(
            "python", State.OK if fits else State.PROBLEM, message, "" if fits else "Install Python 3.11 or newer."
        )

    def _extras(self) -> Iterator[Finding]:
        value = self._settings.find("store").value
        stores = value if isinstance(value, list) else [str(value)]
        kubo = any(store.startswith(("http://", "https://", "/ip", "/dns", "/unix/")) for store in stores)
        for extra, package, needed in (
            ("ipfs", "ipfshttpclient", kubo),
            ("local", "eth_tester", False),
            ("service", "uvicorn", False),
            ("relay", "prometheus_client", False),
            ("qr", "segno", False),
        ):
            if importlib.util.find_spec(package) is not None:
                yield Finding(f"extra [{extra}]", State.OK, "installed")
            else:
                state = State.PROBLEM if needed else State.INFORMATION
                yield Finding(
                    f"extra [{extra}]", state, "not installed", f"pip install 'medrec-py[{extra}]', if you need it."
                )

    def _identity(self) -> Iterator[Finding]:
        try:
            identity = self._session.identity
        except NotFound as error:
            yield Finding("identity", State.WARNING, str(error), f"medrec --profile {self._settings.profile} init")
            return
        self._address = identity.address
        where = "" if identity.signer is None else f", whose key is with a signer ({identity.signer})"
        yield Finding("identity", State.OK, f"profile {identity.profile} is {identity.address}{where}")
        exposed = identity.exposed()
        passphrase = self._settings.passphrase_file(identity.profile)
        if passphrase is not None and is_exposed(Path(passphrase).expanduser()):
            exposed.append(Path(passphrase))
        for path in exposed:
            yield Finding("identity", State.PROBLEM, f"others on this machine may use {path}", f"chmod go= {path}")

    def _programs(self) -> Iterator[Finding]:
        for program, purpose in (("anvil", "a development chain"), ("ipfs", "a Kubo node")):
            path = shutil.which(program)
            yield Finding(program, State.INFORMATION, path or f"not on PATH (only needed to run {purpose} here)")

    # --- the chain --------------------------------------------------------------------------------------------------

    def _node(self) -> Iterator[Finding]:
        chain = self._session.chain
        self._chain = chain
        yield Finding("node", State.OK, f"{chain.node} serves chain {chain.chain_id}, block {chain.block_number()}")
        yield _clock(chain.now() - int(time.time()))

    def _deployment(self) -> Iterator[Finding]:
        if self._chain is None:
            return
        from medrec_py.chain.contract import VERSION, MedRecContract  # noqa: PLC0415 - slow to import
        from medrec_py.chain.deployment import is_medrec_code  # noqa: PLC0415
        from medrec_py.crypto.suites import by_number  # noqa: PLC0415

        place = opening.find_contract(self._settings, self._chain.chain_id)
        contract = MedRecContract(self._chain, place.address)
        self._contract = contract
        yield Finding("contract", State.OK, f"MedRec version {VERSION} at {contract.address} ({place.source})")
        if not is_medrec_code(self._chain.code(contract.address)):
            yield Finding(
                "contract",
                State.WARNING,
                "its code is not what this version of medrec-py deploys",
                "Compare the address with one from a source you trust, and the version with the deployer's.",
            )
        yield Finding("authority", State.INFORMATION, contract.authority())
        yield Finding("suite", State.INFORMATION, f"everything new is sealed by {by_number(place.suite)!r}")

    def _relayer(self) -> Iterator[Finding]:
        if self._settings.text("relayer") is None:
            return
        info = self._session.relayer.info()
        chain_id, contract = info.get("chainId"), info.get("contract")
        if self._contract is None or (chain_id, contract) == (self._contract.chain.chain_id, self._contract.address):
            yield Finding("relayer", State.OK, f"it answers, for {contract} on chain {chain_id}")
        else:
            yield Finding(
                "relayer",
                State.PROBLEM,
                f"it sends to {contract} on chain {chain_id}",
                "Use a relayer of this deployment (the setting relayer).",
            )

    def _balance(self) -> Iterator[Finding]:
        if self._chain is None or self._address is None:
            return
        balance = self._chain.balance(self._address)
        if balance or self._chain.block().base_fee == 0:
            yield Finding("balance", State.OK, f"{balance / 10**18:.6f} ether")
        elif self._settings.text("relayer") is not None:
            yield Finding("balance", State.INFORMATION, "no ether; the relayer pays for what a patient decides")
        else:
            yield Finding(
                "balance",
                State.WARNING,
                "no ether to pay for gas",
                f"Send some to {self._address}; or, for what a patient decides, set a relayer.",
            )

    def _standing(self) -> Iterator[Finding]:
        if self._contract is None or self._address is None:
            return
        contract, who = self._contract, self._address
        registered = contract.patient_of(who).is_registered
        yield Finding("patient", State.INFORMATION, "registered" if registered else "not registered")
        published = any(contract.profile_of(who))
        message = "published" if published else "not published: nothing can be granted to this profile yet"
        yield Finding(
            "profile",
            State.INFORMATION,
            message,
            "" if published else "medrec provider publish, if it is to read or append.",
        )
        provider = contract.provider_of(who)
        if provider.kind:
            over = provider.expiry <= self._chain_time()
            words = f"{provider.kind.name.lower()} until {readable(provider.expiry)}"
            if provider.suspended or over:
                state, message = State.WARNING, f"{words}: {'suspended' if provider.suspended else 'over'}"
                yield Finding("accreditation", state, message, "Ask a registrar to reinstate or renew it.")
            else:
                yield Finding("accreditation", State.OK, words)
        roles = [
            name
            for name, has in (("authority", contract.authority() == who), ("registrar", contract.is_registrar(who)))
            if has
        ]
        if roles:
            yield Finding("roles", State.INFORMATION, " and ".join(roles))

    def _chain_time(self) -> int:
        return self._chain.now() if self._chain is not None else 0

    # --- the store --------------------------------------------------------------------------------------------------

    def _store(self) -> Iterator[Finding]:
        with opening.open_blocks(self._settings) as store:
            yield from _kubo_versions(store)
            if not store.writable:
                yield Finding("store", State.WARNING, f"{store.name} can be read only", StoreReadOnly.remedy)
                return
            block = secrets.token_bytes(64)
            cid = store.put_block(block)
            try:
                store.verify(cid)
            finally:
                store.unpin(cid)
            yield Finding("store", State.OK, f"{store.name} takes a block and gives it back")


def _clock(ahead: int) -> Finding:
    if ahead > CLOCK_AHEAD:
        remedy = "Set this machine's clock (NTP). If it is right, permissions end early on this chain."
        return Finding(
            "clock", State.PROBLEM, f"the latest block lies {ahead} seconds in this machine's future", remedy
        )
    if -ahead > CLOCK_BEHIND:
        remedy = "A development chain makes blocks only when somebody writes; any other node may be behind or cut off."
        return Finding("clock", State.WARNING, f"the latest block is {-ahead // 60} minutes old", remedy)
    return Finding("clock", State.OK, f"the latest block is {max(0, -ahead)} seconds old")


def _kubo_versions(store: BlockStore) -> Iterator[Finding]:
    from medrec_py.storage import KuboStore  # noqa: PLC0415 - slow to import

    for one in getattr(store, "stores", [store]):
        if isinstance(one, KuboStore):
            yield Finding("kubo", State.OK, f"{one.name} is version {one.version()}")
