"""Repair: sets damage aside, fetches what is missing, makes the table whole again."""

from __future__ import annotations

from dataclasses import dataclass

from schemahub.core.layout import Market
from schemahub.pipelines import ingest as ingests
from schemahub.pipelines.ingest import Ingest
from schemahub.pipelines.lake import Lake
from schemahub.pipelines.plan import Wish
from schemahub.pipelines.source import Source
from schemahub.pipelines.verify import Report, Verify


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

    def look(self, market: Market) -> Damage:
        return Damage(market, self.verify.market(market, deep=True))

    def heal(self, source: Source, damage: Damage, *, audit: bool) -> ingests.Outcome:
        """Marks corrupt raw, removes corrupt parts, and fetches all that is missing.

        A part is removed only because raw, which is never removed, makes it again; evidence
        that attests nothing, because the exchange is asked again.
        """
        for key in damage.report.bad_raw:
            self.lake.mark_bad(damage.market, key)
        for key in (*damage.report.bad_parts, *damage.report.bad_evidence):
            self.lake.store.delete(key)
            self.lake.metrics.emit("damage.removed", market=str(damage.market), key=key)
        # The checkpoint may vouch for what is gone: go by the listing.
        self.lake.forget_checkpoint(damage.market)
        return self.ingest.market(source, damage.market, Wish(audit=audit))
