"""What a step expects, and what is said when something else happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from medrec_py.errors import MedRecError

_E = TypeVar("_E", bound=MedRecError)


class Unexpected(Exception):
    """Something is not as it should be.

    Attributes:
        expected: What should have happened.
        happened: What did.
    """

    def __init__(self, expected: str, happened: str) -> None:
        super().__init__(f"expected: {expected}; happened: {happened}")
        self.expected = expected
        self.happened = happened


class Checks:
    """The checks of one step.

    Attributes:
        passed: What was found to be so, in order, a line each.
    """

    def __init__(self) -> None:
        self.passed: list[str] = []

    def that(self, expected: str, holds: bool, otherwise: str = "it is not so") -> None:
        """Expect something to hold.

        Raises:
            Unexpected: it does not.
        """
        if not holds:
            raise Unexpected(expected, otherwise)
        self.passed.append(expected)

    def equal(self, expected: str, found: object, wanted: object) -> None:
        """Expect two values to be equal.

        Raises:
            Unexpected: they differ.
        """
        self.that(expected, found == wanted, f"found {found!r} instead of {wanted!r}")

    def refused(self, expected: str, kind: type[_E], attempt: Callable[[], object]) -> _E:
        """Expect an attempt to be refused for one reason, and no other.

        Args:
            expected: Who is refused what.
            kind: The reason; a subclass of it will do.
            attempt: Must not succeed.

        Returns:
            The refusal.

        Raises:
            Unexpected: it succeeded, or was refused for another reason.
        """
        try:
            attempt()
        except kind as refusal:
            self.passed.append(f"{expected}: {type(refusal).__name__}")
            return refusal
        except MedRecError as error:
            raise Unexpected(f"{expected}: {kind.__name__}", f"{type(error).__name__}: {error}") from error
        raise Unexpected(f"{expected}: {kind.__name__}", "nothing refused it")
