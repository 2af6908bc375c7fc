"""Prices and sizes are equal, as texts, from the wire to the CSV that a user gets."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemahub.adapters.store_local import LocalStore
from schemahub.cli.main import run
from schemahub.core.layout import Market
from tests.pipelines.raw_lake import RawLake, wire

COUNT = 20_000
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


def trades() -> Iterator[tuple[dict[str, object], list[str]]]:
    """Rows of the wire, and the line of CSV that each must become."""
    dice = random.Random(20_260)
    moment = EPOCH + timedelta(days=14_610)
    for n in range(1, COUNT + 1):
        moment += timedelta(microseconds=dice.choice([0, 0, 1, 7, 999_999, 10**9]))
        price, size = plain(dice), plain(dice)
        told = price, size
        if n > COUNT * 9 // 10:  # pages of plain rows are read by columns, these one by one
            (price, first), (size, second) = odd(dice), odd(dice)
            told = first, second
        time = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
        side = dice.choice(["buy", "sell"])
        row = {"trade_id": n, "side": side, "size": told[1], "price": told[0], "time": time}
        taker = "buy" if side == "sell" else "sell"
        micros = (moment - EPOCH) // timedelta(microseconds=1)
        yield row, [str(n), taker, as_csv(price), as_csv(size), str(micros)]


def test_twenty_thousand_decimals_are_text_equal_end_to_end(tmp_path: Path) -> None:
    made = list(trades())
    lake = RawLake(store=LocalStore(str(tmp_path)))
    pages = [
        lake.answer(row for row, _ in reversed(made[n : n + 1000])) for n in range(0, COUNT, 1000)
    ]
    lake.put(1, COUNT + 1, pages)
    lake.transformed()
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    sql = "SELECT trade_id, side, price, quantity, epoch_us(trade_ts) FROM trades ORDER BY 1"
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        assert run(["query", sql, "--output", "csv", "--lake", str(tmp_path)]) == 0
        out.flush()
    lines = out.buffer.getvalue().decode().splitlines()[1:]
    assert [line.split(",") for line in lines] == [wanted for _, wanted in made]


def test_the_widest_values_there_may_be_are_exact(tmp_path: Path) -> None:
    lake = RawLake(market=Market("coinbase", "WIDE-USD"), store=LocalStore(str(tmp_path)))
    widest = "9" * 26 + "." + "9" * 12
    tiny = "0.000000000001"
    rows = [wire(1, price=widest, size=tiny), wire(2, price=tiny, size=widest)]
    lake.put(1, 3, [lake.answer(rows)])
    lake.transformed()
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        sql = "SELECT price, quantity FROM trades ORDER BY trade_id"
        assert run(["query", sql, "--output", "csv", "--lake", str(tmp_path)]) == 0
        out.flush()
    text = out.buffer.getvalue().decode()
    assert text.splitlines()[1:] == [f"{widest},{tiny}", f"{tiny},{widest}"]
