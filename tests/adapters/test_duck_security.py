"""A query writes nowhere, reaches no network and reads nothing but the lake."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from schemahub.adapters.duck import Duck, MarketRow
from schemahub.core.errors import UsageError
from schemahub.core.span import Span
from tests.duck_lake import BTC, FolderObjects, write_part

SECRET = "the-secret-canary"

# {secret}: a file outside; {lake}: a file of the lake; {out}: a path to write; {url}: a server.
REFUSED = [
    # statements that write, by themselves or behind another
    "COPY (SELECT 1) TO '{out}'",
    "COPY (SELECT 1) TO '{lake}'",
    "COPY (SELECT 1) TO '{lake}' (FORMAT parquet, OVERWRITE_OR_IGNORE true)",
    "COPY trades TO '{out}' (FORMAT csv)",
    "COPY trades FROM '{secret}'",
    "COPY FROM DATABASE memory TO other",
    "EXPORT DATABASE '{out}'",
    "IMPORT DATABASE '{out}'",
    "EXPLAIN COPY (SELECT 1) TO '{out}'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{lake}'",
    "explain/**/analyze/**/copy (select 1) to '{out}'",
    "EXPLAIN -- SELECT\nANALYZE /* SELECT */ COPY (SELECT 1) TO '{out}'",
    "EXPLAIN (ANALYZE) COPY (SELECT 1) TO '{out}'",
    "EXPLAIN (FORMAT json) COPY (SELECT 1) TO '{out}'",
    "EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '{out}'",
    "EXPLAIN EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
    "EXPLAIN ANALYZE DELETE FROM markets",
    "EXPLAIN ANALYZE INSERT INTO markets (market) VALUES ('x')",
    "EXPLAIN ANALYZE ATTACH '{out}'",
    "EXPLAIN ANALYZE SET threads = 1",
    "EXPLAIN SELECT 1; COPY (SELECT 1) TO '{out}'",
    "EXPLAIN ANALYZE SELECT 1; DELETE FROM markets",
    "EXPLAIN",
    "EXPLAIN ANALYZE",
    # catalogue and data
    "CREATE TABLE t (a INT)",
    "CREATE TEMP TABLE t AS FROM trades",
    "CREATE OR REPLACE VIEW trades AS SELECT 1",
    "CREATE MACRO f() AS 1",
    "CREATE TABLE t AS FROM read_text('{secret}')",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "CREATE SCHEMA s",
    "CREATE SEQUENCE s",
    "CREATE TYPE t AS ENUM ('a')",
    "INSERT INTO markets (market) VALUES ('x')",
    "UPDATE markets SET held = 0",
    "DELETE FROM markets",
    "TRUNCATE markets",
    "MERGE INTO markets USING markets AS m ON markets.market = m.market WHEN MATCHED THEN DELETE",
    "ALTER TABLE markets ADD COLUMN x INT",
    "COMMENT ON TABLE markets IS 'x'",
    "DROP VIEW trades",
    "DROP TABLE markets",
    "VACUUM",
    "ANALYZE",
    "CHECKPOINT",
    "FORCE CHECKPOINT",
    # the session
    "SET threads = 1",
    "SET GLOBAL lock_configuration = false",
    "SET enable_external_access = true",
    "SET VARIABLE x = 1",
    "RESET threads",
    "USE memory",
    "PRAGMA version",
    "PRAGMA enable_profiling",
    "PRAGMA profiling_output = '{out}'",
    "PRAGMA database_list",
    "PRAGMA add_parquet_key('k', '0123456789012345')",
    "/* SELECT */ PRAGMA version",
    "-- SELECT\nPRAGMA version",
    "CALL pragma_version()",
    "CALL enable_logging(storage = 'file', storage_path = '{out}')",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "ATTACH '{out}' AS other",
    "ATTACH '{url}/x.duckdb' AS other (READ_ONLY)",
    "DETACH memory",
    "INSTALL httpfs",
    "FORCE INSTALL httpfs FROM '{url}'",
    "LOAD httpfs",
    "LOAD '{secret}'",
    "UPDATE EXTENSIONS",
    # more than one, or none
    "SELECT 1; SELECT 2",
    "SELECT 1; DELETE FROM markets",
    "SELECT 1; COPY (SELECT 1) TO '{out}'",
    "SELECT 1; PRAGMA version",
    "SELECT 1; IMPORT DATABASE '{out}'",
    ";DELETE FROM markets",
    "",
    " \n\t",
    ";",
    "-- SELECT 1",
    "/* SELECT 1 */",
    "/* SELECT 1",
    "SELECT 1 \0; DELETE FROM markets",
    "SELECT '\ud800'",
    "SELECT " + "1 + " * 5000 + "1",
    "SELECT '" + "x" * 1_000_001 + "'",
    # files
    "SELECT * FROM '{secret}'",
    'SELECT * FROM "{secret}"',
    "FROM '{lake}'",
    "FROM '{lake}' AS trades",
    "TABLE '{secret}'",
    "DESCRIBE '{secret}'",
    "DESCRIBE FROM '{secret}'",
    "SUMMARIZE '{secret}'",
    "SUMMARIZE FROM read_csv('{secret}')",
    "SHOW '{secret}'",
    "FROM read_text('{secret}')",
    "FROM READ_TEXT('{secret}')",
    "FROM \"read_text\"('{secret}')",
    "FROM main.read_text('{secret}')",
    "FROM system.main.read_text('{secret}')",
    "FROM read_blob('{secret}')",
    "FROM read_csv('{secret}')",
    "FROM read_csv_auto('{secret}')",
    "FROM read_json('{secret}')",
    "FROM read_json_objects('{secret}')",
    "FROM read_ndjson_auto('{secret}')",
    "FROM read_parquet('{secret}')",
    "FROM parquet_scan('{lake}')",
    "FROM read_parquet(['{lake}', '{secret}'])",
    "FROM read_parquet('{lake}/../../../../../{out}')",
    "FROM read_duckdb('{secret}')",
    "FROM sniff_csv('{secret}')",
    "FROM glob('/etc/*')",
    "FROM glob('{lake}')",
    "FROM parquet_metadata('{lake}')",
    "FROM parquet_schema('{lake}')",
    "FROM parquet_file_metadata('{lake}')",
    "FROM parquet_kv_metadata('{lake}')",
    "FROM parquet_full_metadata('{lake}')",
    "FROM parquet_bloom_probe('{lake}', 'symbol', 'x')",
    "SELECT (SELECT content FROM read_text('{secret}'))",
    "SELECT * FROM trades WHERE side IN (SELECT content FROM read_text('{secret}'))",
    "SELECT 1 ORDER BY (SELECT content FROM read_text('{secret}'))",
    "SELECT [x FOR x IN (SELECT list(content) FROM read_text('{secret}'))]",
    "WITH a AS (SELECT * FROM read_text('{secret}')) FROM a",
    "WITH a AS MATERIALIZED (FROM '{secret}') FROM a",
    "WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT 2 FROM read_text('{secret}')) FROM a",
    "FROM trades AS t, LATERAL (FROM read_text(t.side))",
    "SELECT 1 UNION ALL SELECT content FROM read_text('{secret}')",
    "VALUES ((SELECT content FROM read_text('{secret}')))",
    "EXPLAIN SELECT * FROM read_text('{secret}')",
    "EXPLAIN ANALYZE SELECT * FROM '{secret}'",
    "PIVOT (FROM read_csv('{secret}')) ON column0 IN ('x') USING count(*)",
    "SELECT * FROM (PIVOT (FROM read_csv('{secret}')) ON column0 IN ('x') USING count(*))",
    "FROM (DESCRIBE FROM read_csv('{secret}'))",
    "FROM (SUMMARIZE '{secret}')",
    # the network
    "FROM read_text('{url}/x')",
    "FROM '{url}/x.parquet'",
    "FROM 's3://bucket/x.parquet'",
    "FROM read_csv('https://127.0.0.1/x.csv')",
    # SQL in a text
    "FROM query('COPY (SELECT 1) TO ''{out}''')",
    "FROM query('SELECT 1')",
    "FROM query_table('{secret}')",
    "FROM query_table(['trades'])",
    "FROM json_execute_serialized_sql(json_serialize_sql('FROM trades'))",
    "SELECT json_serialize_plan('FROM read_csv(''{secret}'')')",
    "SELECT json_serialize_sql('SELECT 1')",
    # memory, logs, settings, the machine
    "FROM arrow_scan(1, 2, 3)",
    "FROM arrow_scan_dumb(1, 2, 3)",
    "FROM pandas_scan(1)",
    "FROM python_map_function(1)",
    "FROM seq_scan('markets')",
    "FROM enable_logging(storage = 'file', storage_path = '{out}')",
    "SELECT (SELECT count(*) FROM enable_logging(storage = 'file', storage_path = '{out}'))",
    "FROM enable_profiling()",
    "FROM disable_logging()",
    "FROM checkpoint()",
    "FROM force_checkpoint()",
    "FROM duckdb_secrets()",
    "FROM duckdb_settings()",
    "FROM duckdb_logs()",
    "FROM duckdb_temporary_files()",
    "FROM truncate_duckdb_logs()",
    "FROM which_secret('s3://x', 's3')",
    "FROM pragma_version()",
    "FROM pragma_storage_info('markets')",
    "FROM test_all_types()",
    "SELECT write_log('x')",
    "SELECT getenv('HOME')",
    "SELECT current_setting('allowed_paths')",
    "SELECT sleep_ms(60000)",
    "SELECT nextval('s')",
    # not of the list of statements
    "TABLE markets",
    "PIVOT markets ON symbol USING sum(held)",
    "WITH a AS (PIVOT markets ON symbol USING sum(held)) FROM a",
]

ALLOWED = [
    "SELECT count(*) FROM trades",
    "select 1;",
    " /* a */ -- b\n SELECT 1",
    "\ufeffSELECT 1",
    "(SELECT 1)",
    "FROM trades LIMIT 1",
    "VALUES (1), (2)",
    "WITH a AS (FROM trades) SELECT * FROM a",
    "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 5) FROM a",
    'WITH "my trades" AS (FROM trades) SELECT * FROM "my trades"',
    "SELECT 'COPY x TO y; DROP TABLE z' AS text",
    "SELECT * FROM memory.main.trades LIMIT 1",
    "SELECT * FROM TRADES",
    "SELECT a.trade_id FROM trades AS a ASOF JOIN trades AS b ON a.trade_id >= b.trade_id",
    "SELECT unnest([1, 2]), * FROM range(3)",
    "SELECT * FROM generate_series(1, 3)",
    "SELECT row_number() OVER (ORDER BY trade_id) FROM trades QUALIFY 1 = 1",
    "SELECT * EXCLUDE (trade_ref) FROM trades",
    "SELECT list_transform([1], lambda x: x + 1)",
    "SELECT * FROM trades USING SAMPLE 2 ROWS",
    "SELECT * FROM (PIVOT markets ON symbol IN ('BTC-USD') USING sum(held))",
    "SELECT time_bucket(INTERVAL '5 minutes', trade_ts) AS t, avg(price) FROM trades GROUP BY t",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT count(*) FROM trades",
    "EXPLAIN (SELECT 1)",
    "DESCRIBE trades",
    "DESC bars_1m",
    "DESCRIBE SELECT price FROM trades",
    "SUMMARIZE trades",
    "SUMMARIZE SELECT price FROM trades",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SELECT * FROM information_schema.columns",
    "SELECT function_name FROM duckdb_functions()",
]  # fmt: skip


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Server:
    """Accepts on loopback and counts who called."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.calls = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            self.calls += 1
            peer.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


