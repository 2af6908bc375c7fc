"""The script of a Spark job that makes the table: on AWS Glue, on EMR, or by `spark-submit`.

It is `schemahub transform --engine spark` with options as such services give them: each has a
value, and the service adds some of its own, which are named on stderr and left alone. The
master, the size of the cluster and the Python of its workers are the service's to say.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from schemahub.app import App, configure
from schemahub.cli.ingest import recorded
from schemahub.cli.shell import Shell
from schemahub.cli.transform import transform
from schemahub.cli.words import tell
from schemahub.core.errors import SchemaHubError, UsageError

# Option: (setting, what it is).
SETTINGS = {
    "--s3-bucket": ("s3_bucket", "the lake is s3://B/schemahub, or s3://B/PREFIX for B/PREFIX"),
    "--lake": ("lake", "the lake is a folder that every worker sees by this path"),
    "--exchanges": ("exchanges", "the folder of your own specs, on the driver"),
    "--workers": ("transform_workers", "parts at once; default 200"),
    "--aws-region": ("aws_region", "of the bucket and of locks-table"),
    "--locks-table": ("locks_table", "the DynamoDB table of leases"),
}
_NEAR = 0.8  # so alike that it was meant to be one of ours


def main(arguments: Sequence[str]) -> int:
    """The exit code, as `schemahub transform` gives it."""
    try:
        given, others = read(arguments)
        rebuild = given.pop("rebuild") == "true"
        shell = Shell(App(configure(given).settings, command="spark_job"))
        if others:
            shell.say(f"options of the service, left alone: {', '.join(others)}")
        shell.app.require_lake()
        asked = {"rebuild": rebuild, "engine": "spark"}
        with recorded(shell, "transform", asked) as job:
            transform(shell, job, rebuild=rebuild, engine="spark")
    except SchemaHubError as error:
        tell(error)
        return error.exit_code
    return job.exit_code


def read(arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Settings by name, and `rebuild`; and options that are not ours.

    Raises UsageError for one that nearly is.
    """
    parser = argparse.ArgumentParser("spark_job", description=__doc__, allow_abbrev=False)
    for option, (setting, meaning) in SETTINGS.items():
        parser.add_argument(option, dest=setting, help=meaning)
    parser.add_argument(
        "--rebuild", nargs="?", const="true", default="false", choices=["true", "false"],
        help="make the table anew, in a new version",
    )  # fmt: skip
    given, others = parser.parse_known_args(arguments)
    names = [one.partition("=")[0] for one in others if one.startswith("--")]
    for name in names:
        near = get_close_matches(name, [*SETTINGS, "--rebuild"], 1, _NEAR)
        if near:
            raise UsageError(f"no such option: {name}", "spark_job", f"did you mean {near[0]}?")
    return vars(given), names


if __name__ == "__main__":
    code = main(sys.argv[1:])
    if code:  # some services take any SystemExit, also of 0, for a failure
        sys.exit(code)
