"""Settings: flags over the environment, that over the profile's file, that over the common file, that over defaults."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from medrec_py.cli.settings import SETTINGS, Found, Settings, without_secrets
from medrec_py.errors import ConfigurationError
from tests.sdk.cli.conftest import Shell

CASES = {
    "chain": ["http://flag:1", "http://environment:2", "http://profile:3", "http://common:4"],
    "contract": [f"0x{digit * 40}" for digit in "1234"],
    "store": ["/flag", "/environment", "/profile", "/common"],
    "passphrase-file": ["/flag", "/environment", "/profile", "/common"],
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(
    "given", [set(picked) for n in range(5) for picked in itertools.combinations(range(4), n)], ids=str
)
def test_the_first_of_flag_environment_profile_and_common_file_wins(tmp_path: Path, name: str, given: set[int]) -> None:
    """Every combination of the four places, for every setting that has a flag."""
    flag, variable, profile, common = CASES[name]
    settings = Settings(
        {name: flag} if 0 in given else {},
        {"MEDREC_" + name.upper().replace("-", "_"): variable} if 1 in given else {},
        home=str(tmp_path),
        profile="doctor",
    )
    for place, path, value in ((2, settings.file("doctor"), profile), (3, settings.file(), common)):
        path.parent.mkdir(parents=True, exist_ok=True)
        if place in given:
            path.write_text(f'{name} = "{value}"\n')
    sources = [f"flag --{name}", "environment MEDREC_", str(settings.file("doctor")), str(settings.file()), ""]
    first = min(given, default=4)
    found = settings.find(name)
    assert sources[first] in found.source
    if first < 4:
        assert found.value in (CASES[name][first], [CASES[name][first]])
    else:
        assert found.source in {"default", "not set"}


def test_a_source_is_told_for_every_setting(shell: Shell) -> None:
    """``config show`` has a line for each setting and where it comes from."""
    shell.ask("config set timeout 7")
    shell.ask("config set chain-id 31337 --global")
    found = {one["name"]: one for one in shell.ask("config show --store /here")["settings"]}
    assert set(found) == {"home", *SETTINGS}
    assert found["home"]["source"] == "environment MEDREC_HOME"
    assert found["chain"]["source"] == "environment MEDREC_CHAIN"
    assert found["store"] == {"name": "store", "value": ["/here"], "source": "flag --store"}
    assert found["timeout"]["source"] == f"file {shell.home / 'profiles' / 'default' / 'config.toml'}"
    assert found["chain-id"] == {"name": "chain-id", "value": 31337, "source": f"file {shell.home / 'config.toml'}"}
    assert found["profile"]["source"] == "default"


def test_the_home_comes_from_a_flag_a_variable_or_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this order."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings({}, {"MEDREC_HOME": "/b"}, home="/a").home == Path("/a")
    assert Settings({}, {"MEDREC_HOME": "/b"}).home == Path("/b")
    assert Settings({}, {}).home == tmp_path / ".medrec"


def test_the_profile_comes_from_a_flag_a_variable_or_the_common_file(shell: Shell) -> None:
    """And a profile's own file cannot name another profile."""
    shell.ask("config set profile carol --global")
    assert shell.ask("config set timeout 5")["file"] == str(shell.home / "profiles" / "carol" / "config.toml")
    assert _profile(shell, "config show") == "carol"
    shell.monkeypatch.setenv("MEDREC_PROFILE", "bob")
    assert _profile(shell, "config show") == "bob"
    assert _profile(shell, "config show --profile alice") == "alice"
    assert _profile(shell, "--profile alice config show -p dora") == "dora"
    code, error = shell.fail("config set profile eve")
    assert (code, "--global" in error["message"]) == (2, True)


def _profile(shell: Shell, line: str) -> str:
    return str(next(one["value"] for one in shell.ask(line)["settings"] if one["name"] == "profile"))


def test_several_stores_are_given_in_each_way(shell: Shell) -> None:
    """The flag again, commas in the environment, several values for ``config set``, an array in the file."""
    assert _store(shell, "config show --store /a --store /b") == ["/a", "/b"]
    shell.monkeypatch.setenv("MEDREC_STORE", "/a, /b")
    assert _store(shell, "config show") == ["/a", "/b"]
    shell.monkeypatch.delenv("MEDREC_STORE")
    shell.ask("config set store /a http://127.0.0.1:5001")
    assert _store(shell, "config show") == ["/a", "http://127.0.0.1:5001"]
    assert 'store = ["/a", "http://127.0.0.1:5001"]' in (shell.home / "profiles/default/config.toml").read_text()


