"""The server: reads only, on loopback, for its own page; small and whole without a network."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from schemahub.dashboard.server import STATIC
from tests.dashboard.lake import served
from tests.s3_server import BUCKET, S3Server

MOST = 95_000  # bytes of all that a browser loads, packed


def request(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = urllib.request.Request(url, method=method, headers=named)  # noqa: S310
    try:
        with urllib.request.urlopen(asked) as answer:  # noqa: S310
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


def test_pages_of_other_origins_get_nothing(address: str) -> None:
    assert request(f"{address}/api/headline.json", Host="evil.example")[0] == 400
    port = urlsplit(address).port
    assert request(f"{address}/api", Host=f"localhost:{port}")[0] == 200
    status, headers, _ = request(f"{address}/api", Origin="http://evil.example")
    assert status == 200
    assert not [name for name in headers if name.startswith("access-control")]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "script-src 'self'" in headers["content-security-policy"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(address: str, method: str) -> None:
    assert request(f"{address}/api/headline.json", method)[0] == 405


@pytest.mark.parametrize(
    "path",
    ["/static/../server.py", "/static/%2e%2e/server.py", "/static/..%2fserver.py", "/api/x.json",
     "/api/headline.exe", "/api/..%2fserver.py", "/static//etc/passwd", "/etc/passwd"],
)  # fmt: skip
def test_there_is_nothing_but_the_page_and_its_panels(address: str, path: str) -> None:
    assert request(address + path)[0] == 404


def test_no_address_takes_sql(address: str) -> None:
    status, _, body = request(f"{address}/api/headline.json?sql=select+1")
    assert status == 400
    assert json.loads(body)["error"]["code"] == "SH-USAGE"


def test_a_panel_that_did_not_change_is_not_sent_again(address: str) -> None:
    url = f"{address}/api/markets.json"
    first = request(url, Accept_Encoding="gzip")[1]["etag"]
    status, headers, body = request(url, If_None_Match=first)
    assert (status, body) == (304, b"")
    assert headers["etag"].removeprefix("W/") == first.removeprefix("W/")


def test_it_listens_on_loopback_alone(address: str) -> None:
    assert urlsplit(address).hostname == "127.0.0.1"
    port = urlsplit(address).port or 0
    addresses = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), port)}
    for other in addresses - {"127.0.0.1", "::1"}:
        with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
            socket.create_connection((other, port), timeout=2).close()


def test_looking_writes_nothing(address: str, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    for panel in ("headline", "runs", "storage", "checks", "extent"):
        assert request(f"{address}/api/{panel}.json")[0] == 200
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_port_that_is_taken_is_a_clear_error(folder: Path, address: str) -> None:
    command = [sys.executable, "-m", "schemahub.cli", "dashboard", "--lake", str(folder)]
    port = str(urlsplit(address).port)
    said = subprocess.run([*command, "--port", port], check=False, capture_output=True, text=True)
    assert said.returncode == 2
    assert f"127.0.0.1:{port} cannot be listened at" in said.stderr


def test_the_page_is_small_and_names_no_other_server() -> None:
    loaded = [path for path in STATIC.iterdir() if path.suffix in {".html", ".js", ".css"}]
    assert len(loaded) == 3
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in loaded) <= MOST
    page = (STATIC / "index.html").read_text("utf-8")
    sources = [part.split('"')[0] for part in page.split('src="')[1:]]
    assert sources
    assert all(source.startswith("/static/") for source in sources)


def test_a_lake_in_a_bucket_is_shown_as_well(
    s3: S3Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
    for path in folder.rglob("*"):
        if path.is_file():
            key = f"shown/{path.relative_to(folder)}"
            s3.client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
    with served("--s3-bucket", f"{BUCKET}/shown") as there, served("--lake", str(folder)) as here:
        for panel in ("per_day", "runs", "markets", "checks", "extent"):
            bucket = request(f"{there}/api/{panel}.json")
            assert bucket[0] == 200
            known = json.loads(request(f"{here}/api/{panel}.json")[2])
            assert json.loads(bucket[2])["rows"] == known["rows"]
        command = request(f"{there}/api/runs.sh")[2].decode()
        assert command.startswith(f"schemahub query --s3-bucket {BUCKET}/shown ")
