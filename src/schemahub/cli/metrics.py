"""What a run did, for CloudWatch: lines on stdout at its end, where somebody collects them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

from schemahub.cli.shell import Shell
from schemahub.core.run_metrics import lines
from schemahub.pipelines.job import Job

# AWS sets the first in containers and the second in functions.
_ON_AWS = ("ECS_CONTAINER_METADATA_URI_V4", "AWS_LAMBDA_FUNCTION_NAME")


def wanted(environ: Mapping[str, str]) -> bool:
    """On AWS, unless SCHEMAHUB_METRICS=off; elsewhere with SCHEMAHUB_METRICS=emf."""
    told = environ.get("SCHEMAHUB_METRICS", "")
    return told == "emf" or (told != "off" and any(environ.get(name) for name in _ON_AWS))


def tell(shell: Shell, job: Job) -> None:
    """Writes the lines of a run that ended, if they are wanted.

    To stderr if the command has data for stdout. Whoever does not take them changes nothing:
    all is stored by now, and the exit code stays.
    """
    if not wanted(shell.environ):
        return
    record = {"run_id": job.run_id, **job.record()}
    samples = shell.app.metrics.response_seconds()
    text = "".join(f"{line}\n" for line in lines(record, shell.app.clock.now(), samples))
    with suppress(OSError, ValueError):
        _write(sys.stderr if shell.data else sys.stdout, text)


def _write(stream: TextIO | None, text: str) -> None:
    """Past the stream's buffer: what stays in it would fail once more when the program ends."""
    if stream is None:
        return
    try:
        file = stream.fileno()
    except OSError:
        stream.write(text)  # a stream in memory
        return
    stream.flush()
    left = text.encode()
    while left:
        left = left[os.write(file, left) :]
