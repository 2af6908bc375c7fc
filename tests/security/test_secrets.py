"""Secrets of the environment are in no output and no file, whatever fails."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Make
from tests.e2e.world import BTC
from tests.security.conftest import anyway

CANARY = "canary-5e1c9d-secret"
VARIABLES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SESSION_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK",
    "COINBASE_API_SECRET",
    "SCHEMAHUB_PASSWORD",  # sets nothing: the name is told, not the value
    "HTTPS_PROXY",
)


def commands(url: str, lake: str) -> list[tuple[str, ...]]:
    """Every command, and ways in which each fails."""
    talk = ("--base-url", f"coinbase={url}")
    dead = ("--base-url", "coinbase=http://127.0.0.1:1")
    at = ("--lake", lake)
    return [
        ("ingest", BTC, "--full", *talk, *at),
        ("ingest", BTC, "--dry-run", *talk, *at),
        ("ingest", "NO-NO", *talk, *at),
        ("ingest", BTC, *dead, *at),
        ("transform", *at),
        ("transform", "--rebuild", *at),
        ("update-seed", *talk, *at),
        ("update-seed", *dead, *at),
        ("run", *talk, *at),
        ("query", "select * from trades limit 1", *at),
        ("query", "select getenv('AWS_SECRET_ACCESS_KEY')", *at),
        ("query", "select * from duckdb_secrets()", *at),
        ("query", "select current_setting('s3_secret_access_key')", *at),
        ("query", "selec", *at),
        ("verify", *at),
        ("verify", "NO-NO", *at),
        ("repair", *talk, *at),
        ("status", *at),
        ("runs", *at),
        ("runs", "show", *at),
        ("runs", "show", "no", *at),
        ("files", *at),
        ("doctor", *talk, *at),
        ("doctor", *dead, *at),
        ("config", "show", "--origin", *talk, *at),
        ("sandbox", "--port", "0", "--market", "x=y"),
        ("status", "--lake", f"{lake}/none"),
        ("nonsense",),
        ("--help",),
    ]


@pytest.mark.usefixtures("hurried")
def test_no_command_tells_or_stores_a_secret_of_the_environment(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = make(30)
    for name in VARIABLES:
        monkeypatch.setenv(name, f"http://{CANARY}" if name.endswith("PROXY") else CANARY)
    codes = []
    for command in commands(w.box.url, str(w.lake)):
        more = () if command[0] in {"nonsense", "--help"} else ("-v", "--debug")
        code, out, err = anyway([*command, *more])
        assert CANARY not in out + err, command
        codes.append(code)
    assert {0, 1, 2} <= set(codes)  # some did, some failed
    for name, data in w.files().items():
        assert CANARY not in name
        assert CANARY.encode() not in (data or b""), name


def test_a_fault_of_our_own_tells_no_value_of_the_environment(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outermost edge: a traceback names lines, never the values in them."""
    w = make(5)
    w.fetch()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)

    def broken(*given: object) -> None:
        secret = CANARY
        raise RuntimeError(len(secret))

    monkeypatch.setattr("schemahub.app.App.stored_markets", broken)
    code, out, err = anyway(["status", "--lake", str(w.lake), "--debug"])
    assert code == 1
    assert "Traceback" in err
    assert CANARY not in out + err
