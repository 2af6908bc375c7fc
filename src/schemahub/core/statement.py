"""What SQL may be sent to an engine whose rights are wider than reading: one reading statement.

The words are those of Athena (Trino for queries, Hive for SHOW and DESCRIBE). Comments and
quotes are skipped as it skips them, so that no keyword hides in one, nor seems to be one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from schemahub.core.errors import UsageError

LONGEST = 262_144  # bytes, as Athena has it
_QUERIES = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "("})
_LISTINGS = frozenset({"SHOW", "DESCRIBE", "DESC"})
_OPTIONS = frozenset({"FORMAT", "TYPE"})

# In this order: what begins a comment or quote and does not end falls to the last of them.
_TOKEN = re.compile(
    r"""
      (?P<blank>\s+ | --[^\n]* | /\*.*?\*/)
    | (?P<text>'(?:[^']|'')*')
    | (?P<name>"(?:[^"]|"")*" | `(?:[^`]|``)*`)
    | (?P<word>[^\W\d]\w*)
    | (?P<number>\d[\w.]*)
    | (?P<sign>[^'"`])
    """,
    re.VERBOSE | re.DOTALL,
)

Kind = Literal["text", "name", "word", "number", "sign"]


@dataclass(frozen=True, slots=True)
class Token:
    """`text` of a word is in upper case; `at` is where it begins."""

    kind: Kind
    text: str
    at: int


def reading(statement: str) -> str:
    """The statement without what follows its last token and its semicolon.

    Raises UsageError unless it is one statement that can only read.
    """
    if len(statement.encode("utf-8", "surrogatepass")) > LONGEST:
        raise _refused(f"it is longer than {LONGEST:,} bytes", "shorten it")
    if "\0" in statement:
        raise _refused("it holds a null character", "remove it")
    tokens = list(_tokens(statement))
    while tokens and tokens[-1].text == ";":
        statement = statement[: tokens.pop().at]
    if not tokens:
        raise _refused("it is empty", "for example: SELECT count(*) FROM trades")
    if any(token.text == ";" and token.kind == "sign" for token in tokens):
        raise _refused("there is more than one", "send them one at a time")
    _admit(tokens)
    return statement.strip()


def _admit(tokens: Sequence[Token]) -> None:
    if _keyword(tokens[0]) in _LISTINGS:
        return
    first, rest = _keyword(tokens[0]), tokens[1:]
    if first == "EXPLAIN":
        first, rest = _explained(rest)
    while first == "(":
        first, rest = (_keyword(rest[0]), rest[1:]) if rest else ("", rest)
    if first == "WITH":
        first = _after_with(rest)
    if first not in _QUERIES:
        raise _refused(
            f"it begins with {first or 'nothing that reads'}",
            "begin it with SELECT, WITH, VALUES, TABLE, EXPLAIN, SHOW or DESCRIBE",
        )
    for one, two in pairwise(tokens):
        # A table function may hand its text to another system, which may do anything with it.
        if _keyword(one) == "TABLE" and two.text == "(":
            raise _refused("it calls a table function", "read tables and views only")


def _explained(tokens: Sequence[Token]) -> tuple[str, Sequence[Token]]:
    """The keyword of what is explained, and what follows: EXPLAIN ANALYZE runs it."""
    while tokens and _keyword(tokens[0]) in {"ANALYZE", "VERBOSE"}:
        tokens = tokens[1:]
    if len(tokens) > 1 and tokens[0].text == "(" and _keyword(tokens[1]) in _OPTIONS:
        tokens = _after_brackets(tokens)
    return (_keyword(tokens[0]), tokens[1:]) if tokens else ("", tokens)


def _after_with(tokens: Sequence[Token]) -> str:
    """The keyword after the named queries of a WITH."""
    if tokens and _keyword(tokens[0]) == "RECURSIVE":
        tokens = tokens[1:]
    while True:
        tokens = tokens[1:]  # the name
        if tokens and tokens[0].text == "(":
            tokens = _after_brackets(tokens)
        if len(tokens) < 2 or _keyword(tokens[0]) != "AS" or tokens[1].text != "(":  # noqa: PLR2004
            return ""
        tokens = _after_brackets(tokens[1:])
        if not tokens:
            return ""
        if tokens[0].text != ",":
            return _keyword(tokens[0])
        tokens = tokens[1:]


def _after_brackets(tokens: Sequence[Token]) -> Sequence[Token]:
    """What follows the bracket that closes the one at the beginning; nothing if none does."""
    depth = 0
    for index, token in enumerate(tokens):
        if token.kind == "sign":
            depth += (token.text == "(") - (token.text == ")")
        if not depth:
            return tokens[index + 1 :]
    return ()


def _keyword(token: Token) -> str:
    """A word that is no quoted name, or a sign; else nothing."""
    return token.text if token.kind in {"word", "sign"} else ""


def _tokens(statement: str) -> Iterator[Token]:
    at = 0
    while at < len(statement):
        found = _TOKEN.match(statement, at)
        if found is None or (statement.startswith("/*", at) and found.lastgroup != "blank"):
            what = "comment" if statement.startswith("/*", at) else "quote"
            raise _refused(f"a {what} has no end", f"close the {what}")
        at = found.end()
        match found.lastgroup:
            case "text" | "name" | "number" | "sign" as kind:
                yield Token(kind, found[0], found.start())
            case "word":
                yield Token("word", found[0].upper(), found.start())
            case _:
                continue


def _refused(why: str, do: str) -> UsageError:
    return UsageError("only one statement that reads may be run", why, do)
