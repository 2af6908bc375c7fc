"""Where the parts of the table are made: by processes of this machine, or on a Spark cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, get_args

from schemahub.app.wiring import App
from schemahub.core.settings import MAX_THREADS
from schemahub.pipelines.transform import Transform

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


def _python() -> str:
    """The workers' interpreter: this one's path, unless Spark was told, or started us itself."""
    told = os.environ.get("PYSPARK_PYTHON") or os.environ.get("PYSPARK_GATEWAY_PORT")
    return "" if told else sys.executable
