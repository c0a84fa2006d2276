"""Connecting to a deployment: what was opened is closed again, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from web3 import HTTPProvider, Web3

import medrec_py as medrec
from medrec_py.chain.contract import MedRecContract
from medrec_py.cli.options import Given
from medrec_py.cli.output import Output
from medrec_py.cli.session import Session
from medrec_py.errors import MedRecError, NotDeployed, WrongChain
from tests.support.hostile import Server, serving
from tests.support.rpc import in_front_of

NOTHING_THERE = "0x" + "11" * 20


@pytest.fixture(scope="module")
def deployed() -> Iterator[MedRecContract]:
    """MedRec on a chain in this process."""
    with medrec.local() as net:
        yield net.contract


@pytest.fixture
def node(deployed: MedRecContract) -> Iterator[Server]:
    """A node of that chain."""
    with serving(in_front_of(deployed.chain)) as server:
        yield server


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> dict[int, bool]:
    """The HTTP sessions that were opened, and whether each was closed."""
    closed: dict[int, bool] = {}
    opening, closing = requests.Session.__init__, requests.Session.close

    def opened(self: requests.Session) -> None:
        closed[id(self)] = False
        opening(self)

    def close(self: requests.Session) -> None:
        closed[id(self)] = True
        closing(self)

    monkeypatch.setattr(requests.Session, "__init__", opened)
    monkeypatch.setattr(requests.Session, "close", close)
    return closed


def test_a_network_closes_its_connection(
    node: Server, deployed: MedRecContract, sessions: dict[int, bool], tmp_path: Path
) -> None:
    """The connection to the node is open as long as the network is."""
    with medrec.connect(node.url, contract=deployed.address, store=tmp_path) as net:
        assert list(sessions.values()) == [False]
        assert net.address == deployed.address
    assert list(sessions.values()) == [True]
    net.close()


@pytest.mark.parametrize("trouble", [NotDeployed, WrongChain, MedRecError])
def test_connecting_in_vain_leaves_nothing_open(
    node: Server, deployed: MedRecContract, sessions: dict[int, bool], tmp_path: Path, trouble: type[MedRecError]
) -> None:
    """No MedRec at the address, another chain, or a store that cannot be used."""
    address = NOTHING_THERE if trouble is NotDeployed else deployed.address
    store = "ftp://nowhere" if trouble is MedRecError else tmp_path
    with pytest.raises(trouble):
        medrec.connect(node.url, contract=address, store=store, chain_id=1 if trouble is WrongChain else None)
    assert list(sessions.values()) == [True]


def test_a_callers_own_connection_stays_open(
    node: Server, deployed: MedRecContract, sessions: dict[int, bool], tmp_path: Path
) -> None:
    """It is the caller's to close."""
    with requests.Session() as own:
        w3 = Web3(HTTPProvider(node.url, session=own))
        with medrec.connect(w3=w3, contract=deployed.address, store=tmp_path):
            pass
        assert list(sessions.values()) == [False]


def test_a_command_closes_its_connection(node: Server, sessions: dict[int, bool], tmp_path: Path) -> None:
    """Also one that needs the chain alone."""
    session = Session(Given(chain=node.url, home=tmp_path), Output(True), {})
    assert session.chain.chain_id
    session.close()
    assert list(sessions.values()) == [True]
