"""Real traffic raises no alarm: what exchanges told, mapped by their specs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.duck_lake import Row
from tests.exchanges.captured import EPOCH, NAMES, captured, mapped, table
from tests.quality_lake import NOW, QualityLake


@pytest.mark.parametrize("name", NAMES)
def test_recorded_answers_raise_no_alarm(name: str, tmp_path: Path) -> None:
    case = captured(name)
    told = table(mapped(case, case.body))
    # As if the last of them had come just now.
    late = NOW - timedelta(minutes=6) - EPOCH - timedelta(microseconds=case.now - 3_600_000_000)
    rows = [
        Row(one.trade_id, one.price, one.quantity, one.side, at)
        for one in told
        for at in [EPOCH + timedelta(microseconds=one.trade_ts) + late]
    ]
    lake = QualityLake(tmp_path, {case.market: rows}, axis=case.spec.axis)
    if case.spec.axis == "ids":
        # An excerpt skips no id of its own; of hand-picked rows only the order is real.
        lake.trades[case.market] = [replace(row, trade_id=n) for n, row in enumerate(rows, 1)]
    assert lake.findings() == {}
