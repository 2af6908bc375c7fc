"""Settings, layered: flag, then environment, then schemahub.toml, then default."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

from schemahub.core.errors import ConfigError, SchemaHubError, UsageError

MAX_THREADS = 200
# The life of a lease in seconds.
DEFAULT_TTL = 90
MAX_TTL = 3600
# A chunk in flight asks for so many of its pages at once: five chunks then use up a burst of
# fifteen, and reach ten requests a second at up to 1.5 s of latency.
PAGES_AT_ONCE = 3
# Where in a bucket a lake is, if that is not said.
S3_PREFIX = "schemahub"
# Variables that others know too, after our own SCHEMAHUB_ one.
_SHARED_VARIABLES = {
    "s3_bucket": ("S3_BUCKET",),
    "aws_region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "aws_endpoint_url": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "locks_table": ("DYNAMODB_LOCKS_TABLE",),
}
# The only place that names an exchange outside its spec: what `BTC-USD` alone means.
DEFAULT_EXCHANGE = "coinbase"
# Where the user's own specs are; below $XDG_CONFIG_HOME if that is set.
EXCHANGES = "~/.config/schemahub/exchanges"


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set.

    `base_urls` overrides a spec's base URL, by exchange; `transform_workers` 0 means one
    process a core; `rate_share` is this process's part of the exchange's limit, as `1/4`
    where four processes share one address. `exchanges` is the folder of the user's own exchange
    specs. `lease_ttl` is the life of a lease in seconds;
    `locks_table` the DynamoDB table where leases are kept, if not in the lake.

    `s3_bucket` is BUCKET or BUCKET/PREFIX; if it is set the lake is there and `lake` does not
    count. `aws_region` and `aws_endpoint_url` empty mean what the AWS SDK finds.

    `publish` and `quality` say whether `run` does these, too. `catalog` is the kind of Iceberg
    catalog, empty that of the place: SQLite beside a folder, Glue for a bucket; `catalog_uri`
    is where a REST catalog answers. `database` is Glue's, Athena's and the namespace in Iceberg.
    `athena_output` empty leaves it to the workgroup; `athena_limit` is in GB of 10^9 bytes.
    """

    lake: str = "./lake"
    s3_bucket: str = ""
    aws_region: str = ""
    aws_endpoint_url: str = ""
    exchange: str = DEFAULT_EXCHANGE
    exchanges: str = EXCHANGES
    workers: int = 3
    chunk_concurrency: int = 5
    transform_workers: int = 0
    rate_share: str = "1"
    base_urls: tuple[tuple[str, str], ...] = ()
    lease_ttl: int = DEFAULT_TTL
    locks_table: str = ""
    publish: bool = False
    quality: bool = True
    catalog: str = ""
    catalog_uri: str = ""
    database: str = "schemahub"
    athena_workgroup: str = "primary"
    athena_output: str = ""
    athena_limit: int = 10

    @property
    def place(self) -> str:
        """Where the lake is, as people are told: a folder, or s3://BUCKET/PREFIX."""
        return f"s3://{'/'.join(self.bucket_and_prefix)}" if self.s3_bucket else self.lake

    @property
    def bucket_and_prefix(self) -> tuple[str, str]:
        bucket, _, prefix = self.s3_bucket.partition("/")
        return bucket, prefix or S3_PREFIX

    @property
    def share(self) -> float:
        """How much of the exchange's rate limit is ours: above 0 and at most 1."""
        return float(Fraction(self.rate_share))

    @property
    def requests_at_once(self) -> int:
        """Requests under way for one market; with `workers` never over MAX_THREADS."""
        return min(self.chunk_concurrency * PAGES_AT_ONCE, MAX_THREADS // self.workers)


_BOUNDS = {
    "transform_workers": (0, MAX_THREADS),
    "lease_ttl": (1, MAX_TTL),
    "athena_limit": (1, 9999),
}
_SWITCHES = {"publish", "quality"}
_SWITCHED = {"1": True, "true": True, "on": True, "0": False, "false": False, "off": False}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the value of a setting came from."""

    name: str
    value: object
    origin: str


def layer(
    flags: Mapping[str, Any], environ: Mapping[str, str], file: Mapping[str, Any], path: str
) -> tuple[Settings, list[Origin]]:
    """The settings and where each is from; a flag that is None was not given.

    Raises ConfigError for a key of the file that there is not, or a value that cannot be;
    UsageError where that value is a flag's.
    """
    names = [field.name for field in fields(Settings)]
    for key in file:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1)
            raise ConfigError(
                f"{path} has no setting {key!r}",
                f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}",
                f"correct or remove {key!r} in {path}",
            )
    values: dict[str, Any] = {}
    origins: list[Origin] = []
    for field in fields(Settings):
        variable = _variable(field.name, environ)
        if flags.get(field.name) is not None:
            value, origin = flags[field.name], "flag"
        elif variable:
            value, origin = environ[variable], f"environment {variable}"
        elif field.name in file:
            value, origin = file[field.name], f"file {path}"
        else:
            value, origin = field.default, "default"
            if field.name == "exchanges":
                value, origin = default_exchanges(environ)
        values[field.name] = _typed(field.name, value, origin)
        origins.append(Origin(field.name, values[field.name], origin))
    _choose_one_lake(values, origins)
    settings = Settings(**values)
    if settings.workers * settings.chunk_concurrency > MAX_THREADS:
        given = {origin.name for origin in origins if origin.origin == "flag"}
        kind = UsageError if given & {"workers", "chunk_concurrency"} else ConfigError
        raise kind(
            f"{settings.workers} workers of {settings.chunk_concurrency} chunks are too many",
            f"together they may be {MAX_THREADS} threads",
            "lower workers or chunk_concurrency; the exchange's rate limit decides the speed",
        )
    return settings, origins


def _variable(name: str, environ: Mapping[str, str]) -> str:
    """The variable that sets this; empty if there is none."""
    known = (f"SCHEMAHUB_{name.upper()}", *_SHARED_VARIABLES.get(name, ()))
    return next((variable for variable in known if environ.get(variable)), "")


def default_exchanges(environ: Mapping[str, str]) -> tuple[str, str]:
    """Where the user's specs are looked for if nobody says it, and what moved it there."""
    home = environ.get("XDG_CONFIG_HOME", "")
    if not home.startswith("/"):  # the variable's own standard: a relative path is void
        return EXCHANGES, "default"
    return f"{home.rstrip('/')}/schemahub/exchanges", "environment XDG_CONFIG_HOME"


def _choose_one_lake(values: dict[str, Any], origins: list[Origin]) -> None:
    """A lake is in a folder or in a bucket: the one that was said in the stronger place.

    Raises UsageError or ConfigError if both were said in the same.
    """
    at = {origin.name: index for index, origin in enumerate(origins)}
    folder, bucket = (origins[at[name]] for name in ("lake", "s3_bucket"))
    if not bucket.value:
        return
    ranks = ("default", "file", "environment", "flag")  # weakest first
    rank = {one.name: ranks.index(one.origin.partition(" ")[0]) for one in (folder, bucket)}
    if rank["lake"] == rank["s3_bucket"]:
        kind = UsageError if bucket.origin == "flag" else ConfigError
        raise kind(
            "lake and s3_bucket exclude each other",
            f"lake is from: {folder.origin}; s3_bucket is from: {bucket.origin}",
            "a lake is in a folder or in a bucket: leave one out",
        )
    if rank["lake"] > rank["s3_bucket"]:
        values["s3_bucket"] = ""
        why = f"not used: lake is from {folder.origin}"
        origins[at["s3_bucket"]] = Origin("s3_bucket", "", f"{bucket.origin} ({why})")


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """SCHEMAHUB_ variables that set nothing: typing errors, most likely."""
    known = {f"SCHEMAHUB_{field.name.upper()}" for field in fields(Settings)}
    known |= {"SCHEMAHUB_CONFIG", "SCHEMAHUB_METRICS", "SCHEMAHUB_FAIL_ON"}
    return sorted(n for n in environ if n.startswith("SCHEMAHUB_") and n not in known)


def _typed(name: str, value: object, origin: str) -> object:
    if name == "base_urls":
        return _base_urls(value, origin)
    if name in _PATTERNS:
        return _matching(name, value, origin)
    if name in {"lake", "exchange", "exchanges"}:
        return _text(name, value, origin)
    if name in _SWITCHES:
        return _switched(name, value, origin)
    if name == "rate_share":
        return _share(value, origin)
    low, high = _BOUNDS.get(name, (1, MAX_THREADS))
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,4}", value.strip()):
        value = int(value)
    if type(value) is not int or not low <= value <= high:
        raise _wrong(name, value, origin, f"a whole number from {low} to {high}")
    return value


