"""Makes ml_kem_1024_p384.json with Go's implementation of suite 2: `python tests/data/crypto/ml_kem_1024_p384.py GO`.

GO is the program `go`, 1.26 or later. For each of some seeds, ours seals a message that Go opens, and Go seals one
that ours opens; both are kept, and the public keys are equal on both sides. Sealing is random: every run gives others.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from medrec_py.crypto.keys import KemSeed
from medrec_py.crypto.suites import Sealed, by_number

HERE = Path(__file__).parent
SUITE = by_number(2)
COUNT = 4


def some(name: str, size: int = 32) -> bytes:
    """SHAKE256 of the name."""
    return hashlib.shake_256(name.encode()).digest(size)


def ours(number: int) -> dict[str, str]:
    """A message to the seed of a number."""
    seed, info, text = some(f"seed {number}"), some(f"info {number}", 10 * number), some(f"text {number}", 17 * number)
    public_key = SUITE.public_key(KemSeed(seed))
    sealed = SUITE.seal(public_key, info, text)
    values = {"seed": seed, "publicKey": public_key, "info": info, "text": text}
    return {name: value.hex() for name, value in (values | halves(sealed)).items()}


def halves(sealed: Sealed) -> dict[str, bytes]:
    return {"enc": sealed.enc, "ciphertext": sealed.ciphertext}


def check(vector: dict[str, str]) -> None:
    """Open a message of the other side's."""
    value = {name: bytes.fromhex(text) for name, text in vector.items()}
    opened = SUITE.open(KemSeed(value["seed"]), value["info"], Sealed(value["enc"], value["ciphertext"]))
    if opened != value["text"]:
        raise SystemExit(f"a message to {vector['seed']} opens to another text here")


def main(go: str) -> None:
    messages = [ours(number) for number in range(COUNT)]
    command = [go, "run", str(HERE / "ml_kem_1024_p384.go")]
    answers = subprocess.run(command, input=json.dumps(messages), capture_output=True, text=True, check=True).stdout
    vectors = [
        *({"sealedBy": "cryptography"} | message for message in messages),
        *({"sealedBy": "Go crypto/hpke"} | message for message in json.loads(answers)),
    ]
    for vector in vectors:
        check({name: text for name, text in vector.items() if name != "sealedBy"})
    lines = ",\n".join(json.dumps(vector) for vector in vectors)
    (HERE / "ml_kem_1024_p384.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(sys.argv[1])
