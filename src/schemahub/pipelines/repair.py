"""Repair: sets damage aside, fetches what is missing, makes the table whole again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemahub.core import page as pages
from schemahub.core import paging
from schemahub.core.axis import Axis
from schemahub.core.errors import Interrupted, LeaseHeld, SchemaHubError
from schemahub.core.layout import (
    TABLE,
    Market,
    market_lease,
    parse_part,
    part_key,
    part_prefix,
    raw_key,
)
from schemahub.core.ledger import Ledger
from schemahub.core.proof import Dispute
from schemahub.core.span import Coverage, Span
from schemahub.pipelines import ingest as ingests
from schemahub.pipelines.bars import remove_part
from schemahub.pipelines.ingest import Ingest
from schemahub.pipelines.lake import Lake
from schemahub.pipelines.plan import Wish
from schemahub.pipelines.source import Source
from schemahub.pipelines.turn import turn
from schemahub.pipelines.verify import Report, Verify
from schemahub.ports import RawObject


@dataclass(frozen=True, slots=True)
class Damage:
    """What repair would do for a market: nothing is done by looking."""

    market: Market
    report: Report


@dataclass(frozen=True)
class Repair:
    """The pipeline with what it needs of the world.

    Transform is run after it, by whoever composes the two.
    """

    lake: Lake
    verify: Verify
    ingest: Ingest

    def look(self, markets: Sequence[Market], workers: int = 1) -> Iterator[Damage]:
        reports = self.verify.run(markets, workers=workers)
        yield from map(Damage, markets, reports)

    def heal(self, source: Source, damage: Damage, *, audit: bool) -> ingests.Outcome:
        """Marks corrupt raw, removes corrupt parts, and fetches all that is missing.

        A part is removed only because raw, which is never removed, makes it again; evidence
        that attests nothing, because the exchange is asked again. Where raw and a part are
        both sound and differ, the exchange decides. All under the market's lease: where
        another run is at it, nothing is done.
        """
        got = self.ingest.leases.acquire(market_lease(damage.market), watch=True)
        try:
            with turn(got, str(damage.market)) as lease:
                notes = self._set_aside(source, damage.market, damage.report)
                wish = Wish(audit=audit, again=damage.report.suspect)
                if source.spec.line.dense:
                    outcome = self.ingest.under(lease, source, damage.market, wish)
                else:
                    before = self.lake.ledger(damage.market, source.spec.line)
                    outcome = self.ingest.under(lease, source, damage.market, wish)
                    self._outdate(source.spec.line, damage.market, before)
        except LeaseHeld as error:
            return ingests.Outcome(damage.market, "held", error=error)
        outcome.notes += notes
        return outcome

    def _set_aside(self, source: Source, market: Market, report: Report) -> list[str]:
        """Returns what there is to say of it."""
        for key in report.bad_raw:
            self.lake.mark_bad(market, key)
        for key in report.stray_raw:
            self.lake.mark_bad(market, key, stray=True)
        # Looked at anew: a stray object, marked by now, says nothing of where history begins.
        lost = self.lake.ledger(market, source.spec.line).lost_origin
        if lost is not None:
            reason = {"reason": "repair: what is held begins here, and no origin said so"}
            self.lake.create_origin(market, lost, reason)
        notes = self._settle(source, market, report.disputes)
        if not source.spec.line.dense:
            for key in report.bad_parts:
                self._remove_inside(market, key)
        # Bars before parts: of a part that goes they go with it.
        for key in (*report.bad_bars, *report.bad_parts, *report.bad_evidence):
            self._remove(market, key)
        # The checkpoint may vouch for what is gone: go by the listing.
        self.lake.forget_checkpoint(market)
        return notes

    def _outdate(self, line: Axis, market: Market, before: Ledger) -> None:
        """Removes the parts that new objects overlap where others were, or had been, before.

        Where positions are no trades the new ones may tell of trades that these parts lack.
        """
        known = set(before.objects)
        fresh = Coverage.of(
            piece
            for name in self.lake.ledger(market, line).objects
            if name not in known
            for piece in before.extent.within(name.span)
        )
        for version in self.lake.every_version(market.exchange) if fresh else ():
            for part in self.lake.parts(version, market):
                if fresh.overlaps(part):
                    self._remove(market, part_key(version, market, part))

    def _remove_inside(self, market: Market, key: str) -> None:
        """Removes what a part superseded: what it lacks, they lack, and it is made from them."""
        for version in self.lake.every_version(market.exchange):
            prefix = part_prefix(version, market)
            whole = parse_part(key.removeprefix(prefix)) if key.startswith(prefix) else None
            for part in self.lake.parts(version, market) if whole else ():
                if whole is not None and whole != part and whole.covers(part):
                    self._remove(market, part_key(version, market, part))

    def _remove(self, market: Market, key: str) -> None:
        if key.startswith(TABLE):
            remove_part(self.lake, key)
        else:
            self.lake.store.delete(key)
        self.lake.metrics.emit("damage.removed", market=str(market), key=key)

    def _settle(self, source: Source, market: Market, disputes: Sequence[Dispute]) -> list[str]:
        """Marks raw that the exchange contradicts, removes parts that it does not bear out.

        Where it no longer shows a row, raw is believed: it is what the exchange once said.
        If it cannot be asked, both stay as they are. Returns what there is to say of it.
        """
        where = Coverage.of(dispute.span for dispute in disputes)
        if not where:
            return []
        if not source.spec.line.dense:
            # What was said once is believed, and asked again: if that is another row by now,
            # both stand in quarantine as a conflict.
            for key in sorted({dispute.key for dispute in disputes}):
                self._remove_inside(market, key)
                self._remove(market, key)
            return []
        ledger = self.lake.ledger(market)
        try:
            contradicted = self._contradicted(source, market, ledger, where)
        except Interrupted:
            raise
        except SchemaHubError as error:
            return [f"raw and table differ, and who is right could not be found out: {error}"]
        names = {name for span in contradicted for name in ledger.overlapping(span)}
        for name in sorted(names):
            self.lake.mark_bad(market, raw_key(market, name))
        for key in sorted({one.key for one in disputes if not contradicted.covers(one.span)}):
            self._remove(market, key)
        return [f"the exchange contradicts raw on ids {span}" for span in contradicted]

    def _contradicted(
        self, source: Source, market: Market, ledger: Ledger, where: Coverage
    ) -> Coverage:
        """The positions of `where` of which the exchange now tells another row than raw."""
        look, spec = self.verify.comparer(), source.spec
        found: list[Span] = []
        for work in paging.windows(where, spec.trades.paging):
            extent = Span(work.start, work.stop)
            fetched = source.ask(market, paging.exactly(extent, spec.trades.paging))
            line = RawObject(fetched.answer.url, extent, pages.encode(fetched.answer))
            told = look.raw.mapper.map([line], extent, market, spec).rows
            for span in work:
                names = ledger.overlapping(span)
                for piece, mapped in look.raw.read(market, spec, names, span):
                    theirs = told.within(piece)
                    unlike = self.verify.table.differing(theirs, mapped.rows)
                    found += Coverage.of_ids(at for at, _ in unlike.changed | unlike.left)
        return Coverage.of(found)
