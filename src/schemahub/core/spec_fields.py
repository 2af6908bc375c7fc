"""What a spec's models have in common, and the columns of a row in it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

Text = Annotated[str, Field(min_length=1, max_length=500)]


MISPLACED = "misplaced"


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def at(place: str, said: str) -> PydanticCustomError:
    """A mistake between fields, told at `place`: the path from here of the one to correct."""
    return PydanticCustomError(MISPLACED, "{said}", {"said": said, "place": place})


Source = Annotated[str, Field(min_length=1, max_length=500)] | Annotated[int, Field(ge=0, le=999)]
"""A field of a row: its name, or its index where rows are arrays."""
Word = str | bool | int


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
    """`iso_utc` has no zone and means UTC.

    `unix_*` are JSON numbers, `unix_*_text` the same in strings; both may have decimals.
    """

    source: Source = Field(alias="from")
    as_: Literal[
        "iso_time", "iso_utc", "unix_s", "unix_ms", "unix_us", "unix_ns",
        "unix_s_text", "unix_ms_text", "unix_us_text", "unix_ns_text",
    ] = Field(alias="as")  # fmt: skip


class SideField(Strict):
    """`of` says whose side the wire's word is; the table always holds the taker's.

    `as: sign` takes it from the sign of a number: buy is above zero. `neither` are words of
    trades that nobody took, as those of an auction: the table's side is null.
    """

    source: Source = Field(alias="from")
    as_: Literal["word", "sign"] = Field(alias="as", default="word")
    of: Literal["taker", "maker"]
    buy: Word | None = None
    sell: Word | None = None
    neither: tuple[Word, ...] = ()

    @model_validator(mode="after")
    def _differ(self) -> SideField:
        words = (self.buy, self.sell)
        if self.as_ == "sign" and words != (None, None):
            raise at("as", "a sign needs no words for buy and sell")
        # A list of both is read as one type: 1 and true would be the same to it.
        if self.as_ == "word" and (
            None in words or self.buy == self.sell or type(self.buy) is not type(self.sell)
        ):
            raise at("sell", "buy and sell must be two different words of one kind")
        if self.neither and (self.as_ == "sign" or set(words) & set(self.neither)):
            raise at("neither", "holds words of neither side: other ones than buy and sell")
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
            said = "the sign of a size is the side: quantity as signed_*, side as sign, or neither"
            raise at("side.as", said)
        if signed and not tells:
            raise at("side.from", "side as sign is taken from the field of quantity")
        return self

    @model_validator(mode="after")
    def _distinct(self) -> Fields:
        sources = {column: getattr(self, column).source for column in type(self).model_fields}
        if len({type(name) for name in sources.values()}) > 1:
            msg = "from is the name of a field in all columns, or an index in all"
            raise ValueError(msg)
        if self.side.as_ == "sign":
            # The sign of a field is told apart from its size.
            del sources["side"]
        first: dict[str | int, str] = {}
        for column, name in sources.items():
            if name in first:
                said = f"{first[name]} and {column} are taken from the same field: {name}"
                raise at(f"{column}.from", said)
            first[name] = column
        return self
