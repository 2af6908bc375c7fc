"""What a listing of a market's raw folder says: the ledger of what is durable."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from schemahub.core.axis import IDS, Axis
from schemahub.core.layout import (
    MAX_STOP,
    AbsentName,
    BadName,
    Market,
    OriginName,
    RawEntry,
    RawName,
    SeenName,
    parse_raw,
)
from schemahub.core.listing import UsualNames, sort_out
from schemahub.core.span import NOTHING, Coverage, Span

CHECKPOINT_VERSION = 3

_Other = AbsentName | BadName | OriginName | SeenName


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the cache of a listing vouches for: one run of held positions, and the origins.

    `corrupt` names the objects that were known to be corrupt before that listing was made.
    `objects` is how many there are of those that it stands for: they begin in `unlisted`.
    """

    covered: Coverage
    origins: tuple[int, ...]
    corrupt: tuple[str, ...] = ()
    objects: int = 0

    def unlisted(self, chunk: int) -> Coverage:
        """Where nobody has to list: all that is covered but for its last chunk.

        That this is there shows that raw was not moved away.
        """
        spans = ((span.start, max(span.start, span.stop - chunk)) for span in self.covered)
        return Coverage(tuple(Span(start, stop) for start, stop in spans if start < stop))


@dataclass(frozen=True, slots=True)
class Ledger:
    """The union of the object names of one market.

    `objects` are the data objects that are not marked corrupt, lowest first; `held` is
    their union; `absent` what two runs attest the source does not have. The objects, so many,
    that begin in `unlisted` were not listed: a checkpoint stands for them.
    """

    objects: Sequence[RawName] = ()
    held: Coverage = NOTHING
    absent: Coverage = NOTHING
    origins: tuple[int, ...] = ()
    seen: tuple[SeenName, ...] = ()
    bad: tuple[BadName, ...] = ()
    attested: tuple[AbsentName, ...] = ()
    unlisted: Coverage = NOTHING
    unlisted_objects: int = 0
    _reach: tuple[int, ...] | None = field(default=None, init=False, repr=False, compare=False)

    @staticmethod
    def of(
        entries: Iterable[RawEntry], cached: Checkpoint | None = None, line: Axis = IDS
    ) -> Ledger:
        """`cached` is what a checkpoint vouches for and the listing left out.

        Only where every position is a trade's does evidence say that positions are absent;
        elsewhere it is about ids between trades that are held.
        """
        raws: list[RawName] = []
        others: list[_Other] = []
        for entry in entries:
            if isinstance(entry, RawName):
                raws.append(entry)
            else:
                others.append(entry)
        marked = {(mark.span, mark.revision) for mark in others if isinstance(mark, BadName)}
        objects = tuple(sorted(raw for raw in raws if (raw.span, raw.revision) not in marked))
        return _told(objects, Coverage.of(raw.span for raw in objects), others, cached, line)

    @staticmethod
    def listed(
        filenames: Iterable[str], cached: Checkpoint | None = None, line: Axis = IDS
    ) -> Ledger:
        """The same from the names in a raw folder, of which those that say nothing are left out.

        Many times quicker where there are very many, and all of them as ingest leaves them.
        """
        found = sort_out(filenames)
        entries = [entry for name in found.others if (entry := parse_raw(name)) is not None]
        others = [entry for entry in entries if not isinstance(entry, RawName)]
        if len(others) < len(entries) or any(isinstance(one, BadName) for one in others):
            return Ledger.of([*found.usual, *entries], cached, line)
        return _told(found.usual, found.usual.held, others, cached, line)

    @property
    def known(self) -> Coverage:
        """Held, or attested absent at the source."""
        return self.held | self.absent

    @property
    def extent(self) -> Coverage:
        """Known, or known to have been held before it was found corrupt."""
        return self.known | Coverage.of(mark.span for mark in self.bad if not mark.stray)

    @property
    def lowest_origin(self) -> int | None:
        """How far back this market is wanted; None if it was never asked for.

        A name below every origin does not move it: nobody has read yet what lies under it.
        """
        lowest = min(self.origins, default=None)
        if lowest is None and self.extent:
            return self.extent.start
        return lowest

    @property
    def lost_origin(self) -> int | None:
        """Where the origin should be, if what is held begins below every origin.

        Nothing is fetched below every origin, so that one was lost; if what is held there
        really is what its name says.
        """
        if self.held and not any(origin <= self.held.start for origin in self.origins):
            return self.held.start
        return None

    @property
    def watermark(self) -> int | None:
        """The end of the contiguous known run that holds the highest origin.

        Asking for older history later does not lower it.
        """
        highest = max(self.origins, default=None)
        if highest is None:
            highest = self.held.start if self.held else None
        return None if highest is None else self.known.watermark(highest)

    def wanted(self, stop: int) -> Span | None:
        """From the lowest origin to `stop` (exclusive)."""
        lowest = self.lowest_origin
        return Span(lowest, stop) if lowest is not None and lowest < stop else None

    def work(self, wanted: Span | None) -> Coverage:
        """Wanted - held - absent: what there is to fetch."""
        return Coverage() if wanted is None else self.known.missing(wanted)

    def name_for(self, span: Span) -> RawName:
        """The name under which `span` is stored now: past every revision marked corrupt."""
        revisions = [mark.revision for mark in self.bad if mark.span == span]
        return RawName(span, max(revisions, default=-1) + 1)

    def without(self, left_out: Callable[[RawName], bool]) -> Ledger:
        """The same ledger as if these objects were not there."""
        objects = tuple(name for name in self.objects if not left_out(name))
        return replace(self, objects=objects, held=Coverage.of(name.span for name in objects))

    @property
    def doubtful(self) -> Coverage:
        """Where not every object need be among `objects`.

        Nobody listed there, or what is held is held on the word of a checkpoint alone: since
        then it may have gone.
        """
        if isinstance(self.objects, UsualNames):
            return self.unlisted | (self.held - self.objects.held)
        return self.unlisted | (self.held - Coverage.of(name.span for name in self.objects))

    @property
    def object_count(self) -> int:
        """How many data objects there are, with those that nobody listed."""
        return len(self.objects) + self.unlisted_objects

    def sweep(self, spans: Iterable[Span]) -> Iterator[tuple[Span, tuple[RawName, ...]]]:
        """What overlaps each of disjoint spans, lowest first, however far an object reaches.

        In one pass: its time grows with what is found.
        """
        names = iter(self.objects)
        coming = next(names, None)
        reached: list[RawName] = []
        for span in spans:
            while coming is not None and coming.span.start < span.stop:
                reached.append(coming)
                coming = next(names, None)
            reached = [name for name in reached if name.span.stop > span.start]
            yield span, tuple(reached)

    def overlapping(self, span: Span) -> tuple[RawName, ...]:
        """The objects that overlap `span`; where few overlap each other, in logarithmic time."""
        if self._reach is None:
            # How far the objects up to each one reach: makes the first that overlaps findable.
            reach = tuple(accumulate((name.span.stop for name in self.objects), max))
            object.__setattr__(self, "_reach", reach)
        first = bisect_right(self._reach or (), span.start)
        stop = bisect_left(self.objects, span.stop, key=lambda name: name.span.start)
        return tuple(name for name in self.objects[first:stop] if name.span.overlaps(span))

    def around(self, span: Span) -> Ledger:
        """What it says of `span` alone: the objects that overlap it, and what is held of it."""
        return Ledger(objects=self.overlapping(span), held=self.held.within(span))


