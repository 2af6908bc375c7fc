"""`schemahub query`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schemahub.cli.athena import ask
from schemahub.cli.complete import stored
from schemahub.cli.render import FORMATS, TABLE_ROWS, render
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.core.errors import ObjectMissing, SchemaHubError, UsageError

if TYPE_CHECKING:
    from schemahub.adapters.duck import Duck, Result

TRIES = 3


@click.command()
@click.argument("sql", required=False)
@click.option("-f", "--file", "path", metavar="FILE", help="Read the SQL from a file; - is stdin.")
@click.option("--engine", type=click.Choice(["duckdb", "athena"]), show_default=True,
              default="duckdb", help="This machine, or Athena over what is published.")  # fmt: skip
@click.option("--limit-gb", type=click.IntRange(1, 9999), metavar="N",
              help="Stop at Athena what reads more. [default: athena_limit]")  # fmt: skip
@click.option("-o", "--output", type=click.Choice(FORMATS), help="[default: table]")
@click.option("--json", "as_json", is_flag=True, help="Short for --output json.")
@click.option("--rows", type=click.IntRange(1), default=TABLE_ROWS, show_default=True,
              help="How many rows a table shows.")  # fmt: skip
@click.option("--require-proof", is_flag=True,
              help="Refuse (exit 4) unless every trade that is read is proven.")  # fmt: skip
@click.option("--market", "markets", multiple=True, metavar="M", shell_complete=stored,
              help="With it: read only this market; repeat for more. [default: all]")  # fmt: skip
@click.option("--since", metavar="T", help="With it: certify from this time on.")
@click.option("--until", metavar="T", help="With it: certify up to this time.")
@click.option("--shallow", is_flag=True, help="With it: go by names; read no raw object.")
@common(reads=True)
def command(shell: Shell, /, **options: Any) -> int:
    """Ask the lake in SQL: one SELECT, WITH, EXPLAIN, DESCRIBE or the like.

    It can write nothing, and read nothing but the lake.

    Views: trades (exact), trades_float (DOUBLE, faster), bars_1m, markets. About the lake:
    gaps, watermarks, quarantined, runs, steps, requests, storage, scores, checks.

    \b
      schemahub query "select * from trades where symbol = 'BTC-USD' limit 5"
      schemahub query -f report.sql --output csv > report.csv
      schemahub query --require-proof --market BTC-USD --since 2026-01-01 --until 2026-02-01 \\
        "select count(*) from trades"
    """
    if not options["require_proof"]:
        _alone(options)
    form = "json" if options["as_json"] else options["output"] or "table"
    if options["engine"] == "athena":
        if options["require_proof"]:
            raise UsageError(
                "--require-proof is of the engine duckdb",
                "what Athena reads was published before, and is not certified as it is read",
                "leave --engine athena out",
            )
        sql = _sql(options["sql"], options["path"])
        ask(shell, sql, form, options["rows"], options["limit_gb"])
        return 0
    if options["limit_gb"] is not None:
        raise UsageError(
            "--limit-gb says nothing to this engine",
            "only Athena charges for what it reads",
            "leave it out, or add --engine athena",
        )
    shell.app.require_lake()
    sql = _sql(options["sql"], options["path"])

    if options["require_proof"]:
        aside(shell, lambda: _show_proven(shell, sql, form, options))
    else:
        aside(shell, lambda: show(shell, sql, form, options["rows"]))
    return 0


def _alone(options: dict[str, Any]) -> None:
    for name in ("markets", "since", "until", "shallow"):
        if options[name]:
            flag = "--market" if name == "markets" else f"--{name}"
            raise UsageError(
                f"{flag} says nothing without --require-proof",
                "of a query the SQL says what it reads",
                "add --require-proof, or write it into the SQL",
            )


def _show_proven(shell: Shell, sql: str, form: Any, options: dict[str, Any]) -> None:
    """The same over what is certified; each try certifies what it reads."""
    from schemahub.adapters.duck import Duck
    from schemahub.app.proof import certified
    from schemahub.cli.verify import workers
    from schemahub.core.times import instant
    from schemahub.rows import reads_facts

    backend, now = shell.app.backend(), shell.app.clock.now()
    markets = shell.app.stored_markets(options["markets"])
    since, until = (options[name] and instant(options[name], now) for name in ("since", "until"))

    def duck() -> Duck:
        slices = certified(
            backend, markets, (since, until), deep=not options["shallow"], workers=workers(shell)
        )
        named = reads_facts(sql)
        facts = backend.fact_tables(named) if named else []
        return Duck(slices, backend.market_rows(), facts=facts, objects=backend.objects)

    write(duck, lambda duck: duck.sql(sql), form, options["rows"])


def aside(shell: Shell, work: Callable[[], None]) -> None:
    """Does it in a thread: the engine lets no signal through while it computes."""
    for _, result in shell.app.threads.each(lambda do: do(), [work], 1):
        if isinstance(result, SchemaHubError):
            raise result


def show(shell: Shell, sql: str, form: Any = "table", rows: int = TABLE_ROWS) -> None:
    """Writes the result of `sql` to stdout. Raises UsageError for SQL that is not allowed."""
    from schemahub.adapters.duck import Duck
    from schemahub.rows import reads_bars, reads_facts

    backend = shell.app.backend()

    def duck() -> Duck:
        slices = backend.slices(None, bars=reads_bars(sql))
        named = reads_facts(sql)
        facts = backend.fact_tables(named) if named else []
        return Duck(slices, backend.market_rows(), facts=facts, objects=backend.objects)

    write(duck, lambda duck: duck.sql(sql), form, rows)


def write(
    source: Callable[[], Duck], ask: Callable[[Duck], Result], form: Any, rows: int = TABLE_ROWS
) -> None:
    """Writes the result of what is asked to stdout. Raises what asking raises."""
    for left in reversed(range(TRIES)):
        out = _Counted(sys.stdout.buffer)
        try:
            with source() as duck, ask(duck) as result:
                render(result, form, out, sys.stderr, rows=rows)  # type: ignore[arg-type]
                return
        except ObjectMissing:
            # A part was superseded and deleted while it was read: begin again, if nothing of
            # the old list was shown yet.
            if not left or out.written:
                raise


class _Counted:
    """stdout's buffer, and whether anything went into it."""

    def __init__(self, out: Any) -> None:
        self._out = out
        self.written = 0

    def write(self, data: bytes) -> int:
        self.written += len(data)
        return int(self._out.write(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)


def _sql(sql: str | None, path: str | None) -> str:
    if (sql is None) == (path is None):
        raise UsageError(
            "give the SQL, or a file with it",
            "both were given" if sql else "neither was given",
            'for example: schemahub query "select count(*) from trades"',
        )
    if path is None:
        return sql or ""
    if path == "-":
        return sys.stdin.read()
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read", str(error), "check the name") from None
