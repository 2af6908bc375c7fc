"""`schemahub query --engine athena`: the same outputs; what it reads and costs on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from schemahub.cli.render import render
from schemahub.cli.shell import Shell, listen
from schemahub.cli.words import size, span
from schemahub.core.errors import SchemaHubError

if TYPE_CHECKING:
    from schemahub.adapters.athena import Progress

_TOLD_EVERY = 5.0  # s


def ask(shell: Shell, sql: str, form: Any, rows: int, limit_gb: int | None) -> None:
    """Writes what Athena found to stdout, and what it read and costs to stderr.

    A signal stops the statement at Athena as well. Raises UsageError, ConfigError, EngineError.
    """
    # What reads a lake may end at once; here something goes on elsewhere, and is charged for.
    listen(shell.app, at_once=False)

    def work(_: None) -> None:
        _ask(shell, sql, form, rows, limit_gb)

    for _, result in shell.app.threads.each(work, [None], 1):
        if isinstance(result, SchemaHubError):
            raise result


def _ask(shell: Shell, sql: str, form: Any, rows: int, limit_gb: int | None) -> None:
    from schemahub.adapters.athena import price
    from schemahub.adapters.duck import Given
    from schemahub.app import engines

    engine = engines.athena(shell.app, limit_gb, _Told(shell))
    try:
        answer = engine.ask(sql)
        columns = [(column.name, column.duckdb) for column in answer.columns]
        query = answer.query
        shell.say(
            f"Athena read {size(query.scanned)} in {span(query.seconds)}: "
            f"about ${price(query.scanned):.5f}"
        )
        render(Given(columns, answer.pages()), form, sys.stdout.buffer, sys.stderr, rows=rows)
    except SchemaHubError:
        shell.app.stop.check()  # by the signal that it was, if one was the reason
        raise


class _Told:
    """Says now and then how far a statement is."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._at = 0.0

    def __call__(self, progress: Progress) -> None:
        if self._shell.progress and progress.seconds - self._at >= _TOLD_EVERY:
            self._at = progress.seconds
            self._shell.say(
                f"Athena: {progress.state.lower()} for {span(progress.seconds)}, "
                f"{size(progress.scanned)} read"
            )
