"""Glue on loopback: moto's, with the check that makes a commit to a table a compare-and-swap.

Real Glue refuses an UpdateTable whose `VersionId` is not the table's current version. Moto takes
every one, so that of two writers the later silently undoes the earlier.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from moto.core.exceptions import JsonRESTError
from moto.glue.responses import GlueResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

REGION = "eu-central-1"
# A test run that is killed leaves no server behind: the kernel is asked to see to it.
_DIES_WITH_PARENT = (
    "import ctypes, runpy, sys; ctypes.CDLL(None).prctl(1, 9); "
    "runpy.run_module('tests.glue_server', run_name='__main__')"
)


class _Outdated(JsonRESTError):
    code = 400  # type: ignore[mutable-override]

    def __init__(self, wanted: str, current: str) -> None:
        super().__init__(
            "ConcurrentModificationException",
            f"Update table failed: it is at version {current}, not {wanted}",
        )


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Nobody reads it."""


def _checked(update: Any) -> Any:
    def update_table(self: GlueResponse) -> Any:
        wanted = self.parameters.get("VersionId")
        if wanted is not None:
            name = self.parameters["TableInput"]["Name"]
            table = self.glue_backend.get_table(self.parameters["DatabaseName"], name)
            if str(table._current_version) != str(wanted):
                raise _Outdated(wanted, str(table._current_version))
        return update(self)

    return update_table


def serve() -> None:
    """Answers one request at a time, for good; says its port on the first line of stdout."""
    GlueResponse.update_table = _checked(GlueResponse.update_table)  # type: ignore[method-assign]
    app = DomainDispatcherApplication(create_backend_app)
    one_at_a_time = threading.Lock()

    def answer(environ: Any, start: Any) -> Any:
        with one_at_a_time:  # look and write are two steps there
            return app(environ, start)

    server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=_Silent)
    print(server.server_port, flush=True)  # noqa: T201  (what `glue` waits for)
    server.serve_forever()


@contextmanager
def glue() -> Iterator[str]:
    """The URL of a service of its own, in a process of its own: of Glue, and all else of moto's."""
    process = subprocess.Popen(
        [sys.executable, "-c", _DIES_WITH_PARENT],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],  # where `tests` is found, wherever the test itself is
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def client(url: str) -> Any:
    return boto3.client("glue", region_name=REGION, endpoint_url=url)


if __name__ == "__main__":
    serve()
