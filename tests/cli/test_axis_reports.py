"""What commands say of a market whose positions are times: times to people, integers in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemahub.adapters.store_local import LocalStore
from schemahub.app.wiring import App
from schemahub.cli.main import main
from schemahub.core.axis import SECOND
from tests.pipelines.axis_lake import (
    NOON,
    UNNUMBERED,
    AxisLake,
    Sold,
    seconds,
    small_axes,
    spec_of,
    trades,
)

pytestmark = pytest.mark.usefixtures("small_axes")
__all__ = ["small_axes"]
SOLD = trades(0.5, 1, 1.25, 7)


def lake_at(root: Path, monkeypatch: pytest.MonkeyPatch, lake: AxisLake) -> AxisLake:
    lake.store = LocalStore(root)
    monkeypatch.setattr(App, "specs", lake.specs)
    return lake


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AxisLake:
    """Ids 102 to 103 are missing, and the last row fails the contract."""
    sold = [*SOLD[:2], Sold(7 * SECOND, 104), Sold(8 * SECOND, 105).but(size="-1")]
    found = lake_at(tmp_path, monkeypatch, AxisLake(sold=sold))
    found.origin(NOON * SECOND)
    found.tell(seconds(0, 20))
    found.transformed()
    return found


def said(capsys: pytest.CaptureFixture[str], root: Path, *command: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as code:
        main([*command, "--lake", str(root)])
    return int(code.value.code or 0), capsys.readouterr().out


def told(capsys: pytest.CaptureFixture[str], root: Path, *command: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said(capsys, root, *command, "--json")[1])
    return found


def test_verify_tells_holes_as_times_and_what_the_proof_rests_on(
    lake: AxisLake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = said(capsys, tmp_path, "verify")
    assert code == 4
    assert "ids, documented, not measured" in out
    assert (
        "times [2024-05-01T12:00:01Z, 2024-05-01T12:00:08Z): missing: ids 102 to 103 are missing "
        "between two trades that are held" in out
    )
    (market,) = told(capsys, tmp_path, "verify")["markets"]
    assert market["axis"] == "time"
    assert market["provable"]["basis"] == "documented"
    assert [hole["status"] for hole in market["holes"]] == ["missing", "quarantined"]
    assert market["holes"][0]["span"] == [lake.sold[1].moment, (NOON + 8) * SECOND]


def test_verify_says_why_ids_prove_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = lake_at(tmp_path, monkeypatch, AxisLake(spec=spec_of("time", UNNUMBERED), sold=SOLD))
    lake.origin(NOON * SECOND)
    lake.tell(seconds(0, 20))
    lake.transformed()
    code, out = said(capsys, tmp_path, "verify")
    assert code == 0
    assert f"unproven: {UNNUMBERED.why}" in out
    code, out = said(capsys, tmp_path, "verify", "--shallow")
    assert code == 0
    assert "nobody looked at the ids" in out


def test_status_tells_times_and_how_long(
    lake: AxisLake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out = said(capsys, tmp_path, "status")
    assert out.splitlines()[1].split()[1:4] == [
        "2024-05-01T12:00:00Z", "2024-05-01T12:00:20Z", "20.0",
    ]  # fmt: skip
    (market,) = told(capsys, tmp_path, "status")["markets"]
    assert (market["axis"], market["from_id"]) == ("time", NOON * SECOND)
    assert market["held"] == 20 * SECOND
    assert lake.spec.axis == "time"


def test_parts_to_write_and_quarantine_are_told_by_time(
    lake: AxisLake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out = said(capsys, tmp_path, "quarantine", "list")
    assert "2024-05-01T12:00:08Z" in out
    (row,) = told(capsys, tmp_path, "quarantine", "show")["rows"]
    assert (row["axis"], row["position"], row["trade_id"]) == ("time", lake.sold[3].moment, 105)
    lake.tell(seconds(20, 22))
    _, out = said(capsys, tmp_path, "transform", "--dry-run")
    assert "v1: times [2024-05-01T12:00:20Z, 2024-05-01T12:00:22Z)" in out
    (part,) = told(capsys, tmp_path, "transform", "--dry-run")["parts"]
    assert (part["axis"], part["rows"]) == ("time", None)
    assert told(capsys, tmp_path, "compact", "--dry-run")["parts"] == []
    query = ("query", "SELECT axis, first_id FROM markets", "--output", "csv")
    assert said(capsys, tmp_path, *query)[1] == f"axis,first_id\ntime,{NOON * SECOND}\n"
