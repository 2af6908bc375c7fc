"""The price table and the measured figures, read from the two files in `prices/`."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

from schemahub.core.cost import Book, Figure, Price
from schemahub.core.errors import UsageError

FOLDER = Path(__file__).parents[1] / "prices"
REGION = "us-east-1"


def book(region: str = REGION) -> Book:
    """Raises UsageError for a region whose prices are not known."""
    aws, measured = _read("aws.toml"), _read("measured.toml")
    if region not in aws["regions"]:
        raise UsageError(
            f"no prices of {region!r} are known",
            f"prices/aws.toml has those of {', '.join(aws['regions'])}",
            f"take the nearest: --region {REGION}",
        )
    prices = {
        name: Price(
            told["unit"],
            Decimal(told["per"]),
            told["usd"][region],
            told["source"],
            told.get("seen", "") if region == REGION else "",
        )
        for name, told in aws["prices"].items()
    }
    figures = {
        name: Figure(Decimal(told["value"]), told["unit"], told["by"])
        for name, told in measured["figures"].items()
    }
    return Book(region, aws["dated"], prices, figures)


def _read(name: str) -> dict[str, Any]:
    # Not through a float: 0.1 is a tenth here.
    return tomllib.loads((FOLDER / name).read_text("utf-8"), parse_float=Decimal)
