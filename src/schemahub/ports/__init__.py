"""What the pipelines need of the world: a verb or two each. Adapters keep these promises.

Every method may raise the errors named; nothing else leaves an adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from schemahub.core.axis import Axis, Kind
from schemahub.core.errors import SchemaHubError
from schemahub.core.layout import Market
from schemahub.core.numbering import Tally
from schemahub.core.span import Coverage, Span
from schemahub.core.trade import Rejected

if TYPE_CHECKING:  # with them come msgspec and pydantic, which a small place has not
    from schemahub.core.lease import Holder
    from schemahub.core.page import Answer, Request
    from schemahub.core.spec import ExchangeSpec

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Entry:
    """A listed object; `size` in bytes, `created_at` by the store's own clock."""

    key: str
    size: int
    created_at: datetime = field(default=datetime.min.replace(tzinfo=UTC), compare=False)


class Store(Protocol):
    """Objects by key. Keys use `/`; none leaves the root.

    Guarantees: after `create` returns, the bytes are durable under that key or somebody
    else's were there first, and never change; `list` sees every object that was there
    before the call, in byte order of the keys. Raises StoreError; ObjectMissing by `read`.
    """

    def create(self, key: str, data: bytes) -> bool:
        """True: these bytes are durable now. False: the key was taken; nothing changed."""

    def read(self, key: str) -> bytes: ...

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        """Objects whose key starts with `prefix` and is greater than `start_after`."""

    def keys(self, prefix: str, start_after: str = "", before: str = "") -> Sequence[str]:
        """The keys of the same objects, and only those less than `before` if that is given.

        Many times quicker where they are very many: nobody looks at the objects themselves.
        """

    def folders(self, prefix: str) -> Iterator[str]:
        """The names directly under `prefix` (which ends in `/` or is empty) that hold keys."""

    def put(self, key: str, data: bytes) -> None:
        """Create or replace, whole or not at all: caches and lists only, never data."""

    def delete(self, key: str) -> None:
        """Remove if there. For superseded or proven corrupt parts only."""

    def locate(self, key: str) -> str:
        """A path or URL at which a query engine opens the object."""

    def now(self) -> datetime:
        """The clock by which `Entry.created_at` is told; aware, UTC."""

    def leftovers(self, before: datetime) -> Iterator[str]:
        """What writers that died left since before that time; never an object."""

    def sweep(self, leftover: str) -> None:
        """Remove one of these, if there."""


class Opened(Protocol):
    """One object, as it was when it was opened."""

    size: int

    def read_at(self, start: int, stop: int) -> bytes:
        """Its bytes of `start` to `stop`. Raises ObjectMissing once it is not there as it was."""


class Objects(Protocol):
    """Pieces of objects, for engines that cannot open a store's locations themselves."""

    def open(self, location: str) -> Opened:
        """By what `Store.locate` told. Raises ObjectMissing, StoreError."""


class Http(Protocol):
    """One exchange. Every attempt passes the gate (rate, breaker, retry, deadline)."""

    def fetch(self, request: Request, read: Callable[[Answer], T]) -> T:
        """`read(answer)` of the first answer that `read` accepts.

        `read` raising BadAnswer counts as a failed attempt and is tried again. Raises
        Unreachable, Refused, Throttled, BadAnswer (with its body), Interrupted.
        """


class Codec(Protocol):
    """Compression of raw objects; packed pieces joined are packed joined bytes."""

    def pack(self, data: bytes) -> bytes: ...

    def unpack(self, data: bytes, key: str) -> bytes:
        """Raises ObjectCorrupt if the bytes are not what was packed."""


Key = tuple[int, int]
"""What tells rows of a market apart: position and trade id. On axes of ids they are the same."""


class Rows(Protocol):
    """Typed rows of the unified schema in axis order, each key once; opaque to pipelines.

    On an axis of time rows of one position are in the order of their ids.
    """

    def __len__(self) -> int: ...

    def positions(self) -> Coverage:
        """The axis positions of the rows. Cheap on a dense axis, where they make few spans."""

    def extent(self) -> Span | None:
        """From the lowest position to one past the highest; None without a row."""

    def holding(self, ids: Collection[int]) -> set[int]:
        """Those of `ids` that are the trade id of a row."""

    def tally(self, *, numbered: bool) -> Tally:
        """What the rows add up to; with the runs of their ids where they are `numbered`."""

    def within(self, span: Span) -> Rows:
        """The rows whose position lies in `span`."""


@dataclass(frozen=True, slots=True)
class RawObject:
    """A raw object, unpacked: `lines` may hold ids outside `span`, which do not count."""

    key: str
    span: Span
    lines: bytes


@dataclass(frozen=True, slots=True)
class Mapped:
    """`rows` in axis order, each key once; `rejected` what would not map, or conflicts."""

    rows: Rows
    rejected: tuple[Rejected, ...]


class Mapper(Protocol):
    """The field rules of a spec, applied."""

    def map(
        self, sources: Sequence[RawObject], keep: Span, market: Market, spec: ExchangeSpec
    ) -> Mapped:
        """Rows of `sources` whose position lies in their own span and in `keep`.

        The same row told twice is one row; the same key with other content keeps the first
        and rejects both as a conflict. Raises ObjectCorrupt if a line is not a raw line,
        RawUnread if it is not an answer about this market.
        """


@dataclass(frozen=True, slots=True)
class Refused:
    """How many rows of a part stand in quarantine, and the digest that names that object."""

    rows: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What a part's own metadata says of it."""

    exchange: str
    symbol: str
    span: Span
    rows: int
    refused: Refused
    digest: str
    shape: str
    axis: Kind = "ids"


