"""Fixtures of the tests against real programs."""

from tests.support.kubo import kubo

__all__ = ["kubo"]
