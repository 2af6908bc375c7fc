"""What must be true of a lake's objects at every instant, by what the exchange has.

Works on names and bytes alone, and reads them with zstd, json and pyarrow: none of the
product's own readers decides whether the product is right.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

import pyarrow.parquet as pq

from schemahub.sandbox import Trade
from tests.crashes.place import Objects
from tests.e2e.world import OTHER, moment

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Ids = frozenset[int]
Truth = Mapping[str, Mapping[int, Trade]]  # symbol to id to trade

_N = r"(\d{20})"
RAW = re.compile(rf"raw_coinbase_trades/([A-Z-]+)/{_N}-{_N}(?:\.r(\d+))?\.jsonl\.zst")
EVIDENCE = re.compile(rf"raw_coinbase_trades/([A-Z-]+)/{_N}-{_N}\.(absent|seen\.\w+)\.jsonl\.zst")
BAD = re.compile(rf"raw_coinbase_trades/([A-Z-]+)/{_N}-{_N}\.bad(\d+)")
PART = re.compile(rf"unified_trades/v(\d+)/exchange=coinbase/symbol=([A-Z-]+)/{_N}-{_N}\.parquet")
BARS = re.compile(rf"bars_1m/v(\d+)/exchange=coinbase/symbol=([A-Z-]+)/{_N}-{_N}\.parquet")
MARK = re.compile(r"unified_trades/v(\d+)/exchange=coinbase/(PLAN|COMPLETE)")
SMALL = re.compile(
    rf"raw_coinbase_trades/[A-Z-]+/{_N}\.origin|checkpoints/coinbase/[A-Z-]+\.json"
    r"|(?:runs|quality)/\d{4}-\d\d-\d\d/\w+\.json|leases/.*\.json"
)
NOTE = re.compile(rf"checkpoints/coinbase/[A-Z-]+\.bad/{_N}-{_N}\.bad\d+")
PROBE = re.compile(r"probe-\w+")


@dataclass(frozen=True)
class View:
    """What a lake holds and shows: ids by symbol."""

    held: Mapping[str, Ids]
    shown: Mapping[str, Ids]

    def assert_not_less_than(self, before: View) -> None:
        for what in ("held", "shown"):
            now, then = getattr(self, what), getattr(before, what)
            for symbol, ids in then.items():
                lost = sorted(ids - now.get(symbol, frozenset()))
                assert not lost, f"{symbol}: {len(lost)} ids no longer {what}: {lost[:5]}"


@dataclass
class Judge:
    """`truth` is what the exchange has now."""

    truth: Truth
    _sound: set[tuple[str, bytes]] = field(default_factory=set)

    def look(self, objects: Objects, damaged: Objects | None = None) -> View:
        """What these objects show. AssertionError if one of them is not whole and true.

        `damaged` are objects that were damaged by intent: as long as they are as they were
        they count for nothing.
        """
        known = damaged or {}
        sound = {name: data for name, data in objects.items() if known.get(name) != data}
        for name, data in sound.items():
            known_as = (name, hashlib.sha256(data).digest())
            if known_as not in self._sound:
                try:
                    self._assert_whole(name, data)
                except AssertionError as error:
                    error.add_note(f"in {name} ({len(data)} bytes)")
                    raise
                except Exception as error:
                    raise AssertionError(f"{name} ({len(data)} bytes) is not whole") from error
                self._sound.add(known_as)
        return View(self._held(objects, sound), self._shown(objects, sound))

    def assert_all(self, view: View, symbols: tuple[str, ...]) -> None:
        """Every row of the exchange is held and shown."""
        for symbol in symbols:
            wanted = set(self.truth[symbol])
            for what, ids in (("held", view.held), ("shown", view.shown)):
                lost = sorted(wanted - ids.get(symbol, frozenset()))
                assert not lost, f"{symbol}: {len(lost)} ids are not {what}: {lost[:5]}"

    # ------------------------------------------------------------ one object

    def _assert_whole(self, name: str, data: bytes) -> None:
        if found := RAW.fullmatch(name):
            self._assert_raw(data, found[1], int(found[2]), int(found[3]))
        elif found := PART.fullmatch(name):
            self._assert_part(data, found[2], int(found[3]) - int(found[4]), int(found[3]))
        elif found := BARS.fullmatch(name):
            self._assert_bars(data, found[2], int(found[3]) - int(found[4]), int(found[3]))
        elif EVIDENCE.fullmatch(name):
            assert [json.loads(line) for line in zstd.decompress(data).splitlines()]
        elif SMALL.fullmatch(name):
            assert isinstance(json.loads(data), dict)
        elif found := MARK.fullmatch(name):
            assert data == b"" if found[2] == "COMPLETE" else re.fullmatch(rb"\w{64}\n", data)
        elif PROBE.fullmatch(name):
            assert data.startswith(name.encode() + b" by writer ")
        else:
            assert BAD.fullmatch(name) or NOTE.fullmatch(name), f"what is {name}?"
            assert data == b""

    def _assert_raw(self, data: bytes, symbol: str, start: int, stop: int) -> None:
        held: dict[int, tuple[str, ...]] = {}
        for line in zstd.decompress(data).splitlines():
            answer = json.loads(line)
            rows = answer["body"] if "body" in answer else json.loads(answer["text"])
            for row in rows:
                wire = (row["side"], row["size"], row["price"], row["time"])
                held[row["trade_id"]] = wire
        for number in range(start, stop):
            one = self.truth[symbol][number]
            assert held[number] == (OTHER[one.side], one.size, one.price, one.time), one

    def _assert_part(self, data: bytes, symbol: str, start: int, stop: int) -> None:
        rows = pq.read_table(io.BytesIO(data)).to_pydict()
        right = [self.truth[symbol][number] for number in range(start, stop)]
        assert rows["trade_id"] == [one.trade_id for one in right], "other ids than its name says"
        assert rows["side"] == [one.side for one in right]
        assert rows["price"] == [Decimal(one.price) for one in right]
        assert rows["quantity"] == [Decimal(one.size) for one in right]
        assert rows["trade_ts"] == [moment(one.time) for one in right]
        assert set(rows["symbol"]) == {symbol}
        assert set(rows["exchange"]) == {"coinbase"}

    def _assert_bars(self, data: bytes, symbol: str, start: int, stop: int) -> None:
        own: dict[datetime, list[Trade]] = {}
        for number in range(start, stop):
            one = self.truth[symbol][number]
            own.setdefault(moment(one.time).replace(second=0, microsecond=0), []).append(one)
        rows = pq.read_table(io.BytesIO(data)).to_pylist()
        assert [row["bar_ts"] for row in rows] == sorted(own), "other minutes than its part has"
        for row in rows:
            trades = own[row["bar_ts"]]
            prices = [Decimal(one.price) for one in trades]
            assert (row["exchange"], row["symbol"]) == ("coinbase", symbol)
            assert (row["open"], row["close"]) == (prices[0], prices[-1])
            assert (row["low"], row["high"]) == (min(prices), max(prices))
            assert row["volume"] == sum(Decimal(one.size) for one in trades)
            ids = [one.trade_id for one in trades]
            assert (row["first_position"], row["last_position"]) == (ids[0], ids[-1])
            assert row["trades"] == len(ids)

    # ------------------------------------------------------------ all of them

    def _held(self, objects: Objects, sound: Objects) -> dict[str, Ids]:
        bad = {found.groups() for name in objects if (found := BAD.fullmatch(name))}
        held: dict[str, set[int]] = {}
        for name in sound:
            found = RAW.fullmatch(name)
            if found and (found[1], found[2], found[3], found[4] or "0") not in bad:
                held.setdefault(found[1], set()).update(range(int(found[2]), int(found[3])))
        return {symbol: frozenset(ids) for symbol, ids in held.items()}

    def _shown(self, objects: Objects, sound: Objects) -> dict[str, Ids]:
        """What readers see: of each version the parts that lie inside no other, newest first."""
        spans: dict[str, dict[int, set[tuple[int, int]]]] = {}
        for name in objects:
            if found := PART.fullmatch(name):
                version, stop, length = int(found[1]), int(found[3]), int(found[4])
                readable = version == 1 or (
                    f"unified_trades/v{version}/exchange=coinbase/COMPLETE" in objects
                )
                if readable:
                    parts = spans.setdefault(found[2], {}).setdefault(version, set())
                    parts.add((stop - length, stop))
        shown: dict[str, Ids] = {}
        for symbol, versions in spans.items():
            ids: set[int] = set()
            for version in sorted(versions, reverse=True):
                live = _live(versions[version])
                for start, stop in live:
                    name = (
                        f"unified_trades/v{version}/exchange=coinbase/symbol={symbol}/"
                        f"{stop:020}-{stop - start:020}.parquet"
                    )
                    if name in sound:
                        ids |= set(range(start, stop))
            shown[symbol] = frozenset(ids)
        return shown


def _live(parts: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those inside no other. No reader may find a key in two of them, so none overlap."""
    live = sorted(
        one
        for one in parts
        if not any(o != one and o[0] <= one[0] and one[1] <= o[1] for o in parts)
    )
    for left, right in pairwise(live):
        assert left[1] <= right[0], f"a key is in two live parts: {left} and {right}"
    return live
