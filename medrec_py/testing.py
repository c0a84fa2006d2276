"""Pytest fixtures for applications that use MedRec: a chain with MedRec on it, a block store, and people to play with.

In the application's ``conftest.py``::

    pytest_plugins = ["medrec_py.testing"]

and in its tests::

    def test_a_discharge_letter_reaches_the_patient(medrec_chart, medrec_patient):
        record = medrec_chart.append(b"All is well.", compartment="general", title="Letter", media_type="text/plain")
        assert medrec_patient.read(record).read() == b"All is well."

=======================  =============================================================================================
fixture                  what it is
=======================  =============================================================================================
``medrec_network``       MedRec on a chain inside the process, with a folder for blocks
``medrec_registrar``     a registrar
``medrec_patient``       a patient, registered, with the compartments ``general`` and ``psychiatry``
``medrec_hospital``      an organisation, accredited for a year
``medrec_doctor``        a practitioner, accredited for a year, and the hospital's agent
``medrec_stranger``      somebody with keys and a published profile, whom nobody has granted anything
``medrec_permission``    the patient's permission for the hospital: read and append ``general``, TREAT, 90 days
``medrec_chart``         the patient's chart, as the doctor has it on the hospital's behalf by that permission
``medrec_time_travel``   sets the chain's clock ahead: ``medrec_time_travel(timedelta(days=91))``
=======================  =============================================================================================

Every test begins with the chain as it was when MedRec was deployed, and with an empty store: it is deployed once in a
run (once in each worker of pytest-xdist) and the chain is set back after each test, its clock included. A fixture that
is to serve several tests can't use these; it opens a network of its own by ``medrec_py.local()``.

They need the extra ``local``: ``pip install 'medrec-py[local]'``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from medrec_py.chain.contract import MedRecContract
from medrec_py.chain.deployment import Deployed, deploy
from medrec_py.chain.local import LocalChain
from medrec_py.chain.nonces import Nonces
from medrec_py.chart import Chart
from medrec_py.deciding import Granted
from medrec_py.errors import ConfigurationError
from medrec_py.network import Network
from medrec_py.patient import Patient
from medrec_py.provider import Organisation, Practitioner, Provider
from medrec_py.registrar import Registrar
from medrec_py.storage import FolderStore
from medrec_py.wallet import Wallet

COMPARTMENTS = ("general", "psychiatry")
"""The compartments of ``medrec_patient``; the first is what ``medrec_permission`` grants."""

ACCREDITATION_TIME = timedelta(days=365)
PERMISSION_TIME = timedelta(days=90)

TimeTravel: TypeAlias = Callable[[timedelta | int], int]
"""Sets the chain's clock ahead by a span or by seconds, and returns its time then, Unix time."""


def time_travel(network: Network, by: timedelta | int) -> int:
    """Set the clock of a network ahead, if its chain is inside this process.

    Args:
        network: From ``medrec_network`` or ``medrec_py.local()``.
        by: A span, or seconds.

    Returns:
        The chain's time now, Unix time.

    Raises:
        ConfigurationError: the network's chain is elsewhere, and its clock is not ours.
        InvalidInput: the span is not positive.
    """
    if not isinstance(network.chain, LocalChain):
        raise ConfigurationError(f"the clock of {network.chain!r} cannot be set: it is no chain inside this process")
    return network.chain.travel(seconds=int(by.total_seconds()) if isinstance(by, timedelta) else by)


@dataclass(frozen=True, slots=True)
class _Deployment:
    """What all tests begin with."""

    chain: LocalChain
    deployed: Deployed
    authority: Wallet
    registrar: Wallet

    def network(self, folder: Path) -> Network:
        return Network(
            self.chain,
            MedRecContract(self.chain, self.deployed.address),
            FolderStore(folder),
            first_block=self.deployed.block,
            suite=self.deployed.suite,
            fund=self.chain.fund,
            authority=self.authority,
            registrar=self.registrar,
        )

    def snapshot(self) -> int:
        snapshot: int = self.chain.request("evm_snapshot")
        return snapshot

    def revert(self, snapshot: int) -> None:
        """Set the chain back, and its clock to the machine's."""
        self.chain._provider.set_clock(int(time.time()))  # noqa: SLF001 - LocalChain itself only sets it ahead
        self.chain.request("evm_revert", snapshot)
        self.chain.nonces = Nonces()


