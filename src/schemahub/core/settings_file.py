"""schemahub.toml as `schemahub init` writes it: every setting explained, commented out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields

from schemahub.core.settings import Settings

MEANINGS: dict[str, str] = {
    "lake": "The folder of the lake.",
    "s3_bucket": "A bucket, BUCKET or BUCKET/PREFIX: the lake is there, not in a folder.",
    "aws_region": "The bucket's region; not set: what the AWS SDK finds.",
    "aws_endpoint_url": "The URL of an S3 service other than AWS.",
    "exchange": "What BTC-USD alone means; another exchange's is written EXCHANGE:BTC-USD.",
    "exchanges": "The folder of your own exchange specs.",
    "workers": "Markets that are fetched at once.",
    "chunk_concurrency": "Chunks of a market at once, three requests each.",
    "transform_workers": "Processes of transform, verify and repair; 0 is one a core.",
    "rate_share": "This process's part of the rate limit: 1/4 where four share one address.",
    "base_urls": "Other base URLs, by exchange; as the last of the file, for it is a table.",
    "lease_ttl": "Seconds for which a run that died still holds its market.",
    "locks_table": "The DynamoDB table for leases, which a lake in a bucket needs to have them.",
    "publish": "Whether `run` publishes the table as Iceberg, too.",
    "quality": "Whether `run` checks the data, too.",
    "catalog": "The Iceberg catalog: sqlite, glue or rest; not set: sqlite for folders, else glue.",
    "catalog_uri": "Where a REST catalog answers.",
    "database": "The database of Glue and Athena, and the namespace in Iceberg.",
    "athena_workgroup": "The workgroup that Athena's queries run in.",
    "athena_output": "s3://BUCKET/PREFIX for Athena's results.",
    "athena_limit": "GB after which a statement at Athena is stopped.",
}

# Of settings that are not set by themselves.
EXAMPLES = {
    "s3_bucket": "my-bucket/schemahub",
    "aws_region": "eu-central-1",
    "aws_endpoint_url": "http://127.0.0.1:9000",
    "locks_table": "schemahub-locks",
    "catalog": "sqlite",
    "catalog_uri": "https://catalog.example/iceberg",
    "athena_output": "s3://my-bucket/athena",
}


def annotated(values: Mapping[str, str | int | bool]) -> str:
    """The file; `values` are set in it, all else is told as a comment.

    With its default, or an example where it has none.
    """
    lines = [
        "# Settings of SchemaHub. A flag or an environment variable (SCHEMAHUB_LAKE, ...) is",
        "# stronger than this file; `schemahub config show --origin` tells what is in force.",
    ]
    defaults = {field.name: field.default for field in fields(Settings)}
    tables = ["base_urls"]
    for name, default in defaults.items():
        if name not in tables:
            value = values.get(name, default or EXAMPLES.get(name, default))
            mark = "" if name in values else "# "
            lines += ["", f"# {MEANINGS[name]}", f"{mark}{name} = {_toml(value)}"]
    lines += ["", f"# {MEANINGS['base_urls']}", "# [base_urls]",
              f'# {defaults["exchange"]} = "http://127.0.0.1:8765"']  # fmt: skip
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """A value of TOML; its strings and numbers are written as JSON's are."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
