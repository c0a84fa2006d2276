"""Compute `guardianship.json`, the vectors of guardians' shares (docs/format.md §11).

    python -m tests.vectors.generate_guardianship    # write tests/vectors/guardianship.json

As in `generate.py`, secrets come from their names by SHAKE256 and HPKE takes its encapsulations from the published
X-Wing vectors. The shares were dealt once and stand below: SLIP-39 deals at random.
"""

from __future__ import annotations

import json
from typing import Any

from medrec_py.crypto import recovery, share_seal
from medrec_py.crypto.keys import RootSecret
from medrec_py.crypto.shares import Share
from tests.sdk.crypto.people import Wallet
from tests.vectors.generate import HERE, PLACE, SUITE, TIME, X_WING, place, plain, some

FILE = HERE / "guardianship.json"
ROOT = RootSecret(some("root secret to share"))
GUARDIANS = [Wallet(f"vector guardian {number}") for number in (1, 2, 3)]
THRESHOLD = 2
WORDS = (
    "trust again academic acid animal debut bulge cover aviation owner garbage "
    "friar plot welcome home smear picture pipeline teammate careful traveler spew "
    "pacific observe true domestic single unfold pharmacy smear presence dance freshman",
    "trust again academic agency argue silver garlic fumes lilac deal spirit "
    "crowd branch negative focus race debris parking album therapy august actress "
    "demand year march payment emperor garlic easel album away olympic skin",
    "trust again academic always alpha legs universe program recover employer facility "
    "subject laundry item academic fact display rescue dining lecture multiple lawsuit "
    "system eyebrow cleanup angry science vitamins desert ordinary evoke drift pitch",
)


def shares_of_the_set() -> list[Share]:
    """The three of them."""
    return [
        Share(PLACE, guardian.address, some("set of shares", 16), len(GUARDIANS), TIME, words)
        for guardian, words in zip(GUARDIANS, WORDS, strict=True)
    ]


def vectors() -> dict[str, Any]:
    """What stands in the file."""
    dealt = shares_of_the_set()
    request_seed, request_key = X_WING[2]
    request = recovery.Request(SUITE, PLACE, request_key)
    return {
        "place": place(),
        "rootSecret": ROOT.expose(),
        "threshold": THRESHOLD,
        "set": dealt[0].set_id,
        "time": TIME,
        "shares": [
            {
                "guardian": share.guardian,
                "index": share.index,
                "identifier": share.identifier,
                "words": share.words,
                "document": share.to_bytes(),
                "number": number + 1,
                "seed": X_WING[number][0].expose(),
                "block": share_seal.build(share, X_WING[number][1], number + 1, SUITE),
                "handedOver": recovery.hand_over(share, request),
            }
            for number, share in enumerate(dealt)
        ],
        "request": {
            "seed": request_seed.expose(),
            "block": request.to_bytes(),
            "digest": request.digest(),
            "fingerprint": request.fingerprint(),
        },
    }


def render() -> str:
    """The text of the file."""
    return json.dumps(plain(vectors()), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