def _store(shell: Shell, line: str) -> object:
    return next(one["value"] for one in shell.ask(line)["settings"] if one["name"] == "store")


def test_a_path_is_kept_so_that_it_leads_there_from_anywhere(shell: Shell) -> None:
    """``config set`` makes relative paths absolute."""
    assert shell.ask("config set passphrase-file secret")["value"] == str(Path("secret").absolute())
    assert shell.ask("config set store blocks http://a")["value"] == [str(Path("blocks").absolute()), "http://a"]
    assert shell.ask("config set store ~/blocks")["value"] == ["~/blocks"]


@pytest.mark.parametrize(
    "text",
    [
        'chian = "http://a:1"',
        "chain = 7",
        'chain = "ftp://a"',
        "timeout = -1",
        'timeout = "soon"',
        "chain-id = true",
        "x =",
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_that_names_it(shell: Shell, text: str) -> None:
    """Unknown names, wrong types and values, and what is no TOML: exit code 2, with the file in the message."""
    path = shell.home / "config.toml"
    path.parent.mkdir()
    path.write_text(text)
    code, error = shell.fail("config show")
    assert (code, error["type"]) == (2, "ConfigurationError")
    assert str(path) in error["message"]


@pytest.mark.parametrize("line", ["chain ftp://a", "chain-id 0", "timeout 0", "timeout inf", "color red", "chain a b"])
def test_a_value_that_cannot_be_used_is_not_set(shell: Shell, line: str) -> None:
    """``config set`` checks first, and writes nothing then."""
    code, error = shell.fail(f"config set {line}")
    assert (code, error["type"]) == (2, "ConfigurationError")
    assert not (shell.home / "profiles").exists()


def test_unset_takes_a_value_out(shell: Shell) -> None:
    """What comes next in the order of precedence holds again; twice is as once."""
    shell.monkeypatch.delenv("MEDREC_CHAIN")
    shell.ask("config set chain http://a:1")
    shell.ask("config unset chain")
    shell.ask("config unset chain")
    assert next(one for one in shell.ask("config show")["settings"] if one["name"] == "chain")["source"] == "default"
    assert shell.fail("config unset color")[0] == 2


def test_secrets_are_not_shown(shell: Shell) -> None:
    """Tokens are only said to be set, and of a URL only its host is shown: there may be a key in the rest."""
    shell.ask("config set chain-token hunter2token")
    shell.ask("config set store-token hunter2token")
    shell.monkeypatch.delenv("MEDREC_CHAIN")
    result = shell.type("config set chain https://user:hunter2word@node.example.org/v3/hunter2key?k=hunter2query")
    shown = shell.type("config show")
    document = shell.type("config show --json")
    for text in (result.out, result.err, shown.out, document.out):
        assert "hunter2" not in text
    assert "https://node.example.org/…" in shown.out
    assert "(set)" in shown.out


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://127.0.0.1:8545/", "http://127.0.0.1:8545"),
        ("https://u:p@host/key", "https://host/…"),
        ("https://host?key=1", "https://host/…"),
        ("gateway+https://ipfs.example.org", "gateway+https://ipfs.example.org"),
        ("file:///var/blocks", "file:///var/blocks"),
        ("/var/blocks", "/var/blocks"),
        ("blocks", "blocks"),
    ],
)
def test_what_is_shown_of_an_address(url: str, shown: str) -> None:
    """Scheme, host and port; the rest is hidden where there is any. Paths are no secret."""
    assert without_secrets(url) == shown


def test_a_missing_setting_is_not_an_error() -> None:
    """It is just not there."""
    assert Settings({}, {}, home="/nowhere").find("contract") == Found(None, "not set")


def test_a_flag_is_checked_too(shell: Shell) -> None:
    """A URL that is none is an error that names the flag."""
    code, error = shell.fail("authority show --chain localhost:8545")
    assert (code, "--chain" in error["message"]) == (2, True)
    with pytest.raises(ConfigurationError, match="--chain"):
        Settings({"chain": "localhost:8545"}, {}, home="/nowhere").find("chain")
