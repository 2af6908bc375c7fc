"""The same trades in other forms, and how many bytes each takes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from schemahub.adapters.zstd import Zstd

DOUBLES = ("price", "quantity")
# What the product's own parts are written with.
EQUAL: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 2,
    "column_encoding": dict.fromkeys(("trade_id", "trade_ts", "ingest_ts"), "DELTA_BINARY_PACKED"),
    "dictionary_pagesize_limit": 16 << 20,
    "write_page_index": True,
    "write_page_checksum": True,
    "row_group_size": 1 << 19,
}
WORDS = ["exchange", "symbol", "side"]


class _Line(msgspec.Struct):
    body: list[msgspec.Raw]


def main(raw: str, folder: str, *files: str) -> None:
    table = pa.concat_tables(pq.read_table(path, partitioning=None) for path in files)
    plain = packed = 0
    for lines in _rows(Path(raw)):
        plain += len(lines)
        packed += len(Zstd().pack(lines))
    found = {
        "JSONL, rows of the wire": plain,
        "JSONL, all columns": sum(map(_line, table.to_batches(max_chunksize=10_000))),
        "JSONL.zst, 50,000 rows of the wire a frame": packed,
        **float64(table, folder),
    }
    print(json.dumps(found))


def float64(table: pa.Table, folder: str) -> dict[str, int]:
    """The same with doubles: by default, and as ours are written, whichever encoding is smaller."""
    for name in DOUBLES:
        column = table.schema.get_field_index(name)
        table = table.set_column(column, name, table[name].cast(pa.float64()))
    choices = [WORDS + [name for name in DOUBLES if name in some]
               for some in ((), ("price",), ("quantity",), DOUBLES)]  # fmt: skip
    equal = [_written(table, folder, EQUAL | {"use_dictionary": names}) for names in choices]
    return {
        "float64 Parquet, default settings (snappy)": _written(table, folder, {}),
        "float64 Parquet, our settings": min(equal),
    }


def _line(rows: pa.RecordBatch) -> int:
    """Bytes of the rows as JSON lines of all their columns."""
    return sum(
        len(json.dumps(row, default=str, separators=(",", ":"))) + 1 for row in rows.to_pylist()
    )


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


def _written(table: pa.Table, folder: str, settings: dict[str, Any]) -> int:
    path = Path(folder) / "float64.parquet"
    pq.write_table(table, path, **settings)
    return path.stat().st_size


if __name__ == "__main__":
    main(*sys.argv[1:])
