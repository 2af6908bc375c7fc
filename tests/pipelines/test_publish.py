"""Publishing: the tables of the catalog are a live set of the lake, each row once."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemahub.adapters.iceberg import IcebergCatalog
from schemahub.core.errors import CatalogError, TableLost
from schemahub.core.facts import Fact
from schemahub.core.layout import bars_key, part_key
from schemahub.core.span import Span
from schemahub.core.trade import Column
from schemahub.ports.catalog import BARS, TRADES, DataFile, DataTable, Kind
from tests.pipelines.raw_lake import BTC, small_cells, truth
from tests.published import Shown

__all__ = ["small_cells"]
pytestmark = pytest.mark.usefixtures("small_cells")


@pytest.fixture
def shown(tmp_path: Path, small_cells: None) -> Shown:
    """Published while it had small parts; since then some were superseded."""
    found = Shown(tmp_path / "lake")
    found.raw.put(1, 14)
    found.raw.transformed()
    found.publish()
    return found


def grown(shown: Shown) -> None:
    """Parts of 4 are superseded by one of 16."""
    shown.raw.put(14, 30)
    shown.raw.transformed()


def test_others_read_what_the_lake_shows_row_for_row(shown: Shown) -> None:
    assert shown.rows() == shown.live() == truth(1, 14)
    scanned = sorted(shown.scanned(), key=lambda row: int(row["trade_id"]))
    parts = [pq.read_table(shown.folder / name).to_pylist() for name in shown.names()]
    assert scanned == sorted((row for some in parts for row in some), key=lambda r: r["trade_id"])
    minutes = shown.queried("SELECT sum(trades), sum(volume) FROM it", BARS)
    assert minutes == [(13, sum(row[5] for row in truth(1, 14)))]


def test_a_publish_is_the_difference_in_one_snapshot(shown: Shown) -> None:
    before = shown.names()
    grown(shown)
    done = shown.publish()
    after = shown.names()
    assert done[TRADES].added == len(after - before) > 0
    assert done[TRADES].removed == len(before - after) > 0
    assert len(shown.snapshots()) == 2
    assert shown.rows() == truth(1, 30)
    assert shown.publish()[TRADES].added == 0
    assert len(shown.snapshots()) == 2, "nothing new is no commit"


def test_a_snapshot_of_before_is_read_as_it_was(shown: Shown) -> None:
    first = shown.table().current_snapshot().snapshot_id
    grown(shown)
    shown.publish()
    then = shown.table().scan(snapshot_id=first).to_arrow()["trade_id"].to_pylist()
    assert sorted(then) == list(range(1, 14))


def test_the_files_are_partitions_that_filters_skip(shown: Shown) -> None:
    files = shown.table().inspect.files().to_pylist()
    assert {(f["partition"]["exchange"], f["partition"]["symbol"]) for f in files} == {
        ("coinbase", "BTC-USD")
    }
    assert not list(shown.table().scan("symbol == 'ETH-USD'").plan_files())
    (task,) = shown.table().scan("trade_id == 2").plan_files()
    assert task.file.file_path.endswith(part_key(1, BTC, Span(1, 4)))


# ---------------------------------------------------------------- what cannot be published


def test_of_parts_that_cross_the_later_waits_until_they_are_united(tmp_path: Path) -> None:
    shown = Shown(tmp_path / "lake")
    shown.raw.put(0, 4)
    shown.cross(Span(0, 3), Span(1, 4))
    assert shown.raw.shown() == truth(0, 4)
    done = shown.publish()
    assert done[TRADES].state == "partial"
    assert "1 part(s) that others overlap are left out" in done[TRADES].notes[0]
    assert shown.rows() == truth(0, 3)
    odd, _ = shown.pipeline().verify(TRADES)
    assert [one.what for one in odd] == done[TRADES].notes
    shown.raw.transformed()
    done = shown.publish()
    assert (done[TRADES].state, done[TRADES].notes) == ("complete", [])
    assert shown.rows() == truth(0, 4)


def test_a_version_that_only_fills_up_another_is_not_published_twice(shown: Shown) -> None:
    shown.raw.put(14, 30)
    shown.raw.transformed()
    last = shown.raw.lake.slices(BTC)[-1].part
    assert last == Span(28, 30)
    rows = [pq.read_table(shown.folder / part_key(1, BTC, one.part))
            for one in shown.raw.lake.slices(BTC)]  # fmt: skip
    newer = shown.folder / part_key(2, BTC, Span(1, 29))
    newer.parent.mkdir(parents=True)
    pq.write_table(pa.concat_tables(rows).slice(0, 28), newer)
    (shown.folder / "unified_trades/v2/exchange=coinbase/COMPLETE").touch()
    assert len(shown.raw.shown()) == 29, "a reader trims the older part"
    done = shown.publish()
    assert done[TRADES].state == done[BARS].state == "partial"
    assert [row[2] for row in shown.rows()] == list(range(1, 29))
    assert "no minute bars" in done[BARS].notes[0]


def test_a_part_whose_bars_are_missing_is_told(shown: Shown) -> None:
    grown(shown)
    last = shown.raw.lake.slices(BTC)[-1].part
    (shown.folder / bars_key(part_key(1, BTC, last))).unlink()
    done = shown.publish()
    assert (done[TRADES].state, done[BARS].state) == ("complete", "partial")
    shown.raw.transformed()
    assert shown.publish()[BARS].state == "complete"


# ---------------------------------------------------------------- what differs is told and mended


def test_verify_tells_what_differs_and_publish_mends_it(shown: Shown) -> None:
    assert shown.pipeline().verify(TRADES) == ([], 13)
    grown(shown)
    odd, rows = shown.pipeline().verify(TRADES)
    assert rows == 13
    assert {one.what for one in odd} == {
        "is in the table, and not live any more",
        "is live, and not in the table",
    }
    shown.publish()
    assert shown.pipeline().verify(TRADES) == ([], 29)


def test_a_part_made_anew_with_other_bytes_is_named_anew(shown: Shown) -> None:
    name = min(shown.names())
    path = shown.folder / name
    rows = pq.read_table(path)
    path.unlink()
    pq.write_table(rows.slice(1), path, compression="none")
    odd, _ = shown.pipeline().verify(TRADES)
    assert {one.what.split()[2] for one in odd} == {"bytes;", "rows;"}
    assert len(shown.rows()) == 12
    done = shown.publish()
    assert (done[TRADES].added, done[TRADES].removed) == (1, 1)
    assert len(shown.rows()) == 12
    assert len(shown.scanned()) == 12
    assert shown.pipeline().verify(TRADES) == ([], 12)


@pytest.mark.parametrize("moved", [True, False])
def test_a_lake_that_was_moved_is_told_and_mended(
    shown: Shown, tmp_path: Path, *, moved: bool
) -> None:
    there = Shown(tmp_path / "elsewhere")
    shutil.copytree(shown.folder, there.folder, dirs_exist_ok=True)
    if moved:
        shutil.rmtree(shown.folder)
    odd, _ = there.pipeline().verify(TRADES)
    assert "the lake was moved or copied" in odd[0].what
    with pytest.raises(TableLost):  # what it names is not known, so nothing is removed
        there.kept()
    there.publish()
    assert there.pipeline().verify(TRADES) == ([], 13)
    assert there.rows() == truth(1, 14)
    if not moved:
        assert shown.pipeline().verify(TRADES) == ([], 13)


def test_what_somebody_else_wrote_into_the_table_goes(shown: Shown) -> None:
    shown.table().append(pq.read_table(shown.folder / min(shown.names())))
    assert len(shown.rows()) > 13
    odd, _ = shown.pipeline().verify(TRADES)
    assert [one.what for one in odd] == [
        "is in the table, and no file of a lake: somebody else wrote it there"
    ]
    done = shown.publish()
    assert done[TRADES].notes == ["1 file(s) that somebody else wrote were taken out of the table"]
    assert shown.rows() == truth(1, 14)


# ---------------------------------------------------------------- two at once


@dataclass(frozen=True)
class _Hasty(IcebergCatalog):
    """Lets another publish first, once, between a table's opening and its commit."""

    others: Any = None

    def open(self, kind: Kind, *, create: bool) -> DataTable | None:
        table = super().open(kind, create=create)
        return _Late(table, self.others) if table is not None and kind == TRADES else table


