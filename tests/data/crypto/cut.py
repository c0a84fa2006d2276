"""Cuts the vector files of SOURCES.md down to what the tests use: `python tests/data/crypto/cut.py FOLDER`.

FOLDER holds the originals under the names of SOURCES.md. Only tests and fields are left out; none is changed.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def groups(source: Path, name: str) -> list[dict[str, Any]]:
    return list(json.loads((source / "C2SP__wycheproof" / name).read_text())["testGroups"])


def write(name: str, tests: list[dict[str, Any]]) -> None:
    lines = ",\n".join(json.dumps(test) for test in tests)
    (HERE / name).write_text(f"[\n{lines}\n]\n")


def aes_gcm(source: Path) -> list[dict[str, Any]]:
    wanted = {"keySize": 256, "ivSize": 96, "tagSize": 128}
    kept = [group for group in groups(source, "aes_gcm_test.json") if wanted.items() <= group.items()]
    return [test for group in kept for test in group["tests"]]


def ecdsa(source: Path) -> list[dict[str, Any]]:
    return [
        {"publicKey": group["publicKey"]["uncompressed"], **test}
        for group in groups(source, "ecdsa_secp256k1_sha256_bitcoin_test.json")
        for test in group["tests"]
    ]


def x25519(source: Path) -> list[dict[str, Any]]:
    tests = [test for group in groups(source, "x25519_test.json") for test in group["tests"]]
    return [test for test in tests if {"LowOrderPublic", "ZeroSharedSecret"} & set(test["flags"])]


def x25519_all(source: Path) -> list[dict[str, Any]]:
    fields = ("tcId", "flags", "public", "private", "shared", "result")
    tests = [test for group in groups(source, "x25519_test.json") for test in group["tests"]]
    return [{field: test[field] for field in fields} for test in tests]


def mlkem_hard(source: Path) -> list[dict[str, Any]]:
    """What the first tests leave out: a comparison that ends early, odd matrices, bad sizes; two of each kind."""
    kept: dict[str, list[dict[str, Any]]] = {}
    for group in groups(source, "mlkem_768_test.json"):
        for test in group["tests"]:
            kind = test.get("comment", "Strcmp")
            if not kind.startswith("Test vector based on"):
                kept.setdefault(kind, []).append(test)
    return [test for tests in kept.values() for test in tests[:2]]


def hpke(source: Path) -> list[dict[str, Any]]:
    """Base mode with an AEAD; of each, the first message."""
    everything = json.loads(
        gzip.decompress((source / "cloudflare__circl/vectors_rfc9180_5f503c5.json.gz").read_bytes())
    )
    fields = ("kem_id", "kdf_id", "aead_id", "info", "skRm", "pkRm", "enc", "shared_secret", "key", "base_nonce")
    return [
        {field: vector[field] for field in fields} | {"encryptions": vector["encryptions"][:1]}
        for vector in everything
        if vector["mode"] == 0 and vector["aead_id"] != 0xFFFF
    ]


def hpke_pq(source: Path) -> list[dict[str, Any]]:
    """MLKEM1024-P384 with HKDF-SHA384 and AES-256-GCM; the first message."""
    fields = ("kem_id", "kdf_id", "aead_id", "info", "skRm", "pkRm", "enc", "shared_secret", "key", "base_nonce")
    return [
        {field: vector[field] for field in fields} | {"encryptions": vector["encryptions"][:1]}
        for vector in json.loads((source / "golang__go/hpke-pq.json").read_text())
        if (vector["kem_id"], vector["kdf_id"], vector["aead_id"]) == (0x51, 2, 2)
    ]


def main(source: Path) -> None:
    write("wycheproof_aes_256_gcm.json", aes_gcm(source))
    write("wycheproof_hkdf_sha256.json", [t for g in groups(source, "hkdf_sha256_test.json") for t in g["tests"]])
    write("wycheproof_mlkem_768.json", [t for g in groups(source, "mlkem_768_test.json") for t in g["tests"]][:12])
    write("wycheproof_mlkem_768_hard.json", mlkem_hard(source))
    write("wycheproof_x25519_low_order.json", x25519(source))
    write("wycheproof_x25519.json", x25519_all(source))
    write("wycheproof_ecdsa_secp256k1.json", ecdsa(source))
    write("rfc9180_base_mode.json", hpke(source))
    write("hpke_pq.json", hpke_pq(source))
    write("slip39.json", json.loads((source / "ilap__slip39-js/test/vectors.json").read_text()))
    shutil.copyfile(source / "RustCrypto__KEMs/x-wing/tests/test-vectors.json", HERE / "x_wing.json")
    shutil.copyfile(source / "ethereum__eth-account/fixtures/valid_eip712_example.json", HERE / "eip712_example.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
