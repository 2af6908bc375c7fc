"""What goes wrong with a bucket is said in three lines: what, why and where, what to do."""

from __future__ import annotations

import pytest

from schemahub.adapters.store_s3 import Place, S3Store
from schemahub.core.errors import ConfigError, ObjectMissing, StoreError
from tests.s3_proxy import Asked, Forward, Proxy, Said, refusal
from tests.s3_server import BUCKET, SECRET_KEY, S3Server, free_ports, no_pause

WRITE = "s3:PutObject"


def answered(between: Proxy, said: Said) -> S3Store:
    def manner(asked: Asked, forward: Forward) -> Said:
        return said

    between.manner = manner
    return between.server.store(url=between.url)


@pytest.mark.parametrize(
    ("status", "code", "why", "do"),
    [
        (403, "AccessDenied", f"access denied: {WRITE} on {BUCKET}", f"allow {WRITE}"),
        (403, "Whatever", f"access denied: {WRITE} on {BUCKET}", f"allow {WRITE}"),
        (403, "InvalidAccessKeyId", "access key is not known", "boto3"),
        (403, "SignatureDoesNotMatch", "secret key does not belong", "boto3"),
        (400, "ExpiredToken", "credentials have expired", "renew"),
        (403, "RequestTimeTooSkewed", "clock differs", "set the clock"),
        (404, "NoSuchBucket", "there is no such bucket", "create the bucket"),
        (301, "PermanentRedirect", "another region", "AWS_REGION"),
        (400, "AuthorizationHeaderMalformed", "another region", "AWS_REGION"),
        (403, "QuotaExceeded", "quota is used up", "raise the quota"),
        (507, "InsufficientStorage", "disks are full", "free some space"),
        (501, "NotImplemented", "does not know what was asked", "If-None-Match"),
        (418, "Teapot", "the service refuses: 418 Teapot on purpose", ""),
    ],
)
def test_a_refusal_is_explained_and_not_repeated(
    between: Proxy, status: int, code: str, why: str, do: str
) -> None:
    said = refusal(status, code)
    if status == 301:
        # Where the bucket is; the SDK asks there, once.
        said.headers.append(("x-amz-bucket-region", "eu-west-1"))
    store = answered(between, said)
    with pytest.raises(StoreError) as caught:
        store.create("a/b", b"mine")
    error = caught.value
    assert error.what == "cannot write a/b"
    assert why in error.why
    assert do in error.do
    assert between.count("PUT") == 1 + (status == 301)


@pytest.mark.parametrize(
    ("verb", "action"),
    [
        (lambda store: store.put("a", b""), "s3:PutObject"),
        (lambda store: store.read("a"), "s3:GetObject"),
        (lambda store: store.open(store.locate("a")), "s3:GetObject"),
        (lambda store: list(store.list("a")), "s3:ListBucket"),
        (lambda store: list(store.folders("")), "s3:ListBucket"),
        (lambda store: store.now(), "s3:ListBucket"),
        (lambda store: store.delete("a"), "s3:DeleteObject"),
    ],
)
def test_a_right_that_is_lacking_is_named(between: Proxy, verb: object, action: str) -> None:
    store = answered(between, refusal(403, "AccessDenied"))
    assert callable(verb)
    with pytest.raises(StoreError, match=f"access denied: {action} on {BUCKET}"):
        verb(store)


def test_a_bucket_that_is_not_there_is_no_missing_object(s3: S3Server) -> None:
    store = S3Store(Place("no-such-bucket", "x", "us-east-1", s3.url), pause=no_pause)
    for verb in (lambda: store.read("a"), lambda: list(store.list("")), store.now):
        with pytest.raises(StoreError, match="no such bucket") as caught:
            verb()
        assert not isinstance(caught.value, ObjectMissing)


def test_wrong_keys_are_told_without_the_secret(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY + "x")
    store = S3Store(s3.place(), pause=no_pause)
    with pytest.raises(StoreError, match="the secret key does not belong") as caught:
        store.create("a", b"")
    assert SECRET_KEY not in f"{caught.value} {caught.value.do} {caught.value.__cause__}"


def test_no_credentials_at_all(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = S3Store(s3.place(), pause=no_pause)
    with pytest.raises(StoreError, match="there are no credentials") as caught:
        store.read("a")
    assert "AWS_PROFILE" in caught.value.do


def test_a_profile_that_is_not_there(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    store = S3Store(s3.place(), pause=no_pause)
    with pytest.raises(StoreError, match="nobody"):
        store.read("a")


def test_nobody_listens(credentials: None) -> None:
    (port,) = free_ports(1)
    place = Place(BUCKET, "x", "us-east-1", f"http://127.0.0.1:{port}")
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        S3Store(place, pause=no_pause).create("a", b"")
    # Nothing was sent, so nothing is unknown.
    assert "unknown" not in caught.value.what
    assert "AWS_ENDPOINT_URL" in caught.value.do


@pytest.mark.parametrize(
    "place", [Place(BUCKET, "x", "", "http://"), Place(BUCKET, "x", "no region", "http://x:1")]
)
def test_settings_that_cannot_be_are_settings_errors(place: Place, credentials: None) -> None:
    with pytest.raises(ConfigError, match="cannot be opened"):
        S3Store(place).read("a")
