"""Object names are the ledger: each says one thing, and nothing else reads as one."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from schemahub.core import layout
from schemahub.core.errors import UsageError
from schemahub.core.layout import (
    AbsentName,
    BadName,
    Market,
    OriginName,
    PartName,
    RawEntry,
    RawName,
    SeenName,
    market_of,
    parse_part,
    parse_raw,
    parse_version,
    raw_key,
    segment,
    spelt,
)
from schemahub.core.span import Span

HOSTILE = (
    "../../X", "..", ".", "...", "/", "//", "/ETC/PASSWD", "A/B-USD", "A\\B-USD", "BTC USD",
    " ", "%", "%2F", "%2E%2E", "A%2FB-USD", "BTC-USD/", "É-USD", "日本-円",
    "😀-USD", "A:B.C_D-USD", "-", "?X=1", "#", "*", "~", "$HOME", "'; DROP", "CON", ".HIDDEN-USD",
    "A.-USD", "..-..",
)  # fmt: skip

wide_spans = st.builds(
    lambda start, length: Span(start, min(layout.MAX_STOP, start + length)),
    st.integers(0, layout.MAX_STOP - 1),
    st.one_of(st.integers(1, 50_000), st.integers(1, layout.MAX_STOP)),
)
run_ids = st.from_regex(r"[0-9A-Za-z]{1,26}", fullmatch=True)
symbols = st.one_of(
    st.sampled_from(HOSTILE),
    st.from_regex(r"[A-Z0-9]{1,6}-[A-Z0-9]{1,6}", fullmatch=True),
    st.text(min_size=1, max_size=20).map(str.upper),
).filter(lambda symbol: 0 < len(symbol) <= 64 and symbol.isprintable() and symbol == symbol.upper())
entries: st.SearchStrategy[RawEntry] = st.one_of(
    st.builds(RawName, wide_spans, st.integers(0, 300)),
    st.builds(SeenName, wide_spans, run_ids),
    st.builds(AbsentName, wide_spans),
    st.builds(BadName, wide_spans, st.integers(0, 300), st.booleans()),
    st.builds(OriginName, st.integers(0, layout.MAX_STOP - 1)),
)


# ---------------------------------------------------------------- names in a raw folder


@given(entries)
def test_every_name_reads_back_as_what_was_written(entry: RawEntry) -> None:
    assert parse_raw(entry.filename) == entry


@given(st.builds(RawName, wide_spans, st.integers(0, 9)))
def test_a_bad_marker_names_the_object_it_condemns(name: RawName) -> None:
    assert parse_raw(name.bad_marker) == BadName(name.span, name.revision)
    assert parse_raw(name.stray_marker) == BadName(name.span, name.revision, stray=True)


def test_names_are_spelt_as_the_protocol_says() -> None:
    span = Span(1, 50_000)
    names: list[RawEntry] = [
        RawName(span), RawName(span, 2), SeenName(span, "01Az"), AbsentName(span),
        BadName(span, 0), OriginName(1),
    ]  # fmt: skip
    assert [name.filename for name in names] == [
        "00000000000000000001-00000000000000050000.jsonl.zst",
        "00000000000000000001-00000000000000050000.r2.jsonl.zst",
        "00000000000000000001-00000000000000050000.seen.01Az.jsonl.zst",
        "00000000000000000001-00000000000000050000.absent.jsonl.zst",
        "00000000000000000001-00000000000000050000.bad0",
        "00000000000000000001.origin",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "README",
        ".DS_Store",
        "1-2.jsonl.zst",
        "0000000000000000001-00000000000000000002.jsonl.zst",
        "000000000000000000001-00000000000000000002.jsonl.zst",
        "00000000000000000002-00000000000000000002.jsonl.zst",
        "00000000000000000003-00000000000000000002.jsonl.zst",
        "00000000000000000003-00000000000000000002.bad0",
        "00000000000000000001-00000000000000000002.jsonl",
        "00000000000000000001-00000000000000000002.jsonl.zst.tmp",
        "00000000000000000001-00000000000000000002.jsonl.zst\n",
        " 00000000000000000001-00000000000000000002.jsonl.zst",
        "x/00000000000000000001-00000000000000000002.jsonl.zst",
        "00000000000000000001-00000000000000000002.r0.jsonl.zst",
        "00000000000000000001-00000000000000000002.r01.jsonl.zst",
        "00000000000000000001-00000000000000000002.r.jsonl.zst",
        "00000000000000000001-00000000000000000002.seen..jsonl.zst",
        "00000000000000000001-00000000000000000002.seen.a.b.jsonl.zst",
        "00000000000000000001-00000000000000000002.seen.a_b.jsonl.zst",
        "00000000000000000001-00000000000000000002.absent.r1.jsonl.zst",
        "00000000000000000001-00000000000000000002.bad",
        "00000000000000000001-00000000000000000002.bad01",
        "00000000000000000001-00000000000000000002.bad-1",
        "00000000000000000001.origin.tmp",
        "1.origin",
        "\uff100000000000000000001-00000000000000000002.jsonl.zst",
        "00000000000000000001-00000000000000000002.r\uff11.jsonl.zst",
        "00000000000000000001-00000000000000000002.bad\uff11",
        "0000000000000000000\u0663.origin",
        "00000000000000000001-99999999999999999999.jsonl.zst",
        "00000000000000000001-09223372036854775809.bad0",
        "09223372036854775808.origin",
    ],
)
def test_a_name_not_exactly_of_a_form_says_nothing(name: str) -> None:
    assert parse_raw(name) is None


@given(entries, st.data())
def test_a_name_with_one_character_wrong_is_never_read_as_another(
    entry: RawEntry, data: st.DataObject
) -> None:
    name = entry.filename
    at = data.draw(st.integers(0, len(name)))
    drop = data.draw(st.integers(0, 1))
    put = data.draw(
        st.sampled_from(["", "0", "9", "\uff11", "\u0663", ".", "-", "r", "/", "\n", "é"])
    )
    damaged = name[:at] + put + name[at + drop :]
    read = parse_raw(damaged)
    assert read is None or read.filename == damaged


# ---------------------------------------------------------------- names of parts


@given(wide_spans)
def test_a_part_reads_back_as_its_span(span: Span) -> None:
    market = Market("acme", "BTC-USD")
    prefix = layout.part_prefix(1, market)
    assert parse_part(layout.part_key(1, market, span).removeprefix(prefix)) == span


@given(st.integers(0, 10**12), st.integers(1, 2**23), st.integers(0, 2**23), st.integers(0, 2**23))
@example(16_380, 4, 16_380, 0)  # a short part at the end of the cell that supersedes it
def test_a_superseder_sorts_after_everything_that_it_supersedes(
    start: int, length: int, below: int, above: int
) -> None:
    inside = Span(start, start + length)
    outside = Span(max(0, start - below), start + length + above)
    assume(outside != inside)
    assert PartName(outside).stem > PartName(inside).stem


@pytest.mark.parametrize(
    "name",
    [
        "",
        "PLAN",
        "COMPLETE",
        "16384-16384.parquet",
        "00000000000000016384-.parquet",
        "00000000000000016384-0.parquet",
        "00000000000000016384-00000000000000000000.parquet",
        "00000000000000016384-16384.parquet",
        "99999999999999999999-00000000000000016384.parquet",
        "00000000000000016384-00000000000000016385.parquet",
        "00000000000000016384-\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff10016384.parquet",
        "00000000000000016384-00000000000000016384.jsonl",
        "00000000000000016384-00000000000000016384.parquet.tmp",
        ".00000000000000016384-00000000000000016384.parquet",
    ],
)
def test_a_file_that_is_not_a_part_is_never_read_as_one(name: str) -> None:
    assert parse_part(name) is None


@given(wide_spans, st.data())
def test_a_part_with_one_character_wrong_is_never_read_as_another(
    span: Span, data: st.DataObject
) -> None:
    name = f"{PartName(span).stem}.parquet"
    at = data.draw(st.integers(0, len(name)))
    drop = data.draw(st.integers(0, 1))
    put = data.draw(st.sampled_from(["", "0", "7", "\uff11", "-", ".", "/"]))
    damaged = name[:at] + put + name[at + drop :]
    read = parse_part(damaged)
    assert read is None or f"{PartName(read).stem}.parquet" == damaged


@pytest.mark.parametrize(
    ("folder", "version"),
    [("v1", 1), ("v23", 23), ("v0", None), ("v01", None), ("1", None), ("v", None), ("v-1", None),
     ("V1", None), ("v1/", None), ("v\uff11", None), ("v1\n", None)],
)  # fmt: skip
def test_a_version_is_v_and_a_number(folder: str, version: int | None) -> None:
    assert parse_version(folder) == version


# ---------------------------------------------------------------- markets and their folders


@given(symbols)
@example("../../X")
def test_a_symbol_is_one_path_segment_and_comes_back(symbol: str) -> None:
    part = segment(symbol)
    assert re.fullmatch(r"[A-Z0-9.:_%-]+", part)
    assert not part.startswith(".")  # no folder above, and no store takes a hidden one
    assert market_of("acme", part) == Market("acme", symbol)


@given(st.one_of(symbols.map(quote), st.text(max_size=12), symbols))
@example("btc-usd")
@example("BTC%2DUSD")
@example("BTC%2dUSD")
@example(".DS_Store")
@example("%2E%2E%2FX")
@example("%FF-USD")
@example("")
def test_a_folder_is_a_market_only_if_it_is_spelt_as_we_spell_it(folder: str) -> None:
    """A stray folder stops no command, and no market has two folders."""
    market = market_of("acme", folder)
    assert market is None or segment(market.symbol) == folder


def test_a_folder_of_no_exchange_is_no_market() -> None:
    assert market_of("", "BTC-USD") is None
    assert market_of("Acme", "BTC-USD") is None


@pytest.mark.parametrize("symbol", ["BTC-USD", "1INCH-USD", "A:B.C_D-USD", "BTC-USD.P"])
def test_a_plain_symbol_is_its_own_segment(symbol: str) -> None:
    assert segment(symbol) == symbol


@given(symbols, symbols)
def test_no_market_reads_another_ones_folder(left: str, right: str) -> None:
    assume(left != right)
    mine, theirs = Market("acme", left), Market("acme", right)
    for prefix in (
        layout.raw_prefix,
        layout.quarantine_prefix,
        lambda market: layout.part_prefix(1, market),
    ):
        assert not prefix(mine).startswith(prefix(theirs))
        assert not prefix(theirs).startswith(prefix(mine))
    assert layout.checkpoint_key(mine) != layout.checkpoint_key(theirs)


def test_a_symbol_that_begins_like_another_is_not_its_sibling() -> None:
    assert not layout.raw_prefix(Market("acme", "BTC-USDT")).startswith(
        layout.raw_prefix(Market("acme", "BTC-USD"))
    )


@given(symbols, wide_spans, run_ids)
def test_no_key_leaves_the_lake(symbol: str, span: Span, run_id: str) -> None:
    market = Market("acme", symbol)
    keys = [
        raw_key(market, RawName(span)),
        layout.part_key(2, market, span),
        layout.quarantine_key(market, span, "0123abcd"),
        layout.quarantine_key(market, span, "4567abcd"),
        layout.answer_key(market, run_id, "0123abcd"),
        layout.checkpoint_key(market),
        layout.plan_key(1, "acme"),
        layout.complete_key(1, "acme"),
        layout.run_key("2026-05-17", run_id),
        layout.seed_key("acme"),
    ]
    for key in keys:
        assert posixpath.normpath(key) == key
        assert not key.startswith(("/", "."))
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "symbol",
    [
        "",
        "btc-usd",
        "BTC-usd",
        "A" * 65,
        "STRASSE-ß",
        "\udc80-USD",
        "A\ud800",
        "BTC-USD\n",
        "\x00",
        "A\u2028B",
    ],
)
def test_what_cannot_be_a_symbol_is_refused_as_such(symbol: str) -> None:
    with pytest.raises(UsageError) as caught:
        segment(Market("acme", symbol).symbol)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("exchange", ["", "Acme", "1acme", "a/b", "..", "acme\n", "a" * 33, "a-b"])
def test_what_cannot_be_an_exchange_is_refused_as_such(exchange: str) -> None:
    with pytest.raises(UsageError):
        Market(exchange, "BTC-USD")


def test_a_market_is_written_exchange_and_symbol() -> None:
    assert str(Market("acme", "BTC-USD")) == "acme:BTC-USD"


@pytest.mark.parametrize(
    ("text", "exchange", "symbol"),
    [
        ("BTC-USD", None, "BTC-USD"),
        ("btc-usd", None, "BTC-USD"),
        ("kraken:BTC-USD", "kraken", "BTC-USD"),
        ("BTC/USD", None, "BTC-USD"),
        ("kraken:btc/usd", "kraken", "BTC-USD"),
        ("BTC/USDT:USDT", None, "BTC-USDT"),
        ("binance_usdm:BTC/USDT:USDT", "binance_usdm", "BTC-USDT"),
        # Settled in something else, it is another market: no name of ours.
        ("BTC/USD:BTC", None, "BTC/USD:BTC"),
        ("x:BTC/USD:BTC-260327", "x", "BTC/USD:BTC-260327"),
        ("BTC/USDT:", None, "BTC/USDT:"),
        ("../../x", None, "../../X"),
        ("/", None, "/"),
        ("BTC/", None, "BTC/"),
        ("a:b/c/d", "a", "B/C/D"),
    ],
)
def test_a_market_may_be_spelt_as_ccxt_does(text: str, exchange: str | None, symbol: str) -> None:
    assert spelt(text) == (exchange, symbol)