def _told(
    objects: Sequence[RawName],
    held: Coverage,
    others: Iterable[_Other],
    cached: Checkpoint | None,
    line: Axis,
) -> Ledger:
    """The ledger of these objects, and of what the other names say."""
    attested: list[AbsentName] = []
    origins: list[int] = []
    seen: list[SeenName] = []
    bad: list[BadName] = []
    for entry in others:
        match entry:
            case AbsentName():
                attested.append(entry)
            case OriginName():
                origins.append(entry.start)
            case SeenName():
                seen.append(entry)
            case BadName():
                bad.append(entry)
    if cached:
        held |= cached.covered
        origins += cached.origins
    # A late trade that was once attested absent is simply held.
    absent = Coverage.of(n.span for n in attested) - held if line.dense else NOTHING
    return Ledger(
        objects=objects,
        held=held,
        absent=absent,
        origins=tuple(sorted(set(origins))),
        seen=tuple(sorted(seen)),
        bad=tuple(bad),
        attested=tuple(sorted(attested)),
    )


def cacheable(ledger: Ledger, chunk: int) -> Coverage:
    """What a checkpoint may vouch for.

    The whole chunks, in one run, from the lowest held position up to the first position
    that raw does not hold (absence does not count). Where objects are not cut at chunks
    (`chunk` is 1), up to the start of the one that reaches to that hole: from there on the
    listing tells. One that was fetched again may start later and end long before.

    Nothing at all where an object that nobody would list reaches out of there: chunks were
    longer when it was stored.
    """
    if not ledger.held:
        return Coverage()
    start, stop = ledger.held.spans[0].start, ledger.held.spans[0].stop
    whole = stop // chunk * chunk
    if chunk == 1:
        reaching = (name.span.start for name in ledger.objects if name.span.stop == stop)
        whole = max(reaching, default=start)
    else:
        edge = whole - chunk
        if any(name.span.start < edge < name.span.stop for name in ledger.objects):
            return Coverage()
    return Coverage((Span(start, whole),)) if start < whole else Coverage()


