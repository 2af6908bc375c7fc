"""Whom the client believes to be the exchange."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schemahub.core.errors import Unreachable
from tests.adapters.http_bench import ROWS, bench

__all__ = ["bench"]  # the fixture


def certificate(folder: Path, name: str) -> Path:
    """A certificate of that host, signed by itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made for a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


class _Rows(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    peers: set[Any]

    def do_GET(self) -> None:
        self.peers.add(self.client_address)
        self.send_response(200)
        self.send_header("Content-Length", str(len(ROWS)))
        self.end_headers()
        self.wfile.write(ROWS)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (http.server's name)
        del format, args


@contextmanager
def serving(pem: Path) -> Iterator[tuple[str, set[Any]]]:
    """Its URL, and who talked to it."""
    peers: set[Any] = set()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    handler = type("Rows", (_Rows,), {"peers": peers})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who hangs up is heard of here
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"https://localhost:{server.server_address[1]}", peers
        server.shutdown()
        thread.join(5)


def test_a_certificate_that_is_trusted_is_believed(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with serving(pem) as (url, peers):
        client = bench(url)
        assert [client.fetch() for _ in range(3)] == [ROWS] * 3
        assert len(peers) == 1
        client.client.close()  # this server hears one client at a time


@pytest.mark.parametrize(("name", "trusted"), [("localhost", False), ("api.example.com", True)])
def test_nobody_else_is(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool
) -> None:
    pem = certificate(tmp_path, name)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with serving(pem) as (url, peers):
        client = bench(url)
        with pytest.raises(Unreachable, match=r"(?i)certificate"):
            client.fetch()
        assert set(client.events.of("request.failed", "reason")) == {"tls"}
        assert not peers
