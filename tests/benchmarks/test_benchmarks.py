"""The benchmarks' own promises: what counts as missed, and the exit code that says so."""

from __future__ import annotations

import types
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks.figures import Row, at_least, at_most, table
from benchmarks.process import BenchmarkFailed, Setting


@pytest.mark.parametrize(
    ("row", "verdict", "missed"),
    [
        (at_most("f", 0.25, "s", 0.25), "met", False),
        (at_most("f", 0.26, "s", 0.25), "MISSED", True),
        (at_most("f", 0, "", 0), "met", False),
        (at_most("f", 1, "", 0), "MISSED", True),
        (at_least("f", 0.3, "M/s", 0.3), "met", False),
        (at_least("f", 0.29, "M/s", 0.3), "MISSED", True),
        (Row("f", 2, "M/s", "peer", "other", 1, lower=False), "ahead", False),
        (Row("f", 2, "MB", "peer", "other", 1), "behind", False),
        (Row("f", 2, "MB"), "", False),
    ],
)
def test_only_a_missed_goal_counts_as_missed(row: Row, verdict: str, missed: bool) -> None:
    assert (row.verdict, row.missed) == (verdict, missed)


def test_ratio_says_how_many_times_better_ours_is() -> None:
    assert Row("f", 2, "s", "peer", "p", 6).ratio == 3
    assert Row("f", 6, "M/s", "peer", "p", 2, lower=False).ratio == 3
    assert Row("f", 0, "", "goal", "goal", 0).ratio is None
    assert Row("f", 6, "s").ratio is None


def test_table_is_markdown_with_a_line_a_row() -> None:
    lines = table([at_most("speed", 0.05, "s", 0.25), Row("size", 1_234_567, "B")]).splitlines()
    assert len(lines) == 4
    assert " ".join(lines[2].split()) == "| speed | 0.05 | s | goal | ≤ 0.25 | 5.00 × | met |"
    assert "1,234,567" in lines[3]
    assert len({len(line) for line in lines}) == 1


def benchmark(result: list[Row] | Exception) -> types.ModuleType:
    def run(setting: Setting) -> list[Row]:
        assert setting.folder.is_dir()
        if isinstance(result, Exception):
            raise result
        return result

    module = types.ModuleType("made", "Made for a test.")
    module.run = run  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize(
    ("result", "code"),
    [
        ([at_most("f", 1, "s", 2)], 0),
        ([at_most("f", 3, "s", 2)], 1),
        (BenchmarkFailed("it made no rows"), 1),
    ],
)
def test_exit_code_is_1_if_a_goal_is_missed_or_nothing_was_measured(
    result: list[Row] | Exception, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(command.BENCHMARKS, "made", benchmark(result))
    assert command.main(["made", "--folder", str(tmp_path / "new")]) == code


def test_every_benchmark_is_listed_with_what_it_measures(capsys: pytest.CaptureFixture) -> None:
    assert command.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(command.BENCHMARKS)
    assert all(len(line.split()) > 5 for line in lines)


def test_an_unknown_benchmark_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as stop:
        command.main(["no-such"])
    assert stop.value.code == 2


def test_a_child_that_fails_gives_no_figure(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    with pytest.raises(BenchmarkFailed, match="ended with 3"):
        setting.python("raise SystemExit(3)")
    assert setting.python("print({})").json() == {}
