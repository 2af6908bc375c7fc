"""Minute bars as files: by Arrow, by the kernel and by SQL over the trades they are the same."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, localcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.adapters.duck import Duck, FileSlice
from schemahub.adapters.parquet import ARROW_SCHEMA, ArrowRows, ParquetTable, bars
from schemahub.core.axis import IDS, TIME, Axis
from schemahub.core.errors import ObjectCorrupt
from schemahub.core.layout import Market
from schemahub.core.span import Span
from schemahub.ports import PartFacts, Refused
from tests.duck_lake import BTC, EPOCH, FolderObjects, Row, write_part

TIMED = Market("acme", "BTC-USD")
BASE = int(EPOCH.timestamp()) * 1_000_000
TABLE = ParquetTable()


def rows_of(trades: Sequence[Row], line: Axis = IDS) -> ArrowRows:
    columns: list[list[Any]] = [
        ["acme"] * len(trades), ["BTC-USD"] * len(trades), [one.trade_id for one in trades],
        [None] * len(trades), [one.side for one in trades], [one.price for one in trades],
        [one.quantity for one in trades], [one.at for one in trades], [EPOCH] * len(trades),
    ]  # fmt: skip
    arrays = [pa.array(c, f.type) for c, f in zip(columns, ARROW_SCHEMA, strict=True)]
    return ArrowRows(pa.Table.from_arrays(arrays, schema=ARROW_SCHEMA), line)


def facts(rows: int, digest: str = "d" * 64, span: Span | None = None) -> PartFacts:
    return PartFacts("acme", "BTC-USD", span or Span(1, 1000), rows, Refused(), digest, "s")


def file_of(batches: Sequence[ArrowRows]) -> bytes | None:
    made = TABLE.bars()
    for one in batches:
        made.add(one)
    return made.encode(facts(sum(map(len, batches))))


def told(data: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(io.BytesIO(data)).to_pylist()
    return found


def decimals(most: int) -> st.SearchStrategy[Decimal]:
    def scaled(digits: int) -> Decimal:
        return Decimal(digits).scaleb(-12)

    # Small and large alike: the digits themselves are spread by length.
    return st.integers(1, most).flatmap(lambda n: st.integers(10 ** (n - 1), 10**n - 1).map(scaled))


def trades_of(most: int = 24) -> st.SearchStrategy[list[Row]]:
    """Trades by id; times mostly grow, and sometimes do not."""
    one = st.tuples(
        decimals(most),
        decimals(most),
        st.sampled_from(["buy", "sell", "buy", "sell", None]),
        st.integers(0, 150_000_000) | st.sampled_from([0, 59_999_999, 60_000_000]),
    )

    def rows(raw: list[tuple[Decimal, Decimal, str | None, int]]) -> list[Row]:
        return [
            Row(n, price, quantity, side, EPOCH + timedelta(microseconds=at))
            for n, (price, quantity, side, at) in enumerate(raw, 1)
        ]

    sides = st.sampled_from(["as they are", "all known", "all unknown"])

    def sided(rows: list[Row], how: str) -> list[Row]:
        side = {"all known": "buy", "all unknown": None}.get(how)
        return rows if how == "as they are" else [replace(one, side=side) for one in rows]

    return st.builds(sided, st.lists(one, min_size=1, max_size=25).map(rows), sides)


# ---------------------------------------------------------------- three ways, one result


@settings(max_examples=300, deadline=None)
@given(trades_of(), st.integers(0, 25), st.booleans())
def test_the_kernel_makes_the_same_bars_or_none(trades: list[Row], cut: int, timed: bool) -> None:
    line = TIME if timed else IDS
    if timed:
        trades = sorted(trades, key=lambda one: (one.at, one.trade_id))
    # Of a slice: what lies before it in the same buffers must not count.
    table = rows_of(trades, line).table.slice(min(cut, len(trades) - 1))
    for batch in table.to_batches():
        places = batch["trade_ts" if timed else "trade_id"].cast(pa.int64())
        try:
            slow = bars.merged([bars.minutes(batch, places)])
        except pa.ArrowInvalid:
            slow = None
        fast = bars.fast_minutes(batch, places)
        if fast is not None:
            assert slow is not None
            assert bars.merged([fast]).equals(slow)


@pytest.mark.parametrize(
    ("price", "quantity"),
    [
        ("0.00000001", "0.5"), ("0.00000003", "0.5"), ("0.00000002", "0.75"),
        ("0.000000010001", "0.5"), ("0.000000009999", "0.5"), ("0.000000000001", "0.000000000001"),
        ("90071992.54740993", "0.5"), ("90071992.54740991", "0.5"),
        ("0.000000000001", "18446744073709551615.999999999999"),  # more than 64 bits of quantity
        ("18446744.073709551615", "18446744.073709551615"), ("18446744.073709551616", "1"),
        ("92233720368.54775807", "1"), ("83076749736", "0.999999999999"),
        ("4611686018.427387904", "18.446744073709"), ("274877906943.999999999999", "0.25"),
    ],
)  # fmt: skip
def test_the_kernel_takes_what_is_usual_and_hard_to_round(price: str, quantity: str) -> None:
    for one, other in ((price, quantity), (quantity, price)):
        trades = [Row(1, Decimal(one), Decimal(other), "buy")] * 3
        (batch,) = rows_of(trades).table.to_batches()
        fast = bars.fast_minutes(batch, batch["trade_id"])
        if fast is None:
            continue
        assert fast.equals(bars.minutes(batch, batch["trade_id"]).combine_chunks())
        exact = (Decimal(one) * Decimal(other)).quantize(Decimal("1e-8"))
        assert fast["quote_volume"][0].as_py() == 3 * exact


def test_the_kernel_is_used_for_everyday_trades_and_refuses_only_what_is_odd() -> None:
    def taken(*trades: Row) -> bool:
        (batch,) = rows_of(trades).table.to_batches()
        return bars.fast_minutes(batch, batch["trade_id"]) is not None

    usual = Row(1, Decimal("65000.01"), Decimal("0.00512"), "buy")
    assert taken(usual)
    assert taken(replace(usual, side=None))
    assert taken(replace(usual, price=Decimal("0.00001234"), quantity=Decimal(10**13)))
    assert not taken(usual, replace(usual, side=None))
    assert not taken(replace(usual, side="byu"))
    assert not taken(replace(usual, side=""))
    assert not taken(replace(usual, price=Decimal(10**25)))
    assert not taken(replace(usual, price=Decimal(10**13), quantity=Decimal(1)))


def test_a_kernel_that_cannot_be_loaded_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "KERNEL_ROWS", 0)
    monkeypatch.setattr(bars, "installed", lambda: True)
    monkeypatch.setitem(sys.modules, "schemahub.kernels.bars", None)
    rows = rows_of([Row(n, Decimal(n), Decimal(2), "buy") for n in range(1, 9)])
    made = ParquetTable().bars()
    made.add(rows)
    assert made.encode(facts(8)) == file_of([rows])


def views(slices: list[FileSlice], objects: FolderObjects | None = None) -> list[tuple[Any, ...]]:
    with Duck(slices, [], objects=objects, threads=1) as duck:
        query = "FROM bars_1m ORDER BY exchange, symbol, bar_ts"
        return [tuple(row.values()) for row in duck.sql(query).arrow().to_pylist()]


def beside(root: Path, piece: FileSlice, rows: ArrowRows, market: Market) -> FileSlice:
    made = TABLE.bars()
    made.add(rows)
    data = made.encode(replace(facts(len(rows)), exchange=market.exchange, symbol=market.symbol))
    assert data is not None
    path = root / f"{market.exchange}-{piece.part.start}.bars"
    path.write_bytes(data)
    return replace(piece, bars=str(path))


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize("timed", [False, True])
@settings(max_examples=40, deadline=None)
@given(trades=trades_of(22), cut=st.integers(1, 24), which=st.sampled_from([(0,), (1,), (0, 1)]))
def test_bars_from_files_are_those_from_the_trades(  # noqa: PLR0917  (two of them fixtures)
    tmp_path_factory: pytest.TempPathFactory,
    remote: bool, timed: bool, trades: list[Row], cut: int, which: tuple[int, ...],
) -> None:  # fmt: skip
    """Two parts, whose minutes overlap, of which one or both have a file of bars."""
    root = tmp_path_factory.mktemp("lake")
    market, line = (TIMED, TIME) if timed else (BTC, IDS)
    if timed:
        trades = sorted(trades, key=lambda one: (one.at, one.trade_id))
        at = BASE + cut * 6_000_000
        halves = [[one for one in trades if (one.at - EPOCH) < timedelta(seconds=6 * cut)]]
        halves.append(trades[len(halves[0]) :])
        spans = [Span(BASE, at), Span(at, BASE + 200_000_000)]
    else:
        halves = [trades[:cut], trades[cut:]]
        spans = [Span(1, cut + 1), Span(cut + 1, 100)]
    slices = [
        replace(write_part(root, market, span, half), timed=timed)
        for span, half in zip(spans, halves, strict=True)
    ]
    objects = FolderObjects() if remote else None
    expected = views(slices, objects)
    held = [
        beside(root, piece, rows_of(half, line), market) if number in which else piece
        for number, (piece, half) in enumerate(zip(slices, halves, strict=True))
    ]
    assert views(held, objects) == expected


def test_a_part_that_is_trimmed_is_told_by_its_trades(tmp_path: Path) -> None:
    piece = write_part(tmp_path, BTC, Span(1, 20))
    rows = [Row(n, Decimal(n), Decimal("0.5"), "buy") for n in range(1, 20)]
    held = beside(tmp_path, piece, rows_of(rows), BTC)
    trimmed = replace(piece, keep=(Span(1, 7),))
    assert views([replace(held, keep=(Span(1, 7),))]) == views([trimmed]) != views([held])


def test_bars_are_read_from_their_files_and_not_from_the_trades(tmp_path: Path) -> None:
    piece = write_part(tmp_path, BTC, Span(1, 20))
    rows = [Row(n, Decimal(n), Decimal("0.5"), "buy") for n in range(1, 20)]
    held = beside(tmp_path, piece, rows_of(rows), BTC)
    expected = views([held])
    for objects in (None, FolderObjects()):
        with Duck([held], [], objects=objects) as duck:
            Path(piece.location).write_bytes(b"no trades any more" * 100)
            assert len(duck.sql("FROM bars_1m").arrow()) == len(expected) > 0
        write_part(tmp_path, BTC, Span(1, 20))


# ---------------------------------------------------------------- the file


@settings(max_examples=50, deadline=None)
@given(trades_of(20), st.lists(st.integers(0, 25), max_size=4))
def test_bars_do_not_depend_on_how_rows_are_batched(trades: list[Row], cuts: list[int]) -> None:
    whole = rows_of(trades)
    edges = [0, *sorted(min(one, len(trades)) for one in cuts), len(trades)]
    batches = [ArrowRows(whole.table.slice(start, stop - start)) for start, stop in pairwise(edges)]
    one, several = file_of([whole]), file_of(batches)
    assert one is not None
    assert several is not None
    assert told(one) == told(several)
    several_bars = TABLE.bars()
    for batch in batches:
        several_bars.add(batch)
    several_bars.check(one, "k", facts(len(trades)))


def test_every_byte_of_a_bars_file_counts() -> None:
    rows = rows_of([Row(n, Decimal(n), Decimal(2), "buy") for n in range(1, 9)])
    made = TABLE.bars()
    made.add(rows)
    data = made.encode(facts(8))
    assert data is not None
    made.check(data, "k", facts(8))
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises(ObjectCorrupt):
            made.check(bytes(changed), "k", facts(8))
    for other in (b"", data[:-1], data + b"0", b"PAR1" * 100):
        with pytest.raises(ObjectCorrupt):
            made.check(other, "k", facts(8))


def test_bars_of_other_rows_or_of_another_part_are_found_out() -> None:
    trades = [Row(n, Decimal(n), Decimal(2), "buy") for n in range(1, 9)]
    data = file_of([rows_of(trades)])
    assert data is not None
    other = TABLE.bars()
    other.add(rows_of([*trades[:-1], replace(trades[-1], quantity=Decimal("2.000000000001"))]))
    with pytest.raises(ObjectCorrupt, match="not the bars of its part"):
        other.check(data, "k", facts(8))
    same = TABLE.bars()
    same.add(rows_of(trades))
    with pytest.raises(ObjectCorrupt, match="not the bars of its part"):
        same.check(data, "k", facts(8, digest="e" * 64))
    moved = replace(facts(8), symbol="ETH-USD")
    with pytest.raises(ObjectCorrupt, match="not the bars of its part"):
        same.check(data, "k", moved)


def test_a_sum_that_no_decimal_holds_makes_no_file() -> None:
    with localcontext(prec=50):
        most = Decimal(99999999999999999999999999)
        twice = [Row(n, Decimal("0.000000000001"), most, "buy") for n in (1, 2)]
        assert file_of([rows_of(twice[:1])]) is not None
        assert file_of([rows_of(twice)]) is None
        assert file_of([rows_of(twice[:1]), rows_of(twice[1:])]) is None
        assert file_of([rows_of([Row(1, most, most)])]) is None


def test_a_part_without_a_row_has_no_bars_in_its_file() -> None:
    data = file_of([])
    assert data is not None
    assert told(data) == []
