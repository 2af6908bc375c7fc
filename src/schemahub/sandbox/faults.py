"""When which fault fires: by chance, by script, for a while, or always. Seeded and repeatable.

Nothing here reads a clock: given the same requests in the same order, the same faults fire.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

from schemahub.sandbox.bad_rows import BAD_ROWS
from schemahub.sandbox.fault_kinds import KINDS, Shot, is_hidden
from schemahub.sandbox.history import Trade
from schemahub.sandbox.plan import Plan
from schemahub.sandbox.walk import mix
from schemahub.sandbox.wire import Ask, Dialect

__all__ = ["Fault", "Faults"]

_TRADES_ONLY = {"ask", "page", "rows"}
_ANY_TRADE = Trade(1, "buy", "1.5", "1.5", "2020-09-13T12:26:41.850000Z")
_SCHEDULE = {"p", "on", "start", "stop", "times", "market", "endpoint"}


class Fault:
    """One fault and when it fires.

    The k-th request is the k-th it COULD fire on (from 1): of its market and endpoint, if given,
    and for faults of pages only requests for trades.

    p         the chance on each request; default: always
    on        exactly these k
    start     from this k on      stop   before this k      times   at most so often
    market    only this market    endpoint   only "trades", "products", "product" or "time"
    args      the fault's own arguments: see `KINDS`

    A wrong name, argument or value is a ValueError that names what there is.
    """

    def __init__(  # noqa: PLR0913 -- each is a way to say when, and all have defaults
        self,
        name: str,
        *,
        p: float = 1.0,
        on: Iterable[int] = (),
        start: int = 1,
        stop: int | None = None,
        times: int | None = None,
        market: str | None = None,
        endpoint: str | None = None,
        **args: object,
    ) -> None:
        if name not in KINDS:
            raise ValueError(f"no fault {name!r}; there are {', '.join(sorted(KINDS))}")
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"fault {name}: p is a probability: {p}")
        self.name, self.kind = name, KINDS[name]
        self.p, self.on, self.start, self.stop, self.times = p, frozenset(on), start, stop, times
        self.market, self.endpoint = market, endpoint
        self.args: dict[str, Any] = {**self.kind.args, **args}
        self._check(args)

    def _check(self, given: Mapping[str, object]) -> None:
        unknown = sorted(set(given) - set(self.kind.args))
        if unknown:
            known = ", ".join(sorted(_SCHEDULE | set(self.kind.args)))
            raise ValueError(f"fault {self.name}: no argument {unknown[0]!r}; there are {known}")
        if "ids" in self.args:
            self.args["ids"] = frozenset(self.args["ids"])
        bad = self.args.get("kind", "any")
        if bad != "any" and bad not in BAD_ROWS:
            kinds = ", ".join(sorted(BAD_ROWS))
            raise ValueError(f"fault {self.name}: no kind {bad!r}; there are any, {kinds}")

    @classmethod
    def of(cls, spec: Fault | str | Mapping[str, Any]) -> Fault:
        """A fault from its JSON form, {"name": …, "p": …, …}.

        Or from a command line: a bare name, `name:p`, or the JSON as text.
        """
        if isinstance(spec, Fault):
            return spec
        if isinstance(spec, str) and not spec.lstrip().startswith("{"):
            name, _, chance = spec.partition(":")
            return cls(name, p=float(chance)) if chance else cls(name)
        known = json.loads(spec) if isinstance(spec, str) else dict(spec)
        try:
            return cls(**known)
        except TypeError as error:
            raise ValueError(f"not a fault: {spec!r}: {error}") from error

    def may_fire(self, ask: Ask) -> bool:
        if ask.kind != "trades" and self.kind.stage in _TRADES_ONLY:
            return False
        wrong_market = self.market is not None and ask.symbol != self.market
        return not wrong_market and self.endpoint in (None, ask.kind)

    def is_due(self, k: int, draw: float) -> bool:
        if self.on:
            return k in self.on
        return self.start <= k and (self.stop is None or k < self.stop) and draw < self.p


class _State:
    def __init__(self) -> None:
        self.seen = 0
        self.fired = 0
        self.memory: dict[Any, Any] = {}


class Faults:
    """The faults in force, and what they remember. Safe to use from many threads."""

    def __init__(self, *faults: Fault | str | Mapping[str, Any], seed: int = 0) -> None:
        self.seed = seed
        self.faults = tuple(Fault.of(fault) for fault in faults)
        self._states = [_State() for _ in self.faults]
        self._lock = threading.Lock()

    def check(self, dialect: Dialect) -> None:
        """ValueError if a fault would spoil a row in a way that an exchange's rows cannot be."""
        row = dialect.row(_ANY_TRADE)
        for fault in self.faults:
            kind = fault.args.get("kind", "any")
            if kind != "any" and not BAD_ROWS[kind].suits(row, dialect.fields):
                raise ValueError(f"fault {fault.name}: rows of this exchange cannot be {kind}")

    def shots(self, ask: Ask) -> list[Shot]:
        """The faults that fire on this request, in the order given. Counts the request."""
        found = []
        with self._lock:
            for index, (fault, state) in enumerate(zip(self.faults, self._states, strict=True)):
                if not fault.may_fire(ask):
                    continue
                state.seen += 1
                key = mix(mix(mix(self.seed) + index) + state.seen)
                spent = fault.times is not None and state.fired >= fault.times
                if not spent and fault.is_due(state.seen, key / 2.0**64):
                    state.fired += 1
                    found.append(Shot(fault.name, fault.args, Random(key), state.memory))
        return found

    def run(self, stage: str, shots: Iterable[Shot], plan: Plan) -> list[str]:
        """Lets the shots of a stage change the plan; the names of those that had an effect."""
        hits = []
        for shot in shots:
            # Memory is shared between requests, so that "once" means once.
            with self._lock:
                if KINDS[shot.name].stage == stage and KINDS[shot.name].act(shot, plan):
                    hits.append(shot.name)
            if stage == "reply" and plan.reply is not None:
                break  # one answer is all there can be
        return hits

    def hides(self, market: str, trade_id: int) -> bool:
        """Whether a "hole" in force keeps this id from ever being served."""
        return any(
            fault.name == "hole"
            and fault.market in (None, market)
            and is_hidden(fault.args, trade_id)
            for fault in self.faults
        )
