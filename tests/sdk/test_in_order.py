"""Working ahead in threads: the same as ``map``, sooner."""

import threading
from collections.abc import Iterator

import pytest

from medrec_py.in_order import in_order


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100])
def test_results_come_in_the_order_of_their_items(count: int) -> None:
    """Whoever is done first, the caller sees the order of the items."""
    assert list(in_order(lambda number: number * number, range(count))) == [number * number for number in range(count)]


def test_two_items_are_worked_on_at_once() -> None:
    """The first waits for the second to begin: one after the other, they would never end."""
    began = threading.Barrier(2)
    assert len(list(in_order(lambda _: began.wait(30), range(2)))) == 2


def test_no_more_than_a_few_are_under_way() -> None:
    """Items are taken from the source as results are taken, so memory does not depend on how many there are."""
    taken: list[int] = []

    def source() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    results = in_order(lambda number: number, source())
    for number in range(20):
        assert next(results) == number
        assert len(taken) <= number + 6


def test_an_error_comes_in_its_place_and_ends_the_work() -> None:
    """What was before it comes out, the error follows, and what has not begun by then never does."""
    done: list[int] = []

    def work(number: int) -> int:
        if number == 3:
            raise ValueError(number)
        done.append(number)
        return number

    given: list[int] = []
    with pytest.raises(ValueError, match="3"):
        given.extend(in_order(work, range(1000)))
    assert len(done) < 12


def test_whoever_has_had_enough_leaves_no_thread_behind() -> None:
    """Closing early ends the threads."""
    results = in_order(lambda number: number, range(1000))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("medrec")]
