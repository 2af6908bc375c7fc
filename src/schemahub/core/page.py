"""One answer of an exchange: as it is kept (a raw line), and what it proves.

An answer proves exactly the ids of the good rows in it; nothing about its neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from schemahub.core.answer import Answer, Request, decode, encode
from schemahub.core.columns import times_by_id
from schemahub.core.errors import BadAnswer, Refused
from schemahub.core.layout import Market
from schemahub.core.paging import NANOSECONDS, Ask, silent
from schemahub.core.span import NOTHING, Coverage
from schemahub.core.spec import ExchangeSpec
from schemahub.core.told import Pairs, Told
from schemahub.core.trade import VOID, Trade
from schemahub.core.wire import Reader, RowRefused

__all__ = [
    "MAX_SPREAD",
    "Answer",
    "Key",
    "Page",
    "Request",
    "about",
    "asked",
    "decode",
    "encode",
    "path",
    "read",
    "request",
    "told_ids",
]

MAX_SPREAD = 1_000_000
# The time of what has none: it dates no hole.
LATEST = 2**63 - 1


Key = tuple[int, int]
"""A trade's position and its id."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one answer proves and says.

    `ids` are the positions of good rows; `bad` positions whose only rows fail the
    contract, and why; `unreadable` counts rows whose position cannot be read; `times` are
    (position, µs) of the good rows, lowest position first. `silence` is told on axes of ids
    alone; `keys` are told on the others: the trades of the good rows, lowest first. `flat`: the
    body was read as JSON of flat rows, so that nobody has to look whether it is any.
    """

    ids: Coverage
    bad: dict[int, str]
    unreadable: int
    rows: int
    times: Sequence[tuple[int, int]]
    silence: Coverage = field(default_factory=Coverage)
    keys: tuple[Key, ...] = ()
    flat: bool = False

    @property
    def all_ids(self) -> Coverage:
        """Of good rows and bad ones."""
        return self.ids | self.bad_ids if self.bad else self.ids

    @property
    def bad_ids(self) -> Coverage:
        return Coverage.of_ids(self.bad)


def read(answer: Answer, ask: Ask, reader: Reader) -> Page:
    """What `answer`, asked for by `ask`, proves.

    Raises BadAnswer if it is not a list of rows, or not an answer to this question; Refused
    if it says, with a status of 200, that there is none.
    """
    _heed(answer, reader)
    if not reader.spec.line.dense:
        return _read_keys(answer, ask, reader)
    told = reader.scanned(answer)
    if told is not None and told.runs is not None and _together(told):
        _check_bounds(answer, ask, told.runs)
        times = Pairs(told.ids, told.times)
        return Page(told.runs, {}, 0, len(times), times, silent(told.runs), flat=True)
    good, bad, unreadable, rows = _rows(answer, reader)
    for position in good:
        bad.pop(position, None)
    for position in _unbelievable([*good, *bad]):
        good.pop(position, None)
        bad.pop(position, None)
        unreadable += 1
    ids = Coverage.of_ids(good)
    everything = ids | Coverage.of_ids(bad)
    _check_bounds(answer, ask, everything)
    # With an unreadable id in it, an answer cannot say what it does not have.
    silence = Coverage() if unreadable else silent(everything)
    return Page(ids, bad, unreadable, rows, tuple(sorted(good.items())), silence)


def _heed(answer: Answer, reader: Reader) -> None:
    """Raises what an answer says that it is, if it is an error in spite of its status."""
    complaint = reader.complaint(answer.body)
    if complaint is None:
        return
    kind, said = complaint
    title = reader.spec.title
    if kind == "refused":
        raise Refused(
            f"{title} refuses this request",
            f"{answer.url}: {said}",
            "check the market's name, and whether the exchange serves it where you are",
            answer.status,
        )
    raise BadAnswer(
        f"{title} answers with an error",
        f"{answer.url}: {said}",
        body=answer.body,
        url=answer.url,
        throttled=kind == "throttled",
    )


def _check_bounds(answer: Answer, ask: Ask, told: Coverage) -> None:
    """Raises BadAnswer if positions were told that nobody asked for."""
    if not told:
        return
    lowest, highest = told.start, told.stop - 1
    if ask.stop is not None and highest >= ask.stop:
        why = f"{highest} is not below {ask.stop}"
    elif ask.start is not None and lowest < ask.start:
        why = f"{lowest} is below {ask.start}"
    else:
        return
    raise BadAnswer(
        "an answer holds ids that were not asked for",
        f"id {why}: {answer.url}",
        body=answer.body,
        url=answer.url,
    )


def _read_keys(answer: Answer, ask: Ask, reader: Reader) -> Page:
    """The same on an axis of time or of ids that skip."""
    scanned = reader.scanned(answer)
    if scanned is not None:
        places = scanned.times if reader.line.timed else scanned.ids
        found = dict(zip(zip(places, scanned.ids, strict=True), scanned.times, strict=True))
        return _keyed(answer, ask, reader, found, rows=len(places), flat=True)
    keys: dict[Key, int] = {}
    bad: dict[int, str] = {}
    unreadable = rows = 0
    for verdict in _verdicts(answer, reader):
        rows += 1
        if isinstance(verdict, Trade):
            keys[verdict.position, verdict.trade_id or 0] = verdict.trade_ts
        elif verdict.position is None:
            unreadable += 1
        elif not verdict.reason.startswith(VOID):
            bad[verdict.position] = verdict.reason
    page = _keyed(answer, ask, reader, keys, rows=rows)
    return replace(page, bad=bad, unreadable=unreadable)


def _keyed(  # noqa: PLR0913  (what was asked, and what was told)
    answer: Answer, ask: Ask, reader: Reader, keys: dict[Key, int], *, rows: int, flat: bool = False
) -> Page:
    """The page of these good rows, each with its time."""
    slack = 2 * _coarseness(reader.spec)
    lower = None if ask.start is None else max(0, ask.start - slack)
    upper = None if ask.stop is None else ask.stop + slack
    told = tuple(sorted(keys))
    ids = Coverage.of_ids(position for position, _ in told)
    _check_bounds(answer, replace(ask, start=lower, stop=upper), ids)
    times = tuple((key[0], keys[key]) for key in told)
    return Page(ids, {}, 0, rows, times, NOTHING, told, flat)


def _coarseness(spec: ExchangeSpec) -> int:
    """Positions that a cursor cannot tell apart."""
    unit = spec.trades.paging.unit
    return max(1, NANOSECONDS[unit] // 1_000) if unit else 1


def told_ids(answer: Answer, reader: Reader) -> Coverage | None:
    """The trade ids of all its rows, good and bad; None if any cannot be read.

    Raises ValueError if it is not a list of rows.
    """
    found: set[int] = set()
    for raw in reader.split(answer.body):
        try:
            trade_id = reader.trade(raw, answer.latest).trade_id
        except RowRefused as refused:
            trade_id = refused.trade_id
        if trade_id is None:
            return None
        found.add(trade_id)
    return Coverage.of_ids(found)


def _together(told: Told) -> bool:
    """Whether none of these ids, which rise, is `_unbelievable`."""
    ids = told.ids
    if len(ids) <= 2:  # noqa: PLR2004  (two cannot outvote each other)
        return True
    middle = ids[len(ids) // 2]
    return middle - ids[0] <= MAX_SPREAD and ids[-1] - middle <= MAX_SPREAD


def _unbelievable(ids: list[int]) -> list[int]:
    """Ids so far from the rest of their answer that they are damage, not trades.

    Without this one wrong digit in the newest answer would move the head by years.
    """
    if len(ids) <= 2:  # noqa: PLR2004  (two cannot outvote each other)
        return []
    middle = sorted(ids)[len(ids) // 2]
    return [position for position in ids if abs(position - middle) > MAX_SPREAD]


def _rows(answer: Answer, reader: Reader) -> tuple[dict[int, int], dict[int, str], int, int]:
    """(position to time of good rows, position to reason of bad ones, unreadable, rows).

    An id that the exchange voided is one that it told: as good as a row, and of no time.
    """
    quick = _all_good(answer, reader)
    if quick is not None:
        return quick
    good: dict[int, int] = {}
    bad: dict[int, str] = {}
    unreadable = rows = 0
    for verdict in _verdicts(answer, reader):
        rows += 1
        if isinstance(verdict, Trade):
            good[verdict.position] = verdict.trade_ts
        elif verdict.position is None:
            unreadable += 1
        elif verdict.reason.startswith(VOID):
            good.setdefault(verdict.position, LATEST)
        else:
            bad[verdict.position] = verdict.reason
    return good, bad, unreadable, rows


def _verdicts(answer: Answer, reader: Reader) -> list[Trade | RowRefused]:
    """Every row, read one by one. Raises BadAnswer if not one of them can be placed."""
    try:
        raws = reader.split(answer.body)
    except ValueError as error:
        raise BadAnswer(
            "an answer is not the list that this exchange documents",
            f"{error}: {answer.url}: {answer.body[:80]!r}",
            body=answer.body,
            url=answer.url,
        ) from None
    found: list[Trade | RowRefused] = []
    for raw in raws:
        try:
            found.append(reader.trade(raw, answer.latest))
        except RowRefused as refused:
            found.append(refused)
    if raws and all(one.position is None for one in found):
        raise BadAnswer(
            "no row of an answer has an id that can be read",
            f"{answer.url}: {raws[0][:80]!r}",
            "the exchange changed its format or is broken; the answer is kept in quarantine",
            body=answer.body,
            url=answer.url,
        )
    return found


def _all_good(
    answer: Answer, reader: Reader
) -> tuple[dict[int, int], dict[int, str], int, int] | None:
    """The same for an answer in which nothing is odd; None for any other."""
    # Times are not unique: there the authority places the rows.
    typed = None if reader.line.timed else reader.typed(answer.body)
    if typed is None:
        return None
    good = times_by_id(typed, reader, answer.latest)
    return None if good is None else (good, {}, 0, len(typed))


def request(market: Market, spec: ExchangeSpec, ask: Ask) -> Request:
    """The GET that puts `ask` about a market: the spec's own parameters, then the question's."""
    params = dict(_params(market, spec) + ask.params(spec.trades.paging))  # of two the question's
    return Request(path(market, spec), tuple(params.items()))


def path(market: Market, spec: ExchangeSpec) -> str:
    """The path, encoded, under which the trades of a market are asked for."""
    return spec.trades.path.replace("{symbol}", quote(spec.native(market), safe=""))


def _params(market: Market, spec: ExchangeSpec) -> tuple[tuple[str, str], ...]:
    native = spec.native(market)
    given = spec.trades.params.items()
    return tuple((name, text.replace("{symbol}", native)) for name, text in given)


def about(answer: Answer, market: Market, spec: ExchangeSpec) -> bool:
    """False if a kept answer is one about another market, by the URL that was asked for.

    A URL of another form proves nothing: the exchange's API, or its way to spell markets,
    was another then.
    """
    if "{symbol}" in spec.trades.path:
        found = _named(spec.trades.path, answer.url.partition("?")[0])
        own = quote(spec.native(market), safe="")
    else:
        asked_for = urlsplit(answer.url)
        ((name, text),) = (
            (name, text) for name, text in spec.trades.params.items() if "{symbol}" in text
        )
        given = dict(parse_qsl(asked_for.query)).get(name)
        found = None if given is None else _between(text, given)
        own = spec.native(market)
    return found is None or _letters(found) == _letters(own)


@lru_cache(maxsize=256)  # all answers of a market have this part of their URLs in common
def _named(form: str, url: str) -> str | None:
    return _between(form, urlsplit(url).path)


def _between(form: str, text: str) -> str | None:
    """What stands for {symbol} in `text`, which ends as `form` says; None if it does not."""
    before, _, after = form.partition("{symbol}")
    found = re.search(f"{re.escape(before)}([^/]+){re.escape(after)}$", text)
    return None if found is None else found[1]


def _letters(native: str) -> str:
    """A market's name without what spellings of it differ in."""
    return "".join(char for char in unquote(native) if char.isalnum()).upper()


def asked(answer: Answer, spec: ExchangeSpec) -> Ask:
    """The question that a kept answer answers. Raises ValueError if its URL is not ours."""
    try:
        return Ask.of(dict(parse_qsl(urlsplit(answer.url).query)), spec.trades.paging)
    except KeyError as error:
        msg = f"no parameter {error} in {answer.url}"
        raise ValueError(msg) from None
