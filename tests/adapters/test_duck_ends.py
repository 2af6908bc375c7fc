"""What the ends of files say of the minutes that two of them share."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemahub.adapters.duck import FileSlice
from schemahub.adapters.duck.ends import shared_minutes
from schemahub.core.layout import Market
from schemahub.core.span import Span
from tests.duck_lake import BTC, ETH

MINUTE = 60_000_000


def file(root: Path, name: str, market: Market, *minutes: int, told: bool = True) -> FileSlice:
    location = root / f"{name}.parquet"
    times = pa.array([minute * MINUTE for minute in minutes], pa.timestamp("us", "UTC"))
    table = pa.table({"bar_ts": times, "close": pa.array([1] * len(minutes), pa.int64())})
    pq.write_table(table, location, write_statistics=told, row_group_size=2)
    return FileSlice(str(location), market, Span(1, 2))


def test_only_files_of_one_market_share_minutes(tmp_path: Path) -> None:
    files = [
        file(tmp_path, "a", BTC, 1, 2, 3),
        file(tmp_path, "b", BTC, 3, 9),
        file(tmp_path, "c", BTC, 8, 10),
        file(tmp_path, "d", ETH, 2, 6),
    ]
    assert shared_minutes(files) == [3 * MINUTE, 8 * MINUTE, 9 * MINUTE]


def test_a_file_without_rows_tells_of_no_minute(tmp_path: Path) -> None:
    """As of a quiet hour on an axis of time."""
    files = [file(tmp_path, "a", BTC, 1), file(tmp_path, "b", BTC), file(tmp_path, "c", BTC, 1)]
    assert shared_minutes(files) == [MINUTE]


def test_where_a_file_does_not_say_nothing_is_known(tmp_path: Path) -> None:
    good = file(tmp_path, "a", BTC, 1)
    assert shared_minutes([good, file(tmp_path, "b", BTC, 2, told=False)]) is None


@pytest.mark.parametrize("damage", ["gone", "cut", "footer"])
def test_damage_is_left_for_the_query_to_tell(tmp_path: Path, damage: str) -> None:
    good, bad = file(tmp_path, "a", BTC, 1), file(tmp_path, "b", ETH, 2)
    path = Path(bad.location)
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-9] if damage == "cut" else data[:-60] + b"\xff" * 40 + data[-20:])
    assert shared_minutes([good, bad]) is None
