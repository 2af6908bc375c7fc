"""`schemahub quality`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from schemahub.cli.complete import stored
from schemahub.cli.query import aside
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.verify import explicit_exchange
from schemahub.cli.words import count, show, span, table, tell
from schemahub.core.errors import Interrupted, PartlyFailed, SchemaHubError, UsageError
from schemahub.core.layout import Market
from schemahub.core.quality import SAMPLES, Check, Result, bound, plain
from schemahub.core.times import instant
from schemahub.pipelines.job import Job
from schemahub.pipelines.quality import Report, failed, write_report

SHOWN_MARKETS = 20
LEVELS = ("warn", "error", "never")


@click.command()
@click.argument("markets", nargs=-1, metavar="[MARKET]...", shell_complete=stored)
@click.option("--exchange", metavar="E", help="Exchange of markets named without one.")
@click.option("--check", "names", multiple=True, metavar="NAME", help="Only this check.")
@click.option("--since", metavar="T", help="Look back to this time, not as each check does.")
@click.option("--fail-on", "level", type=click.Choice(LEVELS), default="error",
              show_default=True, help="From which severity on the exit code is 4.")  # fmt: skip
@click.option("--samples", type=click.IntRange(1, 1000), default=SAMPLES, show_default=True,
              help="Rows of each market and check; more than 5 are printed.")  # fmt: skip
@click.option("--checks", "own", metavar="DIR", help="A folder with checks of your own.")
@click.option("--list", "listed", is_flag=True, help="List the checks; run none.")
@click.option("--sql", "shown", metavar="NAME", help="Print the SQL of a check; run none.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), help="[default: table]")
@click.option("--json", "as_json", is_flag=True, help="Short for --output json.")
@common(reads=True)
def command(shell: Shell, /, **options: Any) -> int:
    """Check the data of the lake: gaps, duplicates, outliers, silence, a side turned round.

    Each check is one SELECT that finds offending rows. Exit 4 if one of severity error finds
    any, or could not run.

    \b
      schemahub quality
      schemahub quality BTC-USD --check price_outlier --since 30d --samples 20
      schemahub quality --sql freshness
    """
    from schemahub.adapters.checks import checks

    own = Path(options["own"]) if options["own"] else None
    as_json = options["as_json"] or options["output"] == "json"
    if options["listed"] or options["shown"]:
        return _describe(shell, checks(own), options, as_json=as_json)
    shell.app.require_lake()
    markets = shell.app.stored_markets(options["markets"], explicit_exchange(shell))
    if not markets:
        raise UsageError(
            "there is nothing to check",
            f"{shell.app.settings.place} holds no market",
            "`schemahub ingest` fetches one",
        )
    some = bool(options["markets"] or explicit_exchange(shell))
    report = _report(shell, markets if some else (), own, options)
    if as_json:
        shell.json(report.as_json())
    else:
        _print(report, rows=options["samples"] > SAMPLES)
    error = None if options["level"] == "never" else failed(report, options["level"])
    if error is not None:
        tell(error)
    stored = _store(shell, report)
    return error.exit_code if error else 0 if stored else PartlyFailed.exit_code


def judge(shell: Shell, job: Job, fetched: Sequence[Market]) -> None:
    """The last step of a run: every check, told on stderr and in the run's record.

    `fetched` are the markets of which the run has all there is. Raises Interrupted.
    """
    asked = dict.fromkeys(fetched, job.started_at)
    found: list[Report] = []

    def work() -> None:
        with shell.app.backend().quality(asked=asked) as quality:
            found.append(quality.run(job.run_id))

    try:
        aside(shell, work)
    except Interrupted:
        raise
    except SchemaHubError as error:
        tell(error)
        job.unjudged(error)
        return
    (report,) = found
    job.judge(report)
    shell.say(f"quality: {_summary(report)}")
    verdict = failed(report, "error")
    if verdict is not None:
        tell(verdict)
    _store(shell, report)


def _store(shell: Shell, report: Report) -> bool:
    """Whether the report is stored, or is a partial one that nobody would compare."""
    if report.partial:
        return True
    try:
        shell.detail(f"stored as {write_report(shell.app.store, report)}")
    except Interrupted:
        raise
    except SchemaHubError as error:
        tell(error)
        return False
    return True


def _report(
    shell: Shell, markets: Sequence[Market], own: Path | None, options: dict[str, Any]
) -> Report:
    since = None
    if options["since"]:
        since = instant(options["since"], shell.app.clock.now())
    found: list[Report] = []

    def work() -> None:
        with shell.app.backend().quality(own) as quality:
            found.append(
                quality.run(
                    shell.app.run_id,
                    markets=[str(market) for market in markets],
                    names=options["names"],
                    since=since,
                    samples=options["samples"],
                )
            )

    aside(shell, work)
    return found[0]


# ---------------------------------------------------------------- words


def _describe(
    shell: Shell, checks: Sequence[Check], options: dict[str, Any], *, as_json: bool
) -> int:
    if options["shown"]:
        found = next((one for one in checks if one.name == options["shown"]), None)
        if found is None:
            raise UsageError(
                f"there is no check {options['shown']!r}",
                f"there are: {', '.join(one.name for one in checks)}",
                "see `schemahub quality --list`",
            )
        now = shell.app.clock.now()
        print(bound(found, now, instant(options["since"], now) if options["since"] else None))
        return 0
    if as_json:
        told = [
            {
                "check": one.name,
                "about": one.about,
                "scope": one.scope,
                "severity": one.severity,
                "threshold": one.threshold,
                "window_hours": None if one.window is None else one.window.total_seconds() / 3600,
            }
            for one in checks
        ]
        shell.json({"checks": told})
        return 0
    rows = [(one.name, one.scope, one.severity, _window(one), one.about) for one in checks]
    table(("check", "scope", "severity", "looks back", "finds"), rows)
    return 0


def _window(check: Check) -> str:
    if check.window is None:
        return "all"
    hours = check.window.total_seconds() / 3600
    return f"{hours:g} h" if hours <= 48 else f"{hours / 24:g} d"  # noqa: PLR2004


def _summary(report: Report) -> str:
    bad = [f"{report.count(one)} {one}" for one in ("failed", "error", "warn") if report.count(one)]
    said = f"score {report.score:g} of 100, {len(report.results)} checks"
    return f"{said}, {', '.join(bad) or 'nothing found'}, in {span(report.seconds)}"


def _print(report: Report, *, rows: bool) -> None:
    found = [
        (
            one.check.name,
            one.status,
            "-" if one.failure else count(one.found),
            str(len(one.observed)),
            one.check.threshold,
        )
        for one in report.results
    ]
    table(("check", "status", "found", "in", "threshold"), found, right=(2, 3))
    print()
    scores = sorted(report.scores.items(), key=lambda pair: (pair[1], pair[0]))
    told = [(market, str(score), _why(report, market)) for market, score in scores[:SHOWN_MARKETS]]
    table(("market", "score", "because of"), told, right=(1,))
    if len(scores) > SHOWN_MARKETS:
        show(f"and {len(scores) - SHOWN_MARKETS} more markets, none with a lower score; see --json")
    print()
    for one in report.results:
        if one.status != "ok" and (rows or one.status in {"failed", "error"}):
            _samples(one)
    show(_summary(report))


def _why(report: Report, market: str) -> str:
    names = [
        one.check.name
        for one in report.results
        if one.status not in {"ok", "note"} and one.touches(market)
    ]
    return ", ".join(names) or "-"


def _samples(one: Result) -> None:
    show(f"{one.check.name}: {one.check.about}")
    if one.failure is not None:
        show(f"  could not run: {one.failure.what}: {' '.join(one.failure.why.split())}")
    for row in one.samples:
        cells = (
            f"{name} {plain(value)}"
            for name, value in zip(one.columns, row, strict=True)
            if value is not None
        )
        show(f"  {', '.join(cells)}")
    print()
