"""Repair: sets damage aside, fetches what is missing, makes the table whole again."""

from __future__ import annotations

from dataclasses import dataclass

from schemahub.core.errors import LeaseHeld
from schemahub.core.layout import Market, market_lease
from schemahub.pipelines import ingest as ingests
from schemahub.pipelines.ingest import Ingest
from schemahub.pipelines.lake import Lake
from schemahub.pipelines.plan import Wish
from schemahub.pipelines.source import Source
from schemahub.pipelines.turn import turn
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
        that attests nothing, because the exchange is asked again. All under the market's
        lease: where another run is at it, nothing is done.
        """
        got = self.ingest.leases.acquire(market_lease(damage.market), watch=True)
        try:
            with turn(got, str(damage.market)) as lease:
                self._set_aside(damage)
                return self.ingest.under(lease, source, damage.market, Wish(audit=audit))
        except LeaseHeld as error:
            return ingests.Outcome(damage.market, "held", error=error)

    def _set_aside(self, damage: Damage) -> None:
        for key in damage.report.bad_raw:
            self.lake.mark_bad(damage.market, key)
        for key in (*damage.report.bad_parts, *damage.report.bad_evidence):
            self.lake.store.delete(key)
            self.lake.metrics.emit("damage.removed", market=str(damage.market), key=key)
        # The checkpoint may vouch for what is gone: go by the listing.
        self.lake.forget_checkpoint(damage.market)
