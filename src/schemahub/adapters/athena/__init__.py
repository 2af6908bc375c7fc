"""Athena: the same SQL as DuckDB's, run by AWS over the published tables. Needs boto3 alone."""

from __future__ import annotations

from schemahub.adapters.athena.engine import USD_PER_TB, Answer, Athena, Progress, Query, price
from schemahub.adapters.athena.session import Place, Timing
from schemahub.adapters.athena.values import Typed

__all__ = [
    "USD_PER_TB",
    "Answer",
    "Athena",
    "Place",
    "Progress",
    "Query",
    "Timing",
    "Typed",
    "price",
]
