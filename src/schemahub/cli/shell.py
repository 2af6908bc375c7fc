"""What every command shares: options, the app behind them, signals, words on stderr."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from schemahub.cli.words import tell, visible
from schemahub.core.errors import Interrupted

if TYPE_CHECKING:
    from schemahub.app import App

F = TypeVar("F", bound=Callable[..., Any])
LONGEST_STOP = 4.8  # s; what was proven takes 4.5 s at most to be written
COMMON = ("lake", "s3_bucket", "exchanges", "quiet", "verbose", "no_progress", "debug")


@dataclass
class Shell:
    """A command's surroundings. stdout is data only; `say` goes to stderr."""

    app: App
    quiet: bool = False
    verbose: int = 0
    progress: bool = True
    flags: dict[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    data: bool = False  # whether the command has data for stdout

    def say(self, text: str) -> None:
        if not self.quiet:
            print(visible(text), file=sys.stderr, flush=True)

    def detail(self, text: str) -> None:
        if self.verbose:
            self.say(text)

    def json(self, content: dict[str, Any]) -> None:
        print(json.dumps({"schema_version": 1, **content}, default=str), flush=True)


def command(*, base_url: bool = False, reads: bool = False) -> Callable[[F], F]:
    """Adds the options that every command has, and gives it a Shell as first argument.

    `base_url` adds what commands that talk to an exchange need; one that only `reads` has
    nothing to bring to an end, so a signal ends it at once.
    """

    def decorate(function: F) -> F:
        @wraps(function)
        def run(**options: Any) -> Any:
            return function(shell(options, reads=reads), **options)

        wrapped: Any = run
        if base_url:
            wrapped = click.option(
                "--base-url", "base_urls", multiple=True, metavar="EXCHANGE=URL",
                help="Ask this URL instead of the exchange's own.",
            )(wrapped)  # fmt: skip
            wrapped = click.option(
                "--rate-share", metavar="1/N",
                help="This process's part of the rate limit, where N share one address.",
            )(wrapped)  # fmt: skip
        for option in reversed(_OPTIONS):
            wrapped = option(wrapped)
        return wrapped  # type: ignore[no-any-return]

    return decorate


_OPTIONS = (
    click.option("--lake", metavar="DIR", help="Where the lake is: a folder."),
    click.option("--s3-bucket", metavar="B", help="Where the lake is: s3://B/schemahub."),
    click.option("--exchanges", metavar="DIR", help="Where your own exchange specs are."),
    click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
    click.option("-v", "--verbose", count=True, help="Say more."),
    click.option("--no-progress", is_flag=True, help="No progress bar."),
    click.option("--debug", is_flag=True, help="Tracebacks with errors."),
)


def shell(options: dict[str, Any], *, reads: bool = False) -> Shell:
    """Takes what is common out of a command's options, and builds the app from it."""
    from schemahub.app import App, configure

    common = {name: options.pop(name) for name in COMMON}
    flags = {name: common[name] for name in ("lake", "s3_bucket", "exchanges")}
    urls = options.pop("base_urls", ())
    flags["base_urls"] = urls or None
    for name in (
        "exchange",
        "workers",
        "chunk_concurrency",
        "transform_workers",
        "rate_share",
        "publish",
        "quality",
        "publish",
    ):
        if name in options:
            flags[name] = options.pop(name)
    configured = configure(flags)
    app = App(configured.settings, command=click.get_current_context().info_name or "schemahub")
    app.metrics.listen(_Warnings())
    listen(app, at_once=reads)
    return Shell(
        app,
        common["quiet"],
        common["verbose"],
        not common["no_progress"],
        flags,
        configured.environ,
        bool(options.get("as_json")),
    )


class _Warnings:
    """Damage that heals by itself is said all the same, once."""

    def __init__(self) -> None:
        self._told: set[object] = set()

    def __call__(self, event: str, fields: Mapping[str, object]) -> None:
        if event == "lease.unlocked":
            _warn_unlocked(str(fields["why"]))
            return
        if event not in {"checkpoint.corrupt", "sighting.corrupt"} or fields["key"] in self._told:
            return
        self._told.add(fields["key"])
        print(
            f"warning SH-OBJECT-CORRUPT: {visible(str(fields['key']))} is damaged and is not used\n"
            f"  why: {visible(str(fields.get('why', 'it cannot be read')))}\n"
            "  do:  nothing; it is only a cache or a first sighting, and is made anew",
            file=sys.stderr,
            flush=True,
        )


def _warn_unlocked(why: str) -> None:
    print(
        "warning SH-STORE: this run goes on without a lease\n"
        f"  why: {why}\n"
        "  do:  see to it if several runs share this lake: they are right, but may do work twice",
        file=sys.stderr,
        flush=True,
    )


def _end(number: int) -> None:
    tell(Interrupted(number))
    os._exit(128 + number)


def listen(app: App, *, at_once: bool) -> None:
    """The first signal asks everything to stop; the second ends the process at once.

    So does time: what hangs in a library that swallows the request is not waited for.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        if app.stop.requested:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        app.stop.request(number)
        timer = threading.Timer(LONGEST_STOP, _end, (number,))
        timer.daemon = True
        timer.start()
        if at_once:
            raise Interrupted(number)

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
