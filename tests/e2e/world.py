"""A user's world: a lake, the built-in exchange, the program; and what must be true of them.

What the exchange has is asked of the sandbox, what is stored is read here with pyarrow, zstd
and json alone: none of the product's own readers decides whether the product is right.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from schemahub.cli.main import run as run_cli
from schemahub.sandbox import Sandbox, Trade

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BTC = "BTC-USD"
OTHER = {"buy": "sell", "sell": "buy"}
# Where a run may write although there is nothing new.
RECORDS = ("runs/", "checkpoints/", "leases/", "quality/")
TALKS = {"ingest", "run", "repair", "update-seed", "doctor"}

Files = dict[str, bytes | None]


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error ")]


class Clock:
    """The sandbox's clock: the machine's, moved on by hand."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class World:
    """`run` is the program in this process, `start` and `process` in one of its own."""

    lake: Path
    box: Sandbox
    clock: Clock = field(default_factory=Clock)

    # ------------------------------------------------------------ the program

    def arguments(self, command: str, *more: str) -> list[str]:
        given = [command, *more, "--lake", str(self.lake)]
        return [*given, "--base-url", f"coinbase={self.box.url}"] if command in TALKS else given

    def run(self, command: str, *more: str) -> Said:
        return here(self.arguments(command, *more))

    def ok(self, command: str, *more: str) -> Said:
        said = self.run(command, *more)
        assert said.code == 0, f"{command} {more}: exit {said.code}\n{said.out}\n{said.err}"
        return said

    def start(self, command: str, *more: str, **popen: Any) -> subprocess.Popen[str]:
        return start(self.arguments(command, *more), **popen)

    def process(self, command: str, *more: str, **popen: Any) -> Said:
        return ended(self.start(command, *more, **popen))

    # ------------------------------------------------------------ what must be true

    def fetch(self, *markets: str) -> None:
        """All history of these markets, in the table."""
        self.ok("ingest", *(markets or (BTC,)), "--full")
        self.ok("transform")

    def certificate(self, market: str = BTC, code: int = 0) -> dict[str, Any]:
        said = self.run("verify", market, "--json")
        assert said.code == code, f"verify: exit {said.code}\n{said.out}\n{said.err}"
        (found,) = said.json()["markets"]
        return dict(found)

    def assert_whole(self, market: str = BTC, start: int = 1, absent: Iterable[int] = ()) -> None:
        """The table and raw hold what the exchange has from id `start` on, exactly and once."""
        gone = set(absent)
        truth = [one for one in self.box.truth(market, start) if one.trade_id not in gone]
        self.assert_table(truth, market)
        self.assert_raw(truth, market)
        found = self.certificate(market)
        assert found["duplicates"] == 0
        assert found["count"] == len(truth)
        if not gone:
            assert (found["status"], found["holes"]) == ("proven", [])

    def assert_table(self, truth: Sequence[Trade], market: str = BTC) -> None:
        table = self.table(market)
        ids = table["trade_id"].to_pylist()
        assert ids == [one.trade_id for one in truth], told(ids, truth)
        assert table["side"].to_pylist() == [one.side for one in truth]
        assert table["price"].to_pylist() == [Decimal(one.price) for one in truth]
        assert table["quantity"].to_pylist() == [Decimal(one.size) for one in truth]
        assert table["trade_ts"].to_pylist() == [moment(one.time) for one in truth]
        assert set(table["exchange"].to_pylist()) <= {"coinbase"}
        assert set(table["symbol"].to_pylist()) <= {market}

    def assert_raw(self, truth: Sequence[Trade], market: str = BTC) -> None:
        """Every trade is in an object whose name says so, each text as the exchange wrote it."""
        held = raw_rows(self.lake, market)
        for one in truth:
            wire = (OTHER[one.side], one.size, one.price, one.time)
            assert wire in held.get(one.trade_id, ()), f"{one}: raw has {held.get(one.trade_id)}"

    def table(self, market: str = BTC) -> pa.Table:
        """The live files' rows in the order of their files, read as any other tool would."""
        found = []
        for file in self.ok("files", market, "--json").json()["files"]:
            rows = pq.read_table(file["path"], partitioning=None)
            for begin, end in file["keep"]:
                ids = rows["trade_id"].to_pylist()
                keep = [index for index, one in enumerate(ids) if begin <= one < end]
                found.append(rows.take(keep))
        return pa.concat_tables(found) if found else pa.table({n: [] for n in COLUMNS})

    def ids(self, market: str = BTC) -> list[int]:
        return list(self.table(market)["trade_id"].to_pylist())

    # ------------------------------------------------------------ the lake's files

    def files(self) -> Files:
        return snapshot(self.lake)

    def raw(self, market: str = BTC) -> list[Path]:
        """Data objects, lowest first."""
        folder = self.lake / "raw_coinbase_trades" / market
        return sorted(path for path in folder.glob("*.jsonl.zst") if len(path.name) == 51)

    def parts(self, market: str = BTC, version: int = 1) -> list[Path]:
        folder = self.lake / f"unified_trades/v{version}/exchange=coinbase/symbol={market}"
        return sorted(folder.glob("*.parquet"))

    def last_run(self) -> dict[str, Any]:
        return dict(self.ok("runs", "show", "LAST").json())


