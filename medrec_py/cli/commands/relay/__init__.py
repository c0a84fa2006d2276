"""``medrec relay``: signed decisions on their way to the chain."""

from __future__ import annotations

import typer

from medrec_py.cli.command import group
from medrec_py.cli.commands.relay import send, serve, status

app = typer.Typer(help="Send what wallets signed, through a relayer or at one's own expense.", no_args_is_help=True)
group(app)
for _module in (send, status, serve):
    _module.add_to(app)
