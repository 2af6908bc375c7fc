"""A spec is strict: a mistake never passes, and all of them are said at once with their lines."""

from __future__ import annotations

import json
from pathlib import Path as Pathlib
from typing import Any

import pytest

from schemahub.core.errors import SpecError
from schemahub.core.layout import Market
from schemahub.core.spec import ExchangeSpec, Statuses
from schemahub.core.spec_reading import FILL_IN, build, schema
from tests.core.dialect import SPEC, data

Path = tuple[str | int, ...]


def at(content: Any, *path: str | int) -> Any:
    for part in path:
        content = content[part]
    return content


def changed(path: Path, value: object) -> dict[str, Any]:
    """The good spec with one value set, or with `...` taken away."""
    content = data()
    inner = at(content, *path[:-1])
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return content


def mistakes(content: object, lines: dict[Path, int] | None = None) -> tuple[str, ...]:
    with pytest.raises(SpecError) as caught:
        build(content, lines or {}, "acme.yaml")
    assert "acme.yaml" in caught.value.what
    assert caught.value.exit_code == 6
    return caught.value.mistakes


def test_a_good_spec_is_what_it_says() -> None:
    assert isinstance(SPEC, ExchangeSpec)
    assert (SPEC.exchange, SPEC.axis, SPEC.first_id) == ("acme", "ids", 1)
    assert (SPEC.settle, SPEC.head_slack, SPEC.chunk) == (60.0, 1_000, 50_000)
    assert SPEC.statuses.meaning(429) == "throttled"
    assert SPEC.symbols.online == ("online",)
    assert SPEC.trades.fields.side.of == "maker"


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("exchange",), "Acme", "must match pattern"),
        (("exchange",), "acme\n", "must match pattern"),
        (("exchange",), "a/b", "must match pattern"),
        (("exchange",), "a" * 33, "must match pattern"),
        (("exchange",), 5, "must be text, but YAML reads it as 5"),
        (("exchange",), True, "must be text, but YAML reads it as True"),
        (("exchange",), ..., "is missing"),
        (("title",), "", "at least 1 character"),
        (("title",), "x" * 501, "at most 500 characters"),
        (("docs",), "http://x", "must match pattern"),
        (("base_url",), "ftp://x", "must match pattern"),
        (("base_url",), "https://x?y", "must match pattern"),
        (("base_url",), "https://x y", "must match pattern"),
        (("axis",), "blocks", "must be 'ids', 'sparse_ids' or 'time'"),
        (("provable",), "ids", "must be fields with their values"),
        (("provable", "by"), "faith", "must be 'ids' or 'nothing'"),
        (("provable", "by"), "nothing", "axis ids means ids without holes"),
        (("history",), "long", "write all, or how far back it goes, like 24h or 90d"),
        (("quantity_unit",), "contracts", "sizes in contracts cannot be put into"),
        (
            ("axis",),
            "tmie",
            "must be 'ids', 'sparse_ids' or 'time', not 'tmie'; did you mean time?",
        ),
        (("axis",), 5, "must be 'ids', 'sparse_ids' or 'time', not 5"),
        (("first_id",), -1, "greater than or equal to 0"),
        (("first_id",), "1", "valid integer"),
        (("first_id",), 1.0, "valid integer"),
        (("first_id",), True, "valid integer"),
        (("settle",), -1.0, "greater than or equal to 0"),
        (("settle",), float("nan"), "not nan"),
        (("settle",), float("inf"), "less than or equal to 86400"),
        (("settle",), "60", "valid number"),
        (("head_slack",), -1, "greater than or equal to 0"),
        (("limits", "rate"), 0.0, "greater than 0"),
        (("limits", "rate"), float("nan"), "not nan"),
        (("limits", "burst"), 0, "greater than or equal to 1"),
        (
            ("limits", "scope"),
            "hosts",
            "must be 'host' or 'market', not 'hosts'; did you mean host?",
        ),
        (("statuses",), {"refused": [99]}, "greater than or equal to 100"),
        (("statuses",), {"throttled": ["429"]}, "valid integer"),
        (("statuses",), {"throttled": 429}, "must be a list"),
        (("symbols", "native"), "{base}{base}", "once each"),
        (("symbols", "native"), "{quote}", "once each"),
        (("symbols", "online"), "online", "must be a list"),
        (("symbols", "online"), [None], "must be text"),
        (("symbols", "status"), True, "must be text, but YAML reads it as True; put it in quotes"),
        (("trades", "path"), "products/{symbol}", "must start with /"),
        (("trades", "path"), "/products", "must hold {symbol} once"),
        (("trades", "path"), "/{symbol}/{symbol}", "must hold {symbol} once"),
        (("trades", "chunk_pages"), 0, "greater than or equal to 1"),
        (("trades", "paging", "rule"), "after", "must be 'newest_below'"),
        (("trades", "paging", "page"), 1, "greater than or equal to 2"),
        (("trades", "paging", "cursor"), ..., "is needed by rule newest_below"),
        (("trades", "fields", "price", "as"), "float", "must be 'decimal_text'"),
        (("trades", "fields", "price", "from"), 3, "the name of a field in all columns"),
        (("trades", "fields", "side", "as"), "sign", "a sign needs no words"),
        (("trades", "fields", "price"), "price", "must be fields with their values"),
        (("trades", "fields", "trade_ts", "as"), "epoch", "must be 'iso_time'"),
        (("trades", "fields", "trade_id", "as"), "text", "must be 'integer'"),
        (("trades", "fields", "side", "of"), "buyer", "must be 'taker' or 'maker'"),
        (("trades", "fields", "side", "of"), ..., "is missing"),
        (("trades", "fields", "side", "sell"), "buy", "must be two different words"),
        (("trades", "fields", "quantity", "from"), "price", "the same field: price"),
        (
            ("trades", "fields", "quantity", "from"),
            "price",
            "price and quantity are taken from the same field: price",
        ),
        (("trades", "fields", "quantity"), ..., "is missing"),
        (("trades",), None, "must be fields with their values"),
        (("limits",), [], "must be fields with their values"),
    ],
)
def test_one_mistake_is_one_line_that_says_where_and_what(
    path: Path, value: object, said: str
) -> None:
    found = mistakes(changed(path, value))
    assert len(found) == 1
    where, what = found[0].removeprefix("line 1: ").split(": ", 1)
    assert said in what
    # Of a rule over several fields the place is what holds them, of a list what is in it.
    place = ".".join(map(str, path))
    assert where == "the file" or place.startswith(where) or where.startswith(place)


