"""The public surface: what is exported is meant to be, documented, and each error says what to do."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import medrec_py as medrec
from medrec_py import errors
from medrec_py.chain import reverts


def subclasses(error: type[Exception]) -> Iterator[type[Exception]]:
    for sub in error.__subclasses__():
        yield sub
        yield from subclasses(sub)


def test_every_exported_name_exists_and_is_sorted() -> None:
    """``__all__`` is the public surface, in order."""
    assert list(medrec.__all__) == sorted(medrec.__all__)
    assert all(hasattr(medrec, name) for name in medrec.__all__)


def test_nothing_public_is_left_out_of_all() -> None:
    """A name without underscore in the package is exported on purpose, or is a module."""
    public = {name for name, value in vars(medrec).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert public - set(medrec.__all__) == set()


def test_every_exported_class_and_function_is_documented() -> None:
    """Public names say what they are, and so do their public methods."""
    for name in medrec.__all__:
        value = getattr(medrec, name)
        if not callable(value):
            continue
        assert inspect.getdoc(value), name
        for method, function in inspect.getmembers(value, inspect.isfunction):
            if not method.startswith("_"):
                assert inspect.getdoc(function), f"{name}.{method}"


def test_every_error_has_a_remedy_and_a_meaning() -> None:
    """Each error of the tree has a docstring, and a remedy of its own or of its family."""
    for error in subclasses(errors.MedRecError):
        if error.__module__.startswith("medrec_py") and not error.__name__.startswith("_"):
            assert inspect.getdoc(error), error
            assert error.remedy, error  # type: ignore[attr-defined]


def test_the_errors_of_the_contract_are_one_family() -> None:
    """Whatever the contract refuses with is a ContractError, and its predicate's reasons are NotPermitted."""
    assert issubclass(reverts.StaleKeyring, errors.ContractError)
    assert issubclass(reverts.PermissionRevoked, errors.NotPermitted)
    assert issubclass(errors.NotPermitted, errors.ContractError)
