"""How the columns of a trade are taken from a row of an answer: `trades.fields` of a spec."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator


class Strict(BaseModel):
    """What is not exactly of its type, or of no field, is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


_LONGEST, _WIDEST = 500, 999


def _source(value: object) -> str | int:
    named = isinstance(value, str) and 0 < len(value) <= _LONGEST
    if not named and not (type(value) is int and 0 <= value <= _WIDEST):
        msg = f"must be the name of a field, or its index from 0, not {value!r:.40}"
        raise ValueError(msg)
    return value  # type: ignore[return-value]


def _word(value: object) -> str | bool | int:
    if not isinstance(value, str | bool | int):
        msg = f"must be a text, true or false, or an integer, not {value!r:.40}"
        raise ValueError(msg)  # noqa: TRY004  (pydantic collects ValueErrors)
    return value


# One message each, where a union of types would tell one for every type in it.
Source = Annotated[str | int, PlainValidator(_source)]
"""A field of a row: its name, or its index where rows are arrays."""
Word = Annotated[str | bool | int, PlainValidator(_word)]


class IdField(Strict):
    source: Source = Field(alias="from")
    as_: Literal["integer", "integer_text"] = Field(alias="as")


class DecimalField(Strict):
    """`signed_number`, `signed_text`: the size without its sign, which tells the side."""

    source: Source = Field(alias="from")
    as_: Literal["decimal_text", "decimal_number", "signed_text", "signed_number"] = Field(
        alias="as"
    )


class TimeField(Strict):
    """`unix_*` are JSON numbers, `unix_*_text` the same in strings; both may have decimals."""

    source: Source = Field(alias="from")
    as_: Literal[
        "iso_time", "unix_s", "unix_ms", "unix_us", "unix_ns",
        "unix_s_text", "unix_ms_text", "unix_us_text", "unix_ns_text",
    ] = Field(alias="as")  # fmt: skip


class SideField(Strict):
    """`of` says whose side the wire's word is; the table always holds the taker's.

    `as: sign` takes it from the sign of a number: buy is above zero.
    """

    source: Source = Field(alias="from")
    as_: Literal["word", "sign"] = Field(alias="as", default="word")
    of: Literal["taker", "maker"]
    buy: Word | None = None
    sell: Word | None = None

    @model_validator(mode="after")
    def _differ(self) -> SideField:
        words = (self.buy, self.sell)
        if self.as_ == "sign" and words != (None, None):
            msg = "a sign needs no words for buy and sell"
            raise ValueError(msg)
        # A list of both is read as one type: 1 and true would be the same to it.
        if self.as_ == "word" and (
            None in words or self.buy == self.sell or type(self.buy) is not type(self.sell)
        ):
            msg = "buy and sell must be two different words of one kind"
            raise ValueError(msg)
        return self


class Fields(Strict):
    trade_id: IdField
    side: SideField
    price: DecimalField
    quantity: DecimalField
    trade_ts: TimeField

    @model_validator(mode="after")
    def _signs(self) -> Fields:
        signed = self.quantity.as_.startswith("signed_")
        tells = self.side.as_ == "sign" and self.side.source == self.quantity.source
        if self.price.as_.startswith("signed_") or signed != (self.side.as_ == "sign"):
            msg = "the sign of a size is the side: quantity as signed_*, side as sign, or neither"
            raise ValueError(msg)
        if signed and not tells:
            msg = "side as sign is taken from the field of quantity"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _distinct(self) -> Fields:
        names = [getattr(self, column).source for column in type(self).model_fields]
        if self.side.as_ == "sign":
            # The sign of a field is told apart from its size.
            names.remove(self.side.source)
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        if twice:
            msg = f"two columns are taken from the same field: {', '.join(twice)}"
            raise ValueError(msg)
        if len({type(name) for name in names}) > 1:
            msg = "from is the name of a field in all columns, or an index in all"
            raise ValueError(msg)
        return self
