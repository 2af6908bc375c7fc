"""Evidence that the source does not have something, judged by what its answers really say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemahub.core import page as pages
from schemahub.core.errors import BadAnswer, ObjectCorrupt, ObjectMissing
from schemahub.core.harvest import attests
from schemahub.core.layout import AbsentName, Market, SeenName, raw_key
from schemahub.core.ledger import Ledger
from schemahub.core.page import Answer
from schemahub.core.span import Coverage, Span
from schemahub.core.spec import ExchangeSpec
from schemahub.core.wire import Reader
from schemahub.pipelines.lake import Lake

ATTESTED = "two runs, a settle time apart, attest it"


@dataclass
class Testimony:
    """What some evidence tells: when, and which ids. `why` if it cannot be read.

    `attests` is for whoever finds that it does attest something.
    """

    told: list[tuple[datetime, Coverage]] = field(default_factory=list)
    why: str = ""
    attests: bool = False


def doubt(lake: Lake, market: Market, spec: ExchangeSpec, name: AbsentName) -> str | None:
    """Why evidence does not attest that no position of its name is a trade; None if it does."""
    reader = Reader(spec)
    told = []
    try:
        for answer in _answers(lake, market, spec, name):
            page = pages.read(answer, pages.asked(answer, spec), reader)
            told.append((answer.served_at, page.silence))
    except ObjectCorrupt as error:
        return error.why
    except (BadAnswer, ValueError) as error:
        return str(error)
    if attests(told, name.span, timedelta(seconds=spec.settle)):
        return None
    return f"{len(told)} answers, of which no two a settle time apart pass over all of it"


def testimony(lake: Lake, market: Market, spec: ExchangeSpec, name: AbsentName) -> Testimony:
    """The ids that the answers of some evidence tell, for `harvest.attests_ids`."""
    found = Testimony()
    reader = Reader(spec)
    try:
        for answer in _answers(lake, market, spec, name):
            ids = pages.told_ids(answer, reader)
            if ids is not None:
                found.told.append((answer.served_at, ids))
    except ObjectCorrupt as error:
        found.why = error.why
    except ValueError as error:
        found.why = str(error)
    return found


def testimonies(  # noqa: PLR0913, PLR0917  (whose, of what, and not whose)
    lake: Lake, market: Market, spec: ExchangeSpec, span: Span, run_id: str, ledger: Ledger
) -> dict[bytes, Answer]:
    """What other runs left as their sightings of exactly that span: answers by their lines.

    A damaged sighting is none.
    """
    found: dict[bytes, Answer] = {}
    for name in ledger.seen:
        if name.span != span or name.run_id == run_id:
            continue
        with suppress(ObjectCorrupt, ObjectMissing, ValueError):
            found |= {pages.encode(one): one for one in _answers(lake, market, spec, name)}
    return found


def _answers(
    lake: Lake, market: Market, spec: ExchangeSpec, name: AbsentName | SeenName
) -> Iterator[Answer]:
    """Raises ObjectCorrupt, ValueError."""
    key = raw_key(market, name)
    for line in lake.codec.unpack(lake.store.read(key), key).splitlines():
        answer = pages.decode(line)
        if not pages.about(answer, market, spec):
            msg = f"it holds an answer about {answer.url}"
            raise ValueError(msg)
        yield answer
