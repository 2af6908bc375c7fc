"""The kernel's word for it: nothing is called but the exchange that was named."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

import schemahub
from tests.e2e.conftest import Make
from tests.e2e.world import BTC

SRC = Path(schemahub.__file__).parent
# Of sockets these stay on this machine by their kind: the pool of transform talks through one.
AT_HOME = {"AF_UNIX", "AF_UNSPEC"}
# urllib3 looks once whether this machine has IPv6. Nobody is called, nothing listens.
LOOKS = ("bind", "AF_INET6", "::1:0")

COMMANDS = """
import sys
from schemahub.cli.main import run
lake, url, *codes = sys.argv[1:]
talk = ["--base-url", f"coinbase={url}"]
for command in (
    ["ingest", "BTC-USD", "--full", *talk], ["transform"], ["update-seed", *talk],
    ["run", *talk], ["query", "select count(*) from trades"], ["query", "from bars_1m"],
    ["query", "from 'http://127.0.0.1:9/x.parquet'"], ["query", "install httpfs"],
    ["verify"], ["repair", *talk], ["status"], ["runs"], ["runs", "show"], ["files"],
    ["doctor", *talk], ["doctor", "--offline"], ["config", "show"], ["quality"],
    ["query", "from storage"], ["query", "--require-proof", "from trades"], ["bars", "BTC-USD"],
    ["cost"], ["explain", "SH-STORE"], ["init", "--stdout"],
):
    print(command[0], run([*command, "--lake", lake]), file=sys.stderr)
"""


def traced(trace: Path, *arguments: str) -> tuple[list[tuple[str, str, str]], str]:
    """(call, family, address) of each address that the program gave to the kernel; its stderr."""
    done = subprocess.run(
        ["strace", "-f", "-qq", "-s", "200", "-e", "trace=network", "-o", str(trace),
         sys.executable, *arguments],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return addresses(trace), done.stderr


def addresses(trace: Path) -> list[tuple[str, str, str]]:
    found = []
    for line in trace.read_text("utf-8", "replace").splitlines():
        call = re.match(r"\d+ +(?:<\.\.\. )?(\w+)", line)
        for family, rest in re.findall(r"sa_family=(\w+)(.*?)\}", line):
            address = re.search(r'"([^"]*)"', rest)
            port = re.search(r"htons\((\d+)\)", rest)
            where = f"{address[1] if address else ''}:{port[1] if port else ''}"
            found.append((call[1] if call else "?", family, where))
    return found


def called(found: Sequence[tuple[str, str, str]]) -> set[str]:
    calls = {"connect", "sendto", "sendmsg", "sendmmsg"}
    return {where for call, family, where in found if call in calls and family not in AT_HOME}


def test_no_command_calls_anybody_but_the_exchange_that_was_named(
    make: Make, tmp_path: Path
) -> None:
    w = make(30)
    found, err = traced(tmp_path / "trace", "-c", COMMANDS, str(w.lake), w.box.url)
    assert called(found) == {urlsplit(w.box.url).netloc}
    bound = [one for one in found if one[0] == "bind" and one[1] not in AT_HOME]
    assert bound in ([], [LOOKS])
    codes = dict(re.findall(r"^([a-z-]+) (\d+)$", err, re.MULTILINE))
    assert codes["ingest"] == codes["verify"] == codes["doctor"] == "0", err


def test_importing_everything_calls_nobody_and_listens_to_nobody(tmp_path: Path) -> None:
    names = [
        ".".join(path.relative_to(SRC.parent).with_suffix("").parts)
        for path in sorted(SRC.rglob("*.py"))
        if path.name not in {"__main__.py", "__init__.py"}
    ]
    code = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    found, _ = traced(tmp_path / "trace", "-c", code)
    assert found in ([], [LOOKS])
    assert not re.search(r"\b(connect|listen|send\w*)\(", (tmp_path / "trace").read_text())


def test_importing_schemahub_opens_no_socket(tmp_path: Path) -> None:
    traced(tmp_path / "trace", "-c", "import schemahub, schemahub.api, schemahub.cli.main")
    assert (tmp_path / "trace").read_text() == ""


def test_the_dashboard_listens_on_this_machine_alone_and_calls_nobody(
    make: Make, tmp_path: Path
) -> None:
    w = make(30)
    w.fetch()
    trace = tmp_path / "trace"
    words = ["-m", "schemahub.cli", "dashboard", "--port", "0", "--lake", str(w.lake)]
    with subprocess.Popen(
        ["strace", "-f", "-qq", "-s", "200", "-e", "trace=network", "-o", str(trace),
         sys.executable, *words],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        for path in ("/", "/static/app.js", "/api", "/api/headline.json", "/api/storage.arrow"):
            with urlopen(address + path) as answer:  # noqa: S310  (our own server)
                assert answer.read()
        # strace itself hears no signal while it writes to a file.
        below = subprocess.check_output(["pgrep", "-P", str(process.pid)], text=True)
        os.kill(int(below), signal.SIGTERM)
    found = addresses(trace)
    bound = {where for call, family, where in found if call == "bind" and family == "AF_INET"}
    assert bound == {"127.0.0.1:0"}
    assert called(found) == set()


@pytest.mark.heavy
def test_the_demo_calls_its_own_exchange_alone(tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    found, _ = traced(tmp_path / "trace", "-m", "schemahub.cli", "demo", "--lake", lake)
    bound = {where for call, family, where in found if call == "bind" and family == "AF_INET"}
    assert bound == {"127.0.0.1:0"}
    assert {where.rpartition(":")[0] for where in called(found)} == {"127.0.0.1"}
    assert len(called(found)) == 1


def test_the_sandbox_listens_on_this_machine_alone(tmp_path: Path) -> None:
    code = (
        "from schemahub.sandbox import Generated, Sandbox\n"
        f"with Sandbox({{{BTC!r}: Generated(seed=1, trades=5)}}): pass"
    )
    found, _ = traced(tmp_path / "trace", "-c", code)
    bound = {where for call, family, where in found if call == "bind"}
    assert {where.rpartition(":")[0] for where in bound} == {"127.0.0.1"}
