"""`schemahub exchange check`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.words import show, table, tell
from schemahub.core.conformance import Finding
from schemahub.core.errors import SpecError, UsageError
from schemahub.core.page import Answer
from schemahub.core.sample import Sampled, sampled
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import Trade
from schemahub.core.wire import Reader

FAILED = 4
_ROWS = 20  # of a sample that are shown; of refused ones all are
_WIDE = 90  # letters of a raw row in a table
_LARGEST = 32 * 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@click.command(short_help="Is a spec valid, and does the exchange do what it says?")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--sample", type=click.Path(path_type=Path), metavar="ANSWER",
              help="A captured answer: each raw row beside its unified row.")  # fmt: skip
@click.option("--live", is_flag=True, help="Ask the exchange: a dozen requests.")
@click.option("--base-url", metavar="URL", help="Ask this URL instead.")
@click.option("--market", metavar="BASE-QUOTE",
              help="The market to ask for. [default: one that the exchange lists]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on stdout.")
@common()
def check(shell: Shell, /, **options: Any) -> int:
    """Check that FILE is a valid spec, and that the exchange does what it says.

    Tells every mistake with its line (exit 6). With a sample: what the rows become. With --live
    or --base-url: a verdict on each point that can be seen from outside. Exit 4 if rows are
    refused or a point failed.

    \b
      schemahub exchange check acme.yaml --sample answer.json
      schemahub exchange check acme.yaml --live --market BTC-USDT
    """
    if options["live"] and options["base_url"]:
        raise UsageError(
            "--live and --base-url exclude each other",
            "--live asks the base_url of the spec, --base-url another",
            "leave one out",
        )
    path: Path = options["file"]
    told: dict[str, Any] = {"file": str(path), "valid": True, "mistakes": []}
    try:
        spec = _spec(path)
    except SpecError as error:
        if options["as_json"]:
            shell.json({**told, "valid": False, "mistakes": list(error.mistakes)})
        else:
            for line in by_line(path, error):
                show(line)
        tell(SpecError(error.what, ("each mistake is on stdout, with its line",), error.do))
        return SpecError.exit_code
    rows = None if options["sample"] is None else _sample(shell, spec, path, options["sample"])
    url = spec.base_url if options["live"] else options["base_url"]
    found = None if url is None else _conformance(shell, spec, url, options["market"])
    if options["as_json"]:
        told["exchange"] = spec.exchange
        told["sample"] = None if rows is None else [_as_json(row) for row in rows]
        told["conformance"] = None if found is None else [_finding(one) for one in found]
        shell.json(told)
    else:
        _print(shell, spec, rows, found)
    refused = any(row.trade is None and not row.void for row in rows or ())
    failed = any(one.verdict == "failed" for one in found or ())
    return FAILED if refused or failed else 0


def by_line(path: Path, error: SpecError) -> list[str]:
    """Each mistake as FILE:LINE: what, as compilers say it and editors find it."""
    return [f"{path}:{mistake.removeprefix('line ')}" for mistake in error.mistakes]


def _spec(path: Path) -> ExchangeSpec:
    from schemahub.adapters.specs import load

    return load(path)


def _sample(shell: Shell, spec: ExchangeSpec, path: Path, sample: Path) -> tuple[Sampled, ...]:
    """Raises UsageError if there is no such file, SpecError if the spec does not read it."""
    try:
        with sample.open("rb") as file:
            body = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{sample} cannot be read", str(error), "name a captured answer") from None
    answer = Answer(shell.app.clock.now(), str(sample), 200, "", body)
    try:
        return sampled(answer, Reader(spec))
    except ValueError as error:
        raise SpecError(
            f"{path} does not read {sample}",
            (str(error),),
            "correct trades.rows or errors; the sample is the whole answer, byte for byte",
        ) from None


def _conformance(shell: Shell, spec: ExchangeSpec, url: str, symbol: str | None) -> list[Finding]:
    from schemahub.pipelines.conformance import Conformance

    app = shell.app
    if symbol is not None:
        symbol = symbol.rpartition(":")[2].upper()
        if "-" not in symbol.strip("-"):
            raise UsageError(
                f"{symbol!r} is not a market", "a market is BASE-QUOTE", "write it like BTC-USDT"
            )
    found = []
    for finding in Conformance(app.connect(spec, url), symbol).run():
        shell.detail(f"{finding.point}: {finding.verdict}")
        found.append(finding)
    asked = app.metrics.count("request.answered")
    shell.detail(f"{asked} requests answered by {url}")
    return found


def _print(
    shell: Shell,
    spec: ExchangeSpec,
    rows: tuple[Sampled, ...] | None,
    found: list[Finding] | None,
) -> None:
    shell.say(f"{spec.exchange}: a valid spec of {spec.title}")
    if rows is not None:
        _print_sample(shell, spec, rows)
    if found is None:
        shell.say("the exchange was not asked: --live asks it, --base-url URL another")
    else:
        table(("point", "verdict", "evidence"), [(f.point, f.verdict, f.evidence) for f in found])


def _print_sample(shell: Shell, spec: ExchangeSpec, rows: tuple[Sampled, ...]) -> None:
    if spec.trades.fields.side.of == "maker":
        shell.say("side: the wire tells the maker's, and is turned round to the taker's")
    shown = [row for index, row in enumerate(rows) if index < _ROWS or row.trade is None]
    head = ("trade_id", "side", "price", "quantity", "trade_ts", "as it came")
    table(head, [(*_cells(row), _short(row.raw)) for row in shown], right=(0, 2, 3))
    refused = [row for row in rows if row.trade is None and not row.void]
    shell.say(f"{len(rows)} rows, {len(refused)} refused; {len(shown)} shown")
    for row in refused:
        advice = f" ({row.advice})" if row.advice else ""
        shell.say(f"refused: {row.reason}{advice}: {_short(row.raw)}")


def _short(raw: bytes) -> str:
    text = raw.decode("utf-8", "replace")
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"


def _cells(row: Sampled) -> tuple[str, ...]:
    if row.trade is None:
        return ("-", "void" if row.void else "refused", "-", "-", "-")
    return tuple(str(value) for value in _unified(row.trade).values())


def _unified(trade: Trade) -> dict[str, Any]:
    """Its columns; decimals as texts, so that no digit is lost."""
    moment = _EPOCH + timedelta(microseconds=trade.trade_ts)
    return {
        "trade_id": trade.trade_id,
        "side": trade.side,
        "price": format(trade.price, "f"),
        "quantity": format(trade.quantity, "f"),
        "trade_ts": moment.isoformat(timespec="microseconds"),
    }


def _as_json(row: Sampled) -> dict[str, Any]:
    return {
        "raw": row.raw.decode("utf-8", "replace"),
        "trade": None if row.trade is None else _unified(row.trade),
        "reason": row.reason or None,
    }


def _finding(one: Finding) -> dict[str, str]:
    return {"point": one.point, "verdict": one.verdict, "evidence": one.evidence}
