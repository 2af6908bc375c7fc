"""`schemahub transform`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from schemahub.app import prices
from schemahub.cli.cost import dollars, in_words
from schemahub.cli.ingest import recorded
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.words import count, show, size, span, tell
from schemahub.core import cost
from schemahub.core.errors import LeaseHeld, UsageError
from schemahub.pipelines.build import PartTask
from schemahub.pipelines.job import Job, told
from schemahub.pipelines.transform import Outcome

if TYPE_CHECKING:
    from schemahub.app.engines import Engine


@click.command()
@click.option("--rebuild", is_flag=True, help="Make the table anew from raw, in a new version.")
@click.option("--workers", "transform_workers", type=int, metavar="N",
              help="Parts at once. [default: one a core; on Spark 200]")  # fmt: skip
@click.option(
    "--engine", type=click.Choice(["local", "spark"]), default="local", show_default=True,
    help="Where the parts are made: processes of this machine, or a Spark cluster.",
)  # fmt: skip
@click.option("--spark-master", metavar="URL",
              help="The cluster. [default: as Spark is configured]")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print the parts to write; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@common()
def command(shell: Shell, /, **options: Any) -> int:
    """Make the exact unified table from raw: only what raw holds and the table lacks.

    \b
      schemahub transform
      schemahub transform --rebuild --workers 2
      schemahub transform --engine spark --spark-master spark://host:7077
    """
    engine, master = options["engine"], options["spark_master"] or ""
    if master and engine != "spark":
        raise UsageError(
            "--spark-master is for --engine spark", f"the engine is {engine}", "add --engine spark"
        )
    shell.app.require_lake()
    rebuild = bool(options["rebuild"])
    if options["dry_run"]:
        return _plan(shell, rebuild=rebuild, as_json=options["as_json"])
    with recorded(shell, "transform", {"rebuild": rebuild, "engine": engine}) as job:
        transform(shell, job, rebuild=rebuild, engine=engine, master=master)
    if options["as_json"]:
        shell.json({"run_id": job.run_id, "markets": told(job.outcomes.get("transform", []))})
    return job.exit_code


def transform(
    shell: Shell,
    job: Job,
    *,
    rebuild: bool = False,
    exchanges: Collection[str] | None = None,
    wait: float = 0.0,
    engine: Engine = "local",
    master: str = "",
) -> list[Outcome]:
    """Runs the pipeline over all that raw holds, and says what it did. `exchanges`: of these alone.

    Raises Interrupted, and LeaseHeld if another run is still at it after `wait` seconds.
    """
    from schemahub.app import engines

    app = shell.app
    started = app.clock.monotonic()
    held = app.lake.markets()
    markets = [one for one in held if exchanges is None or one.exchange in exchanges]
    done: list[Outcome] = []
    workers = engines.parts_at_once(app, engine)
    with engines.transform(app, engine, master) as pipeline:
        for outcome in pipeline.run(markets, rebuild=rebuild, workers=workers, wait=wait):
            job.add("transform", outcome)
            done.append(outcome)
            _say(shell, outcome)
    rows, parts = sum(o.rows for o in done), sum(o.parts for o in done)
    shell.say(
        f"wrote {count(rows)} rows in {parts} part(s), {size(sum(o.bytes for o in done))}, "
        f"in {span(app.clock.monotonic() - started)}"
    )
    return done


def transform_in_turn(shell: Shell, job: Job, *, owing: bool) -> None:
    """The last step of a longer run: waits for another run's transform, then leaves it out.

    `owing`: as Job.skip has it. Raises Interrupted.
    """
    try:
        transform(shell, job, wait=float(shell.app.settings.lease_ttl))
    except LeaseHeld as error:
        tell(error)
        job.skip("transform", error, owing=owing)


def _say(shell: Shell, outcome: Outcome) -> None:
    for note in outcome.notes:
        shell.say(f"{outcome.market}: {note}")
    if outcome.error is not None:
        tell(outcome.error)
    quarantined = f", {outcome.rejected} quarantined" if outcome.rejected else ""
    shell.detail(
        f"{outcome.market}: {outcome.state}, {count(outcome.rows)} rows in "
        f"{outcome.parts} part(s){quarantined}"
    )


def part_of(task: PartTask) -> str:
    """A part to be written: its span, and how many rows where every position is one."""
    line = task.spec.line
    rows = f"{count(len(task.span))} rows, " if line.dense else ""
    return f"{rows}{line.between(task.span)}"


def _plan(shell: Shell, *, rebuild: bool, as_json: bool) -> int:
    tasks, plans, usd = planned(shell, rebuild=rebuild)
    if as_json:
        shell.json({"dry_run": True, "parts": plans, "cost_usd": usd})
        return 0
    print_parts(tasks, usd)
    return 0


def planned(
    shell: Shell, *, rebuild: bool = False
) -> tuple[list[PartTask], list[dict[str, Any]], float | None]:
    """The parts that raw holds and the table lacks; what making them costs, if it can be told."""
    pipeline = shell.app.transform()
    markets = shell.app.lake.markets()
    versions = pipeline.versions(markets, rebuild=rebuild, create=False)
    tasks = list(pipeline.plan(markets, versions))
    plans = [
        {
            "market": str(task.market),
            "version": task.version,
            "span": [task.span.start, task.span.stop],
            "axis": task.spec.axis,
            "rows": len(task.span) if task.spec.line.dense else None,
        }
        for task in tasks
    ]
    if not all(task.spec.line.dense for task in tasks):
        return tasks, plans, None
    rows = Decimal(sum(len(task.span) for task in tasks))
    lines = cost.tabling(prices.book(), rows, cost.ENGINES[0]) if rows else []
    return tasks, plans, dollars(lines)


def print_parts(tasks: Sequence[PartTask], usd: float | None) -> None:
    for task in tasks:
        show(f"{task.market} v{task.version}: {part_of(task)}")
    print(f"{len(tasks)} part(s) to write; nothing was written")
    if usd is not None:
        print(f"cost on AWS: {in_words(prices.book(), usd)}")