def _switched(name: str, value: object, origin: str) -> bool:
    switched = _SWITCHED.get(value.lower()) if isinstance(value, str) else value
    if not isinstance(switched, bool):
        raise _wrong(name, value, origin, "true or false")
    return switched


def _share(value: object, origin: str) -> str:
    text = "1" if type(value) is int and value == 1 else value
    found = None
    if isinstance(text, str):
        found = re.fullmatch(r"\s*(1|1/[1-9][0-9]{0,2})\s*", text)
    if found is None:
        raise _wrong("rate_share", value, origin, "1, or 1/N as 1/4")
    return found[1]


def _text(name: str, value: object, origin: str) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise _wrong(name, value, origin, "a text")
    if name == "lake" and "://" in value:
        raise _wrong(name, value, origin, "a folder; for s3://B/P give s3_bucket B/P")
    if name == "exchanges" and "://" in value:
        raise _wrong(name, value, origin, "a folder of this machine")
    return value


def _matching(name: str, value: object, origin: str) -> str:
    if value == "" and origin == "default":
        return ""
    pattern, wanted = _PATTERNS[name]
    found = re.fullmatch(pattern, value) if isinstance(value, str) else None
    if found is None:
        raise _wrong(name, value, origin, wanted)
    return found[1].rstrip("/")


