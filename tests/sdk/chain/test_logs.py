"""Events over a range of blocks, from nodes that limit what may be asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from medrec_py.chain import logs
from medrec_py.chain.connection import NodeError, RateLimited
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.events import AuthorityAccepted, Event, Logged, ProfilePublished
from medrec_py.chain.local import LocalChain
from medrec_py.chain.logs import fetch_logs
from medrec_py.errors import ChainUnavailable, IntegrityError, InvalidInput

from .conftest import World, settle
from .nodes import Node, Refusal, in_turn, refusing

BLOCKS = 60


@pytest.fixture(scope="module")
def written() -> World:
    """A chain of many blocks, a log in every one of the last `BLOCKS`. Tests read it alone."""
    world = settle(LocalChain())
    for number in range(BLOCKS):
        world.contract.send(world.alice, world.contract.publish_profile(bytes([number]) * 32), gas=100_000)
    return world


def through(world: World, answer: Callable[..., Any] | None = None) -> tuple[MedRecContract, Node]:
    """The contract, seen through a node that answers eth_getLogs so."""
    node = Node(world.chain, {"eth_getLogs": answer} if answer else {})
    return MedRecContract(node.chain(), world.contract.address), node


def whole(world: World, **options: Any) -> list[Logged[Event]]:
    """All logs, straight from the chain."""
    return list(fetch_logs(world.contract, from_block=0, **options))


def ranges(node: Node) -> list[tuple[int, int]]:
    """What was asked of a node, as first and last block."""
    queries = (params[0] for method, params in node.asked if method == "eth_getLogs")
    return [(int(query["fromBlock"], 16), int(query["toBlock"], 16)) for query in queries]


LIMITS = {
    "Infura": "query returned more than 10000 results. Try with this block range",
    "Alchemy": "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range",
    "QuickNode": "eth_getLogs is limited to a 10,000 range",
    "geth": "query timeout exceeded",
    "Erigon": "block range is too wide",
    "Besu": "Requested range exceeds maximum RPC range limit",
    "something new": "no",
}


@pytest.mark.parametrize("words", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("most", [1, 7, 1000])
def test_a_limit_of_blocks(written: World, words: str, most: int) -> None:
    """A node that takes so many blocks at once, whatever it says beyond, still gives every log once, in order."""

    def limited(query: Any) -> Any:
        if int(query["toBlock"], 16) - int(query["fromBlock"], 16) >= most:
            raise Refusal(words, -32005)
        return written.chain.request("eth_getLogs", query)

    contract, _ = through(written, limited)
    assert list(fetch_logs(contract, from_block=0)) == whole(written)


@pytest.mark.parametrize("most", [1, 10])
def test_a_limit_of_results(written: World, most: int) -> None:
    """A node that gives so many results at once still gives every log once."""

    def limited(query: Any) -> Any:
        found = written.chain.request("eth_getLogs", query)
        if len(found) > most:
            raise Refusal("query returned more than 10000 results", -32005)
        return found

    contract, _ = through(written, limited)
    assert list(fetch_logs(contract, from_block=0)) == whole(written)


@pytest.mark.parametrize("trouble", [requests.Timeout(), 413, 500])
def test_a_limit_that_shows_as_a_failure(written: World, trouble: Any) -> None:
    """Too large an answer may show as a timeout or as a status of HTTP: less is asked for then too."""
    if isinstance(trouble, int):
        response = requests.Response()
        response.status_code = trouble
        trouble = requests.HTTPError(response=response)

    def limited(query: Any) -> Any:
        if int(query["toBlock"], 16) - int(query["fromBlock"], 16) >= 16:
            raise trouble
        return written.chain.request("eth_getLogs", query)

    contract, _ = through(written, limited)
    assert list(fetch_logs(contract, from_block=0)) == whole(written)


def test_windows_cover_the_range_once(written: World) -> None:
    """What is accepted is exactly the range, without gap or overlap, and few requests are refused on the way."""
    granted: list[tuple[int, int]] = []

    def limited(query: Any) -> Any:
        first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
        if last - first >= 5:
            raise Refusal("block range is too wide")
        granted.append((first, last))
        return written.chain.request("eth_getLogs", query)

    contract, node = through(written, limited)
    end = written.chain.block_number()
    list(fetch_logs(contract, from_block=3))
    assert [block for first, last in granted for block in range(first, last + 1)] == list(range(3, end + 1))
    assert len(ranges(node)) - len(granted) < 10


def test_a_dense_stretch_does_not_slow_down_the_rest(written: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a stretch that had to be read in small windows they grow again."""
    monkeypatch.setattr(logs, "_FORGET_AFTER", 4)

    def dense(query: Any) -> Any:
        first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
        if first < 20 and last > first:
            raise Refusal("query returned more than 10000 results")
        return written.chain.request("eth_getLogs", query)

    contract, node = through(written, dense)
    assert list(fetch_logs(contract, from_block=0)) == whole(written)
    assert max(last - first for first, last in ranges(node) if first >= 20) >= 7