@dataclass
class _Late:
    inner: DataTable
    others: list[Any]

    @property
    def files(self) -> Any:
        return self.inner.files

    def replace(self, removed: Collection[str], added: Sequence[DataFile]) -> int | None:
        if self.others:
            self.others.pop()()
        return self.inner.replace(removed, added)


def test_who_comes_second_takes_the_difference_anew(shown: Shown) -> None:
    grown(shown)
    hasty = _Hasty(shown.catalog.place, [shown.publish])
    done = list(replace(shown.pipeline(), catalog=hasty).run(tuple))
    assert (done[0].added, done[0].error) == (0, None)
    assert shown.rows() == truth(1, 30)
    files = shown.table().inspect.files().to_pylist()
    assert len(files) == len({file["file_path"] for file in files})


def test_a_newer_publish_is_never_taken_back(shown: Shown) -> None:
    grown(shown)

    def newer() -> None:
        shown.raw.put(30, 70)
        shown.raw.transformed()
        shown.publish()

    hasty = _Hasty(shown.catalog.place, [newer])
    list(replace(shown.pipeline(), catalog=hasty).run(tuple))
    assert shown.rows() == truth(1, 70)


def test_a_table_that_never_rests_is_an_error(shown: Shown) -> None:
    class Restless(_Late):
        def replace(self, removed: Collection[str], added: Sequence[DataFile]) -> int | None:
            return None

    class Busy(IcebergCatalog):
        def open(self, kind: Kind, *, create: bool) -> DataTable | None:
            table = super().open(kind, create=create)
            assert table is not None
            return Restless(table, [])

    grown(shown)
    done = list(replace(shown.pipeline(), catalog=Busy(shown.catalog.place)).run(tuple))
    assert done[0].state == "failed"
    assert "did not come to rest" in str(done[0].error)


