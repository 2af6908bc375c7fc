"""Quality: checks as SQL with a header, what each found, and the score that follows from it.

A check is one SELECT that returns the offending rows, the same text for every engine. It
begins with a header of `-- key: value` lines (docs/quality.md); `parse` reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import isfinite
from typing import Literal, cast, get_args

from schemahub.core.errors import ConfigError

Scope = Literal["market", "exchange"]
Severity = Literal["error", "warn", "note"]
Status = Literal["ok", "note", "warn", "error", "failed"]
# From best to worst. `failed` is a check that could not run: nobody knows what it would find.
STATUSES: tuple[Status, ...] = get_args(Status)
# What a check takes from the score of a market in which it found something.
LOSS: Mapping[Status, int] = {"ok": 0, "note": 0, "warn": 5, "error": 25, "failed": 25}
SAMPLES = 5
SCHEMA_VERSION = 1

GapClass = Literal[
    "not_fetched", "unattested", "gone", "absent_at_source", "quarantined", "outage", "quiet"
]
"""Why there is nothing: nobody asked yet; one run was told that there is nothing; the exchange
shows it no longer; two runs were told that there is nothing; the table refused it; the whole
exchange was silent; or the market alone was. The last two are about times, the rest positions.
"""
GAP_CLASSES: tuple[GapClass, ...] = get_args(GapClass)

_HEADER = re.compile(r"-- ([a-z]+): (\S.*)")
_KEYS = ("about", "scope", "severity", "threshold", "window")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_WINDOW = re.compile(r"([1-9][0-9]{0,3}) (hour|day)s?")
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,9})(\.[0-9]{1,6})?(?= |$)")
_MARKET = re.compile(r"[^\x00-\x1f]{1,128}")
# What stands in quotes or in a comment is no parameter.
_TOKEN = re.compile(
    r"(?P<text>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|::)"
    r"|(?<![\w:]):(?P<name>[a-z_]+)",
    re.DOTALL,
)
_PARAMETERS = {"now", "since", "threshold"}
_OWN = {"found", "nth"}  # columns that `statement` adds


@dataclass(frozen=True, slots=True)
class Check:
    """`sql` returns the offending rows, with the columns `at_ts`, `observed` and its scope's name.

    `threshold` says beyond what a row offends. `window` is how far back it looks unless it is
    told to look further; None: it looks at everything, for it reads what is small.
    """

    name: str
    about: str
    scope: Scope
    severity: Severity
    threshold: str
    window: timedelta | None
    sql: str

    def begins(self, now: datetime, since: datetime | None) -> datetime | None:
        """From when on it looks: by its window, or by `since` if that is given."""
        if self.window is None:
            return None
        return since or now - self.window


def parse(name: str, text: str) -> Check:
    """The check in a file called `name`.sql. Raises ConfigError with the first mistake."""
    if not _NAME.fullmatch(name):
        raise _wrong(name, "a check is named in lower-case letters, digits and _")
    told: dict[str, str] = {}
    lines = text.removeprefix("\ufeff").splitlines()
    for number, line in enumerate(lines, 1):
        found = _HEADER.fullmatch(line.rstrip())
        if found is None:
            break
        key, value = found[1], found[2]
        if key not in _KEYS:
            raise _wrong(name, f"line {number}: there is no key {key!r}: {', '.join(_KEYS)}")
        if key in told:
            raise _wrong(name, f"line {number}: {key} is told twice")
        told[key] = value
    if missing := [key for key in _KEYS if key not in told]:
        raise _wrong(name, f"its header does not say: {', '.join(missing)}")
    for key, allowed in (("scope", get_args(Scope)), ("severity", get_args(Severity))):
        if told[key] not in allowed:
            raise _wrong(name, f"{key} is {told[key]!r}; it can be {', '.join(allowed)}")
    sql = "\n".join(lines).strip().removesuffix(";").rstrip()
    used = {one["name"] for one in _TOKEN.finditer(sql) if one["name"]}
    _check_parameters(name, used, told)
    return Check(
        name,
        told["about"],
        cast("Scope", told["scope"]),
        cast("Severity", told["severity"]),
        told["threshold"],
        _window(name, told["window"]),
        sql,
    )


def _check_parameters(name: str, used: set[str], told: Mapping[str, str]) -> None:
    if unknown := used - _PARAMETERS:
        known = ", ".join(f":{one}" for one in sorted(_PARAMETERS))
        raise _wrong(name, f"there is no parameter :{min(unknown)}: {known}")
    if ("since" in used) != (told["window"] != "all"):
        raise _wrong(name, "a check has a window and uses :since, or looks at all and does not")
    if "threshold" in used and not _NUMBER.match(told["threshold"]):
        raise _wrong(name, "it uses :threshold, so its threshold must begin with a number")


def _window(name: str, text: str) -> timedelta | None:
    if text == "all":
        return None
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise _wrong(name, f"window is {text!r}; it can be 'all', or as '7 days' or '6 hours'")
    count = int(found[1])
    return timedelta(hours=count) if found[2] == "hour" else timedelta(days=count)


def _wrong(name: str, why: str) -> ConfigError:
    return ConfigError(f"the check {name!r} is not valid", why, "correct its file")


# ---------------------------------------------------------------- the statement


def statement(
    check: Check,
    now: datetime,
    since: datetime | None = None,
    *,
    markets: Sequence[str] = (),
    samples: int = SAMPLES,
) -> str:
    """What an engine is asked: at most `samples` rows of each market (or exchange).

    To the check's own columns it adds `found`, how many rows there are of that market, and
    `nth`. So what comes back is small, however much is wrong. `markets`: of these alone.
    """
    where = f"\nWHERE o.{check.scope} IN ({_names(check, markets)})" if markets else ""
    return (
        f"SELECT * FROM (SELECT o.*, count(*) OVER (PARTITION BY o.{check.scope}) AS found,\n"  # noqa: S608
        f"row_number() OVER (PARTITION BY o.{check.scope} ORDER BY o.at_ts, o.observed) AS nth\n"
        f"FROM (\n{bound(check, now, since)}\n) AS o{where}) AS r\n"
        f"WHERE r.nth <= {samples:d} ORDER BY r.{check.scope}, r.nth"
    )


def bound(check: Check, now: datetime, since: datetime | None = None) -> str:
    """The text of the check with its parameters as literals, which every engine can prune by."""
    begins = check.begins(now, since)
    number = _NUMBER.match(check.threshold)
    values = {
        "now": _moment(now),
        "since": "" if begins is None else _moment(begins),
        "threshold": number[0] if number else "",
    }
    return _TOKEN.sub(lambda one: values[one["name"]] if one["name"] else one[0], check.sql)


def _moment(at: datetime) -> str:
    """A literal of a time in UTC, to the second: a TIMESTAMP WITH TIME ZONE to Trino."""
    if at.utcoffset() != timedelta(0):
        msg = f"a time in UTC is wanted, not {at!r}"
        raise ValueError(msg)
    return f"TIMESTAMP '{at:%Y-%m-%d %H:%M:%S} UTC'"


def _names(check: Check, markets: Sequence[str]) -> str:
    wanted = markets
    if check.scope == "exchange":
        wanted = [market.partition(":")[0] for market in markets]
    for name in wanted:
        if not _MARKET.fullmatch(name):
            raise ConfigError(f"{name!r} is not a market", "no name is like this", "correct it")
    return ", ".join(_literal(name) for name in sorted(set(wanted)))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# ---------------------------------------------------------------- results


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a check could not run, as the engine says it."""

    code: str
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found: `observed` rows by market (or exchange), `samples` some of them.

    `samples` are in the order of `columns`. `sql` is what was asked, `scanned` the bytes that
    the engine charges for.
    """

    check: Check
    status: Status
    observed: Mapping[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    samples: tuple[tuple[object, ...], ...] = ()
    sql: str = ""
    seconds: float = 0.0
    scanned: int | None = None
    failure: Failure | None = None

    @property
    def found(self) -> int:
        return sum(self.observed.values())

    def touches(self, market: str) -> bool:
        """Whether it counts against this market. One that could not run does against all."""
        if self.status == "failed":
            return True
        name = market if self.check.scope == "market" else market.partition(":")[0]
        return name in self.observed

    def as_json(self) -> dict[str, object]:
        return {
            "check": self.check.name,
            "about": self.check.about,
            "scope": self.check.scope,
            "severity": self.check.severity,
            "status": self.status,
            "found": None if self.failure else self.found,
            "observed": dict(self.observed),
            "threshold": self.check.threshold,
            "columns": list(self.columns),
            "samples": [[plain(value) for value in row] for row in self.samples],
            "sql": self.sql,
            "seconds": round(self.seconds, 3),
            "scanned": self.scanned,
            "error": None
            if self.failure is None
            else {
                "code": self.failure.code,
                "what": self.failure.what,
                "why": self.failure.why,
            },
        }


def judged(check: Check, observed: Mapping[str, int]) -> Status:
    """The status of a check that ran."""
    return check.severity if any(observed.values()) else "ok"


def worst(statuses: Iterable[Status]) -> Status:
    return max(statuses, key=STATUSES.index, default="ok")


def market_score(market: str, results: Iterable[Result]) -> int:
    """100 less what every check that touches the market takes, and not below 0.

    A warning takes 5, an error 25, and so does a check that could not run.
    """
    return max(0, 100 - sum(LOSS[one.status] for one in results if one.touches(market)))


def overall_score(scores: Iterable[int], results: Iterable[Result]) -> float:
    """Half the mean of the markets' scores, half the worst; to a tenth, rounded down.

    So it is 100 only where every market's is, and one bad market is not lost among hundreds.
    Without a market it is what checks that could not run leave, and what exchanges have.
    """
    known = list(scores)
    if not known:
        known = [max(0, 100 - sum(LOSS[one.status] for one in results))]
    mean = Fraction(sum(known), len(known))
    return float((mean + min(known)) / 2 * 10 // 1) / 10


def plain(value: object) -> object:
    """A value of a row as JSON holds it: decimals and times as text, nothing rounded."""
    match value:
        case float() if not isfinite(value):
            return str(value)  # JSON has no word for it
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case _:
            return str(value)
