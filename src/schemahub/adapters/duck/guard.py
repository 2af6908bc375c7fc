"""What SQL a user may run: one statement that only reads, from the lake alone.

Two walls. This one refuses by what the parser says a statement is, before anything runs.
The other is DuckDB's locked configuration (engine.py): no file but the lake's, no network.
The first is needed all the same: `FROM enable_logging(...)` is a SELECT that ends the
process, `FROM arrow_scan(...)` reads memory at any address, both under that lock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from schemahub.core.errors import UsageError

if TYPE_CHECKING:
    import duckdb

_MAX_LENGTH = 1_000_000
_KEYWORDS = frozenset(
    {"SELECT", "WITH", "FROM", "VALUES", "EXPLAIN", "DESCRIBE", "DESC", "SUMMARIZE", "SHOW", "("}
)
# Table functions that read nothing but their arguments and the catalogue.
_TABLE_FUNCTIONS = frozenset(
    {
        "duckdb_columns", "duckdb_functions", "duckdb_keywords", "duckdb_tables", "duckdb_types",
        "duckdb_views", "generate_series", "generate_subscripts", "json_each", "json_tree",
        "pg_timezone_names", "pragma_table_info", "range", "regexp_split_to_table", "repeat",
        "repeat_row", "unnest",
    }
)  # fmt: skip
# Functions in expressions that plan SQL given as text, look outside, write, or only burn time.
_SCALAR_FUNCTIONS = frozenset(
    {
        "current_setting", "getenv", "json_deserialize_sql", "json_execute_serialized_sql",
        "json_serialize_plan", "json_serialize_sql", "nextval", "currval", "pg_sleep",
        "sleep_ms", "write_log",
    }
)  # fmt: skip
# A table's name that could not be a file or an address.
_TABLE_NAME = re.compile(r"[^\W\d]\w*", re.ASCII)
_BLANK = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+|\(")
_ALLOWED = "one SELECT, WITH, FROM, VALUES, EXPLAIN, DESCRIBE, SUMMARIZE or SHOW TABLES"
_SHAPE = f"a query is {_ALLOWED}: it reads the lake and changes nothing"


def admit(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The one statement of `sql` that may run, rewritten to exactly what was checked.

    Raises UsageError if it is not one reading statement, or reads anything but the lake;
    duckdb.Error if it does not parse. Nothing has run by then.
    """
    _check_text(sql)
    sql = sql.removeprefix("\ufeff")  # some editors begin a file with it
    keyword, rest = _first_word(sql)
    if keyword not in _KEYWORDS:
        raise UsageError(f"{keyword or 'an empty text'} is not a query", _SHAPE, _advice(keyword))
    prefix = ""
    if keyword == "EXPLAIN":
        # What follows is checked alone and put behind a prefix of our own, so that whatever
        # EXPLAIN would run is a statement that may run.
        prefix, sql = "EXPLAIN ", rest
        keyword, rest = _first_word(sql)
        if keyword in {"ANALYZE", "ANALYSE"}:
            prefix, sql = "EXPLAIN ANALYZE ", rest
            keyword, _ = _first_word(sql)
        if keyword not in _KEYWORDS - {"EXPLAIN"}:
            raise UsageError(
                f"EXPLAIN of {keyword or 'nothing'} is refused", _SHAPE, "EXPLAIN a SELECT"
            )
    text = _only_select(connection, sql)
    _check_tree(_tree(connection, text))
    return prefix + text


def _check_text(sql: str) -> None:
    if len(sql) > _MAX_LENGTH:
        raise UsageError("the query is too long", f"{len(sql)} characters", "shorten it")
    if "\0" in sql or (not sql.isascii() and any("\ud800" <= c <= "\udfff" for c in sql)):
        raise UsageError(
            "the query holds a character that no text has", "NUL or a lone surrogate", "remove it"
        )


def _first_word(sql: str) -> tuple[str, str]:
    """The first word in upper case, or (, past blanks and comments; and what follows it."""
    blank = _BLANK.match(sql)
    start = blank.end() if blank else 0
    found = _WORD.match(sql, start)
    return (found[0].upper(), sql[found.end() :]) if found else (sql[start : start + 1], "")


def _only_select(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    statements = connection.extract_statements(sql)
    kinds = [statement.type.name for statement in statements]
    if kinds == ["CREATE", "SELECT"] and not statements[-1].query:
        raise UsageError(
            "PIVOT needs its values", "without them DuckDB would create a type first",
            "write PIVOT … ON column IN (value, …)",
        )  # fmt: skip
    if len(statements) != 1:
        raise UsageError(f"{len(statements)} statements at once", _SHAPE, "run them one by one")
    if kinds != ["SELECT"]:
        raise UsageError(f"{kinds[0]} is refused", _SHAPE, _advice(kinds[0]))
    return str(statements[0].query)


def _tree(connection: duckdb.DuckDBPyConnection, text: str) -> dict[str, Any]:
    """The parsed statement. Whatever DuckDB cannot write down as a SELECT is refused."""
    row = connection.execute("SELECT json_serialize_sql(?)", [text]).fetchone()
    try:
        tree: dict[str, Any] = msgspec.json.decode(row[0] if row else "{}")
    except (RecursionError, msgspec.DecodeError) as error:
        raise UsageError("the query is nested too deeply", str(error), "simplify it") from error
    if tree.get("error", True) or len(tree.get("statements", ())) != 1:
        raise UsageError(
            "this statement cannot be checked", str(tree.get("error_message", "")),
            f"write it as {_ALLOWED}",
        )  # fmt: skip
    return tree


def _check_tree(tree: dict[str, Any]) -> None:
    nodes = list(_nodes(tree))
    named = {
        str(entry["key"]).lower()
        for node in nodes
        if isinstance(node.get("cte_map"), dict)
        for entry in node["cte_map"].get("map", ())
    }
    for node in nodes:
        match node.get("type"):
            case "TABLE_FUNCTION":
                _check_table_function(str(node["function"]["function_name"]).lower())
                continue
            case "BASE_TABLE" | "SHOW_REF":
                _check_table(node, named)
            case _:
                pass
        name = str(node.get("function_name", "")).lower()
        if name in _SCALAR_FUNCTIONS:
            raise UsageError(
                f"the function {name} is refused",
                "a query computes from the lake's rows and nothing else",
                "leave it out",
            )


def _nodes(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    stack: list[Any] = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            yield item
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


def _check_table_function(name: str) -> None:
    if name not in _TABLE_FUNCTIONS:
        raise UsageError(
            f"the table function {name} is refused",
            "a query reads the lake's views and no other file, address or setting",
            "read from trades, trades_float, bars_1m or markets",
        )


def _check_table(node: dict[str, Any], named: set[str]) -> None:
    table = str(node.get("table_name", "")).strip('"')
    if table and table.lower() not in named and not _TABLE_NAME.fullmatch(table):
        raise UsageError(
            f"{table!r} is not a table of the lake",
            "a query reads the lake's views and no other file or address",
            "read from trades, trades_float, bars_1m or markets",
        )


def _advice(keyword: str) -> str:
    if keyword in {"COPY", "EXPORT"}:
        return "give --output csv, parquet or arrow and redirect stdout to a file"
    if keyword in {"CREATE", "INSERT", "UPDATE", "DELETE", "ALTER", "DROP"}:
        return "name what you compute in a WITH clause; the lake itself is never edited"
    if keyword == "TABLE":
        return "write FROM and the table's name"
    return "start with SELECT; SHOW TABLES lists what there is to read"
