"""`schemahub quarantine`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from schemahub.cli.complete import stored
from schemahub.cli.ingest import recorded
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.transform import transform
from schemahub.cli.verify import explicit_exchange
from schemahub.cli.words import count, table, tell, visible
from schemahub.core.errors import ProofFailed, SchemaHubError
from schemahub.core.layout import Market
from schemahub.core.trade import Rejected
from schemahub.pipelines.quarantine import Held, Kept, Tried, by_kind, kind, lost

ANSWERS = "answers that could not be read"
FIRST_BYTES = 200
PARTLY = 3


@click.group()
def command() -> None:
    """What was refused, why, and what a better spec gains.

    Nothing in quarantine is lost: raw keeps it, and `replay` tries it again.

    \b
      schemahub quarantine list
      schemahub quarantine replay --dry-run
    """


@command.command("list", short_help="How many were refused, by market and reason.")
@click.argument("markets", nargs=-1, metavar="[MARKET]...", shell_complete=stored)
@click.option("--exchange", metavar="E", help="Only this exchange.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on stdout.")
@common(reads=True)
def list_(shell: Shell, /, **options: Any) -> int:
    """How many rows and answers of each market were refused, by reason.

    \b
      schemahub quarantine list
      schemahub quarantine list BTC-USD --json
    """
    found = _look(shell, options["markets"])
    if options["as_json"]:
        shell.json({"markets": [_summary(shell, held) for held in found]})
        return _damage(shell, found)
    rows = []
    for held in found:
        for reason, refused in by_kind(held.rows).items():
            line = shell.app.line(held.market)
            first, last = line.at(refused[0].position), line.at(refused[-1].position)
            rows.append((str(held.market), visible(reason), count(len(refused)), first, last))
        if held.answers:
            rows.append((str(held.market), ANSWERS, count(len(held.answers)), "-", "-"))
    if rows:
        table(("market", "reason", "rows", "first", "last"), rows, right=(2, 3, 4))
    elif not any(held.damaged for held in found):
        shell.say("nothing is in quarantine: no part refused a row, every answer could be read")
    return _damage(shell, found)


def _summary(shell: Shell, held: Held) -> dict[str, Any]:
    return {
        "market": str(held.market),
        "axis": shell.app.line(held.market).kind,
        "rows": len(held.rows),
        "answers": len(held.answers),
        "reasons": [
            {
                "reason": reason,
                "rows": len(refused),
                "in_table": sum(row.in_table for row in refused),
                "first": refused[0].position,
                "last": refused[-1].position,
            }
            for reason, refused in by_kind(held.rows).items()
        ],
        "damaged": list(held.damaged),
    }


@command.command(short_help="The refused rows themselves, as they came.")
@click.argument("markets", nargs=-1, metavar="[MARKET]...", shell_complete=stored)
@click.option("--exchange", metavar="E", help="Only this exchange.")
@click.option("--reason", metavar="R", help="Only rows whose reason holds these words.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True,
              help="Rows at most, and answers at most.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on stdout.")
@common(reads=True)
def show(shell: Shell, /, **options: Any) -> int:
    """The refused rows themselves: where they stand in raw, and their text as it came.

    \b
      schemahub quarantine show BTC-USD
      schemahub quarantine show --reason "price: zero" --limit 100 --json
    """
    found = _look(shell, options["markets"])
    wanted = (options["reason"] or "").casefold()
    rows = [
        (held.market, row) for held in found for row in held.rows if wanted in row.reason.casefold()
    ]
    # An answer that could not be read has no row, and so none of the reasons of rows.
    answers = [] if wanted else [(held.market, kept) for held in found for kept in held.answers]
    limit = options["limit"]
    more = len(rows[limit:]) + len(answers[limit:])
    if options["as_json"]:
        shell.json(
            {
                "rows": [_row(shell, *one) for one in rows[:limit]],
                "answers": [_answer(*one) for one in answers[:limit]],
                "more": more,
            }
        )
        return _damage(shell, found)
    for market, row in rows[:limit]:
        beside = " (another row of this id is in the table)" if row.in_table else ""
        where = shell.app.line(market).at(row.position)
        print(f"{market} {where}: {visible(row.reason)}{beside}")
        print(f"  in {row.source}, received {row.at}")
        print(f"  {visible(row.raw)}")
    for market, kept in answers[:limit]:
        said = _answer(market, kept)
        print(f"{market}: an answer that could not be read, {said['bytes']} bytes")
        print(f"  in {kept.key}, received {said['at']}, from {visible(kept.answer.url)}")
        print(f"  {visible(said['text'])}")
    if more:
        shell.say(f"… and {count(more)} more; --limit shows them")
    if not rows and not answers:
        shell.say("nothing like that is in quarantine" if wanted else "nothing is in quarantine")
    return _damage(shell, found)


def _row(shell: Shell, market: Market, row: Rejected) -> dict[str, Any]:
    return {
        "market": str(market),
        "axis": shell.app.line(market).kind,
        "position": row.position,
        "trade_id": row.trade_id,
        "reason": row.reason,
        "in_table": row.in_table,
        "source": row.source,
        "url": row.url,
        "at": row.at,
        "raw": row.raw,
    }


def _answer(market: Market, kept: Kept) -> dict[str, Any]:
    body = kept.answer.body
    return {
        "market": str(market),
        "key": kept.key,
        "url": kept.answer.url,
        "at": kept.answer.at.isoformat(timespec="microseconds"),
        "bytes": len(body),
        "text": body[:FIRST_BYTES].decode("utf-8", "backslashreplace"),
    }


@command.command(short_help="Try them by today's spec; make the table anew if it gains.")
@click.argument("markets", nargs=-1, metavar="[MARKET]...", shell_complete=stored)
@click.option("--exchange", metavar="E", help="Only this exchange.")
@click.option("--dry-run", is_flag=True, help="Only say what would be gained; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on stdout.")
@common()
def replay(shell: Shell, /, **options: Any) -> int:
    """Try what is quarantined by today's spec; if it gains rows, make the table anew.

    The new table is a version of its own, of the whole exchange, from raw: `transform
    --rebuild`. If nothing is gained, nothing is written.

    \b
      schemahub quarantine replay --dry-run
      schemahub quarantine replay BTC-USD
    """
    shell.app.require_lake()
    pipeline = shell.app.replay()
    known = pipeline.quarantine.markets()
    markets = shell.app.stored_markets(options["markets"], explicit_exchange(shell), known)
    tried = []
    for market in markets:
        shell.app.stop.check()
        tried.append(pipeline.market(market))
    exchanges = sorted({one.market.exchange for one in tried if one.gained})
    if options["dry_run"] or not exchanges:
        _report(shell, tried, {"dry_run": options["dry_run"], "rebuilt": []}, options["as_json"])
        if not exchanges:
            shell.say("no refused row would be a row by today's spec; nothing was written")
        return _damage(shell, [one.held for one in tried])
    return _rebuild(shell, tried, exchanges, as_json=options["as_json"])


def _rebuild(shell: Shell, tried: Sequence[Tried], exchanges: list[str], *, as_json: bool) -> int:
    """Makes the tables of these exchanges anew, and says what is left."""
    quarantine = shell.app.quarantine()
    mine = [one for one in quarantine.markets() if one.exchange in exchanges]
    before = {market: quarantine.market(market) for market in mine}
    asked = {"markets": [str(one.market) for one in tried], "exchanges": exchanges}
    with recorded(shell, "quarantine replay", asked) as job:
        transform(shell, job, rebuild=True, exchanges=exchanges)
    after = {market: quarantine.market(market) for market in mine}
    worse = [row for market in mine for row in lost(before[market], after[market])]
    left = {str(market): len(held.rows) for market, held in after.items()}
    said = {"run_id": job.run_id, "dry_run": False, "rebuilt": exchanges, "lost": len(worse)}
    _report(shell, tried, said, as_json, left)
    shell.say(f"{count(sum(left.values()))} rows of {', '.join(exchanges)} are left in quarantine")
    if worse:
        tell(_worse(worse))
    damage = _damage(shell, list(after.values()))
    return job.exit_code or (ProofFailed.exit_code if worse else damage)


def _worse(rows: list[Rejected]) -> SchemaHubError:
    first = rows[0]
    return ProofFailed(
        f"{len(rows)} rows that were in the table are refused by today's spec",
        f"the first: id {first.position}: {first.reason}",
        "correct the spec and replay again; the version before this one is still stored",
    )


def _report(
    shell: Shell,
    tried: Sequence[Tried],
    said: dict[str, Any],
    as_json: bool,
    left: dict[str, int] | None = None,
) -> None:
    told = [_told(one, left or {}) for one in tried]
    if as_json:
        shell.json({**said, "markets": told})
        return
    rows = [
        (one["market"], visible(group["reason"]), *(count(group[name]) for name in _COUNTED))
        for one in told
        for group in one["reasons"]
    ]
    if rows:
        head = ("market", "reason", *(name.replace("_", " ") for name in _COUNTED))
        table(head, rows, right=tuple(range(2, 2 + len(_COUNTED))))
    for one in told:
        if one["unfetched"]:
            shell.say(
                f"{one['market']}: {one['unfetched']} rows could be read now, but raw is not named "
                f"for their ids: `schemahub ingest {one['market']}` asks for them"
            )
        if one["answers"]:
            good = sum(answer["rows"] > 0 for answer in one["answers"])
            shell.say(
                f"{one['market']}: {good} of {len(one['answers'])} {ANSWERS} "
                "hold rows that are new today; `schemahub ingest` asks for those ids again"
            )


_COUNTED = ("rows", "would_be_rows", "unfetched", "conflicts", "unread")


def _told(tried: Tried, left: dict[str, int]) -> dict[str, Any]:
    """A market's trial as JSON shows it."""
    groups: dict[str, dict[str, Any]] = {}
    names = {"row": "would_be_rows", "conflict": "conflicts"}
    for one in tried.rows:
        reason = kind(one.row.reason)
        group = groups.setdefault(reason, {"reason": reason, **dict.fromkeys(_COUNTED, 0)})
        group["rows"] += 1
        name = names.get(one.outcome, one.outcome)
        if name in group:  # those still refused are the rest
            group[name] += 1
    ordered = [groups[reason] for reason in sorted(groups)]
    return {
        "market": str(tried.market),
        **{name: sum(group[name] for group in ordered) for name in _COUNTED},
        "left": left.get(str(tried.market)),
        "reasons": ordered,
        "answers": [
            {"key": one.kept.key, "rows": len(one.ids), "reason": one.reason}
            for one in tried.answers
        ],
    }


def _look(shell: Shell, texts: Sequence[str]) -> list[Held]:
    """What is in quarantine of these markets; without a name of all, of whatever exchange."""
    shell.app.require_lake()
    pipeline = shell.app.quarantine()
    known, exchange = pipeline.markets(), explicit_exchange(shell)
    if texts:
        markets = shell.app.stored_markets(texts, exchange, known)
    else:
        markets = [market for market in known if exchange in (None, market.exchange)]
    return [pipeline.market(market) for market in markets]


def _damage(shell: Shell, found: Sequence[Held]) -> int:
    """The exit code; what could not be read is said, for nothing of it was counted."""
    for held in found:
        for key in held.damaged:
            shell.say(f"{held.market}: {visible(key)} is damaged, nothing of it is counted")
    damaged = any(held.damaged for held in found)
    if damaged:
        shell.say("`schemahub repair` makes damaged parts anew; a damaged answer can be deleted")
    return PARTLY if damaged else 0
