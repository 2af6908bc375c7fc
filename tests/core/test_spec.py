"""A spec is strict: a mistake never passes, and all of them are said at once with their lines."""

from __future__ import annotations

from typing import Any

import pytest

from schemahub.core.errors import SpecError
from schemahub.core.layout import Market
from schemahub.core.spec import ExchangeSpec, build
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
    assert SPEC.statuses.throttled == (418, 429)
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
        (("axis",), "time", "an axis of time needs trades.paging.unit"),
        (("axis",), "sparse_ids", "ids that skip prove nothing"),
        (("provable",), "ids", "must be fields with their values"),
        (("provable", "by"), "faith", "must be 'ids' or 'nothing'"),
        (("provable", "by"), "nothing", "axis ids means ids without holes"),
        (("history",), "long", "write all, or how far back it goes, like 24h or 90d"),
        (("quantity_unit",), "contracts", "sizes in contracts cannot be put into"),
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
        (("limits", "scope"), "planet", "must be 'host'"),
        (("statuses",), {"refused": [99]}, "greater than or equal to 100"),
        (("statuses",), {"throttled": ["429"]}, "valid integer"),
        (("statuses",), {"throttled": 429}, "must be a list"),
        (("symbols", "native"), "{base}{base}", "once each"),
        (("symbols", "native"), "{quote}", "once each"),
        (("symbols", "online"), "online", "must be a list"),
        (("symbols", "online"), [None], "must be text"),
        (("symbols", "status"), True, "must be text, but YAML reads it as True; put it in quotes"),
        (("trades", "path"), "products/{symbol}", "must start with /"),
        (("trades", "path"), "/products", "path or params must hold {symbol} once"),
        (("trades", "path"), "/{symbol}/{symbol}", "path or params must hold {symbol} once"),
        (("trades", "chunk_pages"), 0, "greater than or equal to 1"),
        (("trades", "paging", "rule"), "after", "must be 'newest_below'"),
        (("trades", "paging", "page"), 1, "greater than or equal to 2"),
        (("trades", "paging", "cursor"), ..., "newest_below needs cursor"),
        (("trades", "paging", "unit"), "s", "no other has one"),
        (("trades", "params"), {"pair": "{symbol}"}, "path or params must hold {symbol} once"),
        (("trades", "tombstone"), {0: "x"}, "tombstone names fields as the columns do"),
        (("errors",), {"fine": ["0"]}, "is missing"),
        (("symbols", "id"), ..., "needs id, unless it is one of spellings"),
        (("symbols", "pair"), "name", "needs one of: base and quote, pair, quotes"),
        (("symbols", "base"), ..., "needs one of: base and quote, pair, quotes"),
        (("symbols", "long"), "{base}", "once each"),
        (("symbols", "case"), "title", "must be 'upper' or 'lower'"),
        (("trades", "fields", "price", "as"), "float", "must be 'decimal_text'"),
        (("trades", "fields", "price", "from"), "", "must be the name of a field, or its index"),
        (("trades", "fields", "price", "from"), -1, "must be the name of a field, or its index"),
        (("trades", "fields", "price", "from"), 1.5, "must be the name of a field, or its index"),
        (("trades", "fields", "price", "from"), True, "must be the name of a field, or its index"),
        (("trades", "fields", "price", "from"), 3, "the name of a field in all columns"),
        (("trades", "fields", "price", "as"), "signed_text", "the sign of a size is the side"),
        (("trades", "fields", "quantity", "as"), "signed_text", "the sign of a size is the side"),
        (("trades", "fields", "side", "as"), "sign", "a sign needs no words"),
        (("trades", "fields", "side", "buy"), 1.5, "must be a text, true or false, or an integer"),
        (("trades", "fields", "side", "buy"), True, "two different words of one kind"),
        (("trades", "fields", "side", "buy"), ..., "two different words"),
        (("trades", "fields", "price"), "price", "must be fields with their values"),
        (("trades", "fields", "trade_ts", "as"), "epoch", "must be 'iso_time'"),
        (("trades", "fields", "trade_id", "as"), "text", "must be 'integer'"),
        (("trades", "fields", "side", "of"), "buyer", "must be 'taker' or 'maker'"),
        (("trades", "fields", "side", "of"), ..., "is missing"),
        (("trades", "fields", "side", "sell"), "buy", "must be two different words"),
        (("trades", "fields", "quantity", "from"), "price", "the same field: price"),
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
    ("path", "said"),
    [
        (("titel",), "is not a field here; did you mean title?"),
        (("wire",), "is not a field here; there are exchange, title"),
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


@pytest.mark.parametrize("content", [None, [], "text", 5, {}, {1: 2}])
def test_what_is_no_spec_at_all_is_known_as_such(content: object) -> None:
    assert mistakes(content)


def test_all_mistakes_are_said_at_once_by_line() -> None:
    content = data()
    content["axis"] = "blocks"
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
