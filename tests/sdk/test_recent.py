"""What is kept of patients and profiles has a bound, and is none the worse for it."""

from __future__ import annotations

import pytest

import medrec_py as medrec
from medrec_py.ledger import Ledger
from medrec_py.recent import Recent

from .people import meet


def test_what_was_not_used_for_longest_goes_first() -> None:
    """Reading counts as use."""
    kept: Recent[str, int] = Recent(2)
    kept.put("a", 1)
    kept.put("b", 2)
    assert kept.get("a") == 1
    assert kept.put("c", 3) == 3
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (1, None, 3)
    assert len(kept) == 2
    kept.clear()
    assert kept.get("a") is None


@pytest.mark.slow
def test_a_service_that_touches_many_patients_stays_bounded() -> None:
    """Nothing that is kept of a patient grows with the number of patients; who was forgotten is read again."""
    with medrec.local() as net:
        people = meet(net)
        people.grant()
        people.chart().append(b"one", compartment="general", title="one")
        ledger = Ledger(net.chain, net.contract, net.store, suite=1, patients=2)
        patients = [people.alice.id, *(medrec.Wallet.create().address for _ in range(5))]
        for patient in [*patients, people.alice.id]:
            history = ledger.history(patient)
            ledger.decisions(patient)
            ledger.whereabouts(history, ledger.place(patient))
            _ = ledger.consent(patient).keyrings.entries
        for cache in (ledger._histories, ledger._decisions, ledger._whereabouts, ledger._keyrings):
            assert len(cache) == 2  # type: ignore[arg-type]
        assert len(ledger.history(people.alice.id).entries) == 3
