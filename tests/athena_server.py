"""Athena's API on loopback, which really runs the SQL (tests/athena_sql.py)."""

from __future__ import annotations

import csv
import io
import json
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import duckdb

from tests import athena_sql
from tests.athena_sql import Malformed
from tests.s3_server import REGION, client

Json = dict[str, Any]


@dataclass
class Manners:
    """How it behaves; to be changed by tests while it runs.

    `slow` is how long a statement runs at least, in seconds; `scanned` what it says to have
    read, of its own accord the size of the tables' live files. `refusals`, by operation, are
    (status, code, message), given one by one before it answers. `fails`: every statement ends
    so, with this reason and this error category. `cutoff` is the workgroup's limit in bytes.
    """

    slow: float = 0.0
    scanned: int | None = None
    refusals: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)
    fails: tuple[str, int] | None = None
    cutoff: int | None = None
    workgroups: dict[str, str] = field(default_factory=lambda: {"primary": ""})


class _Refused(Exception):
    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


@dataclass
class AthenaServer:
    """`asked` counts the calls of each operation; `queries` are those that were started."""

    glue_url: str
    s3_url: str
    manners: Manners = field(default_factory=Manners)
    asked: Counter[str] = field(default_factory=Counter)
    queries: dict[str, Json] = field(default_factory=dict)
    url: str = ""

    def __post_init__(self) -> None:
        # A test's environment may name this server's own URL for every service.
        keys = {"aws_access_key_id": "tests", "aws_secret_access_key": "tests"}
        self._glue = boto3.client("glue", endpoint_url=self.glue_url, region_name=REGION, **keys)
        self._s3 = client(self.s3_url)
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._works: list[threading.Thread] = []

    def close(self) -> None:
        """Waits for what is under way: it uses services that end after this one."""
        self._closing.set()
        for work in self._works:
            work.join()

    @property
    def states(self) -> list[str]:
        return [query["Status"]["State"] for query in self.queries.values()]

    # ------------------------------------------------------------ what it answers

    def answer(self, operation: str, given: Json) -> Json:
        self.asked[operation] += 1
        if waiting := self.manners.refusals.get(operation):
            status, code, message = waiting.pop(0)
            raise _Refused(code, message, status)
        answers = {
            "StartQueryExecution": self._start,
            "GetQueryExecution": self._look,
            "GetQueryResults": self._results,
            "StopQueryExecution": self._stop,
            "GetWorkGroup": self._workgroup,
        }
        if operation not in answers:
            raise _Refused("InvalidRequestException", f"unsupported {operation}")
        return answers[operation](given)

    def _start(self, given: Json) -> Json:
        token = given.get("ClientRequestToken", "")
        if not 32 <= len(token) <= 128:
            raise _Refused("InvalidRequestException", "ClientRequestToken has a wrong length")
        group = given.get("WorkGroup", "primary")
        output = self._output(group, given)
        with self._lock:
            if token in self._tokens:
                return {"QueryExecutionId": self._tokens[token]}
            query_id = self._tokens[token] = str(uuid.uuid4())
        sql = given["QueryString"]
        utility = re.match(r"\s*(SHOW|DESCRIBE|EXPLAIN)\b", sql, re.IGNORECASE)
        ready: Any
        try:
            ready = sql if utility else athena_sql.transpiled(sql)
        except Malformed as error:
            raise _Refused("InvalidRequestException", str(error)) from None
        except duckdb.Error as error:
            ready = error
        self.queries[query_id] = {
            "QueryExecutionId": query_id,
            "Query": sql,
            "StatementType": "UTILITY" if utility else "DML",
            "WorkGroup": group,
            "QueryExecutionContext": given.get("QueryExecutionContext", {}),
            "ResultConfiguration": {"OutputLocation": f"{output.rstrip('/')}/{query_id}.csv"},
            "Status": {"State": "QUEUED", "SubmissionDateTime": time.time()},
            "Statistics": {},
        }
        work = threading.Thread(target=self._run, args=(query_id, ready), daemon=True)
        self._works.append(work)
        work.start()
        return {"QueryExecutionId": query_id}

    def _output(self, group: str, given: Json) -> str:
        if group not in self.manners.workgroups:
            raise _Refused("InvalidRequestException", f"WorkGroup {group} is not found.")
        output = self.manners.workgroups[group]
        output = output or given.get("ResultConfiguration", {}).get("OutputLocation", "")
        if not output:
            raise _Refused(
                "InvalidRequestException",
                "No output location provided. An output location is required either through "
                "the Workgroup result configuration setting or as an API input.",
            )
        return str(output)

    def _look(self, given: Json) -> Json:
        told = self._query(given)
        shown = {key: value for key, value in told.items() if not key.startswith("_")}
        return {"QueryExecution": json.loads(json.dumps(shown))}

    def _stop(self, given: Json) -> Json:
        query = self._query(given)
        with self._lock:
            if query["Status"]["State"] in {"QUEUED", "RUNNING"}:
                query["Status"].update(
                    State="CANCELLED", StateChangeReason="Query cancelled by user"
                )
        return {}

    def _workgroup(self, given: Json) -> Json:
        group = given["WorkGroup"]
        output = self.manners.workgroups[group]
        own = {"ResultConfiguration": {"OutputLocation": output}} if output else {}
        return {"WorkGroup": {"Name": group, "State": "ENABLED", "Configuration": own}}

    def _query(self, given: Json) -> Json:
        found = self.queries.get(given["QueryExecutionId"])
        if found is None:
            raise _Refused("InvalidRequestException", "QueryExecution was not found")
        return found

    def _results(self, given: Json) -> Json:
        query = self._query(given)
        state = query["Status"]["State"]
        if state != "SUCCEEDED":
            raise _Refused(
                "InvalidRequestException", f"Query has not yet finished. Current state: {state}"
            )
        rows, count = query["_rows"], min(int(given.get("MaxResults", 1000)), 1000)
        at = int(given.get("NextToken") or 0)
        told = [
            {"Data": [{} if cell is None else {"VarCharValue": cell} for cell in row]}
            for row in rows[at : at + count]
        ]
        columns = [
            {"CatalogName": "hive", "Name": name, "Label": name, "Type": kind[0],
             "Precision": kind[1], "Scale": kind[2], "Nullable": "UNKNOWN"}
            for name, kind in query["_columns"]
        ]  # fmt: skip
        answer = {"ResultSet": {"Rows": told, "ResultSetMetadata": {"ColumnInfo": columns}}}
        return answer if at + count >= len(rows) else {**answer, "NextToken": str(at + count)}

    # ------------------------------------------------------------ a statement

    def _run(self, query_id: str, ready: Any) -> None:
        query, manners = self.queries[query_id], self.manners
        query["Statistics"] = {"DataScannedInBytes": manners.scanned or 0}
        self._become(query, "RUNNING")
        if self._closing.wait(manners.slow):
            return
        try:
            query["_columns"], query["_rows"], scanned = self._found(query, ready)
            scanned = scanned if manners.scanned is None else manners.scanned
            query["Statistics"]["DataScannedInBytes"] = scanned
            if manners.cutoff is not None and scanned > manners.cutoff:
                why = "Query cancelled! : Bytes scanned limit was exceeded"
                self._become(query, "CANCELLED", StateChangeReason=why)
                return
            self._keep(query)
        except _Ended as error:
            self._failed(query, str(error), error.category)
        except duckdb.Error as error:
            self._failed(query, _reason(str(error)), 2)
        except self._glue.exceptions.EntityNotFoundException:
            database = query["QueryExecutionContext"].get("Database")
            why = f"SCHEMA_NOT_FOUND: line 1:15: Schema '{database}' does not exist"
            self._failed(query, why, 2)
        else:
            self._become(query, "SUCCEEDED")

    def _become(self, query: Json, state: str, **more: Any) -> None:
        with self._lock:
            if query["Status"]["State"] != "CANCELLED":
                query["Status"].update(State=state, **more)

    def _failed(self, query: Json, why: str, category: int) -> None:
        error = {"ErrorCategory": category, "ErrorMessage": why}
        self._become(query, "FAILED", StateChangeReason=why, AthenaError=error)

    def _found(self, query: Json, sql: Any) -> tuple[list[Any], list[Any], int]:
        database = query["QueryExecutionContext"].get("Database", "default")
        if self.manners.fails is not None:
            raise _Ended(*self.manners.fails)
        if isinstance(sql, Exception):
            raise sql
        with athena_sql.catalog(self._glue, self.s3_url, database) as (connection, tables):
            if query["StatementType"] == "UTILITY":
                return self._listed(query["Query"], connection, list(tables))
            cursor = connection.execute(sql)
            described = [(str(one[0]), str(one[1])) for one in cursor.description or ()]
            table = cursor.to_arrow_table()
        texts = [[athena_sql.written(v) for v in column.to_pylist()] for column in table.columns]
        heading = tuple(name for name, _ in described)
        columns = [(name, athena_sql.kind(duck)) for name, duck in described]
        words = set(re.findall(r"\w+", query["Query"].lower()))
        scanned = sum(self._size(one) for name, one in tables.items() if name in words)
        return columns, [heading, *zip(*texts, strict=True)], scanned

    def _listed(self, sql: str, connection: Any, tables: list[str]) -> tuple[Any, Any, int]:
        if sql.lstrip().upper().startswith("EXPLAIN"):
            inner = athena_sql.transpiled(re.sub(r"^\s*EXPLAIN\s+", "", sql, flags=re.IGNORECASE))
            plan = connection.execute(f"EXPLAIN {inner}").fetchall()
            name = "Query Plan"
            return [(name, ("varchar", 0, 0))], [(name,), *[(line[1],) for line in plan]], 0
        if sql.lstrip().upper().startswith("SHOW TABLES"):
            return [("tab_name", ("string", 0, 0))], [(name,) for name in sorted(tables)], 0
        table = sql.rsplit(maxsplit=1)[-1].strip("`")
        described = connection.execute(f"DESCRIBE {table}").fetchall()
        rows = [(f"{one[0]:20}\t{athena_sql.kind(one[1])[0]:20}\t",) for one in described]
        return [("col_name", ("string", 0, 0))], rows, 0

    def _size(self, table: Json) -> int:
        """Of an Iceberg table its live files, as its metadata adds them up."""
        metadata = table.get("Parameters", {}).get("metadata_location")
        if not metadata:
            return 0
        bucket, _, key = metadata.removeprefix("s3://").partition("/")
        told = json.loads(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        now = told.get("current-snapshot-id")
        for snapshot in told.get("snapshots", []):
            if snapshot["snapshot-id"] == now:
                return int(snapshot.get("summary", {}).get("total-files-size", 0))
        return 0

    def _keep(self, query: Json) -> None:
        text = io.StringIO()
        lines = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        lines.writerows([["" if v is None else v for v in row] for row in query["_rows"]])
        place = query["ResultConfiguration"]["OutputLocation"].removeprefix("s3://")
        bucket, _, key = place.partition("/")
        self._s3.put_object(Bucket=bucket, Key=key, Body=text.getvalue().encode())


class _Ended(Exception):
    def __init__(self, why: str, category: int) -> None:
        super().__init__(why)
        self.category = category


def _reason(words: str) -> str:
    """DuckDB's complaint under Athena's names."""
    words = " ".join(words.split())[:300]
    if words.startswith("COLUMN_NOT_FOUND"):
        return words
    if "Table with name" in words:
        return f"TABLE_NOT_FOUND: line 1:15: {words}"
    return f"COLUMN_NOT_FOUND: {words}" if "column" in words.lower() else f"SYNTAX_ERROR: {words}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, athena: AthenaServer) -> None:
        self.athena = athena
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nobody reads it."""

    def do_POST(self) -> None:
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        try:
            status, told = 200, self.athena.answer(operation, given)
        except _Refused as error:
            status, told = error.status, {"__type": error.code, "Message": str(error)}
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def athena(glue_url: str, s3_url: str) -> Iterator[AthenaServer]:
    made = AthenaServer(glue_url, s3_url)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, athena=made))
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        made.close()