def write_checkpoint(
    market: Market, ledger: Ledger, chunk: int, corrupt: Sequence[str] = ()
) -> bytes:
    """A cache of the listing; deleting it costs time and nothing else."""
    covered = cacheable(ledger, chunk)
    unlisted = Checkpoint(covered, ()).unlisted(chunk)
    objects = sum(name.span.start in unlisted for name in ledger.objects)
    if not ledger.unlisted - unlisted:
        objects += ledger.unlisted_objects
    content = {
        "schema_version": CHECKPOINT_VERSION,
        "market": str(market),
        "chunk": chunk,
        "covered": [[span.start, span.stop] for span in covered],
        "held": [[span.start, span.stop] for span in ledger.held],
        "absent": [[span.start, span.stop] for span in ledger.absent],
        "origins": list(ledger.origins),
        "corrupt": list(corrupt),
        "objects": objects,
        "watermark": ledger.watermark,
    }
    return _sealed(content)


def read_checkpoint(data: bytes, market: Market, chunk: int) -> Checkpoint:
    """What the checkpoint vouches for. Raises ValueError for another market's or cut."""
    try:
        content = json.loads(data.decode("utf-8"))
    except RecursionError:
        content = None
    if not isinstance(content, dict):
        msg = "not an object"
        raise ValueError(msg)  # noqa: TRY004  (one error for every kind of damage)
    content.pop("digest", None)
    if _sealed(content) != data:
        msg = "its digest is not that of its content"
        raise ValueError(msg)
    # Cut at other positions, what it stands for may reach beyond where nobody has to list.
    wanted = {"schema_version": CHECKPOINT_VERSION, "market": str(market), "chunk": chunk}
    for name, value in wanted.items():
        if content.get(name) != value:
            msg = f"{name} is {content.get(name)!r}, not {value!r}"
            raise ValueError(msg)
    covered = content.get("covered")
    if not isinstance(covered, list) or len(covered) > 1:
        msg = "covered is not one span"
        raise ValueError(msg)
    origins = content.get("origins")
    if not isinstance(origins, list) or not all(
        type(one) is int and 0 <= one < MAX_STOP for one in origins
    ):
        msg = f"origins holds {origins!r}"
        raise ValueError(msg)
    corrupt = content.get("corrupt")
    if not isinstance(corrupt, list) or not all(isinstance(one, str) for one in corrupt):
        msg = f"corrupt holds {corrupt!r}"
        raise ValueError(msg)
    objects = content.get("objects")
    if type(objects) is not int or not 0 <= objects < MAX_STOP:
        msg = f"objects is {objects!r}"
        raise ValueError(msg)
    spans = tuple(_pair(pair, chunk) for pair in covered)
    return Checkpoint(Coverage(spans), tuple(origins), tuple(corrupt), objects)


def _sealed(content: dict[str, object]) -> bytes:
    """`content` with a digest of itself: one damaged digit must not vouch for trades."""
    text = json.dumps(content, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps({**content, "digest": digest}, separators=(",", ":")).encode() + b"\n"


def _pair(pair: object, chunk: int) -> Span:
    match pair:
        # A boolean is an int to Python.
        case [start, stop] if (
            type(start) is type(stop) is int and 0 <= start < stop < MAX_STOP and stop % chunk == 0
        ):
            return Span(start, stop)
    msg = f"covered holds {pair!r}"
    raise ValueError(msg)
