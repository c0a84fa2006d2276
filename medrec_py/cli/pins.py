"""Where the PIN of a module of keys comes from: a file, the environment, or the person. Never an argument."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias

import typer

from medrec_py.cli.passphrases import first_line
from medrec_py.cli.terminal import ask_new_pin, ask_pin

VARIABLE: Final = "MEDREC_PIN"

PinFile: TypeAlias = Annotated[
    str | None,
    typer.Option("--pin-file", metavar="FILE", help="File whose first line is the PIN (or MEDREC_PIN itself)."),
]


class Pins:
    """The PINs of one call of the program.

    Args:
        environment: Variables.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def of(self, module: str, file: str | None) -> str:
        """The PIN of a module: of the file, else of ``MEDREC_PIN``, else it is asked for.

        Raises:
            PinMissing: nobody is there to ask.
            ConfigurationError: the file cannot be read.
        """
        return self._given(file) or ask_pin(module)

    def new(self, module: str, file: str | None) -> str:
        """The PIN of a module that is about to be made; a person types it twice. Raises as ``of``."""
        return self._given(file) or ask_new_pin(module)

    def _given(self, file: str | None) -> str | None:
        return first_line(file) if file is not None else self._environment.get(VARIABLE)
