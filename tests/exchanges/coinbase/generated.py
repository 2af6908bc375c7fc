"""Rows of Coinbase's wire that went wrong in ways nobody listed: seeded, so the same each time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

from fuzz.mutator import Mutator
from tests.adapters.wire_rows import IDS, PRICES, SIDES, TIMES
from tests.pipelines.raw_lake import wire

Fields = dict[str, object]
_NAMES = ("trade_id", "side", "size", "price", "time")
_WORDS = tuple(text.encode() for text in (*PRICES, *TIMES, *SIDES, *IDS, "null", "{}", "1e999"))
_LETTERS = '0123456789.-+eE_ ,x\uff11\u0661\x00\n"\\TZ:'


def rows(count: int, place: Callable[[int], int], seed: int = 1) -> Iterator[tuple[int, bytes]]:
    """(id that is due, bytes): the n-th row is due at `place(n)`.

    Half of them are changed as JSON, half byte by byte. Some stay good.
    """
    dice = random.Random(seed)
    for n in range(count):
        trade_id = place(n)
        row = wire(trade_id)
        yield trade_id, _as_json(row, dice) if n % 2 else _as_bytes(row, seed * count + n)


def _as_bytes(row: Fields, seed: int) -> bytes:
    return Mutator((_dump(row),), _WORDS, seed).next()


def _as_json(row: Fields, dice: random.Random) -> bytes:
    changed = dict(row)
    for _ in range(dice.choice((1, 1, 2))):
        name = dice.choice(_NAMES)
        match dice.randrange(7):
            case 0:
                changed.pop(name, None)
            case 1:
                changed[name] = _value(dice, 2)
            case 2 | 3:
                changed[name] = _mistyped(str(changed.get(name, "")), dice)
            case 4:
                other = dice.choice(_NAMES)
                changed[name], changed[other] = changed.get(other), changed.get(name)
            case 5:
                changed[_mistyped(name, dice)] = changed.pop(name, None)
            case _:
                changed[f"x{dice.randrange(9)}"] = _value(dice, 4)
    order = list(changed)
    dice.shuffle(order)
    return _dump({name: changed[name] for name in order})


def _mistyped(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text) + 1)
    letter = dice.choice(_LETTERS)
    return text[:at] + letter * dice.choice((0, 1, 1, 30)) + text[at + dice.randrange(2) :]


def _value(dice: random.Random, depth: int) -> object:
    kinds: list[object] = [
        None, True, 0, -1, 1.5, 2**63, 10**30, "", "1", "buy", "NaN", "2024-01-01T00:00:00Z",
    ]  # fmt: skip
    if depth and dice.random() < 0.3:
        inner = [_value(dice, depth - 1) for _ in range(dice.randrange(3))]
        return inner if dice.random() < 0.5 else {str(n): one for n, one in enumerate(inner)}
    return dice.choice(kinds)


def _dump(row: Fields) -> bytes:
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode()
