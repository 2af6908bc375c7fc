"""The strict description of one exchange: `exchanges/*.yaml` is this model, and drives all.

The vocabulary is closed: a field's `as`, a paging rule, an axis are names of small pure
functions (`wire.py`, `paging.py`). Where an API needs something new, a named rule is added
there; YAML never grows expressions.
"""

from __future__ import annotations

import hashlib
import json
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from schemahub.core.errors import SpecError, UsageError
from schemahub.core.layout import Market

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Text = Annotated[str, Field(min_length=1, max_length=500)]
Status = Annotated[int, Field(ge=100, le=599)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Limits(_Strict):
    """The exchange's published limit: a token bucket of `burst`, filled at `rate` a second."""

    scope: Literal["host"]
    rate: Annotated[float, Field(gt=0, le=10_000)]
    burst: Annotated[int, Field(ge=1, le=10_000)]


class Statuses(_Strict):
    """HTTP statuses where this exchange means something of its own by them."""

    refused: tuple[Status, ...] = (400, 401, 403, 404, 405, 410, 451)
    throttled: tuple[Status, ...] = (418, 429)


class Symbols(_Strict):
    """How markets are spelt and listed. `native` holds `{base}` and `{quote}` once each."""

    native: Text
    path: Text
    id: Text
    base: Text
    quote: Text
    status: Text
    online: tuple[Text, ...]
    price_increment: Text | None = None
    quantity_increment: Text | None = None

    @field_validator("native")
    @classmethod
    def _both(cls, value: str) -> str:
        if value.count("{base}") != 1 or value.count("{quote}") != 1:
            msg = "must hold {base} and {quote} once each"
            raise ValueError(msg)
        return value


class Paging(_Strict):
    """A named rule of `paging.py`, the names of its parameters, and rows an answer can hold."""

    rule: Literal["newest_below"]
    cursor: Text
    limit: Text
    page: Annotated[int, Field(ge=2, le=100_000)]


class IdField(_Strict):
    source: Text = Field(alias="from")
    as_: Literal["integer"] = Field(alias="as")


class DecimalField(_Strict):
    source: Text = Field(alias="from")
    as_: Literal["decimal_text"] = Field(alias="as")


class TimeField(_Strict):
    source: Text = Field(alias="from")
    as_: Literal["iso_time"] = Field(alias="as")


class SideField(_Strict):
    """`of` says whose side the wire's word is; the table always holds the taker's."""

    source: Text = Field(alias="from")
    of: Literal["taker", "maker"]
    buy: Text
    sell: Text

    @model_validator(mode="after")
    def _differ(self) -> SideField:
        if self.buy == self.sell:
            msg = "buy and sell must be different words"
            raise ValueError(msg)
        return self


class Fields(_Strict):
    trade_id: IdField
    side: SideField
    price: DecimalField
    quantity: DecimalField
    trade_ts: TimeField

    @model_validator(mode="after")
    def _distinct(self) -> Fields:
        names = [getattr(self, column).source for column in type(self).model_fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"two columns are taken from the same field: {', '.join(twice)}"
            raise ValueError(msg)
        return self


class Trades(_Strict):
    path: Text
    paging: Paging
    fields: Fields
    chunk_pages: Annotated[int, Field(ge=1, le=1_000)] = 50

    @field_validator("path")
    @classmethod
    def _symbol(cls, value: str) -> str:
        if not value.startswith("/") or value.count("{symbol}") != 1:
            msg = "must start with / and hold {symbol} once"
            raise ValueError(msg)
        return value


class ExchangeSpec(_Strict):
    """Everything that SchemaHub knows of one exchange. Times are in seconds."""

    exchange: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    title: Text
    docs: Annotated[str, Field(pattern=r"^https://")]
    base_url: Annotated[str, Field(pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$")]
    axis: Literal["ids"]
    first_id: Annotated[int, Field(ge=0, le=2**62)]
    provable: Text
    settle: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    head_slack: Annotated[int, Field(ge=0, le=10**9)] = 1_000
    limits: Limits
    statuses: Statuses = Statuses()
    symbols: Symbols
    trades: Trades

    @property
    def chunk(self) -> int:
        """Positions in a chunk: every run cuts at its multiples."""
        return self.trades.paging.page * self.trades.chunk_pages

    def native(self, market: Market) -> str:
        """The exchange's own spelling of a canonical symbol. Raises UsageError if there is none."""
        base, _, quote = market.symbol.rpartition("-")
        native = self.symbols.native.replace("{base}", base).replace("{quote}", quote)
        if native in {".", ".."}:
            # No encoding keeps these from meaning another path.
            raise UsageError(f"{market} is not a market", f"it would be asked for as {native}")
        return native

    def shape(self) -> str:
        """Digest of what shapes rows: a table version holds rows of one shape only."""
        what = {
            "axis": self.axis,
            "fields": self.trades.fields.model_dump(mode="json", by_alias=True),
            "schema": 1,
        }
        text = json.dumps(what, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def build(data: object, lines: dict[tuple[str | int, ...], int], file: str) -> ExchangeSpec:
    """The spec in `data`, as YAML gave it; `lines` maps a path in it to its line.

    Raises SpecError with every mistake at once.
    """
    try:
        spec = ExchangeSpec.model_validate(_tuples(data))
    except ValidationError as error:
        mistakes = tuple(
            sorted(
                (_mistake(found, lines) for found in error.errors(include_url=False)),
                key=_line_number,
            )
        )
        raise SpecError(
            f"{file} is not a valid exchange spec: {len(mistakes)} mistake(s)",
            mistakes,
            "correct these lines; docs/exchange-spec.md describes every field",
        ) from error
    return spec


def _tuples(data: object) -> object:
    # Strict pydantic wants tuples where YAML can only say lists.
    if isinstance(data, dict):
        return {key: _tuples(value) for key, value in data.items()}
    if isinstance(data, list):
        return tuple(_tuples(value) for value in data)
    return data


def _mistake(found: ErrorDetails, lines: dict[tuple[str | int, ...], int]) -> str:
    path = loc = found["loc"]
    while path and path not in lines:
        path = path[:-1]
    where = ".".join(str(part) for part in loc) or "the file"
    return f"line {lines.get(path, 1)}: {where}: {_said(found)}"


def _said(found: ErrorDetails) -> str:
    """What is wrong, in the words of whoever writes YAML rather than pydantic's."""
    kind, given = found["type"], found["input"]
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind == "extra_forbidden":
        name, names = str(found["loc"][-1]), _names(found["loc"][:-1])
        close = get_close_matches(name, names, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
        return f"is not a field here; {hint}"
    if kind == "string_type":
        return f"must be text, but YAML reads it as {given!r:.40}; put it in quotes"
    said = found["msg"].removeprefix("Value error, ")
    said = said.replace("Input should", "must").replace("String should", "must")
    simple = isinstance(given, str | int | float) and kind != "value_error"
    return f"{said}, not {given!r:.60}" if simple else said


_PLAIN = {
    "missing": "is missing",
    "model_type": "must be fields with their values",
    "dict_type": "must be fields with their values",
    "tuple_type": "must be a list, like [one, two]",
}


def _names(loc: tuple[str | int, ...]) -> list[str]:
    """The fields that there are at `loc`, as YAML names them."""
    model: type[BaseModel] = ExchangeSpec
    for part in loc:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        below = fields[str(part)].annotation if part in fields else None
        if isinstance(below, type) and issubclass(below, BaseModel):
            model = below
    return [field.alias or name for name, field in model.model_fields.items()]


def _line_number(mistake: str) -> int:
    found = re.match(r"line (\d+)", mistake)
    return int(found[1]) if found else 0
