"""The judge itself: what it must not let pass."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.crashes.arena import BTC, Arena
from tests.crashes.judge import _live

Objects = dict[str, bytes]


def a_raw(objects: Objects) -> str:
    return min(n for n in objects if n.startswith(f"raw_coinbase_trades/{BTC}/") and "zst" in n)


def a_part(objects: Objects) -> str:
    return max(name for name in objects if f"symbol={BTC}/" in name)


def cut(objects: Objects) -> None:
    name = a_raw(objects)
    objects[name] = objects[name][:-5]


def empty(objects: Objects) -> None:
    objects[a_part(objects)] = b""


def lost(objects: Objects) -> None:
    del objects[a_raw(objects)]


def unshown(objects: Objects) -> None:
    del objects[a_part(objects)]


def renamed(objects: Objects) -> None:
    name = a_part(objects)
    other = re.sub(r"/\d{20}-", f"/{10**6:020}-", name)
    objects[other] = objects[name]


def marked(objects: Objects) -> None:
    objects[a_raw(objects).replace(".jsonl.zst", ".bad0")] = b""


def strange(objects: Objects) -> None:
    objects["unified_trades/v1/exchange=coinbase/notes.txt"] = b"?"


@pytest.mark.parametrize("harm", [cut, empty, lost, unshown, renamed, marked, strange])
def test_harm_is_seen(a: Arena, harm: Callable[[Objects], None]) -> None:
    whole = a.states["whole"]
    before = a.before(whole)
    objects = dict(whole.objects)
    harm(objects)
    with pytest.raises(AssertionError):
        a.judge.look(objects).assert_not_less_than(before)


def test_parts_that_cross_would_show_a_key_twice() -> None:
    assert _live({(0, 64), (0, 256), (256, 320)}) == [(0, 256), (256, 320)]
    with pytest.raises(AssertionError, match="two live parts"):
        _live({(0, 64), (32, 96)})


def test_what_is_missing_at_the_end_is_named(a: Arena) -> None:
    view = a.before(a.states["held"])
    with pytest.raises(AssertionError, match=r"BTC-USD: 350 ids are not held: \[401"):
        a.judge.assert_all(view, (BTC,))
