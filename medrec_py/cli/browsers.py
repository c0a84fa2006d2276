"""The browser in which a person signs what a command asks for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from medrec_py.cli.output import Output
from medrec_py.errors import MedRecError, SignerUnavailable

if TYPE_CHECKING:
    from medrec_py.network import Network
    from medrec_py.patient import Patient
    from medrec_py.wallets.browser import KnownNames


def open_page(output: Output, url: str) -> None:
    """Open the page, or have the person open it: on their own terminal its address is no secret from them.

    Raises:
        SignerUnavailable: no browser could be started, and a program reads what is printed.
    """
    from medrec_py.wallets.browser import open_in_browser  # noqa: PLC0415 - slow to import

    try:
        open_in_browser(url)
    except SignerUnavailable:
        if output.as_json:
            raise
        output.note(f"No browser could be started. Open this in one on this machine; it is good once:\n{url}")
    else:
        output.note("A page opens in your browser. Read it, and sign there.")


def known_names(network: Network, patient: Patient, accounts: Iterable[str]) -> KnownNames:
    """What the page calls a patient's compartments, and accounts that publish a name."""
    from medrec_py.wallets.browser import KnownNames  # noqa: PLC0415

    return KnownNames(dict(patient.compartments()), account_names(network, accounts))


def account_names(network: Network, accounts: Iterable[str]) -> dict[str, str]:
    """Address → name, of those that publish one."""
    names = {}
    for account in accounts:
        try:
            names[account] = network.profile(account).name
        except MedRecError:  # whoever published nothing has no name
            continue
    return names
