"""The wire contract of one row: what an exchange's words mean, strictly.

This is the one authority on whether a row is good. Faster readers elsewhere may accept
rows in bulk, but they must agree with `Reader.trade` row by row (a test compares them).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from schemahub.core.answer import Answer
from schemahub.core.envelope import MAX_DEPTH, Fault, complaint, inside, listed, too_deep
from schemahub.core.spec import ExchangeSpec
from schemahub.core.spec_fields import SideField, Word
from schemahub.core.told import Scan, Told
from schemahub.core.trade import VOID, Side, Trade
from schemahub.core.values import MISSING, NUMBERS, READERS, No, exact, plain, show, sign

EARLIEST = int(datetime(2009, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
MAX_AHEAD = 5 * 60 * 1_000_000
COLUMNS = ("trade_id", "side", "price", "quantity", "trade_ts")

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_TYPES: dict[str, Any] = {"integer": int, **dict.fromkeys(NUMBERS, msgspec.Raw)}
# Brackets that may stand around a list of rows without any being too deep.
_AROUND = MAX_DEPTH - 2


class RowRefused(Exception):
    """The row fails the contract; `position` (on the axis) and `trade_id` if they were read."""

    def __init__(self, reason: str, position: int | None, trade_id: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position
        self.trade_id = trade_id


class Reader:
    """Reads answers and rows by the rules of one spec; whole answers by `scan`, where it can."""

    def __init__(self, spec: ExchangeSpec, scan: Scan | None = None) -> None:
        self.spec = spec
        self._scan = scan
        fields = spec.trades.fields
        self.line = spec.line
        self.sources = {column: getattr(fields, column).source for column in COLUMNS}
        self.kinds: dict[str, str] = {
            column: getattr(fields, column).as_ for column in COLUMNS if column != "side"
        }
        self.signed = fields.side.as_ == "sign"
        self.sides = _sides(fields.side)
        self._words: dict[tuple[type, object], Side | None] = {
            (type(word), word): taker for word, taker in self.sides.items()
        }
        self._words |= {(type(word), word): None for word in fields.side.neither}
        self._read: dict[str, Callable[[object], Any]] = {
            column: READERS[kind] for column, kind in self.kinds.items()
        }
        self._read["side"] = self._side
        self._numbers = {column for column, kind in self.kinds.items() if kind in NUMBERS}
        # What places a row on the axis is read first: a row that is refused keeps its place.
        rest = ("trade_id", "price", "quantity", "trade_ts", "side")
        place = "trade_ts" if self.line.timed else "trade_id"
        self._order = (place, *(column for column in rest if column != place))
        self._rows = spec.trades.rows
        self._errors = spec.errors
        self._arrays = isinstance(fields.trade_id.source, int)
        self._tombstone = spec.trades.tombstone
        self._void_names: dict[str | int, str] = {}
        self._typed = msgspec.json.Decoder(list[self._struct()])  # type: ignore[misc]

    # ------------------------------------------------------------ a whole answer

    def complaint(self, body: bytes) -> tuple[Fault, str] | None:
        """The error that an answer of status 200 tells in place of rows; None if it tells none."""
        return complaint(body, self._errors)

    def split(self, body: bytes) -> list[bytes]:
        """The rows of `body`, each as its own bytes, verbatim.

        Raises ValueError if the body is not JSON in UTF-8 of a sane depth, or has no list
        where the rows should be.
        """
        try:
            body.decode("utf-8")
            rows = listed(body, self._rows)
        except UnicodeDecodeError as error:
            raise ValueError(str(error)) from None
        if too_deep(body):
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
        return [bytes(row) for row in rows]

    def scanned(self, answer: Answer) -> Told | None:
        """The rows of `answer`, all good; None if nobody says that they are."""
        return None if self._scan is None else self._scan(answer.body, answer.latest)

    def typed(self, body: bytes) -> Sequence[Any] | None:
        """The rows of `body` as structs of the wire's own values, fields named as columns.

        A number whose text counts is `msgspec.Raw`; the side of a signed size is not there.
        None if any row is not shaped as the spec says: read it row by row then.
        """
        try:
            body.decode("utf-8")
            inner = bytes(inside(body, self._rows)) if self._rows else body
            rows = cast("Sequence[Any]", self._typed.decode(inner))
        except (msgspec.DecodeError, RecursionError, ValueError):
            return None
        # A list of flat rows has a bracket and one more a row; anything else is looked at.
        opened, closed = inner.count(b"["), inner.count(b"{")
        if self._arrays:
            flat = opened <= len(rows) + 1 and not closed
        else:
            flat = inner.find(b"[", inner.find(b"[") + 1) < 0 and closed <= len(rows)
        if inner is not body and flat:
            flat = body.count(b"[") + body.count(b"{") - opened - closed < _AROUND
        if not flat or (self._tombstone and any(map(self._marked, rows))):
            return None
        return rows

    # ------------------------------------------------------------ one row

    def trade(self, raw: bytes, now: int) -> Trade:
        """The row in `raw`; `now` (µs since 1970) is when it was served.

        Raises RowRefused.
        """
        cells = self.cells(raw)
        values = {column: self._value(column, cells) for column in COLUMNS}
        return self._checked(values, now, void=bool(self._tombstone) and self._is_void(cells))

    def cells(self, raw: bytes) -> Mapping[str | int, msgspec.Raw]:
        """The fields of the row in `raw`, verbatim. Raises RowRefused if it has no such shape."""
        try:
            row = dict(enumerate(_list.decode(raw))) if self._arrays else _object.decode(raw)
        except (msgspec.DecodeError, RecursionError) as error:
            kind = "a list" if self._arrays else "an object"
            raise RowRefused(f"not {kind}: {error}", None) from None
        # Fields that the spec does not name are kept in raw and never interpreted.
        return cast("Mapping[str | int, msgspec.Raw]", row)

    def believable(self, moment: int, now: int) -> bool:
        """Whether a trade can be of this time (µs since 1970), served at `now`."""
        return EARLIEST <= moment <= now + MAX_AHEAD

    def _checked(self, values: dict[str, object], now: int, *, void: bool = False) -> Trade:
        found: dict[str, Any] = {}
        position: int | None = None
        for column in self._order:
            try:
                found[column] = self._column(column, values[column], now)
            except No as no:
                raise RowRefused(f"{column}: {no}", position, self._id(values, now)) from None
            if position is None:
                position = found[column]
                if void:
                    why = f"{VOID}: the exchange marks this id as void"
                    raise RowRefused(why, position, self._id(values, now))
        return Trade(
            found[self._order[0]], found["trade_id"], None, found["side"],
            found["price"], found["quantity"], found["trade_ts"],
        )  # fmt: skip

    def _id(self, values: dict[str, object], now: int) -> int | None:
        try:
            return cast("int", self._column("trade_id", values["trade_id"], now))
        except No:
            return None

    def _column(self, column: str, value: object, now: int) -> object:
        found = self._read[column](value)
        if column == "trade_ts" and not self.believable(found, now):
            raise No(f"before 2009 or more than 5 minutes ahead: {value}")
        return found

    def _side(self, value: object) -> Side | None:
        word: object = sign(value) if self.signed else value
        # 1 and true are one key to a dict; to the wire they are two words.
        # A list is no key at all.
        if not isinstance(word, str | int) or (type(word), word) not in self._words:
            raise No(f"not a side: {show(value)}")
        return self._words[type(word), word]

    def _value(self, column: str, cells: Mapping[str | int, msgspec.Raw]) -> object:
        raw = cells.get(self.sources[column])
        if raw is None:
            return MISSING
        of_quantity = column == "side" and self.signed
        numeric = ("quantity" if of_quantity else column) in self._numbers
        return exact(raw) if numeric else plain(raw)

    # ------------------------------------------------------------ void ids

    def _is_void(self, cells: Mapping[str | int, msgspec.Raw]) -> bool:
        return all(
            name in cells and _same(plain(cells[name]), word)
            for name, word in self._tombstone.items()
        )

    def _marked(self, row: object) -> bool:
        """`_is_void` of a typed row."""
        return all(
            _same(plain(value) if isinstance(value, msgspec.Raw) else value, word)
            for value, word in (
                (getattr(row, self._void_names[name]), word)
                for name, word in self._tombstone.items()
            )
        )

    # ------------------------------------------------------------ the shape of rows

    def _struct(self) -> type[Any]:
        """A struct of the columns, and of what marks an id as void."""
        named: _Named = {}
        for column in COLUMNS:
            if column == "side" and self.signed:
                continue
            word = type(next(iter(self.sides))) if column == "side" else str
            wire = _TYPES.get(self.kinds.get(column, ""), word)
            named[self.sources[column]] = (column, wire)
        needed = set(named)
        for number, name in enumerate(self._tombstone):
            named.setdefault(name, (f"void{number}", msgspec.Raw))
            self._void_names[name] = named[name][0]
        return _array(named, needed) if self._arrays else _members(named, needed)


_Named = dict[str | int, tuple[str, Any]]
_NONE = msgspec.Raw(b"null")


def _members(named: _Named, needed: set[str | int]) -> type[Any]:
    """A struct of an object's members; those that are not needed may be missing."""
    rename = {name: str(source) for source, (name, _) in named.items()}
    fields = [
        (name, kind) if source in needed else (name, kind, _NONE)
        for source, (name, kind) in named.items()
    ]
    return msgspec.defstruct("Row", fields, rename=rename, frozen=True, gc=False)


def _array(named: _Named, needed: set[str | int]) -> type[Any]:
    """A struct of an array's values, named or not, as far as one is named."""
    last = max(cast("set[int]", needed))
    fields: list[Any] = []
    for index in range(max(cast("dict[int, Any]", named)) + 1):
        name, kind = named.get(index, (f"unused{index}", msgspec.Raw))
        fields.append((name, kind) if index <= last else (name, kind, _NONE))
    return msgspec.defstruct("Row", fields, array_like=True, frozen=True, gc=False)


def _sides(field: SideField) -> dict[Word, Side]:
    """The wire's words with the taker's side.

    The table holds the taker's side: where the wire tells the maker's, the words change
    places here, and nowhere else.
    """
    buy, sell = ("+", "-") if field.as_ == "sign" else (field.buy, field.sell)
    maker = field.of == "maker"
    return {
        cast("Word", buy): "sell" if maker else "buy",
        cast("Word", sell): "buy" if maker else "sell",
    }


def _same(value: object, word: Word) -> bool:
    return type(value) is type(word) and value == word
