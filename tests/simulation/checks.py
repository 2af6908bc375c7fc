"""The promises, looked at after every change of the store: only what the change touches.

Product code is asked only where its answer is what is judged (`parts.reading`: what readers
are told to show).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from schemahub.core import parts
from schemahub.core.axis import AXES
from schemahub.core.layout import (
    BARS,
    TABLE,
    AbsentName,
    complete_key,
    parse_part,
    parse_raw,
    part_prefix,
    quarantine_key,
    quarantine_prefix,
)
from schemahub.core.span import Span
from tests.simulation.market import MARKET, mask, positions
from tests.simulation.raw_checks import CHECKPOINT, CORRUPT, RAW, RawChecks
from tests.simulation.rows import PlainBars, Tuples, opened
from tests.simulation.schedule import Process

GRACE = timedelta(hours=24)
QUARANTINE = quarantine_prefix(MARKET)


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
class Checks(RawChecks):
    """schemahub's promises about one market (store.Watcher)."""

    versions: dict[int, Version] = field(default_factory=dict)
    visible: int = 0
    # Grows whenever what is visible may rightly shrink: a part found corrupt was removed.
    removals: int = 0
    torn: dict[str, bool] = field(default_factory=dict)
    # How much had changed when a part was made: who began later has seen it.
    made: dict[str, int] = field(default_factory=dict)

    # ------------------------------------------------------------ what the store tells

    def created(self, process: Process, key: str, data: bytes) -> None:
        if key.startswith(RAW):
            self.raw(process, key, data)
        elif key.startswith("unified_trades/"):
            self._table(process, key, data)
        elif key.startswith(BARS):
            self._bars(process, key, data)
        elif key.startswith(QUARANTINE):
            self._quarantined(key, data)
        elif not key.startswith((CORRUPT, "runs/")):
            self.broken(f"{process.name} created {key}: nothing that a lake holds")

    def replaced(self, process: Process, key: str, old: bytes | None, data: bytes) -> None:
        if key == CHECKPOINT:
            self.checkpoint(process, data)
        elif key.startswith(QUARANTINE) and key in self.damaged and old is not None:
            self.damaged.discard(key)
        else:
            self.broken(f"{process.name} overwrote {key}")

    def deleted(self, process: Process, key: str) -> None:
        if key == CHECKPOINT:
            return
        if key.startswith("unified_trades/"):
            if key.endswith(".parquet"):
                self._deleted_part(process, key)
            else:
                self._deleted_mark(process, key)
        elif key.startswith(RAW):
            name = parse_raw(key.removeprefix(RAW))
            self.expect(
                isinstance(name, AbsentName) and key in self.damaged,
                f"{process.name} deleted {key}: raw is never deleted",
            )
            self.damaged.discard(key)
            self.recount()
        elif not key.startswith(BARS):  # these are only derived
            self.broken(f"{process.name} deleted {key}")

    # ------------------------------------------------------------ the table

    def _table(self, process: Process, key: str, data: bytes) -> None:
        number = int(key.split("/")[1].removeprefix("v"))
        version = self.versions.setdefault(number, Version())
        if key == complete_key(number, MARKET.exchange):
            version.complete = True
            started = process.held & self.held & ~self.shaken(process)
            self.expect(
                not started & ~version.union,
                f"{process.name} completed v{number} without {positions(started & ~version.union)}",
            )
            self.schedule.counts["rebuilds completed"] += 1
        elif key.endswith(".parquet"):
            span = parse_part(key.removeprefix(part_prefix(number, MARKET)))
            if span is None:
                self.broken(f"{process.name} created {key}: no part's name")
                return
            self._part(process, number, version, span, key, data)
        self._show()

    def _bars(self, process: Process, key: str, data: bytes) -> None:
        """What readers take for the bars of a part are those of its rows, if it is there."""
        part = TABLE + key.removeprefix(BARS)
        self.expect(part in self.made, f"{process.name} wrote {key} before its part")
        if part in self.disk.objects and part not in self.damaged:
            facts, rows = opened(self.disk.objects[part], part)
            bars = PlainBars()
            bars.add(Tuples(rows))
            self.expect(data == bars.encode(facts), f"{process.name} wrote {key} of other rows")
        self.schedule.counts["bars written"] += 1

    def _part(  # noqa: PLR0917  (what a part is)
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
        if inside and len(span) > AXES["ids"].cells[-1] and fresh and fresh < held:
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
            if over:
                self.schedule.counts["superseded parts deleted"] += 1
            else:
                newer = self._newest_for_a_day(number)
                self.expect(
                    newer is not None and not mask(span) & ~newer.union,
                    f"{process.name} deleted {key}, which nothing supersedes",
                )
        version.count()
        self._show()

    def _newest_for_a_day(self, number: int) -> Version | None:
        """The newest version above `number` that has been complete for the grace."""
        old = [
            n
            for n, one in self.versions.items()
            if n > number
            and one.complete
            and self.schedule.now - self.disk.born[complete_key(n, MARKET.exchange)] >= GRACE
        ]
        return self.versions[max(old)] if old else None

    def _deleted_mark(self, process: Process, key: str) -> None:
        number = int(key.split("/")[1].removeprefix("v"))
        version = self.versions[number]
        self.expect(
            not version.parts and self._newest_for_a_day(number) is not None,
            f"{process.name} deleted {key}, and the version is not gone",
        )
        version.complete = version.complete and not key.endswith("COMPLETE")

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

    def facts(self) -> dict[str, Any]:
        """For a report of a violation."""
        return {
            "held": positions(self.held),
            "absent": positions(self.absent),
            "origins": sorted(self.origins),
            "holes": sorted(self.exchange.holes),
            "parts": {n: sorted(map(str, v.parts)) for n, v in self.versions.items()},
            "cells": AXES["ids"].cells,
        }
