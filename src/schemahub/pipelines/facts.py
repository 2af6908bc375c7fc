"""The facts of a lake: small tables of what its names, run records and quarantine say.

Gathered from listings, a few records and what stands in quarantine; no part is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemahub.core.facts import Fact
from schemahub.core.layout import Market
from schemahub.pipelines.lake import Lake, Specs
from schemahub.ports import Clock


@dataclass(frozen=True, slots=True)
class Facts:
    """The pipeline with what it needs of the world. Reads only."""

    lake: Lake
    specs: Specs
    clock: Clock

    def gather(
        self,
        markets: Sequence[Market] | None = None,
        *,
        asked: Mapping[Market, datetime] | None = None,
    ) -> list[Fact]:
        """`markets`, `gaps`, `quarantined`, `watermarks`, `runs`, in this order; always all five.

        Of these markets, or of all that the seeds and the lake know. `asked` are markets that
        a run whose record is not stored yet has fetched to their end, and when. Raises
        StoreError, ConfigError for a damaged seed.
        """
        raise NotImplementedError
