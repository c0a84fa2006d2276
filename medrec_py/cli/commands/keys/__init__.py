"""``medrec keys``: what happens to keys, a module a task."""

from __future__ import annotations

import typer

from medrec_py.cli.command import group
from medrec_py.cli.commands.keys import guard, heal, new_phrase, recover, renew, reseal, service, share

app = typer.Typer(
    help="Keys: give old records new ones, erase, renew, share with guardians.\n\n"
    "Guardians of shares open the record together; those who move the wallet are named by `medrec guardian set`.",
    no_args_is_help=True,
)
group(app)
for _module in (reseal, new_phrase, renew, heal, share, guard, recover, service):
    _module.add_to(app)
