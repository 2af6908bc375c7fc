"""HTTP: to one host that proves who it is, without credentials, and whatever it answers."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from schemahub.adapters import specs
from schemahub.core.errors import ExchangeError, Unreachable, UsageError
from schemahub.core.layout import Market
from schemahub.core.page import Answer, Request, decode, encode, path
from tests.adapters.http_bench import ROWS, bench
from tests.adapters.http_server import Server, say, send_and_close, serving
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, here, unpacked
from tests.security.conftest import anyway

__all__ = ["bench"]

PASSWORD = "canary-pw-7f3a"


# ---------------------------------------------------------------- TLS


@contextmanager
def secure(folder: Path, host: str) -> Iterator[tuple[Server, Path]]:
    """An HTTPS server on loopback with a certificate that it signed itself, for `host`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    alternatives: list[x509.GeneralName] = [x509.DNSName(host)]
    with suppress(ValueError):
        alternatives = [x509.IPAddress(ipaddress.ip_address(host))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    server = Server(then=say(ROWS))
    with socket.create_server(("127.0.0.1", 0)) as plain:
        server.url = f"https://127.0.0.1:{plain.getsockname()[1]}"
        thread = threading.Thread(target=_serve, args=(server, plain, context), daemon=True)
        thread.start()
        yield server, certificate
        with suppress(OSError):
            plain.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _serve(server: Server, plain: Any, context: ssl.SSLContext) -> None:
    while True:
        try:
            peer, _ = plain.accept()
        except OSError:
            return
        server.connections += 1
        try:
            server._talk(context.wrap_socket(peer, server_side=True))
        except (ssl.SSLError, OSError):
            peer.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(bench: Any, tmp_path: Path) -> None:
    with secure(tmp_path, "127.0.0.1") as (server, _):
        with pytest.raises(Unreachable, match=r"(?i)certificate"):
            bench(server).fetch()
        assert server.connections >= 1
        assert server.requests == []


def test_a_certificate_for_another_name_is_refused_a_vouched_one_is_taken(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for host, good in (("api.example.com", False), ("127.0.0.1", True)):
        with secure(tmp_path, host) as (server, certificate):
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            client = bench(server)
            if good:
                assert client.fetch() == ROWS
            else:
                with pytest.raises(Unreachable, match=r"(?i)mismatch|not valid for"):
                    client.fetch()
                assert server.requests == []


@pytest.mark.parametrize("variable", ["PYTHONHTTPSVERIFY", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_no_variable_switches_the_check_off(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "0" if variable.startswith("PYTHON") else "")
    with secure(tmp_path, "127.0.0.1") as (server, _):
        with pytest.raises(Unreachable):
            bench(server).fetch()
        assert server.requests == []


# ---------------------------------------------------------------- credentials


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{PASSWORD}@127.0.0.1:1",
        f"http://{PASSWORD}@127.0.0.1:1",
        f"https://user:{PASSWORD}@[::1]:1/x?y#z",
        f"ftp://user:{PASSWORD}@host",
        f"https://user:{PASSWORD}%40host@127.0.0.1",
    ],
)
@pytest.mark.parametrize("way", ["flag", "environment", "file", "file table"])
def test_a_password_in_a_base_url_is_refused_and_shown_nowhere(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, way: str
) -> None:
    w = make(5)
    flags: list[str] = []
    if way == "flag":
        flags = ["--base-url", f"coinbase={url}"]
    elif way == "environment":
        monkeypatch.setenv("SCHEMAHUB_BASE_URLS", f"coinbase={url}")
    elif way == "file":
        (tmp_path / "schemahub.toml").write_text(f'base_urls = "{url}"\n')
    else:
        (tmp_path / "schemahub.toml").write_text(f'[base_urls]\ncoinbase = "{url}"\n')
    for command in (["config", "show", "--origin"], ["config", "show", "--json"], ["doctor"],
                    ["ingest", BTC, "-v"], ["update-seed", "--debug"]):  # fmt: skip
        code, out, err = anyway([*command, *flags])
        assert code == (2 if flags else 6), (command, err)
        assert PASSWORD not in out + err
    assert not w.lake.exists()
    assert not (tmp_path / "lake").exists()


def test_what_a_raw_line_keeps_of_a_url_has_no_place_for_credentials(make: Make) -> None:
    w = make(5)
    w.fetch()
    kept = [unpacked(raw) for raw in w.raw()]
    kept += [path.read_bytes() for path in w.lake.rglob("*.json")]
    assert len(kept) >= 4
    assert b"@" not in b"".join(kept)
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    line = encode(Answer(at, "http://127.0.0.1:1/x", 200, "", b"[]"))
    assert decode(line).url == "http://127.0.0.1:1/x"


def test_no_header_says_who_asks_or_what_the_environment_holds(
    bench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login a password {PASSWORD}\n")
    for name in ("HOME", "NETRC", "AWS_SECRET_ACCESS_KEY", "HTTP_AUTHORIZATION"):
        monkeypatch.setenv(name, str(tmp_path) if name == "HOME" else PASSWORD)
    with serving(then=say(ROWS)) as server:
        bench(server).fetch()
    names = {line.split(b":")[0].lower() for line in server.requests[0].splitlines()[1:] if line}
    assert names == {b"host", b"user-agent", b"accept", b"accept-encoding"}
    assert PASSWORD.encode() not in server.requests[0]


# ---------------------------------------------------------------- what goes out


@pytest.mark.parametrize(
    "symbol", ["A\r\nX: Y-USD", "A B-USD", "A?B#C-USD", "A%0D%0A-USD", "É-USD", "/../-USD", "A/B-C"]
)
def test_a_symbol_is_one_segment_of_the_path_whatever_is_in_it(bench: Any, symbol: str) -> None:
    spec = specs.load(specs.installed()["coinbase"])
    if not symbol.isprintable():
        with pytest.raises(UsageError):
            Market("coinbase", symbol)
        return
    market = Market("coinbase", symbol)
    with serving(then=say(ROWS)) as server:
        bench(server).fetch(Request(path(market, spec), (("a", "x\r\nY: z&b=c"),)))
    (request,) = server.requests
    line = request.split(b"\r\n")[0].decode()
    assert line.count("/") == 4  # /products/{symbol}/trades and HTTP/1.1
    assert line.count(" ") == 2
    assert line.count("?") == 1
    assert b"\r\nY: z" not in request


def test_a_market_that_would_be_asked_for_as_another_path_is_none(tmp_path: Path) -> None:

    text = specs.installed()["coinbase"].read_text().replace("{base}-{quote}", "{base}{quote}")
    (tmp_path / "coinbase.yaml").write_text(text)
    spec = specs.load(tmp_path / "coinbase.yaml")
    assert spec.native(Market("coinbase", "A-.")) == "A."
    with pytest.raises(UsageError, match="is not a market"):
        path(Market("coinbase", ".-."), spec)


# ---------------------------------------------------------------- what comes in

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\n[]",
        HEAD + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n[]",
        b"HTTP/1.1 200 " + b"O" * 1_000_000 + b"\r\n\r\n[]",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000 + HEAD + b"\r\n[]",
        b"HTTP/1.1 99999 x\r\n\r\n",
        b"\x00" * 100_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 70_000 + b"\r\n",
        HEAD + b"Content-Encoding: " + b"gzip, " * 5000 + b"\r\n\r\n[]",
        HEAD + b"Date: " + b"(" * 50_000 + b"\r\n\r\n{}",
        HEAD + b"\xff\xfe: \x00\r\n\r\n{}",
        b"HTTP/1.1 503 x\r\nRetry-After: " + b"9" * 5000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 429 x\r\nRetry-After: -1e999\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=[
        "5,000 headers", "a header of 1 MB", "a status line of 1 MB", "20,000 interim answers",
        "a status of five digits", "zeros", "a negative length", "an endless length",
        "a chunk of endless length", "5,000 encodings", "a date of brackets", "bytes as header",
        "an endless Retry-After", "an odd Retry-After",
    ],
)  # fmt: skip
def test_a_bomb_in_the_head_is_a_failed_try_and_no_more(bench: Any, answer: bytes) -> None:
    with serving(then=send_and_close(answer)) as server:
        said = ""
        try:
            got = bench(server).fetch()
        except ExchangeError as error:
            said = str(error)
        else:
            assert got == b"[]"  # an odd head before a whole body does no harm
        assert len(said) < 2_000


def test_redirects_lead_nowhere_in_the_whole_program(make: Make, hurried: Any) -> None:
    w = make(5)
    with serving(then=say(ROWS)) as other:
        moved = say(b"", "302 Found", headers={"Location": f"{other.url}/steal"})
        with serving(then=moved) as server:
            url = ["--lake", str(w.lake), "--base-url", f"coinbase={server.url}"]
            for command in (["ingest", BTC], ["update-seed"], ["doctor"]):
                assert here([*command, *url]).code == 1
        assert other.connections == 0
