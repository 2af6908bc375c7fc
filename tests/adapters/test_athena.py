"""Athena, asked through its API; the stand-in really runs the SQL over Iceberg tables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.glue import GlueCatalog

from schemahub.adapters.athena import Athena, Place, Progress, Timing, Typed, price
from schemahub.adapters.parquet.schema import ARROW_SCHEMA
from schemahub.core.errors import ConfigError, EngineError, Interrupted, SchemaHubError, UsageError
from tests.athena_server import AthenaServer, Manners, athena
from tests.glue_server import glue
from tests.s3_server import ACCESS_KEY, BUCKET, REGION, SECRET_KEY, S3Server

AT = datetime(2026, 11, 23, 5, 26, 18, 123456, UTC)
ROWS = 2500
PLACE = Place("schemahub", output=f"s3://{BUCKET}/athena", region=REGION)


def trades(count: int) -> pa.Table:
    columns = {
        "exchange": ["coinbase"] * count,
        "symbol": ["BTC-USD"] * count,
        "trade_id": list(range(1, count + 1)),
        "trade_ref": [None] * count,
        "side": ["buy" if n % 2 else None for n in range(count)],
        "price": [Decimal("65000.010000000001")] * count,
        "quantity": [Decimal(n + 1) for n in range(count)],
        "trade_ts": [AT] * count,
        "ingest_ts": [AT] * count,
    }
    schema = pa.schema([f.with_nullable(True).remove_metadata() for f in ARROW_SCHEMA])
    return pa.table(columns, schema=schema.remove_metadata())


@pytest.fixture(scope="module")
def service(seaweed_server: S3Server) -> Iterator[AthenaServer]:
    with glue() as glue_url, athena(glue_url, seaweed_server.url) as server:
        keys = {
            "glue.access-key-id": ACCESS_KEY,
            "glue.secret-access-key": SECRET_KEY,
            "s3.access-key-id": ACCESS_KEY,
            "s3.secret-access-key": SECRET_KEY,
        }
        catalog = GlueCatalog(
            "tests",
            **{"glue.endpoint": glue_url, "glue.region": REGION, "s3.region": REGION},
            **{"s3.endpoint": seaweed_server.url, "warehouse": f"s3://{BUCKET}/iceberg"},
            **keys,
        )
        catalog.create_namespace("schemahub")
        rows = trades(ROWS)
        catalog.create_table("schemahub.trades", rows.schema).append(rows)
        yield server


@pytest.fixture
def server(
    service: AthenaServer, credentials: None, monkeypatch: pytest.MonkeyPatch
) -> AthenaServer:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ATHENA", service.url)
    service.manners = Manners()
    service.asked.clear()
    service.queries.clear()
    return service


def engine(
    pause: Callable[[float], bool] = lambda _: False, place: Place = PLACE, **more: Any
) -> Athena:
    return Athena(place, timing=Timing(pause), **more)


def wait(_: float) -> bool:
    threading.Event().wait(0.02)
    return False


def test_values_come_exactly_as_the_table_holds_them(server: AthenaServer) -> None:
    found = engine(wait).query("SELECT * FROM trades WHERE trade_id IN (1, 2) ORDER BY trade_id;")
    assert found.columns == tuple(field.name for field in ARROW_SCHEMA)
    price_ = Decimal("65000.010000000001")
    assert found.rows == (
        ("coinbase", "BTC-USD", 1, None, None, price_, Decimal("1.000000000000"), AT, AT),
        ("coinbase", "BTC-USD", 2, None, "buy", price_, Decimal("2.000000000000"), AT, AT),
    )
    assert str(found.rows[0][5]) == "65000.010000000001"
    assert found.scanned is not None
    assert found.scanned > 0


def test_a_long_result_comes_page_by_page_and_whole(server: AthenaServer) -> None:
    answer = engine(wait).ask("SELECT trade_id, side FROM trades ORDER BY trade_id")
    pages = [len(page) for page in answer.pages()]
    assert sum(pages) == ROWS
    assert pages[0] == 999  # and the names of the columns
    assert server.asked["GetQueryResults"] == 3


def test_a_whole_page_of_nothing_and_an_empty_text_are_told_apart(server: AthenaServer) -> None:
    found = engine(wait).query("SELECT '' AS a, CAST(NULL AS varchar) AS b, true AS c, 1.5e0 AS d")
    assert found.rows == (("", None, True, 1.5),)
    assert engine(wait).query("SELECT 1 AS n FROM trades WHERE trade_id < 0").rows == ()


def test_listings_have_no_heading(server: AthenaServer) -> None:
    assert engine(wait).query("SHOW TABLES").rows == (("trades",),)


def test_being_throttled_and_failing_are_waited_out(server: AthenaServer) -> None:
    busy, broken = (400, "TooManyRequestsException", "Rate exceeded"), (500, "Internal", "oops")
    server.manners.refusals = {
        "StartQueryExecution": [busy, broken],
        "GetQueryExecution": [busy] * 3,
        "GetQueryResults": [broken],
    }
    assert engine(wait).query("SELECT count(*) FROM trades").rows == ((ROWS,),)
    assert len(server.queries) == 1


def test_being_throttled_for_ever_is_an_error_that_says_so(server: AthenaServer) -> None:
    server.manners.refusals["StartQueryExecution"] = [(400, "ThrottlingException", "no")] * 99
    with pytest.raises(EngineError, match=r"asked too often.*tried 8 times"):
        engine().query("SELECT 1")


@pytest.mark.parametrize(
    ("code", "message", "kind", "words"),
    [
        ("ExpiredTokenException", "The security token is expired", EngineError, "have expired"),
        ("UnrecognizedClientException", "invalid", EngineError, "access key is not known"),
        ("AccessDeniedException", "not authorized: x", EngineError, "access denied"),
        ("InvalidRequestException", "WorkGroup x is not found.", ConfigError, "workgroup"),
    ],
)
def test_what_athena_refuses_is_told_with_what_to_do(
    server: AthenaServer, code: str, message: str, kind: type[SchemaHubError], words: str
) -> None:
    server.manners.refusals["StartQueryExecution"] = [(400, code, message)]
    with pytest.raises(kind, match=words) as caught:
        engine().query("SELECT 1")
    assert caught.value.do
    assert server.asked["StartQueryExecution"] == 1


def test_no_output_location_and_no_workgroup_are_mistakes_of_settings(server: AthenaServer) -> None:
    with pytest.raises(ConfigError, match="where to put results") as caught:
        engine(place=Place("schemahub", region=REGION)).query("SELECT 1")
    assert "athena_output" in caught.value.do
    with pytest.raises(ConfigError, match="workgroup 'other'"):
        engine(place=Place("schemahub", "other", region=REGION)).query("SELECT 1")


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT nope FROM trades", "COLUMN_NOT_FOUND"),
        ("SELECT * FROM nothing", "TABLE_NOT_FOUND"),
        ("SELECT FROM WHERE", "mismatched input"),
        ("SELECT trade_id::varchar FROM trades", "mismatched input '::'"),
        ("SELECT count(*) AS n, side AS s FROM trades GROUP BY s", "COLUMN_NOT_FOUND"),
    ],
)
def test_wrong_sql_is_the_users(server: AthenaServer, sql: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        engine(wait).query(sql)


def test_a_database_that_is_not_there_is_a_mistake_of_settings(server: AthenaServer) -> None:
    with pytest.raises(ConfigError, match="no database 'other'"):
        engine(wait, Place("other", output=PLACE.output, region=REGION)).query("SELECT 1")


def test_a_fault_of_athena_is_no_mistake_of_the_user(server: AthenaServer) -> None:
    server.manners.fails = ("GENERIC_INTERNAL_ERROR: worker died", 1)
    with pytest.raises(EngineError, match="worker died"):
        engine(wait).query("SELECT 1")


def test_nothing_that_writes_reaches_athena(server: AthenaServer) -> None:
    with pytest.raises(UsageError, match="only one statement that reads"):
        engine().query("SELECT 1; DROP TABLE trades")
    assert not server.asked


def test_asked_to_stop_the_statement_is_stopped_at_athena_too(server: AthenaServer) -> None:
    server.manners.slow = 30
    with pytest.raises(Interrupted):
        engine(lambda _: True).query("SELECT 1")
    assert server.states == ["CANCELLED"]


def test_whatever_ends_the_waiting_stops_the_statement(server: AthenaServer) -> None:
    server.manners.slow = 30

    def tell(_: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine(tell=tell).query("SELECT 1")
    assert server.states == ["CANCELLED"]


def test_a_statement_that_reads_more_than_the_limit_is_stopped(server: AthenaServer) -> None:
    server.manners = Manners(slow=30, scanned=3 * 10**9)
    with pytest.raises(UsageError, match=r"it read 3\.0 GB") as caught:
        engine(wait, limit=2 * 10**9).query("SELECT * FROM trades")
    assert "limit is 2 GB" in caught.value.why
    assert "$0.01" in caught.value.why or "$0.02" in caught.value.why
    assert server.states == ["CANCELLED"]


def test_the_workgroups_own_limit_is_told_as_such(server: AthenaServer) -> None:
    server.manners.cutoff = 10
    with pytest.raises(UsageError, match="the workgroup's limit"):
        engine(wait).query("SELECT count(*) FROM trades")


def test_a_statement_that_somebody_else_stops_is_an_error(server: AthenaServer) -> None:
    server.manners.slow = 30

    def stop(_: float) -> bool:
        server.queries[next(iter(server.queries))]["Status"]["State"] = "CANCELLED"
        return False

    with pytest.raises(EngineError, match="stopped at Athena"):
        engine(stop).query("SELECT 1")


def test_an_answer_that_was_lost_starts_no_second_statement(server: AthenaServer) -> None:
    started = server.answer("StartQueryExecution", _start("x" * 32))
    assert server.answer("StartQueryExecution", _start("x" * 32)) == started


def _start(token: str) -> dict[str, Any]:
    return {
        "QueryString": "SELECT 1",
        "ClientRequestToken": token,
        "ResultConfiguration": {"OutputLocation": PLACE.output},
    }


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("bigint", "9223372036854775807", 2**63 - 1),
        ("timestamp with time zone", "2026-11-23 05:26:18.123456 UTC", AT),
        ("timestamp with time zone", "2026-11-23 06:26:18.123456 +01:00", AT),
        ("timestamp", "2026-11-23 05:26:18.123", AT.replace(tzinfo=None, microsecond=123000)),
        ("timestamp", "2026-11-23 05:26:18", AT.replace(tzinfo=None, microsecond=0)),
        ("decimal", "0.000000000001", Decimal("0.000000000001")),
        ("varbinary", "48 65", b"He"),
        ("array", "[1, 2]", "[1, 2]"),
    ],
)
def test_a_text_is_the_value_that_it_means(kind: str, text: str, value: object) -> None:
    assert Typed("x", kind).reader()(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("bigint", "1.5"),
        ("timestamp", "2026-11-23 05:26:18.1234567"),
        ("timestamp with time zone", "2026-11-23 05:26:18.1 Europe/Berlin"),
        ("boolean", "yes"),
        ("decimal", "one"),
    ],
)
def test_a_text_that_is_no_value_is_an_error_and_never_a_guess(kind: str, text: str) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        Typed("x", kind).reader()(text)


def test_the_least_that_is_charged_are_ten_megabytes() -> None:
    assert price(0) == 0
    assert price(1) == price(10**7) == pytest.approx(0.00005)
    assert price(10**12) == pytest.approx(5)
