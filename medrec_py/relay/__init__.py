"""A relayer: takes signed decisions over HTTP, checks them, and pays for the transactions that carry them out.

``checks`` looks at what comes, ``quotas`` counts it, ``service`` answers, ``sender`` sends, and ``http`` listens (the
extra ``[relay]``). ``post_office`` keeps requests for access and their answers in a ``mailbox``. What they say to
clients is in docs/relay.md. A relayer can withhold, delay and reorder what it is given; it can change none of it, and
it sees no record.
"""
