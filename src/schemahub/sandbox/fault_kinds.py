"""Every fault the sandbox knows: a table of small functions.

A fault's function changes the plan of one answer and returns whether it could take effect (it
cannot shorten an empty page); only then it is counted.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from schemahub.sandbox.bad_rows import BAD_ROWS
from schemahub.sandbox.body import Verbatim
from schemahub.sandbox.plan import Plan
from schemahub.sandbox.walk import mix
from schemahub.sandbox.wire import Reply

__all__ = ["KINDS", "Kind", "Shot", "is_hidden"]


@dataclass(frozen=True)
class Shot:
    """One fault that fires on one request."""

    name: str
    args: Mapping[str, Any]
    rng: Random  # seeded by fault and request: the same run makes the same draws
    memory: dict[Any, Any]  # lives as long as the fault does


@dataclass(frozen=True)
class Kind:
    stage: str
    act: Callable[[Shot, Plan], bool]
    args: Mapping[str, object]  # the arguments it takes, with their defaults
    text: str


KINDS: dict[str, Kind] = {}


def _kind(
    name: str, stage: str, text: str, /, **args: object
) -> Callable[[Callable[[Shot, Plan], bool]], Callable[[Shot, Plan], bool]]:
    def enter(act: Callable[[Shot, Plan], bool]) -> Callable[[Shot, Plan], bool]:
        KINDS[name] = Kind(stage, act, args, text)
        return act

    return enter


# ---- reply: another answer altogether ---------------------------------------------------------


def _status(shot: Shot, plan: Plan, status: int) -> bool:
    plan.reply = plan.dialect.error(status)
    if shot.args.get("retry_after") is not None:
        plan.reply.headers["Retry-After"] = str(shot.args["retry_after"])
    return True


@_kind("http_500", "reply", "status 500")
def _http_500(shot: Shot, plan: Plan) -> bool:
    return _status(shot, plan, 500)


@_kind("http_503", "reply", "status 503", retry_after=None)
def _http_503(shot: Shot, plan: Plan) -> bool:
    return _status(shot, plan, 503)


@_kind("http_429", "reply", "status 429", retry_after=None)
def _http_429(shot: Shot, plan: Plan) -> bool:
    return _status(shot, plan, 429)


@_kind("http_status", "reply", "any status", status=403, retry_after=None)
def _http_status(shot: Shot, plan: Plan) -> bool:
    return _status(shot, plan, int(shot.args["status"]))


@_kind("html_200", "reply", "an HTML page with status 200")
def _html_200(_shot: Shot, plan: Plan) -> bool:
    body = b"<!DOCTYPE html><html><body><h1>Just a moment...</h1></body></html>"
    plan.reply = Reply(200, body, content_type="text/html; charset=UTF-8")
    return True


@_kind("garbage", "reply", "status 200, JSON by its type, noise by its bytes", size=400)
def _garbage(shot: Shot, plan: Plan) -> bool:
    plan.reply = Reply(200, b"\x00" + shot.rng.randbytes(int(shot.args["size"])))
    return True


@_kind("error_200", "reply", "the exchange's error object with status 200")
def _error_200(_shot: Shot, plan: Plan) -> bool:
    plan.reply = Reply(200, plan.dialect.error(500).body)
    return True


@_kind("stale", "reply", "the last sound page of this market again, whatever is asked")
def _stale(_shot: Shot, plan: Plan) -> bool:
    plan.reply = plan.previous
    return plan.previous is not None


@_kind("empty_200", "reply", "status 200 and no body at all")
def _empty_200(_shot: Shot, plan: Plan) -> bool:
    plan.reply = Reply(200, b"")
    return True


@_kind("raw_answer", "reply", "status 200 and the body `text`", text="")
def _raw_answer(shot: Shot, plan: Plan) -> bool:
    plan.reply = Reply(200, _bytes(str(shot.args["text"])))
    return True


@_kind("redirect", "reply", "status 302 to another host, or to a path of this one",
       to="http://elsewhere.invalid/")  # fmt: skip
def _redirect(shot: Shot, plan: Plan) -> bool:
    plan.reply = Reply(302, b"", {"Location": str(shot.args["to"])})
    return True


@_kind("gzip_bomb", "reply", "a small gzip body that unpacks to `mb` MB", mb=256)
def _gzip_bomb(shot: Shot, plan: Plan) -> bool:
    plan.reply = Reply(200, _bomb(int(shot.args["mb"])), {"Content-Encoding": "gzip"})
    return True


@lru_cache(maxsize=2)
def _bomb(megabytes: int) -> bytes:
    # After a full flush a deflate block does not look back, so that one megabyte of blanks,
    # packed once, can be repeated: a bomb of any size is built at once.
    blanks = b" " * (1 << 20)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = deflate.compress(blanks) + deflate.flush(zlib.Z_FULL_FLUSH)
    end = zlib.compressobj(9, zlib.DEFLATED, -15)
    last = end.compress(b"[]") + end.flush()
    crc = 0
    for _ in range(megabytes):
        crc = zlib.crc32(blanks, crc)
    size = ((megabytes << 20) + 2) & 0xFFFFFFFF
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return head + block * megabytes + last + struct.pack("<II", zlib.crc32(b"[]", crc), size)


@_kind("deep_json", "reply", "arrays nested `depth` deep", depth=100_000)
def _deep_json(shot: Shot, plan: Plan) -> bool:
    depth = int(shot.args["depth"])
    plan.reply = Reply(200, b"[" * depth + b"]" * depth)
    return True


@_kind("non_utf8", "reply", "JSON with bytes that are not UTF-8")
def _non_utf8(_shot: Shot, plan: Plan) -> bool:
    plan.reply = Reply(200, b'[{"side":"\xff\xfe\xc3\x28"}]')
    return True


# ---- ask: something else is looked up ---------------------------------------------------------


@_kind("lag", "ask", "the head is behind by `by` trades", by=10)
def _lag(shot: Shot, plan: Plan) -> bool:
    plan.lag = int(shot.args["by"])
    return True


@_kind("cap", "ask", "no page has more than `rows` rows, whatever the limit asked for", rows=100)
def _cap(shot: Shot, plan: Plan) -> bool:
    before, plan.limit = plan.limit, min(plan.limit, int(shot.args["rows"]))
    return plan.limit < before


@_kind("hole", "ask", "ids (or a `share` of all) that the source does not have", ids=(), share=0.0)
def _hole(shot: Shot, plan: Plan) -> bool:
    def hides(trade_id: int) -> bool:
        hidden = is_hidden(shot.args, trade_id)
        if hidden:
            plan.late_hits.add(shot.name)
        return hidden

    plan.hidden.append(hides)
    return False  # not yet: it is counted if a page would have held such an id


def is_hidden(args: Mapping[str, Any], trade_id: int) -> bool:
    """Whether a "hole" of these arguments hides this id; the same answer for ever."""
    share = float(args["share"])
    return trade_id in args["ids"] or (share > 0 and mix(trade_id * 31 + 5) < share * 2.0**64)


@_kind("restart_ids", "ask", "ids start again: `left` exist when it first fires", left=10)
def _restart_ids(shot: Shot, plan: Plan) -> bool:
    if plan.symbol not in shot.memory:
        head = plan.head_of(plan.symbol)
        shot.memory[plan.symbol] = max(0, head - int(shot.args["left"]))
    plan.shift = shot.memory[plan.symbol]
    return plan.shift > 0


@_kind("wrong_symbol", "ask", "the rows of market `other` (default: of the next one)", other=None)
def _wrong_symbol(shot: Shot, plan: Plan) -> bool:
    after = plan.symbols.index(plan.symbol) + 1
    other = shot.args["other"] or plan.symbols[after % len(plan.symbols)]
    if other not in plan.symbols or other == plan.symbol:
        return False
    plan.symbol = other
    return True


# ---- page: other trades than those found ------------------------------------------------------


@_kind("empty_list", "page", "no rows")
def _empty_list(_shot: Shot, plan: Plan) -> bool:
    plan.trades, had = [], bool(plan.trades)
    return had


@_kind("short_page", "page", "its end is left out; a share of `keep` stays", keep=0.5)
def _short_page(shot: Shot, plan: Plan) -> bool:
    stay = int(len(plan.trades) * float(shot.args["keep"]))
    downwards = plan.ask.first == "newest"
    gone = sorted((trade.trade_id for trade in plan.trades), reverse=downwards)[stay:]
    plan.trades = [trade for trade in plan.trades if trade.trade_id not in set(gone)]
    return bool(gone)


@_kind("duplicate", "page", "the first `rows` rows come twice", rows=1)
def _duplicate(shot: Shot, plan: Plan) -> bool:
    twice = plan.trades[: int(shot.args["rows"])]
    plan.trades = twice + plan.trades
    return bool(twice)


@_kind("unsorted", "page", "rows in any order")
def _unsorted(shot: Shot, plan: Plan) -> bool:
    shot.rng.shuffle(plan.trades)
    return len(plan.trades) > 1


def _first_time(shot: Shot, ids: set[int]) -> set[int]:
    """Those of the fault's ids that were never hit before; they are now."""
    fresh = {i for i in ids if i in shot.args["ids"] and i not in shot.memory}
    shot.memory.update(dict.fromkeys(fresh, True))
    return fresh


