"""A wallet in a browser: a page on this machine shows what is asked in plain words, and has the wallet sign it.

    alice = net.patient(medrec.BrowserWallet(address, chain_id=1), root)

The page finds the wallets of the browser (EIP-6963, else ``window.ethereum``), asks the one that the person chooses for
its account and chain (EIP-1193), and has it sign (EIP-712, ``eth_signTypedData_v4``). Its words come from the document
that is signed; names of compartments and accounts are shown beside numbers and addresses, and are not signed.
"""

from __future__ import annotations

import json
import threading
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from medrec_py.chain.types import to_address
from medrec_py.errors import (
    InvalidInput,
    MedRecError,
    SignerUnavailable,
    SigningDeclined,
    SignsNoTransactions,
)
from medrec_py.wallets import checks
from medrec_py.wallets.connection import APPROVAL_SECONDS, MAX_REASON, refusal
from medrec_py.wallets.conversation import Answer, Conversation, Outcome
from medrec_py.wallets.page_server import PageServer

MAX_DOCUMENT: Final = 1 << 18
"""Bytes of a document as JSON: more than anybody reads before signing."""

_SAFE_INTEGER: Final = (1 << 53) - 1  # ECMA-262: beyond, JavaScript takes one number for another
_NAME: Final = "the wallet in the browser"


@dataclass(frozen=True)
class KnownNames:
    """Names that help a person to read what is to be signed. They are shown, and never signed.

    Attributes:
        compartments: Number → name, as ``Patient.compartments`` has them: only the patient knows those.
        accounts: Address → name, in whichever writing.
    """

    compartments: Mapping[int, str] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)


Names: TypeAlias = KnownNames | Callable[[], KnownNames]


def open_in_browser(url: str) -> None:
    """Open an address in the browser that the person prefers (``BROWSER``, else what the system says).

    Raises:
        SignerUnavailable: there is none.
    """
    if not webbrowser.open(url):
        raise SignerUnavailable("no browser could be started on this machine")


