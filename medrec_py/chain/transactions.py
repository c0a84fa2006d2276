"""Sending transactions: gas, fees, nonces, receipts, and the reason where one fails.

    receipt = send(chain, wallet, contract.revoke(alice, hospital))

What holds, whatever the node: a call that would revert is refused before it is sent, with the contract's own reason.
Threads never share a nonce, and a transaction that the node refused takes none. A transaction is signed once: it is
handed over again if the node forgot it, and never signed anew, so nothing is carried out twice. Whoever gives up
waiting learns the hash.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

from eth_account import Account as EthAccount

from medrec_py.chain.answers import Block, Log, Mined, to_count
from medrec_py.chain.connection import Chain, NodeError, RateLimited
from medrec_py.chain.events import Event, Logged, decode_event
from medrec_py.chain.nonces import Account, Signed
from medrec_py.chain.reverts import decode_revert
from medrec_py.chain.types import BlockId
from medrec_py.crypto.typed_data import keccak
from medrec_py.errors import ChainUnavailable, ContractError, TransactionFailed, TransactionTimeout, WalletError
from medrec_py.wallet import Signer

RECEIPT_SECONDS = 120.0
"""How long a receipt is waited for unless the caller says otherwise."""

GAS_MARGIN = 1.2
"""The gas limit is the node's estimate times this: another transaction may come first and change what it costs."""

LARGEST_TRANSACTION = 1 << 24
"""The most gas of a transaction (EIP-7825)."""

_ATTEMPTS = 20
_PAUSE_FIRST, _PAUSE_LONGEST = 0.005, 1.0
_POLL_FIRST, _POLL_LONGEST = 0.005, 1.0
_RENEW_SECONDS = 2.0
_REPLACED_VERDICTS = 3

E = TypeVar("E", bound=Event)


class InsufficientFunds(TransactionFailed):
    """The account cannot pay for the transaction's gas."""

    remedy = (
        "Send ether to the account named in the message: it pays for the gas of its transactions. What a patient "
        "decides a relayer can pay for (the setting relayer, `connect(relayer=)`)."
    )


class TransactionReplaced(TransactionFailed):
    """Another transaction of the same account, from another process or wallet, took the nonce. This one is void."""

    remedy = "Nothing of it was carried out: send it again. Processes that send much need an account each."


class FeeTooHigh(TransactionFailed):
    """The chain asks for more than the caller allowed."""

    remedy = "Wait until fees have fallen, or allow more (max_fee_per_gas)."


@dataclass(frozen=True, slots=True)
class Call:
    """A call that can be sent, alone or with others in ``MedRecContract.multicall``.

    Attributes:
        to: The contract; ``None`` deploys ``data``.
        data: What is called, ABI-encoded.
        function: Its name, for messages.
        value: Wei that go with it; MedRec takes none.
        arguments: What was encoded, for who says the same by a signature.
    """

    to: str | None
    data: bytes = field(repr=False)
    function: str = ""
    value: int = 0
    arguments: tuple[Any, ...] = field(default=(), repr=False)

    def transaction(self, sender: str | None) -> dict[str, Any]:
        """The call as JSON-RPC takes it; of nobody in particular if ``sender`` is ``None``."""
        fields = {"data": "0x" + self.data.hex()}
        if sender is not None:
            fields["from"] = sender
        if self.to is not None:
            fields["to"] = self.to
        if self.value:
            fields["value"] = hex(self.value)
        return fields


