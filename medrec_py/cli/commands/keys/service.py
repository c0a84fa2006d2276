"""``medrec keys``: an organisation's keys in a module, the service that uses them, and the service's account."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medrec_py.cli import certificates
from medrec_py.cli.arguments import ADDRESS, checked
from medrec_py.cli.command import command, group
from medrec_py.cli.moments import iso, readable
from medrec_py.cli.output import Cell, Document, Fields, Table
from medrec_py.cli.pins import PinFile
from medrec_py.cli.session import Session
from medrec_py.cli.stopping import log_to_stderr, stop_signals
from medrec_py.errors import ConfigurationError, InvalidInput, ProfileNotFound

if TYPE_CHECKING:
    from medrec_py.crypto.keys import KemSeed
    from medrec_py.keyfile import KeyFile
    from medrec_py.keyservice.account import Line, Reading

module_app = typer.Typer(help="Modules of keys: encrypted files with profile keys.", no_args_is_help=True)
group(module_app)

_File = Annotated[str, typer.Argument(metavar="FILE", help="The module: an encrypted file.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(module_app, name="module")
    command(app, "serve")(serve)
    command(app, "account")(account)


@command(module_app, "create")
def create(
    session: Session,
    file: _File,
    from_profile: Annotated[
        bool,
        typer.Option("--from-profile", help="Take the keys that this profile has published, and no new one."),
    ] = False,
    light: Annotated[bool, typer.Option("--light-kdf", help="Quick to open, and quick to guess. For tests.")] = False,
    pin_file: PinFile = None,
) -> None:
    """Make a module for the profile's account, with a new key, or with those that come from its phrase."""
    from medrec_py.chain.types import address_bytes  # noqa: PLC0415 - slow to import
    from medrec_py.keyfile import KeyFile  # noqa: PLC0415

    who = session.identity.address
    published = _published(session, who)
    seeds = _own_seeds(session, published or 1) if from_profile else _new_seed(session, published + 1)
    pin = session.pins.new(file, pin_file)
    deployment = session.network.deployment
    _show(session, KeyFile.create(Path(file), deployment, address_bytes(who), seeds, pin, light=light), "Made.")


@command(module_app, "add")
def add(session: Session, file: _File, pin_file: PinFile = None) -> None:
    """Add a new key to a module. Those before it stay, for what was sealed to them."""
    from medrec_py.keyfile import KeyFile  # noqa: PLC0415

    there = KeyFile.read(Path(file))
    number = max(key.number for key in there.keys) + 1
    _show(session, there.add(_new_seed(session, number), session.pins.of(file, pin_file)), "Added.")


@command(module_app, "show")
def show(session: Session, file: _File) -> None:
    """Show which keys a module has. No PIN is needed, and nothing is verified without it."""
    from medrec_py.keyfile import KeyFile  # noqa: PLC0415

    _show(session, KeyFile.read(Path(file)))


@command(module_app, "publish")
def publish(
    session: Session,
    file: _File,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="Public name.")] = "",
    endpoint: Annotated[
        list[str] | None,
        typer.Option("--endpoint", metavar="URL", help="Public address of a service; may be repeated."),
    ] = None,
) -> None:
    """Publish the newest key of a module as the profile's. It takes the wallet and no PIN: public halves will do."""
    from medrec_py.chain.types import address_bytes  # noqa: PLC0415
    from medrec_py.keyfile import KeyFile  # noqa: PLC0415

    there = KeyFile.read(Path(file))
    if (there.account, there.deployment) != (address_bytes(session.identity.address), session.network.deployment):
        raise InvalidInput(f"the keys in {file} are for another account or deployment than {session.identity.address}")
    key = there.newest(session.network.suite)
    session.account().publish_key(key.number, key.octets, name, tuple(endpoint or ()))
    session.output.result(
        {
            "address": session.identity.address,
            "number": key.number,
            "name": name,
            "endpoints": endpoint or [],
            "transactions": session.transactions(),
        },
        Cell("Published.", "green"),
        Fields([("address", session.identity.address), ("key", str(key.number)), session.sent()]),
    )


def serve(
    session: Session,
    module: Annotated[str, typer.Option("--module", metavar="FILE", help="The provider's keys.")],
    account: Annotated[str, typer.Option("--account", metavar="FILE", help="Where every request is entered.")],
    listen: Annotated[
        str, typer.Option("--listen", metavar="ADDRESS", help="unix:/path/to/socket, or host:port.")
    ] = "",
    certificate: Annotated[
        str | None, typer.Option("--certificate", metavar="FILE", help="For HTTPS: PEM, with its chain.")
    ] = None,
    certificate_key: Annotated[
        str | None, typer.Option("--certificate-key", metavar="FILE", help="For HTTPS: the certificate's key, PEM.")
    ] = None,
    pin_file: PinFile = None,
) -> None:
    """Open data keys for a provider's agents, record by record, until it is terminated."""
    from medrec_py.crypto.typed_data import checksum_address  # noqa: PLC0415
    from medrec_py.keyfile import KeyFile  # noqa: PLC0415

    file = KeyFile.read(Path(module))
    network = session.network
    if file.deployment != network.deployment:
        raise ConfigurationError(f"the keys in {module} are for another chain or contract than {network!r}")
    principal = checksum_address(file.account)
    server = _server_class()
    keys = file.login(session.pins.of(module, pin_file))
    service = network.key_service(principal, keys, Path(account))
    try:
        address = listen or f"unix:{session.settings.home / 'keys.sock'}"
        tls = certificates.tls(certificate, certificate_key)
        with stop_signals() as stopped, server(service.handle, address, tls) as running:
            log_to_stderr("medrec_py.keyservice")
            _say_ready(session, running.address, principal, account, str(service.head))
            stopped.wait()
    finally:
        service.close()
        keys.close()


