"""The promises, looked at after every change of the store: only what the change touches.

Sets of positions are bits of an int. What is checked is told by the oracle (the exchange's
own trades) and by arithmetic of this file; product code is asked only where its answer is
what is judged (`parts.reading`: what readers are told to show).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from schemahub.core import parts
from schemahub.core.layout import (
    AbsentName,
    BadName,
    OriginName,
    RawName,
    SeenName,
    checkpoint_key,
    complete_key,
    corrupt_prefix,
    parse_part,
    parse_raw,
    part_prefix,
    quarantine_key,
    quarantine_prefix,
    raw_prefix,
)
from schemahub.core.span import Span
from tests.simulation.exchange import Exchange
from tests.simulation.market import MARKET, mask, positions, told
from tests.simulation.rows import Frames, opened
from tests.simulation.schedule import Process, Schedule
from tests.simulation.store import Disk

GRACE = timedelta(hours=24)
RAW = raw_prefix(MARKET)
QUARANTINE = quarantine_prefix(MARKET)
CHECKPOINT = checkpoint_key(MARKET)
CORRUPT = corrupt_prefix(MARKET)


@dataclass
class Version:
    """The parts of a version of the table, and the positions of any of them."""

    parts: dict[Span, str] = field(default_factory=dict)
    union: int = 0
    complete: bool = False

    def count(self) -> None:
        self.union = 0
        for span in self.parts:
            self.union |= mask(span)


@dataclass
class Checks:
    """schemahub's promises about one market (store.Watcher)."""

    schedule: Schedule
    exchange: Exchange
    disk: Disk
    raws: dict[RawName, int] = field(default_factory=dict)
    marked: set[RawName] = field(default_factory=set)
    damaged: set[str] = field(default_factory=set)
    held: int = 0
    absent: int = 0
    bad: int = 0
    origins: set[int] = field(default_factory=set)
    versions: dict[int, Version] = field(default_factory=dict)
    visible: int = 0
    # Grows whenever what is visible may rightly shrink: a part found corrupt was removed.
    removals: int = 0
    torn: dict[str, bool] = field(default_factory=dict)
    best: tuple[tuple[int, ...], int] = ((), 0)
    vouched: int = 0
    # How much had changed when a part was made: who began later has seen it.
    made: dict[str, int] = field(default_factory=dict)
    _told: dict[bytes, dict[int, list[str]]] = field(default_factory=dict)

    def broken(self, why: str) -> None:
        self.schedule.broken(why)

    def expect(self, promise: bool, why: str) -> None:  # noqa: FBT001  (reads as assert does)
        if not promise:
            self.broken(why)

    # ------------------------------------------------------------ what the store tells

    def created(self, process: Process, key: str, data: bytes) -> None:
        if key.startswith(RAW):
            self._raw(process, key, data)
        elif key.startswith("unified_trades/"):
            self._table(process, key, data)
        elif key.startswith(QUARANTINE):
            self._quarantined(key, data)
        elif not key.startswith((CORRUPT, "runs/")):
            self.broken(f"{process.name} created {key}: nothing that a lake holds")

    def replaced(self, process: Process, key: str, old: bytes | None, data: bytes) -> None:
        if key == CHECKPOINT:
            self._checkpoint(process, data)
        elif key.startswith(QUARANTINE) and key in self.damaged and old is not None:
            self.damaged.discard(key)
        else:
            self.broken(f"{process.name} overwrote {key}")

    def deleted(self, process: Process, key: str) -> None:
        if key == CHECKPOINT:
            return
        if key.startswith("unified_trades/"):
            self._deleted_part(process, key)
        elif key.startswith(RAW):
            name = parse_raw(key.removeprefix(RAW))
            self.expect(
                isinstance(name, AbsentName) and key in self.damaged,
                f"{process.name} deleted {key}: raw is never deleted",
            )
            self.damaged.discard(key)
            self._recount()
        else:
            self.broken(f"{process.name} deleted {key}")

    # ------------------------------------------------------------ raw

    def _raw(self, process: Process, key: str, data: bytes) -> None:
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
        self._recount()

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
        self._recount()

    def _marked(self, process: Process, mark: BadName) -> None:
        name = RawName(mark.span, mark.revision)
        key = RAW + name.filename
        self.expect(key in self.damaged, f"{process.name} marked {key}, which is sound")
        self.schedule.counts["corrupt raw found"] += name not in self.marked
        self.marked.add(name)
        self.best = ((), 0)
        self._recount()

    def _recount(self) -> None:
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
        known = self.held | self.absent
        for name in self.marked - process.marked:
            known |= mask(name.span)
        return mask(span) & ~known

    def watermark(self) -> int:
        position = max(self.origins, default=0)
        known = self.held | self.absent
        while known >> position & 1:
            position += 1
        return position

    # ------------------------------------------------------------ the cache

    def _checkpoint(self, process: Process, data: bytes) -> None:
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

    # ------------------------------------------------------------ the table

    def _table(self, process: Process, key: str, data: bytes) -> None:
        number = int(key.split("/")[1].removeprefix("v"))
        version = self.versions.setdefault(number, Version())
        if key == complete_key(number, MARKET.exchange):
            version.complete = True
            started = process.held & self.held
            self.expect(
                not started & ~version.union,
                f"{process.name} completed v{number} without "
                f"{positions(started & ~version.union)}",
            )
            self.schedule.counts["rebuilds completed"] += 1
        elif key.endswith(".parquet"):
            span = parse_part(key.removeprefix(part_prefix(number, MARKET)))
            if span is None:
                self.broken(f"{process.name} created {key}: no part's name")
                return
            self._part(process, number, version, span, key, data)
        self._show()

    def _part(  # noqa: PLR0913, PLR0917  (what a part is)
        self, process: Process, number: int, version: Version, span: Span, key: str, data: bytes
    ) -> None:
        self._count_part(process, version, span)
        self._crossing(process, version, span, key)
        for other, name in version.parts.items():
            self.expect(
                not other.covers(span) or self.made[name] >= process.since,
                f"{process.name} wrote {key}, which {name} held before it began",
            )
        self.made[key] = len(self.disk.changes)
        facts, rows = opened(data, key)
        here = mask(span)
        lost = here & ~self.held
        corrupt = any(name.span.overlaps(span) for name in self.marked)
        self.expect(corrupt or not lost, f"{key} holds {positions(lost)}, which raw does not")
        ids = 0
        for row in rows:
            one = self.exchange.sold.get(row[0])
            self.expect(not ids >> row[0] & 1, f"{key} holds {row[0]} twice")
            ids |= 1 << row[0]
            if one is None or not one.good or row[1:5] != one.expected:
                self.broken(f"{key}: {row} is not what the exchange served")
        alone = self._alone(key, span, facts.refused.rows, facts.refused.digest)
        self.expect(
            not ids & alone and ids | alone == here,
            f"{process.name}: {key} has {positions(ids)} and refused {positions(alone)}",
        )
        version.parts[span] = key
        version.union |= here
        del number

    def _alone(self, key: str, span: Span, rows: int, digest: str) -> int:
        """The positions of a part that stand in quarantine alone; that they do is checked."""
        if not rows:
            return 0
        data = self.disk.objects.get(quarantine_key(MARKET, span, digest))
        if data is None:
            self.broken(f"{key} says that {rows} rows stand in quarantine, where there are none")
            return 0
        said = [json.loads(line) for line in data.splitlines()]
        self.expect(len(said) == rows, f"{key} refused {rows} rows, {len(said)} are kept")
        alone = 0
        for one in said:
            if not one["in_table"]:
                alone |= 1 << one["position"]
        return alone

    def _quarantined(self, key: str, data: bytes) -> None:
        """Only rows that are bad, or were told so once, stand in quarantine."""
        if "/answers/" in key:
            self.schedule.counts["answers kept in quarantine"] += 1
            return
        for line in data.splitlines():
            row = json.loads(line)
            one = self.exchange.sold.get(row["position"])
            truly = one is not None and not one.good and row["raw"] == one.text
            lie = (row["position"], row["raw"]) in self.exchange.lies
            odd = (-1, row["raw"]) in self.exchange.lies
            self.expect(truly or lie or odd, f"{key} holds {row['raw']}, which was never told")
            alone = not row["in_table"]
            self.expect(
                not alone or (one is not None and not one.good),
                f"{key} refuses {row['position']}, which is good",
            )

    def _count_part(self, process: Process, version: Version, span: Span) -> None:
        counts = self.schedule.counts
        inside = [one for one in version.parts if span.covers(one) and one != span]
        held = 0
        for one in inside:
            held |= mask(one)
        fresh = mask(span) & ~held
        if inside and len(span) > parts.CELLS[-1] and fresh and fresh < held:
            counts["holes repaired inside larger cells"] += 1
        rebuild = process.kind == "rebuild"
        if rebuild and any(one.kind == "ingest" for one in self.schedule.alive()):
            counts["parts rebuilt during an ingest"] += 1
        counts["parts written"] += 1

    def _crossing(self, process: Process, version: Version, span: Span, key: str) -> None:
        """Nested or disjoint, unless a listing was torn or raw was found corrupt."""
        self.torn[key] = process.torn
        for other, name in version.parts.items():
            if other.overlaps(span) and not other.covers(span) and not span.covers(other):
                self.schedule.counts["crossing parts"] += 1
                self.expect(
                    process.torn or self.torn[name] or bool(self.marked),
                    f"{process.name}: {span} crosses {other}, and no listing was torn",
                )

    def _deleted_part(self, process: Process, key: str) -> None:
        number = int(key.split("/")[1].removeprefix("v"))
        version = self.versions[number]
        span = parse_part(key.removeprefix(part_prefix(number, MARKET)))
        if span is None or span not in version.parts:
            self.broken(f"{process.name} deleted {key}")
            return
        del version.parts[span]
        if key in self.damaged:
            self.damaged.discard(key)
            self.removals += 1
            version.count()
            self.visible = self._union()
            self.schedule.counts["corrupt parts removed"] += 1
        else:
            now = self.schedule.now
            over = [
                name
                for other, name in version.parts.items()
                if other.covers(span) and name not in self.damaged
                and now - self.disk.born[name] >= GRACE
            ]  # fmt: skip
            self.expect(bool(over), f"{process.name} deleted {key}, which nothing supersedes")
            self.schedule.counts["superseded parts deleted"] += 1
        version.count()
        self._show()

    def _union(self) -> int:
        union = 0
        for number, version in self.versions.items():
            if number == 1 or version.complete:
                union |= version.union
        return union

    def _show(self) -> None:
        """What a reader would show now: all that any part holds, once, and never less."""
        readable = {n: list(v.parts) for n, v in self.versions.items() if n == 1 or v.complete}
        shown = 0
        for piece in parts.reading(readable):
            for keep in piece.keep:
                bits = mask(keep)
                self.expect(not shown & bits, f"readers show {positions(shown & bits)} twice")
                self.expect(piece.part.covers(keep), f"{keep} of {piece.part}")
                shown |= bits
        union = self._union()
        self.expect(shown == union, f"readers do not show {positions(union & ~shown)}")
        lost = self.visible & ~shown
        self.expect(not lost, f"{positions(lost)} were visible and are no more")
        self.visible = shown

    # ------------------------------------------------------------ what damages

    def damage(self, key: str, data: bytes) -> None:
        """Somebody, not of ours, changed a stored object."""
        self.disk.objects[key] = data
        self.damaged.add(key)

    def facts(self) -> dict[str, Any]:
        """For a report of a violation."""
        return {
            "held": positions(self.held),
            "absent": positions(self.absent),
            "origins": sorted(self.origins),
            "holes": sorted(self.exchange.holes),
            "parts": {n: sorted(map(str, v.parts)) for n, v in self.versions.items()},
            "cells": parts.CELLS,
        }
