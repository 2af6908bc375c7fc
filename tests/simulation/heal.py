"""After a schedule: one fault-free run of each job, and nothing may be left wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from schemahub.core.errors import SchemaHubError
from schemahub.core.span import Span
from schemahub.pipelines import bars
from schemahub.pipelines.plan import Wish
from tests.simulation.checks import Checks
from tests.simulation.jobs import Jobs
from tests.simulation.market import MARKET, SETTLE, mask, positions
from tests.simulation.schedule import CRASHES, Process

if TYPE_CHECKING:
    from tests.simulation.world import World

PLAIN = 3


def heal(world: World) -> None:
    """Raises Violation."""
    schedule, checks = world.schedule, world.checks
    schedule.calm = True
    schedule.now = max(schedule.now, world.exchange.reveal()) + timedelta(seconds=SETTLE)
    # A good trade above all others: what lies below it can be dated.
    world.exchange.trade(PLAIN, plainly=True)
    schedule.tick(2 * SETTLE)
    jobs = world.jobs(_process(world, "heal"))
    try:
        _each_job_once(world, jobs)
    except SchemaHubError as error:
        checks.broken(f"healing fails: {error.code} {error}")
    except CRASHES as error:
        checks.broken(f"healing crashes: {error!r}")
    _whole(world, checks, world.jobs(_process(world, "proof")))


def _process(world: World, kind: str) -> Process:
    process = Process(len(world.schedule.processes) + 1, kind)
    world.schedule.processes.append(process)
    world.checks.begins(process)
    return process


def _each_job_once(world: World, jobs: Jobs) -> None:
    checks = world.checks
    if world.seed % 5 == 0:
        # Before repair: what rots in a version that nobody reads is found once it is read.
        jobs.transform(rebuild=True)
    if world.seed % 2:
        # From now on more is wanted: what lies below has its two runs after this one.
        jobs.ingest(Wish(full=True))
        jobs = world.jobs(_process(world, "heal"))
        world.schedule.tick(2 * SETTLE)
    jobs.repair(audit=True)
    world.schedule.tick(2 * SETTLE)
    second = world.jobs(_process(world, "again"))
    outcome = second.ingest(Wish())
    if outcome.error is not None:
        raise outcome.error
    if outcome.state != "complete":
        checks.broken(f"after two runs {outcome.missing.spans} are missing")
    second.transform(rebuild=False)
    world.schedule.tick(2 * 86_400)
    second.compact()
    second.remove_versions()


def _whole(world: World, checks: Checks, jobs: Jobs) -> None:
    """The table is what the exchange serves, and the certificate says so."""
    exchange = world.exchange
    checks.expect(bool(checks.origins), "no origin is stored")
    span = Span(min(checks.origins), exchange.top + 1)
    wanted = mask(span)
    served = good = 0
    for position, one in exchange.sold.items():
        if wanted >> position & 1:
            served |= 1 << position
            good |= one.good << position
    rows = jobs.read()
    shown = sum(1 << row[0] for row in rows) & wanted
    checks.expect(
        shown == good,
        f"the table lacks {positions(good & ~shown)} and has {positions(shown & ~good)} too many",
    )
    attested = checks.absent & wanted
    holes = wanted & ~served
    checks.expect(
        attested == holes,
        f"attested absent are {positions(attested)}, but the holes are {positions(holes)}",
    )
    found = jobs.verify().certificate
    expected = "proven"
    if holes:
        expected = "absent_at_source"
    if served & ~good:
        expected = "quarantined"
    checks.expect(
        found.status == expected and found.span == span and not found.damaged,
        f"the certificate says {found.status} of {found.span}, not {expected} of {span}: "
        f"{found.holes} {found.damaged}",
    )
    refused = 0
    for hole in found.holes:
        refused |= mask(hole.span) if hole.status == "quarantined" else 0
    checks.expect(
        refused == served & ~good,
        f"quarantined are {positions(refused)}, bad are {positions(served & ~good)}",
    )
    checks.expect(
        found.count == good.bit_count(), f"{found.count} rows, {good.bit_count()} good trades"
    )
    for version in jobs.lake.readable(MARKET.exchange):
        lacking = [one.span for one in bars.lacking(jobs.lake, version, [MARKET])]
        checks.expect(not lacking, f"the parts {lacking} of v{version} have no bars")
    world.schedule.counts["markets healed"] += 1
