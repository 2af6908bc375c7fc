"""A setting is taken from the first place that has it, and nothing odd passes in silence."""

from __future__ import annotations

from typing import Any

import pytest

from schemahub.core.errors import ConfigError, SchemaHubError, UsageError
from schemahub.core.settings import (
    DEFAULT_EXCHANGE,
    EXCHANGES,
    MAX_THREADS,
    Settings,
    layer,
    unknown_variables,
)

PATH = "schemahub.toml"


def of(
    flags: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
    file: dict[str, Any] | None = None,
) -> Settings:
    return layer(flags or {}, environ or {}, file or {}, PATH)[0]


def refused(**places: Any) -> SchemaHubError:
    with pytest.raises((ConfigError, UsageError)) as caught:
        of(**places)
    return caught.value


def test_without_anything_the_defaults_hold() -> None:
    settings, origins = layer({}, {}, {}, PATH)
    assert settings == Settings()
    assert (settings.lake, settings.exchange) == ("./lake", DEFAULT_EXCHANGE)
    assert (settings.workers, settings.chunk_concurrency) == (3, 5)
    assert {origin.origin for origin in origins} == {"default"}
    assert {origin.name for origin in origins} == set(Settings.__dataclass_fields__)


def test_flag_goes_before_environment_before_file_before_default() -> None:
    flags: dict[str, Any] = {"workers": 7, "lake": None}
    environ = {"SCHEMAHUB_WORKERS": "6", "SCHEMAHUB_CHUNK_CONCURRENCY": "4", "SCHEMAHUB_LAKE": ""}
    file = {"workers": 5, "chunk_concurrency": 3, "transform_workers": 2}
    settings, origins = layer(flags, environ, file, PATH)
    said = {origin.name: (origin.value, origin.origin) for origin in origins}
    assert said["workers"] == (7, "flag")
    assert said["chunk_concurrency"] == (4, "environment SCHEMAHUB_CHUNK_CONCURRENCY")
    assert said["transform_workers"] == (2, "file schemahub.toml")
    # A flag that was not given and a variable that is empty say nothing.
    assert said["lake"] == ("./lake", "default")
    assert (settings.workers, settings.chunk_concurrency, settings.transform_workers) == (7, 4, 2)


@pytest.mark.parametrize(
    ("environ", "value", "origin"),
    [
        ({}, EXCHANGES, "default"),
        ({"XDG_CONFIG_HOME": "/x"}, "/x/schemahub/exchanges", "environment XDG_CONFIG_HOME"),
        ({"XDG_CONFIG_HOME": "/x/"}, "/x/schemahub/exchanges", "environment XDG_CONFIG_HOME"),
        ({"XDG_CONFIG_HOME": "x"}, EXCHANGES, "default"),
        ({"XDG_CONFIG_HOME": ""}, EXCHANGES, "default"),
        (
            {"XDG_CONFIG_HOME": "/x", "SCHEMAHUB_EXCHANGES": "/own"},
            "/own",
            "environment SCHEMAHUB_EXCHANGES",
        ),
    ],
)
def test_the_users_own_specs_are_where_other_programs_have_their_settings(
    environ: dict[str, str], value: str, origin: str
) -> None:
    settings, origins = layer({}, environ, {}, PATH)
    assert settings.exchanges == value
    assert next(one.origin for one in origins if one.name == "exchanges") == origin


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", 0),
        ("workers", -1),
        ("workers", MAX_THREADS + 1),
        ("workers", True),
        ("workers", 3.0),
        ("workers", None),
        ("workers", "x"),
        ("workers", ""),
        ("workers", "1_0"),
        ("workers", "\uff13"),
        ("workers", "1e1"),
        ("workers", "9" * 5_000),
        ("workers", [3]),
        ("chunk_concurrency", 0),
        ("transform_workers", -1),
        ("transform_workers", False),
        ("lake", ""),
        ("lake", "  "),
        ("lake", 5),
        ("lake", "s3://bucket/prefix"),
        ("s3_bucket", ""),
        ("s3_bucket", 5),
        ("s3_bucket", "ab"),
        ("s3_bucket", "Upper-Case"),
        ("s3_bucket", "bucket/../other"),
        ("s3_bucket", "bucket//x"),
        ("s3_bucket", "bucket/.hidden"),
        ("s3_bucket", "bucket/a b"),
        ("s3_bucket", "https://bucket"),
        ("aws_region", "eu central"),
        ("aws_region", ""),
        ("aws_endpoint_url", "host:9000"),
        ("aws_endpoint_url", "http://user:password@host"),
        ("aws_endpoint_url", "http://host/?a=b"),
        ("exchange", []),
        ("exchanges", ""),
        ("exchanges", 5),
        ("exchanges", "s3://bucket/specs"),
        ("rate_share", "0"),
        ("rate_share", "2"),
        ("rate_share", "1/0"),
        ("rate_share", "2/3"),
        ("rate_share", "1/1000"),
        ("rate_share", "0.5"),
        ("rate_share", 0.5),
        ("base_urls", 5),
        ("base_urls", "http://x"),
        ("base_urls", "acme="),
        ("base_urls", "=http://x"),
        ("base_urls", "acme=ftp://x"),
        ("base_urls", ["acme=x"]),
        ("base_urls", [5]),
        ("base_urls", [("acme", "http://x")]),
        ("base_urls", {"acme": 5}),
        ("base_urls", {"acme": "ftp://x"}),
        ("base_urls", {"Acme": "http://x"}),
        ("base_urls", {"acme": "http://x y"}),
    ],
)
def test_a_value_that_cannot_be_is_refused_and_says_where_it_is_from(
    name: str, value: object
) -> None:
    error = refused(file={name: value})
    assert (type(error), error.exit_code) == (ConfigError, 6)
    assert name in error.what
    assert "schemahub.toml" in error.why
    assert error.do.startswith("it must be ")


