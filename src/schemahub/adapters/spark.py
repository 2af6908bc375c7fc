"""Work on an Apache Spark cluster: each item is a job of one task, waited for by a thread of ours.

So an item is drawn when a place falls free, a result is there when it is done, and whatever
happens to a machine is Spark's to repeat: up to four times, elsewhere. The driver holds only
what is under way. pyspark is the optional extra `spark`, so it is imported when it is needed.
"""

from __future__ import annotations

import re
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any, TypeVar

from schemahub.core.errors import ConfigError, EngineError, SchemaHubError
from schemahub.ports import Tasks

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = 5.0  # s for a master to take a connection; Spark itself would try for a minute
_STANDALONE = re.compile(r"spark://(.+)")
_NEEDED = ("msgspec", "pydantic", "pyarrow")
_PORT = 7077  # where a standalone master listens if that is not said
_TRACEBACK = "Traceback (most recent call last):"
_MOST_SHOWN = 300  # characters of what Spark says


class WorkerFault(RuntimeError):
    """A bug met on a worker; the traceback is in the error that caused this one."""


@dataclass
class SparkTasks:
    """ports.Tasks by the jobs of a SparkContext: work, items and results must be picklable.

    `threads` are who waits. `master` empty means what Spark is configured to use, `python`
    empty likewise. A context that is there already (a notebook's, a job's on Glue) is used and
    left; one that is made here ends with `close`. Raises ConfigError if Spark or the package
    is not where it is needed, EngineError if the cluster cannot be reached or gives up.
    """

    threads: Tasks
    master: str = ""
    python: str = ""
    _context: Any = field(default=None, init=False)
    _own: bool = field(default=False, init=False)

    def each(
        self, work: Callable[[T], R], items: Iterable[T], width: int
    ) -> Iterator[tuple[T, R | SchemaHubError]]:
        jobs = _Jobs(self._connected(), f"schemahub-{secrets.token_hex(8)}", work)
        complete = False
        try:
            yield from self.threads.each(jobs.run, items, width)
            complete = True
        finally:
            if not complete:
                jobs.cancel()

    def close(self) -> None:
        """Ends the application on the cluster, if it is ours."""
        if self._own:
            self._context.stop()
        self._context, self._own = None, False

    def _connected(self) -> Any:  # noqa: ANN401  (pyspark is not there to be checked against)
        """The context, of which one worker is known to be able to do our work."""
        if self._context is None:
            # In a thread: a request to stop is heard meanwhile, and in the main thread Spark
            # would put a handler of its own in the place of ours.
            for _, made in self.threads.each(self._connect, [None], 1):
                if isinstance(made, SchemaHubError):
                    raise made
        return self._context

    def _connect(self, nothing: None) -> None:
        del nothing
        _check_reachable(self.master)
        try:
            from pyspark import SparkConf, SparkContext  # noqa: PLC0415  (optional extra)
            from pyspark.errors import PySparkRuntimeError  # noqa: PLC0415
        except ImportError as error:
            raise ConfigError(
                "the engine spark needs pyspark",
                f"{error.name} is not installed: it is an optional extra",
                "pip install 'schemahub[spark]'",
            ) from None
        conf = SparkConf().set("spark.ui.showConsoleProgress", "false")
        if self.master:
            conf.setMaster(self.master)
        own = SparkContext._active_spark_context is None  # noqa: SLF001  (no public way to ask)
        try:
            context = _translated(
                lambda: SparkContext.getOrCreate(conf.setAppName("schemahub") if own else None)
            )
        except (PySparkRuntimeError, OSError) as error:
            raise ConfigError(
                "Spark cannot be started",
                _shown(str(error)),
                "Spark 4 needs Java 17 or later: put `java` on PATH, or name it in JAVA_HOME",
            ) from error
        if own and self.python:
            context.pythonExec = self.python
        self._context, self._own = context, own
        jobs = _Jobs(context, f"schemahub-{secrets.token_hex(8)}", _fit)
        _check_version(jobs.run(None))


