"""Files that somebody planted or damaged end in a clear error, or are a cache that is ignored."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from schemahub.adapters.store_local import LARGEST, LocalStore
from schemahub.adapters.zstd import Zstd
from schemahub.core.errors import ObjectCorrupt
from schemahub.core.layout import MAX_STOP, Market
from schemahub.core.ledger import read_checkpoint
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, World

DEEP = 200_000
ONE = {"symbol": BTC, "native": BTC, "status": "online", "online": True}


def whole(make: Make) -> World:
    w = make(30)
    w.fetch()
    return w


# ---------------------------------------------------------------- JSON

# Nothing that a run can have recorded.
NO_RECORDS = {
    "deep list": "[" * DEEP,
    "deep object": '{"a":' * DEEP,
    "deep and whole": '{"a":' + "[" * 500 + "]" * 500 + "}",
    "a number of 10,000 digits": '{"run_id":' + "9" * 10_000 + "}",
    "not a number": '{"run_id":NaN}',
    "too large for a float": '{"seconds":1e999}',
    "half a character": '{"run_id":"\\ud800"}',
    "another encoding": '{"run_id":"x"}'.encode("utf-16"),
    "a list": "[]",
    "nothing": "",
    "bytes": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("text", NO_RECORDS.values(), ids=NO_RECORDS)
def test_a_record_that_is_none_hides_no_other(make: Make, text: str | bytes) -> None:
    w = whole(make)
    folder = w.lake / "runs" / "9999-01-01"
    folder.mkdir()
    path = folder / "99990101T000000Zffff.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    said = w.ok("runs")
    assert "\n99990101T000000Zffff        damaged" in said.out
    assert "transform" in said.out
    assert "only a record" in said.err
    assert "last run" not in w.ok("status").err
    shown = w.run("runs", "show", "9999")
    assert (shown.code, shown.out) == (1, "")
    assert shown.errors == [f"error SH-OBJECT-CORRUPT: {path.relative_to(w.lake)} is corrupt"]


def test_a_name_that_stands_twice_in_a_record_counts_once(make: Make) -> None:
    w = whole(make)
    (w.lake / "runs" / "9999-01-01").mkdir()
    path = w.lake / "runs" / "9999-01-01" / "99990101T000000Zffff.json"
    path.write_text('{"run_id":"a","run_id":"b"}')
    assert w.ok("runs", "show").json() == {"run_id": "b"}


def seeds(*markets: object) -> str:
    return json.dumps({"schema_version": 1, "markets": list(markets)})


NO_SEEDS = {
    "deep": "[" * DEEP,
    "deep below": '{"markets":[{"symbol":' + "[" * DEEP,
    "a number as symbol": seeds({**ONE, "symbol": 5}),
    "an object as symbol": seeds({**ONE, "symbol": {"a": 1}}),
    "a number as name": seeds({**ONE, "native": 5}),
    "a list as status": seeds({**ONE, "status": [1]}),
    "a word as boolean": seeds({**ONE, "online": "yes"}),
    "a list as increment": seeds({**ONE, "price_increment": [1]}),
    "no number as increment": '{"markets":[{"symbol":"BTC-USD","price_increment":NaN}]}',
    "half a character": '{"markets":[{"symbol":"BTC-\\ud800","native":"x","status":"x"}]}',
    "no symbol": seeds({"native": BTC}),
    "lower case": seeds({**ONE, "symbol": "btc-usd"}),
    "too long": seeds({**ONE, "symbol": "A" * 10_000}),
    "markets are a number": '{"markets":5}',
    "markets are an object": '{"markets":{"a":1}}',
    "a list": "[]",
    "null": "null",
    "nothing": "",
    "a number of 10,000 digits": '{"markets":[' + "9" * 10_000 + "]}",
}


@pytest.mark.parametrize("text", NO_SEEDS.values(), ids=NO_SEEDS)
def test_a_seed_that_is_none_is_told_and_stops_what_needs_it(make: Make, text: str) -> None:
    w = whole(make)
    path = w.lake / "seeds" / "coinbase.json"
    path.parent.mkdir()
    path.write_text(text)
    for command in (["ingest"], ["query", "select 1"], ["update-seed"], ["run"]):
        said = w.run(*command)
        assert said.code == 6, said
        assert said.errors == ["error SH-CONFIG: seeds/coinbase.json is not a seed"]
        assert path.read_text() == text
    assert w.certificate()["status"] == "proven"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("0.01", "0.010000000000"),
        ("1e-12", "0.000000000001"),
        ("99999999999999999999999999", "99999999999999999999999999.000000000000"),
        ("1e999999999", None),
        ("-1e-999999999", None),
        ("1e26", None),
        ("1e-13", None),
        ("9" * 100_000, None),
        ("NaN", None),
        ("Infinity", None),
        ("sNaN", None),
        ("x", None),
        ("", None),
    ],
)
def test_an_increment_that_no_table_can_hold_is_none(
    make: Make, given: str, shown: str | None
) -> None:
    """It comes from the exchange: one of these once made every query fail."""
    w = whole(make)
    (w.lake / "seeds").mkdir()
    (w.lake / "seeds" / "coinbase.json").write_text(seeds({**ONE, "price_increment": given}))
    said = w.ok("query", "select price_increment as p from markets", "--json")
    assert said.json()["rows"] == [{"p": shown}]


def sealed(content: dict[str, Any]) -> bytes:
    text = json.dumps(content, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return json.dumps({**content, "digest": digest}, separators=(",", ":")).encode() + b"\n"


FORGED = [
    {"covered": [[0, 50 * 10**30]]},
    {"covered": [[0, (MAX_STOP // 50 + 1) * 50]]},
    {"covered": [[False, 50]]},
    {"covered": [[0, 50.0]]},
    {"covered": [[-50, 50]]},
    {"covered": {"a": 1}},
    {"covered": [[0, 50], [100, 150]]},
    {"origins": [10**30]},
    {"origins": [True]},
    {"origins": "1"},
    {"corrupt": [1]},
    {"objects": -1},
    {"objects": True},
    {"objects": 10**30},
    {"objects": None},
]


@pytest.mark.parametrize("change", FORGED, ids=str)
def test_a_checkpoint_whose_seal_is_right_is_still_read_with_care(change: dict[str, Any]) -> None:
    good = {
        "schema_version": 3, "market": "coinbase:BTC-USD", "chunk": 50, "covered": [[0, 50]],
        "held": [], "absent": [], "origins": [0], "corrupt": [], "objects": 1,
        "watermark": float("nan"),
    }  # fmt: skip
    market = Market("coinbase", BTC)
    assert read_checkpoint(sealed(good), market, 50).origins == (0,)
    with pytest.raises(ValueError, match=r"\w"):
        read_checkpoint(sealed(good | change), market, 50)


@pytest.mark.parametrize("content", ['{"since":' + "[" * DEEP, '{"since":5}', "[]", "\udcff"])
def test_an_origin_that_says_nothing_is_asked_for_again(make: Make, content: str) -> None:
    w = make(30)
    w.ok("ingest", BTC)
    (origin,) = (w.lake / "raw_coinbase_trades" / BTC).glob("*.origin")
    origin.write_bytes(content.encode("utf-8", "surrogateescape"))
    w.ok("ingest", BTC, "--full")
    w.ok("transform")
    w.assert_whole()


# ---------------------------------------------------------------- no files at all


@pytest.mark.parametrize(
    ("key", "command", "code"),
    [
        (f"checkpoints/coinbase/{BTC}.json", ["ingest", BTC], 0),
        ("seeds/coinbase.json", ["ingest"], 1),
        ("unified_trades/v1/exchange=coinbase/PLAN", ["transform"], 1),
    ],
)
def test_a_pipe_in_place_of_a_file_keeps_nobody_waiting(
    make: Make, key: str, command: list[str], code: int
) -> None:
    w = whole(make)
    path = w.lake / key
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    said = w.run(*command)
    assert said.code == code, said
    assert "not a plain file" in said.err


def test_what_is_larger_than_any_object_is_not_read(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with (tmp_path / "big").open("wb") as file:
        file.truncate(LARGEST + 1)  # a sparse file: it takes no room on the disk
    with pytest.raises(ObjectCorrupt, match="larger than any object"):
        store.read("big")
    (tmp_path / "folder").mkdir()
    assert store.create("small", b"x")
    assert store.read("small") == b"x"


# ---------------------------------------------------------------- decompression bombs

BLOCK = 128 * 1024


def bomb(size: int) -> bytes:
    """One zstd frame, as we write them, that unpacks to `size` zeros: 4 bytes for 128 kB."""
    header = b"\x28\xb5\x2f\xfd" + bytes([0b100, 7 << 3])
    block = struct.pack("<I", (BLOCK << 3) | (1 << 1))[:3] + b"\0"
    last = struct.pack("<I", (BLOCK << 3) | (1 << 1) | 1)[:3] + b"\0"
    return header + block * (size // BLOCK - 1) + last + b"sums"


def test_a_frame_of_ten_gigabytes_is_stopped_at_the_cap() -> None:
    with pytest.raises(ObjectCorrupt, match="damaged"):  # a true frame but for its checksum
        Zstd().unpack(bomb(4 * BLOCK), "k")
    with pytest.raises(ObjectCorrupt, match="more than 1048576 bytes"):
        Zstd(largest=1 << 20).unpack(bomb(10 << 30), "k")


MEASURE = """
import resource, sys
from schemahub.cli.main import run
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
code = run(sys.argv[1:])
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(code, after // 1024)
"""


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))


@pytest.mark.heavy
def test_a_raw_object_of_ten_gigabytes_is_corrupt_and_takes_no_memory(make: Make) -> None:
    w = whole(make)
    (raw,) = w.raw()
    raw.write_bytes(bomb(10 << 30))
    assert raw.stat().st_size < 400_000
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, "verify", BTC, "--lake", str(w.lake)],
        capture_output=True, text=True, check=True, preexec_fn=limited,
    )  # fmt: skip
    code, megabytes = done.stdout.splitlines()[-1].split()
    assert code == "4", done.stderr
    assert int(megabytes) < 1200
    assert "unpacks to more than" in done.stdout + done.stderr
    w.ok("repair")
    w.assert_whole()


def test_a_bomb_in_many_frames_is_stopped_as_well() -> None:
    data = b"".join(Zstd(largest=1 << 30).pack(bytes(1 << 20)) for _ in range(9))
    with pytest.raises(ObjectCorrupt, match="more than 8388608 bytes"):
        Zstd(largest=8 << 20).unpack(data, "k")


# ---------------------------------------------------------------- a Parquet footer that lies


def lies(good: bytes) -> dict[str, bytes]:
    length = struct.unpack("<I", good[-8:-4])[0]
    footer = good[-8 - length : -8]
    return {
        "longer than the file": good[:-8] + struct.pack("<I", 0xFFFFFFF0) + b"PAR1",
        "shorter than it is": good[:-8] + struct.pack("<I", 3) + b"PAR1",
        "empty": b"",
        "magic alone": b"PAR1PAR1",
        "no footer": good[: len(good) - 8 - length] + struct.pack("<I", 0) + b"PAR1",
        "of huge lists": good[:4] + b"\x15\x04\x19\xfc" + b"\xff" * 200 + b"\xd0\0\0\0PAR1",
        "of huge strings": good[: -8 - length]
        + footer.replace(b"trade_id", b"\xff\xff\xff\xff\x0f_id")
        + good[-8:],
        "zeros": bytes(len(good)),
    }  # fmt: skip


def test_a_footer_that_lies_is_found_and_takes_no_memory(make: Make) -> None:
    w = whole(make)
    (part,) = w.parts()
    good = part.read_bytes()
    for name, data in lies(good).items():
        part.write_bytes(data)
        found = w.certificate(code=4)
        assert found["status"] != "proven", name
        said = w.run("query", "select count(*), sum(price) from trades")
        assert said.code == 1, (name, said)
        assert "Traceback" not in said.err
    w.ok("repair")
    w.assert_whole()