@dataclass(frozen=True, slots=True)
class Differing:
    """Keys of rows that are not the same on two sides, apart from `ingest_ts`.

    `changed` are on both with other content; `left` and `right` on one side alone.
    """

    changed: AbstractSet[Key] = frozenset()
    left: AbstractSet[Key] = frozenset()
    right: AbstractSet[Key] = frozenset()

    @property
    def keys(self) -> AbstractSet[Key]:
        return self.changed | self.left | self.right


@dataclass(frozen=True, slots=True)
class Part:
    """An encoded part: its bytes and what they say of themselves."""

    data: bytes
    facts: PartFacts


class Bars(Protocol):
    """The minute bars of a part, made as its rows go by in axis order; a file beside it."""

    def add(self, rows: Rows) -> None: ...

    def encode(self, facts: PartFacts) -> bytes | None:
        """The bars of all rows that were added; None if a sum has more digits than a decimal."""

    def check(self, data: bytes, key: str, facts: PartFacts) -> None:
        """Raises ObjectCorrupt if `data` is not the bars of this part and of these rows."""


class Table(Protocol):
    """Parts as files that a query engine reads."""

    def encode(  # noqa: PLR0913, PLR0917  (all that a part says of itself)
        self,
        batches: Iterable[Rows],
        market: Market,
        span: Span,
        line: Axis,
        shape: str,
        refused: Callable[[], Refused],
    ) -> Part:
        """`batches` in axis order as one file; `refused` is asked after the last batch.

        Raises ValueError if the rows do not increase on the axis or leave the span.
        """

    def decode(self, data: bytes, key: str) -> Iterator[Rows]:
        """The rows of a part, all of them, in axis order; no batch splits a position.

        Raises ObjectCorrupt, at the latest after the last batch, if they are not exactly
        those that were encoded.
        """

    def facts(self, data: bytes, key: str) -> PartFacts:
        """Raises ObjectCorrupt."""

    def digest(self, batches: Iterable[Rows]) -> str:
        """The content digest of rows, whatever their batches; leaves out `ingest_ts`."""

    def bars(self) -> Bars: ...

    def differing(self, left: Rows, right: Rows) -> Differing:
        """Which rows are only on one side or differ in more than `ingest_ts`."""


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, UTC."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float) -> None:
        """Raises Interrupted as soon as the process was asked to stop."""


class Tasks(Protocol):
    """Who runs work side by side; pipelines never make threads or processes."""

    def each(
        self, work: Callable[[T], R], items: Iterable[T], width: int
    ) -> Iterator[tuple[T, R | SchemaHubError]]:
        """(item, result or the SchemaHubError it raised) as they finish.

        `items` is drawn only as places fall free, at most `width` under way. Once the
        process was asked to stop no item is drawn any more; those under way get 3 s.
        Any other exception is a bug and is raised.
        """


class Lease(Protocol):
    """A lease that was got. It saves work; nothing that is written depends on it."""

    @property
    def generation(self) -> int:
        """1 for who found it free, one more for who took it over. 0 where none are kept."""

    @property
    def held(self) -> bool:
        """False once another took it, or once it could not be renewed for 2/3 of its life.

        Then, and for good, no new work should begin; what is under way may be finished.
        """

    def release(self) -> None:
        """Let others have it now. Never raises; does nothing the second time."""


class Leases(Protocol):
    """Who works on what, among processes that share a lake. Names are as keys are.

    Leases save work, so a place for them that fails stops none: `acquire` then gives one
    that nobody else knows of, and `lease.unlocked` is emitted.
    """

    def acquire(self, name: str, *, watch: bool = False, wait: float = 0.0) -> Lease | Holder:
        """The lease, renewed in the background until it is released, or who holds it.

        A holder whose record did not change for the whole life of a lease, by this process's
        own monotonic clock, is taken for dead. `watch`: one that seems to be is watched until
        it moves or is known dead, for that long at most. `wait`: seconds to wait for one that
        lives. Raises Interrupted.
        """

    def records(self) -> Sequence[Holder]:
        """Every lease that is held, or was by a process that died. Raises StoreError."""

    def remove(self, name: str) -> bool:
        """Take a lease away from whoever holds it; False if nobody does. Raises StoreError."""


class Unlocked:
    """ports.Lease, where none are kept: always held, and known to nobody."""

    generation = 0
    held = True

    def release(self) -> None:
        """Nothing to let go."""


class NoLeases:
    """ports.Leases for a lake that keeps none: everybody may do everything."""

    def acquire(self, name: str, *, watch: bool = False, wait: float = 0.0) -> Lease | Holder:
        del name, watch, wait
        return Unlocked()

    def records(self) -> Sequence[Holder]:
        return ()

    def remove(self, name: str) -> bool:
        del name
        return False


class Metrics(Protocol):
    """Events `noun.verbed`; never in the data path: emitting cannot fail or block."""

    def emit(self, event: str, /, **fields: object) -> None: ...


class NoMetrics:
    """Nobody listens: what worker processes are given."""

    def emit(self, event: str, /, **fields: object) -> None:
        del event, fields


@dataclass(frozen=True, slots=True)
class Found:
    """What a statement found: `rows` in the order of `columns`, times aware and in UTC.

    `scanned` are the bytes that the engine charges for; None where nobody does.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    scanned: int | None = None


class Sql(Protocol):
    """An engine over the views of the lake: the same names and types, whichever it is."""

    name: str

    def query(self, statement: str) -> Found:
        """One reading statement. Raises UsageError if it is refused or wrong, EngineError."""
