"""A relayer that keeps requests for access, over a chain in this process, and those who use it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import medrec_py as medrec
from medrec_py.chain.types import address_bytes
from medrec_py.crypto.letter import Recipient
from medrec_py.crypto.posting import Posting
from medrec_py.durable_queue import DurableQueue
from medrec_py.listening import Listener
from medrec_py.mail import Mail, Waiting
from medrec_py.network import Network
from medrec_py.relay import http
from medrec_py.relay.limits import Limits, MailLimits
from medrec_py.relay.mailbox import Mailbox
from medrec_py.relay.service import Relayer
from medrec_py.relayer import RelayerClient
from medrec_py.wallet import Wallet

MONTH, QUARTER = timedelta(days=30), timedelta(days=90)
PLENTY = MailLimits(requester_burst=1000, requester_per_hour=1000.0)


@dataclass
class PostRoom:
    """A running relayer with a mailbox.

    Attributes:
        net: With ether for everybody, and no courier.
        folder: Of queue and mailbox.
        limits: Of the mailbox.
        client: Its client.
        relayer: Without its HTTP.
    """

    net: Network
    folder: Path
    limits: MailLimits = PLENTY
    client: RelayerClient = field(init=False)
    relayer: Relayer = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack)

    def open(self) -> PostRoom:
        """Start it, or start it again."""
        self._stack.close()
        self._stack = stack = ExitStack()
        wallet = Wallet.create()
        self.net.chain.fund(wallet.address)  # type: ignore[attr-defined]
        queue = stack.enter_context(DurableQueue(self.folder / "queue"))
        self.mailbox = stack.enter_context(Mailbox(self.folder / "mail"))
        many = Limits(client_burst=10_000, patient_burst=10_000, linger_seconds=0.0)
        self.relayer = Relayer(
            self.net.contract, wallet, queue, None, many, mailbox=self.mailbox, mail_limits=self.limits
        )
        stack.enter_context(self.relayer)
        listener = stack.enter_context(Listener(http.application(self.relayer), "127.0.0.1:0", service="relayer"))
        self.url = listener.address
        self.client = stack.enter_context(RelayerClient(listener.address))
        return self

    def close(self) -> None:
        self._stack.close()

    def network(self, mail: Mail | None = None, *, ether: bool = True) -> Network:
        """The same deployment and store, for people who know the relayer.

        Args:
            mail: In place of the relayer's client.
            ether: Accounts have some; else the relayer carries their decisions.
        """
        net = self.net
        courier = None if ether else self.client
        fund = net._fund if ether else None
        return Network(net.chain, net.contract, net.store, fund=fund, courier=courier, mail=mail or self.client)


@dataclass(frozen=True)
class Guests:
    """A patient without ether, an accredited hospital with a doctor as its agent, and where they post.

    Attributes:
        room: The relayer.
        alice: A patient with two compartments.
        hospital: Accredited, with a name.
        doctor: Its agent, accredited as well.
    """

    room: PostRoom
    alice: medrec.Patient
    hospital: medrec.Organisation
    doctor: medrec.Practitioner

    def ask(self, **changes: Any) -> medrec.Asked:
        """The doctor asks alice for the hospital, to read, unless told otherwise."""
        usual: dict[str, Any] = {
            "read": True,
            "what": "the echo of the heart",
            "why": "an operation",
            "expires": QUARTER,
            "on_behalf_of": self.hospital,
        }
        return self.doctor.ask(changes.pop("patient", self.alice), **{**usual, **changes})

    def alice_through(self, mail: Mail) -> medrec.Patient:
        """Alice, whose relayer is another."""
        return self.room.network(mail).patient(self.alice._wallet)

    def doctor_through(self, mail: Mail) -> medrec.Practitioner:
        """The doctor, whose relayer is another."""
        return self.room.network(mail).practitioner(self.doctor._wallet, publish=False)


def invite(room: PostRoom) -> Guests:
    """Make the actors, everybody registered and nothing granted."""
    net = room.network()
    hospital = net.organisation(medrec.Wallet.create(), name="St Mary's")
    doctor = net.practitioner(medrec.Wallet.create(), name="Dr Grey")
    room.net.registrar().accredit(hospital, doctor)
    hospital.add_agent(doctor)
    alice = room.network(ether=False).patient(medrec.Wallet.create()).register(["general", "psychiatry"])
    return Guests(room, alice, hospital, doctor)


@contextmanager
def post_room(folder: Path, net: Network, limits: MailLimits = PLENTY) -> Iterator[PostRoom]:
    """A relayer that runs."""
    room = PostRoom(net, folder, limits).open()
    try:
        yield room
    finally:
        room.close()


class Hostile:
    """A relayer that may do whatever a relayer can.

    Attributes:
        honest: Whose mail it has.
    """

    def __init__(self, honest: Mail) -> None:
        self.honest = honest

    def post(self, posting: Posting[Any]) -> None:
        self.honest.post(posting)

    def waiting_for(self, patient: str) -> Sequence[Waiting]:
        return self.honest.waiting_for(patient)

    def answer_to(self, request: bytes) -> bytes | None:
        return self.honest.answer_to(request)


def inbox_of(guests: Guests, patient: medrec.Patient | None = None) -> Recipient:
    """Where letters to a patient are sealed to."""
    ledger, place = guests.doctor._ledger, (patient or guests.alice)._place
    suite, inbox = ledger.consent((patient or guests.alice).id).keyrings.inbox()
    return Recipient(ledger.deployment, place.patient, inbox.number, suite, inbox.public_key)


def key_of(doctor: medrec.Provider) -> Recipient:
    """What answers to a provider are sealed to."""
    ledger, account = doctor._ledger, address_bytes(doctor.address)
    profile = ledger.profile(doctor.address)
    return Recipient(ledger.deployment, account, profile.number, profile.suite, profile.public_key)