def test_memory_is_bounded(written: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs are read as they are asked for, a window at a time, and where a window brings many the next is narrower."""
    window = logs._Window(size=16)
    monkeypatch.setattr(logs, "_Window", lambda: window)
    monkeypatch.setattr(logs, "RESULTS_WANTED", 4)
    contract, node = through(written)
    end = written.chain.block_number()
    found = fetch_logs(contract, from_block=end - BLOCKS + 1)
    assert node.count("eth_getLogs") == 0
    next(found)
    assert node.count("eth_getLogs") == 1
    rest = list(found)
    assert len(rest) == BLOCKS - 1
    widths = [last - first + 1 for first, last in ranges(node)]
    assert widths[0] == 16
    assert widths[1] == 4


def test_too_many_requests_are_waited_out(written: World) -> None:
    """A node that wants fewer requests is asked for the same window again, after pauses that grow."""
    waited: list[float] = []
    answer = in_turn(
        *[Refusal("rate limit exceeded", 429)] * 3, lambda query: written.chain.request("eth_getLogs", query)
    )
    contract, node = through(written, answer)
    assert list(fetch_logs(contract, from_block=0, pause=waited.append)) == whole(written)
    assert waited == [0.25, 0.5, 1.0]
    assert len(set(ranges(node))) == 1


def test_waiting_has_an_end(written: World) -> None:
    """A node that never gives way is given up."""
    waited: list[float] = []
    contract, _ = through(written, refusing("too many requests"))
    with pytest.raises(RateLimited):
        list(fetch_logs(contract, from_block=0, pause=waited.append))
    assert len(waited) == 8
    assert max(waited) == 15.0


def test_a_block_that_cannot_be_had(written: World) -> None:
    """A node that refuses a single block is an error, with the node's words; no log is passed over in silence."""

    def broken(query: Any) -> Any:
        if int(query["fromBlock"], 16) <= 30 <= int(query["toBlock"], 16):
            raise Refusal("missing trie node")
        return written.chain.request("eth_getLogs", query)

    contract, node = through(written, broken)
    found = []
    with pytest.raises(NodeError, match="missing trie node"):
        found.extend(fetch_logs(contract, from_block=0))
    assert ranges(node)[-1] == (30, 30)


def test_an_unreachable_node_is_not_asked_for_less(written: World) -> None:
    """Where nobody answers, halving would only take time."""
    contract, node = through(written, in_turn(requests.ConnectionError()))
    with pytest.raises(ChainUnavailable):
        list(fetch_logs(contract, from_block=0))
    assert node.count("eth_getLogs") == 1


def test_progress_is_reported(written: World) -> None:
    """After each window the blocks read and the blocks to read are told, up to the end."""
    told: list[tuple[int, int]] = []

    def limited(query: Any) -> Any:
        if int(query["toBlock"], 16) - int(query["fromBlock"], 16) >= 16:
            raise Refusal("block range is too wide")
        return written.chain.request("eth_getLogs", query)

    contract, _ = through(written, limited)
    list(fetch_logs(contract, from_block=0, progress=lambda done, all_: told.append((done, all_))))
    total = written.chain.block_number() + 1
    assert told == sorted(told)
    assert len(told) > 3
    assert told[-1] == (total, total)


def test_logs_come_in_order(written: World) -> None:
    """Sorted by block and place in it, even where the node gives them otherwise."""
    contract, _ = through(written, lambda query: list(reversed(written.chain.request("eth_getLogs", query))))
    assert list(fetch_logs(contract, from_block=0)) == whole(written)


def test_ranges(written: World) -> None:
    """The ends belong to the range; nothing is asked of a range that has not begun; a negative block is none."""
    end = written.chain.block_number()
    blocks = {log.block for log in fetch_logs(written.contract, from_block=end - 9, to_block=end - 5)}
    assert blocks == set(range(end - 9, end - 4))
    contract, node = through(written)
    assert list(fetch_logs(contract, from_block=end + 1)) == []
    assert node.count("eth_getLogs") == 0
    with pytest.raises(InvalidInput):
        list(fetch_logs(contract, from_block=-1))


FORGERIES: dict[str, dict[str, Any]] = {
    "another contract": {"address": "0x" + "66" * 20},
    "a block outside": {"blockNumber": "0x1"},
    "another event": {"topics": ["0x" + "ab" * 32]},
    "no topics": {"topics": []},
    "cut data": {"data": "0x00"},
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES)
def test_what_was_not_asked_for_is_an_error(written: World, change: dict[str, Any]) -> None:
    """A node that slips in a log of another contract, of another block, or that cannot be, is found out."""

    def forged(query: Any) -> Any:
        found = [dict(log) for log in written.chain.request("eth_getLogs", query)]
        found[-1].update(change)
        return found

    contract, _ = through(written, forged)
    with pytest.raises(IntegrityError):
        list(fetch_logs(contract, from_block=5))


def test_logs_that_do_not_match_the_filter_are_an_error(written: World) -> None:
    """A node that ignores the filter, so that another patient's events would come in, is found out."""

    def unfiltered(query: Any) -> Any:
        return written.chain.request("eth_getLogs", {**query, "topics": []})

    contract, _ = through(written, unfiltered)
    with pytest.raises(IntegrityError, match="not asked for"):
        list(fetch_logs(contract, [AuthorityAccepted], from_block=0))
    with pytest.raises(IntegrityError, match="not asked for"):
        list(fetch_logs(contract, from_block=0, account=written.stranger.address))


def test_removed_logs_are_passed_on(written: World) -> None:
    """Should a node mark logs as removed, they are not dropped in silence: the caller sees the mark."""

    def removed(query: Any) -> Any:
        return [{**log, "removed": True} for log in written.chain.request("eth_getLogs", query)]

    contract, _ = through(written, removed)
    found = list(fetch_logs(contract, [ProfilePublished], from_block=0))
    assert len(found) == BLOCKS
    assert all(log.removed for log in found)


def test_several_addresses_are_asked_for_at_once(written: World) -> None:
    """A field may be one of several addresses, and nothing of anybody else comes."""
    alice, stranger = written.alice.address, written.stranger.address
    found = list(fetch_logs(written.contract, [ProfilePublished], from_block=0, account=[stranger, alice]))
    assert found == list(fetch_logs(written.contract, [ProfilePublished], from_block=0, account=alice))
    assert len(found) == BLOCKS
    assert list(fetch_logs(written.contract, [ProfilePublished], from_block=0, account=[stranger])) == []
