"""Tab in real shells: commands, options, markets of the lake; fast to nothing, never loud."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on PATH: apt-get install {name}")
    return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a lake of three markets, of which only the names matter."""
    for market in ("coinbase_trades/BTC-USD", "coinbase_trades/ETH-USD", "kraken_trades/BTC-EUR"):
        (tmp_path / "lake" / f"raw_{market}").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def bash(line: str) -> list[str]:
    """What bash would offer; its words are cut at colons, as they are by default."""
    script = (
        "source <(schemahub completion bash); COMP_LINE=$1; COMP_POINT=${#1}; "
        '_schemahub_completion schemahub; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    said = subprocess.run(
        [shell("bash"), "--norc", "-c", script, "bash", line], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert said.stderr == ""
    return said.stdout.split()


def fish(line: str) -> list[str]:
    script = "schemahub completion fish | source; complete -C $argv[1]"
    said = subprocess.run(
        [shell("fish"), "--no-config", "-c", script, line], capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert said.stderr == ""
    return [row.split("\t")[0] for row in said.stdout.splitlines()]


ASKED = [
    ("schemahub veri", ["verify"]),
    ("schemahub query --req", ["--require-proof"]),
    ("schemahub verify B", ["BTC-USD"]),
    ("schemahub verify --lake lake kraken", ["kraken:BTC-EUR"]),
    ("schemahub bars e", ["ETH-USD"]),
    ("schemahub runs sh", ["show"]),
]


@pytest.mark.parametrize(("line", "offered"), ASKED)
def test_bash_offers_it(place: Path, line: str, offered: list[str]) -> None:
    assert bash(line) == offered


@pytest.mark.parametrize(("line", "offered"), ASKED)
def test_fish_offers_it(place: Path, line: str, offered: list[str]) -> None:
    assert fish(line) == offered


def test_bash_is_given_what_stands_behind_the_colon(place: Path) -> None:
    assert bash("schemahub verify coinbase:E") == ["ETH-USD"]
    assert bash("schemahub verify kraken:") == ["BTC-EUR"]


def test_zsh_completes_on_a_terminal(place: Path) -> None:
    setup = "autoload -Uz compinit && compinit -u -D && source <(schemahub completion zsh)"
    terminal, inner = pty.openpty()
    command = [shell("zsh"), "-f", "-i"]
    environment = os.environ | {"TERM": "dumb"}
    with subprocess.Popen(
        command, stdin=inner, stdout=inner, stderr=inner, env=environment, start_new_session=True
    ) as process:
        try:
            os.write(terminal, f"{setup} && echo rea''dy\n".encode())
            assert seen(terminal, "ready")
            os.write(terminal, b"schemahub verify kr\t")
            assert seen(terminal, "BTC-EUR")
        finally:
            process.kill()
    os.close(inner)
    os.close(terminal)


def seen(terminal: int, words: str, longest: float = 60) -> bool:
    text, end = "", time.monotonic() + longest
    while words not in text and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            text += os.read(terminal, 4096).decode(errors="replace")
    return words in text


@pytest.mark.parametrize(
    "spoil",
    [("SCHEMAHUB_LAKE", "/nowhere"), ("SCHEMAHUB_S3_BUCKET", "some-bucket"),
     ("SCHEMAHUB_WORKERS", "none")],
)  # fmt: skip
def test_where_nothing_can_be_known_nothing_is_said(
    place: Path, monkeypatch: pytest.MonkeyPatch, spoil: tuple[str, str]
) -> None:
    monkeypatch.setenv(*spoil)
    assert bash("schemahub verify B") in ([], [""])


def test_no_command_is_imported_to_offer_their_names() -> None:
    code = (
        "import sys, os\n"
        "os.environ |= {'_SCHEMAHUB_COMPLETE': 'bash_complete', 'COMP_LINE': 'schemahub '}\n"
        "from schemahub.cli.main import run\n"
        "assert run([]) == 0\n"
        "print(*sorted(m for m in sys.modules if m.startswith('schemahub.')), file=sys.stderr)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "verify" in said.stdout.split()
    loaded = said.stderr.split()
    assert "schemahub.cli.completion" in loaded
    assert not {"schemahub.cli.verify", "schemahub.app", "schemahub.adapters"} & set(loaded)
