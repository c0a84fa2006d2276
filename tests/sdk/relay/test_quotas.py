"""How much each patient and each client may ask for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from medrec_py.relay.quotas import SHARES_OF_SITE, Quota, client_shares


class Clock:
    time = 0.0

    def __call__(self) -> float:
        return self.time


def test_a_bucket_empties_and_fills_again() -> None:
    """So many at once, so many an hour; the wait that is named is enough."""
    clock = Clock()
    quota = Quota("test", burst=3, per_hour=3600, now=clock)
    assert [quota.take({"a": 1}) for _ in range(4)] == [0, 0, 0, 1.0]
    assert quota.take({"b": 3}) == 0
    assert quota.take({"b": 2}) == 2.0
    clock.time = 2.0
    assert quota.take({"b": 2}) == 0
    clock.time = 100.0
    assert quota.take({"b": 3}) == 0  # and never more than a full one


def test_several_buckets_or_none() -> None:
    """Where one has too few, none is touched."""
    quota = Quota("test", burst=2, per_hour=3600, now=Clock())
    assert quota.take({"a": 2}) == 0
    assert quota.take({"a": 1, "b": 2}) == 1.0
    assert quota.take({"b": 2}) == 0
    assert quota.take({"b": 1, "c": 3}) == float("inf")
    assert Quota("test", burst=1, per_hour=0, now=Clock()).take({"a": 2}) == float("inf")


def test_what_was_taken_before_counts_for_the_wait() -> None:
    """At the next attempt it will be taken again; and what never has room is told so."""
    quota = Quota("test", burst=5, per_hour=3600, now=Clock())
    assert quota.take({"a": 1}) == 0
    assert quota.take({"a": 4}, before=1) == 0
    assert quota.take({"a": 3}, before=1) == 4.0
    assert quota.take({"a": 5}, before=1) == float("inf")


def test_what_is_given_back() -> None:
    """Is there again, and never more than a full bucket."""
    quota = Quota("test", burst=3, per_hour=0.001, now=Clock())
    assert quota.take({"a": 2}) == 0
    quota.give_back({"a": 1, "unknown": 7})
    assert [quota.take({"a": 2}), quota.take({"a": 1}) > 0] == [0, True]
    quota.give_back({"a": 100})
    assert [quota.take({"a": 3}), quota.take({"a": 1}) > 0] == [0, True]


def test_memory_is_bounded() -> None:
    """The bucket that was asked for longest ago is forgotten."""
    quota = Quota("test", burst=1, per_hour=1, now=Clock(), max_buckets=10)
    for number in range(100):
        assert quota.take({str(number): 1}) == 0
    assert len(quota._buckets) == 10
    assert quota.take({"99": 1}) > 0
    assert quota.take({"0": 1}) == 0


def test_threads_never_take_more_than_there_is() -> None:
    """Whoever comes at once."""
    quota = Quota("test", burst=50, per_hour=0.001, now=Clock())
    with ThreadPoolExecutor(8) as pool:
        assert sum(wait == 0 for wait in pool.map(lambda _: quota.take({"a": 1}), range(200))) == 50


def test_what_a_client_is() -> None:
    """An address; of IPv6 what one subscriber has; who comes by a socket, and who hides, share one."""
    assert client_shares("192.0.2.7", 3) == client_shares("::ffff:192.0.2.7", 3) == {"192.0.2.7": 3}
    assert client_shares("2001:db8:1:2::1") == client_shares("2001:db8:1:2:ffff::9") != client_shares("2001:db8:1:3::1")
    assert client_shares(None) == client_shares("unknown") == client_shares("") == {"here": 1}


def test_a_site_full_of_addresses_is_no_crowd() -> None:
    """Whoever has a /48 has 65,536 subscribers' addresses, and gets what sixteen get; other sites get theirs."""
    quota = Quota("client", 4, 0.001)
    sent = [quota.take(client_shares(f"2001:db8:1:{number:x}::1")) for number in range(100)]
    assert sent.count(0.0) == 4 * SHARES_OF_SITE
    assert quota.take(client_shares("2001:db8:2::1")) == 0.0


def test_what_is_spent_and_waited_for() -> None:
    """A token each time, as far as there is one; whoever asks for the wait takes none."""
    clock = Clock()
    quota = Quota("test", burst=1, per_hour=3600, now=clock)
    assert quota.wait(["a", "b"]) == 0
    for _ in range(3):
        quota.spend(["a"])
    assert (quota.wait(["a", "b"]), quota.wait(["b"])) == (1.0, 0)
    clock.time = 1.0
    assert quota.wait(["a"]) == 0
    never = Quota("test", burst=1, per_hour=0, now=clock)
    never.spend(["a"])
    assert never.wait(["a"]) == float("inf")


def test_what_is_written_down() -> None:
    """Begins again where it was, of its own kind alone, and forgotten once it is full; a clock set back helps none."""
    clock = Clock()
    clock.time = 1000.0
    quota = Quota("one", burst=2, per_hour=3600, now=clock)
    quota.take({"a": 2, "b": 1})
    notes = quota.notes(["a", "b", "unknown"])
    assert set(notes) == {"quota/one/a", "quota/one/b"}
    again, other = (Quota(name, burst=2, per_hour=3600, now=clock) for name in ("one", "another"))
    for each in (again, other):
        each.restore(notes)
    assert (again.take({"a": 1}), other.take({"a": 2})) == (1.0, 0)
    assert (again.full(notes), other.full(notes)) == ({}, {})
    clock.time = 0.0
    assert again.take({"a": 1}) == 1.0
    clock.time = 1001.0
    assert again.full(notes) == {"quota/one/b": None}
    assert again.take({"a": 1}) == 0