class Scene:
    """A lake, a secret beside it, a server, and a place where nothing may appear."""

    def __init__(self, root: Path, server: Server, objects: FolderObjects | None) -> None:
        self.root = root
        self.tables = 4 if objects is None else 5
        self.server = server
        self.secret = root / "outside" / "secret.csv"
        self.secret.parent.mkdir()
        self.secret.write_text(f"{SECRET}\n")
        self.piece = write_part(root / "lake", BTC, Span(1, 50))
        self.duck = Duck([self.piece], [MarketRow(BTC, held=49)], objects=objects, threads=1)

    def text(self, query: str) -> str:
        for name, value in {
            "{secret}": str(self.secret),
            "{lake}": self.piece.location,
            "{out}": str(self.root / "outside" / "written"),
            "{url}": self.server.url,
        }.items():
            query = query.replace(name, value)
        return query


@pytest.fixture(scope="module", params=["files", "objects"])
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """Files that the engine opens, and objects that are opened for it."""
    server = Server()
    objects = FolderObjects() if request.param == "objects" else None
    made = Scene(tmp_path_factory.mktemp("scene"), server, objects)
    with made.duck:
        yield made
    server.close()


@pytest.mark.parametrize("query", REFUSED, ids=lambda query: query[:60])
def test_refused_and_nothing_happened(
    scene: Scene, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scene.root)
    before = digests(scene.root)
    with pytest.raises(UsageError) as caught:
        scene.duck.sql(scene.text(query)).arrow()
    assert caught.value.exit_code == 2
    assert caught.value.why
    assert caught.value.do
    assert SECRET not in str(caught.value)
    assert digests(scene.root) == before
    assert scene.server.calls == 0
    # The connection is whole, its settings and tables are what they were.
    assert list(scene.duck.sql("SELECT market, held FROM markets").rows_text()) == [
        ("coinbase:BTC-USD", "49")
    ]
    assert len(scene.duck.sql("SHOW TABLES").arrow()) == scene.tables


