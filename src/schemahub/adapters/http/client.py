"""The client: gate, retries, and what each status means."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from schemahub.adapters.http.failure import Failed, line
from schemahub.adapters.http.wire import OK, Bounds, Reply, Wire, checked
from schemahub.core.errors import (
    BadAnswer,
    ExchangeError,
    Interrupted,
    Refused,
    SchemaHubError,
    Throttled,
    Unreachable,
)
from schemahub.core.gate import MAX_TRIES, Gate, GiveUp, Outcome, Turn, retry_delay
from schemahub.core.page import Answer, Request
from schemahub.core.spec import Statuses
from schemahub.ports import Clock, Metrics

T = TypeVar("T")

_TRY_AGAIN = frozenset({408, 425})
# What became of a request, by the reason why it failed; of others `_outcome` tells.
_OUTCOMES = {
    "timeout": "timeout",
    "deadline": "timeout",
    "connect": "connection",
    "connection": "connection",
    "tls": "connection",
    "truncated": "connection",
    "status_408": "timeout",
}


class HttpClient:
    """ports.Http. Safe to use from many threads; all pass the same gate.

    `clock.sleep(0)` must raise Interrupted once the process was asked to stop. Raises
    ConfigError at once for a base URL that is not safe to use.
    """

    def __init__(  # noqa: PLR0913  (what app wires, each by its name)
        self,
        base_url: str,
        *,
        title: str,
        gate: Gate,
        clock: Clock,
        metrics: Metrics,
        rng: random.Random,
        user_agent: str,
        statuses: Statuses | None = None,
        penalty: float = 0.0,
        pool_size: int = 20,
        bounds: Bounds | None = None,
    ) -> None:
        self._base = checked(base_url)
        self._title = title
        self._gate = gate
        self._lock = threading.Lock()  # around the gate's arithmetic, never around waiting
        self._clock = clock
        self._metrics = metrics
        self._rng = rng
        self._last_cause = ""  # of the host, for those whom the breaker turns away
        self._statuses = statuses or Statuses()
        self._penalty = penalty
        self._wire = Wire(
            self._base,
            user_agent=user_agent,
            pool_size=pool_size,
            bounds=bounds or Bounds(),
            monotonic=clock.monotonic,
        )

    @property
    def gate(self) -> Gate:
        return self._gate

    def close(self) -> None:
        """Close the idle connections."""
        self._wire.close()

    def fetch(self, request: Request, read: Callable[[Answer], T]) -> T:
        target = self._target(request)
        url = f"{self._base.scheme}://{self._base.netloc}{target}"
        failed: Failed | None = None
        tries = 0
        while tries < MAX_TRIES:
            if failed is not None and not self._back_off(failed, tries):
                break
            turn = self._pass_gate(url, failed, tries)
            tries += 1
            try:
                return self._attempt(turn, target, url, read)
            except Failed as problem:
                failed = problem
            finally:
                with self._lock:
                    self._gate.leave(turn)
        raise self._verdict(url, failed, tries, "") from failed

    def _target(self, request: Request) -> str:
        path = request.path
        if not re.fullmatch(r"/[!-~]*", path) or path.startswith("//") or set(path) & set("?#\\"):
            msg = f"not an encoded path: {path!r}"
            raise ValueError(msg)
        query = f"?{urlencode(request.params)}" if request.params else ""
        return self._base.path.rstrip("/") + path + query

    # ------------------------------------------------------------ between attempts

    def _back_off(self, failed: Failed, tries: int) -> bool:
        """Wait before the next try; False if the budget has none left."""
        with self._lock:
            allowed = self._gate.may_retry(failed.outcome)
            delay = retry_delay(tries - 1, self._rng.random())
        if allowed:
            self._metrics.emit(
                "request.retried", reason=failed.reason, tries=tries, delay=round(delay, 3)
            )
            self._clock.sleep(delay)
        return allowed

    def _pass_gate(self, url: str, failed: Failed | None, tries: int) -> Turn:
        turn = self._gate.turn()
        admitted = False
        try:
            while not admitted:
                self._clock.sleep(0)  # asked to stop?
                with self._lock:
                    wait = self._gate.admit(turn, self._clock.monotonic())
                if isinstance(wait, GiveUp):
                    raise self._given_up(wait, url, failed, tries)
                admitted = wait == 0
                if not admitted:
                    self._clock.sleep(wait)
        finally:
            if not admitted:
                with self._lock:
                    self._gate.leave(turn)
        return turn

    def _given_up(
        self, given_up: GiveUp, url: str, failed: Failed | None, tries: int
    ) -> ExchangeError:
        if given_up.reason == "throttled":
            return Throttled(
                f"{self._title} asked to be left alone",
                f"it gets no more requests for {given_up.seconds:.0f} s, as it demanded: {url}",
                "run the same command again after that; fewer --workers ask less of it",
            )
        return self._verdict(
            url, failed, tries, f"no request succeeded for {given_up.seconds:.0f} s"
        )

    def _verdict(self, url: str, failed: Failed | None, tries: int, more: str) -> ExchangeError:
        throttled = failed is not None and failed.outcome is Outcome.THROTTLED
        if failed is not None and failed.bad is not None and not throttled:
            return failed.bad
        cause = failed.cause if failed else self._last_cause
        count = f"after {tries} {'try' if tries == 1 else 'tries'}" if tries else ""
        why = f"{url}: {', '.join(part for part in (cause, count, more) if part)}"
        if throttled:
            return Throttled(
                f"{self._title} keeps answering that we ask too fast",
                why,
                "run the same command again later; if others use this address, set --rate-share",
            )
        return Unreachable(
            f"{self._title} cannot be reached",
            why,
            "check the network and the exchange's status page, then run the same command again",
        )

    # ------------------------------------------------------------ one attempt

    def _attempt(self, turn: Turn, target: str, url: str, read: Callable[[Answer], T]) -> T:
        started = self._clock.monotonic()
        try:
            reply = self._wire.get(target)
            self._metrics.emit(
                "request.answered",
                status=reply.status,
                seconds=round(self._clock.monotonic() - started, 6),
                bytes=reply.wire,
            )
            self._judge(reply, url)
            date = reply.headers.get("Date", "")
            answer = Answer(self._clock.now(), url, reply.status, date, reply.body)
            result = _accepted(read, answer)
        except Failed as failed:
            event = "request.throttled" if failed.outcome is Outcome.THROTTLED else "request.failed"
            self._metrics.emit(
                event,
                reason=failed.reason,
                cause=failed.cause,
                retry_after=failed.retry_after,
                seconds=round(self._clock.monotonic() - started, 6),
            )
            self._end(_OUTCOMES.get(failed.reason) or _outcome(failed))
            self._last_cause = failed.cause
            wait = failed.retry_after
            if wait is None and failed.outcome is Outcome.THROTTLED:
                wait = self._penalty or None
            self._report(turn, failed.outcome, wait)
            raise
        except SchemaHubError as error:
            if not isinstance(error, Interrupted):
                self._end("bad_answer" if isinstance(error, BadAnswer) else "refused")
            self._report(turn, Outcome.ANSWERED)
            raise
        self._end("ok")
        self._report(turn, Outcome.ANSWERED)
        return result

    def _end(self, outcome: str) -> None:
        self._metrics.emit("request.ended", outcome=outcome)

    def _report(self, turn: Turn, outcome: Outcome, retry_after: float | None = None) -> None:
        with self._lock:
            now = self._clock.monotonic()
            events = self._gate.report(turn, now, outcome, retry_after)
        for event in events:
            self._metrics.emit(event, title=self._title, retry_after=retry_after)

    def _judge(self, reply: Reply, url: str) -> None:
        """Returns for a 200. Raises Failed if a retry may help, else what it means."""
        status = reply.status
        if status == OK:
            return
        said = _complaint(reply.body)
        cause = f"HTTP {status}{': ' if said else ''}{said}"
        meaning = self._statuses.meaning(status)
        if meaning == "throttled":
            raise Failed("throttled", cause, Outcome.THROTTLED, self._retry_after(reply))
        if meaning == "refused":
            raise Refused(
                f"{self._title} refuses this request",
                f"{url}: {cause}",
                "check the market's name, and whether the exchange serves it where you are",
                status,
            )
        if status in _TRY_AGAIN or status >= 500:  # noqa: PLR2004  (5xx)
            raise Failed(f"status_{status}", cause, retry_after=self._retry_after(reply))
        if 300 <= status < 400:  # noqa: PLR2004  (3xx)
            there = line(reply.headers.get("Location", "nowhere"))
            raise BadAnswer(
                f"{self._title} redirects, and redirects are not followed",
                f"{url} → {there} (HTTP {status})",
                "if the exchange moved, correct base_url in its spec",
                reply.body,
            )
        raise BadAnswer(
            f"{self._title} answers with a status that nobody expects here",
            f"{url}: {cause}",
            "see the exchange's documentation; its spec may name more refused statuses",
            reply.body,
        )

    def _retry_after(self, reply: Reply) -> float | None:
        """Retry-After in seconds from now, from either of its forms; None if it says nothing."""
        text = reply.headers.get("Retry-After", "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
            return float(text)
        until = _moment(text)
        if until is None:
            return None
        # By the server's own clock where it tells it: ours may be wrong.
        now = _moment(reply.headers.get("Date", "")) or self._clock.now()
        return max(0.0, (until - now).total_seconds())


def _accepted(read: Callable[[Answer], T], answer: Answer) -> T:
    try:
        return read(answer)
    except BadAnswer as bad:
        outcome = Outcome.THROTTLED if bad.throttled else Outcome.FAILED
        reason = "throttled" if bad.throttled else "bad_answer"
        raise Failed(reason, str(bad), outcome, bad=bad) from bad


def _outcome(failed: Failed) -> str:
    if failed.outcome is Outcome.THROTTLED:
        return "throttled"
    return "server_error" if failed.reason.startswith("status_") else "bad_answer"


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _complaint(body: bytes) -> str:
    """What an exchange says is wrong, on one line."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = None
    if isinstance(said, dict):
        for name in ("message", "msg", "error"):
            if isinstance(said.get(name), str):
                return line(said[name])
    return line(body[:2_000].decode("utf-8", "replace"))