@pytest.fixture(scope="session")
def _medrec_deployment(tmp_path_factory: pytest.TempPathFactory) -> _Deployment:
    try:
        chain = LocalChain()
    except ConfigurationError as error:
        pytest.fail(f"the fixtures of medrec_py.testing cannot be used: {error}", pytrace=False)
    authority, registrar = Wallet.create(), Wallet.create()
    chain.fund(authority.address)
    deployment = _Deployment(chain, deploy(chain, authority).deployed, authority, registrar)
    with deployment.network(tmp_path_factory.mktemp("medrec-deployment")) as network:
        network.authority().add_registrar(registrar)
    return deployment


@pytest.fixture
def medrec_network(_medrec_deployment: _Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """MedRec on a chain inside the process, with an empty folder for blocks. Accounts get ether as they are used."""
    snapshot = _medrec_deployment.snapshot()
    with _medrec_deployment.network(tmp_path_factory.mktemp("medrec")) as network:
        yield network
    _medrec_deployment.revert(snapshot)


@pytest.fixture
def medrec_registrar(medrec_network: Network) -> Registrar:
    """A registrar."""
    return medrec_network.registrar()


@pytest.fixture
def medrec_patient(medrec_network: Network) -> Patient:
    """A patient, registered, with the compartments ``general`` and ``psychiatry``."""
    return medrec_network.patient(Wallet.create()).register(compartments=COMPARTMENTS)


@pytest.fixture
def medrec_hospital(medrec_network: Network, medrec_registrar: Registrar) -> Organisation:
    """An organisation, accredited for a year."""
    hospital = medrec_network.organisation(Wallet.create(), name="Hospital")
    medrec_registrar.accredit(hospital, expires=ACCREDITATION_TIME)
    return hospital


@pytest.fixture
def medrec_doctor(medrec_network: Network, medrec_registrar: Registrar, medrec_hospital: Organisation) -> Practitioner:
    """A practitioner, accredited for a year, and ``medrec_hospital``'s agent for as long."""
    doctor = medrec_network.practitioner(Wallet.create(), name="Doctor")
    medrec_registrar.accredit(doctor, expires=ACCREDITATION_TIME)
    medrec_hospital.add_agent(doctor, expires=ACCREDITATION_TIME)
    return doctor


@pytest.fixture
def medrec_stranger(medrec_network: Network) -> Provider:
    """Somebody with keys and a published profile, whom nobody has accredited or granted anything."""
    return medrec_network.reader(Wallet.create())


@pytest.fixture
def medrec_permission(medrec_patient: Patient, medrec_hospital: Organisation) -> Granted:
    """``medrec_patient``'s permission for ``medrec_hospital``: read and append ``general``, TREAT, 90 days."""
    general = COMPARTMENTS[:1]
    return medrec_patient.grant(medrec_hospital, read=general, append=general, purpose="TREAT", expires=PERMISSION_TIME)


@pytest.fixture
def medrec_chart(
    medrec_patient: Patient,
    medrec_hospital: Organisation,
    medrec_doctor: Practitioner,
    medrec_permission: Granted,  # noqa: ARG001 - it has to be granted
) -> Chart:
    """``medrec_patient``'s chart, as ``medrec_doctor`` has it for ``medrec_hospital`` by ``medrec_permission``."""
    return medrec_doctor.on_behalf_of(medrec_hospital).chart(medrec_patient.id)


@pytest.fixture
def medrec_time_travel(medrec_network: Network) -> TimeTravel:
    """Sets the chain's clock ahead, so that permissions expire: by a ``timedelta`` or by seconds."""
    return lambda by: time_travel(medrec_network, by)
