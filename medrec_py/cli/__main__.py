"""The command line as ``python -m medrec_py.cli``."""

from medrec_py.cli.app import main

main()
