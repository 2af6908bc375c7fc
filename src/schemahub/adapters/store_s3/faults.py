"""What an S3 service, or the way to it, says; as errors of the lake, translated once."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError

from schemahub.core.errors import SchemaHubError, StoreError


class Kind(enum.Enum):
    """What a failed call means for its caller."""

    MISSING = enum.auto()  # there is no such object
    TAKEN = enum.auto()  # a condition on the object does not hold
    EMPTY = enum.auto()  # the object has no such bytes
    UNREACHED = enum.auto()  # nothing was sent
    BUSY = enum.auto()  # the service refuses at the moment: it says that nothing was done
    UNKNOWN = enum.auto()  # it may have been done or not
    FINAL = enum.auto()  # it will not be done, however often it is asked


@dataclass(frozen=True, slots=True)
class Fault:
    """`reason` and `do` are for people, and hold no secret."""

    kind: Kind
    reason: str
    do: str = ""


_LATER = "run the same command again"
_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_BUSY = frozenset(
    {"SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "TooManyRequests"}
    | {"RequestLimitExceeded", "BandwidthLimitExceeded", "RequestThrottled"}
)
# With status 400 or 409 and yet worth another try: the body or the connection was disturbed,
# or somebody else was writing the same key.
_AGAIN = frozenset(
    {"RequestTimeout", "BadDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}
    | {"IncompleteBody", "ConditionalRequestConflict", "OperationAborted", "InternalError"}
)
_KEYS = "the credentials are those that boto3 finds: see `aws sts get-caller-identity`"
_EXPIRED = ("the credentials have expired", "renew them (`aws sso login`, a new role session)")
_CODES = {
    "NoSuchBucket": ("there is no such bucket", "create the bucket, or correct --s3-bucket"),
    "InvalidBucketName": ("no bucket can have this name", "correct --s3-bucket"),
    "InvalidAccessKeyId": ("the access key is not known there", _KEYS),
    "SignatureDoesNotMatch": ("the secret key does not belong to the access key", _KEYS),
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidToken": ("the session token is not valid", _KEYS),
    "RequestTimeTooSkewed": (
        "this machine's clock differs from the service's by more than 15 minutes",
        "set the clock (NTP)",
    ),
    "PermanentRedirect": ("the bucket lies in another region", "set AWS_REGION to the bucket's"),
    "AuthorizationHeaderMalformed": (
        "the request was signed for another region",
        "set AWS_REGION to the bucket's",
    ),
    "IllegalLocationConstraintException": (
        "the bucket lies in another region",
        "set AWS_REGION to the bucket's",
    ),
    "QuotaExceeded": ("the storage quota is used up", "free some space or raise the quota"),
    "XMinioStorageFull": ("the service's disks are full", "free some space there"),
    "InsufficientStorage": ("the service's disks are full", "free some space there"),
    "InvalidObjectState": (
        "the object was moved to an archive class",
        "restore it, and keep the lake out of archive rules",
    ),
    "KMS.DisabledException": ("the bucket's encryption key is disabled", "enable the key"),
    "NotImplemented": (
        "the service does not know what was asked: If-None-Match, most likely",
        "use an S3 service that honours If-None-Match",
    ),
}
_SAID = 200  # characters of a stranger's words that are passed on


def read(error: Exception, action: str, bucket: str) -> Fault:
    """What `error`, raised by a call that needs the right `action`, means."""
    if isinstance(error, sdk.ClientError):
        return _answered(error, action, bucket)
    return _unanswered(error)


def _answered(  # noqa: PLR0911  (one for each way to be refused)
    error: sdk.ClientError, action: str, bucket: str
) -> Fault:
    answer: dict[str, Any] = error.response
    code = str(answer.get("Error", {}).get("Code", ""))
    status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0)
    said = f"{status} {code}".strip()
    if code in _CODES:
        reason, do = _CODES[code]
        return Fault(Kind.FINAL, f"{reason} ({said})", do)
    match status:
        case _ if code in _MISSING:
            return Fault(Kind.MISSING, f"the service says {said}")
        case 416:
            return Fault(Kind.EMPTY, f"the service says {said}")
        case 412:
            return Fault(Kind.TAKEN, f"the service says {said}")
        case _ if code in _BUSY or status == 429:  # noqa: PLR2004
            return Fault(Kind.BUSY, f"the service asks to slow down ({said})", _LATER)
        case _ if code in _AGAIN or status in {0, 408, 409} or status >= 500:  # noqa: PLR2004
            return Fault(Kind.UNKNOWN, f"the service failed ({said})", _LATER)
        case 401 | 403:
            return Fault(
                Kind.FINAL,
                f"access denied: {action} on {bucket} ({said})",
                f"allow {action} (and s3:ListBucket) to whoever runs this; `schemahub doctor`",
            )
        case 301 | 307:
            return Fault(Kind.FINAL, *_CODES["PermanentRedirect"])
        case _:
            words = line(str(answer.get("Error", {}).get("Message", "")))
            return Fault(Kind.FINAL, f"the service refuses: {said} {words}".strip(), "")


def _unanswered(error: Exception) -> Fault:  # noqa: PLR0911  (one for each way to fail)
    match error:
        case sdk.NoCredentialsError() | sdk.PartialCredentialsError():
            return Fault(
                Kind.FINAL,
                "there are no credentials",
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give this "
                "machine a role",
            )
        case sdk.UnauthorizedSSOTokenError() | sdk.TokenRetrievalError() | sdk.SSOTokenLoadError():
            return Fault(Kind.FINAL, *_EXPIRED)
        case sdk.CredentialRetrievalError() | sdk.ProfileNotFound() | sdk.ConfigNotFound():
            return Fault(Kind.FINAL, f"the credentials cannot be had: {line(str(error))}", _KEYS)
        case sdk.SSLError():
            return Fault(
                Kind.FINAL,
                f"the service's certificate is not accepted: {line(str(error))}",
                "check AWS_ENDPOINT_URL, and AWS_CA_BUNDLE for a certificate of your own",
            )
        case sdk.EndpointConnectionError() | sdk.ConnectTimeoutError() | sdk.ProxyConnectionError():
            # No connection, so nothing was sent.
            return Fault(
                Kind.UNREACHED,
                f"the service cannot be reached: {line(str(error))}",
                "check the network, AWS_REGION and AWS_ENDPOINT_URL",
            )
        case (
            sdk.HTTPClientError()
            | sdk.ConnectionError()
            | ResponseParserError()
            | sdk.IncompleteReadError()
            | sdk.FlexibleChecksumError()
            | Disturbed()
        ):
            return Fault(Kind.UNKNOWN, f"the answer was lost: {line(str(error))}", _LATER)
        case _:
            return Fault(Kind.FINAL, f"{type(error).__name__}: {line(str(error))}", "")


# Whatever a call may raise that `read` understands.
RAISED = (sdk.BotoCoreError, sdk.ClientError, ResponseParserError)


class Disturbed(Exception):
    """An answer that cannot be the service's: not what was stored, or without its marks."""


def failed(what: str, fault: Fault, tries: int = 1) -> StoreError:
    """The StoreError of a call that did not succeed in `tries`."""
    told = f"{fault.reason}; tried {tries} times" if tries > 1 else fault.reason
    return StoreError(what, told, fault.do or SchemaHubError.advice)


def line(text: str) -> str:
    """A stranger's words: on one line, printable, short."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_SAID]
