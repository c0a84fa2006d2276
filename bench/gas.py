"""Gas of each transaction, measured on Anvil with a pinned fork: ``bench/gas.json``, name → gas.

    python -m bench.gas            # measure and write
    python -m bench.gas --check    # measure and compare: exit 1 where a figure differs or is above its bar

One transaction a call, so that all storage is cold. Everything that goes into a call is fixed, so figures are exact.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hexbytes import HexBytes
from web3 import Web3
from web3.contract import Contract
from web3.types import RPCEndpoint

from medrec_py.chain.artifacts import load_artifact
from medrec_py.chain.connection import Chain
from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.transactions import Call
from medrec_py.chain.types import ProviderKind, address_bytes
from medrec_py.crypto.decisions import Append, Grant, PublishKeyring, Register, Revoke, SetGuardians, SignedForm
from medrec_py.crypto.guardian_set import GuardianSet
from medrec_py.crypto.keys import Place
from medrec_py.crypto.wallet_change import WalletChange
from medrec_py.crypto.wallet_recovery import Recover
from medrec_py.wallet import Wallet
from scripts.devchain import running_anvil

FIGURES = Path(__file__).parent / "gas.json"
HARDFORK = "prague"

# What each may cost. A figure above its bar fails the check, whatever the committed figure says.
BARS = {
    "register_patient": 47_300,
    "change_wallet": 50_000,
    "register_provider": 50_600,
    "publish_key": 46_400,
    "grant": 54_500,
    "grant_renewal": 37_500,
    "grant_signed": 62_000,
    "grant_signed_renewal": 44_800,
    "grant_signed_batch20": 42_700,
    "revoke": 39_000,
    "revoke_and_rotate": 48_600,
    "revoke_signed": 45_500,
    "publish_keyring": 34_800,
    "append": 39_400,
    "append_for_organisation": 44_000,
    "append_many_one_patient": 3_950,
    "append_many_hundred_patients": 14_800,
    "append_signed": 51_500,
    "access_event": 31_000,
    "set_guardians": 70_000,
    "begin_recovery": 100_000,
    "complete_recovery": 42_000,
    "deploy": 4_600_000,
}

ORGANISATION, PRACTITIONER = 1, 2
TREAT = 0
GENERAL = 1 << 5
YEAR_2040 = 2_208_988_800
RECORDS_IN_A_CALL = 100
GRANTS_IN_A_RELAY = 20
HOUR = 3600
# What is not used is given back, but a relay looks whether each call could have all that it might use.
AMPLE_GAS = 2_000_000


def digest(label: str) -> bytes:
    """32 bytes that look like any other digest, the same in each run."""
    return hashlib.sha256(label.encode()).digest()


def entry(label: str) -> tuple[int, int, bytes, bytes]:
    """(compartments, replaces, pointer, claim)."""
    return (GENERAL, 0, digest(f"pointer {label}"), digest(f"claim {label}"))


@dataclass
class Bench:
    """One deployment with named accounts: Anvil's own, unlocked."""

    web3: Web3
    contract: Contract
    sdk: MedRecContract
    figures: dict[str, int]

    def send(self, sender: str, call: Any) -> int:
        """Send one transaction and return the gas that it used."""
        if isinstance(call, Call):
            sent = self.web3.eth.send_transaction(
                {"from": sender, "to": self.contract.address, "data": HexBytes(call.data), "gas": AMPLE_GAS}
            )
        else:
            sent = call.transact({"from": sender})
        receipt = self.web3.eth.wait_for_transaction_receipt(sent)
        if receipt["status"] != 1:
            raise RuntimeError(f"a measured transaction failed: {call}")
        return receipt["gasUsed"]

    def place(self, patient: str) -> Place:
        """What the messages about a patient are bound to."""
        return Place(self.web3.eth.chain_id, address_bytes(self.contract.address), address_bytes(patient))

    def measure(self, name: str, sender: str, call: Any, *, records: int = 1) -> None:
        """Send one transaction and note its gas, or its gas per record, rounded up."""
        self.figures[name] = -(-self.send(sender, call) // records)


@dataclass(frozen=True)
class Signer:
    """Somebody with a key and no ether."""

    bench: Bench
    wallet: Wallet

    @property
    def address(self) -> bytes:
        """Of the account, 20 bytes."""
        return address_bytes(self.wallet.address)

    @property
    def place(self) -> Place:
        """Of this account's own record."""
        return self.bench.place(self.wallet.address)

    def sign(self, form: SignedForm) -> bytes:
        """This account's signature."""
        return self.wallet.sign_typed_data(form.typed_data())

    def register(self) -> Call:
        """Registers this account as a patient."""
        form = Register(self.place, self.address, YEAR_2040)
        return self.bench.sdk.register_signed(form, self.sign(form))

    def grant(self, grantee: str, version: int) -> Call:
        """Grants what all here are granted."""
        form = Grant(
            self.place,
            signer=self.address,
            grantee=address_bytes(grantee),
            read=GENERAL,
            append=GENERAL,
            not_before=0,
            expiry=YEAR_2040,
            purposes=1 << TREAT,
            flags=0,
            seal=digest(f"seal {self.wallet.address} {version}"),
            version=version,
            deadline=YEAR_2040,
        )
        return self.bench.sdk.grant_signed(form, self.sign(form))

    def revoke(self, grantee: str, version: int) -> Call:
        """Revokes it, without a keyring."""
        form = Revoke(self.place, self.address, address_bytes(grantee), version, 0, 0, bytes(32), YEAR_2040)
        return self.bench.sdk.revoke_signed(form, self.sign(form))

    def publish_keyring(self) -> Call:
        """Publishes the first keyring."""
        form = PublishKeyring(self.place, self.address, digest("keyring"), 0, GENERAL, YEAR_2040)
        return self.bench.sdk.publish_keyring_signed(form, self.sign(form))

    def append(self, patient: Place, number: int) -> Call:
        """Appends a record on this account's own behalf."""
        form = Append(patient, self.address, self.address, 1, TREAT, *entry(f"signed {number}"), number, YEAR_2040)
        return self.bench.sdk.append_signed(form, self.sign(form))


def deploy(web3: Web3, authority: str) -> Bench:
    """A fresh deployment; its gas is the first figure."""
    artifact = load_artifact()
    factory = web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    receipt = web3.eth.wait_for_transaction_receipt(factory.constructor(authority).transact({"from": authority}))
    contract = factory(address=receipt["contractAddress"])
    sdk = MedRecContract(Chain(web3), contract.address)
    return Bench(web3, contract, sdk, {"deploy": receipt["gasUsed"]})


def measure(web3: Web3) -> dict[str, int]:
    """All figures, on a fresh chain."""
    accounts: Sequence[str] = web3.eth.accounts
    authority, registrar, hospital, doctor, clinic, alice = accounts[:6]
    bench = deploy(web3, authority)
    call = bench.contract.functions
    terms = (GENERAL, GENERAL, 0, YEAR_2040, 1 << TREAT, 0)  # read, append, notBefore, expiry, purposes, flags

    bench.send(authority, call.addRegistrar(registrar))
    bench.measure("register_provider", registrar, call.accredit(hospital, ORGANISATION, False, YEAR_2040))
    bench.send(registrar, call.accredit(doctor, PRACTITIONER, False, YEAR_2040))
    bench.send(registrar, call.accredit(clinic, ORGANISATION, False, YEAR_2040))
    bench.send(hospital, call.nameAgent(doctor, YEAR_2040))
    bench.measure("publish_key", hospital, call.publishProfile(digest("profile")))

    bench.measure("register_patient", alice, call.register())
    bench.send(alice, call.publishKeyring(alice, 0, GENERAL, digest("keyring 0")))
    bench.measure("publish_keyring", alice, call.publishKeyring(alice, 1, GENERAL, digest("keyring 1")))
    bench.measure("grant", alice, call.grant(alice, hospital, terms, digest("seal 1"), 1))
    bench.measure("grant_renewal", alice, call.grant(alice, hospital, terms, digest("seal 2"), 2))
    bench.send(alice, call.grant(alice, clinic, terms, digest("seal 3"), 1))

    bench.measure("append", hospital, call.append(alice, hospital, 2, TREAT, entry("one")))
    bench.measure("append_for_organisation", doctor, call.append(alice, hospital, 2, TREAT, entry("two")))
    bench.measure("access_event", hospital, call.logAccess(alice, hospital, TREAT, digest("access")))

    many = [entry(str(number)) for number in range(RECORDS_IN_A_CALL)]
    for_one = call.appendMany(alice, hospital, 2, TREAT, many, False)
    bench.measure("append_many_one_patient", hospital, for_one, records=RECORDS_IN_A_CALL)

    bench.measure("revoke", alice, call.revoke(alice, clinic))
    rotation = call.revokeAndRotate(alice, hospital, 3, GENERAL, digest("keyring 3"))
    bench.measure("revoke_and_rotate", alice, rotation)

    heir = Wallet.from_key(digest("new wallet"))
    change = WalletChange(bench.place(alice), address_bytes(heir.address), decision=1, deadline=YEAR_2040)
    signature = heir.sign_typed_data(change.typed_data())
    bench.measure("change_wallet", alice, call.changeWallet(alice, heir.address, 1, YEAR_2040, signature))

    patients = accounts[10 : 10 + RECORDS_IN_A_CALL]
    for patient in patients:
        bench.send(patient, call.register())
        bench.send(patient, call.publishKeyring(patient, 0, GENERAL, digest("keyring")))
        bench.send(patient, call.grant(patient, hospital, terms, digest("seal"), 1))
    items = [(patient, 1, entry(patient)) for patient in patients]
    for_hundred = call.appendToMany(hospital, TREAT, items, False)
    bench.measure("append_many_hundred_patients", hospital, for_hundred, records=RECORDS_IN_A_CALL)
    measure_signed(bench, registrar, hospital, sender=clinic)
    return bench.figures


def measure_signed(bench: Bench, registrar: str, grantee: str, *, sender: str) -> None:
    """Signed forms, sent by somebody else: patients who have a key and no ether, and an author likewise."""
    patients = [Signer(bench, Wallet.from_key(digest(f"patient {number}"))) for number in range(GRANTS_IN_A_RELAY + 1)]
    for patient in patients:
        bench.send(sender, patient.register())
    bob, *others = patients
    bench.measure("grant_signed", sender, bob.grant(grantee, 1))
    bench.measure("grant_signed_renewal", sender, bob.grant(grantee, 2))
    relayed = bench.sdk.relay([patient.grant(grantee, 1) for patient in others])
    bench.measure("grant_signed_batch20", sender, relayed, records=GRANTS_IN_A_RELAY)

    author = Signer(bench, Wallet.from_key(digest("author")))
    bench.send(registrar, bench.sdk.accredit(author.wallet.address, ProviderKind.PRACTITIONER, False, YEAR_2040))
    bench.send(sender, bob.grant(author.wallet.address, 1))
    bench.send(sender, bob.publish_keyring())
    bench.send(sender, author.append(bob.place, 1))
    bench.measure("append_signed", sender, author.append(bob.place, 2))
    bench.measure("revoke_signed", sender, bob.revoke(grantee, 2))
    measure_recovery(bench, sender)


def measure_recovery(bench: Bench, sender: str) -> None:
    """Two of three guardians hand a patient id to a new wallet."""
    patient, heir, *guardians = (Signer(bench, Wallet.from_key(digest(f"recovery {number}"))) for number in range(5))
    chosen = GuardianSet(HOUR, digest("salt"), 2, tuple(guardian.address for guardian in guardians))
    bench.send(sender, patient.register())
    document = digest("document")
    first = SetGuardians(
        patient.place, patient.address, 1, 0, bytes(32), chosen.commitment, document, deadline=YEAR_2040
    )
    bench.measure("set_guardians", sender, bench.sdk.set_guardians_signed(first, patient.sign(first)))

    def signed(signer: Signer) -> tuple[Recover, bytes]:
        form = Recover(patient.place, signer.address, heir.address, 1, YEAR_2040)
        return form, signer.sign(form)

    approvals = {guardian.address: signed(guardian)[1] for guardian in guardians[:2]}
    bench.measure("begin_recovery", sender, bench.sdk.begin_recovery(*signed(heir), chosen, approvals))
    bench.web3.provider.make_request(RPCEndpoint("evm_increaseTime"), [HOUR])
    bench.measure("complete_recovery", sender, bench.sdk.complete_recovery(patient.wallet.address))


def complaints(measured: dict[str, int], committed: dict[str, int]) -> list[str]:
    """What is wrong with the figures: above a bar, or not the committed ones."""
    above = [f"{name}: {gas} is above the bar of {BARS[name]}" for name, gas in measured.items() if gas > BARS[name]]
    changed = [
        f"{name}: {measured.get(name)} now, {committed.get(name)} in {FIGURES.name}"
        for name in sorted(measured.keys() | committed.keys())
        if measured.get(name) != committed.get(name)
    ]
    return above + changed


def main() -> int:
    """Measure, print, and write or compare; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--check", action="store_true", help="compare with the committed figures instead of writing them"
    )
    check = parser.parse_args().check
    with running_anvil("--hardfork", HARDFORK, "--accounts", "120", "--timestamp", "1900000000") as url:
        measured = dict(sorted(measure(Web3(Web3.HTTPProvider(url))).items()))
    for name, gas in measured.items():
        print(f"{name:30} {gas:>10,}   bar {BARS[name]:>10,}")
    committed = measured if not check else json.loads(FIGURES.read_text(encoding="utf-8"))
    if not check:
        FIGURES.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    problems = complaints(measured, committed)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