COLUMNS = ("exchange", "symbol", "trade_id", "side", "price", "quantity", "trade_ts")


def here(arguments: Sequence[str]) -> Said:
    """The program's answer, in this process; signal handlers are put back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = run_cli(list(arguments))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    texts = []
    for stream in (out, err):
        stream.flush()
        raw = stream.buffer
        assert isinstance(raw, io.BytesIO)
        texts.append(raw.getvalue().decode())
    return checked(Said(code, *texts))


def start(arguments: Sequence[str], **popen: Any) -> subprocess.Popen[str]:
    """The program in a process of its own; end it by its own pid only."""
    return subprocess.Popen(
        [sys.executable, "-m", "schemahub.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **popen,
    )


def ended(process: subprocess.Popen[str]) -> Said:
    out, err = process.communicate(timeout=120)
    return checked(Said(process.returncode, out, err))


def checked(said: Said) -> Said:
    """Whatever happened, it was told as a user wants to be told."""
    assert "Traceback (most" not in said.out + said.err, said.err
    assert "a fault in schemahub" not in said.err, said.err
    lines = said.err.splitlines()
    for index, line in enumerate(lines):
        if line.startswith("error "):
            assert lines[index + 1].startswith("  why: "), said.err
            assert lines[index + 2].startswith("  do:  "), said.err
    if said.code not in {0, 3, 4} and said.code > 0:
        assert said.errors or "failed" in said.out, f"exit {said.code} and not a word why"
    return said


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def told(ids: Sequence[int], truth: Sequence[Trade]) -> str:
    """What is wrong with these ids, shorter than two lists of thousands."""
    right = {one.trade_id for one in truth}
    lost, extra = sorted(right - set(ids)), sorted(set(ids) - right)
    return (
        f"{len(ids)} rows of {len(right)} trades; lost {lost[:5]}… ({len(lost)}), "
        f"too many {extra[:5]}… ({len(extra)}), {len(ids) - len(set(ids))} twice, "
        f"sorted: {list(ids) == sorted(ids)}"
    )


def raw_rows(lake: Path, market: str) -> dict[int, set[tuple[str, str, str, str]]]:
    """(side, size, price, time) as on the wire, of the ids that the names of objects hold."""
    found: dict[int, set[tuple[str, str, str, str]]] = {}
    folder = lake / "raw_coinbase_trades" / market
    bad = {path.name for path in folder.glob("*.bad*")}
    for path in folder.glob("*.jsonl.zst"):
        span, *rest = path.name.removesuffix(".jsonl.zst").split(".")
        if rest[:1] in (["seen"], ["absent"]) or f"{span}.bad{rest[0][1:] if rest else 0}" in bad:
            continue
        begin, end = (int(text) for text in span.split("-"))
        for row in answers(path):
            number = row.get("trade_id")
            if isinstance(number, int) and begin <= number < end:
                wire = (row.get("side"), row.get("size"), row.get("price"), row.get("time"))
                found.setdefault(number, set()).add(wire)  # type: ignore[arg-type]
    return found


def answers(path: Path) -> list[dict[str, Any]]:
    """The rows of every answer in a raw object."""
    lines = [json.loads(line) for line in unpacked(path).splitlines()]
    bodies = [line["body"] if "body" in line else json.loads(line["text"]) for line in lines]
    return [row for body in bodies for row in body]


def unpacked(path: Path) -> bytes:
    with zstd.open(path, "rb") as file:
        return file.read()


def snapshot(folder: Path) -> Files:
    """Every file with its bytes and every folder (None) below `folder`, hidden ones as well."""
    found: Files = {}
    for base, folders, names in os.walk(folder):
        for name in folders:
            found[os.path.relpath(Path(base, name), folder) + "/"] = None
        for name in names:
            path = Path(base, name)
            found[os.path.relpath(path, folder)] = path.read_bytes()
    return found


def changed(before: Files, after: Files, but: tuple[str, ...] = ()) -> list[str]:
    """Names that came, went or hold something else, except below `but`."""
    names = {name for name in before.keys() | after.keys() if not name.startswith(but)}
    return sorted(n for n in names if before.get(n, b"-") != after.get(n, b"-"))
