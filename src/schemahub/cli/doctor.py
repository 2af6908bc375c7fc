"""`schemahub doctor`."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import click

from schemahub import kernels
from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.cli.words import size, table
from schemahub.core.errors import SchemaHubError
from schemahub.core.layout import job_lease
from schemahub.core.lease import Holder
from schemahub.core.page import Answer, Request
from schemahub.core.settings import unknown_variables

LOW_DISK = 2_000_000_000
MAX_SKEW = 30.0
Verdict = tuple[str, str]


@click.command()
@click.option("--offline", is_flag=True, help="Do not ask the exchange.")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON on stdout.")
@common(base_url=True)
def command(shell: Shell, /, **options: Any) -> int:
    """Check the machine, the lake and the exchange; exit 1 if something is wrong.

    Writes a few small objects into an existing folder or bucket, to see that a name can be
    taken only once, and removes them.

    \b
      schemahub doctor
      schemahub doctor --offline --json
    """
    found = list(_checks(shell, offline=options["offline"]))
    if options["as_json"]:
        shell.json(
            {"checks": [{"check": n, "status": status, "says": says} for n, status, says in found]}
        )
    else:
        table(("check", "status", "says"), found)
    return 1 if any(status == "failed" for _, status, _ in found) else 0


def _checks(shell: Shell, *, offline: bool) -> Iterator[tuple[str, str, str]]:
    checks: list[tuple[str, Callable[[Shell], Verdict]]] = [
        ("python", _python),
        ("kernels", _kernels),
        ("settings", _settings),
        ("exchange specs", _specs),
        ("lake", _lake),
        ("leases", _leases),
    ]
    if not shell.app.settings.s3_bucket:
        checks.append(("disk", _disk))
    if not offline:
        checks.append(("exchange", _exchange))
    for name, check in checks:
        try:
            status, says = check(shell)
        except SchemaHubError as error:
            status, says = "failed", f"{error}; {error.do}"
        yield name, status, says


def _python(shell: Shell) -> Verdict:
    del shell
    return "ok", f"{platform.python_version()} on {sys.platform} {platform.machine()}"


def _kernels(shell: Shell) -> Verdict:
    del shell
    if not kernels.installed():
        return "ok", "not there: much takes more CPU; `pip install 'schemahub[fast]'` has them"
    try:
        from schemahub.kernels.compiled import version
    except ImportError as error:
        return "warning", f"cannot be used, so much takes more CPU: {error}"
    return "ok", f"compiled by numba {version()}"


def _settings(shell: Shell) -> Verdict:
    shell.app.specs.of(shell.app.settings.exchange)
    unknown = unknown_variables(shell.environ)
    if unknown:
        return "warning", f"there is no such setting: {', '.join(unknown)}"
    return "ok", "see `schemahub config show --origin`"


def _specs(shell: Shell) -> Verdict:
    specs = shell.app.specs
    broken = [name for name in specs.by_name if not specs.readable(name)]
    if broken:
        return "failed", f"not valid: {', '.join(broken)}; see `schemahub exchange list`"
    return "ok", ", ".join(specs.by_name)


def _lake(shell: Shell) -> Verdict:
    settings = shell.app.settings
    if not settings.s3_bucket and not shell.app.lake_exists():
        return "ok", f"{settings.place} is not there yet: the first ingest makes it"
    shell.app.probe()
    return "ok", f"{settings.place} takes a name only once, also in a race; what is stored is seen"


def _disk(shell: Shell) -> Verdict:
    place = Path(shell.app.settings.lake).absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    return ("ok" if free > LOW_DISK else "warning"), f"{size(free)} free at {place}"


def _leases(shell: Shell) -> Verdict:
    settings = shell.app.settings
    if settings.s3_bucket and not settings.locks_table:
        return "ok", "none: runs at the same time are right, and may do work twice (locks_table)"
    if not settings.locks_table and not shell.app.lake_exists():
        return "ok", "will be kept in the lake"
    unlocked = shell.app.metrics.count("lease.unlocked")
    lease = shell.app.leases.acquire(job_lease(f"doctor-{shell.app.run_id}"))
    if isinstance(lease, Holder):
        return "warning", f"{lease.owner} has a lease of a name that nobody takes"
    lease.release()
    if shell.app.metrics.count("lease.unlocked") > unlocked:
        return "warning", "cannot be kept: runs at the same time may do work twice"
    return "ok", f"kept in {settings.locks_table or settings.lake}"


def _exchange(shell: Shell) -> Verdict:
    app = shell.app
    source = app.exchange(app.settings.exchange)

    def read(answer: Answer) -> Answer:
        return answer

    symbols = source.spec.symbols
    if symbols.path is None:
        return "warning", f"{source.spec.title} has no list of markets to ask for"
    answer = source.http.fetch(Request(symbols.path, tuple(symbols.params.items())), read)
    skew = (app.clock.now().astimezone(UTC) - answer.served_at).total_seconds()
    says = f"{source.spec.title} answers; clocks differ by {abs(skew):.0f} s"
    return ("ok" if abs(skew) < MAX_SKEW else "warning"), says
