"""A spec that says what an exchange does not do is found out, at the point where they differ."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from schemahub.app import App
from schemahub.core.conformance import POINTS, Finding
from schemahub.core.errors import Unreachable, UsageError
from schemahub.core.settings import Settings
from schemahub.core.spec_reading import build
from schemahub.pipelines.conformance import Conformance
from schemahub.sandbox import Generated, Sandbox
from schemahub.sandbox.dialects import DIALECTS
from tests.exchanges.acme import Acme, history, serving
from tests.exchanges.test_add_an_exchange import block

Change = Callable[[dict[str, Any]], object]


def findings(
    exchange: Acme, change: Change = lambda _: None, symbol: str | None = "BTC-USD"
) -> dict[str, Finding]:
    """What comes out where this exchange is asked by the page's spec, changed so."""
    data = yaml.safe_load(block("yaml"))
    data["limits"] = {"rate": 1000.0, "burst": 100}
    change(data)
    spec = build(data, {}, "acme.yaml")
    with serving(exchange) as url:
        found = list(Conformance(App(Settings()).connect(spec, url), symbol).run())
    assert sorted(one.point for one in found) == sorted(POINTS)
    assert len(exchange.asked) <= 25
    return {one.point: one for one in found}


def verdicts(found: dict[str, Finding], verdict: str) -> set[str]:
    return {one.point for one in found.values() if one.verdict == verdict}


def test_an_exchange_that_does_what_its_spec_says_passes_every_point() -> None:
    found = findings(Acme())
    assert verdicts(found, "ok") == set(POINTS), found


def paging(**rules: Any) -> Change:
    def change(data: dict[str, Any]) -> None:
        data["trades"]["paging"] = {"limit": "limit", "page": 500, **rules}

    return change


def sparse(data: dict[str, Any]) -> None:
    data["axis"] = "sparse_ids"
    data["provable"]["by"] = "nothing"


def timed(**rules: Any) -> Change:
    def change(data: dict[str, Any]) -> None:
        data["axis"] = "time"
        paging(unit="ms", **rules)(data)

    return change


@pytest.mark.parametrize(
    "change",
    [
        paging(rule="newest_below", cursor="before"),
        paging(rule="oldest_after", cursor="after"),
        timed(rule="oldest_after", cursor="since"),
        timed(rule="time_window", start="start", stop="end"),
    ],
    ids=["newest_below", "oldest_after", "oldest_after of time", "time_window"],
)
def test_every_rule_passes_where_the_exchange_keeps_it(change: Change) -> None:
    found = findings(Acme(), change)
    assert verdicts(found, "ok") == set(POINTS), found


def test_ids_that_skip_are_what_sparse_ids_are() -> None:
    found = findings(Acme(history(step=7)), sparse)
    assert verdicts(found, "ok") == set(POINTS), found


def test_without_a_cursor_what_only_it_shows_is_unknown() -> None:
    def change(data: dict[str, Any]) -> None:
        sparse(data)
        data["trades"]["paging"] = {"rule": "latest_only", "limit": "limit", "page": 500}

    found = findings(Acme(history(step=7)), change)
    assert verdicts(found, "unknown") == {"cursor", "adjacency"}
    assert verdicts(found, "failed") == set()


# ---------------------------------------------------------------- what is found out


def says(*path: str, value: object) -> Change:
    def change(data: dict[str, Any]) -> None:
        inner = data
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = value

    return change


def duplicated() -> list[dict[str, Any]]:
    rows = history()
    return [*rows[:-3], rows[-4], *rows[-3:]]


def told_twice() -> list[dict[str, Any]]:
    rows = history()
    rows[-5] = {**rows[-5], "i": rows[-4]["i"]}
    return rows


def holed() -> list[dict[str, Any]]:
    return [row for row in history() if row["i"] % 400]


def without_prices() -> list[dict[str, Any]]:
    return [{**row, "p": None} if row["i"] % 100 == 0 else row for row in history()]


# What cannot be right either, then.
ALSO = {
    "adjacency": {"cursor"},
    "answers": {"contiguity"},
    "cursor": {"adjacency"},
    "ids": {"adjacency", "contiguity"},
    "newest": {"adjacency", "clock", "contiguity", "cursor"},
    "order": {"adjacency"},
    "page": {"contiguity"},
    "symbols": {"answers"},
}


