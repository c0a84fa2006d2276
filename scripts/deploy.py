"""Deploy MedRec with an ape account or a keystore.

    ape run deploy --network ethereum:sepolia:node --account deployer --authority 0xA0…
    ape run deploy --network ethereum:local:foundry --account TEST::0
    python -m scripts.deploy --network http://127.0.0.1:8545 --keystore deployer.json

The same as ``medrec deploy``, for those who keep their accounts and networks in ape. `medrec_py.chain.deployment` does
the work, with the artifact that the SDK ships, so both give the same address for the same authority, and deploying
twice changes nothing. The deployment file goes to ``deployments/<chain id>.json``.

MedRec as a dependency of another ape project (tests/integration/test_ape.py does this), in its ``ape-config.yaml``::

    dependencies:
      - name: medrec
        local: ../medrec          # or  github: owner/medrec  with a  version:
    solidity:
      import_remapping:
        - "@medrec=medrec"

Then ``import {IMedRec} from "@medrec/contracts/interfaces/IMedRec.sol";`` works with any compiler from 0.8.20: that is
what a contract needs to call MedRec. To build on the contracts themselves, ``@medrec/contracts/MedRec.sol``, take the
whole ``solidity:`` section of this repository's ``ape-config.yaml`` beside it, and @openzeppelin/contracts 5.3.0 from
npm as a dependency too (``npm: "@openzeppelin/contracts"``, ``config_override: {contracts_folder: .}``, and the
remapping ``@openzeppelin/contracts=openzeppelin``). In Python, ``pip install medrec-py`` brings ABI and bytecode
(`medrec_py.chain.artifacts`) without a compiler.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
from ape.api import AccountAPI, ProviderAPI
from ape.cli import AccountAliasPromptChoice, ConnectedProviderCommand, network_option

from medrec_py.chain.connection import Chain
from medrec_py.chain.deployment import Outcome, deploy
from medrec_py.errors import MedRecError
from medrec_py.wallet import Signer, Wallet
from medrec_py.wallets.ape import ApeWallet

FOLDER = Path("deployments")
PASSPHRASE = "MEDREC_PASSPHRASE"  # noqa: S105 - the name of a variable


def run(
    provider: ProviderAPI, signer: Signer, authority: str | None, folder: Path | None, suite: int | None = None
) -> Outcome:
    """Deploy on the chain that ape is connected to; see `medrec_py.chain.deployment.deploy`."""
    return deploy(Chain(provider.web3), signer, authority=authority, suite=suite, folder=folder)


def describe(outcome: Outcome) -> str:
    """What was done, for people."""
    deployed = outcome.deployed
    done = f"deployed now for {outcome.gas_used:,} gas" if outcome.is_new else "there already, nothing was sent"
    lines = [
        f"MedRec is at {deployed.address} on chain {deployed.chain_id}: {done}.",
        f"Clients seal by suite {deployed.suite}.",
        f"Authority {deployed.authority}, block {deployed.block}, transaction {deployed.transaction}.",
    ]
    return "\n".join([*lines, outcome.note] if outcome.note else lines)


def signer_of(account: AccountAPI | None, keystore: Path | None) -> Signer:
    """The wallet that pays: an ape account, or the key of a keystore, whose passphrase is asked for."""
    if keystore is None:
        chosen = account or AccountAliasPromptChoice().select_account()
        return ApeWallet(chosen)
    passphrase = os.environ.get(PASSPHRASE) or click.prompt("Passphrase", hide_input=True)
    return Wallet.from_keystore(keystore.read_text(encoding="utf-8"), passphrase)


@click.command(cls=ConnectedProviderCommand)
@network_option()
@click.option(
    "--account", type=AccountAliasPromptChoice(), help="An account of ape's; asked for if nothing else is given."
)
@click.option(
    "--keystore",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"A keystore (version 3) instead; its passphrase is asked for, or taken from {PASSPHRASE}.",
)
@click.option("--authority", help="The account that names registrars; the one that pays if not given.")
@click.option("--suite", type=int, help="Cipher suite by which clients seal; what the file says, else 1, if not given.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=FOLDER,
    show_default=True,
    help="Where the deployment file goes.",
)
def cli(
    provider: ProviderAPI,
    account: AccountAPI | None,
    keystore: Path | None,
    authority: str | None,
    suite: int | None,
    folder: Path,
) -> None:
    """Deploy MedRec, unless it is deployed already."""
    in_process = provider.name == "test"  # a chain that ends with this command: a file would only mislead
    try:
        signer = signer_of(account, keystore)
        outcome = run(provider, signer, authority, None if in_process else folder, suite)
    except MedRecError as error:
        raise click.ClickException(f"{error}\n{error.remedy}") from error
    click.echo(describe(outcome))


if __name__ == "__main__":
    cli()
