"""What is planned by a checkpoint is what is planned by listing everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemahub.core.axis import AXES, IDS
from schemahub.core.layout import OriginName, RawName, checkpoint_key, part_key, raw_key
from schemahub.core.span import Coverage, Span, cut
from schemahub.pipelines.build import PartTask
from schemahub.ports import Store
from tests.pipelines.raw_lake import BTC, RawLake
from tests.pipelines.stores import Wrapped
from tests.pipelines.test_stale_checkpoint import create, small

KEY = checkpoint_key(BTC)


def planned(lake: RawLake) -> list[PartTask]:
    return lake.pipeline().plan([BTC], {"coinbase": 1})


@dataclass(frozen=True)
class Do:
    what: str
    start: int
    length: int


steps = st.lists(
    st.builds(
        Do,
        st.sampled_from(["land", "land", "save", "transform", "lose part", "lose raw", "again"]),
        st.integers(0, 150),
        st.integers(1, 90),
    ),
    max_size=14,
)


@settings(max_examples=200)
@given(steps)
@example([Do("land", 1, 19), Do("land", 0, 10)])  # what nobody lists lies below what is listed
@example([Do("land", 0, 11), Do("lose raw", 0, 1)])  # listed, but held by the checkpoint's word
def test_the_same_parts_from_the_same_objects(history: list[Do]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(AXES, "ids", replace(IDS, cells=(64, 16, 4)))
        lake = small()
        create(lake, OriginName(0))
        for do in history:
            apply(lake, do)
            quick = planned(lake)
            lake.lake.forget_checkpoint(BTC)
            assert quick == planned(lake)
            lake.lake.save_checkpoint(BTC, lake.spec)
            assert planned(lake) == quick


def apply(lake: RawLake, do: Do) -> None:
    span = Span(do.start, do.start + do.length)
    match do.what:
        case "land":
            for piece in cut(span, lake.spec.chunk):
                create(lake, lake.lake.ledger(BTC).name_for(piece))
        case "again":  # another run told it with another cut
            create(lake, RawName(next(cut(span, lake.spec.chunk))))
        case "transform":
            for task in planned(lake)[: do.length % 5]:
                lake.store.create(part_key(1, BTC, task.span), b"")
        case "lose part":
            for part in lake.parts()[do.start % 7 :: 7]:
                lake.store.delete(part_key(1, BTC, part))
        case "lose raw" if objects := lake.lake.ledger(BTC).objects:
            # By hand: nothing of the product removes raw. What vouches for it stays.
            lake.store.delete(raw_key(BTC, objects[do.start % len(objects)]))


def test_objects_of_longer_chunks_are_listed_after_chunks_became_shorter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(AXES, "ids", replace(IDS, cells=(64, 16, 4)))
    lake = small()
    create(lake, OriginName(0))
    for piece in cut(Span(0, 1_000), 500):
        create(lake, RawName(piece))
    create(lake, RawName(Span(990, 1_000)))  # told again
    for task in planned(lake):
        if task.span.start < 990:  # the parts of the last chunk, as it is cut today, are to come
            lake.store.create(part_key(1, BTC, task.span), b"")
    lake.lake.save_checkpoint(BTC, lake.spec)
    create(lake, RawName(Span(1_000, 1_010)))
    quick = planned(lake)
    lake.lake.forget_checkpoint(BTC)
    assert quick == planned(lake)
    assert any(RawName(Span(500, 1_000)) in task.raws for task in quick)


class Counted(Wrapped):
    """How many keys were told below each prefix."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.told: dict[str, int] = {}

    def keys(self, prefix: str, start_after: str = "", before: str = "") -> Sequence[str]:
        found = self.inner.keys(prefix, start_after, before)
        self.told[prefix] = self.told.get(prefix, 0) + len(found)
        return found


def test_what_the_checkpoint_vouches_for_is_not_listed_if_there_is_nothing_to_make_of_it() -> None:
    lake = small()
    create(lake, OriginName(0))
    for start in range(0, 1_000, 10):
        create(lake, RawName(Span(start, start + 10)))
    lake.lake.save_checkpoint(BTC, lake.spec)
    for task in planned(lake):
        lake.store.create(part_key(1, BTC, task.span), b"")
    counted = Counted(lake.store)
    seen = RawLake(spec=lake.spec, store=counted)
    assert planned(seen) == []
    # The last chunk shows that raw is still there.
    assert counted.told["raw_coinbase_trades/BTC-USD/"] == 1
    lake.store.delete(part_key(1, BTC, lake.parts()[0]))
    (task,) = planned(seen)
    assert [name.span for name in task.raws] == [
        name.span for name in lake.lake.ledger(BTC).objects
    ]
    assert Coverage.of(name.span for name in task.raws).covers(task.span)
