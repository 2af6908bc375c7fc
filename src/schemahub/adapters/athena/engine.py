"""One statement at Athena: started, waited for, read page by page, or stopped."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from schemahub.adapters.athena.session import Place, Session, Timing, line
from schemahub.adapters.athena.values import Typed
from schemahub.core.errors import (
    ConfigError,
    EngineError,
    Interrupted,
    SchemaHubError,
    UsageError,
)
from schemahub.core.statement import reading
from schemahub.ports import Found

# AWS's list price of most regions as of 2026-11; each statement is charged 10 MB at least.
USD_PER_TB = 5.0
_TB = 10**12
_GB = 10**9
_LEAST = 10 * 10**6
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 3.0
_PAGE = 1000  # rows: the most that Athena gives at once
_USER, _SYSTEM = 2, 1  # AthenaError's categories
_MISSING = ("SCHEMA_NOT_FOUND", "DATABASE_NOT_FOUND")


def price(scanned: int) -> float:
    """What reading so many bytes costs, in US dollars."""
    return max(scanned, _LEAST) / _TB * USD_PER_TB if scanned else 0.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How a statement is, as Athena says it: `seconds` since it was sent, bytes read so far."""

    state: str
    seconds: float
    scanned: int


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that ended well."""

    query_id: str
    seconds: float
    scanned: int
    kind: str


class Answer:
    """What a statement found: `columns` at once, the rows page by page, once."""

    def __init__(self, session: Session, query: Query) -> None:
        self.query = query
        self._session = session
        first = self._page(None)
        told = first["ResultSet"].get("ResultSetMetadata", {}).get("ColumnInfo", [])
        self.columns = tuple(
            Typed(
                str(column.get("Label") or column["Name"]),
                str(column["Type"]).partition("(")[0],
                int(column.get("Precision") or 0),
                int(column.get("Scale") or 0),
            )
            for column in told
        )
        self._first: dict[str, Any] | None = first

    def pages(self) -> Iterator[list[tuple[object, ...]]]:
        """The rows, at most 1,000 at a time, their values by the columns' types.

        Times with a zone are aware and in UTC, decimals exact. Raises EngineError.
        """
        page, self._first = self._first, None
        readers = [column.reader() for column in self.columns]
        heading = True
        while page is not None:
            rows = [[cell.get("VarCharValue") for cell in row.get("Data", [])] for row in
                    page["ResultSet"].get("Rows", [])]  # fmt: skip
            if heading and rows and self._is_heading(rows[0]):
                del rows[0]
            heading = False
            yield [self._typed(row, readers) for row in rows]
            token = page.get("NextToken")
            page = self._page(token) if token else None

    def _is_heading(self, row: list[str | None]) -> bool:
        """Queries begin with the names of their columns; SHOW and DESCRIBE do not."""
        return self.query.kind == "DML" or row == [column.name for column in self.columns]

    def _typed(
        self, row: list[str | None], readers: list[Callable[[str], object]]
    ) -> tuple[object, ...]:
        if len(row) != len(readers):
            raise EngineError(
                "Athena's answer cannot be read",
                f"a row of {len(row)} values in {len(readers)} columns",
                "run it again",
            )
        return tuple(
            None if text is None else read(text) for text, read in zip(row, readers, strict=True)
        )

    def _page(self, token: str | None) -> dict[str, Any]:
        parameters = {"NextToken": token} if token else {}
        return self._session.call(
            "the result cannot be read",
            "get_query_results",
            QueryExecutionId=self.query.query_id,
            MaxResults=_PAGE,
            **parameters,
        )


class Athena:
    """ports.Sql. Statements run in `place`, as whoever boto3 finds; only reading ones are sent.

    `limit` in bytes: a statement that was seen to have read more is stopped (what it read is
    charged all the same; the limit that holds is the workgroup's own). `pause` of `timing`
    saying True, or any exception while it waits, stops the statement at Athena too.
    """

    name = "athena"

    def __init__(
        self,
        place: Place,
        limit: int | None = None,
        timing: Timing | None = None,
        tell: Callable[[Progress], None] | None = None,
    ) -> None:
        self.place = place
        self._limit = limit
        self._session = Session(place, timing or Timing())
        self._tell = tell

    def query(self, statement: str) -> Found:
        """All rows in memory. Raises UsageError, ConfigError, EngineError, Interrupted."""
        answer = self.ask(statement)
        rows = tuple(row for page in answer.pages() for row in page)
        return Found(tuple(c.name for c in answer.columns), rows, answer.query.scanned)

    def ask(self, statement: str) -> Answer:
        """Runs it to its end; the rows are read as they are asked for. Raises as `query`."""
        text = reading(statement)
        return Answer(self._session, self._run(text))

    def _run(self, text: str) -> Query:
        begun = self._session.timing.monotonic()
        query_id = self._start(text)
        ended = False
        try:
            wait = _FIRST_WAIT
            while True:
                told = self._look(query_id)
                status, statistics = told["Status"], told.get("Statistics", {})
                state = str(status["State"])
                scanned = int(statistics.get("DataScannedInBytes") or 0)
                seconds = self._session.timing.monotonic() - begun
                if self._tell is not None:
                    self._tell(Progress(state, seconds, scanned))
                if state not in {"QUEUED", "RUNNING"}:
                    ended = True
                    if state != "SUCCEEDED":
                        _raise(state, status, self.place)
                    return Query(query_id, seconds, scanned, str(told.get("StatementType", "")))
                if self._limit is not None and scanned > self._limit:
                    raise _over(scanned, self._limit)
                if self._session.timing.pause(wait):
                    raise Interrupted
                wait = min(wait * 1.5, _LONGEST_WAIT)
        finally:
            if not ended:
                self._stop(query_id)

    def _start(self, text: str) -> str:
        place = self.place
        more: dict[str, Any] = {}
        if place.output:
            more["ResultConfiguration"] = {"OutputLocation": place.output.rstrip("/") + "/"}
        answer = self._session.call(
            "the statement cannot be started",
            "start_query_execution",
            QueryString=text,
            # Asked twice with one token it is started once.
            ClientRequestToken=secrets.token_hex(32),
            QueryExecutionContext={"Catalog": "AwsDataCatalog", "Database": place.database},
            WorkGroup=place.workgroup,
            **more,
        )
        return str(answer["QueryExecutionId"])

    def _look(self, query_id: str) -> dict[str, Any]:
        answer = self._session.call(
            "the statement cannot be followed", "get_query_execution", QueryExecutionId=query_id
        )
        told: dict[str, Any] = answer["QueryExecution"]
        return told

    def _stop(self, query_id: str) -> None:
        self._session.call(
            "the statement could not be stopped", "stop_query_execution", QueryExecutionId=query_id
        )


def _over(scanned: int, limit: int) -> SchemaHubError:
    return UsageError(
        f"the statement was stopped: it read {scanned / _GB:.1f} GB",
        f"the limit is {limit / _GB:g} GB; what it read costs about ${price(scanned):.2f}",
        "narrow it by exchange, symbol, time or columns, or raise athena_limit (--limit-gb)",
    )


def _raise(state: str, status: dict[str, Any], place: Place) -> NoReturn:
    why = line(str(status.get("StateChangeReason", "")))
    category = status.get("AthenaError", {}).get("ErrorCategory")
    if state == "CANCELLED":
        if "scan" in why.lower() and "limit" in why.lower():
            raise UsageError(
                "Athena stopped the statement at the workgroup's limit",
                why,
                "narrow it by exchange, symbol, time or columns, or raise the workgroup's limit",
            )
        raise EngineError(
            "the statement was stopped at Athena",
            why or f"somebody else stopped it in workgroup {place.workgroup}",
            "run it again",
        )
    if any(code in why for code in _MISSING):
        raise ConfigError(
            f"Athena has no database {place.database!r}",
            why,
            "`schemahub publish` makes it; the setting database names another",
        )
    if category == _USER or (category is None and _of_the_user(why)):
        do = "correct the statement: docs/athena.md tells where Athena's SQL differs"
        if "TABLE_NOT_FOUND" in why:
            do = "`schemahub publish` makes the tables; SHOW TABLES lists what there is"
        raise UsageError("the statement cannot be run", why, do)
    raise EngineError("Athena could not run the statement", why, "run it again")


def _of_the_user(why: str) -> bool:
    return why.startswith(("SYNTAX_ERROR", "TABLE_NOT_FOUND", "COLUMN_NOT_FOUND", "TYPE_MISMATCH"))
