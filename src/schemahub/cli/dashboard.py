"""`schemahub dashboard`."""

from __future__ import annotations

import socket
import webbrowser
from typing import Any

import click

from schemahub.cli.shell import Shell
from schemahub.cli.shell import command as common
from schemahub.core.errors import ConfigError, UsageError

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8800, show_default=True,
              help="0 takes a free one.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True,
              help="The address to listen at; others than loopback let others in.")  # fmt: skip
@click.option("--open", "opened", is_flag=True, help="Open it in the browser.")
@common()
def command(shell: Shell, /, **options: Any) -> int:
    """Show the lake in the browser until Ctrl-C. The address goes to stdout.

    It reads the lake and writes nothing; it asks no exchange and no server but its own. Needs
    the extra `dashboard`.

    \b
      schemahub dashboard --open
      schemahub dashboard --s3-bucket my-bucket --port 9000
    """
    try:
        import uvicorn

        from schemahub.dashboard.server import LOOPBACK as NAMES
        from schemahub.dashboard.server import application
        from schemahub.dashboard.source import Source
    except ImportError as error:
        raise ConfigError(
            "the dashboard cannot be served",
            f"{error.name} is not installed: it is an optional extra",
            "pip install 'schemahub[dashboard]'",
        ) from None
    from schemahub.app.prices import book

    shell.app.require_lake()
    local = options["host"] in LOOPBACK
    listener = _listen(options["host"], options["port"])
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    prices = book()
    hourly = sum(
        (prices.prices[f"fargate_arm_{unit}"].usd * prices[count])
        for unit, count in (("vcpu", "vcpu"), ("gb", "memory"))
    )
    own = shell.app.settings
    place = ["--s3-bucket", own.s3_bucket] if own.s3_bucket else ["--lake", str(own.lake)]
    served = application(Source(shell.app.backend()), place, str(hourly), NAMES if local else ["*"])
    print(address, flush=True)
    if not local:
        shell.say(f"warning: whoever reaches {host} can read this lake: there is no login")
    shell.say("Ctrl-C stops it")
    if options["opened"]:
        webbrowser.open(address)
    config = uvicorn.Config(
        served, log_level="warning", access_log=bool(shell.verbose), lifespan="off",
        server_header=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    with listener:
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """Raises UsageError if it is taken, or not ours to take."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(
            f"{host}:{port} cannot be listened at",
            str(error),
            "give another --port; 0 takes a free one",
        ) from None
