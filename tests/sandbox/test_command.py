"""`schemahub sandbox` as a process: it names the exchange that it plays."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from schemahub.sandbox import DIALECTS
from tests.sandbox.client import get
from tests.sandbox.tellers import TELLERS


@contextmanager
def running(*options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "schemahub.cli", "sandbox", "--port", "0", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.send_signal(signal.SIGINT)


@pytest.mark.parametrize("name", list(DIALECTS))
def test_it_plays_the_exchange_that_is_named(name: str) -> None:
    with running("--exchange", name, "--market", "BTC-USD=30") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        assert f"--base-url {name}={url};" in process.stderr.readline()
        assert len(TELLERS[name].all(url, 100)) == 30


def test_by_default_coinbase() -> None:
    with running() as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert get(url, "/products/ETH-USD").status == 200


def test_an_exchange_it_does_not_know_is_a_usage_error() -> None:
    with running("--exchange", "acme") as process:
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (2, "")
        assert "'coinbase', 'binance', 'kraken', 'bitfinex'" in err