class BrowserWallet:
    """An account whose key is with a wallet in a browser on this machine.

        wallet = medrec.BrowserWallet(address, chain_id=1)
        alice = net.patient(wallet, root)
        wallet.names = lambda: medrec.KnownNames(alice.compartments(), {hospital: "General Hospital"})
        alice.grant(hospital, read=["general"], expires=timedelta(days=90))   # a page opens; the person signs there

    Each signature has a page of its own, at a port of chance and an address that is good once, which is closed when it
    is done. As a context manager the wallet keeps one page for all that is signed in the block, so that the person
    connects once::

        with medrec.BrowserWallet(address, chain_id=1) as wallet:
            net.patient(wallet, root).register(["general"])

    It signs typed data alone: let somebody else send what it signs (``medrec.connect(..., relayer=...)``). What comes
    back is checked as that of any other wallet that is not trusted. May be shared between threads; one signs at a time.

    Args:
        address: The account.
        chain_id: EIP-155 chain id that it signs for. Documents for other chains, or for none, are not even shown.
        names: What the page calls compartments and accounts, or what gives it when it is needed.
        timeout: Seconds until a signature is given up.
        open_page: Opens an address in a browser, and returns at once. The address is secret until the page has opened.

    Attributes:
        address: The account, in the writing of EIP-55.
        chain_id: See above.
        names: See above; may be changed at any time. If it raises an error of MedRec's, there are no names.

    Raises:
        InvalidInput: address, chain id or timeout cannot be used.
    """

    def __init__(
        self,
        address: str,
        *,
        chain_id: int,
        names: Names | None = None,
        timeout: float = APPROVAL_SECONDS,
        open_page: Callable[[str], object] = open_in_browser,
    ) -> None:
        self.address = to_address(address)
        if not 1 <= chain_id <= _SAFE_INTEGER:
            raise InvalidInput("the id of a chain is more than zero, and no more than JavaScript can hold")
        if not timeout > 0:
            raise InvalidInput("the timeout must be more than zero seconds")
        self.chain_id = chain_id
        self.names: Names = KnownNames() if names is None else names
        self._timeout = timeout
        self._open_page = open_page
        self._one_at_a_time = threading.RLock()
        self._page: _Page | None = None
        self._keeps_page = False

    def sign_typed_data(self, document: dict[str, Any], /) -> bytes:
        """Have the person sign an EIP-712 document in the browser; see ``Signer``.

        Raises:
            SigningDeclined: the person said no, in the wallet or on the page (EIP-1193, code 4001).
            ForeignChain: the document is for another chain, or for none.
            PageClosed: the person closed the page.
            SignerTimeout: nobody signed in time.
            SignerUnavailable: no browser could be started, or nothing can be served on this machine.
            SignatureForeign: what came back is a signature of another account, or over something else.
            SignerError: it was not signed for another reason.
            InvalidInput: it is no EIP-712 document, or is too long to be read by a person.
        """
        checks.require_chain(document, self.chain_id)
        digest = checks.typed_data_digest(document)
        text = json.dumps(_exact(document), ensure_ascii=False)
        if len(text.encode()) > MAX_DOCUMENT:
            raise InvalidInput(f"a document to sign in a browser has at most {MAX_DOCUMENT} bytes")
        request = {"typedData": text, "account": self.address, "chainId": self.chain_id, "names": self._names()}
        with self._one_at_a_time:
            return self._asked(request, digest)

    def sign_transaction(self, _transaction: dict[str, Any], /) -> bytes:
        """Refuses: wallets in browsers send transactions themselves (``eth_sendTransaction``), and give none back.

        Raises:
            SignsNoTransactions: always.
        """
        raise SignsNoTransactions(
            f"{_NAME} gives no transaction back: let a relayer send what it signs (medrec.connect(..., relayer=...), "
            "--relayer)"
        )

    def close(self) -> None:
        """Close the page, if one is open. Closing twice is as once."""
        with self._one_at_a_time:
            page, self._page = self._page, None
            if page is not None:
                page.server.close()

    def __enter__(self) -> Self:
        self._keeps_page = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keeps_page = False
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address})"

    def _asked(self, request: Mapping[str, Any], digest: bytes) -> bytes:
        keep = False
        try:
            page = self._opened()
            outcome = Outcome.LATE
            try:
                answer = page.conversation.ask(request, self._timeout)
                outcome = Outcome.UNUSABLE
                signature = self._checked(answer, digest)
                outcome = Outcome.SIGNED
            except SigningDeclined:
                outcome = Outcome.DECLINED
                raise
            finally:
                page.conversation.conclude(outcome)
            keep = self._keeps_page
            return signature
        finally:
            if not keep:
                self.close()

    def _checked(self, answer: Answer, digest: bytes) -> bytes:
        if "signature" in answer:
            return checks.checked_signature(answer["signature"], self.address, digest, _NAME)
        code, reason = answer["code"], answer["message"][:MAX_REASON]
        raise refusal(code, reason)(f"{_NAME} did not sign: {reason}", code, reason)

    def _opened(self) -> _Page:
        if self._page is not None and self._page.conversation.is_abandoned():
            self.close()
        if self._page is None:
            conversation = Conversation()
            try:
                server = PageServer(conversation)
            except OSError as error:
                raise SignerUnavailable(f"nothing can be served on this machine: {error.strerror}") from error
            self._page = _Page(conversation, server)
            self._open_page(server.url)
        return self._page

    def _names(self) -> dict[str, dict[str, str]]:
        try:
            names = self.names() if callable(self.names) else self.names
        except MedRecError:  # somebody who is not registered yet has no compartments
            names = KnownNames()
        return {
            "compartments": {str(number): name for number, name in names.compartments.items()},
            "accounts": dict(names.accounts),
        }


@dataclass(frozen=True)
class _Page:
    conversation: Conversation
    server: PageServer


def _exact(value: Any) -> Any:
    """A value of a document as JSON that JavaScript reads as it is meant: large numbers in digits, bytes in hex."""
    if isinstance(value, Mapping):
        return {str(name): _exact(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(one) for one in value]
    if isinstance(value, bytes | bytearray):
        return "0x" + value.hex()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _SAFE_INTEGER:
        return str(value)
    return value
