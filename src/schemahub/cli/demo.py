"""`schemahub demo`."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from schemahub.app import App
from schemahub.cli.ingest import ingest, recorded
from schemahub.cli.query import show
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.transform import transform
from schemahub.cli.verify import certificates, conclude, print_certificates
from schemahub.core.settings import DEFAULT_EXCHANGE, Settings
from schemahub.pipelines.plan import Wish
from schemahub.sandbox import Generated, Sandbox

SQL = """
select symbol, count(*) as trades, min(price) as low, max(price) as high,
       sum(quantity) as volume, sum(quantity) filter (side = 'buy') as taker_bought,
       max(trade_ts) as last_trade
from trades group by symbol order by symbol
"""
MARKETS = {"BTC-USD": 12_345, "ETH-USD": 4_321}


@click.command()
@common()
def command(shell: Shell, /, **options: Any) -> int:
    """Run the whole job against the built-in exchange: no account, no network, 15 seconds.

    Ingests two markets over HTTP from loopback, makes the table, queries it, proves it.
    Without --lake and --s3-bucket the lake is a new temporary folder; in a bucket B it is
    s3://B/schemahub-demo/ and a name of its own.

    \b
      schemahub demo
      schemahub demo --lake ./demo
    """
    del options
    box = Sandbox(
        {symbol: Generated(seed=7, trades=trades) for symbol, trades in MARKETS.items()},
        rate=10,
        burst=15,
    )
    with box:
        settings = replace(_where(shell), base_urls=((DEFAULT_EXCHANGE, box.url),))
        return _run(
            Shell(
                App(settings, shell.app.stop, command="demo"),
                shell.quiet,
                shell.verbose,
                shell.progress,
            )
        )


def _where(shell: Shell) -> Settings:
    """Settings with the lake that was asked for by a flag; no other is touched."""
    given = shell.app.settings
    if shell.flags["s3_bucket"]:
        bucket, slash, prefix = given.s3_bucket.partition("/")
        return Settings(
            # Made-up trades must not get into the lake that is there, nor into an older demo's.
            s3_bucket=f"{bucket}/{prefix if slash else f'schemahub-demo/{shell.app.run_id}'}",
            aws_region=given.aws_region,
            aws_endpoint_url=given.aws_endpoint_url,
        )
    folder = shell.flags["lake"] or Path(tempfile.mkdtemp(prefix="schemahub-demo-")) / "lake"
    return Settings(lake=str(folder))


def _run(shell: Shell) -> int:
    app = shell.app
    markets = [app.market(symbol) for symbol in MARKETS]
    app.open_lake()
    with recorded(shell, "demo", {"markets": list(MARKETS)}) as job:
        _title(shell, "1. ingest: the exchange's answers, verbatim, into immutable raw")
        ingest(shell, job, markets, Wish(full=True))
        _title(shell, "2. transform: raw into one exact table")
        transform(shell, job)
    _title(shell, "3. query: SQL over it")
    show(shell, SQL)
    _title(shell, "4. verify: the certificate")
    found = certificates(shell, markets)
    print_certificates(found)
    kind = "under a prefix of the bucket" if app.settings.s3_bucket else "a folder"
    _title(shell, f"The lake is {kind}, yours to look at and to delete")
    shell.say(f"  {app.settings.place}")
    _title(shell, "The same with the live exchange")
    shell.say("  schemahub ingest BTC-USD ETH-USD --since 1h")
    shell.say("  schemahub transform")
    shell.say('  schemahub query "select * from trades order by trade_ts desc limit 10"')
    shell.say("  schemahub verify")
    return job.exit_code or conclude(found)


def _title(shell: Shell, text: str) -> None:
    shell.say("")
    shell.say(text)