@pytest.mark.parametrize(
    ("path", "value", "place", "said"),
    [
        (("price", "as"), "signed_text", "side.as", "the sign of a size is the side"),
        (("quantity", "as"), "signed_text", "side.as", "the sign of a size is the side"),
        (("side", "buy"), True, "side.sell", "two different words of one kind"),
        (("side", "buy"), ..., "side.sell", "two different words"),
    ],
)
def test_a_mistake_between_fields_is_told_at_the_one_to_correct(
    path: Path, value: object, place: str, said: str
) -> None:
    (found,) = mistakes(changed(("trades", "fields", *path), value))
    assert found.startswith(f"line 1: trades.fields.{place}: ")
    assert said in found


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("titel",), "is not a field here; did you mean title?"),
        (("wire",), "is not a field here; there are exchange, title"),
        (("zzz",), "is not a field here; there are exchange, title"),
        (("trades", "chunkpages"), "did you mean chunk_pages?"),
        (("trades", "paging", "pages"), "did you mean page?"),
        (("trades", "fields", "price", "form"), "did you mean from?"),
        (("trades", "fields", "price", "source"), "is not a field here; there are from, as"),
        (("trades", "fields", "trade_id", "as_"), "did you mean as?"),
        (("trades", "fields", "trade_reff"), "is not a field here"),
        (("symbols", "nativ"), "did you mean native?"),
        (("limits", "zzz"), "there are scope, rate, burst"),
    ],
)
def test_an_unknown_field_is_a_mistake_with_the_nearest_word(path: Path, said: str) -> None:
    found = mistakes(changed(path, "x"))
    assert len(found) == 1
    assert found[0].startswith(f"line 1: {'.'.join(map(str, path))}: ")
    assert said in found[0]


