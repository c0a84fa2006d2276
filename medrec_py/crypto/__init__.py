"""Formats and keys of docs/format.md. No network, no chain, no files: bytes in, bytes out.

Import by module. From the bottom up: ``cbor``, ``blocks``, ``padding`` and ``keys`` (encodings and secrets),
``suites`` (public-key sealing), ``merkle`` and ``content`` (a file in chunks), ``typed_data``, ``metadata``,
``statement`` and ``attestation`` (what an author signs), ``envelope`` (a record), ``keyring`` and
``grant_seal`` (who can open it), ``profile`` and ``manifest`` (public blocks), ``shares``, ``share_seal`` and
``recovery`` (guardians).
"""
