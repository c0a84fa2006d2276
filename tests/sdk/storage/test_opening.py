"""From an address to a store."""

import sys
from pathlib import Path
from urllib.request import pathname2url

import pytest

from medrec_py.errors import ConfigurationError, InvalidInput
from medrec_py.storage import FallbackStore, FolderStore, GatewayStore, KuboStore, open_store


def test_a_path_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path as text, as a Path, relative, with ~ or as a file URL is a folder store."""
    folder = tmp_path / "my blocks"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for address in (str(folder), folder, "my blocks", "~/my blocks", "file://" + pathname2url(str(folder))):
        store = open_store(address)
        assert isinstance(store, FolderStore)
        assert store.path == folder


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("http://127.0.0.1:5001", "http://127.0.0.1:5001/api/v0/"),
        ("http://localhost:5001/", "http://localhost:5001/api/v0/"),
        ("https://ipfs.clinic.example", "https://ipfs.clinic.example:443/api/v0/"),
        ("https://clinic.example:8443/ipfs/rpc", "https://clinic.example:8443/ipfs/rpc/api/v0/"),
        ("http://[::1]:5001", "http://[::1]:5001/api/v0/"),
        ("/ip4/127.0.0.1/tcp/5001", "http://127.0.0.1:5001/api/v0/"),
        ("/dns/ipfs.clinic.example/tcp/443/https", "https://ipfs.clinic.example:443/api/v0/"),
        ("/unix/run/ipfs.sock", "http://run%2Fipfs.sock/api/v0/"),
    ],
)
def test_a_url_or_multiaddr_is_a_kubo_node(address: str, base: str) -> None:
    """URLs and multiaddrs of a Kubo RPC lead to the same place; nothing is connected yet."""
    with open_store(address) as store:
        assert isinstance(store, KuboStore)
        assert store._base.replace("%2Frun", "run") == base
        assert store.writable


def test_a_gateway_needs_its_scheme() -> None:
    """A gateway is asked for explicitly, since an http address alone means Kubo's RPC."""
    with open_store("gateway+https://ipfs.example/") as store:
        assert isinstance(store, GatewayStore)
        assert store.name == "gateway https://ipfs.example"
        assert not store.writable


def test_a_list_is_a_fallback_in_that_order(tmp_path: Path) -> None:
    """Several addresses, and stores that are open already, become one store."""
    mine = FolderStore(tmp_path / "mine")
    store = open_store([mine, tmp_path / "other", "gateway+http://127.0.0.1:8080"])
    assert isinstance(store, FallbackStore)
    assert store.stores[0] is mine
    assert [type(one) for one in store.stores] == [FolderStore, FolderStore, GatewayStore]


@pytest.mark.parametrize(
    "address",
    [
        "",
        [],
        "ftp://host/blocks",
        "ipfs://bafk",
        "gateway+ftp://host",
        "http://",
        "http://host:port",
        "http://host:99999",
        "https://host/?a=b",
        "gateway+https://",
        "gateway+https://host/#x",
        "gateway+http://host:port",
        "/ip4/127.0.0.1/udp/5001",
        "/ip4/nowhere/tcp/5001",
        "file://server/share",
        "file:relative",
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    """What isn't an address of a store is the caller's error, said before anything is opened."""
    with pytest.raises(InvalidInput):
        open_store(address)


@pytest.mark.parametrize("scheme", ["http", "https", "gateway+https", "s3"])
def test_a_password_in_an_address_is_refused_and_not_shown(scheme: str) -> None:
    """Credentials belong into token or headers, where no message and no log repeats them."""
    with pytest.raises(InvalidInput) as caught:
        open_store(f"{scheme}://alice:hunter2@host:5001")
    assert "hunter2" not in str(caught.value)


def test_a_token_is_for_one_server(tmp_path: Path) -> None:
    """A token given with a list would go to each server in it; with a folder it means nothing."""
    addresses: list[Path | list[str]] = [[str(tmp_path / "a"), "http://127.0.0.1:5001"], tmp_path / "a"]
    for address in addresses:
        with pytest.raises(InvalidInput, match="token"):
            open_store(address, token="secret")


@pytest.mark.parametrize("address", ["http://127.0.0.1:5001", "gateway+http://127.0.0.1:8080"])
@pytest.mark.parametrize(
    ("token", "headers"),
    [("secret\n", {}), ("sécret", {}), (None, {"X-Key": "secret\r\nHost: evil"}), (None, {"X Key": "secret"})],
)
def test_headers_that_http_cannot_carry_are_refused_and_not_shown(
    address: str, token: str | None, headers: dict[str, str]
) -> None:
    """A token read with its line break is named as the fault, before any request, without repeating it."""
    with pytest.raises(InvalidInput) as caught:
        open_store(address, token=token, headers=headers)
    assert "cret" not in str(caught.value)


def test_timeouts_must_be_positive() -> None:
    """No timeout at all isn't offered."""
    for address in ("http://127.0.0.1:5001", "gateway+http://127.0.0.1:8080"):
        with pytest.raises(InvalidInput):
            open_store(address, timeout=0)


def test_kubo_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base install has no ipfshttpclient; the error names the extra."""
    monkeypatch.setitem(sys.modules, "ipfshttpclient", None)
    with pytest.raises(ConfigurationError, match=r"pip install medrec-py\[ipfs\]"):
        open_store("http://127.0.0.1:5001")