@_kind("hole_once", "page", "each of `ids` is left out of the first page it would be in", ids=())
def _hole_once(shot: Shot, plan: Plan) -> bool:
    gone = _first_time(shot, {trade.trade_id for trade in plan.trades})
    plan.trades = [trade for trade in plan.trades if trade.trade_id not in gone]
    return bool(gone)


# ---- rows: malformed ones ---------------------------------------------------------------------


def _spoil(shot: Shot, plan: Plan, ids: set[int]) -> bool:
    fields, kind = plan.dialect.fields, str(shot.args["kind"])
    ids = ids - plan.spoiled  # a row is spoiled in one way at a time
    plan.spoiled |= ids
    hit = [
        (trade.trade_id, row)
        for trade, row in zip(plan.trades, plan.rows, strict=True)
        if trade.trade_id in ids and not isinstance(row, Verbatim)
    ]
    for trade_id, row in hit:
        kinds = sorted(name for name, bad in BAD_ROWS.items() if bad.suits(row, fields))
        # "any" is fixed by the id, so that a permanently bad row is always bad in the same way.
        chosen = kinds[mix(trade_id) % len(kinds)] if kind == "any" else kind
        BAD_ROWS[chosen].spoil(row, fields)
    return bool(hit)


@_kind("bad_row", "rows", "rows `ids` are always malformed", ids=(), kind="missing_price")
def _bad_row(shot: Shot, plan: Plan) -> bool:
    return _spoil(shot, plan, {t.trade_id for t in plan.trades if t.trade_id in shot.args["ids"]})


