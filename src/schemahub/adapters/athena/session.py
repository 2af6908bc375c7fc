"""The connection to Athena: calls until it answers, and what it means if it refuses."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import boto3
from botocore import exceptions as sdk
from botocore.config import Config
from botocore.parsers import ResponseParserError

from schemahub.core.errors import ConfigError, EngineError, SchemaHubError, UsageError

TRIES = 8
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0
_LAST_TRIES = 2  # once the process was asked to stop: a statement should still be stopped
_SAID = 300  # characters of Athena's words that are passed on
_AGAIN = frozenset(
    {"TooManyRequestsException", "ThrottlingException", "Throttling", "SlowDown"}
    | {"InternalServerException", "ServiceUnavailable", "RequestTimeout", "InternalFailure"}
)
_SLOW = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "SlowDown"})
_RENEW = "renew them (`aws sso login`, a new role session)"
_KEYS = "the credentials are those that boto3 finds: see `aws sts get-caller-identity`"
_CREDENTIALS = {
    "ExpiredToken": ("the credentials have expired", _RENEW),
    "ExpiredTokenException": ("the credentials have expired", _RENEW),
    "UnrecognizedClientException": ("the access key is not known", _KEYS),
    "InvalidSignatureException": ("the secret key does not belong to the access key", _KEYS),
    "InvalidClientTokenId": ("the access key is not known", _KEYS),
    "IncompleteSignature": ("the request could not be signed", _KEYS),
    "MissingAuthenticationToken": ("there are no credentials", _KEYS),
}
RAISED = (sdk.BotoCoreError, sdk.ClientError, ResponseParserError)


@dataclass(frozen=True, slots=True)
class Place:
    """Where statements run. Empty `region`: what boto3 finds; `output`: the workgroup's own."""

    database: str
    workgroup: str = "primary"
    output: str = ""
    region: str = ""


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


@dataclass(frozen=True, slots=True)
class Timing:
    """How a process waits. `pause` says True once it was asked to stop, and then waits no more."""

    pause: Callable[[float], bool] = _sleep
    draw: Callable[[], float] = random.random
    monotonic: Callable[[], float] = time.monotonic


@dataclass
class Session:
    """Calls Athena until it answers; the SDK's own retries are off. Safe from many threads."""

    place: Place
    timing: Timing = field(default_factory=Timing)

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401  (boto3 ships no types)
        config = Config(
            retries={"total_max_attempts": 1},
            connect_timeout=5,
            read_timeout=20,
            tcp_keepalive=True,
        )
        try:
            session = boto3.session.Session()
            return session.client("athena", region_name=self.place.region or None, config=config)
        except sdk.NoRegionError:
            raise ConfigError(
                "Athena cannot be asked", "no AWS region is known", "set AWS_REGION"
            ) from None
        except (sdk.BotoCoreError, ValueError) as error:
            raise ConfigError(
                "Athena cannot be asked", line(str(error)), "correct AWS_REGION or AWS_PROFILE"
            ) from error

    def call(self, what: str, operation: str, /, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401
        """The answer to `operation`, which must be one that may be asked twice.

        Throttling, faults of the service and of the way to it are tried again, with full
        jitter. Raises EngineError, ConfigError or UsageError.
        """
        client = self._client
        tried, most = 0, TRIES
        while True:
            tried += 1
            try:
                answer: dict[str, Any] = getattr(client, operation)(**parameters)
            except RAISED as error:
                if not _worth_another(error) or tried >= most:
                    raise self._meaning(what, error, tried) from error
            else:
                return answer
            limit = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (tried - 1))
            if self.timing.pause(self.timing.draw() * limit):
                most = min(most, tried + _LAST_TRIES)

    def _meaning(self, what: str, error: Exception, tried: int) -> SchemaHubError:
        times = f"; tried {tried} times" if tried > 1 else ""
        if not isinstance(error, sdk.ClientError):
            return _unanswered(what, error, times)
        code, said, status = _told(error)
        if code in _CREDENTIALS:
            why, do = _CREDENTIALS[code]
            return EngineError(what, f"{why} ({code})", do)
        if code in _SLOW:
            return EngineError(
                what,
                f"Athena says that it is asked too often ({code}){times}",
                "run it again later; the account's quota of Athena calls may be raised",
            )
        if status in {401, 403} or code == "AccessDeniedException":
            return EngineError(
                what, f"access denied: {said}", "allow it to the role or user: docs/athena.md"
            )
        if status >= 500 or code in _AGAIN:  # noqa: PLR2004  (5xx)
            return EngineError(what, f"Athena failed ({status} {code}){times}", "run it again")
        return self._refusal(what, code, said)

    def _refusal(self, what: str, code: str, said: str) -> SchemaHubError:
        low = said.lower()
        if "output location" in low or "outputlocation" in low:
            return ConfigError(
                what,
                f"Athena does not know where to put results: {said}",
                "set athena_output to s3://BUCKET/PREFIX, or give the workgroup a location",
            )
        if "workgroup" in low:
            return ConfigError(
                what,
                f"workgroup {self.place.workgroup!r} cannot be used: {said}",
                "correct athena_workgroup, or create and enable the workgroup",
            )
        kind = UsageError if code == "InvalidRequestException" else EngineError
        return kind(what, f"{code}: {said}", "correct the statement; docs/athena.md")


def _told(error: sdk.ClientError) -> tuple[str, str, int]:
    answer: dict[str, Any] = error.response
    told = answer.get("Error", {})
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    return str(told.get("Code", "")), line(str(told.get("Message", ""))), status


def _worth_another(error: Exception) -> bool:
    if isinstance(error, sdk.ClientError):
        code, _, status = _told(error)
        return code in _AGAIN or (status >= 500 and code not in _CREDENTIALS)  # noqa: PLR2004
    lost = (sdk.HTTPClientError, sdk.ConnectionError, ResponseParserError)
    return isinstance(error, lost) and not isinstance(error, sdk.SSLError)


def _unanswered(what: str, error: Exception, times: str) -> SchemaHubError:
    match error:
        case sdk.NoCredentialsError() | sdk.PartialCredentialsError():
            return EngineError(
                what,
                "there are no credentials",
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this "
                "machine a role",
            )
        case sdk.UnauthorizedSSOTokenError() | sdk.TokenRetrievalError() | sdk.SSOTokenLoadError():
            return EngineError(what, "the credentials have expired", _RENEW)
        case _:
            return EngineError(
                what,
                f"Athena cannot be reached: {line(str(error))}{times}",
                "check the network, AWS_REGION and AWS_ENDPOINT_URL",
            )


def line(text: str) -> str:
    """A stranger's words: on one line, printable, short."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_SAID]
