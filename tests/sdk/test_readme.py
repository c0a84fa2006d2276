"""The sessions of the README, run as they stand there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.documents import ROOT, code_blocks

README = (ROOT / "README.md").read_text(encoding="utf-8")
SCAN = bytes(range(256)) * 5_000  # 1.2 MiB: more than one block


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the files that the sessions name, as the present one."""
    (tmp_path / "echo.dcm").write_bytes(SCAN)
    (tmp_path / "late.pdf").write_bytes(b"%PDF-1.7")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_session_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the README shows runs as it stands: a record comes back byte for byte, and a revocation is real."""
    (session,) = code_blocks(README, "python")
    exec(compile(session, "README.md", "exec"), {})  # noqa: S102 - the README is ours
    assert (folder / "copy.dcm").read_bytes() == SCAN
    refusal, remedy, *entries = capsys.readouterr().out.splitlines()
    assert "has revoked the permission" in refusal
    assert remedy == "Ask the patient for a new permission."
    assert [line.split()[3] for line in entries] == ["KEYRING", "KEYRING", "RECORD", "KEYRING"]
    assert entries[2].endswith(" echo.dcm")
