"""Which IAM actions the requests that reach an S3 service need, whatever library sent them.

pyarrow has an S3 client of its own, which no hook of botocore sees; a proxy does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qs, unquote, urlsplit

from tests.s3_proxy import Asked

_KEY = re.compile(rb"<Key>([^<]+)</Key>")
_ACTIONS = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
# Queries that say no other action than the method does; `x-id` is the SDK's own remark.
_PLAIN = {"x-id", "partNumber", "uploadId", "response-content-type"}


def needs(asked: Iterable[Asked]) -> set[tuple[str, str]]:
    """(IAM action, ARN). Raises AssertionError for a request that is not known here."""
    return {
        (f"s3:{action}", f"arn:aws:s3:::{place}") for one in asked for action, place in _of(one)
    }


def prefixes(asked: Iterable[Asked]) -> set[str]:
    """What listings asked below; the empty text is a look at the bucket as a whole."""
    return {
        parse_qs(urlsplit(one.path).query).get("prefix", [""])[0]
        for one in asked
        if ("ListBucket", _place(one)[0]) in _of(one)
    }


def _place(one: Asked) -> tuple[str, str]:
    bucket, _, key = unquote(urlsplit(one.path).path).lstrip("/").partition("/")
    return bucket, key


def _of(one: Asked) -> Iterator[tuple[str, str]]:
    bucket, key = _place(one)
    query = parse_qs(urlsplit(one.path).query, keep_blank_values=True)
    if not key:
        if one.method == "POST" and "delete" in query:
            yield from (
                ("DeleteObject", f"{bucket}/{name.decode()}") for name in _KEY.findall(one.body)
            )
            return
        assert one.method in {"GET", "HEAD"}, f"{one.method} {one.path}"
        assert "list-type" in query or not query, one.path
        yield "ListBucket", bucket
        return
    assert "x-amz-copy-source" not in one.headers, one.path
    if one.method == "POST":
        assert query.keys() & {"uploads", "uploadId"}, one.path
        yield "PutObject", f"{bucket}/{key}"
    elif one.method == "DELETE" and "uploadId" in query:
        yield "AbortMultipartUpload", f"{bucket}/{key}"
    else:
        assert not query.keys() - _PLAIN, f"{one.method} {one.path}"
        yield _ACTIONS[one.method], f"{bucket}/{key}"
