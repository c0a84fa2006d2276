"""Where a key service listens, and who reaches it there."""

from __future__ import annotations

import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from medrec_py.errors import ConfigurationError, KeyServiceUnavailable
from medrec_py.keyservice.client import PATH
from medrec_py.keyservice.server import Server, Tls
from medrec_py.transport import Transport
from tests.support.hostile import ok, serving


def echo(body: bytes) -> bytes:
    return body


def asked(address: str, body: bytes = b"hello", limit: int = 100, timeout: float = 20) -> bytes:
    transport = Transport(address, timeout, "key service", KeyServiceUnavailable)
    try:
        return transport.post(PATH, body, limit).body
    finally:
        transport.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.sock"


def test_a_socket_for_its_owner_and_group_alone(path: Path) -> None:
    """It is there while the service is, and gone afterwards."""
    with Server(echo, f"unix:{path}") as server:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert asked(server.address) == b"hello"
    assert not path.exists()
    with pytest.raises(KeyServiceUnavailable):
        asked(server.address)


def test_a_socket_that_a_killed_service_left_behind(path: Path) -> None:
    """It is replaced; one that somebody answers, or a file, is not."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with Server(echo, f"unix:{path}") as server:
        with pytest.raises(ConfigurationError, match="in use"):
            Server(echo, server.address)
        assert asked(server.address) == b"hello"
    path.write_text("a file of somebody's")
    with pytest.raises(ConfigurationError):
        Server(echo, f"unix:{path}")
    assert path.read_text() == "a file of somebody's"


def test_an_address_of_this_machine() -> None:
    """HTTP on the loopback, on any port that is free."""
    with Server(echo, "127.0.0.1:0") as server:
        assert server.address.startswith("http://127.0.0.1:")
        assert asked(server.address) == b"hello"


def test_an_address_that_others_reach_needs_a_certificate() -> None:
    """Or anybody on the way could answer for the service."""
    for address in ("0.0.0.0:0", "192.0.2.1:0", "keys.example.org:0"):
        with pytest.raises(ConfigurationError, match="certificate"):
            Server(echo, address)
    for address in ("", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:99999", "unix:/nowhere/keys.sock"):
        with pytest.raises(ConfigurationError):
            Server(echo, address)


def test_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a certificate that the agent's machine trusts; with another there is no answer."""
    tls = certificate(tmp_path)
    with Server(echo, "127.0.0.1:0", tls) as server:
        assert server.address.startswith("https://")
        with pytest.raises(KeyServiceUnavailable, match="certificate"):
            asked(server.address)
        monkeypatch.setenv("SSL_CERT_FILE", str(tls.certificate))
        assert asked(server.address) == b"hello"


def test_a_certificate_that_is_none(tmp_path: Path) -> None:
    """Said before anything listens."""
    (tmp_path / "rubbish").write_text("rubbish")
    for name in ("rubbish", "nowhere"):
        with pytest.raises(ConfigurationError, match="certificate"):
            Server(echo, "127.0.0.1:0", Tls(tmp_path / name, tmp_path / name))


def test_a_service_that_sends_too_much_or_too_slowly_or_nothing() -> None:
    """The agent does not wait for ever, and does not fill its memory."""
    with (
        serving(lambda *_: iter([ok(b"x" * 1000)])) as hostile,
        pytest.raises(KeyServiceUnavailable, match="100 bytes"),
    ):
        asked(hostile.url)
    with (
        serving(lambda server, _: iter([b"HTTP/1.1 200 OK\r\n", *(b"" for _ in range(server.stop.wait(20)))])) as slow,
        pytest.raises(KeyServiceUnavailable),
    ):
        asked(slow.url, timeout=0.3)
    with serving(lambda *_: iter([])) as silent, pytest.raises(KeyServiceUnavailable):
        asked(silent.url)
    with (
        serving(
            lambda *_: iter([b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"])
        ) as away,
    ):
        assert asked(away.url) == b""  # not followed
        assert len(away.requests) == 1


def test_a_stop_waits_for_what_was_begun(path: Path) -> None:
    """A request that is being decided when the service stops is answered; later ones are not."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(body: bytes) -> bytes:
        begun.set()
        go_on.wait(20)
        return body

    server = Server(slow, f"unix:{path}")
    server.start()
    with ThreadPoolExecutor(2) as pool:
        answer = pool.submit(asked, server.address)
        assert begun.wait(20)
        stopping = pool.submit(server.stop)
        go_on.set()
        assert answer.result(20) == b"hello"
        stopping.result(20)
    server.stop()
    with pytest.raises(KeyServiceUnavailable):
        asked(server.address)


def test_what_fails_without_a_reason_says_nothing_but_its_kind(path: Path) -> None:
    """What an unexpected error says may hold anything."""

    def fail(_: bytes) -> bytes:
        raise RuntimeError("a secret")

    with Server(fail, f"unix:{path}") as server:
        answer = asked(server.address, limit=1000)
    assert b"KeyServiceError" in answer
    assert b"RuntimeError" in answer
    assert b"a secret" not in answer


def certificate(folder: Path) -> Tls:
    """A certificate of our own for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "keys")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Tls(folder / "cert.pem", folder / "key.pem")
