"""Engines beyond this machine: Spark, which makes the table, and Athena, which is asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

from schemahub.app.wiring import App
from schemahub.core.errors import ConfigError
from schemahub.core.settings import MAX_THREADS
from schemahub.pipelines.transform import Transform

if TYPE_CHECKING:
    from schemahub.adapters.athena import Athena, Progress

Engine = Literal["local", "spark"]
ENGINES: tuple[Engine, ...] = get_args(Engine)


@contextmanager
def transform(app: App, engine: Engine, master: str) -> Iterator[Transform]:
    """The pipeline on an engine; `master` empty is the one that Spark is configured to use.

    Nothing is connected before there is a part to make.
    """
    if engine == "local":
        yield app.transform()
        return
    from schemahub.adapters.spark import SparkTasks

    tasks = SparkTasks(app.threads, master, _python())
    try:
        # However little there is to do: who names a cluster means it.
        yield replace(app.transform(), tasks=tasks, small=0)
    finally:
        # Asked to stop there is no time to take leave; the application ends with the process.
        if not app.stop.requested:
            tasks.close()


def parts_at_once(app: App, engine: Engine) -> int:
    """As set; else one a core here, and on a cluster as many as can be waited for."""
    return app.settings.transform_workers or (
        MAX_THREADS if engine == "spark" else os.cpu_count() or 1
    )


def athena(
    app: App, limit_gb: int | None = None, tell: Callable[[Progress], None] | None = None
) -> Athena:
    """Athena over the published tables; `limit_gb` None is the setting athena_limit.

    Results go to athena_output, else below the lake if that is in a bucket, else where the
    workgroup has them. Raises ConfigError if the extra `aws` is not installed.
    """
    try:
        from schemahub.adapters.athena import Athena, Place, Timing
    except ImportError as error:
        raise ConfigError(
            "Athena cannot be asked",
            f"{error.name} is not installed: it is an optional extra",
            "pip install 'schemahub[aws]'",
        ) from None
    own = app.settings
    output = own.athena_output or (f"{own.place}/athena/" if own.s3_bucket else "")
    place = Place(own.database, own.athena_workgroup, output, own.aws_region)
    limit = (limit_gb or own.athena_limit) * 10**9
    return Athena(place, limit, Timing(pause=app.stop.wait), tell)


def _python() -> str:
    """The workers' interpreter: this one's path, unless Spark was told, or started us itself."""
    told = os.environ.get("PYSPARK_PYTHON") or os.environ.get("PYSPARK_GATEWAY_PORT")
    return "" if told else sys.executable