@runtime_checkable
class Carried(Protocol):
    """A signer without a key of its own, an account with code: another account sends through it what it does."""

    @property
    def address(self) -> str:
        """The account with code, EIP-55."""
        ...

    @property
    def payer(self) -> Signer:
        """Who sends and pays."""
        ...

    def carry(self, call: Call, /) -> Call:
        """The call by which the account makes a call; it must revert where that does."""
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction that was mined and succeeded.

    Attributes:
        transaction: Its hash, 0x and 64 hexadecimal digits.
        block: Number of its block.
        block_hash: Hash of its block.
        gas_used: Gas.
        gas_price: What it paid, wei per gas.
        created: Address of the contract that it deployed, if it did.
        events: Those of the called contract, in order.
    """

    transaction: str
    block: int
    block_hash: str
    gas_used: int
    gas_price: int
    created: str | None
    events: tuple[Logged[Event], ...]
    _chain: Chain = field(repr=False, compare=False)

    @property
    def timestamp(self) -> int:
        """The time of its block, Unix time. Asks the node.

        Raises:
            ChainUnavailable: the node does not answer, or has the block no longer.
        """
        return self._chain.block(self.block_hash).timestamp

    def every(self, kind: type[E]) -> Iterator[E]:
        """Its events of a kind, in order."""
        return (logged.event for logged in self.events if isinstance(logged.event, kind))

    def only(self, kind: type[E]) -> E:
        """Its only event of a kind.

        Raises:
            TransactionFailed: it has none or several.
        """
        found = list(self.every(kind))
        if len(found) != 1:
            raise TransactionFailed(
                f"the transaction {self.transaction} has {len(found)} events {kind.__name__}, not one"
            )
        return found[0]


def send(
    chain: Chain,
    signer: Signer,
    call: Call,
    *,
    gas: int | None = None,
    max_fee_per_gas: int | None = None,
    timeout: float = RECEIPT_SECONDS,
) -> Receipt:
    """Send a call and wait until it is mined. Arguments and errors as for `submit` and `Pending.wait`."""
    # What an account with code does has a number of the account's own, which is taken when it is mined.
    with chain.nonces.of(signer.address).lock if isinstance(signer, Carried) else nullcontext():
        return submit(chain, signer, call, gas=gas, max_fee_per_gas=max_fee_per_gas).wait(timeout)


def transfer_all(chain: Chain, signer: Signer, to: str) -> Receipt | None:
    """Send everything that an account has, less what sending costs at the most; a little stays behind.

    Returns:
        ``None`` if it has no more than that.

    Raises:
        As ``send``.
    """
    balance = chain.balance(signer.address)
    if not balance:
        return None
    gas = estimate_gas(chain, signer.address, Call(to, b"", "transfer", 1))
    fees = _fees(chain, chain.block(), signer.address, None)
    price = fees.get("gasPrice", fees.get("maxFeePerGas", 0))
    value = balance - gas * price * 5 // 4  # fees may rise until it is signed
    return send(chain, signer, Call(to, b"", "transfer", value), gas=gas) if value > 0 else None


def estimate_gas(chain: Chain, sender: str, call: Call) -> int:
    """The gas limit for a call: the node's estimate and a margin.

    Raises:
        ContractError: the contract refuses the call.
        ChainUnavailable: the node does not answer or cannot estimate.
    """
    transaction = call.transaction(sender)
    try:
        estimate = chain.ask(to_count, "eth_estimateGas", transaction)
    except NodeError as error:
        if error.revert:
            raise decode_revert(error.revert) from error
        if error.revert is not None:  # some nodes give the reason for calls alone
            simulate(chain, sender, call)
            raise decode_revert(b"") from error
        raise _as_failure(chain, sender, error) from error
    limit = int(estimate * GAS_MARGIN)
    return limit if estimate > LARGEST_TRANSACTION else min(limit, LARGEST_TRANSACTION)


def simulate(chain: Chain, sender: str | None, call: Call, block: BlockId = "latest") -> bytes:
    """Run a call without sending it, and give what it returns. ``sender`` as for `Call.transaction`.

    Raises:
        ContractError: the contract refuses it.
    """
    try:
        return chain.call(call.transaction(sender), block)
    except NodeError as error:
        if error.revert is None:
            raise
        raise decode_revert(error.revert) from error


def submit(
    chain: Chain, signer: Signer, call: Call, *, gas: int | None = None, max_fee_per_gas: int | None = None
) -> Pending:
    """Sign a call, hand it to the node, and return without waiting.

    Args:
        chain: Where.
        signer: Whose account sends and pays. An account with code is sent through by its payer (`Carried`); wait for
            one transaction of it before the next is submitted.
        call: What.
        gas: Gas limit; estimated if not given, which also finds out beforehand whether the contract refuses.
        max_fee_per_gas: Highest price in wei per gas that may be paid; whatever the chain asks for if not given.

    Raises:
        ContractError: the contract refuses the call; nothing was sent.
        InsufficientFunds: the account cannot pay.
        FeeTooHigh: the chain asks for more than ``max_fee_per_gas``.
        TransactionFailed: the node refuses the transaction for another reason, which the message has.
        ChainUnavailable: the node does not answer; nothing was sent.
    """
    limit = estimate_gas(chain, signer.address, call) if gas is None else gas
    if isinstance(signer, Carried):
        pending = submit(chain, signer.payer, signer.carry(call), gas=gas, max_fee_per_gas=max_fee_per_gas)
        return replace(pending, sender=signer.address, call=call)  # its events and errors are those of the call
    account = chain.nonces.of(signer.address)
    with account.lock:
        return _hand_over(chain, signer, call, limit, max_fee_per_gas, account)


def _hand_over(
    chain: Chain, signer: Signer, call: Call, gas: int, max_fee_per_gas: int | None, account: Account
) -> Pending:
    lowest = 0
    refusal: NodeError | RateLimited | None = None
    for attempt in range(_ATTEMPTS):
        if refusal is not None:
            # By chance, or two processes on one account would keep step, and one of them lose each time.
            time.sleep(random.uniform(0, min(_PAUSE_LONGEST, _PAUSE_FIRST * 2**attempt)))
        block = chain.block()
        fees = _fees(chain, block, signer.address, max_fee_per_gas)
        nonce = _next_nonce(chain, signer.address, account, lowest)  # last, so that nobody takes it meanwhile
        signed = sign(chain, signer, call, nonce=nonce, gas=min(gas, block.gas_limit), fees=fees)
        try:
            _send_raw(chain, signed)
        except RateLimited as error:
            refusal = error
            continue
        except NodeError as error:
            refusal = error
            if _says(_NONCE_TAKEN, error):
                lowest = nonce + 1
            elif not _says(_FEE_TOO_LOW, error):  # the base fee may have risen between asking and sending
                raise _as_failure(chain, signer.address, error) from error
            continue
        except ChainUnavailable:  # it may have arrived all the same: the receipt, or sending it again, will tell
            pass
        account.sent(nonce, signed)
        return Pending(chain, signer.address, call, nonce, signed, account)
    raise TransactionFailed(f"the node refused the transaction {_ATTEMPTS} times: {refusal}") from refusal


def _next_nonce(chain: Chain, address: str, account: Account, lowest: int) -> int:
    """The lowest nonce that is neither used, nor waiting at the node, nor ours and under way."""
    counted = chain.transaction_count(address)
    if account.mined is not None and counted <= account.mined[0]:
        if chain.receipt(account.mined[1]) is None:
            account.mined = None  # the chain went back behind it
        else:
            counted = account.mined[0] + 1  # one of several nodes behind the URL lags
    awaited = account.under_way()
    for nonce, signed in awaited.items():
        if nonce >= counted:
            _send_again(chain, signed)  # forgotten by the node: without it, everything behind it would wait for ever
    nonce = max(counted, lowest)
    while nonce in awaited:
        nonce += 1
    return nonce


def sign(chain: Chain, signer: Signer, call: Call, *, nonce: int, gas: int, fees: Mapping[str, int]) -> Signed:
    """Sign a transaction without handing it over: for whoever has to write it down first.

    Args:
        chain: Where.
        signer: Whose account sends and pays.
        call: What.
        nonce: The account's.
        gas: Gas limit.
        fees: From `fees_now` or `raised`.

    Raises:
        WalletError: the wallet signed nothing, or as somebody else.
    """
    fields = {"chainId": chain.chain_id, "nonce": nonce, "gas": gas, "value": call.value}
    destination = {} if call.to is None else {"to": call.to}
    raw = bytes(signer.sign_transaction({**fields, "data": call.data, **destination, **fees}))
    try:
        sender = EthAccount.recover_transaction(raw)
    except Exception as error:
        raise WalletError(f"the wallet of {signer.address} did not return a signed transaction") from error
    if sender != signer.address:
        raise WalletError(f"the wallet of {signer.address} signed as {sender}")
    return Signed("0x" + keccak(raw).hex(), raw)


# --- fees -----------------------------------------------------------------------------------------


def fees_now(chain: Chain, sender: str, max_fee_per_gas: int | None = None) -> dict[str, int]:
    """The fee fields of a transaction that is sent now, for `sign`.

    Raises:
        FeeTooHigh: the chain asks for more than ``max_fee_per_gas``.
        ChainUnavailable: the node does not answer.
    """
    return _fees(chain, chain.block(), sender, max_fee_per_gas)


def raised(fees: Mapping[str, int], now: Mapping[str, int], max_fee_per_gas: int | None = None) -> dict[str, int]:
    """The fee fields of a transaction that replaces one with the same nonce.

    Nodes take it only if every price in it is higher by a part: geth and Anvil by a tenth, others by an eighth.

    Args:
        fees: Those of the one that waits.
        now: What `fees_now` says.
        max_fee_per_gas: Highest price in wei per gas.

    Raises:
        FeeTooHigh: a replacement would have to pay more than that.
    """
    prices = {name: fees[name] for name in fees if name != "type"}
    higher = {name: max(price + price // 8 + 1, now.get(name, 0)) for name, price in prices.items()}
    if max_fee_per_gas is not None:
        least = {name: price + price // 8 + 1 for name, price in prices.items()}
        if max(least.values()) > max_fee_per_gas:
            raise FeeTooHigh(
                f"a replacement takes {max(least.values())} wei per gas, and {max_fee_per_gas} are allowed"
            )
        higher = {name: min(price, max_fee_per_gas) for name, price in higher.items()}
    return {**fees, **higher}


def _fees(chain: Chain, block: Block, sender: str, max_fee_per_gas: int | None) -> dict[str, int]:
    """The fee fields of a transaction, for chains with EIP-1559, without it, and without fees at all."""
    base = block.base_fee
    if base is None:
        price = chain.ask(to_count, "eth_gasPrice")
        _check_fee(price, max_fee_per_gas)
        return {"gasPrice": price}
    tip = _tip(chain, base)
    if base == 0 and tip > 0 and chain.balance(sender) == 0:
        tip = 0  # a private chain where nobody has ether, and whose nodes suggest a tip all the same
    _check_fee(base + tip, max_fee_per_gas)
    highest = 2 * base + tip  # six full blocks in a row before it is too little
    if max_fee_per_gas is not None:
        highest = min(highest, max_fee_per_gas)
    return {"maxFeePerGas": highest, "maxPriorityFeePerGas": min(tip, highest), "type": 2}


def _tip(chain: Chain, base: int) -> int:
    try:
        return chain.ask(to_count, "eth_maxPriorityFeePerGas")
    except NodeError:  # not every node knows the method
        return max(0, chain.ask(to_count, "eth_gasPrice") - base)


def _check_fee(price: int, max_fee_per_gas: int | None) -> None:
    if max_fee_per_gas is not None and price > max_fee_per_gas:
        raise FeeTooHigh(f"the chain asks for {price} wei per gas, and {max_fee_per_gas} are allowed")


# --- what the node says ---------------------------------------------------------------------------

_KNOWN = re.compile(
    r"already ?known|\bknown transaction|already imported|transaction already exists|already in (the )?(mem)?pool",
    re.IGNORECASE,
)
_NONCE_TAKEN = re.compile(
    r"nonce (is )?too low|correct nonce|invalid (transaction )?nonce|oldnonce"
    r"|replacement transaction|too low to replace|can't be replaced"
    r"|^transaction underpriced$",  # Ganache says so of a nonce that another transaction waits with
    re.IGNORECASE,
)
_FEE_TOO_LOW = re.compile(
    r"(less|lower) than (the )?block'?s?('s)? base ?fee|fee cap less than|base_?fee_?too|maxFeePerGas .* less than",
    re.IGNORECASE,
)
_FUNDS = re.compile(r"insufficient (funds|balance)|cannot afford|upfront cost", re.IGNORECASE)


def _says(what: re.Pattern[str], error: NodeError) -> bool:
    return what.search(error.reason) is not None


def says_funds_lack(error: NodeError) -> bool:
    """Whether the node refuses a transaction because its sender cannot pay for it."""
    return _says(_FUNDS, error)


def hand_over(chain: Chain, sender: str, signed: Signed) -> bool:
    """Hand over a transaction that was signed, any number of times: one that the node has is left alone.

    Returns:
        Whether the node has it. If not, its nonce has gone to another transaction, mined or waiting, or it pays too
        little for now.

    Raises:
        InsufficientFunds, TransactionFailed: the node refuses it.
        ChainUnavailable: the node does not answer. It may have it all the same.
    """
    try:
        _send_raw(chain, signed)
    except NodeError as error:
        if _says(_NONCE_TAKEN, error) or _says(_FEE_TOO_LOW, error):
            return False
        raise _as_failure(chain, sender, error) from error
    return True


def _send_raw(chain: Chain, signed: Signed) -> None:
    try:
        chain.request("eth_sendRawTransaction", "0x" + signed.raw.hex())
    except NodeError as error:
        # Ganache can be set to answer with the revert of a transaction that it has mined.
        if not _says(_KNOWN, error) and not (error.revert is not None and chain.transaction(signed.hash) is not None):
            raise


def _send_again(chain: Chain, signed: Signed) -> bool:
    """Hand over again what the node may have forgotten. Returns whether its nonce has gone to another transaction."""
    try:
        if chain.transaction(signed.hash) is None:
            _send_raw(chain, signed)
    except NodeError as error:
        return _says(_NONCE_TAKEN, error) and chain.transaction(signed.hash) is None
    return False


def _as_failure(chain: Chain, sender: str, error: NodeError) -> TransactionFailed | NodeError:
    if says_funds_lack(error):
        return InsufficientFunds(f"{sender} has {chain.balance(sender)} wei, which does not pay for the transaction")
    if error.code in {-32601, -32602}:  # no such method, or not with such parameters: no word on the transaction
        return error
    return TransactionFailed(f"the node at {chain.node} refused the transaction: {error.reason}")


# --- receipts -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pending:
    """A transaction that was handed to the node.

    Attributes:
        chain: Where.
        sender: The account that sent it.
        call: What was called.
        nonce: The account's.
        signed: Its hash and its bytes.
    """

    chain: Chain
    sender: str
    call: Call
    nonce: int
    signed: Signed
    _account: Account = field(repr=False, compare=False)

    @property
    def transaction(self) -> str:
        """Its hash, 0x and 64 hexadecimal digits."""
        return self.signed.hash

    def wait(self, timeout: float = RECEIPT_SECONDS) -> Receipt:
        """Wait until it is mined. It is handed over again if the node forgets it, after a restart for instance.

        Args:
            timeout: Seconds.

        Raises:
            ContractError: it was mined and the contract refused it, since something else came first.
            TransactionReplaced: another transaction took its nonce, so it will never be mined.
            TransactionFailed: it was mined and failed otherwise.
            TransactionTimeout: there is no receipt yet. It may still be mined.
        """
        mined = False
        try:
            receipt = self._receipt(timeout)
            mined = True
        finally:
            self._account.done(self.nonce, self.signed, mined=mined)
        return _read(self.chain, self.sender, self.call, self.transaction, receipt)

    def _receipt(self, timeout: float) -> Mined:
        deadline = time.monotonic() + timeout
        renewal = time.monotonic() + _RENEW_SECONDS
        delay, replaced = _POLL_FIRST, 0
        trouble: ChainUnavailable | None = None
        while True:
            try:
                receipt = self.chain.receipt(self.transaction)
                if receipt is not None:
                    return receipt
                if time.monotonic() >= renewal:
                    renewal = time.monotonic() + _RENEW_SECONDS
                    replaced = replaced + 1 if _send_again(self.chain, self.signed) else 0
            except ChainUnavailable as error:
                trouble = error
            if replaced >= _REPLACED_VERDICTS:
                raise TransactionReplaced(
                    f"{self.transaction} will never be mined: another transaction of {self.sender} took its nonce"
                )
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TransactionTimeout(
                    f"no receipt for {self.transaction} after {timeout:g} seconds: {self._whereabouts()}; "
                    "it may still be mined",
                    self.transaction,
                ) from trouble
            time.sleep(min(delay, remaining))
            delay = min(delay * 1.5, _POLL_LONGEST)

    def _whereabouts(self) -> str:
        try:
            known = self.chain.transaction(self.transaction) is not None
        except ChainUnavailable:
            return "the node does not answer"
        return f"the node {'has it waiting' if known else 'does not have it'}, with nonce {self.nonce}"


def find_receipt(chain: Chain, transaction: str) -> Receipt | None:
    """The receipt of a transaction that was sent earlier, by this process or another; ``None`` if it is not mined.

    Args:
        chain: Where.
        transaction: Its hash, 0x and 64 hexadecimal digits.

    Raises:
        ContractError, TransactionFailed: it was mined and failed.
    """
    receipt = chain.receipt(transaction)
    if receipt is None:
        return None
    sent = chain.transaction(transaction)
    if sent is None:
        raise ChainUnavailable(f"the node at {chain.node} has a receipt for {transaction} and not the transaction")
    return _read(chain, sent.sender, Call(sent.to, sent.data, value=sent.value), transaction, receipt)


def _read(chain: Chain, sender: str, call: Call, transaction: str, mined: Mined) -> Receipt:
    if not mined.succeeded:
        raise _failure(chain, sender, call, transaction, mined.block)
    logs = mined.logs if call.data else ()  # an account with code that is sent ether may have something to say of it
    return Receipt(
        transaction=transaction,
        block=mined.block,
        block_hash=mined.block_hash,
        gas_used=mined.gas_used,
        gas_price=mined.gas_price,
        created=mined.created,
        events=tuple(read_log(log) for log in logs if call.to in {None, log.address}),
        _chain=chain,
    )


def _failure(chain: Chain, sender: str, call: Call, transaction: str, number: int) -> ContractError | TransactionFailed:
    """Why a mined transaction failed: the call is run again after its block, where what came first has come first."""
    where = f"transaction {transaction} in block {number}"
    for block in (number, max(0, number - 1)):
        try:
            simulate(chain, sender, call, block)
        except ContractError as error:
            error.add_note(f"It was mined and failed: {where}.")
            return error
        except ChainUnavailable as error:
            return TransactionFailed(f"the {where} failed, and the node does not say why: {error}")
    return TransactionFailed(f"the {where} failed, and called again it does not: its gas limit was probably too low")


def read_log(log: Log) -> Logged[Event]:
    """A log of the contract, decoded.

    Raises:
        IntegrityError: the contract cannot have emitted it.
    """
    event = decode_event(log.topics, log.data)
    return Logged(event, log.block, log.block_hash, log.transaction, log.index, log.removed)
