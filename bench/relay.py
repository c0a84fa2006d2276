"""Grants through a relayer: ``bench/relay.json``, name → number.

    python -m bench.relay              # measure and write
    python -m bench.relay --grants 100 # a shorter run, which writes nothing

A thousand patients without ether have each signed a grant. A hundred clients send them at once to one relayer, a
process of its own, with Anvil as its node, which is killed with signal 9 in the middle, loses what it mined since it
wrote its state last, and is started again. Then the chain is asked: each permission must have been given exactly once.

Times are those of one machine, node, relayer and clients together on it. A bar that is missed is printed, no failure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from medrec_py.chain.connection import Chain
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import deploy
from medrec_py.chain.events import PermissionGranted
from medrec_py.chain.logs import fetch_logs
from medrec_py.chain.transactions import Call, send
from medrec_py.chain.types import address_bytes
from medrec_py.crypto.decisions import Grant, Register
from medrec_py.crypto.keys import Place
from medrec_py.crypto.signed_decisions import Bundle, SignedDecision
from medrec_py.errors import MedRecError
from medrec_py.wallet import Wallet
from scripts.devchain import KillableAnvil

FIGURES = Path(__file__).parent / "relay.json"
GRANTS, CLIENTS = 1000, 100
AT_LEAST = {"grants_per_s": 50}
AT_MOST = {"lost": 0, "doubled": 0}
PHRASE = "test test test test test test test test test test test junk"  # Anvil's own accounts
PASSPHRASE = "bench"  # noqa: S105 - of an account on a chain that ends with the run
PATIENCE = 300.0
CONFIRMATIONS = 200
"""More blocks than the node loses when it is killed: on Anvil each transaction is one."""

_POLL_FIRST, _POLL_LONGEST = 0.3, 1.0


@dataclass(frozen=True, slots=True)
class Site:
    """MedRec with patients.

    Attributes:
        contract: MedRec.
        patients: Registered, without ether.
        clinic: Whom they grant.
        payer: The relayer's account.
    """

    contract: MedRecContract
    patients: Sequence[Wallet]
    clinic: Wallet
    payer: Wallet


@dataclass(slots=True)
class Tally:
    """What the clients saw.

    Attributes:
        seconds: From sending a grant first to hearing that it is done, of each.
        done: How many are.
    """

    seconds: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    half: threading.Event = field(default_factory=threading.Event)

    def add(self, taken: float, half: int) -> None:
        """One more grant is done."""
        with self.lock:
            self.seconds.append(taken)
            if len(self.seconds) >= half:
                self.half.set()


def settle(chain: Chain, patients: int) -> Site:
    """Deploy MedRec, fund the relayer, and register patients by their signatures."""
    rich = Wallet.from_phrase(PHRASE)
    contract = MedRecContract(chain, deploy(chain, rich).address)
    payer = Wallet.create()
    send(chain, rich, Call(payer.address, b"", "fund", 100 * 10**18))
    people = [Wallet.from_key(os.urandom(32)) for _ in range(patients)]
    deadline = chain.now() + 86_400
    calls = []
    for person in people:
        register = Register(_place(contract, person), address_bytes(person.address), deadline)
        calls.append(contract.register_signed(register, person.sign_typed_data(register.typed_data())))
    for first in range(0, patients, 20):
        contract.send(rich, contract.relay(calls[first : first + 20]), gas=15_000_000)
    return Site(contract, people, Wallet.from_key(os.urandom(32)), payer)


def bundles(site: Site) -> list[bytes]:
    """A grant of each patient, signed, as it is sent."""
    now = site.contract.chain.now()
    clinic = address_bytes(site.clinic.address)
    made = []
    for person in site.patients:
        grant = Grant(
            _place(site.contract, person),
            signer=address_bytes(person.address),
            grantee=clinic,
            read=1,
            append=1,
            not_before=0,
            expiry=now + 30 * 86_400,
            purposes=1,
            flags=0,
            seal=os.urandom(32),
            version=1,
            deadline=now + 3600,
        )
        signed = SignedDecision(grant, (person.sign_typed_data(grant.typed_data()),))
        made.append(Bundle((signed,)).to_json())
    return made


class Clients:
    """Many clients of one relayer."""

    def __init__(self, url: str, clients: int) -> None:
        self._pool = urllib3.connection_from_url(url, maxsize=clients, block=False)
        self.tally = Tally()

    def send(self, body: bytes, half: int) -> None:
        """Have a grant carried out, however often it has to be asked."""
        began = time.perf_counter()
        bundle: str | None = None
        pause = _POLL_FIRST
        while time.perf_counter() - began < PATIENCE:
            try:
                if bundle is None:
                    bundle = self._ask("POST", "/v1/bundles", body).get("id")
                elif self._ask("GET", f"/v1/bundles/{bundle}").get("state") == "done":
                    self.tally.add(time.perf_counter() - began, half)
                    return
            except (urllib3.exceptions.HTTPError, OSError):
                pass
            time.sleep(pause)
            pause = min(pause * 1.5, _POLL_LONGEST)
        raise RuntimeError("a grant was not done in time")

    def _ask(self, method: str, path: str, body: bytes | None = None) -> dict[str, str]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        answer = self._pool.urlopen(method, path, body=body, headers=headers, retries=False, timeout=30)
        document: dict[str, str] = json.loads(answer.data)
        if answer.status >= 500:
            return {}
        if answer.status >= 400:
            raise RuntimeError(f"refused: {document}")
        return document


def relayer(site: Site, url: str, folder: Path, stack: ExitStack) -> str:
    """Start a relayer in a process of its own, and wait until it says where it listens."""
    (folder / "payer.json").write_text(json.dumps(site.payer.to_keystore(PASSPHRASE, light=True)))
    options = f"--listen 127.0.0.1:0 --keystore {folder}/payer.json --no-blocks --per-client 1000000"
    options += f" --confirmations {CONFIRMATIONS} --home {folder}"
    log = stack.enter_context((folder / "relayer.log").open("wb"))
    process = subprocess.Popen(
        [sys.executable, "-m", "medrec_py.cli", "relay", "serve", "--json", *options.split()],
        env={
            **os.environ,
            "MEDREC_CHAIN": url,
            "MEDREC_CONTRACT": site.contract.address,
            "MEDREC_PASSPHRASE": PASSPHRASE,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    stack.callback(_end, process)
    assert process.stdout is not None
    document = ""
    for line in process.stdout:
        document += line
        if line == "}\n":
            break
    address: str = json.loads(document)["address"]
    return address


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=60)


def measure(grants: int, folder: Path) -> dict[str, float]:
    """The figures of one run."""
    with ExitStack() as stack:
        node = stack.enter_context(KillableAnvil(folder))
        chain = stack.enter_context(Chain.connect(node.url))
        site = settle(chain, grants)
        bodies = bundles(site)
        node.wait_for_state()
        address = relayer(site, node.url, folder, stack)
        clients = Clients(address, CLIENTS)
        began = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            sent = [pool.submit(clients.send, body, grants // 2) for body in bodies]
            clients.tally.half.wait(PATIENCE)
            reached = _move_on(node, chain)
            node.kill()
            killed = time.perf_counter()
            node.start()
            gone = reached - chain.block_number()
            back = time.perf_counter() - killed
            for one in sent:
                one.result()
        taken = time.perf_counter() - began
        _wait_until_nothing_waits(address)
        seconds = sorted(clients.tally.seconds)
        return {
            "grants": grants,
            "clients": CLIENTS,
            "grants_per_s": grants / taken,
            "p50_s": seconds[len(seconds) // 2],
            "p99_s": seconds[len(seconds) * 99 // 100],
            "node_away_s": back,
            "blocks_gone": gone,
            **count(site),
        }


def _move_on(node: KillableAnvil, chain: Chain) -> int:
    """Wait until the node has written its state and mined two more blocks, which go with it. Returns the latest."""
    node.wait_for_state()
    written = reached = chain.block_number()
    deadline = time.monotonic() + 2
    while reached < written + 2 and time.monotonic() < deadline:
        reached = chain.block_number()
    return reached


def count(site: Site) -> dict[str, int]:
    """What stands on the chain."""
    logs = fetch_logs(site.contract, [PermissionGranted], from_block=0)
    events = Counter(log.event.patient for log in logs if isinstance(log.event, PermissionGranted))
    versions = {
        person.address: site.contract.permission_of(person.address, site.clinic.address).version
        for person in site.patients
    }
    return {
        "lost": sum(versions[person] == 0 or events[person] == 0 for person in versions),
        "doubled": sum(versions[person] > 1 or events[person] > 1 for person in versions),
    }


def _wait_until_nothing_waits(address: str) -> None:
    """What the node lost after a client had heard of it is sent again: that, too, has to be there in the end."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        health = json.loads(urllib3.request("GET", f"{address}/health", timeout=30).data)
        if health["ok"] and health["queue"] == 0 and health["inFlight"] == 0:
            return
        time.sleep(0.1)
    raise RuntimeError("the relayer does not come to an end")