@pytest.mark.parametrize("query", ALLOWED, ids=lambda query: query[:60])
def test_every_way_to_read_the_lake_is_allowed(scene: Scene, query: str) -> None:
    before = digests(scene.root)
    assert scene.duck.sql(query).arrow().num_rows >= 1
    assert digests(scene.root) == before


# The second wall stands without the first: what the guard would miss, the lock refuses.
@pytest.mark.parametrize(
    "query",
    [
        "COPY (SELECT 1) TO '{out}'",
        "COPY (SELECT 1) TO '{lake}'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
        "FROM read_text('{secret}')",
        "FROM read_blob('{secret}')",
        "FROM read_csv('{secret}')",
        "FROM '{secret}'",
        "FROM glob('/etc/*')",
        "FROM read_text('{url}/x')",
        "FROM read_text('file://{secret}')",
        "ATTACH '{out}'",
        "EXPORT DATABASE '{out}'",
        "IMPORT DATABASE '{out}'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET lock_configuration = false",
        "RESET lock_configuration",
        "SET temp_directory = '{out}'",
        "PRAGMA profiling_output = '{out}'",
    ],
)
def test_the_lock_refuses_too(scene: Scene, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(scene.root)
    before = digests(scene.root)
    with pytest.raises(duckdb.Error):
        scene.duck._connection.execute(scene.text(query)).fetchall()
    assert digests(scene.root) == before
    assert scene.server.calls == 0


def test_a_name_of_a_cte_does_not_open_the_file_of_that_name(scene: Scene) -> None:
    query = scene.text('WITH "{secret}" AS (SELECT 1 AS a) SELECT a FROM "{secret}"')
    assert list(scene.duck.sql(query).rows_text()) == [("1",)]
    hidden = scene.text(
        'SELECT * FROM "{secret}" WHERE 1 IN (WITH "{secret}" AS (SELECT 1) FROM "{secret}")'
    )
    with pytest.raises(UsageError):
        scene.duck.sql(hidden).arrow()
