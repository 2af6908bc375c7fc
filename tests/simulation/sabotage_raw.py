"""Sabotage of what is fetched, proven and stored as raw."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from schemahub.core import harvest as harvests
from schemahub.core import ledger as ledgers
from schemahub.core import page as pages
from schemahub.core.errors import StoreError
from schemahub.core.harvest import Harvest, Piece
from schemahub.core.layout import AbsentName, RawName, SeenName, parse_raw, raw_key
from schemahub.core.ledger import Ledger
from schemahub.core.page import Answer, Page
from schemahub.core.paging import Ask
from schemahub.core.span import Coverage, Span
from schemahub.core.wire import Reader
from schemahub.pipelines import fetch, repair
from schemahub.pipelines.lake import Lake
from schemahub.ports import RawObject
from tests.simulation.sabotage import Sabotage, sabotage
from tests.simulation.store import DiskOf

Changes = list[tuple[Any, str, Any]]


@sabotage("an answer proves all from its lowest to its highest id")
def trust_the_range_of_a_page() -> Changes:
    real = pages.read

    def read(answer: Answer, ask: Ask, reader: Reader) -> Page:
        page = real(answer, ask, reader)
        ids = Coverage((Span(page.ids.start, page.ids.stop),)) if page.ids else page.ids
        return replace(page, ids=ids)

    return [(pages, "read", read)]


@sabotage("a row that fails the contract is named as held at once")
def hold_bad_rows_at_first_sight() -> Changes:
    real = pages.read

    def read(answer: Answer, ask: Ask, reader: Reader) -> Page:
        page = real(answer, ask, reader)
        return replace(page, ids=page.all_ids)

    return [(pages, "read", read)]


@sabotage("a checkpoint is a cursor: it covers up to the highest position held")
def cursor_as_checkpoint() -> Changes:
    def cacheable(ledger: Ledger, chunk: int) -> Coverage:
        if not ledger.held:
            return Coverage()
        start, whole = ledger.held.start, ledger.held.stop // chunk * chunk
        return Coverage((Span(start, whole),)) if start < whole else Coverage()

    return [(ledgers, "cacheable", cacheable)]


@sabotage("a checkpoint counts what is attested absent as held")
def checkpoint_counts_absent() -> Changes:
    real = ledgers.cacheable

    def cacheable(ledger: Ledger, chunk: int) -> Coverage:
        return real(replace(ledger, held=ledger.known), chunk)

    return [(ledgers, "cacheable", cacheable)]


@sabotage("a checkpoint that knows fewer corrupt objects is believed all the same", within=400)
def checkpoint_ignores_corrupt_marks() -> Changes:
    def corrupt(_lake: Lake, _market: object) -> tuple[str, ...]:
        return ()

    return [(Lake, "_corrupt", corrupt), (Lake, "forget_checkpoint", lambda *_: None)]


@sabotage("how far back was asked for is not stored")
def origin_not_stored() -> Changes:
    return [(Lake, "create_origin", lambda *_: None)]


@sabotage("what one run passes over is attested absent at once")
def absence_from_one_run() -> Changes:
    real = harvests.harvest

    def harvest(*args: Any) -> Harvest:
        found = real(*args)
        objects = [
            (AbsentName(name.span) if isinstance(name, SeenName) else name, data)
            for name, data in found.objects
        ]
        return replace(found, objects=tuple(objects))

    return [(fetch, "harvest", harvest)]


@sabotage("trades younger than the settle time are attested absent", within=300)
def settle_time_ignored() -> Changes:
    return [(fetch, "timedelta", lambda **_: timedelta())]


def _silence_is_evidence() -> Changes:
    real = pages.read

    def read(answer: Answer, ask: Ask, reader: Reader) -> Page:
        page = real(answer, ask, reader)
        if ask.stop is None or page.unreadable:
            return page
        window = Span(max(0, ask.stop - ask.limit), ask.stop)
        return replace(page, silence=page.silence | page.all_ids.missing(window))

    def settled(one: Piece, settle: timedelta) -> Coverage:
        edge = int((one.served_at - settle).timestamp() * 1_000_000)
        return Coverage.of(span for span, at in one.silence if at is None or at <= edge)

    return [(pages, "read", read), (harvests, "_settled", settled)]


# Two empty answers of two runs, a settle time apart, about the same span: too rare to wait for.
SILENCE_IS_EVIDENCE = Sabotage(
    "silence_is_evidence",
    "an answer speaks of all that it was asked for, an empty one too",
    _silence_is_evidence,
)


@sabotage("a corrupt raw object is deleted, not marked", within=200)
def corrupt_raw_is_deleted() -> Changes:
    def mark_bad(lake: Lake, _market: object, key: str) -> None:
        lake.store.delete(key)

    return [(Lake, "mark_bad", mark_bad)]


@sabotage("what cannot be read for a moment is marked corrupt", within=300, first=370)
def sound_raw_is_marked() -> Changes:
    def raw(lake: Lake, market: Any, name: RawName) -> RawObject:
        key = raw_key(market, name)
        try:
            data = lake.store.read(key)
        except StoreError:
            data = b""
        return RawObject(key, name.span, lake.codec.unpack(data, key))

    return [(Lake, "raw", raw)]


@sabotage("a create of a name that is taken overwrites it")
def create_overwrites() -> Changes:
    def create(store: DiskOf, key: str, data: bytes) -> bool:
        store.put(key, data) if key.startswith("raw_") else None
        return key.startswith("raw_") or real(store, key, data)

    real = DiskOf.create
    return [(DiskOf, "create", create)]


@sabotage("a lost response counts as a failure: the answers are stored under another name")
def lost_response_is_renamed() -> Changes:
    real = DiskOf.create

    def create(store: DiskOf, key: str, data: bytes) -> bool:
        try:
            return real(store, key, data)
        except StoreError:
            folder, _, filename = key.rpartition("/")
            name = parse_raw(filename)
            if not isinstance(name, RawName):
                raise
            return real(store, f"{folder}/{RawName(name.span, name.revision + 1).filename}", data)

    return [(DiskOf, "create", create)]


@sabotage("a market is complete once its pages were asked for")
def complete_without_holding() -> Changes:
    real = harvests.harvest

    def harvest(*args: Any) -> Harvest:
        found = real(*args)
        return replace(found, held=args[0])

    return [(fetch, "harvest", harvest)]


@sabotage("the watermark is the highest position held")
def watermark_is_the_highest_id() -> Changes:
    highest = property(lambda ledger: ledger.held.stop if ledger.held else None)
    return [(Ledger, "watermark", highest)]


@sabotage("repair goes by the checkpoint, which may vouch for what it marked", within=600)
def repair_keeps_what_looks_whole() -> Changes:
    real = repair.Repair.heal

    def heal(pipeline: Any, source: Any, damage: Any, *, audit: bool) -> Any:
        report = replace(damage.report, bad_raw=())
        return real(pipeline, source, replace(damage, report=report), audit=audit)

    return [(repair.Repair, "heal", heal)]
