"""``medrec keys``: what happens to keys, a module a task."""

from __future__ import annotations

import typer

from medrec_py.cli.command import group
from medrec_py.cli.commands.keys import guard, heal, new_phrase, recover, renew, reseal, share

app = typer.Typer(help="Keys: give old records new ones, erase, renew, share with guardians.", no_args_is_help=True)
group(app)
for _module in (reseal, new_phrase, renew, heal, share, guard, recover):
    _module.add_to(app)
