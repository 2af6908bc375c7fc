"""Prices and sizes are equal, as texts, from the wire to the CSV that a user gets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from schemahub.adapters.store_local import LocalStore
from schemahub.core.layout import Market
from tests.adapters.decimals import differing, query
from tests.pipelines.raw_lake import RawLake, wire

if TYPE_CHECKING:
    import pytest


def test_twenty_thousand_decimals_are_text_equal_end_to_end(tmp_path: Path) -> None:
    assert differing(tmp_path, 20_000) == 0


def test_a_price_that_differs_would_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.adapters.decimals.as_csv", lambda text: text)
    assert differing(tmp_path, 100) > 50


def test_the_widest_values_there_may_be_are_exact(tmp_path: Path) -> None:
    lake = RawLake(market=Market("coinbase", "WIDE-USD"), store=LocalStore(str(tmp_path)))
    widest = "9" * 26 + "." + "9" * 12
    tiny = "0.000000000001"
    rows = [wire(1, price=widest, size=tiny), wire(2, price=tiny, size=widest)]
    lake.put(1, 3, [lake.answer(rows)])
    lake.transformed()
    lines = query(tmp_path, "SELECT price, quantity FROM trades ORDER BY trade_id")
    assert lines == [f"{widest},{tiny}", f"{tiny},{widest}"]
