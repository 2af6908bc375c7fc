"""Every exchange is a YAML file, and what it answered comes out as the rows written beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

import pytest

from schemahub.adapters import specs as spec_files
from schemahub.core import page
from schemahub.core.errors import BadAnswer, UsageError
from schemahub.core.layout import Market
from schemahub.core.page import Answer, Request
from schemahub.core.paging import Ask
from schemahub.core.spec import ExchangeSpec
from schemahub.core.spec_reading import build
from schemahub.pipelines.seed import listed
from schemahub.pipelines.source import Source
from tests.core.dialect import data
from tests.exchanges.captured import NAMES, captured, in_bulk, mapped, one_by_one, table

T = TypeVar("T")


def test_every_exchange_is_captured() -> None:
    assert set(NAMES) == set(spec_files.installed())
    assert len(NAMES) >= 9
    for name in NAMES:
        case = captured(name)
        assert {row.side for row in case.rows} == {"buy", "sell"}
        assert len(case.rows) >= (20 if case.real else 2)


@pytest.mark.parametrize("name", NAMES)
def test_the_rows_are_those_written_beside_the_answer(name: str) -> None:
    case = captured(name)
    assert one_by_one(case, case.body) == list(case.rows)


@pytest.mark.parametrize("name", NAMES)
def test_and_in_bulk_all_the_same(name: str) -> None:
    case = captured(name)
    told = [(row.trade_id, row.trade_ts) for row in case.rows]
    assert in_bulk(case, case.body) == told
    found = mapped(case, case.body)
    assert table(found) == sorted(case.rows, key=lambda row: (row.trade_id, row.trade_ts))
    assert found.rejected == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_trade_lies_where_the_axis_of_its_exchange_has_it(name: str) -> None:
    case = captured(name)
    for raw, row in zip(case.reader.split(case.body), case.rows, strict=True):
        timed = case.spec.axis == "time"
        place = row.trade_ts if timed else row.trade_id
        assert case.reader.trade(raw, case.now).position == place


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_about_its_market_and_no_other(name: str) -> None:
    case = captured(name)
    answer = case.answer(case.body)
    other = Market(name, "ETC-BTC")
    assert page.about(answer, case.market, case.spec)
    assert not page.about(answer, other, case.spec)


# ---------------------------------------------------------------- how it is asked

NATIVE = {
    "binance": ("BTC-USDT", "/api/v3/historicalTrades?symbol=BTCUSDT&limit=1000"),
    "binance_usdm": ("BTC-USDT", "/fapi/v1/aggTrades?symbol=BTCUSDT&limit=1000"),
    "bitfinex": ("BTC-USDT", "/v2/trades/tBTCUST/hist?limit=10000"),
    "bitstamp": ("BTC-USD", "/api/v2/transactions/btcusd/?time=hour"),
    "coinbase": ("BTC-USD", "/products/BTC-USD/trades?limit=1000"),
    "gate": ("BTC-USDT", "/api/v4/spot/trades?currency_pair=BTC_USDT&limit=1000"),
    "gemini": ("BTC-USD", "/v1/trades/btcusd?limit_trades=500"),
    "kraken": ("BTC-USD", "/0/public/Trades?pair=XBTUSD&count=1000"),
    "okx": ("BTC-USDT", "/api/v5/market/history-trades?instId=BTC-USDT&type=1&limit=100"),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_newest_trades_are_asked_for_as_the_exchange_documents(name: str) -> None:
    symbol, expected = NATIVE[name]
    spec = captured(name).spec
    windows = spec.trades.paging.windows
    ask = Ask(limit=spec.trades.paging.page, window=windows[0] if windows else None)
    request = page.request(Market(name, symbol), spec, ask)
    params = "&".join(f"{key}={value}" for key, value in request.params)
    assert f"{request.path}?{params}" == expected


def test_a_symbol_is_encoded_wherever_it_stands() -> None:
    spec = captured("bitfinex").spec
    assert page.request(Market("bitfinex", "AAVE-USD"), spec, Ask(limit=1)).path == (
        "/v2/trades/tAAVE%3AUSD/hist"
    )


@pytest.mark.parametrize(
    ("name", "alias", "ours"),
    [("kraken", "XBT-USD", "BTC-USD"), ("bitfinex", "BTC-UST", "BTC-USDT")],
)
def test_the_exchanges_own_name_of_a_currency_is_no_second_market(
    name: str, alias: str, ours: str
) -> None:
    with pytest.raises(UsageError) as caught:
        captured(name).spec.native(Market(name, alias))
    assert caught.value.do == f"write {ours}"


# What each exchange publishes: so many requests of ours in any so many seconds.
WINDOWS: dict[str, list[tuple[float, float]]] = {
    "binance": [(60, 6_000 / 25)],
    "binance_usdm": [(60, 2_400 / 20)],
    "bitfinex": [(60, 15)],
    "bitstamp": [(600, 8_000), (1, 400)],
    "coinbase": [(1, 25)],  # no window: a bucket of 15 that fills at 10 a second
    "gate": [(10, 200)],
    "gemini": [(60, 120)],
    "kraken": [(1, 2)],  # none is published; one a second is safe
    "okx": [(2, 20)],
}


@pytest.mark.parametrize("name", NAMES)
def test_no_window_that_is_published_is_ever_overrun(name: str) -> None:
    limits = captured(name).spec.limits
    for seconds, requests in WINDOWS[name]:
        assert limits.burst + limits.rate * seconds <= requests


# ---------------------------------------------------------------- errors in an answer of status 200

COMPLAINTS = [
    ("kraken", b'{"error":["EAPI:Rate limit exceeded"]}', "throttled"),
    ("kraken", b'{"error":["EQuery:Unknown asset pair"],"result":{}}', "refused"),
    ("kraken", b'{"error":["EService:Unavailable"]}', "error"),
    ("okx", b'{"code":"50011","msg":"Too Many Requests","data":[]}', "throttled"),
    ("okx", b'{"code":"51001","msg":"Instrument ID does not exist","data":[]}', "refused"),
    ("okx", b'{"code":50001,"msg":"Service temporarily unavailable","data":[]}', "error"),
]


@pytest.mark.parametrize(("name", "body", "kind"), COMPLAINTS)
def test_an_error_inside_a_200_is_told_apart(name: str, body: bytes, kind: str) -> None:
    found = captured(name).reader.complaint(body)
    assert found is not None
    assert found[0] == kind
    assert found[1] in body.decode()


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_with_rows_complains_of_nothing(name: str) -> None:
    case = captured(name)
    for body in (case.body, b"", b"<html>", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"error":'):
        assert case.reader.complaint(body) is None


# ---------------------------------------------------------------- lists of markets


class Told:
    """Answers every request with one body, and remembers what was asked."""

    def __init__(self, spec: ExchangeSpec, body: bytes) -> None:
        self.spec = spec
        self.body = body
        self.asked: list[Request] = []

    def fetch(self, request: Request, read: Callable[[Answer], T]) -> T:
        self.asked.append(request)
        case = captured(NAMES[0])
        url = f"{self.spec.base_url}{request.path}"
        return read(Answer(case.answer(b"").at, url, 200, "", self.body))


@pytest.mark.parametrize("name", NAMES)
def test_markets_are_those_that_we_would_ask_for_as_they_are_listed(name: str) -> None:
    case = captured(name)
    http = Told(case.spec, case.listing)
    found = listed(Source(case.spec, http))
    assert tuple((one.symbol, one.native, one.online) for one in found.seeds) == tuple(
        sorted(case.listed)
    )
    assert found.skipped == case.skipped
    for one in found.seeds:
        assert case.spec.native(Market(name, one.symbol)) == one.native
    (request,) = http.asked
    assert request == Request(str(case.spec.symbols.path), tuple(case.spec.symbols.params.items()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b"", b"<html>", b"null", b"7", b"[7]", b"[[7]]", b"[" * 9_999, b"\xff"]
)
def test_a_list_that_is_none_is_no_answer(name: str, body: bytes) -> None:
    case = captured(name)
    with pytest.raises(BadAnswer):
        listed(Source(case.spec, Told(case.spec, body)))


@pytest.mark.parametrize(("name", "body", "kind"), COMPLAINTS)
def test_an_error_is_no_list(name: str, body: bytes, kind: str) -> None:
    case = captured(name)
    with pytest.raises(BadAnswer):
        listed(Source(case.spec, Told(case.spec, body)))


def test_an_exchange_without_a_list_says_so() -> None:
    changed = data()
    changed["symbols"] = {"native": "{base}{quote}"}
    spec = build(changed, {}, "acme.yaml")
    http = Told(spec, b"[]")
    with pytest.raises(UsageError, match="no list of markets"):
        listed(Source(spec, http))
    assert http.asked == []


def test_a_spelling_that_ends_in_two_quotes_is_not_guessed_at() -> None:
    case = captured("gemini")
    body = json.dumps(["btcusd", "paxgusd", "btcrlusd", "usd", "gusdusd"]).encode()
    found = listed(Source(case.spec, Told(case.spec, body)))
    assert [one.symbol for one in found.seeds] == ["BTC-USD", "GUSD-USD"]
    assert found.skipped == 3
