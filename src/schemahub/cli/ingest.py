"""`schemahub ingest`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from schemahub.app import prices
from schemahub.cli import metrics
from schemahub.cli.complete import stored
from schemahub.cli.cost import dollars, in_words, limit_of
from schemahub.cli.progress import Progress
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.words import count, show, size, span, tell
from schemahub.core import cost
from schemahub.core.axis import IDS
from schemahub.core.errors import Interrupted, SchemaHubError, SpecError, UsageError
from schemahub.core.layout import Market
from schemahub.core.times import instant
from schemahub.pipelines.ingest import Outcome
from schemahub.pipelines.job import Job, exit_code, told
from schemahub.pipelines.plan import Plan, Wish
from schemahub.pipelines.plan_walks import plan_market
from schemahub.pipelines.source import Source

# A raw trade in bytes as stored (BENCHMARKS.md): for the plan's estimate only.
RAW_BYTES_PER_TRADE = 15


@click.command()
@click.argument("markets", nargs=-1, metavar="[MARKET]...", shell_complete=stored)
@click.option("--exchange", metavar="E", help="Exchange of markets named without one.")
@click.option("--since", metavar="T", help="From this time: 2024-01-31, an ISO time, 7d, 12h.")
@click.option("--until", metavar="T", help="To this time, exclusive. [default: now]")
@click.option("--full", is_flag=True, help="From the first trade that the exchange has.")
@click.option("--workers", type=int, metavar="N", help="Markets at once. [default: 3]")
@click.option(
    "--chunk-concurrency",
    type=int,
    metavar="N",
    help="Chunks of a market at once, three requests each. [default: 5]",
)
@click.option("--dry-run", is_flag=True, help="Print the plan; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON on stdout.")
@common(base_url=True)
def command(shell: Shell, /, **options: Any) -> int:
    """Fetch trades into the immutable raw layer.

    A MARKET is BTC-USD or EXCHANGE:BTC-USD; without one, the seed list (`update-seed`).
    Goes on from where the lake is; a market seen for the first time starts 45 minutes ago
    unless --since or --full says otherwise.

    \b
      schemahub ingest BTC-USD ETH-USD --since 1h
      schemahub ingest BTC-USD --full --dry-run
    """
    wish = make_wish(
        shell.app.clock.now(), options["since"], options["until"], full=options["full"]
    )
    markets = choose(shell, options["markets"])
    if options["dry_run"]:
        return _plan(shell, markets, wish, as_json=options["as_json"])
    shell.app.open_lake()
    with recorded(shell, "ingest", {"markets": [str(market) for market in markets]}) as job:
        ingest(shell, job, markets, wish)
    if options["as_json"]:
        shell.json({"run_id": job.run_id, "markets": told(job.outcomes.get("ingest", []))})
    return job.exit_code


def make_wish(now: datetime, since: str | None, until: str | None, *, full: bool) -> Wish:
    """Raises UsageError for times that cannot be, or that leave nothing between them."""
    if full and since:
        raise UsageError(
            "--full and --since exclude each other",
            "--full asks for everything, --since for what is newer than a time",
            "leave one out",
        )
    first = None if since is None else instant(since, now)
    last = None if until is None else instant(until, now)
    if first is not None and first >= (last or now):
        raise UsageError(
            f"--since {since} is not before {'--until ' + until if until else 'now'}",
            f"they mean {first.isoformat()} and {(last or now).isoformat()}",
            "exchange them, or leave --until out",
        )
    return Wish(first, last, full)


def choose(shell: Shell, texts: Sequence[str]) -> list[Market]:
    """The markets named, or those of the seeds. Raises UsageError if there are none."""
    if texts:
        return list(dict.fromkeys(shell.app.market(text) for text in texts))
    markets = shell.app.seeded()
    if not markets:
        raise UsageError(
            "no market is named, and there is no seed list",
            f"looked for seeds/*.json in {shell.app.settings.place}",
            "name markets, as BTC-USD, or run `schemahub update-seed --filter-regex '.*-USD'`",
        )
    return markets


def ingest(shell: Shell, job: Job, markets: Sequence[Market], wish: Wish) -> list[Outcome]:
    """Runs the pipeline, says what happened market by market. Raises Interrupted."""
    app = shell.app
    items: list[tuple[Source, Market]] = []
    done: list[Outcome] = []
    for market in markets:
        try:
            items.append((app.source(market), market))
        except SpecError as error:
            # Found in a seed: it must not keep the markets of other exchanges from being fetched.
            done.append(Outcome(market, "failed", error=error))
            job.add("ingest", done[-1])
    started = app.clock.monotonic()
    with Progress(shell):
        for outcome in app.ingest().run(items, wish, app.settings.workers):
            job.add("ingest", outcome)
            done.append(outcome)
    for outcome in done:
        _say(shell, outcome)
    seconds = app.clock.monotonic() - started
    trades = sum(outcome.trades for outcome in done)
    answered = app.metrics.count("request.answered")
    shell.say(
        f"ingested {count(trades)} trades of {len(done)} market(s) in {span(seconds)} "
        f"with {count(answered)} requests ({app.metrics.count('request.retried')} retried)"
    )
    return done


@contextmanager
def recorded(shell: Shell, command: str, asked: dict[str, Any]) -> Iterator[Job]:
    """A run whose record is stored however it ends; that it cannot be is said, not raised."""
    job = shell.app.job(command, asked)
    # What is recorded if nothing below gets to say how it ended.
    job.error = SchemaHubError("ended by a fault in schemahub")
    try:
        yield job
        job.error = None
    except SchemaHubError as error:
        job.error = error
        raise
    finally:
        shell.app.release()
        try:
            shell.detail(f"recorded as {job.close()}")
        except SchemaHubError as error:
            if job.error is None:
                tell(error)
                job.unrecorded = True
        metrics.tell(shell, job)


def _say(shell: Shell, outcome: Outcome) -> None:
    for note in outcome.notes:
        shell.say(f"{outcome.market}: {note}")
    if outcome.error is not None:
        tell(outcome.error)
    if outcome.state == "held":
        return
    mark = outcome.watermark
    at = "" if mark is None else f", watermark {shell.app.line(outcome.market).at(mark)}"
    shell.say(f"{outcome.market}: {outcome.state}, {count(outcome.trades)} trades saved{at}")
    # Of what the exchange does not show any more the notes told: nobody asks for it again.
    missing = outcome.missing - outcome.gone
    if missing and outcome.error is None:
        line = shell.app.line(outcome.market)
        spans = ", ".join(line.between(hole) for hole in missing.spans[:5])
        more = len(missing.spans) - 5
        attest = " (two runs, a settle time apart, attest an absence)" if line.dense else ""
        shell.say(
            f"  {f'{count(len(missing))} ids are ' if line.dense else ''}missing: {spans}"
            f"{f' and {more} more spans' if more > 0 else ''}; a later run asks again{attest}"
        )


def _plan(shell: Shell, markets: Sequence[Market], wish: Wish, *, as_json: bool) -> int:
    plans, failed = planned(shell, markets, wish)
    if as_json:
        shell.json({"dry_run": True, "markets": plans, "failed": told(failed)})
    else:
        print_plans(plans)
    good = [Outcome(market) for market in markets][: len(plans)]
    return exit_code([*good, *failed])


def planned(
    shell: Shell, markets: Sequence[Market], wish: Wish
) -> tuple[list[dict[str, Any]], list[Outcome]]:
    """A plan of each market, and the outcomes of those that cannot be planned."""
    app = shell.app
    plans: list[dict[str, Any]] = []
    failed: list[Outcome] = []
    for market in markets:
        try:
            source = app.source(market)
            plans.append(_planned(source, plan_market(app.lake, app.threads, source, market, wish)))
        except Interrupted:
            raise
        except SchemaHubError as error:
            failed.append(Outcome(market, "failed", error=error))
            tell(error)
    return plans, failed


def print_plans(plans: Sequence[dict[str, Any]]) -> None:
    for plan in plans:
        _print_plan(plan)
    known = [plan["cost_usd"] for plan in plans if plan["cost_usd"] is not None]
    if known:
        print(f"cost on AWS: {in_words(prices.book(), sum(known))}")


def _planned(source: Source, plan: Plan) -> dict[str, Any]:
    line = source.spec.line
    # How many trades a time holds, or ids that skip, only asking tells.
    trades = len(plan.work) if line.dense else None
    requests = None if trades is None else -(-trades // source.spec.trades.paging.page)
    return {
        "market": str(plan.market),
        "axis": line.kind,
        "spans": [[part.start, part.stop] for part in plan.work],
        "places": [[line.at(part.start), line.at(part.stop)] for part in plan.work],
        "trades": trades,
        "requests": requests,
        "seconds_at_limit": (
            None if requests is None else round(requests / source.spec.limits.rate, 1)
        ),
        "bytes": None if trades is None else trades * RAW_BYTES_PER_TRADE,
        "cost_usd": None if trades is None else _cost(source, trades),
        "new_origin": plan.start.origin,
        "reason": plan.start.reason,
        "notes": list(plan.notes),
    }


def _cost(source: Source, trades: int) -> float:
    if not trades:
        return 0.0
    limit = limit_of(source.spec)
    return dollars(cost.fetching(prices.book(), Decimal(trades), limit, cost.ENGINES[0]))


def _print_plan(plan: dict[str, Any]) -> None:
    why = f" ({plan['reason']})" if plan["reason"] else ""
    unknown = plan["trades"] is None
    amount = "trades" if unknown else f"{count(plan['trades'])} trades"
    show(f"{plan['market']}: {amount} to fetch{why}")
    dense = plan["axis"] == IDS.kind
    spans = zip(plan["spans"], plan["places"], strict=True)
    for (start, stop), (first, after) in list(spans)[:10]:
        print(f"  ids {start} to {stop - 1}" if dense else f"  from {first} to before {after}")
    if len(plan["spans"]) > 10:  # noqa: PLR2004
        print(f"  and {len(plan['spans']) - 10} more spans")
    if unknown:
        print("  how many only asking tells; nothing was written")
        return
    print(
        f"  about {count(plan['requests'])} requests, {span(plan['seconds_at_limit'])} at the "
        f"rate limit, {size(plan['bytes'])} of raw; nothing was written"
    )
