"""The demonstration: a patient's story from registration to revocation, every sentence of it checked (``medrec demo``).

``story`` tells it, step by step from ``steps``. ``stage`` is where it takes place and ``funding`` who pays there;
``checks`` are what it expects, ``attack`` and ``vault`` what its villains do, ``rendering`` and ``report`` how it is
shown, and ``samples`` is the real input.
"""

from medrec_py.demo.story import run

__all__ = ["run"]
