"""A hospital whose key is in a service of its own, on a real socket, over a chain in this process."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.nonces import Nonces
from medrec_py.chain.types import address_bytes
from medrec_py.consent import Consent
from medrec_py.crypto.envelope import UnverifiedEnvelope
from medrec_py.crypto.keys import KemSeed
from medrec_py.crypto.suites import FIRST_SUITE, by_number
from medrec_py.crypto.typed_data import sign
from medrec_py.errors import KeyServiceUnavailable
from medrec_py.keymodule import KeySession
from medrec_py.keyservice import request as requests
from medrec_py.keyservice.account import Line, Reading
from medrec_py.keyservice.client import PATH
from medrec_py.keyservice.request import Request, What
from medrec_py.keyservice.server import Server
from medrec_py.keyservice.service import KeyService
from medrec_py.purposes import Purpose
from medrec_py.transport import Reply, Transport
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
        server: That listens for it.
    """

    people: People
    module: KeySession
    service: KeyService
    account: Path
    server: Server
    stack: ExitStack = field(repr=False)

    @property
    def address(self) -> str:
        """Of its socket."""
        return self.server.address

    def restart(self, module: KeySession | None = None) -> None:
        """Stop the service, and begin anew with the same account."""
        self.server.stop()
        self.service.close()
        self.module = module or self.module
        self.service = self.people.net.key_service(self.people.hospital, self.module, self.account)
        self.stack.callback(self.service.close)
        self.server = self.stack.enter_context(Server(self.service.handle, self.address))

    def whole(self, number: int) -> tuple[Consent, UnverifiedEnvelope, int]:
        """What a chart gives an unsealer of a record, but for the purpose."""
        ledger = self.people.alice._ledger
        history = ledger.history(self.people.alice.id)
        envelope = self.people.alice.chart().envelope(history, history.record(number))
        return ledger.consent(self.people.alice.id), envelope, number

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
        transport = Transport(self.address, 20, "key service", KeyServiceUnavailable)
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
            suite=by_number(FIRST_SUITE),
            recipient=by_number(FIRST_SUITE).public_key(KemSeed.generate()),
            time=int(time.time()),
            nonce=secrets.token_bytes(32),
        )


def alter(asked: Request, members: dict[str, object]) -> Request:
    """A request with other members."""
    return replace(asked, **members)  # type: ignore[arg-type]


def signature(asked: Request, wallet: medrec.Signer) -> bytes:
    """A wallet's signature of a request."""
    return sign(wallet.sign_typed_data, address_bytes(wallet.address), asked.typed_data(), asked.digest)


@dataclass(frozen=True)
class Stage:
    """What every house begins with.

    Attributes:
        people: Alice, the hospital, its doctor. Nothing is granted.
        file: The hospital's key, published.
    """

    people: People
    file: medrec.KeyFile


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A network with its people, and a hospital whose published key is in a file and nowhere else."""
    with medrec.local() as net:
        people = meet(net)
        file = key_file(people, tmp_path_factory.mktemp("module") / "keys.json")
        people.hospital.publish_key(file.newest(FIRST_SUITE).number, file.newest(FIRST_SUITE).octets, "St Mary's")
        yield Stage(people, file)


@pytest.fixture
def empty_house(stage: Stage, tmp_path: Path) -> Iterator[House]:
    """A hospital whose key is in a file that its service has opened; the doctor is its agent. Nothing is granted.

    Afterwards the chain is set back, and its clock to the machine's.
    """
    chain = stage.people.net.chain
    snapshot = chain.request("evm_snapshot")
    with ExitStack() as stack:
        path = Path(shutil.copy(stage.file.path, tmp_path))
        module = medrec.KeyFile.read(path).login(PIN)
        service = stage.people.net.key_service(stage.people.hospital, module, tmp_path / "account.jsonl")
        stack.callback(service.close)
        server = stack.enter_context(Server(service.handle, f"unix:{tmp_path}/keys.sock"))
        house = House(stage.people, module, service, tmp_path / "account.jsonl", server, stack)
        yield house
    chain._provider.set_clock(int(time.time()))  # type: ignore[attr-defined]
    chain.request("evm_revert", snapshot)
    chain.nonces = Nonces()


@pytest.fixture
def house(empty_house: House) -> House:
    """The same, and alice has granted the hospital reading and appending in general."""
    empty_house.people.grant()
    return empty_house


def key_file(people: People, path: Path) -> medrec.KeyFile:
    """A file with a new key of the hospital's."""
    deployment = people.net.deployment
    seeds = {(FIRST_SUITE, 2): KemSeed.generate()}
    return medrec.KeyFile.create(path, deployment, address_bytes(people.hospital.address), seeds, PIN, light=True)
