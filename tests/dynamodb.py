"""DynamoDB on loopback."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.lease_places import DYNALITE, REGION, TABLE


def client(url: str) -> Any:
    return boto3.client("dynamodb", region_name=REGION, endpoint_url=url)


def make_table(url: str, table: str = TABLE, key: str = "name") -> None:
    there = client(url)
    # The SDK asks again where the answer was lost, and is then told that it is there.
    with suppress(there.exceptions.ResourceInUseException):
        there.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    there.get_waiter("table_exists").wait(
        TableName=table, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600}
    )


class _Silent(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Nobody reads it."""


@contextmanager
def moto() -> Iterator[str]:
    """DynamoDB's API by moto, which looks and writes in two steps: so one request at a time."""
    app = DomainDispatcherApplication(create_backend_app)
    one_at_a_time = threading.Lock()

    def answer(environ: Any, start: Any) -> Any:
        with one_at_a_time:
            return app(environ, start)

    server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def dynalite() -> Iterator[str]:
    assert DYNALITE
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])  # to dynalite 0 means its default
    process = subprocess.Popen(
        [DYNALITE, "--host", "127.0.0.1", "--port", port, "--createTableMs", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        yield f"http://127.0.0.1:{int(said.rstrip().rpartition(':')[2])}"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
