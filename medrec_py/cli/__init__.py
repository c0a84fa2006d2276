"""The command line, ``medrec``.

It is a user of the package like any other: whatever a command does, `medrec_py` can do in a line or two. See
docs/cli.md.
"""

from medrec_py.cli.app import main

__all__ = ["main"]
