"""What the ends of files say of the times in them.

Read by Arrow, not by the engine: damage that the engine meets may end its whole connection.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from schemahub.adapters.duck.bars import minutes_shared
from schemahub.adapters.duck.views import FileSlice
from schemahub.core.layout import Market

_TIMES = {"bar_ts", "trade_ts"}


def shared_minutes(files: Sequence[FileSlice]) -> list[int] | None:
    """The minutes (µs) of which two files of a market may both tell; None: any of them.

    That is also said where a file cannot be read: the query for it tells why.
    """
    ranges: dict[Market, list[tuple[int, int]]] = {}
    try:
        for file in files:
            ranges.setdefault(file.market, []).extend(_range(file.location))
    except (OSError, ValueError, pa.ArrowException):
        return None
    return minutes_shared(ranges)


def _range(location: str) -> list[tuple[int, int]]:
    """From when to when the rows of a file are, in µs; nothing of a file without rows.

    Raises ValueError if it does not say.
    """
    told = pq.read_metadata(location)
    groups = [told.row_group(number) for number in range(told.num_row_groups)]
    found: list[tuple[int, int]] = []
    for group in groups:
        if not group.num_rows:
            continue
        columns = (group.column(number) for number in range(group.num_columns))
        times = [column.statistics for column in columns if column.path_in_schema in _TIMES]
        if len(times) != 1 or times[0] is None or not times[0].has_min_max:
            msg = f"{location} does not say from when to when it is"
            raise ValueError(msg)
        found.append((times[0].min_raw, times[0].max_raw))
    return [(min(a for a, _ in found), max(b for _, b in found))] if found else []
