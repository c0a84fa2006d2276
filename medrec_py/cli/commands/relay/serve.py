"""``medrec relay serve``: take signed decisions over HTTP, and pay for the transactions that carry them out."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medrec_py.cli import certificates
from medrec_py.cli.command import command
from medrec_py.cli.opening import open_blocks
from medrec_py.cli.output import Cell, Fields
from medrec_py.cli.session import Session
from medrec_py.cli.stopping import log_to_stderr, stop_signals
from medrec_py.errors import ConfigurationError

if TYPE_CHECKING:
    from medrec_py.relay.limits import Limits
    from medrec_py.relay.service import Relayer
    from medrec_py.storage import BlockStore
    from medrec_py.wallet import Signer

_ETHER, _GWEI, _DAY = 10**18, 10**9, 86_400


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "serve")(serve)


def serve(
    session: Session,
    listen: Annotated[
        str, typer.Option("--listen", metavar="ADDRESS", help="unix:/path/to/socket, or host:port.")
    ] = "",
    queue: Annotated[
        str | None,
        typer.Option("--queue", metavar="FILE", help="Where what was taken is kept; in the home by default."),
    ] = None,
    mailbox: Annotated[
        str | None,
        typer.Option("--mailbox", metavar="FILE", help="Where requests for access wait; in the home by default."),
    ] = None,
    no_requests: Annotated[
        bool, typer.Option("--no-requests", help="Take no requests for access, and no answers to them.")
    ] = False,
    keystore: Annotated[
        str | None,
        typer.Option("--keystore", metavar="FILE", help="The account that pays (version 3); else the profile's own."),
    ] = None,
    no_blocks: Annotated[bool, typer.Option("--no-blocks", help="Keep no blocks: take decisions alone.")] = False,
    certificate: Annotated[
        str | None, typer.Option("--certificate", metavar="FILE", help="For HTTPS: PEM, with its chain.")
    ] = None,
    certificate_key: Annotated[
        str | None, typer.Option("--certificate-key", metavar="FILE", help="For HTTPS: the certificate's key, PEM.")
    ] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="One proxy puts the client's address last into X-Forwarded-For.")
    ] = False,
    max_fee: Annotated[
        float | None, typer.Option("--max-fee", metavar="GWEI", min=0, help="Highest price of a unit of gas.")
    ] = None,
    least_balance: Annotated[
        float, typer.Option("--least-balance", metavar="ETHER", min=0, help="With less, nothing new is taken.")
    ] = 0.0,
    per_patient: Annotated[
        int,
        typer.Option(
            "--per-patient", metavar="N", min=1, help="Decisions of a patient an hour, and at once, by each signer."
        ),
    ] = 200,
    per_client: Annotated[
        int, typer.Option("--per-client", metavar="N", min=1, help="Decisions from an address an hour, and at once.")
    ] = 600,
    gas_per_decision: Annotated[
        int, typer.Option("--gas-per-decision", metavar="GAS", min=50_000, help="What a decision may use.")
    ] = 600_000,
    queue_size: Annotated[
        int, typer.Option("--queue-size", metavar="N", min=1, help="Bundles that are not final yet.")
    ] = 10_000,
    in_flight: Annotated[
        int, typer.Option("--in-flight", metavar="N", min=1, help="Transactions that are not mined yet.")
    ] = 8,
    batch_seconds: Annotated[
        float, typer.Option("--batch-seconds", metavar="S", min=0, help="How long a first bundle waits for others.")
    ] = 0.25,
    bump_after: Annotated[
        float, typer.Option("--bump-after", metavar="S", min=0.1, help="When a stuck transaction is made to pay more.")
    ] = 45.0,
    deadline_margin: Annotated[
        int, typer.Option("--deadline-margin", metavar="S", min=0, help="How far ahead a deadline must be.")
    ] = 60,
    confirmations: Annotated[
        int | None,
        typer.Option("--confirmations", metavar="N", min=0, help="Blocks until one is final; else as the node says."),
    ] = None,
    keep_days: Annotated[
        float, typer.Option("--keep-days", metavar="DAYS", min=0, help="How long outcomes can be asked for.")
    ] = 7.0,
) -> None:
    """Take signed decisions over HTTP and pay for sending them, until it is terminated."""
    parts = _parts()
    limits: Limits = parts.limits(
        queue=queue_size,
        patient_burst=per_patient,
        patient_per_hour=per_patient,
        client_burst=per_client,
        client_per_hour=per_client,
        gas_per_decision=gas_per_decision,
        max_fee_per_gas=None if max_fee is None else int(max_fee * _GWEI),
        deadline_seconds=deadline_margin,
        in_flight=in_flight,
        linger_seconds=batch_seconds,
        bump_seconds=bump_after,
        keep_seconds=keep_days * _DAY,
        least_balance=int(least_balance * _ETHER),
    )
    tls = certificates.tls(certificate, certificate_key)
    contract = session.network.contract
    if confirmations is not None:
        session.chain.confirmations = confirmations
    path = Path(queue) if queue is not None else session.settings.home / "relay.queue"
    with ExitStack() as stack:
        store = None if no_blocks else stack.enter_context(open_blocks(session.settings))
        kept = stack.enter_context(parts.queue(path, max_items=limits.queue, max_bytes=limits.queue_bytes))
        mail = Path(mailbox) if mailbox is not None else session.settings.home / "relay.mail"
        box = None if no_requests else stack.enter_context(parts.mailbox(mail))
        relayer = parts.relayer(contract, _wallet(session, keystore), kept, store, limits, mailbox=box)
        address = listen or f"unix:{session.settings.home / 'relay.sock'}"
        app = parts.application(relayer, behind_proxy=behind_proxy)
        stopped = stack.enter_context(stop_signals())
        stack.enter_context(relayer)
        running = stack.enter_context(parts.listener(app, address, tls, service="relayer"))
        log_to_stderr("medrec_py.relay")
        _say_ready(session, running.address, relayer, path, store)
        stopped.wait()
        relayer.drain()


# ------------------------------------------------------------------------------------------------------------ private


class _Parts:
    """What the extra brings along; slow to import."""

    def __init__(self) -> None:
        from medrec_py.durable_queue import DurableQueue  # noqa: PLC0415
        from medrec_py.listening import Listener  # noqa: PLC0415
        from medrec_py.relay.http import application  # noqa: PLC0415
        from medrec_py.relay.limits import Limits  # noqa: PLC0415
        from medrec_py.relay.mailbox import Mailbox  # noqa: PLC0415
        from medrec_py.relay.service import Relayer  # noqa: PLC0415

        self.mailbox = Mailbox
        self.queue, self.listener, self.application = DurableQueue, Listener, application
        self.limits, self.relayer = Limits, Relayer


def _parts() -> _Parts:
    try:
        return _Parts()
    except ImportError as error:
        raise ConfigurationError("a relayer needs the extra [relay]: pip install 'medrec-py[relay]'") from error


def _wallet(session: Session, keystore: str | None) -> Signer:
    """The account that pays. Its passphrase comes from where that of an identity does."""
    from medrec_py.wallet import Wallet  # noqa: PLC0415

    if keystore is None:
        return session.wallet
    try:
        document = Path(keystore).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigurationError(f"the keystore {keystore} cannot be read: {reason}") from error
    return Wallet.from_keystore(document, session.passphrases.of(session.settings.profile))


def _say_ready(session: Session, address: str, relayer: Relayer, queue: Path, store: BlockStore | None) -> None:
    info: dict[str, Any] = relayer.info()
    session.output.result(
        {
            "address": address,
            "relayer": info["relayer"],
            "chain_id": info["chainId"],
            "contract": info["contract"],
            "queue": str(queue),
            "stores_blocks": store is not None,
            "takes_requests": info["takesRequests"],
        },
        Cell("Ready.", "green"),
        Fields(
            [
                ("address", address),
                ("pays", info["relayer"]),
                ("contract", info["contract"]),
                ("queue", str(queue)),
                ("blocks", "kept" if store is not None else "not taken"),
                ("requests for access", "kept" if info["takesRequests"] else "not taken"),
            ]
        ),
    )
    sys.stdout.flush()