# ---------------------------------------------------------------- nothing named goes


def test_what_an_unexpired_snapshot_names_is_not_removed(shown: Shown) -> None:
    grown(shown)
    shown.publish()
    old = set().union(*shown.snapshots()) - shown.snapshots()[-1]
    done = shown.compact()
    assert done.removed == 0
    assert done.waiting == done.named == len(old) > 0
    assert all(Path(one).exists() for one in old)
    # Both tables still name theirs until their snapshots expire.
    shown.clock.time += timedelta(days=8)
    done_again = shown.publish()
    assert (done_again[TRADES].expired, done_again[BARS].expired) == (1, 1)
    assert len(shown.snapshots()) == 1
    assert shown.compact().removed == len(old)
    assert not any(Path(one).exists() for one in old)
    assert shown.rows() == truth(1, 30)


def test_the_last_snapshots_never_expire(shown: Shown) -> None:
    for stop in (20, 30, 40):
        shown.raw.put(stop - (6 if stop == 20 else 10), stop)
        shown.raw.transformed()
        shown.publish()
    shown.clock.time += timedelta(days=100)
    assert shown.publish(keep_last=3)[TRADES].expired == 1
    assert len(shown.snapshots()) == 3
    assert shown.publish(keep=timedelta(days=101))[TRADES].expired == 0


