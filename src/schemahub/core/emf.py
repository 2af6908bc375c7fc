"""CloudWatch's embedded metric format: a line of JSON that is a log event and metrics at once.

Checked against the rules of its specification, so that a document is never dropped in silence.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Unit = Literal["Count", "Seconds", "Bytes", "Percent", "None"]

NAMESPACE = "SchemaHub"
MOST_METRICS = 100
MOST_VALUES = 100
MOST_DIMENSIONS = 30
LONGEST = 256 * 1024  # bytes of a document
_LONGEST_NAME = 1024
_LONGEST_VALUE = 1024  # of a dimension
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")


@dataclass(frozen=True, slots=True)
class Metric:
    """`value` is a number, or up to 100 numbers of one time, each of which counts alike."""

    name: str
    value: float | Sequence[float]
    unit: Unit = "Count"


def document(
    at: datetime,
    metrics: Sequence[Metric],
    dimensions: Mapping[str, str],
    sets: Sequence[Sequence[str]],
    fields: Mapping[str, object] | None = None,
) -> str:
    """One line. Each metric is told once a set of `sets`, which name some of `dimensions`.

    `fields` are told with it, and are no metrics. Raises ValueError for what CloudWatch would
    not take: too many, too long, not finite, or a name used twice.
    """
    _check(metrics, dimensions, sets)
    content = {
        "_aws": {
            "Timestamp": int(at.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [list(one) for one in sets],
                    "Metrics": [{"Name": one.name, "Unit": one.unit} for one in metrics],
                }
            ],
        },
    }
    names = [*dimensions, *(fields or {}), *(one.name for one in metrics)]
    _refuse(len(set(names)) != len(names) or "_aws" in names, "a name is used twice")
    told: dict[str, object] = {**content, **(fields or {}), **dimensions}
    told |= {
        one.name: list(one.value) if isinstance(one.value, Sequence) else one.value
        for one in metrics
    }
    line = json.dumps(told, separators=(",", ":"), allow_nan=False)
    _refuse(len(line.encode()) > LONGEST, f"longer than {LONGEST} bytes")
    return line


def _check(
    metrics: Sequence[Metric], dimensions: Mapping[str, str], sets: Sequence[Sequence[str]]
) -> None:
    _refuse(not 1 <= len(metrics) <= MOST_METRICS, f"{len(metrics)} metrics")
    _refuse(not sets, "no set of dimensions")
    for one in sets:
        _refuse(len(one) > MOST_DIMENSIONS, f"{len(one)} dimensions")
        _refuse(not set(one) <= dimensions.keys(), f"a dimension without a value: {one}")
    for name, text in dimensions.items():
        _refuse(not _NAME.fullmatch(name), f"a dimension called {name!r}")
        fits = 1 <= len(text) <= _LONGEST_VALUE and text.isascii() and text.isprintable()
        _refuse(not fits or not text.strip(), f"{name} is {text!r}")
    for metric in metrics:
        named = _NAME.fullmatch(metric.name) and len(metric.name) <= _LONGEST_NAME
        _refuse(not named, f"a metric called {metric.name!r}")
        values = metric.value if isinstance(metric.value, Sequence) else (metric.value,)
        _refuse(not 1 <= len(values) <= MOST_VALUES, f"{metric.name} has {len(values)} values")
        finite = all(math.isfinite(value) for value in values)
        _refuse(not finite, f"{metric.name} is not finite")


def _refuse(wrong: bool, why: str) -> None:  # noqa: FBT001  (reads as a sentence)
    if wrong:
        msg = f"no document of the embedded metric format: {why}"
        raise ValueError(msg)
