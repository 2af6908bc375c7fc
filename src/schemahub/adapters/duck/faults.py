"""DuckDB's errors, translated once."""

from __future__ import annotations

import re
from collections.abc import Iterable

import duckdb

from schemahub.core.errors import (
    ObjectCorrupt,
    ObjectMissing,
    SchemaHubError,
    StoreError,
    UsageError,
)

# Of a damaged footer it can say what is not even UTF-8.
FAULTS = (duckdb.Error, UnicodeDecodeError)
# Errors arrive as duckdb.Error, or out of an Arrow stream as OSError: the words are the same.
_PREFIX = re.compile(r"(?:\[[^\]]*\] ?)?([A-Z][A-Za-z ]*?) Error: ")
_GONE = re.compile(r"No files found|No such file|does not exist|[Ff]ile not found|404")
_BROKEN = re.compile(
    r"magic bytes|too small to be a Parquet|TProtocol|[Tt]hrift|decompress|[Cc]orrupt|ZSTD|zstd"
    r"|Snappy|page header|Out of buffer|not enough (?:bytes|data)|footer|checksum|metadata|EOF"
)
_USERS = frozenset(
    {
        "Binder", "Catalog", "Constraint", "Conversion", "Dependency", "Expression",
        "Invalid Input", "Invalid Type", "Mismatch Type", "Not implemented", "Out of Range",
        "Parameter Not Resolved", "Parser", "Permission", "Settings", "Syntax",
        "Parameter Not Allowed", "Decimal", "Divide by Zero", "Executor",
    }
)  # fmt: skip
_FILES = frozenset({"", "HTTP", "IO", "Internal", "Invalid", "Invalid Input", "Serialization"})
_MAX_WORDS = 600


def fault(error: Exception, locations: Iterable[str]) -> SchemaHubError:  # noqa: PLR0911
    """What `error` means: of the query, of a file among `locations`, or of this machine."""
    words = str(error).strip()
    found = _PREFIX.match(words)
    kind = found[1] if found else ""
    text = words[found.end() :] if found else words
    if kind == "Out of Memory" or "bad_alloc" in text:
        return SchemaHubError(
            "the query needs more memory than it may take",
            text.partition("\n")[0],
            "narrow it by market and time, aggregate, or allow more memory",
        )
    location = max((p for p in locations if p in text), key=len, default="")
    if kind in _FILES or location:
        # Of a path that is not there it tries the folder of that name, which is not allowed.
        if (location and kind == "Permission") or (kind in {"IO", "HTTP"} and _GONE.search(text)):
            return ObjectMissing(
                f"{location or 'a file of the lake'} is gone",
                "it was superseded while it was read",
                "run the query again",
            )
        # Its Parquet reader's own errors carry no kind.
        if _BROKEN.search(text) or not kind or (location and kind != "IO"):
            return ObjectCorrupt(location or "a file of the lake", _line(text))
        if kind in {"IO", "HTTP"}:
            return StoreError("the lake cannot be read", _line(text), "see `schemahub doctor`")
    if kind in _USERS:
        return UsageError("the query cannot be run", f"{kind}: {_short(text)}", _help(text))
    if kind == "Interrupt":
        return SchemaHubError("the query was interrupted", "", "run it again")
    return SchemaHubError("DuckDB failed", _short(words), "report it with the query")


def _short(text: str) -> str:
    """Without stack traces and settings advice; the LINE and its caret are kept."""
    text = re.split(r"\n\s*Stack Trace|\nThis error signals|\n\s*Possible solutions", text)[0]
    return re.sub(r"\n\n+", "\n", text).strip()[:_MAX_WORDS]


def _line(text: str) -> str:
    """Without the SQL either: where it is the view's, it is not the user's words."""
    return _short(text).partition("\n")[0] or "DuckDB cannot read it, and does not say why"


def _help(text: str) -> str:
    if "parameter" in text.lower():
        return "give one value for each ? or $name of the query"
    if "does not exist" in text and "Table" in text:
        return "SHOW TABLES lists what there is to read"
    if "not found" in text and "column" in text.lower():
        return "DESCRIBE trades lists the columns"
    return "correct the query and run it again"
