"""The promises about raw, looked at after every change of it.

Sets of positions are bits of an int. What is checked is told by the oracle (the exchange's
own trades) and by arithmetic of this file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from schemahub.core.layout import (
    AbsentName,
    BadName,
    OriginName,
    RawName,
    SeenName,
    checkpoint_key,
    corrupt_prefix,
    parse_raw,
    raw_prefix,
)
from schemahub.core.span import Span
from tests.simulation.exchange import Exchange
from tests.simulation.market import MARKET, mask, positions, told
from tests.simulation.rows import Frames
from tests.simulation.schedule import Process, Schedule
from tests.simulation.store import Disk

RAW = raw_prefix(MARKET)
CHECKPOINT = checkpoint_key(MARKET)
CORRUPT = corrupt_prefix(MARKET)


@dataclass
class RawChecks:
    """What raw holds, by the oracle; each new object is looked at."""

    schedule: Schedule
    exchange: Exchange
    disk: Disk
    raws: dict[RawName, int] = field(default_factory=dict)
    marked: set[RawName] = field(default_factory=set)
    damaged: set[str] = field(default_factory=set)
    held: int = 0
    absent: int = 0
    origins: set[int] = field(default_factory=set)
    best: tuple[tuple[int, ...], int] = ((), 0)
    vouched: int = 0
    _told: dict[bytes, dict[int, list[str]]] = field(default_factory=dict)

    def broken(self, why: str) -> None:
        self.schedule.broken(why)

    def expect(self, promise: bool, why: str) -> None:
        if not promise:
            self.broken(why)

    # ------------------------------------------------------------ raw

    def raw(self, process: Process, key: str, data: bytes) -> None:
        name = parse_raw(key.removeprefix(RAW))
        match name:
            case RawName():
                self._held(process, name, key, data)
            case AbsentName():
                self._absent(process, name, data)
            case SeenName():
                self.schedule.counts["sightings"] += 1
            case BadName():
                self._marked(process, name)
            case OriginName():
                self.origins.add(name.start)
                process.origins.add(name.start)
                self.best = ((), 0)  # the watermark's promise is for a fixed set of origins
            case None:
                self.broken(f"{process.name} created {key}: no name of raw")

    def _held(self, process: Process, name: RawName, key: str, data: bytes) -> None:
        """Each position of the name stands in the answers, as the exchange has it."""
        found = self.answers(data, key)
        for position in range(name.span.start, name.span.stop):
            one = self.exchange.sold.get(position)
            rows = found.get(position, ())
            if one is None or one.text not in rows:
                self.broken(
                    f"{process.name} holds {name.span}, but {position} is not in {key}: "
                    f"{'no such trade' if one is None else rows}"
                )
        self.expect(
            not name.revision or RawName(name.span, name.revision - 1) in self.marked,
            f"{process.name} created {key}, and none before it was found corrupt",
        )
        self.raws[name] = mask(name.span)
        if name.revision:
            self.schedule.counts["corrupt raw fetched again"] += 1
        if self.absent & mask(name.span):
            self.schedule.counts["late trades held after they were attested absent"] += 1
        late = (n for n in range(name.span.start, name.span.stop) if self._late(n))
        self.schedule.counts["late trades held"] += sum(1 for _ in late)
        self.recount()

    def _late(self, position: int) -> bool:
        one = self.exchange.sold.get(position)
        return one is not None and one.seen_at is not None and one.seen_at > one.at

    def answers(self, data: bytes, key: str) -> dict[int, list[str]]:
        """What the answers in a raw object tell, by id; rows as texts."""
        found: dict[int, list[str]] = {}
        for line in Frames().unpack(data, key).splitlines():
            if line not in self._told:
                rows: dict[int, list[str]] = {}
                for row in json.loads(line)["body"]:
                    rows.setdefault(row["trade_id"], []).append(told(row))
                self._told[line] = rows
            for position, texts in self._told[line].items():
                found.setdefault(position, []).extend(texts)
        return found

    def _absent(self, process: Process, name: AbsentName, data: bytes) -> None:
        self.schedule.counts["absences attested"] += 1
        for position in range(name.span.start, name.span.stop):
            self.expect(
                self.exchange.may_lack(position),
                f"{process.name} attests {name.span} absent, but the exchange serves {position}",
            )
        lines = Frames().unpack(data, "").splitlines()
        self.expect(len(set(lines)) > 1, f"{process.name} attests {name.span} by one answer")
        self.recount()

    def _marked(self, process: Process, mark: BadName) -> None:
        name = RawName(mark.span, mark.revision)
        key = RAW + name.filename
        self.expect(key in self.damaged, f"{process.name} marked {key}, which is sound")
        self.schedule.counts["corrupt raw found"] += name not in self.marked
        self.marked.add(name)
        self.best = ((), 0)
        self.recount()

    def recount(self) -> None:
        held = 0
        for name, bits in self.raws.items():
            if name not in self.marked:
                held |= bits
        self.held = held
        absent = 0
        for key in self.disk.keys:
            if key.endswith(".absent.jsonl.zst") and key.startswith(RAW):
                absent |= mask(parse_raw(key.removeprefix(RAW)).span)  # type: ignore[union-attr]
        self.absent = absent & ~held
        watermark = self.watermark()
        origins = tuple(sorted(self.origins))
        if self.best[0] == origins:
            self.expect(
                watermark >= self.best[1],
                f"the watermark went from {self.best[1]} to {watermark}",
            )
        self.best = (origins, watermark)

    def begins(self, process: Process) -> None:
        """What a process cannot but know: what was there before it began."""
        process.since = len(self.disk.changes)
        process.origins = set(self.origins)
        process.marked = set(self.marked)

    def unknown(self, process: Process, span: Span) -> int:
        """What of `span` it cannot claim: not held, not attested, not lost to others meanwhile."""
        known = self.held | self.absent | self.shaken(process)
        return mask(span) & ~known

    def shaken(self, process: Process) -> int:
        """What was found corrupt since it began, even if it is held again by now."""
        bits = 0
        for name in self.marked - process.marked:
            bits |= mask(name.span)
        return bits

    def watermark(self) -> int:
        position = max(self.origins, default=0)
        known = self.held | self.absent
        while known >> position & 1:
            position += 1
        return position

    # ------------------------------------------------------------ the cache

    def checkpoint(self, process: Process, data: bytes) -> None:
        content = json.loads(data)
        covered = 0
        for start, stop in content["covered"]:
            covered |= mask(Span(start, stop))
        if covered.bit_length() < self.vouched.bit_length():
            self.schedule.counts["stale checkpoints"] += 1
        self.vouched = covered
        marks = tuple(
            key.removeprefix(CORRUPT) for key in self.disk.keys if key.startswith(CORRUPT)
        )
        if tuple(content["corrupt"]) == marks:
            self.expect(
                not covered & ~self.held,
                f"{process.name}: a checkpoint vouches for {positions(covered & ~self.held)}, "
                "which raw does not hold",
            )

    # ------------------------------------------------------------ what damages

    def damage(self, key: str, data: bytes) -> None:
        """Somebody, not of ours, changed a stored object."""
        self.disk.objects[key] = data
        self.damaged.add(key)
