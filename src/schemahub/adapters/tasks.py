"""Work side by side: threads for waiting, processes for computing.

Neither keeps the interpreter from exiting. Threads are daemons of our own, because those of
`concurrent.futures` are joined at exit however long they take; work that outlives its 3 s
(a socket that hangs) is abandoned and dies with the process. Whoever wants to be gone at
once after Interrupted flushes its streams and calls `os._exit`.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from multiprocessing.process import BaseProcess
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from schemahub.core.errors import Interrupted, SchemaHubError

T = TypeVar("T")
R = TypeVar("R")

MAX_WIDTH = 200
GRACE = 3.0  # s for what is under way once a stop was requested
_LOOK = 0.1  # s between looks at the request to stop


class StopRequest(Protocol):
    @property
    def requested(self) -> bool: ...

    @property
    def signal(self) -> int: ...


class Threads:
    """ports.Tasks by threads. `each` may be used inside the work of another `each`.

    Closing the iterator early returns at once: no item is drawn any more, and what is under
    way goes on in the background, unheard.
    """

    def __init__(self, stop: StopRequest, grace: float = GRACE) -> None:
        self._stop = stop
        self._grace = grace

    def each(
        self, work: Callable[[T], R], items: Iterable[T], width: int
    ) -> Iterator[tuple[T, R | SchemaHubError]]:
        _check(width)
        return self._each(work, iter(items), width)

    def _each(
        self, work: Callable[[T], R], items: Iterator[T], width: int
    ) -> Iterator[tuple[T, R | SchemaHubError]]:
        patience = _Patience(self._stop, self._grace)
        crew = _Crew(work, items, width, patience)
        try:
            crew.refill()
            while crew.under_way:
                done = crew.finished()
                if done is None:
                    if patience.over():
                        break
                elif isinstance(done.error, Interrupted):
                    patience.interrupted(done.error)
                elif done.error is not None and not isinstance(done.error, SchemaHubError):
                    raise done.error
                else:
                    # The free place is filled before the caller takes its time over a result.
                    crew.refill()
                    yield done.outcome()
        finally:
            crew.dismiss()
        patience.end(complete=crew.drawn_out and not crew.under_way)


class Processes:
    """ports.Tasks by spawned processes: work, items and results must be picklable.

    A width of one runs in this process. Workers ignore SIGINT (this process decides); one
    that dies without a word is a SchemaHubError. Ending early terminates the workers.
    """

    def __init__(self, stop: StopRequest, grace: float = GRACE) -> None:
        self._stop = stop
        self._grace = grace

    def each(
        self, work: Callable[[T], R], items: Iterable[T], width: int
    ) -> Iterator[tuple[T, R | SchemaHubError]]:
        _check(width)
        if width == 1:
            return self._here(work, items)
        return self._elsewhere(work, iter(items), width)

    def _here(
        self, work: Callable[[T], R], items: Iterable[T]
    ) -> Iterator[tuple[T, R | SchemaHubError]]:
        patience = _Patience(self._stop, self._grace)
        for item in items:
            if patience.stopping():
                break
            try:
                result: R | SchemaHubError = work(item)
            except Interrupted:
                raise
            except SchemaHubError as error:
                result = error
            yield item, result
        else:
            return
        patience.end(complete=False)

    def _elsewhere(
        self, work: Callable[[T], R], items: Iterator[T], width: int
    ) -> Iterator[tuple[T, R | SchemaHubError]]:
        # Work goes to each process once, not with every item: what it learns there it keeps.
        crew = ProcessPoolExecutor(
            width,
            multiprocessing.get_context("spawn"),
            initializer=_as_worker,
            initargs=(work,),
        )
        clean = False
        try:
            yield from self._drive(crew, _carried, items, width)
            clean = True
        except BrokenProcessPool as error:
            raise SchemaHubError(
                "a worker process died",
                "it was killed, ran out of memory or crashed",
                "run the same command again, with fewer --workers if memory is short",
            ) from error
        finally:
            if not clean:
                # Else its threads would wait, at exit, for work that nobody wants any more.
                for worker in list((crew._processes or {}).values()):  # noqa: SLF001  (public in 3.14)
                    worker.terminate()
            crew.shutdown(wait=clean, cancel_futures=True)

    def _drive(
        self,
        crew: ProcessPoolExecutor,
        work: Callable[[T], R | _Carried],
        items: Iterator[T],
        width: int,
    ) -> Iterator[tuple[T, R | SchemaHubError]]:
        patience = _Patience(self._stop, self._grace)
        under_way: dict[Future[R | _Carried], T] = {}
        drawn_out = False
        while True:
            while len(under_way) < width and not drawn_out and not patience.stopping():
                try:
                    item = next(items)
                except StopIteration:
                    drawn_out = True
                else:
                    under_way[crew.submit(work, item)] = item
            if not under_way or patience.over():
                break
            for future in wait(under_way, _LOOK, FIRST_COMPLETED).done:
                item, result = under_way.pop(future), future.result()
                error = result.error() if isinstance(result, _Carried) else None
                if isinstance(error, Interrupted):
                    patience.interrupted(error)
                elif error is not None:
                    yield item, error
                elif not isinstance(result, _Carried):
                    yield item, result
        patience.end(complete=drawn_out and not under_way)


class _Patience:
    """When to stop drawing, when to stop waiting, and what to raise at the end."""

    def __init__(self, stop: StopRequest, grace: float) -> None:
        self._stop = stop
        self._grace = grace
        self._until: float | None = None
        self._error: Interrupted | None = None

    def stopping(self) -> bool:
        if self._until is None and (self._stop.requested or self._error is not None):
            self._until = time.monotonic() + self._grace
        return self._until is not None

    def over(self) -> bool:
        return self.stopping() and self._until is not None and time.monotonic() >= self._until

    def interrupted(self, error: Interrupted) -> None:
        """A piece of work was interrupted: it did not finish, and no other should begin."""
        self._error = self._error or error

    def end(self, *, complete: bool) -> None:
        """Raises Interrupted if not all was done."""
        if self._error is not None:
            raise self._error
        if not complete:
            raise Interrupted(self._stop.signal)


@dataclass(frozen=True, slots=True)
class _Item(Generic[T]):
    item: T


@dataclass(frozen=True, slots=True)
class _Done(Generic[T, R]):
    item: T
    results: tuple[R, ...]  # one, unless there is an error
    error: BaseException | None = None

    def outcome(self) -> tuple[T, R | SchemaHubError]:
        if isinstance(self.error, SchemaHubError):
            return self.item, self.error
        return self.item, self.results[0]


def _check(width: int) -> None:
    if not 1 <= width <= MAX_WIDTH:
        msg = f"width is {width}, not 1 to {MAX_WIDTH}"
        raise ValueError(msg)


class _Crew(Generic[T, R]):
    """Threads of one `each`, which work on one item after the other until they are dismissed.

    None is started before it is needed, and nobody waits for their end: each `each` has its own.
    """

    def __init__(
        self, work: Callable[[T], R], items: Iterator[T], width: int, patience: _Patience
    ) -> None:
        self._work = work
        self._items = items
        self._width = width
        self._patience = patience
        self._waiting: SimpleQueue[_Item[T] | None] = SimpleQueue()
        self._finished: SimpleQueue[_Done[T, R]] = SimpleQueue()
        self._threads = 0
        self.under_way = 0
        self.drawn_out = False

    def refill(self) -> None:
        """Draw an item for each free place, unless a stop was requested."""
        while self.under_way < self._width and not self.drawn_out and not self._patience.stopping():
            try:
                item = next(self._items)
            except StopIteration:
                self.drawn_out = True
            else:
                self._waiting.put(_Item(item))
                self.under_way += 1
                # Whoever is not at work waits for items.
                if self._threads < self.under_way:
                    self._threads += 1
                    threading.Thread(target=self._run, daemon=True).start()

    def finished(self) -> _Done[T, R] | None:
        """One that finished; None if none did for a moment."""
        try:
            done = self._finished.get(timeout=_LOOK)
        except Empty:
            return None
        self.under_way -= 1
        return done

    def dismiss(self) -> None:
        """Let the threads go, each as soon as its work is done."""
        for _ in range(self._threads):
            self._waiting.put(None)

    def _run(self) -> None:
        while (drawn := self._waiting.get()) is not None:
            self._work_on(drawn.item)
            # What it holds may be large, and the next may be long in coming.
            del drawn

    def _work_on(self, item: T) -> None:
        done: _Done[T, R]
        try:
            done = _Done(item, (self._work(item),))
        except BaseException as error:  # noqa: BLE001  (a thread's outermost edge: `each` raises it)
            done = _Done(item, (), error)
        self._finished.put(done)


@dataclass(frozen=True, slots=True)
class _Carried:
    """An error on its way out of a process.

    Errors whose constructors take more than their `args` cannot be unpickled, and one that
    cannot be would break the whole pool.
    """

    kind: type[SchemaHubError]
    args: tuple[Any, ...]
    state: dict[str, Any]

    def error(self) -> SchemaHubError:
        error = self.kind.__new__(self.kind, *self.args)
        error.__dict__.update(self.state)
        return error


def _carried(item: Any) -> Any:  # noqa: ANN401  (whatever the work takes and gives)
    """What this process's work makes of an item."""
    try:
        return _own[0](item)
    except SchemaHubError as error:
        return _Carried(type(error), error.args, error.__dict__)


_own: list[Callable[[Any], Any]] = []  # the one work of a worker process, for all its life


def _as_worker(work: Callable[[Any], Any]) -> None:
    """The parent decides when to stop; a worker whose parent is gone ends too."""
    _own[:] = [work]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    wait_for([parent.sentinel])
    os._exit(1)