def test_a_wrong_flag_is_a_usage_error_and_a_wrong_variable_a_configuration_error() -> None:
    assert refused(flags={"workers": 0}).exit_code == 2
    error = refused(environ={"SCHEMAHUB_WORKERS": "many"})
    assert error.exit_code == 6
    assert "SCHEMAHUB_WORKERS" in error.why


@pytest.mark.parametrize(
    ("value", "pairs"),
    [
        ("acme=http://127.0.0.1:1", (("acme", "http://127.0.0.1:1"),)),
        ("acme=http://a, other=https://b", (("acme", "http://a"), ("other", "https://b"))),
        (["acme=http://a"], (("acme", "http://a"),)),
        (("acme=http://a?b=c",), (("acme", "http://a?b=c"),)),
        ({"acme": "http://a"}, (("acme", "http://a"),)),
        ([], ()),
        ({}, ()),
    ],
)
def test_base_urls_may_be_texts_or_a_table(
    value: object, pairs: tuple[tuple[str, str], ...]
) -> None:
    assert of(file={"base_urls": value}).base_urls == pairs


def test_numbers_may_be_text() -> None:
    assert of(environ={"SCHEMAHUB_WORKERS": " 12 "}).workers == 12
    assert of(file={"transform_workers": 0}).transform_workers == 0
    assert of(file={"workers": MAX_THREADS, "chunk_concurrency": 1}).workers == MAX_THREADS


def test_a_setting_that_there_is_not_is_refused_with_the_nearest() -> None:
    error = refused(file={"worker": 3})
    assert "'worker'" in error.what
    assert "did you mean 'workers'" in error.why
    assert "there are: lake, s3_bucket, " in refused(file={"zzzz": 3}).why


def test_threads_are_bounded_together() -> None:
    assert of(file={"workers": 20, "chunk_concurrency": 10}).workers == 20
    assert refused(file={"workers": 20, "chunk_concurrency": 11}).exit_code == 6
    assert refused(flags={"workers": 67}).exit_code == 2
    assert refused(flags={"lake": "x"}, file={"workers": 67}).exit_code == 6


@pytest.mark.parametrize("workers", [1, 3, 40, 200])
@pytest.mark.parametrize("chunks", [1, 5, 200])
def test_requests_at_once_never_need_more_threads_than_there_may_be(
    workers: int, chunks: int
) -> None:
    if workers * chunks <= MAX_THREADS:
        settings = of(file={"workers": workers, "chunk_concurrency": chunks})
        assert settings.requests_at_once >= 1
        assert settings.requests_at_once * workers <= MAX_THREADS


@pytest.mark.parametrize(("text", "share"), [("1", 1.0), (" 1/4 ", 0.25), ("1/3", 1 / 3)])
def test_a_share_of_the_rate_is_one_in_so_many(text: str, share: float) -> None:
    assert of(file={"rate_share": text}).share == share


def test_variables_that_set_nothing_are_told() -> None:
    environ = {
        "SCHEMAHUB_WORKERS": "3", "SCHEMAHUB_CONFIG": "x", "SCHEMAHUB_WORKER": "3",
        "SCHEMAHUB_": "", "HOME": "/", "S3_BUCKET": "b",
    }  # fmt: skip
    assert unknown_variables(environ) == ["SCHEMAHUB_", "SCHEMAHUB_WORKER"]


@pytest.mark.parametrize("ttl", ["0", 0, "-1", "3601", "90s", 1.5, True])
def test_a_lease_lives_for_a_second_to_an_hour(ttl: object) -> None:
    assert of(file={"lease_ttl": 1}).lease_ttl == 1
    assert of(environ={"SCHEMAHUB_LEASE_TTL": "3600"}).lease_ttl == 3600
    refused(file={"lease_ttl": ttl})


