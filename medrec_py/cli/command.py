"""How a function becomes a command: it is given the common options, a session, and the end that fits what happened."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import fields
from typing import Annotated, Any, Final, get_args, get_type_hints

import typer

from medrec_py.cli.options import Given
from medrec_py.cli.output import Output
from medrec_py.cli.session import Session
from medrec_py.errors import MedRecError, RelayError

DEBUG: Final = "MEDREC_DEBUG"

_Command = Callable[..., int | None]
_OPTIONS: Final = {one.name: one for one in fields(Given)}


def command(
    app: typer.Typer, name: str, *, common: tuple[str, ...] = tuple(_OPTIONS), **settings: Any
) -> Callable[[_Command], _Command]:
    """Make a function a command of ``app``.

    Its first parameter is the session; the others are Typer's arguments and options, besides the common ones. It prints
    by ``session.output``, raises `MedRecError` where it fails, and may return an exit code.

    Args:
        app: The group.
        name: Of the command.
        common: Which of the common options it takes.
        settings: More for ``Typer.command``.
    """

    def register(function: _Command) -> _Command:
        signature = inspect.signature(function, eval_str=True)
        own = list(signature.parameters.values())[1:]

        def run(context: typer.Context, **arguments: Any) -> int:
            here = Given(**{option: arguments.pop(option) for option in common})
            return _run(function, _before(context).followed_by(here), arguments)

        _describe(run, [_CONTEXT, *own, *_parameters(common, hidden=False)], function.__doc__)
        app.command(name, **settings)(run)
        return function

    return register


def group(app: typer.Typer, *, hidden: bool = True, default: str | None = None, **flags: Any) -> None:
    """Let a group take the common options, too, for the commands in it.

    Args:
        app: The group.
        hidden: Leave them out of its help.
        default: The command that its name alone means.
        flags: Annotations of flags of its own, which act by their callbacks.
    """

    def run(context: typer.Context, **arguments: Any) -> None:
        given = {name: value for name, value in arguments.items() if name in _OPTIONS}
        context.obj = _before(context).followed_by(Given(**given))
        if default is not None and context.invoked_subcommand is None:
            _invoke(context, default)

    own = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        for name, annotation in flags.items()
    ]
    _describe(run, [_CONTEXT, *own, *_parameters(tuple(_OPTIONS), hidden=hidden)], None)
    app.callback(invoke_without_command=default is not None)(run)


def report(output: Output, error: BaseException) -> int:
    """Print why a command failed; returns the exit code.

    Unexpected errors show their kind and place; the rest, which may hold anything, only with ``MEDREC_DEBUG`` set.
    """
    from medrec_py.cli.exits import ExitCode, exit_code  # noqa: PLC0415

    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    if isinstance(error, MedRecError):
        output.error(error)
        return exit_code(error)
    if isinstance(error, KeyboardInterrupt | EOFError):
        output.failure("Interrupted", "interrupted", _INTERRUPTED)
        return ExitCode.INTERRUPTED
    if isinstance(error, BrokenPipeError):
        _silence()
        return ExitCode.PIPE_CLOSED
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(place.filename)}, line {place.lineno}"
    output.failure(type(error).__name__, f"unexpected {type(error).__name__} in {where}", _UNEXPECTED)
    return ExitCode.UNEXPECTED


_INTERRUPTED = "Look at the history before you repeat it: a transaction that was sent may still be mined."
_UNEXPECTED = f"This is a fault of the program. Run it again with {DEBUG}=1 to see all of it, and report it."


# ------------------------------------------------------------------------------------------------------------ private


def _run(function: _Command, given: Given, arguments: dict[str, Any]) -> int:
    output = Output(given.as_json)
    session: Session | None = None
    try:
        with _warnings_to(output):
            session = Session(given, output, os.environ)
            code = function(session, **arguments) or 0
        output.show_warnings()
        return code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the one place where errors end
        if session is not None and isinstance(error, RelayError):
            session.keep_unsent(error)
        return report(output, error)
    finally:
        if session is not None:
            session.close()


@contextmanager
def _warnings_to(output: Output) -> Iterator[None]:
    """Show the warnings of MedRec's, such as that keys could not be changed. Others are for developers."""

    def keep(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if category.__module__.startswith("medrec_py"):
            output.warn(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = keep
        yield


def _invoke(context: typer.Context, name: str) -> None:
    """Run a command of a group, without arguments of its own."""
    found = context.command.get_command(context, name)  # type: ignore[attr-defined]
    with found.make_context(name, [], parent=context) as inner:
        code = found.invoke(inner)
    if code:
        raise typer.Exit(code)


def _before(context: typer.Context) -> Given:
    return context.obj if isinstance(context.obj, Given) else Given()


_CONTEXT: Final = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)


def _parameters(names: tuple[str, ...], *, hidden: bool) -> list[inspect.Parameter]:
    hints = get_type_hints(Given, include_extras=True)
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_OPTIONS[name].default,
            annotation=_hidden(hints[name]) if hidden else hints[name],
        )
        for name in names
    ]


def _hidden(annotation: Any) -> Any:
    kind, option = get_args(annotation)
    option = copy(option)
    option.hidden = True
    return Annotated[kind, option]


def _describe(run: Callable[..., Any], parameters: list[inspect.Parameter], text: str | None) -> None:
    """Give a function the signature that Typer makes options of."""
    parameters.sort(key=lambda parameter: parameter.kind)
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = text


def _silence() -> None:
    """Have nothing more written where nobody reads, not even at the end of the process."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
