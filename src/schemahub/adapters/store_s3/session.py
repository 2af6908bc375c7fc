"""The connection to the service: one client a process, made when it is first needed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3
from botocore import exceptions as sdk
from botocore.config import Config

from schemahub.adapters.store_s3 import faults
from schemahub.adapters.store_s3.faults import Kind
from schemahub.core.errors import ConfigError

T = TypeVar("T")

TRIES = 8
DEADLINE = 120.0  # s after which no further try begins
_LAST_TRIES = 2  # once the process was asked to stop: what is proven should still be stored
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_CONNECT, _READ = 5, 20  # s without a byte
_CONNECTIONS = 200  # the most threads there can be; opened as they are needed


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lake is. `endpoint` empty means AWS; `region` empty means what boto3 finds."""

    bucket: str
    prefix: str = "schemahub"
    region: str = ""
    endpoint: str = ""

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


@dataclass(frozen=True, slots=True)
class Timing:
    """How a process waits: replaced in tests, and not sent to worker processes.

    `pause` says True once the process was asked to stop, and then waits no more.
    """

    monotonic: Callable[[], float]
    pause: Callable[[float], object]
    draw: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Try:
    """`doubtful`: an earlier try of the same call may have had its effect."""

    client: Any
    doubtful: bool


class Session:
    """Calls the service until it answers. Safe to use from many threads, and after a fork.

    The SDK's own retries are off: only here is it known whether a try may have had an effect.
    """

    def __init__(self, place: Place, timing: Timing) -> None:
        self.place = place
        self.timing = timing
        self._lock = threading.Lock()
        self._client: Any = None
        self._owner = 0  # the process that made the client: sockets do not survive a fork

    def client(self) -> Any:
        """Raises StoreError if none can be made, ConfigError for settings that cannot be."""
        if self._client is None or self._owner != os.getpid():
            with self._lock:
                if self._client is None or self._owner != os.getpid():
                    self._client = self._made()
                    self._owner = os.getpid()
        return self._client

    def call(self, what: str, action: str, work: Callable[[Try], T]) -> T:
        """`work` of the first try that has an outcome.

        Raises Answered if that is a refusal, StoreError if no try had one.
        """
        client = self.client()
        begun = self.timing.monotonic()
        doubtful = unknown = False
        tried, most = 0, TRIES
        while True:
            tried += 1
            try:
                return work(Try(client, doubtful))
            except (*faults.RAISED, faults.Disturbed) as error:
                fault = faults.read(error, action, self.place.bucket)
                if fault.kind not in {Kind.UNREACHED, Kind.BUSY, Kind.UNKNOWN}:
                    raise Answered(fault) from error
                unknown = unknown or fault.kind is Kind.UNKNOWN
                # Who says that nothing was done may be a balancer that does not know.
                doubtful = doubtful or fault.kind is not Kind.UNREACHED
                late = self.timing.monotonic() - begun > DEADLINE
                if late or tried >= most:
                    if unknown and action in _WRITES:
                        what = f"{what}: the outcome is unknown"
                    raise faults.failed(what, fault, tried) from error
            limit = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (tried - 1))
            if self.timing.pause(self.timing.draw() * limit) is True:
                most = min(most, tried + _LAST_TRIES)

    def _made(self) -> Any:
        place = self.place
        config = Config(
            signature_version="s3v4",
            retries={"total_max_attempts": 1},
            connect_timeout=_CONNECT,
            read_timeout=_READ,
            max_pool_connections=_CONNECTIONS,
            tcp_keepalive=True,
            # Names of buckets are no names of hosts where it is not AWS.
            s3={"addressing_style": "path" if place.endpoint else "auto"},
            # Ours are given with each request, so none is sent as a trailer, which many
            # services do not read; what comes back is checked by both.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_supported",
        )
        try:
            # Sessions are not safe to share; clients are.
            session = boto3.session.Session()
            region = place.region or session.region_name or "us-east-1"
            client = session.client(
                "s3", region_name=region, endpoint_url=place.endpoint or None, config=config
            )
        except ValueError as error:
            # What boto3 raises for an endpoint that is no URL, or a region that is none.
            raise ConfigError(
                f"{place.url} cannot be opened",
                faults.line(str(error)),
                "correct AWS_ENDPOINT_URL or AWS_REGION",
            ) from error
        except sdk.BotoCoreError as error:
            fault = faults.read(error, "", place.bucket)
            raise faults.failed(f"{place.url} cannot be opened", fault) from error
        client.meta.events.register("request-created.s3.PutObject", _at_once)
        return client


def _at_once(request: Any, **_: Any) -> None:
    """Sends the body without asking first whether it may.

    Asking costs a round trip, and with a service that does not answer to it a second.
    """
    del request.headers["Expect"]  # which does nothing where there is none


_WRITES = frozenset({"s3:PutObject", "s3:DeleteObject"})


class Answered(Exception):
    """The service gave an answer that another try would not change; never leaves this package."""

    def __init__(self, fault: faults.Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault
