"""What every kind of wallet has to do: decide as a patient, and sign statements as an author."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

import medrec_py as medrec
from medrec_py.chain.connection import Chain
from medrec_py.crypto.keys import RootSecret
from medrec_py.network import on_development_chain
from scripts.devchain import running_anvil
from tests.support.chains import ETHER

MONTH = timedelta(days=30)
CHAIN = 31_337


def root() -> RootSecret:
    """A root secret of its own, as of somebody whose wallet has none."""
    secret = medrec.Wallet.create().root
    assert secret is not None
    return secret


@contextmanager
def anvil_network(folder: Path, *arguments: str) -> Iterator[medrec.Network]:
    """MedRec on Anvil, where whoever comes is given ether."""
    with running_anvil(*arguments) as url, Chain.connect(url) as chain:

        def fund(address: str) -> None:
            chain.request("anvil_setBalance", address, hex(10 * ETHER))

        with on_development_chain(chain, medrec.open_store(str(folder)), fund) as net:
            yield net


def an_accredited_author(net: medrec.Network, wallet: medrec.Signer) -> medrec.Practitioner:
    """A practitioner with a published profile, which the wallet signs."""
    doctor = net.practitioner(wallet, root(), name="Doctor")
    net.registrar().accredit(doctor)
    assert net.profile(doctor).name == "Doctor"
    return doctor


def a_patients_way(net: medrec.Network, alice: medrec.Patient, doctor: medrec.Practitioner) -> None:
    """Grant, append, read, revoke, be refused: with whichever wallets the two have."""
    alice.grant(doctor, read=["general"], append=["general"], purpose="TREAT", expires=MONTH)
    chart = doctor.chart(alice)
    number = chart.append(b"seen and signed", title="note.txt", compartment="general").number
    record = chart.read(number)
    assert (record.read(), record.author) == (b"seen and signed", doctor.address)
    assert alice.chart().read(number).read() == b"seen and signed"
    alice.revoke(doctor)
    with pytest.raises(medrec.PermissionRevoked):
        chart.append(b"too late", title="late.txt", compartment="general")


def a_wallets_way(net: medrec.Network, wallet: medrec.Signer) -> None:
    """The wallet decides for a patient, and afterwards signs as the author of another's record."""
    alice = net.patient(wallet, root()).register(compartments=["general"])
    a_patients_way(net, alice, an_accredited_author(net, medrec.Wallet.create()))
    bob = net.patient(medrec.Wallet.create()).register(compartments=["general"])
    a_patients_way(net, bob, an_accredited_author(net, wallet))
