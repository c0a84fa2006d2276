"""Which decisions share a transaction."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from medrec_py.relay.batches import BYTES, Batch, Ready, fits, pack
from medrec_py.relay.calls import relay_gas
from medrec_py.relay.flight import Part

SHARE, MOST = 612_523, 1 << 24


def ready(name: str, decisions: int, *, atomic: bool = False, size: int = 500) -> Ready:
    return Ready(name, atomic, {place: bytes(size) for place in range(decisions)})


def packed(*bundles: Ready) -> list[Batch]:
    return list(pack(bundles, SHARE, MOST))


def test_bundles_share_a_transaction() -> None:
    """In their order, each decision with its place."""
    (batch,) = packed(ready("a", 1), ready("b", 2))
    assert (batch.atomic, batch.parts) == (False, (Part("a", (0,)), Part("b", (0, 1))))
    assert len(batch.calls) == 3


def test_an_atomic_bundle_is_alone() -> None:
    """And those around it keep their order."""
    batches = packed(ready("a", 1), ready("b", 2, atomic=True), ready("c", 1))
    assert [(batch.atomic, batch.parts[0].bundle) for batch in batches] == [(False, "a"), (True, "b"), (False, "c")]


def test_what_has_no_room_goes_into_the_next() -> None:
    """A bundle that is larger than a transaction goes on in it, in its order."""
    fitting = fits(SHARE, MOST)
    assert 20 < fitting < 28
    first, second = packed(ready("a", fitting - 5), ready("b", 20))
    assert first.parts == (
        Part("a", tuple(range(fitting - 5))),
        Part("b", tuple(range(len(first.calls) - fitting + 5))),
    )
    assert second.parts == (Part("b", tuple(range(len(first.calls) - fitting + 5, 20))),)
    assert len(packed(ready("a", 100))) == -(-100 // len(first.calls))


def test_what_was_sent_already_is_left_out() -> None:
    """Places need not begin at zero."""
    (batch,) = packed(Ready("a", False, {3: b"x", 7: b"y"}))
    assert (batch.parts, batch.calls) == ((Part("a", (3, 7)),), (b"x", b"y"))


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(4, 9000), st.booleans()), max_size=20))
def test_no_relay_runs_short(bundles: list[tuple[int, int, bool]]) -> None:
    """Whatever comes: each decision once, in its order, with gas and bytes that a transaction can have."""
    given_ = [
        Ready(str(number), atomic, {place: bytes([1]) * size for place in range(count)})
        for number, (count, size, atomic) in enumerate(bundles)
    ]
    batches = packed(*given_)
    order = [(part.bundle, place) for batch in batches for part in batch.parts for place in part.places]
    assert order == [(one.bundle, place) for one in given_ for place in one.calls]
    for batch in batches:
        assert sum(len(part.places) for part in batch.parts) == len(batch.calls)
        if not batch.atomic:
            encoded = bytes([1]) * (sum(map(len, batch.calls)) + 96 * len(batch.calls) + 68)
            assert relay_gas(encoded, len(batch.calls), SHARE) <= MOST or len(batch.calls) == 1
            assert sum(map(len, batch.calls)) <= BYTES
