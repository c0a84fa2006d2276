"""Compute `access.json`, the vectors of requests for access and their answers (docs/format.md §15).

    python -m tests.vectors.generate_access    # write tests/vectors/access.json

As in `generate.py`, secrets come from their names by SHAKE256 and HPKE takes its encapsulations from the published
X-Wing vectors.
"""

from __future__ import annotations

import json
from typing import Any

from medrec_py.crypto import access_answer, access_request
from medrec_py.crypto.access_answer import Reason, SignedAnswer
from medrec_py.crypto.access_request import AccessRequest, SignedRequest, Wish
from medrec_py.crypto.exchange import Exchange
from medrec_py.crypto.letter import Recipient
from medrec_py.crypto.posting import Posting
from tests.vectors.generate import AUTHOR, CLINIC, HERE, ONE, PATIENT, PLACE, SUITE, TIME, place, plain, some

FILE = HERE / "access.json"
INBOX, PROFILE_KEY = 3, 1
WISH = Wish(
    read=True,
    append=True,
    history=False,
    compartments=("general", "kardiologie"),
    what="das Echo von März",
    why="an operation\nnext week",
    salt=some("salt of a wish"),
)
REASON = Reason("gladly, for a month", some("salt of a reason"))


def asked() -> SignedRequest:
    """An author asks for the clinic."""
    request = AccessRequest(PLACE, AUTHOR.address, CLINIC.address, 0b1001, TIME + 90, WISH.hash(), TIME + 30)
    return access_request.build(AUTHOR.sign_typed_data, request, WISH)


def answered(version: int) -> SignedAnswer:
    """The patient answers."""
    return access_answer.build(PATIENT.sign_typed_data, asked().request, PATIENT.address, version, REASON, TIME)


def vectors() -> dict[str, Any]:
    """What stands in the file."""
    signed = asked()
    inbox, profile_key = ONE.seeds[0], ONE.seeds[1]
    letter = signed.seal(Recipient(PLACE, PATIENT.address, INBOX, SUITE, SUITE.public_key(inbox)))
    to = Recipient(PLACE, AUTHOR.address, PROFILE_KEY, SUITE, SUITE.public_key(profile_key))
    return {
        "place": place(),
        "request": {
            "typedData": signed.request.typed_data(),
            "digest": signed.request.digest(),
            "wish": WISH.as_map(),
            "wishHash": WISH.hash(),
            "signature": signed.signature,
            "number": INBOX,
            "seed": inbox.expose(),
            "letter": letter,
            "posting": Posting(signed.request, signed.signature, letter).to_json().decode(),
        },
        "answers": [
            {
                "typedData": answer.answer.typed_data(),
                "digest": answer.answer.digest(),
                "reason": answer.reason.text,
                "salt": answer.reason.salt,
                "reasonHash": answer.reason.hash(),
                "signature": answer.signature,
                "number": PROFILE_KEY,
                "seed": profile_key.expose(),
                "letter": answer.seal(to),
                "exchange": Exchange(signed, answer).to_json().decode(),
            }
            for answer in (answered(4), answered(0))
        ],
    }


def render() -> str:
    """The text of the file."""
    return json.dumps(plain(vectors()), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
