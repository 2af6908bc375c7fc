"""Generated prices and sizes, and what each must be as text in the CSV that a user gets."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from schemahub.adapters.store_local import LocalStore
from schemahub.cli.main import run
from tests.pipelines.raw_lake import RawLake

OBJECT = 50_000  # rows of a raw object
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def plain(dice: random.Random) -> str:
    """A positive decimal as exchanges write it: up to 26 digits, point, up to 12 decimals."""
    whole = str(dice.randrange(10 ** dice.choice([1, 2, 3, 5, 9, 18, 26])))
    decimals = dice.randrange(13)
    fraction = "".join(dice.choice("0123456789") for _ in range(decimals))
    text = f"{whole}.{fraction}" if fraction else whole
    return text if set(text) - set("0.") else f"{whole}.000000000001"


def odd(dice: random.Random) -> tuple[str, str]:
    """The same number as `plain` text and written in another way that the contract allows."""
    text = plain(dice)
    whole, _, fraction = text.partition(".")
    match dice.randrange(4):
        case 0:
            return text, f"000{text}"
        case 1:
            return text, (f"{text}000000000000000" if fraction else f"{text}.0000000000000")
        case 2:
            return text, f"{whole}{fraction}e-{len(fraction)}"
        case _:
            zeros = len(whole) - len(whole.rstrip("0")) if whole != "0" and not fraction else 0
            return (
                text,
                f"{whole[: len(whole) - zeros]}{'.' + fraction if fraction else ''}E+{zeros}",
            )


def as_csv(text: str) -> str:
    """What decimal(38,12) prints for a plain text; by characters, no arithmetic."""
    whole, _, fraction = text.partition(".")
    return f"{whole.lstrip('0') or '0'}.{fraction.ljust(12, '0')}"


def trades(count: int, seed: int = 20_260) -> Iterator[tuple[dict[str, object], list[str]]]:
    """Rows of the wire, and the line of CSV that each must become."""
    dice = random.Random(seed)
    moment = EPOCH + timedelta(days=14_610)
    for n in range(1, count + 1):
        moment += timedelta(microseconds=dice.choice([0, 0, 1, 7, 999_999, 10**9]))
        price, size = plain(dice), plain(dice)
        told = price, size
        if n > count * 9 // 10:  # pages of plain rows are read by columns, these one by one
            (price, first), (size, second) = odd(dice), odd(dice)
            told = first, second
        time = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
        side = dice.choice(["buy", "sell"])
        row = {"trade_id": n, "side": side, "size": told[1], "price": told[0], "time": time}
        taker = "buy" if side == "sell" else "sell"
        micros = (moment - EPOCH) // timedelta(microseconds=1)
        yield row, [str(n), taker, as_csv(price), as_csv(size), str(micros)]


def differing(folder: Path, count: int, seed: int = 20_260) -> int:
    """How many of `count` generated trades are not, as text, what the wire said.

    Through raw, transform, Parquet and SQL; `folder` becomes the lake.
    """
    lake = RawLake(store=LocalStore(str(folder)))
    made = trades(count, seed)
    wanted: list[str] = []
    for start in range(1, count + 1, OBJECT):
        chunk = list(islice(made, OBJECT))
        wanted += [",".join(line) for _, line in chunk]
        pages = [
            lake.answer(row for row, _ in reversed(chunk[n : n + 1000]))
            for n in range(0, len(chunk), 1000)
        ]
        lake.put(start, start + len(chunk), pages)
    lake.transformed()
    sql = "SELECT trade_id, side, price, quantity, epoch_us(trade_ts) FROM trades ORDER BY 1"
    found = query(folder, sql)
    assert len(found) == len(wanted) == count
    return sum(mine != theirs for mine, theirs in zip(found, wanted, strict=True))


def query(folder: Path, sql: str) -> list[str]:
    """The lines of CSV that a user gets, without the head."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        assert run(["query", sql, "--output", "csv", "--lake", str(folder)]) == 0
        out.flush()
    raw = out.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode().splitlines()[1:]
