"""eip712Domain() (ERC-5267): what every signed statement of this deployment is bound to."""

from ape.managers.chain import ChainManager
from ape.managers.project import ProjectManager

from tests.contracts.support import Account, Contract, plain


def test_eip712_domain_is_the_deployments(medrec: Contract, chain: ChainManager) -> None:
    """Name, version, chain and contract, and nothing else (docs/format.md §5)."""
    fields = bytes([0b01111])
    assert plain(medrec.eip712Domain()) == (fields, "MedRec", "1", chain.chain_id, medrec.address, bytes(32), ())


def test_eip712_domain_of_another_deployment_differs(
    medrec: Contract, project: ProjectManager, authority: Account
) -> None:
    """A statement for one contract is none for another."""
    other = authority.deploy(project.MedRec, authority)
    assert plain(other.eip712Domain())[4] == other.address != medrec.address