def account(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The account.")],
    head: Annotated[
        list[str] | None,
        typer.Option("--head", metavar="N:DIGEST", help="An end that was noted before; may be repeated."),
    ] = None,
    agent: Annotated[str | None, typer.Option("--agent", metavar=ADDRESS, help="Only of this agent.")] = None,
    patient: Annotated[str | None, typer.Option("--patient", metavar=ADDRESS, help="Only about this patient.")] = None,
) -> None:
    """List the account of a key service, and check that no line was altered or removed."""
    from medrec_py.keyservice.account import Head, Reading  # noqa: PLC0415

    try:
        noted = tuple(Head.parse(text) for text in head or ())
    except ValueError as error:
        raise InvalidInput(f"--head: {error}") from error
    wanted = {"agent": agent and checked(agent), "patient": patient and checked(patient)}
    reading = Reading(Path(file), noted)
    lines = [line for line in reading if all(who in {None, getattr(line, name)} for name, who in wanted.items())]
    _show_account(session, reading, lines)


# ------------------------------------------------------------------------------------------------------------ private


def _published(session: Session, who: str) -> int:
    """The number of the key that an account has published; zero if none."""
    try:
        return session.network.profile(who).number
    except ProfileNotFound:
        return 0


def _own_seeds(session: Session, newest: int) -> dict[tuple[int, int], KemSeed]:
    """Those that grants may have been sealed to: of each suite that the deployment has had."""
    from medrec_py.chain.types import address_bytes  # noqa: PLC0415
    from medrec_py.crypto.suites import FIRST_SUITE  # noqa: PLC0415

    who, deployment = address_bytes(session.identity.address), session.network.deployment
    suites, numbers = range(FIRST_SUITE, session.network.suite + 1), range(1, newest + 1)
    return {(s, n): session.root.profile_key(s, deployment, who, n) for s in suites for n in numbers}


def _new_seed(session: Session, number: int) -> dict[tuple[int, int], KemSeed]:
    from medrec_py.crypto.keys import KemSeed  # noqa: PLC0415

    return {(session.network.suite, number): KemSeed.generate()}


def _show(session: Session, file: KeyFile, *done: str) -> None:
    from medrec_py.crypto.typed_data import checksum_address  # noqa: PLC0415

    who, contract = checksum_address(file.account), checksum_address(file.deployment.contract)
    session.output.result(
        {
            "file": str(file.path),
            "account": who,
            "chain_id": file.deployment.chain_id,
            "contract": contract,
            "keys": [{"suite": key.suite, "number": key.number, "public_key": key.octets.hex()} for key in file.keys],
        },
        *(Cell(text, "green") for text in done),
        Fields([("account", who), ("chain", str(file.deployment.chain_id)), ("contract", contract)]),
        Table(("key", "suite"), [(str(key.number), str(key.suite)) for key in file.keys], ""),
    )


def _server_class() -> Any:
    try:
        from medrec_py.keyservice.server import Server  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError("a key service needs the extra [service]: pip install 'medrec-py[service]'") from error
    return Server


def _say_ready(session: Session, address: str, principal: str, account: str, head: str) -> None:
    session.output.result(
        {"address": address, "principal": principal, "account": account, "head": head},
        Cell("Ready.", "green"),
        Fields([("address", address), ("for", principal), ("account", account), ("its end", head)]),
    )
    sys.stdout.flush()


def _show_account(session: Session, reading: Reading, lines: list[Line]) -> None:
    document: Document = {
        **{name: reading.heading[name] for name in ("chain", "contract", "principal")},
        "head": str(reading.head),
        "unfinished": reading.unfinished,
        "lines": [
            {
                "number": line.number,
                "time": iso(line.time),
                "agent": line.agent,
                "patient": line.patient,
                "what": line.what,
                "entry": line.entry or None,
                "purpose": line.purpose,
                "outcome": line.outcome,
            }
            for line in lines
        ],
    }
    rows = [
        (
            str(line.number),
            readable(line.time),
            line.agent,
            line.patient,
            str(line.entry or "names"),
            line.purpose,
            Cell(line.outcome, "green" if line.outcome == "granted" else "yellow"),
        )
        for line in lines
    ]
    session.output.result(
        document,
        Table(("", "when", "agent", "patient", "entry", "purpose", "outcome"), rows, "Nothing was asked for."),
        Fields([("provider", reading.heading["principal"]), ("end", str(reading.head))]),
        Cell("Complete, as far as its end shows.", "green"),
    )
