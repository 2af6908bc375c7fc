"""Ctrl-C and SIGTERM: gone within seconds, what was proven is saved, the same command resumes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from schemahub.sandbox import Fault
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, World, ended, raw_rows

GONE_WITHIN = 5.0


def wait_for(w: World, requests: int, process: subprocess.Popen[str]) -> None:
    """Until the exchange was asked so often."""
    while w.box.stats().requests < requests:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "TERM"]
)
def test_a_signal_ends_it_soon_and_the_same_command_fetches_only_the_rest(
    make: Make, number: signal.Signals, code: int
) -> None:
    w = make(12_000, latency=0.05)
    # From the ninth answer on the sockets hang for longer than anybody waits.
    w.box.set_faults([Fault("slow", start=9, seconds=60)])
    process = w.start("ingest", BTC, "--full")
    wait_for(w, 10, process)
    process.send_signal(number)
    process.wait(GONE_WITHIN)
    said = ended(process)
    assert said.code == code
    assert "run the same command again" in said.err
    saved = set(raw_rows(w.lake, BTC))
    assert len(saved) >= 5_000
    record = w.last_run()
    assert (record["command"], record["exit_code"]) == ("ingest", code)

    w.box.set_faults()
    asked = w.box.stats().requests
    before = w.raw()
    w.ok("ingest", BTC, "--full")
    rest = 12_000 - len(saved)
    assert w.box.stats().requests - asked <= rest // 1_000 + 3
    assert set(before) <= set(w.raw())
    w.ok("transform")
    w.assert_whole()


@pytest.mark.heavy
def test_a_second_signal_ends_it_at_once(make: Make) -> None:
    w = make(5_000)
    w.box.set_faults([Fault("slow", start=2, seconds=60)])
    process = w.start("ingest", BTC, "--full")
    wait_for(w, 2, process)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    process.wait(2)
    assert ended(process).code in {143, -signal.SIGTERM}
    w.box.set_faults()
    w.fetch()
    w.assert_whole()


def test_a_signal_while_it_waits_its_turn_ends_it_too(make: Make) -> None:
    """Not under way but asleep: told to wait by the exchange, or by its own rate."""
    w = make(9_000)
    w.box.set_faults([Fault("http_503", start=2, retry_after=100)])
    process = w.start("run", BTC)
    wait_for(w, 2, process)
    process.send_signal(signal.SIGINT)
    process.wait(GONE_WITHIN)
    assert ended(process).code == 130
    assert w.last_run()["exit_code"] == 130
    w.box.set_faults()
    w.ok("run", BTC)
    w.assert_whole()


def many_processes(w: World) -> subprocess.Popen[str]:
    """A transform that finds each part, however small, worth a process; in a group of its own."""
    program = (
        "from schemahub.cli.main import main; from schemahub.pipelines import transform; "
        "transform.ROWS_WORTH_A_PROCESS = 0; main()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, *w.arguments("transform", "--workers", "2")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def of_group(process: subprocess.Popen[str]) -> list[bytes]:
    """The pids of the processes of its group."""
    asked = ["pgrep", "-g", str(process.pid)]
    return subprocess.run(asked, capture_output=True, check=False).stdout.split()


@pytest.mark.heavy
@pytest.mark.parametrize("delay", [0.0, 0.5])
def test_a_signal_to_a_transform_of_many_processes_leaves_none_behind(
    make: Make, delay: float
) -> None:
    symbols = ("BTC-USD", "ETH-USD", "SOL-USD", "DOGE-USD")
    w = make(dict.fromkeys(symbols, 15_000))
    w.ok("ingest", *symbols, "--full", "--chunk-concurrency", "15")
    process = many_processes(w)
    while len(of_group(process)) < 4:  # itself, two workers, and what counts their resources
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(signal.SIGTERM)
    process.wait(GONE_WITHIN)
    assert ended(process).code in {0, 143}
    until = time.monotonic() + GONE_WITHIN
    while of_group(process) and time.monotonic() < until:
        time.sleep(0.05)
    assert of_group(process) == []
    w.ok("transform")
    for symbol in symbols:
        w.assert_whole(symbol)
