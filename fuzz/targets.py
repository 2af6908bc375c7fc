"""What is fuzzed. A target is given bytes and raises only if a promise is broken.

It returns in a few words what became of them: bytes that end in a new way are kept and
mutated further.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import cast

import schemahub
from schemahub.adapters import specs
from schemahub.core import ledger, page
from schemahub.core.errors import SpecError, UsageError
from schemahub.core.layout import (
    Market,
    PartName,
    market_of,
    parse_part,
    parse_raw,
    parse_version,
    part_key,
    raw_key,
    segment,
)
from schemahub.core.page import Answer
from tests.adapters.readers import all_agree
from tests.adapters.wire_rows import IDS, PRICES, SIDES, TIMES, raw_row
from tests.pipelines.raw_lake import AT, BTC, DATE

URL = "https://api.exchange.coinbase.com/products/BTC-USD/trades?limit=1000"
_VALUE = re.compile(r"'.*?'|\"[^\"]*\"|`[^`]*`|[0-9]+")


@dataclass(frozen=True)
class Target:
    """`seeds` are sound inputs, `words` pieces that its inputs are made of."""

    check: Callable[[bytes], str]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...]


def _kind(why: object) -> str:
    """A reason without the values in it: so few that each is worth keeping."""
    return _VALUE.sub("#", str(why))[:60]


# ---------------------------------------------------------------- answers


def answers(data: bytes) -> str:
    """All three readers say the same of every answer, and of what it proves."""
    told = all_agree(Answer(AT, URL, 200, DATE, data))
    if told is None:
        return "not a list"
    good = sum(one.content is not None for one in told)
    return f"{min(good, 3)} good, {min(len(told) - good, 3)} bad"


_ROWS = (
    raw_row(5), raw_row(4, size='"1e-3"'), raw_row(3, price='"0"'), raw_row(2, side='"sell"'),
    raw_row(1, nested=b'[{"a":1e5}]'), raw_row(6, time='"2024-05-06T07:08:09.5-01:30"'),
)  # fmt: skip
_ANSWERS = (
    b"[]", *(b"[" + row + b"]" for row in _ROWS), b"[" + b",".join(_ROWS) + b"]",
    b'{"message":"NotFound"}', b"[null, [], 1, {}]",
)  # fmt: skip
_WIRE = tuple(
    text.encode() for text in (*PRICES, *TIMES, *SIDES, *IDS, *'[]{},:"\\',
    '"trade_id":', '"price":', '"size":', '"time":', '"side":', "null", "NaN", "1e999", "-0")
)  # fmt: skip


# ---------------------------------------------------------------- specs


class _File:
    """A spec file that is not on a disk."""

    stem, name = "coinbase", "coinbase.yaml"

    def __init__(self, data: bytes) -> None:
        self._data = data

    def open(self, _mode: str) -> BytesIO:
        return BytesIO(self._data)


def spec_files(data: bytes) -> str:
    """A file is a spec, or every mistake in it has a line; nothing else happens."""
    mistakes: tuple[str, ...] = ()
    try:
        spec = specs.load(cast("Path", _File(data)))
    except SpecError as error:
        mistakes = error.mistakes
    else:
        assert len(spec.shape()) > 1
        assert spec.chunk > 0
        assert spec.native(BTC)
        assert page.path(BTC, spec).startswith("/")
        return "a spec"
    assert mistakes
    assert all(re.match(r"line [1-9][0-9]*: ", one) for one in mistakes), mistakes
    return _kind(mistakes[0])


_YAML = tuple((Path(schemahub.__file__).parent / "exchanges").glob("*.yaml"))


# ---------------------------------------------------------------- names of objects


def names(data: bytes) -> str:
    """A name says one thing, which writes the same name; a symbol never leaves its folder."""
    text = data.decode("utf-8", "surrogateescape")
    found = []
    entry = parse_raw(text)
    if entry is not None:
        assert entry.filename == text
        assert parse_raw(raw_key(BTC, entry).rpartition("/")[2]) == entry
        found.append(type(entry).__name__)
    part = parse_part(text)
    if part is not None:
        assert f"{PartName(part).stem}.parquet" == text
        assert parse_part(part_key(1, BTC, part).rpartition("/")[2]) == part
        found.append("part")
    version = parse_version(text)
    if version is not None:
        assert text == f"v{version}"
        found.append("version")
    held = market_of("coinbase", text)
    if held is not None:
        assert segment(held.symbol) == text
        found.append("folder")
    try:
        market = Market("coinbase", text)
    except UsageError as error:
        return " ".join([*found, _kind(error.why or error.what)])
    path = segment(market.symbol)
    assert market_of("coinbase", path) == market
    assert "/" not in path
    assert not path.startswith(".")
    assert path.isascii()
    return " ".join([*found, "symbol", "encoded" if path != text else ""])


_LOW, _HIGH = f"{1:020}", f"{2**63 - 1:020}"
_NAMES = tuple(
    text.encode() for text in (
        f"{_LOW}-{_HIGH}.jsonl.zst", f"{_LOW}-{5:020}.r1.jsonl.zst", f"{_LOW}-{5:020}.bad0",
        f"{_LOW}-{5:020}.seen.20240601T120000000000Z01ab.jsonl.zst", f"{_LOW}.origin",
        f"{_LOW}-{5:020}.absent.jsonl.zst", f"{5:020}-{4:020}.parquet", "v1", "v12", "BTC-USD",
        "A%2FB-USD", "%2E.-X", "PEPE:X.Y_Z-USD", "Ä-€",
    )
)  # fmt: skip
_PIECES = tuple(
    text.encode() for text in (
        _LOW, _HIGH, "0" * 20, "9" * 20, "-", ".r", ".r0", ".r01", ".bad", ".seen.", ".absent",
        ".jsonl.zst", ".parquet", ".origin", "v", "v0", "%2F", "%2f", "%", "..", "/", "\x00",
        "\u0661", "\uff11", "\n",
    )
)  # fmt: skip


# ---------------------------------------------------------------- checkpoints


def checkpoints(data: bytes) -> str:
    """A checkpoint is believed whole or not at all."""
    try:
        found = ledger.read_checkpoint(data, BTC, 50_000)
    except ValueError as error:
        return _kind(error)
    assert all(span.start < span.stop for span in found.covered)
    assert len(found.covered.spans) <= 1
    return "believed" if found.covered else "empty"


def _checkpoints() -> tuple[bytes, ...]:
    entries = [parse_raw(f"{low:020}-{low + 50_000:020}.jsonl.zst") for low in (0, 50_000)]
    named = [entry for entry in [*entries, parse_raw(f"{1:020}.origin")] if entry is not None]
    return (
        ledger.write_checkpoint(BTC, ledger.Ledger.of(named), 50_000, ()),
        ledger.write_checkpoint(BTC, ledger.Ledger.of(named[:1]), 50_000, (f"{1:020}.bad0",)),
        ledger.write_checkpoint(BTC, ledger.Ledger.of([]), 50_000, ()),
        b"{}",
    )


# ---------------------------------------------------------------- raw lines


def lines(data: bytes) -> str:
    """A raw line is an answer, which writes a line of the same answer; or a ValueError."""
    try:
        found = page.decode(data)
    except ValueError as error:
        return _kind(error)
    line = page.encode(found)
    assert line.count(b"\n") == 1
    again = page.decode(line)
    assert again == found, (again, found)
    assert found.served_at.tzinfo is not None
    assert found.latest >= 0 or found.at.year < 1970  # noqa: PLR2004
    return "an answer"


_LINES = tuple(
    page.encode(Answer(AT, URL, 200, DATE, body)).rstrip(b"\n")
    for body in (*_ANSWERS, b"<html>\n</html>", b"\xff\xfe", b"[1,\n2]", b"", b" [] ")
)


TARGETS: dict[str, Target] = {
    "answers": Target(answers, _ANSWERS, _WIRE),
    "specs": Target(
        spec_files,
        tuple(path.read_bytes() for path in _YAML),
        (b": ", b"\n", b"- ", b"{", b"}", b"[", b"]", b"&a ", b"*a", b"!!python/name:os.system ",
         b"---\n", b"null", b"1e400", b"2024-13-45", b"\t", b"\xe2\x80\xa8", b"'", b'"', b"|\n",
         b"<<: ", b"0x1", b".inf", b"~", b"exchange: ", b"coinbase", b"first_id: "),
    ),
    "names": Target(names, _NAMES, _PIECES),
    "checkpoints": Target(
        checkpoints,
        _checkpoints(),
        (b"null", b"[]", b"{}", b"-1", b"1e400", b"9223372036854775808", b'"', b",", b":",
         b"NaN", b"50000", b"100000", b'"market":', b"true"),
    ),
    "lines": Target(
        lines, _LINES,
        (b'"at":', b'"date":', b'"body":', b'"text":', b'"base64":', b"null", b'""', b"[", b"]",
         b"{", b"}", b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59", b"\\u2028",
         b"\\ud800", b"2024-06-01", b"Sat, 01 Jun 0001 00:00:00 +2359", b"\n"),
    ),
}  # fmt: skip