CURSORS = {"cursor": "after", "limit": "limit", "page": 1000}


@pytest.mark.parametrize(
    ("path", "value", "place", "said"),
    [
        (("axis",), "sparse_ids", "provable.by", "ids that skip prove nothing"),
        (("axis",), "time", "trades.paging.unit", "an axis of time needs trades.paging.unit"),
        (("provable", "by"), "nothing", "provable.by", "axis ids means ids without holes"),
        (
            ("trades", "paging"),
            {"rule": "latest_only", **CURSORS},
            "trades.paging.rule",
            "axis ids is asked by one of newest_below, oldest_from, oldest_after",
        ),
        (
            ("trades", "paging"),
            {"rule": "time_window", "stop": "to", "unit": "ms", **CURSORS},
            "trades.paging.start",
            "is needed by rule time_window",
        ),
        (
            ("trades", "fields", "side"),
            {"from": "side", "as": "sign", "of": "taker", "buy": "b", "sell": "s"},
            "trades.fields.side.as",
            "a sign needs no words",
        ),
        (
            ("trades", "paging"),
            {"rule": "newest_below", "start": "from", **CURSORS},
            "trades.paging.start",
            "means nothing to rule newest_below",
        ),
        (
            ("trades", "paging"),
            {"rule": "time_window", "start": "a", "stop": "b", "unit": "ms", **CURSORS},
            "trades.paging.cursor",
            "means nothing to rule time_window",
        ),
        (
            ("trades", "paging"),
            {"rule": "latest_only", "newest": {"sort": "desc"}, "page": 9},
            "trades.paging.newest",
            "means nothing to rule latest_only",
        ),
        (
            ("trades", "paging"),
            {"rule": "oldest_from", "oldest": {"sort": "asc"}, **CURSORS},
            "trades.paging.oldest",
            "means nothing to rule oldest_from",
        ),
        (
            ("trades", "paging"),
            {"rule": "newest_below", "oldest": {"sort": "asc"}, **CURSORS},
            "trades.paging.oldest",
            "only on an axis of time",
        ),
        (("symbols", "base"), ..., "symbols.path", "a list of markets needs one of"),
        (("trades", "fields", "price", "from"), 3, "trades.fields", "an index in all"),
    ],
)
def test_what_does_not_fit_together_is_told_at_the_field_to_correct(
    path: Path, value: object, place: str, said: str
) -> None:
    (found,) = mistakes(changed(path, value), {(): 1, tuple(place.split(".")): 7})
    assert found.startswith(f"line 7: {place}: ")
    assert said in found


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("trades", "fields", "price", "from"), 1.5, "the name of a field, or its index"),
        (("trades", "fields", "price", "from"), {"a": 1}, "the name of a field, or its index"),
        (("trades", "fields", "price", "from"), -1, "greater than or equal to 0, not -1"),
        (("trades", "fields", "side", "buy"), 1.5, "must be a word, a whole number, or true"),
        (("trades", "tombstone"), {"f": 1.5}, "must be a word, a whole number, or true"),
    ],
)
def test_a_field_of_several_kinds_is_one_mistake(path: Path, value: object, said: str) -> None:
    (found,) = mistakes(changed(path, value))
    where, what = found.removeprefix("line 1: ").split(": ", 1)
    assert where.startswith(".".join(map(str, path)))
    assert said in what


@pytest.mark.parametrize(
    ("status", "usual", "told"),
    [
        (404, "refused", "refused"),
        (429, "throttled", "throttled"),
        (403, "refused", "throttled"),
        (418, "throttled", "refused"),
        (500, None, "refused"),
        (420, None, "throttled"),
        (422, None, None),
    ],
)
def test_a_status_that_a_spec_does_not_name_keeps_its_meaning(
    status: int, usual: str | None, told: str | None
) -> None:
    assert Statuses().meaning(status) == usual
    assert Statuses(refused=(418, 500), throttled=(403, 420)).meaning(status) == told