@pytest.mark.parametrize("name", ["a", "a b", "a/b", 7, "x" * 256])
def test_what_no_table_can_be_called_is_refused(name: object) -> None:
    refused(file={"locks_table": name})


def test_the_locks_table_has_a_second_variable_that_counts_less() -> None:
    both = {"DYNAMODB_LOCKS_TABLE": "theirs", "SCHEMAHUB_LOCKS_TABLE": "ours"}
    assert of(environ=both).locks_table == "ours"
    settings, origins = layer({}, {"DYNAMODB_LOCKS_TABLE": "theirs"}, {"locks_table": "f-f"}, PATH)
    assert settings.locks_table == "theirs"
    said = {origin.name: origin.origin for origin in origins}
    assert said["locks_table"] == "environment DYNAMODB_LOCKS_TABLE"


# ---------------------------------------------------------------- lakes in buckets


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("my-bucket", "s3://my-bucket/schemahub"),
        ("my.bucket-1/", "s3://my.bucket-1/schemahub"),
        ("my-bucket/a/b=c", "s3://my-bucket/a/b=c"),
        ("s3://my-bucket", "s3://my-bucket/schemahub"),
        ("s3://my-bucket/x/", "s3://my-bucket/x"),
    ],
)
def test_a_bucket_is_a_name_and_perhaps_a_prefix(said: str, place: str) -> None:
    assert of(flags={"s3_bucket": said}).place == place
    assert of(environ={"S3_BUCKET": said}).place == place
    assert of(file={"s3_bucket": said}).place == place


def test_without_a_bucket_the_place_is_the_folder() -> None:
    assert of().place == "./lake"


S3, LAKE = "bucket", "/x"


@pytest.mark.parametrize(
    ("flags", "environ", "file", "place"),
    [
        ({"lake": LAKE}, {"S3_BUCKET": S3}, {"s3_bucket": S3}, LAKE),
        ({"lake": LAKE}, {"SCHEMAHUB_S3_BUCKET": S3}, {}, LAKE),
        ({"s3_bucket": S3}, {"SCHEMAHUB_LAKE": LAKE}, {"lake": LAKE}, "s3://bucket/schemahub"),
        ({}, {"S3_BUCKET": S3}, {"lake": LAKE}, "s3://bucket/schemahub"),
        ({}, {"SCHEMAHUB_LAKE": LAKE}, {"s3_bucket": S3}, LAKE),
        ({}, {}, {"s3_bucket": S3}, "s3://bucket/schemahub"),
    ],
)
def test_of_folder_and_bucket_the_one_said_in_the_stronger_place_counts(
    flags: dict[str, Any], environ: dict[str, str], file: dict[str, Any], place: str
) -> None:
    settings, origins = layer(flags, environ, file, PATH)
    assert settings.place == place
    said = {origin.name: origin for origin in origins}["s3_bucket"]
    assert said.value == settings.s3_bucket
    assert ("not used" in said.origin) == (place == LAKE)


@pytest.mark.parametrize(
    ("places", "code"),
    [
        ({"flags": {"lake": LAKE, "s3_bucket": S3}}, 2),
        ({"environ": {"SCHEMAHUB_LAKE": LAKE, "S3_BUCKET": S3}}, 6),
        ({"file": {"lake": LAKE, "s3_bucket": S3}}, 6),
    ],
)
def test_both_said_in_the_same_place_exclude_each_other(places: dict[str, Any], code: int) -> None:
    error = refused(**places)
    assert error.exit_code == code
    assert "exclude each other" in error.what


def test_region_and_endpoint_are_taken_from_the_variables_that_others_know() -> None:
    environ = {"AWS_DEFAULT_REGION": "us-west-2", "AWS_ENDPOINT_URL": "http://127.0.0.1:8333"}
    settings = of(environ=environ)
    assert (settings.aws_region, settings.aws_endpoint_url) == (
        "us-west-2",
        "http://127.0.0.1:8333",
    )
    more = {"AWS_REGION": "eu-north-1", "AWS_ENDPOINT_URL_S3": "https://s3.example"}
    settings = of(environ={**environ, **more})
    assert (settings.aws_region, settings.aws_endpoint_url) == (
        "eu-north-1",
        "https://s3.example",
    )
    own = {"SCHEMAHUB_AWS_REGION": "eu-west-3"}
    assert of(environ={**environ, **more, **own}).aws_region == "eu-west-3"


@pytest.mark.parametrize("url", ["http://user:s3cr3t@127.0.0.1:1", "https://s3cr3t@host"])
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    for environ in ({"AWS_ENDPOINT_URL": url}, {"SCHEMAHUB_AWS_ENDPOINT_URL": url}):
        error = refused(environ=environ)
        assert "s3cr3t" not in f"{error} {error.do}"
