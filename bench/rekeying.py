"""Giving many records other keys, as a patient does it: on a chain in this process, from a folder into the same."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice

import medrec_py as medrec
from bench.timing import seconds
from medrec_py.records import Draft

SIZE = 4096
RECORDS = 2000
IN_A_CALL = 100


def rekeying() -> dict[str, float]:
    """Records of 4 KiB in a second.

    Resealing: fetched, opened, verified, content and all sealed under new data keys; stored durably, pinned and read
    back; manifest, keyring and transaction; the old blocks unpinned. Erasing: the survivors of an erased record, the
    same but for their contents; and the change of the root secret and the wallet, which goes along, and the removal of
    the old blocks from the folder.
    """
    with medrec.local() as net:
        alice = net.patient(medrec.Wallet.create()).register()
        drafts = (Draft(os.urandom(SIZE), "general", f"record {number}") for number in range(RECORDS + 1))
        numbers = _append(alice, drafts)
        reseal_s = seconds(lambda: alice.reseal(*numbers[1:]))
        erase_s = seconds(lambda: alice.erase(numbers[0], wallet=medrec.Wallet.create()))
        assert sum(1 for _ in alice.records()) == RECORDS
    return {"reseal_records_per_s": RECORDS / reseal_s, "erase_records_per_s": RECORDS / erase_s}


def _append(patient: medrec.Patient, drafts: Iterable[Draft]) -> list[int]:
    numbers: list[int] = []
    source, chart = iter(drafts), patient.chart()
    while some := list(islice(source, IN_A_CALL)):
        numbers += [appended.number for appended in chart.append_many(some)]
    return numbers