def test_what_is_still_to_be_filled_in_is_the_only_mistake_there() -> None:
    content = changed(("axis",), FILL_IN)
    content["title"] = f"{FILL_IN}: its name"
    content["trades"]["paging"]["page"] = FILL_IN
    found = mistakes(content)
    assert [mistake.split(": ", 1)[1] for mistake in found] == [
        "axis: is still to be filled in",
        "title: is still to be filled in",
        "trades.paging.page: is still to be filled in",
    ]


def test_the_schema_for_editors_is_the_one_that_is_shipped() -> None:
    """Where this fails: schemahub exchange schema > docs/exchange.schema.json."""
    shipped = Pathlib(__file__).parents[2] / "docs" / "exchange.schema.json"
    assert shipped.read_text(encoding="utf-8") == schema()
    properties = json.loads(schema())["properties"]
    assert properties.keys() == ExchangeSpec.model_fields.keys()


@pytest.mark.parametrize("content", [None, [], "text", 5, {}, {1: 2}])
def test_what_is_no_spec_at_all_is_known_as_such(content: object) -> None:
    assert mistakes(content)


def test_all_mistakes_are_said_at_once_by_line() -> None:
    content = data()
    content["axis"] = "blocks"
    content["axis"] = "timed"
    content["titel"] = "x"
    content["limits"]["rate"] = -1.0
    content["trades"]["paging"]["page"] = 0
    content["trades"]["fields"]["price"]["as"] = "float"
    del content["symbols"]["native"]
    lines: dict[Path, int] = {
        ("axis",): 9, ("titel",): 2, ("limits",): 4, ("limits", "rate"): 5,
        ("trades", "paging", "page"): 30, ("trades", "fields", "price"): 12, ("symbols",): 20,
    }  # fmt: skip
    found = mistakes(content, lines)
    assert [mistake.split(": ")[:2] for mistake in found] == [
        ["line 2", "titel"],
        ["line 5", "limits.rate"],
        ["line 9", "axis"],
        ["line 12", "trades.fields.price.as"],
        ["line 20", "symbols.native"],
        ["line 30", "trades.paging.page"],
    ]


def test_a_mistake_without_a_line_of_its_own_has_that_of_what_holds_it() -> None:
    content = changed(("trades", "paging", "page"), 0)
    assert mistakes(content, {("trades",): 7})[0].startswith("line 7: ")
    assert mistakes(content, {})[0].startswith("line 1: ")


# ---------------------------------------------------------------- what it is used for


@pytest.mark.parametrize(
    ("template", "symbol", "native"),
    [
        ("{base}-{quote}", "BTC-USD", "BTC-USD"),
        ("{quote}_{base}", "BTC-USD", "USD_BTC"),
        ("t{base}{quote}", "BTC-USD", "tBTCUSD"),
        ("{base}-{quote}", "BTC-PERP-USD", "BTC-PERP-USD"),
    ],
)
def test_a_symbol_is_spelt_as_the_exchange_spells_it(
    template: str, symbol: str, native: str
) -> None:
    spec = build(changed(("symbols", "native"), template), {}, "acme.yaml")
    assert spec.native(Market("acme", symbol)) == native


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("trades", "fields", "price", "from"), "px"),
        (("trades", "fields", "side", "of"), "taker"),
        (("trades", "fields", "side", "buy"), "B"),
    ],
)
def test_what_shapes_rows_changes_the_digest(path: Path, value: str) -> None:
    assert build(changed(path, value), {}, "acme.yaml").shape() != SPEC.shape()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("title",), "Another"),
        (("base_url",), "https://other.example.com"),
        (("limits", "rate"), 5.0),
        (("settle",), 30),
        (("trades", "paging", "page"), 100),
        (("trades", "chunk_pages"), 5),
    ],
)
def test_what_does_not_shape_rows_leaves_the_digest(path: Path, value: object) -> None:
    assert build(changed(path, value), {}, "acme.yaml").shape() == SPEC.shape()


def test_the_digest_of_a_shape_stays_what_it_is() -> None:
    """Every lake's PLAN holds it: if it changes, all tables must be made anew."""
    assert SPEC.shape() == ("f073a375ba0022cd8aafc26e747ab53b0eb223b3e029e25d7e73ea3733741b05")