def _place(contract: MedRecContract, person: Wallet) -> Place:
    return Place(contract.chain.chain_id, address_bytes(contract.address), address_bytes(person.address))


def missed(figures: dict[str, float]) -> list[str]:
    """The figures that miss their bars."""
    slow = [
        f"{name} is {figures[name]:g}, bar: at least {bar}" for name, bar in AT_LEAST.items() if figures[name] < bar
    ]
    return slow + [f"{name} is {figures[name]:g}, bar: {bar}" for name, bar in AT_MOST.items() if figures[name] > bar]


def main() -> int:
    """Measure, print, and write; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grants", type=int, default=GRANTS, help="how many; other than usual, nothing is written")
    grants = parser.parse_args().grants
    with tempfile.TemporaryDirectory() as folder:
        try:
            figures = measure(grants, Path(folder))
        except (MedRecError, RuntimeError):
            log = Path(folder) / "relayer.log"
            print(log.read_text()[-4000:] if log.exists() else "", file=sys.stderr)
            raise
    rounded = {name: value if isinstance(value, int) else float(f"{value:.4g}") for name, value in figures.items()}
    for name, value in rounded.items():
        print(f"{name:16} {value:>10,.6g}", flush=True)
    if grants == GRANTS:
        FIGURES.write_text(json.dumps(dict(sorted(rounded.items())), indent=2) + "\n", encoding="utf-8")
    for line in missed(rounded):
        print(line, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
