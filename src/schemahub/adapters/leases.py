"""Leases that are kept alive: one background thread renews all that this process holds."""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from schemahub.core import lease as rules
from schemahub.core.errors import StoreError
from schemahub.core.lease import Holder, Sight
from schemahub.ports import Clock, Lease, Metrics, Unlocked

_PACE = 1.0  # s between looks at a lease that is waited for, at most
_LAST_WORD = 2.0  # s that letting go may wait for a renewal that hangs


class Board(Protocol):
    """Where the records stand. Every method may raise StoreError."""

    @property
    def host(self) -> str:
        """What a record's `host` is for holders in this running system, or empty."""
        ...

    def read(self, name: str) -> Holder | None: ...

    def take(self, new: Holder, over: Holder | None, *, dead: bool) -> bool:
        """Whether `new` stands now where `over` stood: of many callers at once, for one.

        False if something else than `over` stands there, or if its holder may be alive and
        was not found `dead`.
        """
        ...

    def renew(self, new: Holder) -> bool:
        """False if the record there is not one of this holder's own; then nothing changed."""
        ...

    def drop(self, mine: Holder) -> None:
        """Remove the record if it is still this holder's own."""
        ...

    def remove(self, name: str) -> bool:
        """Remove the record, whoever's it is; False if there is none."""
        ...

    def records(self) -> Iterator[Holder]: ...


class RenewedLeases:
    """ports.Leases over a board. Safe to use from many threads."""

    def __init__(
        self, board: Board, owner: str, clock: Clock, metrics: Metrics, ttl: float
    ) -> None:
        self._around = _Around(board, clock, metrics, _Heart(clock))
        self._owner = owner
        self._ttl = ttl
        self._lock = threading.Lock()
        self._sights: dict[str, Sight] = {}
        self._complained = False
        # A place that fails is left alone for a while: hundreds of markets need not each
        # wait for it in vain.
        self._down_until = -math.inf

    def acquire(self, name: str, *, watch: bool = False, wait: float = 0.0) -> Lease | Holder:
        if self._around.clock.monotonic() < self._down_until:
            return Unlocked()
        try:
            return self._acquire(name, watch=watch, wait=wait)
        except StoreError as error:
            self.unavailable(error)
            return Unlocked()

    def records(self) -> Sequence[Holder]:
        return sorted(self._around.board.records(), key=lambda holder: holder.name)

    def remove(self, name: str) -> bool:
        return self._around.board.remove(name)

    def close(self) -> None:
        """Let go of everything. Threads that are still at work find their leases lost."""
        for tenure in self._around.heart.tenures():
            tenure.release()

    def unavailable(self, error: StoreError) -> None:
        """The place failed: for a while nobody is asked to wait for it. Said once."""
        with self._lock:
            complained, self._complained = self._complained, True
            self._down_until = self._around.clock.monotonic() + rules.renew_after(self._ttl)
        if not complained:
            self._around.metrics.emit("lease.unlocked", why=str(error))

    def _acquire(self, name: str, *, watch: bool, wait: float) -> Lease | Holder:
        first = got = self._try(name)
        started = self._around.clock.monotonic()
        while isinstance(got, Holder) and isinstance(first, Holder):
            passed = self._around.clock.monotonic() - started
            silent = got.nonce == first.nonce and rules.is_doubtful(got, self._around.clock.now())
            watched = watch and silent and passed < rules.patience(got)
            if not watched and passed >= wait:
                break
            self._around.clock.sleep(min(_PACE, got.ttl / 20))
            got = self._try(name)
        return got

    def _try(self, name: str) -> Lease | Holder:
        record = self._around.board.read(name)
        now = self._around.clock.monotonic()
        with self._lock:
            verdict, sight = rules.judge(record, self._sights.pop(name, None), now)
            if sight is not None:
                self._sights[name] = sight
        mine = Holder(
            name,
            self._owner,
            record.generation + 1 if record else 1,
            rules.first_nonce(secrets.token_hex(12)),
            self._around.clock.now(),
            self._ttl,
            self._around.board.host,
        )
        if self._around.board.take(mine, record, dead=verdict == "dead"):
            tenure = _Tenure(self._around, mine, now)
            self._around.heart.keep(tenure)
            return tenure
        return self._around.board.read(name) or record or self._beginner(name)

    def _beginner(self, name: str) -> Holder:
        """Somebody has it who did not come to say so yet."""
        return Holder(name, "a run that has just begun", 0, "", self._around.clock.now(), self._ttl)


@dataclass(frozen=True, slots=True)
class _Around:
    """What all leases of a process share."""

    board: Board
    clock: Clock
    metrics: Metrics
    heart: _Heart


class _Tenure:
    """ports.Lease: a record that this process renews."""

    def __init__(self, around: _Around, record: Holder, renewed: float) -> None:
        self._around = around
        self._record = record
        self._renewed = renewed
        self._busy = threading.Lock()  # so that no renewal comes after the release
        self._lost = False
        self._released = False
        self.due = renewed + rules.renew_after(record.ttl)

    @property
    def generation(self) -> int:
        return self._record.generation

    @property
    def held(self) -> bool:
        if self._released:
            return False
        if rules.is_lost(self._renewed, self._record.ttl, self._around.clock.monotonic()):
            self._lose("it could not be renewed in time")
        return not self._lost

    def renew(self) -> None:
        """Write the record anew; never raises."""
        with self._busy:
            if not self.held:
                return
            began = self._around.clock.monotonic()
            new = self._record.renewed(self._around.clock.now())
            try:
                mine = self._around.board.renew(new)
            except StoreError:
                # Tried again until `held` says that it is too late.
                self.due = self._around.clock.monotonic() + rules.retry_after(new.ttl)
                return
            if not mine:
                self._lose("another run took it, or it was broken")
                return
            self._record, self._renewed = new, began
            self.due = began + rules.renew_after(new.ttl)

    def release(self) -> None:
        self._around.heart.forget(self)
        if self._released or not self._busy.acquire(timeout=_LAST_WORD):
            return
        try:
            if not self._released:
                self._released = True
                with suppress(StoreError):  # the record then dies of its age
                    self._around.board.drop(self._record)
        finally:
            self._busy.release()

    def _lose(self, why: str) -> None:
        if not self._lost:
            self._lost = True
            self._around.heart.forget(self)
            self._around.metrics.emit("lease.lost", name=self._record.name, why=why)


class _Heart:
    """The one thread that renews; it lives as long as there is something to renew."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._kept: list[_Tenure] = []
        self._beating = False

    def keep(self, tenure: _Tenure) -> None:
        with self._changed:
            self._kept.append(tenure)
            self._changed.notify()
            if not self._beating:
                self._beating = True
                threading.Thread(target=self._beat, name="leases", daemon=True).start()

    def forget(self, tenure: _Tenure) -> None:
        with self._changed:
            if tenure in self._kept:
                self._kept.remove(tenure)
                self._changed.notify()

    def tenures(self) -> list[_Tenure]:
        with self._changed:
            return list(self._kept)

    def _beat(self) -> None:
        while True:
            with self._changed:
                if not self._kept:
                    self._beating = False
                    return
                soon = min(tenure.due for tenure in self._kept) - self._clock.monotonic()
                if soon > 0:
                    self._changed.wait(soon)
                now = self._clock.monotonic()
                due = [tenure for tenure in self._kept if tenure.due <= now]
            for tenure in due:
                tenure.renew()
