"""Progress on stderr: a bar a market on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from schemahub.cli.shell import Shell
from schemahub.cli.words import count, span

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

PLAIN_EVERY = 10.0


class Progress:
    """Shows a run while it goes on. Never raises: it is not in the data path."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._clock = shell.app.clock
        self._started = self._clock.monotonic()
        self._lock = threading.Lock()
        self._planned = 0
        self._trades = 0
        self._open = False  # whether the trades of some market are not known
        self._markets: dict[str, TaskID] = {}
        self._told_at = self._started
        self._bars: Bars | None = None
        shown = shell.progress and not shell.quiet
        self._plain = shown and not sys.stderr.isatty()
        if shown and sys.stderr.isatty():
            self._bars = _bars()
        if shown:
            shell.app.metrics.listen(self._hear)

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def _hear(self, event: str, fields: Mapping[str, object]) -> None:
        with self._lock:
            if event == "market.planned":
                trades = fields["trades"]
                known = None if trades is None else int(str(trades))
                self._plan(str(fields["market"]), known, fields["watermark"])
            elif event == "page.fetched":
                self._advance(str(fields["market"]), int(str(fields["trades"])))
            elif event in {"request.throttled", "breaker.opened"} and self._plain:
                self._shell.detail(f"{event}: {fields.get('cause') or fields.get('title') or ''}")

    def _plan(self, market: str, trades: int | None, watermark: object) -> None:
        """`trades` None: how many there are only asking tells."""
        self._planned += trades or 0
        self._open = self._open or trades is None
        if self._bars is not None:
            words = f"{market} from watermark {watermark}"
            self._markets[market] = self._bars.add_task(words, total=trades, speed="")
        elif trades is None:
            self._say(f"{market}: fetching what is missing")
        elif trades:
            self._say(f"{market}: {count(trades)} trades to fetch, watermark {watermark}")

    def _advance(self, market: str, trades: int) -> None:
        self._trades += trades
        if self._bars is not None and market in self._markets:
            self._bars.update(self._markets[market], advance=trades, speed=self._speed())
            return
        now = self._clock.monotonic()
        if self._plain and now - self._told_at >= PLAIN_EVERY:
            self._told_at = now
            planned = "" if self._open else f" of {count(self._planned)}"
            self._say(f"{count(self._trades)}{planned} trades, {self._speed()}")

    def _say(self, text: str) -> None:
        if self._plain:
            self._shell.say(text)

    def _speed(self) -> str:
        """Trades and requests a second against the limit, what is left, the breaker."""
        seconds = max(1e-3, self._clock.monotonic() - self._started)
        trades = self._trades / seconds
        asked = self._shell.app.metrics.count("request.answered") / seconds
        left = (self._planned - self._trades) / trades if trades else 0
        words = f"{count(trades)} trades/s, {asked:.1f}{self._limit()} requests/s"
        end = "" if self._open else f", {span(left)} left"
        return f"{words}{end}{self._breaker()}"

    def _limit(self) -> str:
        rates = [f"{gate.bucket.full_rate:.3g}" for gate in self._shell.app.gates().values()]
        return f" of {'+'.join(rates)}" if rates else ""

    def _breaker(self) -> str:
        now = self._clock.monotonic()
        states = {gate.breaker.state(now) for gate in self._shell.app.gates().values()}
        return "".join(f", breaker {state}" for state in sorted(states - {"closed"}))


def _bars() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Rich

    return Rich(
        # Without markup: a market may be called [/B]-USD.
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}", markup=False),
        console=Console(stderr=True),
    )
