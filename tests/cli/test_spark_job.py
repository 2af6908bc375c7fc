"""The script of a Spark job: its options, and those that a service adds."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemahub.aws.spark_job import SETTINGS, main, read
from schemahub.core.errors import UsageError

ROOT = Path(__file__).parents[2]


def test_settings_are_those_of_the_command_line_and_a_service_s_options_are_named() -> None:
    given, others = read(
        ["--JOB_NAME", "table", "--s3-bucket", "lakes/a", "--workers=40", "--TempDir", "s3://t/"]
    )
    assert {name: value for name, value in given.items() if value is not None} == {
        "s3_bucket": "lakes/a",
        "transform_workers": "40",
        "rebuild": "false",
    }
    assert others == ["--JOB_NAME", "--TempDir"]


@pytest.mark.parametrize(
    ("said", "meant"), [([], "false"), (["--rebuild"], "true"), (["--rebuild", "true"], "true")]
)
def test_rebuild_may_have_a_value_as_services_want_it(said: list[str], meant: str) -> None:
    assert read(said)[0]["rebuild"] == meant


@pytest.mark.parametrize("wrong", ["--rebulid", "--s3_bucket", "--s3-buckets", "--locks-tables"])
def test_an_option_that_nearly_is_ours_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match=f"no such option: {wrong}"):
        read([wrong, "x"])


def test_errors_are_told_as_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lake", str(tmp_path / "none")]) == 2
    assert "error SH-USAGE: there is no lake" in capsys.readouterr().err
    assert main(["--lake", str(tmp_path), "--workers", "many"]) == 2
    assert main(["--lake", str(tmp_path), "--JOB_NAME", "x"]) == 0  # nothing to make
    assert "left alone: --JOB_NAME" in capsys.readouterr().err


def test_its_options_are_documented() -> None:
    said = (ROOT / "docs/SCALING.md").read_text(encoding="utf-8")
    for option in (*SETTINGS, "--rebuild"):
        assert f"`{option}" in said, option
