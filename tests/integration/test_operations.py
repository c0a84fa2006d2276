"""docs/operations.md, carried out: what it says about deploying can be done as it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medrec_py.chain.connection import Chain
from medrec_py.wallet import Wallet
from scripts.devchain import running_anvil
from tests.support.documents import ROOT, code_blocks

ETHER = 10**18


@pytest.mark.anvil
def test_deploying_as_the_document_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Deploy, name a registrar, accredit, and connect again by the deployment file; deploying twice is once."""
    monkeypatch.chdir(tmp_path)
    deploying, naming, connecting = code_blocks((ROOT / "docs" / "operations.md").read_text(encoding="utf-8"), "python")
    payer, authority, registrar, hospital = (Wallet.create() for _ in range(4))
    with running_anvil("--hardfork", "london") as url:
        chain = Chain.connect(url)
        for wallet in (payer, authority, registrar):
            chain.request("anvil_setBalance", wallet.address, hex(ETHER))
        names: dict[str, Any] = {
            "wallet": payer,
            "authority": authority.address,
            "authority_wallet": authority,
            "registrar_wallet": registrar,
            "hospital_address": hospital.address,
            "url": url,
            "chain_id": chain.chain_id,
        }
        for block in (deploying, naming, connecting, deploying):
            exec(compile(block.replace("http://127.0.0.1:8545", url), "operations.md", "exec"), names)  # noqa: S102
        assert names["net"].contract.provider_of(hospital.address).expiry > 0
        assert names["net"].address == names["outcome"].deployed.address
    first, second = capsys.readouterr().out.splitlines()
    assert " new" in first
    assert "was there already" in second
