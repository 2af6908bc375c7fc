"""ports.Store in an S3 bucket: one conditional PUT makes an object, once and for good."""

from __future__ import annotations

import base64
import hashlib
import random
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import takewhile
from typing import Any

from schemahub.adapters.store_s3 import faults
from schemahub.adapters.store_s3.faults import Disturbed, Kind
from schemahub.adapters.store_s3.listing import base_of, in_byte_order, start_for
from schemahub.adapters.store_s3.session import Answered, Place, Session, Timing, Try
from schemahub.core.errors import ObjectCorrupt, ObjectMissing, StoreError
from schemahub.core.keys import check_folder, check_key, check_prefix
from schemahub.ports import Entry, Opened

_CRC = "crc32"  # the name under which an object carries its own checksum
_TAIL = 1 << 16  # bytes read when an object is opened: a Parquet footer, most often
_PAGE = 1000  # keys in an answer: the most that a service gives
_FEW = 1 << 20  # objects up to this size are then read whole


class S3Store:
    """ports.Store and ports.Objects at `place`. Safe to use from many threads and processes.

    What is sent carries checksums, which the service compares; what is read is compared with
    the one that the object carries. Whoever unpickles it connects anew. `pause` is how it
    waits between tries; once it says True, because the process was asked to stop, two more
    follow at once and then no other.
    """

    def __init__(
        self,
        place: Place,
        *,
        pause: Callable[[float], object] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._place = place
        self._root = f"{place.prefix}/"
        self._session = Session(place, Timing(monotonic, pause, draw))

    def __getstate__(self) -> Place:
        return self._place

    def __setstate__(self, place: Place) -> None:
        self.__init__(place)  # type: ignore[misc]

    @property
    def url(self) -> str:
        return self._place.url

    def create(self, key: str, data: bytes) -> bool:
        name = self._name(key)
        sent = _checked(data)

        def attempt(now: Try) -> bool:
            try:
                answer = now.client.put_object(
                    Bucket=self._place.bucket, Key=name, Body=data, IfNoneMatch="*", **sent
                )
            except now.client.exceptions.ClientError as error:
                if faults.read(error, "", "").kind is not Kind.TAKEN:
                    raise
                # After a try whose outcome is not known it may be ourselves who were first.
                return now.doubtful and self._holds(key, data)
            return _stored(answer)

        return bool(self._ask(f"cannot write {key}", "s3:PutObject", attempt))

    def read(self, key: str) -> bytes:
        name = self._name(key)
        damaged: list[bytes] = []

        def attempt(now: Try) -> bytes:
            answer = now.client.get_object(Bucket=self._place.bucket, Key=name)
            data: bytes = answer["Body"].read()
            carried = answer.get("Metadata", {}).get(_CRC, "")
            if "ETag" not in answer:
                raise Disturbed("an answer that is not the service's")
            if carried and carried != _crc(data):
                if data in damaged:
                    # Twice the same: not the way is at fault, but what is stored.
                    raise ObjectCorrupt(key, f"its checksum is not the one it carries, {carried}")
                damaged[:] = [data]
                raise Disturbed("its checksum is not the one it carries")
            return data

        found: bytes = self._ask(f"cannot read {key}", "s3:GetObject", attempt, key)
        return found

    def list(self, prefix: str, start_after: str = "") -> Iterator[Entry]:
        check_prefix(prefix)
        base = base_of(prefix)
        start = start_for(base, start_after)
        if start is None:
            return iter(())
        found = (
            _entry(each, self._root)
            for page in self._pages(prefix, StartAfter=self._root + start if start else "")
            for each in page.get("Contents", ())
            # Some services show folders as empty objects.
            if not each["Key"].endswith("/")
        )
        ordered = in_byte_order(found, base)
        after = start_after.encode()
        return (entry for entry in ordered if entry.key.encode() > after)

    def keys(self, prefix: str, start_after: str = "", before: str = "") -> Sequence[str]:
        found = (entry.key for entry in self.list(prefix, start_after))
        # No page is asked for beyond the one that reaches `before`.
        end = before.encode()
        return [*takewhile(lambda key: not end or key.encode() < end, found)]

    def folders(self, prefix: str) -> Iterator[str]:
        check_folder(prefix)
        return self._folders(prefix)

    def put(self, key: str, data: bytes) -> None:
        name = self._name(key)
        sent = _checked(data)

        def attempt(now: Try) -> bool:
            return _stored(
                now.client.put_object(Bucket=self._place.bucket, Key=name, Body=data, **sent)
            )

        self._ask(f"cannot write {key}", "s3:PutObject", attempt)

    def delete(self, key: str) -> None:
        name = self._name(key)

        def attempt(now: Try) -> None:
            now.client.delete_object(Bucket=self._place.bucket, Key=name)

        try:
            self._ask(f"cannot delete {key}", "s3:DeleteObject", attempt, key)
        except ObjectMissing:
            return

    def locate(self, key: str) -> str:
        check_key(key)
        return f"{self._place.url}/{key}"

    def now(self) -> datetime:
        def attempt(now: Try) -> str:
            answer = now.client.list_objects_v2(
                Bucket=self._place.bucket, Prefix=self._root, MaxKeys=1, Delimiter="/"
            )
            return str(answer["ResponseMetadata"]["HTTPHeaders"].get("date", ""))

        said: str = self._ask(f"cannot ask {self.url} for the time", "s3:ListBucket", attempt)
        try:
            return parsedate_to_datetime(said).astimezone(UTC)
        except ValueError:
            raise StoreError(
                f"{self.url} does not tell the time", f"its Date is {faults.line(said)!r}"
            ) from None

    def leftovers(self, before: datetime) -> Iterator[str]:
        del before  # a PUT either happened or did not
        return iter(())

    def sweep(self, leftover: str) -> None:
        del leftover

    # ------------------------------------------------------------ pieces

    def open(self, location: str) -> Opened:
        """An object by the location that `locate` told. Raises ObjectMissing, StoreError."""
        key = location.removeprefix(f"{self._place.url}/")
        name = self._name(key)

        def attempt(now: Try) -> tuple[bytes, int, str]:
            answer = now.client.get_object(
                Bucket=self._place.bucket, Key=name, Range=f"bytes=-{_TAIL}"
            )
            data: bytes = answer["Body"].read()
            size = _whole_size(answer, len(data))
            return data, size, str(answer["ETag"])

        try:
            tail, size, etag = self._ask(f"cannot read {key}", "s3:GetObject", attempt, key)
        except ObjectEmpty:
            tail, size, etag = b"", 0, ""
        return _Pieces(self, key, size, etag, tail)

    def piece(self, key: str, etag: str, start: int, stop: int) -> bytes:
        """The bytes of `start` to `stop` of the object with this etag.

        Raises ObjectMissing if there is another by now.
        """
        name = self._name(key)

        def attempt(now: Try) -> bytes:
            answer = now.client.get_object(
                Bucket=self._place.bucket, Key=name, IfMatch=etag, Range=f"bytes={start}-{stop - 1}"
            )
            data: bytes = answer["Body"].read()
            if len(data) != stop - start:
                raise Disturbed(f"{len(data)} bytes came instead of {stop - start}")
            return data

        found: bytes = self._ask(f"cannot read {key}", "s3:GetObject", attempt, key)
        return found

    # ------------------------------------------------------------ asking

    def _name(self, key: str) -> str:
        check_key(key)
        return self._root + key

    def _holds(self, key: str, data: bytes) -> bool:
        try:
            return self.read(key) == data
        except ObjectMissing:
            raise Disturbed("the name is taken, and yet nothing is there") from None

    def _ask(self, what: str, action: str, attempt: Callable[[Try], Any], key: str = "") -> Any:
        try:
            return self._session.call(what, action, attempt)
        except Answered as error:
            fault = error.fault
            if key and fault.kind in {Kind.MISSING, Kind.TAKEN}:
                raise ObjectMissing(f"{key} is not there", fault.reason) from error
            if fault.kind is Kind.EMPTY:
                raise ObjectEmpty from error
            raise faults.failed(what, fault) from error

    def _pages(self, prefix: str, **more: Any) -> Iterator[dict[str, Any]]:
        """The pages of one listing; every page is tried again by itself."""
        more = {"MaxKeys": _PAGE, **more}
        asked = {k: v for k, v in more.items() if v}
        while True:

            def attempt(now: Try, asked: dict[str, Any] = asked) -> dict[str, Any]:
                page: dict[str, Any] = now.client.list_objects_v2(
                    Bucket=self._place.bucket, Prefix=self._root + prefix, **asked
                )
                if "Name" not in page or (
                    page.get("IsTruncated") and not page.get("NextContinuationToken")
                ):
                    raise Disturbed("an answer that is not a listing of this bucket")
                return page

            page = self._ask(f"cannot list {self.url}/{prefix}", "s3:ListBucket", attempt)
            yield page
            if not page.get("IsTruncated"):
                return
            more.pop("StartAfter", None)
            asked = {**more, "ContinuationToken": page["NextContinuationToken"]}

    def _folders(self, prefix: str) -> Iterator[str]:
        start = len(self._root + prefix)
        names = {
            each["Prefix"][start:-1]
            for page in self._pages(prefix, Delimiter="/")
            for each in page.get("CommonPrefixes", ())
        }
        for name in sorted(names, key=str.encode):
            # On AWS a folder is there because a key is; services with real folders show
            # those that lost their last one, for a while.
            if not self._place.endpoint or self._holds_keys(f"{prefix}{name}/"):
                yield name

    def _holds_keys(self, prefix: str) -> bool:
        # Tools leave an empty object a folder; any number of them may come before the first key.
        return any(
            not each["Key"].endswith("/")
            for page in self._pages(prefix)
            for each in page.get("Contents", ())
        )


class ObjectEmpty(Exception):
    """No part of the object can be had, because it has none; never leaves this module."""


class _Pieces:
    """ports.Opened: the end of the object is at hand already, the rest is asked for."""

    def __init__(self, store: S3Store, key: str, size: int, etag: str, tail: bytes) -> None:
        self._store = store
        self._key = key
        self._etag = etag
        self._tail = tail
        self.size = size

    def read_at(self, start: int, stop: int) -> bytes:
        if start >= stop:
            return b""
        begins = self.size - len(self._tail)
        if start < begins and self.size <= _FEW:
            self._tail = self._store.piece(self._key, self._etag, 0, begins) + self._tail
            begins = 0
        if start >= begins:
            return self._tail[start - begins : stop - begins]
        return self._store.piece(self._key, self._etag, start, stop)


def _entry(each: dict[str, Any], root: str) -> Entry:
    created_at: datetime = each["LastModified"]
    return Entry(each["Key"].removeprefix(root), each["Size"], created_at.astimezone(UTC))


def _checked(data: bytes) -> dict[str, Any]:
    """The checksums with which `data` travels and is stored."""
    crc = zlib.crc32(data).to_bytes(4, "big")
    return {
        "ChecksumCRC32": base64.b64encode(crc).decode(),
        # Older services know this one only.
        "ContentMD5": base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode(),
        "Metadata": {_CRC: crc.hex()},
    }


def _crc(data: bytes) -> str:
    return f"{zlib.crc32(data):08x}"


def _stored(answer: dict[str, Any]) -> bool:
    if not answer.get("ETag"):
        # A 200 of something in between: the service tells the etag of what it stored.
        raise Disturbed("an answer that is not the service's")
    return True


def _whole_size(answer: dict[str, Any], length: int) -> int:
    """From `bytes 2-4/5`. Raises Disturbed if the answer is not about the end of the object."""
    told = str(answer.get("ContentRange", ""))
    span, _, size = told.removeprefix("bytes ").partition("/")
    first = span.partition("-")[0]
    if not (size.isdecimal() and first.isdecimal()) or int(size) - int(first) != length:
        raise Disturbed(f"a piece of {length} bytes came that says {faults.line(told)!r}")
    return int(size)
