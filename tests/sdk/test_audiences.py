"""Records that get new envelopes are divided by who may read them today: nobody is given anything by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from medrec_py.audiences import divide
from medrec_py.consent import Consent

COMPARTMENT = 7


class Since:
    """A patient's decisions, of which only this is asked: behind which block each reader may read."""

    def __init__(self, since: Mapping[bytes, int | None]) -> None:
        self._since = since

    def reads_behind(self, reader: bytes, compartment: int) -> int | None:
        assert compartment == COMPARTMENT
        return self._since[reader]


def consent(since: Mapping[bytes, int | None]) -> Consent:
    return cast("Consent", Since(since))


readers = st.dictionaries(st.binary(min_size=1, max_size=2), st.integers(-1, 12) | st.none(), max_size=8)
blocks = st.lists(st.integers(0, 15), max_size=30)


@given(readers, blocks)
def test_each_record_goes_to_exactly_those_who_may_read_it(since: dict[bytes, int | None], written: list[int]) -> None:
    """By the block in which it was written."""
    divided = divide(consent(since), COMPARTMENT, since, written, most=100)
    for block in written:
        group = divided.group_of(block)
        allowed = {reader for reader, behind in since.items() if behind is not None and behind < block}
        everybody = {reader for reader, behind in since.items() if behind is not None}
        assert (everybody if group == len(divided.groups) else divided.groups[group]) == allowed


@given(readers, blocks, st.integers(1, 3))
def test_where_groups_are_joined_nobody_is_given_more(
    since: dict[bytes, int | None], written: list[int], most: int
) -> None:
    """There are never more than fit, and each group is of readers of all records in it."""
    divided = divide(consent(since), COMPARTMENT, since, written, most=most)
    assert len(divided.groups) <= most
    for block in written:
        group = divided.group_of(block)
        assert 0 <= group <= len(divided.groups)
        if group < len(divided.groups):
            assert all((behind := since[reader]) is not None and behind < block for reader in divided.groups[group])


@given(readers)
def test_without_records_there_is_no_group_but_the_last(since: dict[bytes, int | None]) -> None:
    """Which is where authors will seal to."""
    divided = divide(consent(since), COMPARTMENT, since, [], most=5)
    assert divided.groups == []


def test_the_present_readers_share_the_last_group() -> None:
    """A record that was written behind the last permission needs no group of its own."""
    divided = divide(consent({b"a": 3, b"b": 5}), COMPARTMENT, [b"a", b"b"], [6, 7], most=5)
    assert (divided.groups, divided.group_of(6), divided.group_of(7)) == ([], 0, 0)
