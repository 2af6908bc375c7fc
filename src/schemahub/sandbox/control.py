"""`/_sandbox/…`: the sandbox's own doors, for tests and benchmarks in other processes.

Never limited, never faulty, never counted.

GET  /_sandbox/truth?market=&start=&stop=&served=1  -> [[trade_id, taker side, price, size, time]…]
GET  /_sandbox/head?market=                         -> {"head": n}
GET  /_sandbox/stats                                -> the fields of `Stats`
POST /_sandbox/grow    {"market": "BTC-USD", "count": 100}         -> {"head": n}
POST /_sandbox/faults  {"seed": 0, "faults": [{"name": …}, …]}     -> {"faults": [names]}
Markets are BASE-QUOTE, and `start`, `stop`, heads and the ids of faults count from 1, whatever the
exchange calls them; a row of truth has the id and the time (ISO) that its dialect tells.
A mistake is answered with 400 and {"message": …}.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl

from schemahub.sandbox.exchange import Exchange
from schemahub.sandbox.faults import Faults
from schemahub.sandbox.wire import Reply

__all__ = ["control"]


def control(exchange: Exchange, method: str, path: str, query: str, body: bytes) -> Reply:
    door = _DOORS.get((method, path))
    if door is None:
        return _reply(404, {"message": f"no {method} {path} here"})
    try:
        given = json.loads(body) if method == "POST" else dict(parse_qsl(query))
        return _reply(200, door(exchange, given))
    except (KeyError, TypeError, ValueError) as error:
        return _reply(400, {"message": f"{type(error).__name__}: {error}"})


def _truth(exchange: Exchange, given: dict[str, Any]) -> object:
    stop = int(given["stop"]) if "stop" in given else None
    served = given.get("served", "0") != "0"
    return exchange.truth(given["market"], int(given.get("start", 1)), stop, served=served)


def _head(exchange: Exchange, given: dict[str, Any]) -> object:
    return {"head": exchange.head(given["market"])}


def _stats(exchange: Exchange, _given: dict[str, Any]) -> object:
    return asdict(exchange.stats())


def _grow(exchange: Exchange, given: dict[str, Any]) -> object:
    exchange.grow(given["market"], int(given["count"]))
    return {"head": exchange.head(given["market"])}


def _faults(exchange: Exchange, given: dict[str, Any]) -> object:
    exchange.set_faults(Faults(*given["faults"], seed=int(given.get("seed", 0))))
    return {"faults": [fault.name for fault in exchange.faults.faults]}


_DOORS: dict[tuple[str, str], Callable[[Exchange, dict[str, Any]], object]] = {
    ("GET", "/_sandbox/truth"): _truth,
    ("GET", "/_sandbox/head"): _head,
    ("GET", "/_sandbox/stats"): _stats,
    ("POST", "/_sandbox/grow"): _grow,
    ("POST", "/_sandbox/faults"): _faults,
}


def _reply(status: int, value: object) -> Reply:
    return Reply(status, json.dumps(value, separators=(",", ":")).encode())
