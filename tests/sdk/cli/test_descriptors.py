"""``medrec descriptors``: the files by which wallets show what is signed for a deployment."""

from __future__ import annotations

import json
from pathlib import Path

from tests.sdk.cli.conftest import Shell


def test_four_files_that_name_the_deployment(world: Shell, tmp_path: Path) -> None:
    """Two common ones, and two that include them and are bound to chain and contract."""
    said = world.ask(f"descriptors {tmp_path / 'words'}")
    assert sorted(map(str, (tmp_path / "words").iterdir())) == said["files"]
    for kind, member in (("eip712", "eip712"), ("calldata", "contract")):
        bound = json.loads((tmp_path / "words" / f"{kind}-MedRec.json").read_text())
        assert bound["context"][member]["deployments"] == [{"chainId": said["chain_id"], "address": said["contract"]}]
        included = json.loads((tmp_path / "words" / bound["includes"]).read_text())
        assert included["display"]["formats"]


def test_nothing_is_overwritten(world: Shell, tmp_path: Path) -> None:
    """A folder that is there stays as it is."""
    (tmp_path / "words").mkdir()
    _, error = world.fail(f"descriptors {tmp_path / 'words'}")
    assert error["type"] == "ConfigurationError"
    assert list((tmp_path / "words").iterdir()) == []
