"""`schemahub cost` as it is printed."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from schemahub.cli.main import run


def test_json_lines_add_up_to_the_total(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cost", "--backfill", "100M", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    for part in ("month", "backfill"):
        lines = sum(Decimal(line["usd"]) for line in told[part]["lines"])
        assert abs(lines - Decimal(told[part]["usd"])) < Decimal("1e-20")


def test_the_table_of_a_laptop(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cost", "--markets", "1", "--every", "1d", "--engine", "laptop"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[2] == "a month: $0.00" or lines[2].startswith("a month: $0.0")
    assert (
        "updates storage 0.02294 × GB-month ~0.023 $0.0005 raw_bytes + table_bytes + bars_bytes"
        in lines
    )


@pytest.mark.parametrize("more", [["--backfill", "many"], ["--every", "0s"], ["--region", "x"]])
def test_what_cannot_be_reckoned_is_a_usage_error(
    more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cost", *more]) == 2
    assert "error SH-USAGE" in capsys.readouterr().err


def test_the_printed_table_is_the_recorded_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Where prices or figures changed, write the command's output to the file anew and read it."""
    assert run(["cost", "--backfill", "100M"]) == 0
    recorded = Path(__file__).with_name("cost_50_markets.txt").read_text("utf-8")
    assert capsys.readouterr().out == recorded
