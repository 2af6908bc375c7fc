"""The wire contract of one row: what an exchange's words mean, strictly.

This is the one authority on whether a row is good. Faster readers elsewhere may accept
rows in bulk, but they must agree with `Reader.trade` row by row (a test compares them).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import msgspec

from schemahub.core.axis import IDS, Axis
from schemahub.core.spec import Fields
from schemahub.core.trade import INTEGER_DIGITS, SCALE, Side, Trade

MAX_DEPTH = 32
MAX_ID = 2**63 - 2  # one past it is still a 63-bit number
EARLIEST = int(datetime(2009, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
MAX_AHEAD = 5 * 60 * 1_000_000
MAX_DIGITS = 400

# [0-9], not \d: full-width digits are digits to \d.
_DECIMAL = re.compile(r"([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?")
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])"
    r"(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class RowRefused(Exception):
    """The row fails the contract; `position` and `trade_id` if they could be read."""

    def __init__(self, reason: str, position: int | None, trade_id: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.position = position
        self.trade_id = trade_id


class _No(Exception):
    """A value that is not what the field must hold."""


def integer(value: object) -> int:
    """A JSON integer, 0 to 2^63-2."""
    if type(value) is not int:  # bool is an int to isinstance
        msg = f"not an integer: {_show(value)}"
        raise _No(msg)
    if not 0 <= value <= MAX_ID:
        msg = f"out of range: {value}"
        raise _No(msg)
    return value


def decimal_text(value: object) -> Decimal:
    """A positive decimal in a JSON string, exactly; it must fit decimal(38,12)."""
    if type(value) is not str:
        msg = f"not a decimal in a string: {_show(value)}"
        raise _No(msg)
    found = _DECIMAL.fullmatch(value) if len(value) <= MAX_DIGITS else None
    if found is None:
        msg = f"not a positive decimal: {_show(value)}"
        raise _No(msg)
    number = Decimal(value)
    if not number:
        msg = "zero"
        raise _No(msg)
    number = _stripped(number)
    whole, fraction = _digits(number)
    if fraction > SCALE:
        msg = f"more than {SCALE} decimals: {value}"
        raise _No(msg)
    if whole > INTEGER_DIGITS:
        msg = f"more than {INTEGER_DIGITS} integer digits: {value}"
        raise _No(msg)
    return number


def iso_time(value: object) -> int:
    """An ISO 8601 time with its zone as microseconds since 1970; finer digits are cut."""
    if type(value) is not str:
        msg = f"not a time in a string: {_show(value)}"
        raise _No(msg)
    found = _ISO.fullmatch(value)
    if found is None:
        msg = f"not an ISO 8601 time with a zone: {_show(value)}"
        raise _No(msg)
    seconds, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(seconds + zone)
    except ValueError:
        msg = f"no such time: {value}"
        raise _No(msg) from None
    return (moment - _EPOCH) // _MICROSECOND + int(f"{fraction or '0':0<6}"[:6])


_READERS: dict[str, Callable[[object], Any]] = {
    "integer": integer,
    "decimal_text": decimal_text,
    "iso_time": iso_time,
}
_TYPES: dict[str, type] = {"integer": int, "decimal_text": str, "iso_time": str}
_COLUMNS = ("trade_id", "side", "price", "quantity", "trade_ts")
_MISSING = object()


class Reader:
    """Reads rows by the field rules of one spec."""

    def __init__(self, fields: Fields, line: Axis = IDS) -> None:
        self._timed = line.timed
        self._read_id = _READERS[fields.trade_id.as_]
        self._read_price = _READERS[fields.price.as_]
        self._read_quantity = _READERS[fields.quantity.as_]
        self._read_time = _READERS[fields.trade_ts.as_]
        # The table holds the taker's side: where the wire tells the maker's, the words
        # change places here, and nowhere else.
        maker = fields.side.of == "maker"
        self.sides: dict[object, Side] = {
            fields.side.buy: "sell" if maker else "buy",
            fields.side.sell: "buy" if maker else "sell",
        }
        self.sources = tuple(getattr(fields, column).source for column in _COLUMNS)
        row = msgspec.defstruct(
            "Row",
            [
                (column, _TYPES.get(getattr(getattr(fields, column), "as_", ""), str))
                for column in _COLUMNS
            ],
            rename=dict(zip(_COLUMNS, self.sources, strict=True)),
            frozen=True,
            gc=False,
        )
        self._typed = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]
        self._list = msgspec.json.Decoder(list[msgspec.Raw])

    def typed(self, body: bytes) -> Sequence[Any] | None:
        """The rows of `body` as structs of the wire's own values, fields named as columns.

        None if any row is not shaped as the spec says: read it row by row then.
        """
        try:
            body.decode("utf-8")
            rows = cast("Sequence[Any]", self._typed.decode(body))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return None
        # A list of flat rows has one bracket and a brace a row; anything more is looked at.
        flat = body.find(b"[", body.find(b"[") + 1) < 0 and body.count(b"{") <= len(rows)
        return rows if flat else None

    def split(self, body: bytes) -> list[bytes]:
        """The rows of `body`, each as its own bytes, verbatim.

        Raises ValueError if the body is not a JSON list in UTF-8 of a sane depth.
        """
        try:
            body.decode("utf-8")
            rows = self._list.decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise ValueError(str(error)) from None
        if depth(body) > MAX_DEPTH:
            msg = f"nested deeper than {MAX_DEPTH}"
            raise ValueError(msg)
        return [bytes(row) for row in rows]

    def trade(self, raw: bytes, now: int) -> Trade:
        """The row in `raw`; `now` (µs since 1970) is when it was served.

        Raises RowRefused.
        """
        try:
            row = _object.decode(raw)
        except (msgspec.DecodeError, RecursionError) as error:
            reason = f"not an object: {error}"
            raise RowRefused(reason, None) from None
        # Fields that the spec does not name are kept in raw and never interpreted.
        trade_id, side, price, quantity, trade_ts = (
            _value(row[name]) if name in row else _MISSING for name in self.sources
        )
        return self.values(trade_id, side, price, quantity, trade_ts, now)

    def values(  # noqa: PLR0913, PLR0917  (one argument a column)
        self, trade_id: object, side: object, price: object, quantity: object,
        trade_ts: object, now: int,
    ) -> Trade:  # fmt: skip
        """The same for the wire's values, one by one. Raises RowRefused."""
        known: int | None = None
        column = "trade_id"
        try:
            known = self._read_id(trade_id)
            column = "price"
            exact_price = self._read_price(price)
            column = "quantity"
            exact_quantity = self._read_quantity(quantity)
            column = "trade_ts"
            moment = self._read_time(trade_ts)
            if not EARLIEST <= moment <= now + MAX_AHEAD:
                msg = f"before 2009 or more than 5 minutes ahead: {trade_ts}"
                raise _No(msg)  # noqa: TRY301
            column = "side"
            taker = self.sides.get(side) if type(side) is str else None
            if taker is None:
                msg = f"not a side: {_show(side)}"
                raise _No(msg)  # noqa: TRY301
        except _No as no:
            reason = f"{column}: {no}"
            position = self._moment(trade_ts, now) if self._timed else known
            raise RowRefused(reason, position, known) from None
        position = moment if self._timed else known
        return Trade(position, known, None, taker, exact_price, exact_quantity, moment)

    def _moment(self, trade_ts: object, now: int) -> int | None:
        """The time of a row that is refused, if it is one."""
        try:
            moment: int = self._read_time(trade_ts)
        except _No:
            return None
        return moment if EARLIEST <= moment <= now + MAX_AHEAD else None


def _stripped(number: Decimal) -> Decimal:
    """The same number without zeros at its end: never more digits than the column holds."""
    parts = number.as_tuple()
    digits, exponent = parts.digits, cast("int", parts.exponent)
    used = len(digits)
    while used > 1 and digits[used - 1] == 0:
        used -= 1
    return Decimal((0, digits[:used], exponent + len(digits) - used))


def _digits(number: Decimal) -> tuple[int, int]:
    """Integer digits and decimals that `number` needs."""
    parts = number.as_tuple()
    exponent = cast("int", parts.exponent)
    return max(0, len(parts.digits) + exponent), max(0, -exponent)


def _value(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        return Unreadable(str(error))


@dataclass(frozen=True)
class Unreadable:
    """A value of valid JSON that no type of ours can hold, such as 1e999."""

    why: str


def depth(body: bytes) -> int:
    """How deep the JSON in `body` nests, by its brackets outside strings."""
    deepest = now = 0
    for token in _BRACKET.finditer(body):
        if token[0] in b"[{":
            now += 1
            deepest = max(deepest, now)
        elif token[0] in b"]}":
            now -= 1
    return deepest


def _show(value: object) -> str:
    if value is _MISSING:
        return "missing"
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004
