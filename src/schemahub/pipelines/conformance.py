"""A short conversation with an exchange, to see whether it does what its spec says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

from schemahub.core import conformance as points
from schemahub.core import page as pages
from schemahub.core import paging
from schemahub.core.conformance import Finding, Seen
from schemahub.core.errors import BadAnswer, Refused, Unreachable, UsageError
from schemahub.core.layout import Market
from schemahub.core.page import Answer, Request
from schemahub.core.paging import Ask
from schemahub.core.sample import sampled
from schemahub.core.trade import Trade
from schemahub.core.wire import Reader
from schemahub.pipelines.seed import Listing, Seed, listed
from schemahub.pipelines.source import Source
from schemahub.ports import Http

T = TypeVar("T")

# No exchange lists these; letters only, as some refuse to parse anything else.
NO_MARKET = "QZXQ-ZXQZ"
_LIKELY = ("BTC-USDT", "BTC-USD", "BTC-USDC", "BTC-EUR")


@dataclass
class Conformance:
    """At most a dozen requests, each through the gate. `symbol` None: a market of the listing."""

    source: Source
    symbol: str | None = None
    asked: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source = replace(self.source, http=_Once(self.source.http, self.source.reader))

    def run(self) -> Iterator[Finding]:
        """A finding for every point, as they are known. Raises Unreachable, Throttled, UsageError.

        Where the newest trades cannot be had, what they would have shown is unknown.
        """
        symbols, market = self._symbols()
        yield symbols
        try:
            first = self._ask(market, paging.head(self.source.spec.trades.paging))
        except (BadAnswer, Refused) as error:
            yield Finding("answers", "failed", str(error))
            yield from self._unseen("the newest trades could not be had", after="answers")
            return
        refusal = self._refusal()
        try:
            found = list(self._compare(market, first))
        except (BadAnswer, Refused) as error:
            found = [Finding("adjacency", "failed", f"a page was refused: {error}")]
        yield points.answers(self.asked)
        yield refusal
        yield points.order(first)
        yield points.ids(self.asked)
        yield from found
        done = {"answers", "refusal", "order", "ids", "side", "clock", *(f.point for f in found)}
        yield from self._unseen("another page could not be had", but=done)
        yield points.side(first.ordered, self.source.spec)
        yield points.clock(first)

    # ------------------------------------------------------------ questions

    def _ask(self, market: Market, ask: Ask) -> Seen:
        spec, reader = self.source.spec, self.source.reader

        def read(answer: Answer) -> Seen:
            try:
                return Seen(ask, answer, sampled(answer, reader))
            except ValueError as error:
                raise BadAnswer(
                    "an answer cannot be read by this spec",
                    f"{error}: {answer.url}: {answer.body[:80]!r}",
                    body=answer.body,
                    url=answer.url,
                ) from None

        seen = self.source.http.fetch(pages.request(market, spec, ask), read)
        self.asked.append(seen)
        return seen

    def _compare(self, market: Market, first: Seen) -> Iterator[Finding]:
        spec = self.source.spec
        known = first.ordered
        question = points.around(known, spec)
        middle = None if question is None else self._ask(market, question)
        yield points.cursor(middle, known, spec)
        yield points.adjacency(middle, known, spec)
        older = self._beside(market, known)
        neighbours = older if len(older) > 1 else [*older, first]
        yield points.contiguity(neighbours, spec)
        last = self._ask(market, paging.head(spec.trades.paging))
        between = [seen for seen in (middle, *older) if seen is not None]
        yield points.newest(first, last, between, self._above(market, last))
        # Last of all: some answer too large a limit with an error that is tried again.
        yield points.page([first, *older], self._more(market), spec)

    def _beside(self, market: Market, known: list[Trade]) -> list[Seen]:
        """The page of older trades; with the one after it, if that is not the known one."""
        question = points.beside(known, self.source.spec)
        if question is None:
            return []
        older = self._ask(market, question)
        if points.joined(older, known) or not older.trades:
            return [older]
        onward = points.after(older, self.source.spec)
        return [older] if onward is None else [older, self._ask(market, onward)]

    def _more(self, market: Market) -> Seen | None:
        """What comes if twice a page is asked for; None if that cannot be, or is refused."""
        rules = self.source.spec.trades.paging
        if rules.limit is None:
            return None
        head = paging.head(rules)
        try:
            return self._ask(market, Ask(limit=2 * rules.page, window=head.window))
        except (BadAnswer, Refused, Unreachable):
            return None

    def _above(self, market: Market, last: Seen) -> Seen | None:
        question = points.above(last, self.source.spec)
        return None if question is None else self._ask(market, question)

    # ------------------------------------------------------------ markets

    def _symbols(self) -> tuple[Finding, Market]:
        """What the list of markets shows, and the market to ask for. Raises UsageError."""
        spec = self.source.spec
        listing, problem = Listing((), 0), None
        if spec.symbols.path is None:
            problem = Finding("symbols", "unknown", "the spec names no list of markets")
        else:
            try:
                listing = listed(self.source)
            except (BadAnswer, Refused) as error:
                hint = "see symbols.rows, its fields, and whether `native` spells them so"
                problem = Finding("symbols", "failed", f"{error}; {hint}")
        market = Market(spec.exchange, self.symbol or _likely(listing.seeds))
        return problem or _spelt(listing, market, self.source), market

    def _refusal(self) -> Finding:
        """How a market is refused that there is not."""
        market = Market(self.source.spec.exchange, NO_MARKET)
        question = pages.request(market, self.source.spec, Ask(limit=2))
        try:
            answer = self.source.http.fetch(question, lambda answer: answer)
        except Refused as refused:
            return Finding("refusal", "ok", f"a market that there is not: HTTP {refused.status}")
        except BadAnswer as bad:
            return Finding("refusal", "failed", f"{bad}: add it to statuses.refused")
        except Unreachable as error:
            said = "a market that there is not looks like an outage, and is tried again"
            return Finding("refusal", "unknown", f"{said}: {error}")
        complaint = self.source.reader.complaint(answer.body)
        return points.refusal(answer, complaint, self.source.reader)

    def _unseen(
        self, why: str, *, after: str = "", but: frozenset[str] | set[str] = frozenset()
    ) -> Iterator[Finding]:
        rest = points.POINTS[points.POINTS.index(after) + 1 :] if after else points.POINTS[1:]
        for point in rest:
            if point not in but:
                yield Finding(point, "unknown", why)


def _likely(seeds: tuple[Seed, ...]) -> str:
    """A market that trades often. Raises UsageError if none is listed."""
    online = [seed.symbol for seed in seeds if seed.online] or [seed.symbol for seed in seeds]
    for symbol in (*_LIKELY, *online):
        if symbol in online:
            return symbol
    raise UsageError(
        "no market is named to ask for",
        "the spec describes no list of markets, or it could not be read",
        "name one that trades often: --market BTC-USDT",
    )


def _spelt(listing: Listing, market: Market, source: Source) -> Finding:
    """Whether the market is listed, and spelt as we spell it: `listed` leaves out all others."""
    seeds = listing.seeds
    said = f"{len(seeds)} markets listed, {sum(seed.online for seed in seeds)} online"
    if listing.skipped:
        said += f"; {listing.skipped} rows are none that `native` spells"
    if market.symbol not in {seed.symbol for seed in seeds}:
        return Finding("symbols", "failed", f"{said}; {market.symbol} is not among them")
    return Finding("symbols", "ok", f"{said}; {market.symbol} is {source.spec.native(market)}")


@dataclass(frozen=True)
class _Once:
    """ports.Http that takes the first answer as it is: here it is judged, not needed."""

    http: Http
    reader: Reader

    def fetch(self, request: Request, read: Callable[[Answer], T]) -> T:
        """Only where the exchange says that we ask too fast is it asked again."""

        def heed(answer: Answer) -> Answer:
            complaint = self.reader.complaint(answer.body)
            if complaint is not None and complaint[0] == "throttled":
                raise BadAnswer(
                    "the exchange says that we ask too fast",
                    f"{answer.url}: {complaint[1]}",
                    throttled=True,
                )
            return answer

        return read(self.http.fetch(request, heed))
