"""One answer as it came, and as it is kept: a raw line, byte for byte in a small envelope."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

import msgspec

from schemahub.core.envelope import too_deep

DAY = timedelta(days=1)
# Between these no clock is wrong, and a day can be added to any moment.
RECEIVED_IN = range(1970, 9000)


@dataclass(frozen=True, slots=True)
class Request:
    """A GET of `path` (already encoded) with `params`, below the exchange's base URL."""

    path: str
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of status 200 as it came: `at` is when we had it, `date` the server's Date."""

    at: datetime
    url: str
    status: int
    date: str
    body: bytes

    @property
    def served_at(self) -> datetime:
        """When it was, by the server's word; by ours where it does not say. Aware UTC."""
        return _date(self.date) or self.at

    @property
    def latest(self) -> int:
        """µs since 1970 by whichever clock is ahead: a wrong one must not refuse good rows.

        The server's is not believed if it is more than a day ahead of ours.
        """
        served_at = self.served_at
        believed = served_at if served_at <= self.at + DAY else self.at
        return int(max(believed, self.at).timestamp() * 1_000_000)


@lru_cache(maxsize=256)  # answers come by the dozen a second
def _date(text: str) -> datetime | None:
    """What a Date header says; aware. None if it does not."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class _Line(msgspec.Struct, omit_defaults=True):
    at: str
    url: str
    status: int
    date: str
    body: msgspec.Raw = msgspec.Raw(b"")
    text: str | None = None
    base64: bytes | None = None


# As `encode` writes it where nothing has to be escaped.
_WORD = rb'"([^"\\\x00-\x1f\x7f-\xff]*)"'
_PLAIN = re.compile(
    rb'\{"at":' + _WORD + rb',"url":' + _WORD + rb',"status":([1-9][0-9]{2}),"date":' + _WORD
    + rb',"body":'
)  # fmt: skip

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Line)


def encode(answer: Answer, *, flat: bool = False) -> bytes:
    """One raw line, with its line end: the body verbatim if it is JSON on one line.

    Anything else goes as an escaped string under `text`, or under `base64` if it is not
    even UTF-8 (only quarantined answers can be). `flat`: that it is JSON of flat rows is known.
    """
    line = _Line(
        answer.at.isoformat(timespec="microseconds"), answer.url, answer.status, answer.date
    )
    if _is_line(answer.body) and (flat or _is_json(answer.body)):
        line.body = msgspec.Raw(answer.body)
    else:
        try:
            line.text = answer.body.decode("utf-8")
        except UnicodeDecodeError:
            line.base64 = answer.body
    return _encoder.encode(line) + b"\n"


def decode(line: bytes) -> Answer:
    """The answer in a raw line. Raises ValueError if it is not one."""
    try:
        found = _decoder.decode(line)
    except (msgspec.DecodeError, RecursionError) as error:
        msg = f"not a raw line: {error}"
        raise ValueError(msg) from None
    at = _received(found.at)
    if found.text is not None:
        body = found.text.encode()
    elif found.base64 is not None:
        body = found.base64
    else:
        body = bytes(found.body)
    return Answer(at, found.url, found.status, found.date, body)


def skim(lines: bytes, start: int, stop: int) -> tuple[Answer, int, int] | None:
    """The line in `lines[start:stop]` but for its body, and from where to where that stands.

    The body is not looked at: it may be no JSON, and the line then none of ours. Much faster
    than `decode`, for who reads the body strictly. None if the line is of any but the usual form.
    """
    found = _PLAIN.match(lines, start, stop)
    if found is None or lines[stop - 1 : stop] != b"}":
        return None
    at, url, status, date = (text.decode() for text in found.groups())
    try:
        return Answer(_received(at), url, int(status), date, b""), found.end(), stop - 1
    except ValueError:
        return None


def _received(text: str) -> datetime:
    """Raises ValueError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        msg = f"not a raw line: {error}"
        raise ValueError(msg) from None
    if at.tzinfo is None or at.year not in RECEIVED_IN:
        msg = f"not a raw line: received at no time that a clock tells: {text}"
        raise ValueError(msg)
    return at


def _is_line(body: bytes) -> bool:
    # White space around the body would not come back from the line.
    return b"\n" not in body and b"\r" not in body and body == body.strip()


def _is_json(body: bytes) -> bool:
    try:
        body.decode("utf-8")
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    # The line is one deeper, and may be read where the stack is fuller than here.
    return not too_deep(body)