# What may be taken from a bucket's name and a prefix of keys (core/keys.py) in any service.
_PATTERNS = {
    "s3_bucket": (
        r"(?:s3://)?([a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9=_-][A-Za-z0-9.=_-]*)*/?)",
        "BUCKET or BUCKET/PREFIX, the bucket in 3 to 63 lower-case letters, digits, - and .",
    ),
    "locks_table": (r"([a-zA-Z0-9_.-]{3,255})", "a DynamoDB table's name"),
    "catalog": (r"(sqlite|glue|rest)", "sqlite, glue or rest"),
    "catalog_uri": (r"(https?://[^\s/@?#]+(?:/[^\s@?#]*)?)", "a URL without a password"),
    "database": (r"([a-z][a-z0-9_]{0,127})", "lower-case letters, digits and _"),
    "athena_workgroup": (r"([a-zA-Z0-9._-]{1,128})", "a workgroup's name"),
    "athena_output": (r"(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/\S*)?)", "s3://BUCKET/PREFIX"),
    "aws_region": (r"([a-zA-Z0-9][a-zA-Z0-9-]{0,40})", "a region, as eu-central-1"),
    # Nobody's name and password: addresses are shown in messages.
    "aws_endpoint_url": (r"(https?://[^\s/@?#]+(?:/[^\s@?#]*)?)", "a URL without a password"),
}


def _base_urls(value: object, origin: str) -> tuple[tuple[str, str], ...]:
    """`{exchange: url}` of the file, or `EXCHANGE=URL` texts of flags and environment."""
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, Mapping):
        value = [f"{name}={_shown(url)}" for name, url in value.items()]
    if not isinstance(value, (list, tuple)):
        raise _wrong("base_urls", value, origin, "EXCHANGE=URL")
    pairs = []
    for text in value:
        given = _shown(text)
        if "@" in given:
            kind = UsageError if origin == "flag" else ConfigError
            # Said without the text: this is where a password would be.
            raise kind(
                "a base URL may not hold a user name or password",
                f"it is from: {origin}",
                "take out what stands before the @; none is ever sent",
            )
        found = re.fullmatch(r"\s*([a-z][a-z0-9_]*)\s*=\s*(https?://\S+)\s*", given)
        if found is None:
            raise _wrong("base_urls", text, origin, "EXCHANGE=URL, with http:// or https://")
        pairs.append((found[1], found[2]))
    return tuple(pairs)


def _wrong(name: str, value: object, origin: str, wanted: str) -> SchemaHubError:
    kind = UsageError if origin == "flag" else ConfigError
    shown = repr(value) if isinstance(value, str) else _shown(value)
    if "@" in shown:
        shown = "what it is"  # where a password would be
    return kind(f"{name} cannot be {shown}", f"it is from: {origin}", f"it must be {wanted}")


def _shown(value: object) -> str:
    """A value of the file as text; Python refuses to write out a number of thousands of digits."""
    try:
        return value if isinstance(value, str) else repr(value)
    except ValueError:
        return "a number of thousands of digits"