@pytest.mark.parametrize(
    ("exchange", "change", "point", "evidence"),
    [
        (Acme(cursor="after"), None, "cursor", "exclusive; the rule is oldest_after"),
        (Acme(cursor="near"), None, "cursor", "inclusive"),
        (Acme(cursor="ignored"), None, "cursor", "ignored"),
        (Acme(cursor="skips"), None, "adjacency", "is number 1 from the cursor"),
        (Acme(cap=100), None, "page", "page is probably 100"),
        (Acme(), says("trades", "paging", "page", value=100), "page", ""),
        (Acme(head="oldest"), None, "newest", "see paging.newest"),
        (Acme(disorder=True), None, "order", "up and down"),
        (Acme(duplicated()), None, "ids", "stands twice"),
        (Acme(told_twice()), None, "ids", "stands twice"),
        (Acme(holed()), None, "contiguity", "are skipped, the first after"),
        (Acme(), says("trades", "fields", "side", "of", value="taker"), "side", "try `of: maker`"),
        (Acme(without_prices()), None, "answers", "rows are refused, as price"),
        (Acme(), says("trades", "rows", value="data"), "answers", "no data in it"),
        (Acme(), says("symbols", "native", value="{base}-{quote}"), "symbols", "lists no market"),
        (Acme(), says("symbols", "rows", value="nowhere"), "symbols", "nowhere"),
        (Acme(nobody=(200, {"error": "no such thing", "trades": []})), None, "refusal",
         "errors.refused"),
        (Acme(nobody=(200, {"what": "?"})), None, "refusal", "how it is told apart"),
        (Acme(nobody=(200, {"error": None, "trades": [{"i": 1}]})), None, "refusal",
         "of a market that there is not"),
        (Acme(nobody=(422, {})), None, "refusal", "statuses.refused"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_not_so_fails_at_its_point(
    exchange: Acme, change: Change | None, point: str, evidence: str
) -> None:
    found = findings(exchange, change or (lambda _: None))
    if point == "page" and not evidence:
        assert found["page"].verdict == "ok"
        assert "page may be larger" in found["page"].evidence
        return
    assert found[point].verdict == "failed", found
    assert evidence in found[point].evidence
    assert verdicts(found, "failed") - {point} <= ALSO.get(point, set()), found


def test_times_ahead_of_the_servers_clock_are_no_utc() -> None:
    # Made now: a while later these times would be over.
    found = findings(Acme([{**row, "t": row["t"] + 240_000} for row in history()]))
    assert found["clock"].verdict == "failed", found
    assert "UTC" in found["clock"].evidence
    assert verdicts(found, "failed") == {"clock"}


@pytest.mark.parametrize(
    ("exchange", "change", "point", "evidence"),
    [
        (Acme(history(3)), None, "side", "the price changed"),
        (Acme(history(3)), None, "cursor", "too few trades"),
        (Acme(history(300)), None, "page", "too few trades"),
        (Acme(nobody=(200, {"error": None, "trades": []})), None, "refusal", "an empty list"),
        (Acme([{**row, "t": row["t"] - 86_400_000} for row in history()]), None, "clock", "quiet"),
        (Acme(), sparse, "contiguity", "none is skipped"),
        (Acme([{**row, "s": "BS"[row["i"] % 2]} for row in history()]), None, "side", "to half"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_told_is_unknown_and_not_failed(
    exchange: Acme, change: Change | None, point: str, evidence: str
) -> None:
    found = findings(exchange, change or (lambda _: None))
    assert found[point].verdict == "unknown", found
    assert evidence in found[point].evidence
    assert verdicts(found, "failed") == set()


@pytest.mark.parametrize("exchange", DIALECTS)
def test_the_built_in_specs_fit_the_sandbox_that_was_written_without_them(
    exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schemahub.adapters.http.client.retry_delay", lambda attempt, dice: 0.0)
    spec = App(Settings()).specs.of(exchange)
    limits = spec.limits.model_copy(update={"rate": 1000.0, "burst": 100})
    spec = spec.model_copy(update={"limits": limits})
    with Sandbox({"BTC-USD": Generated(seed=3, trades=22_000)}, dialect=exchange) as box:
        app = App(Settings())
        found = {one.point: one for one in Conformance(app.connect(spec, box.url)).run()}
    assert verdicts(found, "failed") == set(), found
    assert verdicts(found, "unknown") <= {"clock", "refusal"}, found
    assert app.metrics.count("request.answered") <= 25


def test_a_market_is_taken_from_the_list_or_named() -> None:
    exchange = Acme()
    findings(exchange, symbol=None)
    assert any("/v1/trades/BTC_USD?" in asked for asked in exchange.asked)
    found = findings(Acme(), symbol="XRP-USD")
    assert found["symbols"].verdict == "failed"
    assert "XRP-USD is not among them" in found["symbols"].evidence
    assert found["answers"].verdict == "failed"

    def unlisted(data: dict[str, Any]) -> None:
        data["symbols"] = {"native": "{base}_{quote}"}

    assert findings(Acme(), unlisted)["symbols"].verdict == "unknown"
    with pytest.raises(UsageError, match="no market is named"):
        findings(Acme(), unlisted, symbol=None)


def test_an_exchange_that_is_not_there_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schemahub.adapters.http.client.retry_delay", lambda attempt, dice: 0.0)
    spec = build(yaml.safe_load(block("yaml")), {}, "acme.yaml")
    with serving(Acme()) as url:
        gone = url
    started = time.monotonic()
    with pytest.raises(Unreachable):
        list(Conformance(App(Settings()).connect(spec, gone), "BTC-USD").run())
    assert time.monotonic() - started < 30
