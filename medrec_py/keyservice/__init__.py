"""An organisation's key service: opens data keys record by record for its agents, and keeps an account of it.

``client`` is the agent's side and needs nothing besides the base install. ``service`` decides, ``account`` remembers,
``server`` listens (the extra ``[service]``). What they say to each other is in ``request`` and ``answer``, and in
docs/key-service.md.
"""
