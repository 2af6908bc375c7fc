"""Only a statement that reads passes, however it is dressed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.core.errors import UsageError
from schemahub.core.statement import LONGEST, reading

_READS = [
    "SELECT 1",
    "select count(*) from trades;",
    " -- a comment\n SELECT 1",
    "/* a; comment */ SELECT ';' AS \"a;b\"",
    "WITH a AS (SELECT 1), b (x) AS (SELECT 2) SELECT * FROM a, b",
    "WITH RECURSIVE t(n) AS (VALUES 1) SELECT * FROM t",
    "WITH a AS (SELECT ')' AS x) (SELECT * FROM a)",
    "(SELECT 1) UNION (SELECT 2)",
    "VALUES (1)",
    "TABLE trades",
    "EXPLAIN SELECT 1",
    "EXPLAIN (TYPE DISTRIBUTED, FORMAT JSON) SELECT 1",
    "EXPLAIN ANALYZE VERBOSE WITH a AS (SELECT 1) SELECT * FROM a",
    "SHOW TABLES IN schemahub",
    "SHOW CREATE VIEW trades_float",
    "DESCRIBE `trades`",
    "SELECT 'DROP TABLE trades'",
    "SELECT 'it''s'; -- done",
    'SELECT "insert" FROM delete_me',
]
_OTHERS = [
    "",
    " ; ",
    "-- SELECT 1",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE trades",
    "DROP TABLE trades",
    "INSERT INTO trades SELECT * FROM trades",
    "/* SELECT */ DELETE FROM trades",
    "-- SELECT\nDELETE FROM trades",
    "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
    "WITH a AS (SELECT ') SELECT (' AS x) DELETE FROM t",
    "WITH a SELECT 1",
    "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
    "EXPLAIN (TYPE IO) DROP TABLE t",
    "EXPLAIN",
    "(DELETE FROM t)",
    "UNLOAD (SELECT * FROM trades) TO 's3://b/p' WITH (format = 'PARQUET')",
    "CREATE TABLE x AS SELECT 1",
    "EXECUTE q",
    "PREPARE q FROM SELECT 1",
    "MSCK REPAIR TABLE t",
    "VACUUM trades",
    "OPTIMIZE trades REWRITE DATA USING BIN_PACK",
    "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
    "USING EXTERNAL FUNCTION f(x int) RETURNS int LAMBDA 'l' SELECT f(1)",
    "SELECT * FROM TABLE(other.system.query(query => 'DELETE FROM t'))",
    "SELECT * FROM table /* */ (other.system.query(query => 'x'))",
    "'SELECT' 1",
    '"SELECT" 1',
    "SELECT 'no end",
    'SELECT "no end',
    "SELECT 1 /* no end",
    "/* no end; SELECT 1",
    "SELECT 1\0",
    "SELECT '" + "x" * LONGEST + "'",
]


@pytest.mark.parametrize("statement", _READS)
def test_what_reads_passes(statement: str) -> None:
    assert not reading(statement).endswith(";") or "--" in statement


@pytest.mark.parametrize("statement", _OTHERS)
def test_what_does_not_only_read_is_refused(statement: str) -> None:
    with pytest.raises(UsageError, match="only one statement that reads"):
        reading(statement)


def test_a_semicolon_at_the_end_goes_with_what_follows_it() -> None:
    assert reading("SELECT 1 ; -- thanks") == "SELECT 1"


_BLANKS = st.lists(st.sampled_from([" ", "\n", "\t", "-- x;'\n", "/* ; ' \" */"]), min_size=1)


@given(
    blank=_BLANKS.map("".join),
    verb=st.sampled_from(["INSERT INTO", "DELETE FROM", "DROP TABLE", "UNLOAD", "CREATE TABLE"]),
    text=st.text(st.sampled_from("ab;-*/ \n()"), max_size=12),
)
def test_no_comment_or_quote_hides_a_second_statement(blank: str, verb: str, text: str) -> None:
    quoted = "'" + text.replace("'", "''") + "'"
    assert reading(f"{blank}SELECT{blank}{quoted}{blank}AS x")
    with pytest.raises(UsageError):
        reading(f"{blank}SELECT{blank}{quoted};{blank}{verb}{blank}t")
    with pytest.raises(UsageError):
        reading(f"{blank}{verb}{blank}t (SELECT {quoted})")
    with pytest.raises(UsageError):
        reading(f"WITH{blank}a AS{blank}(SELECT {quoted}){blank}{verb} t SELECT 1")
