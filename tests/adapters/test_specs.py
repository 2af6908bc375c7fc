"""A spec file says everything that is wrong with it, at once and by line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from schemahub.adapters.specs import DEEPEST, LARGEST, installed, load
from schemahub.core.errors import SpecError


@pytest.fixture
def text() -> str:
    return installed()["coinbase"].read_text()


def mistakes(folder: Path, text: str | bytes, name: str = "coinbase.yaml") -> tuple[str, ...]:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SpecError) as caught:
        load(path)
    assert str(len(caught.value.mistakes)) in caught.value.what
    assert all(re.match(r"line \d+: .", mistake) for mistake in caught.value.mistakes)
    return caught.value.mistakes


def line_of(text: str, part: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize("exchange", installed())
def test_every_installed_spec_is_valid_and_named_as_its_file(exchange: str) -> None:
    assert load(installed()[exchange]).exchange == exchange


# (in the valid file, instead, what is said): one mistake each, said once, in its line.
WRONG = [
    ("provable: ", "provabel: ", "provabel: is not a field here; did you mean provable?"),
    ("first_id: 1", 'first_id: "1"', "first_id: must be a valid integer, not '1'"),
    ("rate: 10.0", "rate: 0", "limits.rate: must be greater than 0, not 0"),
    ("rate: 10.0", "rate: .nan", "limits.rate: must be"),
    ("rate: 10.0", "rate: .inf", "limits.rate: must be"),
    (
        "scope: host",
        "scope: hosts",
        "limits.scope: must be 'host' or 'market', not 'hosts'; did you mean host?",
    ),
    ("as: iso_time", "as: iso", "trades.fields.trade_ts.as: must be 'iso_time', 'iso_utc', "),
    ("{from: size, as: decimal_text}", "size", "quantity: must be fields with their values"),
    ("online: [online]", "online: online", "symbols.online: must be a list, like [one, two]"),
    ("  id: id", "  id: no", "must be text, but YAML reads it as False; put it in quotes"),
    ("  id: id", "  id: 2024-13-45", "symbols.id: '2024-13-45' cannot be read; put text in quotes"),
    ("  id: id", "  id: " + "9" * 5000, "symbols.id: '9999"),
    ("  id: id", "  id: ''", "symbols.id: must have at least 1 character"),
    (
        "buy: buy, sell: sell",
        "buy: buy, sell: buy",
        "trades.fields.side.sell: buy and sell must be two different words of one kind",
    ),
    (
        "from: price",
        "from: size",
        "quantity.from: price and quantity are taken from the same field: size",
    ),
    ('"{base}-{quote}"', '"{base}"', "must hold {base} and {quote} once each"),
    ("exchange: coinbase", "exchange: kraken", "exchange: 'kraken' must be in kraken.yaml"),
    (
        "  base: base_currency",
        "  base: a\n  base: b",
        "symbols: base is there twice, first in line",
    ),
    ("axis: ids", "axis: ids\n? [1, 2]\n: x", "a field's name must be a word"),
    ("axis: ids", "axis: &x ids", "anchors (&) and aliases (*) may not be used"),
    ("axis: ids", "axis: *x", "anchors (&) and aliases (*) may not be used"),
    ("axis: ids", "axis: !!python/object:os.system ids", "tags (!) may not be used"),
    ("axis: ids", "axis: ids\n---\na: b", "no second --- document"),
    ("axis: ids", "axis: [ids", "expected ',' or ']'"),
    ("axis: ids", "axis: i\u0000ds", "the character 0 may not be in YAML"),
    ("axis: ids", "\taxis: ids", "cannot start any token"),
    ("docs: https://docs", "docs: http://docs", "docs: must match pattern '^https://'"),
]


# Lines below the first that was written wrong.
AFTER = {
    "symbols: base is there twice, first in line": 1,
    "a field's name must be a word": 1,
    "no second --- document": 1,
    "expected ',' or ']'": 1,
    "quantity.from: price and quantity are taken from the same field: size": 1,
}


@pytest.mark.parametrize(("right", "wrong", "said"), WRONG)
def test_one_mistake_is_said_once_with_its_line(
    tmp_path: Path, text: str, right: str, wrong: str, said: str
) -> None:
    broken = text.replace(right, wrong, 1)
    found = mistakes(tmp_path, broken)
    about_it = [mistake for mistake in found if said in mistake]
    assert len(about_it) == 1
    # Leaving out a field that has another name now is a second mistake; nothing else is.
    assert len(found) == 1 or (len(found) == 2 and "is missing" in str(found))
    after = AFTER.get(said, 0)
    wanted = line_of(broken, wrong.splitlines()[0]) + after
    assert about_it[0].startswith(f"line {wanted}: ")


def test_all_mistakes_are_said_at_once_in_the_order_of_their_lines(
    tmp_path: Path, text: str
) -> None:
    broken = (
        text.replace("exchange: coinbase", "exchange: other")
        .replace("axis: ids", "axis: timed")
        .replace("rate: 10.0", "rate: -1")
        .replace("  id: id", "  id: id\n  id: id")
        .replace("from: size, as", "form: size, as")
    )
    found = mistakes(tmp_path, broken)
    said = [mistake.partition(": ")[2] for mistake in found]
    assert [text.partition(":")[0] for text in said] == [
        "exchange",
        "axis",
        "limits.rate",
        "symbols",
        "trades.fields.quantity.form",
        "trades.fields.quantity.from",
    ]
    lines = [int(re.match(r"line (\d+)", mistake)[1]) for mistake in found]  # type: ignore[index]
    assert lines == sorted(lines)
    assert lines[0] == line_of(broken, "exchange: other")
    assert lines[-1] == line_of(broken, "form: size")


@pytest.mark.parametrize("text", ["", "# nothing", "- a\n- b", "word", "1", "null"])
def test_a_file_that_is_no_spec_at_all(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, text) == ("line 1: the file: must be fields with their values",)


def test_size_depth_and_bytes_are_bounded(tmp_path: Path, text: str) -> None:
    assert "larger than 64 kB" in mistakes(tmp_path, text + "#" * LARGEST)[0]
    assert "nested deeper" in mistakes(tmp_path, "[" * (DEEPEST + 1))[0]
    assert "nested deeper" in mistakes(tmp_path, "[" * 60_000)[0]
    assert "nested deeper" in mistakes(tmp_path, "".join(" " * n + "a:\n" for n in range(200)))[0]
    assert mistakes(tmp_path, b"a: b\nc: \xff\n") == ("line 2: this is not UTF-8 text",)


def test_a_file_that_is_not_there_is_a_spec_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path, text: str) -> None:
    path = tmp_path / "coinbase.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load(path).exchange == "coinbase"
