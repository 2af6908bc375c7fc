"""What repair decides where more than one object could be wrong; what verify tells of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from schemahub.adapters.store_local import LocalStore
from schemahub.core.errors import Unreachable
from schemahub.core.layout import OriginName, RawName, checkpoint_key, raw_key
from schemahub.core.ledger import Ledger, write_checkpoint
from schemahub.core.page import Answer, Request
from schemahub.core.span import NOTHING, Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.pipelines import verify as verifying
from tests.pipelines.damage import DAMAGES, Bench
from tests.pipelines.exchange import FakeExchange
from tests.pipelines.raw_lake import BTC, ETH, RawLake, small_cells, truth, wire

pytestmark = pytest.mark.usefixtures("small_cells")
__all__ = ["small_cells"]
T = TypeVar("T")


def whole(store: LocalStore | None = None) -> RawLake:
    lake = RawLake() if store is None else RawLake(store=store)
    lake.origin(60)
    lake.put(60, 130)
    lake.put(130, 200)
    lake.transformed()
    return lake


def forge(lake: RawLake, price: str) -> str:
    """Raw, well packed, that tells another price of 150."""
    rows = [wire(n, price=price) if n == 150 else wire(n) for n in range(199, 129, -1)]
    key = raw_key(BTC, RawName(Span(130, 200)))
    lake.store.put(key, lake.packed([lake.answer(rows)]))
    return key


def test_raw_that_the_exchange_contradicts_is_fetched_again_and_the_part_stays() -> None:
    lake = whole()
    parts = lake.parts()
    forge(lake, "0.00000001")
    report = lake.report()
    assert [dispute.span for dispute in report.disputes] == [Span(150, 151)]
    assert (report.bad_raw, report.bad_parts) == ((), ())
    outcome = FakeExchange(lake, head=199).repair("run1")
    assert outcome.notes[-1] == "the exchange contradicts raw on ids [150, 151)"
    assert [mark.filename[-5:] for mark in lake.lake.ledger(BTC).bad] == [".bad0"]
    assert lake.parts() == parts
    assert lake.verify().status == "proven"
    assert lake.shown() == truth(60, 200)


def test_a_part_that_raw_and_exchange_agree_against_is_made_anew() -> None:
    lake = whole()
    DAMAGES["price"](Bench(lake, random.Random(3), RawLake(market=ETH)))
    exchange = FakeExchange(lake, head=199)
    exchange.repair("run1")
    assert not lake.lake.ledger(BTC).bad
    assert lake.verify().status == "proven"
    assert lake.shown() == truth(60, 200)


def test_where_the_exchange_no_longer_shows_a_row_raw_is_believed() -> None:
    lake = whole()
    DAMAGES["side"](Bench(lake, random.Random(3), RawLake(market=ETH)))
    FakeExchange(lake, head=199, hidden=range(190)).repair("run1")
    assert not lake.lake.ledger(BTC).bad
    assert lake.shown() == truth(60, 200)


class Silent(FakeExchange):
    """An exchange that cannot be reached."""

    def fetch(self, request: Request, read: Callable[[Answer], T]) -> T:
        del read
        raise Unreachable("no answer", request.path)


def test_if_the_exchange_cannot_be_asked_both_stay_as_they_are() -> None:
    lake = whole()
    forge(lake, "0.00000001")
    before = {entry.key: lake.store.read(entry.key) for entry in lake.store.list("")}
    outcome = Silent(lake, head=199).repair("run1")
    assert "who is right could not be found out" in outcome.notes[-1]
    after = {entry.key: lake.store.read(entry.key) for entry in lake.store.list("")}
    assert {key: after.get(key) for key in before} == before
    assert lake.verify().status == "conflict"


def test_damaged_raw_fails_the_proof_even_where_other_raw_holds_the_same() -> None:
    lake = whole()
    key = lake.put(100, 110)
    assert lake.verify().passes
    lake.store.put(key, b"damaged")
    found = lake.verify()
    assert (found.status, found.passes) == ("proven", False)
    assert [(one.key, one.span) for one in found.damaged] == [(key, Span(100, 110))]
    FakeExchange(lake, head=199).repair("run1")
    assert lake.verify().passes


def test_a_lost_origin_is_told_and_made_anew_where_history_begins() -> None:
    lake = whole()
    lake.store.delete(raw_key(BTC, OriginName(60)))
    (damaged,) = lake.verify().damaged
    assert damaged.key == raw_key(BTC, OriginName(60))
    FakeExchange(lake, head=199).repair("run1")
    assert lake.verify().passes
    assert lake.lake.ledger(BTC).origins == (60,)


def test_a_checkpoint_that_vouches_for_what_nobody_holds_is_told() -> None:
    lake = whole()
    chunk = lake.spec.chunk
    lie = Ledger.of([RawName(Span(60, chunk))])
    lake.store.put(checkpoint_key(BTC), write_checkpoint(BTC, lie, chunk))
    found = lake.verify()
    assert Coverage.of(hole.span for hole in found.holes) == Coverage((Span(200, chunk),))
    assert "the checkpoint vouches for it" in found.holes[0].reason
    FakeExchange(lake, head=199).repair("run1")
    assert lake.verify().passes


def test_answers_about_another_market_under_a_far_name_leave_nothing_wanted() -> None:
    lake = whole()
    other = RawLake(market=ETH)
    key = raw_key(BTC, RawName(Span(5000, 5010)))
    lake.store.put(key, other.packed(other.answers(Span(5000, 5010))))
    assert lake.report().stray_raw == (key,)
    FakeExchange(lake, head=199).repair("run1")
    found = lake.verify()
    assert (found.status, found.span) == ("proven", Span(60, 200))


def test_a_stray_name_below_the_origin_does_not_move_where_history_begins() -> None:
    lake = whole()
    old, new = (raw_key(BTC, RawName(Span(start, 130))) for start in (60, 58))
    lake.store.put(new, lake.store.read(old))
    lake.store.delete(old)
    FakeExchange(lake, head=199).repair("run1")
    assert lake.lake.ledger(BTC).origins == (60,)
    assert lake.verify().span == Span(60, 200)


@pytest.mark.heavy
def test_many_processes_find_what_one_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "ROWS_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(verifying, "TASK_ROWS", 20)
    lake = whole(LocalStore(tmp_path))
    lake.store.put(lake.put(200, 210), b"damaged")
    forge(lake, "0.00000001")
    (alone,) = lake.verifier().run([BTC], workers=1)
    (together,) = lake.verifier().run([BTC], workers=3)
    assert together == alone
    assert alone.bad_raw
    assert alone.disputes


def test_rubbish_below_the_origin_makes_nobody_want_it() -> None:
    lake = whole()
    key = raw_key(BTC, RawName(Span(5, 10)))
    lake.store.put(key, b"rubbish")
    assert lake.lake.ledger(BTC).lowest_origin == 60
    lake.transform()  # marks it as corrupt
    ledger = lake.lake.ledger(BTC)
    assert (ledger.lowest_origin, ledger.work(ledger.wanted(200))) == (60, NOTHING)
    FakeExchange(lake, head=199).repair("run1")
    found = lake.verify()
    assert (found.span, lake.lake.ledger(BTC).origins) == (Span(60, 200), (60,))


def test_a_new_path_of_the_api_makes_older_raw_no_stray() -> None:
    lake = whole()
    lake.spec = with_path(lake.spec, "/v2/markets/{symbol}/trades")
    lake.put(200, 210)
    lake.transformed()
    report = lake.report()
    assert (report.stray_raw, report.certificate.status) == ((), "proven")


def test_where_many_objects_are_not_read_it_is_the_spec_that_is_wrong() -> None:
    lake = whole()
    other = RawLake(market=ETH)
    for start in range(300, 510, 10):
        span = Span(start, start + 10)
        lake.store.put(raw_key(BTC, RawName(span)), other.packed(other.answers(span)))
    report = lake.report()
    assert report.stray_raw == ()
    assert not report.certificate.passes


def with_path(spec: ExchangeSpec, path: str) -> ExchangeSpec:
    trades = spec.trades.model_copy(update={"path": path})
    return spec.model_copy(update={"trades": trades})
