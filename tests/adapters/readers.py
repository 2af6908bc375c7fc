"""The three readers of an answer, and what it means that they agree.

`core.wire.Reader` is the authority, row by row; `core.columns` accepts whole answers in bulk;
`ArrowMapper` makes the table's rows. Whatever an answer holds, they must say the same of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from schemahub.adapters.parquet import ArrowMapper
from schemahub.core import page
from schemahub.core.columns import times_by_id
from schemahub.core.errors import BadAnswer, RawUnread
from schemahub.core.layout import MAX_STOP, Market
from schemahub.core.page import Answer
from schemahub.core.paging import Ask
from schemahub.core.span import Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import Trade
from schemahub.core.wire import Reader, RowRefused
from schemahub.ports import Mapped, RawObject
from tests.pipelines.raw_lake import AT, BTC, coinbase

SPEC = coinbase()
READER = Reader(SPEC)
PATH = page.path(BTC, SPEC)
ALL = Span(0, MAX_STOP)


def answer(rows: Iterable[bytes], at: datetime = AT) -> Answer:
    url = f"https://api.exchange.coinbase.com{PATH}?limit=1000"
    return Answer(at, url, 200, "Sat, 01 Jun 2024 12:00:00 GMT", b"[" + b",".join(rows) + b"]")


def source(answers: Iterable[Answer], span: Span = ALL, key: str = "raw/1") -> RawObject:
    return RawObject(key, span, b"".join(page.encode(one) for one in answers))


def mapped(*sources: RawObject, keep: Span = ALL) -> Mapped:
    """By the kernels where they can, once it was seen that without them it is the same."""
    return same_without_kernels(sources, keep, BTC, SPEC)


def same_without_kernels(
    sources: Sequence[RawObject], keep: Span, market: Market, spec: ExchangeSpec
) -> Mapped:
    found, general = (ArrowMapper(after).map(sources, keep, market, spec) for after in (0, None))
    assert table_of(found) == table_of(general)
    assert found.rejected == general.rejected
    return found


def table_of(mapped: Mapped) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = mapped.rows.table.to_pylist()  # type: ignore[attr-defined]
    return rows


Content = tuple[object, ...]


@dataclass(frozen=True)
class Told:
    """What the authority makes of one row of the wire."""

    position: int
    raw: str
    content: Content | None  # None: refused
    at: datetime
    key: str


def authority(sources: Sequence[RawObject], keep: Span = ALL) -> list[Told]:
    """Every row of the sources that counts, in the order told.

    Raises ValueError if one of them holds an answer that is no list of rows.
    """
    told = []
    for one in sources:
        if not one.span.overlaps(keep):
            continue
        for line in one.lines.splitlines():
            got = page.decode(line)
            verdicts = [(raw, _verdict(raw, got)) for raw in READER.split(got.body)]
            readable = [v.position for _, v in verdicts if v.position is not None]
            anchor = readable[0] if readable else 0
            for raw, verdict in verdicts:
                anchor = anchor if verdict.position is None else verdict.position
                if anchor in one.span and anchor in keep:
                    content = None
                    if isinstance(verdict, Trade):
                        content = (
                            verdict.side, verdict.price, verdict.quantity, verdict.trade_ts,
                        )  # fmt: skip
                    told.append(Told(anchor, raw.decode(), content, got.at, one.key))
    return told


def _verdict(raw: bytes, got: Answer) -> Trade | RowRefused:
    try:
        return READER.trade(raw, got.latest)
    except RowRefused as refused:
        return refused


def agree(*sources: RawObject, keep: Span = ALL) -> None:
    """Each telling ends in exactly one of rows and rejected; conflicts in both."""
    try:
        told = authority(sources, keep)
    except ValueError:
        with pytest.raises(RawUnread):
            mapped(*sources, keep=keep)
        return
    check(mapped(*sources, keep=keep), told)


def check(found: Mapped, told: Sequence[Told]) -> None:
    good: dict[int, list[Told]] = {}
    for one in told:
        if one.content is not None:
            good.setdefault(one.position, []).append(one)
    conflicts = {n for n, many in good.items() if len({one.content for one in many}) > 1}

    rows = found.rows.table.to_pylist()  # type: ignore[attr-defined]
    assert [row["trade_id"] for row in rows] == sorted(good)
    for row in rows:
        assert (row["exchange"], row["symbol"], row["trade_ref"]) == ("coinbase", "BTC-USD", None)
        micros = (row["trade_ts"] - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        content = (row["side"], row["price"], row["quantity"], micros)
        first = good[row["trade_id"]][0]
        assert (content, row["ingest_ts"]) == (first.content, first.at)

    refused = [one for one in told if one.content is None or one.position in conflicts]
    assert Counter((r.position, r.raw, r.source, r.at) for r in found.rejected) == Counter(
        (t.position, t.raw, t.key, t.at.isoformat(timespec="microseconds")) for t in refused
    )
    good_tellings = {(t.position, t.raw) for t in refused if t.content}
    for reject in found.rejected:
        is_conflict = (reject.position, reject.raw) in good_tellings
        assert reject.reason.startswith("conflict") == is_conflict


def bulk_takes(got: Answer) -> bool:
    """Whether the bulk check takes the answer as it is."""
    typed = READER.typed(got.body)
    return typed is not None and times_by_id(typed, READER, got.latest) is not None


def all_agree(got: Answer) -> list[Told] | None:
    """What all three say of one answer; None if it is not a list of rows.

    Fails if they differ, or if what the answer proves is not what is mapped.
    """
    told = _by_the_authority(got)
    typed = READER.typed(got.body)
    bulk = None if typed is None else times_by_id(typed, READER, got.latest)
    if told is None:
        assert bulk is None, "the bulk check reads what is no list"
        with pytest.raises(RawUnread):
            mapped(source([got]))
        with pytest.raises(BadAnswer):
            page.read(got, Ask(limit=1000), READER)
        return None
    good = {one.position: one.content[3] for one in told if one.content is not None}
    if bulk is not None:
        assert all(one.content is not None for one in told), "the bulk check takes a bad row"
        assert bulk == good
    check(mapped(source([got])), told)
    _agrees_with_what_is_proved(got, told, good)
    return told


def _by_the_authority(got: Answer) -> list[Told] | None:
    try:
        return authority([source([got])])
    except ValueError:
        return None


def _agrees_with_what_is_proved(got: Answer, told: Sequence[Told], good: dict[int, object]) -> None:
    try:
        proved = page.read(got, Ask(limit=1000), READER)
    except BadAnswer:
        assert told
        assert not good
        return
    assert proved.rows == len(told)
    assert not proved.ids - Coverage.of_ids(good)
    assert dict(proved.times).items() <= good.items()
