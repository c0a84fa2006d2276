"""The chain: connection, contract, events, errors, transactions. The only package that imports web3.

Import by module. From the bottom up: ``types`` (the contract's enums and structs), ``artifacts`` and ``abi`` (what was
compiled), ``events`` and ``reverts`` (what it emits and why it refuses), ``connection`` (a node) and ``local`` (a chain
in this process), ``transactions`` (sending), ``contract`` (its functions, typed), ``logs`` (its events over a range of
blocks) and ``deployment``.

There is no ``async`` counterpart yet, on purpose. Most of what an application waits for here is not the node: it is
sealing, hashing and storing, which a coroutine would block the loop with just the same. So an application that runs a
loop calls this package in a thread, ``await asyncio.to_thread(chart.append, …)``, which is safe: every object here may
be shared between threads, nonces included. A second code path for ``AsyncWeb3`` would double the part where mistakes
cost most (nonces, receipts, decoding of refusals), and the chain inside the process has no asynchronous form to test it
on. Where it would pay is following new blocks over a WebSocket; that belongs to the index, and comes with it.
"""
