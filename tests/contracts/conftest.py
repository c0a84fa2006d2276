"""One world for all contract tests, with named actors. ape takes it back to this state after each test.

- The *authority* deployed the contract and named the *registrar*, who accredited the *hospital* and the *clinic*
  (organisations) and the *doctor* (a practitioner).
- The hospital named two agents: the doctor, who is a provider too, and the *nurse*, who is none.
- *Alice* and *bob* are patients, each with a first keyring. Alice granted the hospital to read and append GENERAL for
  TREAT.
- *Carol* is a relative: no provider, no patient. The *stranger* is nobody.
"""

from collections.abc import Iterator
from typing import Any

import ape_ethereum.provider
import pytest
from ape.api import AccountAPI, ProviderAPI
from ape.contracts import ContractInstance
from hypothesis import HealthCheck, settings

from scripts.compiler import ROOT, contract_sources
from tests.contracts.signing import Desk
from tests.contracts.support import GENERAL, ORGANISATION, PRACTITIONER, YEAR_2100, Clock, digest, terms

# As all tests (tests/conftest.py), and fewer examples, since each is a transaction.
settings.register_profile(
    "contracts",
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("contracts")

ACTORS = ("authority", "registrar", "hospital", "clinic", "doctor", "nurse", "alice", "bob", "carol", "stranger")


@pytest.fixture(scope="session", autouse=True)
def compiled(project: Any) -> None:
    """Compile anew where any source is newer than ape's build.

    ape itself would compile the changed files alone, and miss that MedRec changes with each of its modules.
    """
    build = project.manifest_path
    sources = [*contract_sources(tests=True), ROOT / "ape-config.yaml"]
    if build.is_file() and all(source.stat().st_mtime < build.stat().st_mtime for source in sources):
        return
    project.load_contracts(use_cache=False)


@pytest.fixture(scope="session", autouse=True)
def quick() -> Iterator[None]:
    """No contract here writes to a console, so ape need not carry out each transaction once more to look for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ape_ethereum.provider, "_post_send_transaction", lambda transaction, receipt: None)
        yield


def _actor(place: int, name: str) -> Any:
    @pytest.fixture(scope="session", name=name)
    def fixture(accounts: Any) -> AccountAPI:
        return accounts[place]

    return fixture


for _place, _name in enumerate(ACTORS):
    globals()[_name] = _actor(_place, _name)


@pytest.fixture(scope="session")
def medrec(
    compiled: None,
    project: Any,
    chain: Any,
    authority: AccountAPI,
    registrar: AccountAPI,
    hospital: AccountAPI,
    clinic: AccountAPI,
    doctor: AccountAPI,
    nurse: AccountAPI,
    alice: AccountAPI,
    bob: AccountAPI,
) -> ContractInstance:
    contract = authority.deploy(project.MedRec, authority)
    contract.addRegistrar(registrar, sender=authority)
    contract.accredit(hospital, ORGANISATION, False, YEAR_2100, sender=registrar)
    contract.accredit(clinic, ORGANISATION, False, YEAR_2100, sender=registrar)
    contract.accredit(doctor, PRACTITIONER, False, YEAR_2100, sender=registrar)
    contract.nameAgent(doctor, YEAR_2100, sender=hospital)
    contract.nameAgent(nurse, YEAR_2100, sender=hospital)
    for patient in (alice, bob):
        contract.register(sender=patient)
        contract.publishKeyring(patient, 0, GENERAL, digest("first keyring"), sender=patient)
    contract.grant(alice, hospital, terms(), digest("seal"), 1, sender=alice)
    # An empty block: in process the chain is taken back by carrying out the block it is taken back to once more.
    chain.mine()
    return contract


@pytest.fixture(scope="session")
def words(compiled: None, project: Any, authority: AccountAPI) -> ContractInstance:
    """The packing libraries, callable one by one."""
    return authority.deploy(project.WordsHarness)


@pytest.fixture(scope="session")
def clock(chain: Any) -> Clock:
    return Clock(chain)


@pytest.fixture
def desk(medrec: ContractInstance, chain: Any, stranger: AccountAPI) -> Desk:
    return Desk(medrec, chain.chain_id, stranger)


@pytest.fixture
def smart(project: Any, authority: AccountAPI) -> ContractInstance:
    """An account with code that signs whatever it is shown."""
    return authority.deploy(project.SmartAccount)


@pytest.fixture
def provider(chain: Any) -> ProviderAPI:
    return chain.provider