@dataclass(frozen=True)
class _Jobs:
    """Work that is done on the cluster, item by item, from any thread."""

    context: Any
    group: str
    work: Callable[[Any], Any]
    given_up: threading.Event = field(default_factory=threading.Event)

    def run(self, item: Any) -> Any:  # noqa: ANN401  (of the work's own types)
        """Raises the SchemaHubError that the work raised."""
        if self.given_up.is_set():  # by a thread that begins when nobody listens any more
            raise EngineError("the work was given up")
        context = self.context
        work = partial(_done, _version(None), self.work)

        def job() -> Any:  # noqa: ANN401
            context.setJobGroup(self.group, "schemahub", False)  # noqa: FBT003  (pyspark's own)
            (result,) = context.parallelize([item], 1).map(work).collect()
            return result

        result = _translated(job)
        if isinstance(result, SchemaHubError):
            raise result
        return result

    def cancel(self) -> None:
        """What is under way is given up: it was ours to wait for, and nobody does.

        A job that is just being handed over may slip through, and ends unheard.
        """
        self.given_up.set()
        with suppress(EngineError):  # with the connection Spark lost our jobs as well
            _translated(lambda: self.context.cancelJobGroup(self.group))


def _done(version: str, work: Callable[[T], R], item: T) -> R | SchemaHubError:
    """On a worker: the result, or the error as one; Spark repeats only what died."""
    try:
        _check_version(version)
        return work(item)
    except SchemaHubError as error:
        return error


def _fit(nothing: None) -> str:
    """The version; raises ImportError where something is lacking that parts are made with."""
    for name in _NEEDED:
        import_module(name)
    return _version(nothing)


def _version(nothing: None) -> str:
    """Of the package as it is imported where this runs; one from a zip has no metadata."""
    del nothing
    package = __name__.partition(".")[0]
    return str(vars(sys.modules[package])["__version__"])


def _check_version(version: str) -> None:
    """Two versions may make different rows of the same raw."""
    if version != (here := _version(None)):
        raise ConfigError(
            "driver and workers run different versions of schemahub",
            f"{version} and {here}",
            "install the same one everywhere (docs/SCALING.md)",
        )


def _check_reachable(master: str) -> None:
    """Raises EngineError if no standalone master of the URL takes a connection."""
    found = _STANDALONE.fullmatch(master)
    if found is None:
        return
    why = ""
    for place in found[1].split(","):
        host, _, port = place.rpartition(":") if ":" in place else (place, "", str(_PORT))
        try:
            socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
        except (OSError, ValueError, OverflowError) as error:
            why = f"{place}: {error}"
        else:
            return
    raise EngineError(
        f"the Spark master {master} cannot be reached",
        why,
        "see that it runs and that --spark-master is its URL, as its log or web page shows it",
    )


def _translated(call: Callable[[], R]) -> R:
    """What the call returns; what Spark and Java raise becomes ours, once and here."""
    from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError  # noqa: PLC0415

    try:
        return call()
    except Py4JJavaError as error:
        raise _reason(str(error.java_exception.getMessage())) from error
    except (Py4JNetworkError, Py4JError, ConnectionError, EOFError) as error:
        raise EngineError(
            "the connection to Spark is lost",
            _shown(str(error)) or type(error).__name__,
            "see the lines above; then run the same command again: it goes on",
        ) from error


def _reason(said: str) -> SchemaHubError | WorkerFault:
    """Of Java's message: whether the workers lack something, Spark gave up, or we have a bug."""
    if "PYTHON_VERSION_MISMATCH" in said:
        return _unfit("their Python is of another version than the driver's", said)
    missing = re.search(r"(?:ModuleNotFoundError|ImportError): ([^\n]+)", said)
    if missing is not None:
        return _unfit(missing[1], said)
    no_python = re.search(r"Cannot run program [^\n]+", said)
    if no_python is not None:
        return _unfit(no_python[0], said)
    if _TRACEBACK in said:
        return WorkerFault(_last_line(said))
    return EngineError(
        "Spark gave up",
        _shown(said),
        "see the cluster's own log; a worker that is killed for memory needs more of it, or "
        "fewer cores (docs/SCALING.md). Run the same command again: it goes on",
    )


def _unfit(why: str, said: str) -> ConfigError:
    found = re.search(r"\(([^\s()]+) executor", said)
    return ConfigError(
        "a Spark worker cannot run schemahub",
        f"{_shown(why)}{f' (on {found[1]})' if found else ''}",
        "give the workers the driver's environment: the same path on each, named in "
        "PYSPARK_PYTHON, or an archive (docs/SCALING.md)",
    )


def _last_line(said: str) -> str:
    """Of the Python traceback in a message of Java."""
    python = said.partition(_TRACEBACK)[2].partition("\n\n")[0]
    lines = [line for line in python.splitlines() if line and not line[0].isspace()]
    return _shown(lines[-1] if lines else said)


def _shown(said: str) -> str:
    """The first lines of it, as one."""
    line = " ".join(said.split())
    return line if len(line) <= _MOST_SHOWN else f"{line[:_MOST_SHOWN]}…"