@_kind("bad_row_once", "rows", "rows `ids` are malformed at first", ids=(), kind="missing_price")
def _bad_row_once(shot: Shot, plan: Plan) -> bool:
    return _spoil(shot, plan, _first_time(shot, {trade.trade_id for trade in plan.trades}))


@_kind("raw_row", "rows", "rows `ids` are always the text `text`, where {id} is their id", ids=(),
       text="null")  # fmt: skip
def _raw_row(shot: Shot, plan: Plan) -> bool:
    ids = {trade.trade_id for trade in plan.trades if trade.trade_id in shot.args["ids"]}
    ids -= plan.spoiled
    plan.spoiled |= ids
    for index, trade in enumerate(plan.trades):
        if trade.trade_id in ids:
            text = str(shot.args["text"]).replace("{id}", str(plan.dialect.told(trade).trade_id))
            plan.rows[index] = Verbatim(_bytes(text))
    return bool(ids)


def _bytes(text: str) -> bytes:
    """Lone surrogates U+DC80 to U+DCFF stand for the bytes 80 to FF, so any bytes can be said."""
    return text.encode("utf-8", "surrogateescape")


# ---- send: a sound answer that does not arrive as such ----------------------------------------


@_kind("reset", "send", "a TCP reset after `after` bytes", after=0)
def _reset(shot: Shot, plan: Plan) -> bool:
    plan.sending.reset_after = int(shot.args["after"])
    return True


@_kind("truncate", "send", "the connection closes after a share of `keep` of the body", keep=0.5)
def _truncate(shot: Shot, plan: Plan) -> bool:
    plan.sending.keep = float(shot.args["keep"])
    return True


@_kind("wrong_length", "send", "Content-Length is wrong by `by`; the connection lives on", by=-7)
def _wrong_length(shot: Shot, plan: Plan) -> bool:
    plan.sending.declare = int(shot.args["by"])
    return True


@_kind("slow", "send", "`seconds` before the first byte", seconds=1.0)
def _slow(shot: Shot, plan: Plan) -> bool:
    plan.sending.delay += float(shot.args["seconds"])
    return True


@_kind("slow_loris", "send", "`size` bytes every `every` seconds", size=1, every=0.05)
def _slow_loris(shot: Shot, plan: Plan) -> bool:
    plan.sending.drip = (int(shot.args["size"]), float(shot.args["every"]))
    return True
