"""`schemahub update-seed`."""

from __future__ import annotations

from typing import Any

import click

from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.words import count, show
from schemahub.core.layout import seed_key
from schemahub.core.settings import DEFAULT_EXCHANGE
from schemahub.pipelines import seed as seeds


@click.command("update-seed")
@click.option(
    "--exchange", metavar="E", help=f"The exchange to list. [default: {DEFAULT_EXCHANGE}]"
)
@click.option("--merge", is_flag=True, help="Keep the markets that are in the seed already.")
@click.option("--filter-regex", metavar="R", help="Only symbols that match as a whole: '.*-USD'.")
@click.option("--dry-run", is_flag=True, help="Print the seed; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="The seed as JSON on stdout.")
@common(base_url=True)
def command(shell: Shell, /, **options: Any) -> int:
    """List the exchange's markets as those that `ingest` and `run` take by default.

    An empty or shrunken answer never wipes a seed; delisted markets stay, marked.

    \b
      schemahub update-seed --filter-regex '.*-USD'
      schemahub update-seed --filter-regex '(BTC|ETH)-EUR' --merge
    """
    app = shell.app
    exchange = app.settings.exchange
    seeds.matcher(options["filter_regex"])  # before anybody is asked
    source = app.exchange(exchange)
    known = seeds.read_seed(app.store, exchange)
    listing = seeds.listed(source)
    change = seeds.update(known, listing.seeds, options["filter_regex"], merge=options["merge"])
    if not options["dry_run"]:
        app.open_lake()
        seeds.write_seed(app.store, exchange, change.seeds, app.clock)
    if options["as_json"]:
        shell.json(
            {
                "exchange": exchange,
                "dry_run": options["dry_run"],
                "markets": [seed.symbol for seed in change.seeds],
                "added": list(change.added),
                "offline": list(change.gone),
                "skipped": listing.skipped,
            }
        )
        return 0
    for seed in change.seeds:
        show(f"{seed.symbol}  {seed.status}")
    if listing.skipped:
        shell.say(f"{count(listing.skipped)} listed rows name no market that can be asked for")
    shell.say(
        f"{count(len(change.seeds))} markets of {exchange}, {len(change.added)} new, "
        f"{len(change.gone)} not online; "
        + ("nothing was written" if options["dry_run"] else f"stored as {seed_key(exchange)}")
    )
    return 0
