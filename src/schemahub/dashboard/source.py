"""What panels read of the lake: a view of it that several panels share for a moment."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, TypeVar

import msgspec

from schemahub.adapters.duck import Duck, Result
from schemahub.app.backend import LakeBackend
from schemahub.core.errors import ObjectMissing
from schemahub.core.facts import FACTS, Fact
from schemahub.core.history import HISTORY
from schemahub.pipelines.records import Records
from schemahub.ports import Clock
from schemahub.rows import reads_bars, reads_facts

T = TypeVar("T")
Form = Literal["json", "arrow"]
RUNS = 120  # records at least: a month of a run every six hours
FRESH = 2.0  # s for which a listing is shared: the panels of one page ask within it
LISTED = 30.0  # s for the table that takes a listing of the whole lake
_TRIES = 3


@dataclass
class Shared:
    """Values by name, each made once and kept for its time; threads wait for the one who makes."""

    clock: Clock
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)
    _kept: dict[str, tuple[float, Any]] = field(default_factory=dict)

    def get(self, name: str, seconds: float, make: Callable[[], T]) -> T:
        with self._lock:
            own = self._locks.setdefault(name, threading.Lock())
        with own:
            at, value = self._kept.get(name, (float("-inf"), None))
            if self.clock.monotonic() - at >= seconds:
                value = make()
                self._kept[name] = (self.clock.monotonic(), value)
            found: T = value
            return found

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()


class Source:
    """Answers of panels. Safe from many threads."""

    def __init__(self, backend: LakeBackend) -> None:
        app = backend.app
        self._backend = replace(backend, records=Records(app.store, app.clock, RUNS))
        self._shared = Shared(app.clock)

    def answer(self, sql: str, form: Form) -> tuple[bytes, str]:
        """The rows and a tag that is the same for the same rows.

        As JSON {"columns": [{"name", "type"}], "rows": [[...]]}, decimals and times as text; or
        as an Arrow IPC stream. Raises what asking the lake raises.
        """
        for left in reversed(range(_TRIES)):
            try:
                with self._duck(sql) as duck, duck.sql(sql) as result:
                    data = _arrow(result) if form == "arrow" else _json(result)
                    return data, hashlib.sha256(data).hexdigest()[:32]
            except ObjectMissing:
                # A part was superseded and deleted while it was read: list anew.
                self._shared.forget()
                if not left:
                    raise
        raise AssertionError

    def _duck(self, sql: str) -> Duck:
        get, backend = self._shared.get, self._backend
        facts: dict[str, Fact] = {}
        named = reads_facts(sql)
        if named & FACTS.keys():  # one costs what all cost
            facts |= get("facts", FRESH, lambda: _by_name(backend, FACTS.keys()))
        for name in sorted(named & HISTORY.keys()):
            seconds = LISTED if name == "storage" else FRESH
            facts |= get(name, seconds, partial(_by_name, backend, {name}))
        needed = reads_bars(sql) or "trades" in sql
        slices = get("slices", FRESH, lambda: backend.slices(None, bars=True)) if needed else []
        markets = get("markets", FRESH, backend.market_rows) if "markets" in sql else []
        return Duck(slices, markets, facts=list(facts.values()), objects=backend.objects)


def _by_name(backend: LakeBackend, names: Collection[str]) -> Mapping[str, Fact]:
    return {fact.name: fact for fact in backend.fact_tables(names)}


def _json(result: Result) -> bytes:
    columns = [{"name": name, "type": kind} for name, kind in result.columns]
    return msgspec.json.encode({"columns": columns, "rows": list(result.rows_plain())})


def _arrow(result: Result) -> bytes:
    out = io.BytesIO()
    result.write_arrow(out)
    return out.getvalue()
