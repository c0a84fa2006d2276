"""Wallets that are not a key in this process: remote signers, Clef, ape, browsers, and accounts with code.

Each is a `medrec_py.wallet.Signer`, and none of them has a root secret: give that beside the wallet
(``net.patient(wallet, root)``). What a remote signer returns is checked here before anything is done with it.
"""
