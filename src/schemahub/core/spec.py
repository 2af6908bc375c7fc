"""The strict description of one exchange: `exchanges/*.yaml` is this model, and drives all.

The vocabulary is closed: a field's `as`, a paging rule, an axis are names of small pure
functions (`values.py`, `paging.py`). Where an API needs something new, a named rule is added
there; YAML never grows expressions.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from schemahub.core.axis import AXES, Axis, Kind
from schemahub.core.errors import UsageError
from schemahub.core.layout import Market
from schemahub.core.spec_fields import Fields, Source, Strict, Text, Word, at
from schemahub.core.times import duration

Status = Annotated[int, Field(ge=100, le=599)]
_REFUSED = (400, 401, 403, 404, 405, 410, 451)
_THROTTLED = (418, 429)


class Limits(Strict):
    """The exchange's published limit: a token bucket of `burst`, filled at `rate` a second.

    `scope` says what it counts: requests of one address to the host, or to each market.
    `penalty` are the seconds to stay away once told off, where no Retry-After says it.
    """

    scope: Literal["host", "market"] = "host"
    rate: Annotated[float, Field(gt=0, le=10_000)]
    burst: Annotated[int, Field(ge=1, le=10_000)] = 1
    penalty: Annotated[float, Field(ge=0, le=86_400)] = 0.0


class Statuses(Strict):
    """HTTP statuses where this exchange means something of its own by them.

    What is not named keeps its common meaning.
    """

    refused: tuple[Status, ...] = ()
    throttled: tuple[Status, ...] = ()

    def meaning(self, status: int) -> Literal["throttled", "refused"] | None:
        """None: neither of the two."""
        for throttled, refused in ((self.throttled, self.refused), (_THROTTLED, _REFUSED)):
            if status in throttled:
                return "throttled"
            if status in refused:
                return "refused"
        return None


class Errors(Strict):
    """How an answer of status 200 says that it is none.

    `at` is the path of a value; absent, null, empty or one of `fine` it means that all is
    well. Anything else is an error: throttled or refused if one of these texts is in it,
    otherwise one that is tried again.
    """

    at: Text
    fine: tuple[Text, ...] = ()
    throttled: tuple[Text, ...] = ()
    refused: tuple[Text, ...] = ()


class Provable(Strict):
    """What a range without a hole proves. `by: nothing` is told in every certificate."""

    by: Literal["ids", "nothing"]
    basis: Literal["measured", "documented"]
    why: Text


class Symbols(Strict):
    """How markets are spelt and listed.

    `native` spells BASE-QUOTE; `long` does so where base or quote has more than three
    letters. `aliases` map a canonical currency to the exchange's own. A listed market tells
    its currencies in two fields (`base`, `quote`), in one (`pair`, parted by `separator`),
    or only by its spelling, which then ends in one of `quotes`, perhaps after `separator`;
    without `id` the rows are the spellings themselves. `where` are fields with the text that
    a row must have to count. Without `status` every market listed is online.
    """

    native: Text
    long: Text | None = None
    case: Literal["upper", "lower"] = "upper"
    aliases: dict[str, Text] = Field(default_factory=dict)
    path: Text | None = None
    params: dict[str, str] = Field(default_factory=dict)
    rows: str = ""
    where: dict[str, str] = Field(default_factory=dict)
    id: Text | None = None
    base: Text | None = None
    quote: Text | None = None
    pair: Text | None = None
    separator: Text = "/"
    quotes: tuple[Text, ...] = ()
    status: Text | None = None
    online: tuple[Text, ...] = ()
    price_increment: Text | None = None
    quantity_increment: Text | None = None

    @field_validator("native", "long")
    @classmethod
    def _both(cls, value: str | None) -> str | None:
        if value is not None and (value.count("{base}") != 1 or value.count("{quote}") != 1):
            msg = "must hold {base} and {quote} once each"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _currencies(self) -> Symbols:
        ways = [bool(self.base and self.quote), bool(self.pair), bool(self.quotes)]
        if self.path is not None and sum(ways) != 1:
            raise at("path", "a list of markets needs one of: base and quote, pair, quotes")
        if self.path is not None and self.id is None and not self.quotes:
            said = "a list of markets needs id, unless it is one of spellings that end in quotes"
            raise at("id", said)
        return self


Rule = Literal["newest_below", "oldest_from", "oldest_after", "time_window", "latest_only"]
CursorUnit = Literal["s", "ms", "us", "ns", "iso_s", "iso_ms", "iso_us"]
_USED = {  # by a rule, of the fields that not every rule uses
    "newest_below": ("cursor", "unit", "newest", "oldest"),
    "oldest_from": ("cursor", "unit", "newest"),
    "oldest_after": ("cursor", "unit", "newest"),
    "time_window": ("start", "stop", "unit", "number", "newest", "oldest"),
    "latest_only": ("cursor", "windows"),
}


class Paging(Strict):
    """A named rule of `paging.py`, the names of its parameters, and rows an answer can hold.

    `cursor` takes an id, or on an axis of time a time in `unit`; `time_window` has two,
    `start` and `stop`, and may page within them by `number`. `latest_only` may choose how
    far back the latest goes: `cursor` is then one of `windows`, the shortest first.
    `newest` are parameters of questions without a cursor, where the newest trades do not come
    of themselves; `oldest` those that make the exchange begin with its oldest trades instead.
    Both take the place of `params` of the same names.
    """

    rule: Rule
    cursor: Text | None = None
    start: Text | None = None
    stop: Text | None = None
    unit: CursorUnit | None = None
    number: Text | None = None
    windows: tuple[Text, ...] = ()
    newest: dict[str, str] = Field(default_factory=dict)
    oldest: dict[str, str] = Field(default_factory=dict)
    limit: Text | None = None
    page: Annotated[int, Field(ge=2, le=1_000_000)]

    @model_validator(mode="after")
    def _named(self) -> Paging:
        wanted = {
            "time_window": ("start", "stop", "unit"),
            "latest_only": ("cursor",) if self.windows else (),
        }.get(self.rule, ("cursor",))
        for name in wanted:
            if getattr(self, name) is None:
                raise at(name, f"is needed by rule {self.rule}")
        used = ("rule", "limit", "page", *_USED[self.rule])
        for name in sorted(self.model_fields_set - set(used)):
            raise at(name, f"means nothing to rule {self.rule}")
        return self


class Trades(Strict):
    """`rows` is the path of the list of trades in an answer; `*` is the one list there.

    `tombstone` are fields with the values by which the exchange marks an id as void.
    """

    path: Text
    params: dict[str, str] = Field(default_factory=dict)
    rows: str = ""
    paging: Paging
    fields: Fields
    tombstone: dict[Source, Word] = Field(default_factory=dict)
    chunk_pages: Annotated[int, Field(ge=1, le=1_000)] = 50

    @field_validator("path")
    @classmethod
    def _rooted(cls, value: str) -> str:
        if not value.startswith("/"):
            msg = "must start with /"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _symbol(self) -> Trades:
        if sum(text.count("{symbol}") for text in (self.path, *self.params.values())) != 1:
            raise at("path", "path or params must hold {symbol} once")
        return self

    @model_validator(mode="after")
    def _marks(self) -> Trades:
        kind = type(self.fields.trade_id.source)
        if any(type(name) is not kind for name in self.tombstone):
            said = "tombstone names fields as the columns do: all by name, or all by index"
            raise at("tombstone", said)
        return self


_RULES_OF: dict[Kind, tuple[Rule, ...]] = {
    "ids": ("newest_below", "oldest_from", "oldest_after"),
    "sparse_ids": ("newest_below", "oldest_from", "oldest_after", "latest_only"),
    "time": ("newest_below", "oldest_from", "oldest_after", "time_window"),
}
_SHORT = 3  # letters


class ExchangeSpec(Strict):
    """Everything that SchemaHub knows of one exchange. Times are in seconds."""

    exchange: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    title: Text
    docs: Annotated[str, Field(pattern=r"^https://")]
    base_url: Annotated[str, Field(pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$")]
    axis: Kind
    first_id: Annotated[int, Field(ge=0, le=2**62)] = 0
    history: Text = "all"
    provable: Provable
    quantity_unit: Text = "base"
    settle: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    head_slack: Annotated[int, Field(ge=0, le=10**9)] = 1_000
    limits: Limits
    statuses: Statuses = Statuses()
    errors: Errors | None = None
    symbols: Symbols
    trades: Trades

    @field_validator("history")
    @classmethod
    def _window(cls, value: str) -> str:
        try:
            if value != "all":
                duration(value)
        except UsageError as error:
            msg = f"{error}; write all, or how far back it goes, like 24h or 90d"
            raise ValueError(msg) from None
        return value

    @field_validator("quantity_unit")
    @classmethod
    def _base_units(cls, value: str) -> str:
        if value != "base":
            msg = (
                f"sizes in {value} cannot be put into a table of base units; only markets "
                "whose sizes are in base units can be described"
            )
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _axis_fits(self) -> ExchangeSpec:
        rule, unit = self.trades.paging.rule, self.trades.paging.unit
        if rule not in _RULES_OF[self.axis]:
            said = f"axis {self.axis} is asked by one of {', '.join(_RULES_OF[self.axis])}"
            raise at("trades.paging.rule", said)
        if (unit is not None) != (self.axis == "time"):
            said = "an axis of time needs trades.paging.unit, and no other has one"
            raise at("trades.paging.unit", said)
        if self.trades.paging.oldest and self.axis != "time":
            said = "only on an axis of time is the first trade asked for so"
            raise at("trades.paging.oldest", said)
        if self.axis == "ids" and self.provable.by != "ids":
            said = "axis ids means ids without holes: provable by ids; else it is sparse_ids"
            raise at("provable.by", said)
        if self.axis == "sparse_ids" and self.provable.by != "nothing":
            said = "ids that skip prove nothing: provable by nothing; else the axis is ids"
            raise at("provable.by", said)
        return self

    @property
    def line(self) -> Axis:
        """The axis on which its trades lie."""
        return AXES[self.axis]

    @property
    def reach(self) -> timedelta | None:
        """How far back its history goes; None: to the first trade."""
        return None if self.history == "all" else duration(self.history)

    @property
    def chunk(self) -> int:
        """Positions in a chunk: every run cuts at its multiples. 1: as answers fall."""
        return self.trades.paging.page * self.trades.chunk_pages if self.line.dense else 1

    def native(self, market: Market) -> str:
        """The exchange's own spelling of a canonical symbol. Raises UsageError if there is none."""
        base, _, quote = market.symbol.rpartition("-")
        own = [self._own(name, market) for name in (base, quote)]
        long = self.symbols.long if max(map(len, own)) > _SHORT else None
        if self.symbols.case == "lower":
            own = [name.lower() for name in own]
        native = (long or self.symbols.native).replace("{base}", own[0]).replace("{quote}", own[1])
        if native in {".", ".."}:
            # No encoding keeps these from meaning another path.
            raise UsageError(f"{market} is not a market", f"it would be asked for as {native}")
        return native

    def _own(self, name: str, market: Market) -> str:
        """The exchange's own name of a currency. Its own are refused: a second copy of it."""
        aliases = self.symbols.aliases
        known = next((ours for ours, own in aliases.items() if own == name), None)
        if known is not None and name not in aliases:
            raise UsageError(
                f"{market} is not a market", f"what {self.title} calls {name} is {known} here",
                f"write {market.symbol.replace(name, known)}",
            )  # fmt: skip
        return aliases.get(name, name)

    def shape(self) -> str:
        """Digest of what shapes rows: a table version holds rows of one shape only."""
        trades = self.trades
        what: dict[str, object] = {
            "axis": self.axis,
            "fields": trades.fields.model_dump(mode="json", by_alias=True, exclude_defaults=True),
            "schema": 1,
        }
        # What a spec does not use must not change its digest.
        if trades.rows or trades.tombstone:
            what |= {"rows": trades.rows, "tombstone": trades.tombstone}
        text = json.dumps(what, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
