"""The same trades in other forms, and how many bytes each takes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from schemahub.adapters.zstd import Zstd

DOUBLES = ("price", "quantity")
# What the product's own parts are written with.
EQUAL = {
    "compression": "zstd",
    "compression_level": 3,
    "use_dictionary": ["exchange", "symbol", "side", *DOUBLES],
    "column_encoding": dict.fromkeys(("trade_id", "trade_ts", "ingest_ts"), "DELTA_BINARY_PACKED"),
}


class _Line(msgspec.Struct):
    body: list[msgspec.Raw]


def main(raw: str, folder: str, *files: str) -> None:
    table = pa.concat_tables(pq.read_table(path, partitioning=None) for path in files)
    for name in DOUBLES:
        column = table.schema.get_field_index(name)
        table = table.set_column(column, name, table[name].cast(pa.float64()))
    plain = packed = 0
    for lines in _rows(Path(raw)):
        plain += len(lines)
        packed += len(Zstd().pack(lines))
    found = {
        "JSONL, rows of the wire": plain,
        "JSONL.zst, level 3, 50,000 rows a frame": packed,
        "float64 Parquet, default settings (snappy)": _written(table, folder, {}),
        "float64 Parquet, our settings": _written(table, folder, EQUAL),
    }
    print(json.dumps(found))


def _rows(raw: Path) -> Iterator[bytes]:
    """The rows of each raw object as JSON lines."""
    decoder = msgspec.json.Decoder(_Line)
    for path in sorted(raw.glob("*.jsonl.zst")):
        answers = Zstd().unpack(path.read_bytes(), path.name).splitlines()
        yield b"".join(
            bytes(row) + b"\n"
            for answer in answers
            for row in reversed(decoder.decode(answer).body)
        )


def _written(table: pa.Table, folder: str, settings: dict[str, object]) -> int:
    path = Path(folder) / "float64.parquet"
    pq.write_table(table, path, row_group_size=1 << 20, **settings)
    return path.stat().st_size


main(*sys.argv[1:])
