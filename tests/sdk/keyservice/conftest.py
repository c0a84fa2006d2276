"""A hospital whose key is in a service of its own, on a real socket, over a chain in this process."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.types import address_bytes
from medrec_py.crypto.keys import KemSeed
from medrec_py.crypto.suites import CURRENT
from medrec_py.crypto.typed_data import sign
from medrec_py.keymodule import KeySession
from medrec_py.keyservice import request as requests
from medrec_py.keyservice.account import Line, Reading
from medrec_py.keyservice.client import PATH
from medrec_py.keyservice.request import Request, What
from medrec_py.keyservice.server import Server
from medrec_py.keyservice.service import KeyService
from medrec_py.keyservice.transport import Reply, Transport
from medrec_py.purposes import Purpose
from tests.sdk.people import People, meet

PIN = "the hospital's PIN"


@dataclass
class House:
    """The hospital with its service, and what its agents have of it.

    Attributes:
        people: Alice, the hospital, its doctor.
        module: The hospital's keys, logged in to.
        service: That is listening.
        account: Its file.
        address: Of its socket.
    """

    people: People
    module: KeySession
    service: KeyService
    account: Path
    address: str
    stack: ExitStack = field(repr=False)

    def client(self, wallet: medrec.Signer | None = None, principal: str | None = None) -> medrec.KeyServiceClient:
        """The service as an agent has it: the doctor unless told otherwise."""
        of = principal or self.people.hospital.address
        client = medrec.KeyServiceClient(self.address, wallet or self.people.doctor._wallet, of)
        self.stack.callback(client.close)
        return client

    def chart(self, wallet: medrec.Signer | None = None, purpose: str = "TREAT") -> medrec.Chart:
        """Alice's record, as an agent of the hospital's has it who has none of its keys."""
        wallet = wallet or self.people.doctor._wallet
        mandate = self.people.net.mandate(wallet, self.people.hospital, self.client(wallet))
        return mandate.chart(self.people.alice, purpose)

    def ask(self, asked: Request, wallet: medrec.Signer | None = None, **altered: object) -> Reply:
        """Send a request as it is, signed, with members altered afterwards."""
        signer = wallet or self.people.doctor._wallet
        return self.send(requests.encode(alter(asked, altered), signature(asked, signer)))

    def send(self, body: bytes) -> Reply:
        """Send any bytes."""
        transport = Transport(self.address, 20)
        try:
            return transport.post(PATH, body, 1 << 20)
        finally:
            transport.close()

    def request(self, number: int, **members: object) -> Request:
        """The doctor's request for a record of alice's, of this moment."""
        return alter(self._request(number), members)

    def lines(self) -> list[Line]:
        """What the account says."""
        return list(Reading(self.account))

    def _request(self, number: int) -> Request:
        people = self.people
        ledger = people.alice._ledger
        entry = ledger.history(people.alice.id).record(number)
        return Request(
            what=What.DATA_KEY,
            place=ledger.place(people.alice.id),
            agent=address_bytes(people.doctor.address),
            principal=address_bytes(people.hospital.address),
            entry=number,
            pointer=entry.pointer,
            purpose=Purpose.TREAT,
            suite=CURRENT,
            recipient=CURRENT.public_key(KemSeed.generate()),
            time=int(time.time()),
            nonce=secrets.token_bytes(32),
        )


def alter(asked: Request, members: dict[str, object]) -> Request:
    """A request with other members."""
    return replace(asked, **members)  # type: ignore[arg-type]


def signature(asked: Request, wallet: medrec.Signer) -> bytes:
    """A wallet's signature of a request."""
    return sign(wallet.sign_typed_data, address_bytes(wallet.address), asked.typed_data(), asked.digest)


@pytest.fixture(scope="module")
def net() -> Iterator[medrec.Network]:
    with medrec.local() as network:
        yield network


Opening = Callable[..., House]


@pytest.fixture
def open_house(net: medrec.Network, tmp_path: Path) -> Iterator[Opening]:
    """Opens houses, and closes them."""
    with ExitStack() as stack:
        yield lambda **changes: _open(net, tmp_path, stack, **changes)


@pytest.fixture
def house(open_house: Opening) -> House:
    """A hospital whose key is in a file that its service has opened; the doctor is its agent, and alice has granted it
    reading and appending in general."""
    opened = open_house()
    opened.people.grant()
    return opened


def _open(net: medrec.Network, folder: Path, stack: ExitStack) -> House:
    people = meet(net)
    file = key_file(people, folder / "keys.json")
    people.hospital.publish_key(file.newest.number, file.newest.octets, "St Mary's")
    module = file.login(PIN)
    service = net.key_service(people.hospital, module, folder / "account.jsonl")
    stack.callback(service.close)
    server = stack.enter_context(Server(service.handle, f"unix:{folder}/keys.sock"))
    return House(people, module, service, folder / "account.jsonl", server.address, stack)


def key_file(people: People, path: Path) -> medrec.KeyFile:
    """A file with a new key of the hospital's."""
    deployment = people.alice._ledger.deployment
    seeds = {(CURRENT.number, 2): KemSeed.generate()}
    return medrec.KeyFile.create(path, deployment, address_bytes(people.hospital.address), seeds, PIN, light=True)