def test_a_catalog_that_cannot_be_asked_removes_nothing(shown: Shown) -> None:
    grown(shown)

    def silent() -> frozenset[str]:
        raise CatalogError("the catalog cannot be asked", "it does not answer")

    before = shown.raw.parts()
    done = shown.compact(asks=silent)
    assert (done.state, done.removed) == ("partial", 0)
    assert "nothing was removed: the catalog cannot be asked" in done.notes[0]
    assert shown.raw.parts() == before
    # A catalog that is damaged is one that cannot be asked.
    (shown.folder / "iceberg" / "catalog.db").write_bytes(b"not a database at all" * 100)
    assert shown.compact().state == "partial"
    assert shown.raw.parts() == before


def test_an_old_version_stays_while_a_snapshot_names_it(shown: Shown) -> None:
    shown.raw.transform(rebuild=True)
    (old,) = shown.garbage().old_versions("coinbase")
    assert any("still name" in why for why in old.stays)
    assert not shown.garbage().remove(old)
    shown.publish()
    shown.clock.time += timedelta(days=8)
    shown.publish()
    (old,) = shown.garbage().old_versions("coinbase")
    assert old.stays == []
    assert shown.garbage().remove(old)
    assert shown.rows() == truth(1, 14)
    assert shown.pipeline().verify(TRADES) == ([], 13)


# ---------------------------------------------------------------- what is left over


def test_files_that_no_snapshot_needs_go_after_a_day(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shown.folder / "iceberg" / "schemahub" / TRADES / "metadata"
    dead = folder / "snap-dead.avro"
    dead.write_bytes(b"of a publish that died")
    foreign = folder / "notes.txt"
    foreign.write_text("not ours")
    shown.publish()
    assert dead.exists(), "its commit may be under way"
    later = datetime.now(UTC) + timedelta(days=2)
    monkeypatch.setattr(type(shown.raw.store), "now", lambda store: later)
    grown(shown)
    shown.publish()
    assert not dead.exists()
    assert foreign.exists()
    assert shown.rows() == truth(1, 30)
    shown.clock.time += timedelta(days=8)
    before = len(list(folder.iterdir()))
    shown.publish()
    assert len(list(folder.iterdir())) < before
    assert shown.rows() == truth(1, 30)


# ---------------------------------------------------------------- facts

COLUMNS = (
    Column("market", "string", "", "", ""),
    Column("missing", "int64", "", "", "", nullable=True),
    Column("step", "decimal", "", "", "", nullable=True),
    Column("as_of", "timestamp", "", "", ""),
)
AT = datetime(2026, 11, 23, 1, 2, 3, 456789, tzinfo=UTC)


def test_a_fact_is_replaced_whole(shown: Shown) -> None:
    rows = (("a:B-C", 3, Decimal("0.000000000001"), AT), ("a:D-E", None, None, AT))
    shown.publish([Fact("gaps", COLUMNS, rows), Fact("quarantined", COLUMNS, ())])
    assert shown.scanned("gaps") == [dict(zip(("market", "missing", "step", "as_of"), row,
                                              strict=True)) for row in rows]  # fmt: skip
    assert shown.queried("SELECT count(*), sum(missing) FROM it", "gaps") == [(2, 3)]
    assert shown.queried("SELECT count(*) FROM it", "quarantined") == [(0,)]
    assert len(shown.table("gaps").metadata.snapshots) == 1
    shown.publish([Fact("gaps", COLUMNS, rows)])
    assert len(shown.table("gaps").metadata.snapshots) == 1, "the same rows are no commit"
    later = AT + timedelta(seconds=1)
    shown.publish([Fact("gaps", COLUMNS, (("a:B-C", 3, None, later),))])
    assert shown.queried("SELECT as_of FROM it", "gaps") == [(later,)]
    assert len(shown.table("gaps").metadata.snapshots) == 2


def test_facts_that_fail_stop_no_table(shown: Shown) -> None:
    def broken() -> Sequence[Fact]:
        raise CatalogError("no facts")

    grown(shown)
    done = {one.table: one.state for one in shown.pipeline().run(broken)}
    assert done == {TRADES: "complete", BARS: "complete", "facts": "failed"}
