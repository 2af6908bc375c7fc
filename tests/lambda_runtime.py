"""Lambda's runtime API on loopback, so that a handler runs under AWS's own runtime client.

One environment is one process, used again while it is warm and killed when its time is over.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_INIT = 20.0  # s that a process may take to be there


@dataclass
class _Invocation:
    event: Any
    deadline: float
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    ended: threading.Event = field(default_factory=threading.Event)
    state: str = ""
    body: Any = None


@dataclass
class Function:
    """`invoke` answers (`ok`, `error` or `timeout`, the result); `log` is what was printed."""

    handler: str
    folder: Path
    python: list[str]
    environment: Mapping[str, str]
    timeout: float = 30.0
    url: str = ""
    log: list[str] = field(default_factory=list)
    starts: int = 0
    waiting: queue.Queue[_Invocation] = field(default_factory=queue.Queue)
    under_way: dict[str, _Invocation] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    reader: threading.Thread | None = None

    def invoke(self, event: Any) -> tuple[str, Any]:
        if self.process is None or self.process.poll() is not None:
            self._start()
        assert self.process is not None
        one = _Invocation(event, time.time() + self.timeout)
        self.under_way[one.request_id] = one
        self.waiting.put(one)
        give_up = time.monotonic() + self.timeout + _INIT
        while not one.ended.wait(0.02):
            assert self.process.poll() is None, "".join(self.log)
            if time.time() > one.deadline + 0.5 or time.monotonic() > give_up:
                self.kill()
                return "timeout", None
        return one.state, one.body

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.reader is not None:
            self.reader.join()

    def printed(self) -> list[dict[str, Any]]:
        """The lines of JSON that were printed so far."""
        time.sleep(0.2)  # they come by a pipe and a thread
        return [json.loads(line) for line in self.log if line.startswith("{")]

    def _start(self) -> None:
        self.starts += 1
        self.process = subprocess.Popen(
            [*self.python, self.handler],
            cwd=self.folder,
            env={
                **self.environment,
                "AWS_LAMBDA_RUNTIME_API": self.url,
                "_HANDLER": self.handler,
                "LAMBDA_TASK_ROOT": str(self.folder),
                "AWS_LAMBDA_FUNCTION_NAME": "quality",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
                "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/quality",
                "AWS_LAMBDA_LOG_STREAM_NAME": "one",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            self.log.extend(process.stdout)


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, function: Function) -> None:
        self.function = function
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nobody reads it."""

    def do_GET(self) -> None:
        one = self.function.waiting.get()
        body = json.dumps(one.event).encode()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", one.request_id)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(one.deadline * 1000)))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:::function:quality")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        *_, request_id, state = self.path.split("/")
        one = self.function.under_way.get(request_id)
        if one is not None:
            one.state = "ok" if state == "response" else "error"
            one.body = json.loads(body or b"null")
            one.ended.set()
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def function(
    handler: str, folder: Path, python: list[str], environment: Mapping[str, str], timeout: float
) -> Iterator[Function]:
    made = Function(handler, folder, python, environment, timeout)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Api, function=made))
    server.daemon_threads = True
    made.url = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.kill()
        server.shutdown()
        thread.join()
        server.server_close()
