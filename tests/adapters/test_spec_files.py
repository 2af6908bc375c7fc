"""Specs of the package and of the user's folder: one that is wrong is wrong alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemahub.adapters.specs import SpecFiles, installed
from schemahub.core.errors import ConfigError, SpecError, UsageError
from schemahub.pipelines.lake import Specs

COINBASE = installed()["coinbase"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = COINBASE.read_text()
    (tmp_path / "mine.yaml").write_text(text.replace("exchange: coinbase", "exchange: mine"))
    (tmp_path / ".hidden.yaml").write_text("")
    (tmp_path / "notes.txt").write_text("")
    return tmp_path


def test_the_users_folder_adds_specs(folder: Path) -> None:
    files = SpecFiles(folder)
    assert list(files) == sorted({*installed(), "mine"})
    assert files["mine"].exchange == "mine"
    assert (files.path("mine"), files.built_in("mine")) == (folder / "mine.yaml", False)
    assert (files.path("coinbase"), files.built_in("coinbase")) == (COINBASE, True)


def test_a_folder_that_is_not_there_adds_none(tmp_path: Path) -> None:
    assert list(SpecFiles(tmp_path / "none")) == list(SpecFiles()) == list(installed())


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be looked into"):
        SpecFiles(tmp_path / "file")


def test_an_invalid_file_harms_only_its_own_exchange(folder: Path) -> None:
    (folder / "broken.yaml").write_text("exchange: broken\n")
    specs = Specs(SpecFiles(folder))
    assert specs.of("mine").title == "Coinbase Exchange"
    assert "broken" in specs.by_name
    assert not specs.readable("broken")
    assert not specs.readable("unheard")
    assert specs.readable("mine")
    with pytest.raises(SpecError, match=str(folder / "broken.yaml")) as caught:
        specs.of("broken")
    assert len(caught.value.mistakes) > 5
    with pytest.raises(UsageError, match="broken, coinbase"):
        specs.of("unheard")


def test_a_name_that_is_taken_is_an_error_that_names_both_files(folder: Path) -> None:
    path = folder / "coinbase.yaml"
    path.write_text(COINBASE.read_text())
    files = SpecFiles(folder)
    assert files["mine"].exchange == "mine"
    with pytest.raises(SpecError) as caught:
        files["coinbase"]
    assert str(path) in str(caught.value)
    assert str(COINBASE) in str(caught.value)
    assert caught.value.exit_code == 6


def test_a_file_is_read_when_its_exchange_is_asked_for(folder: Path) -> None:
    files = SpecFiles(folder)
    path = folder / "mine.yaml"
    path.write_text(path.read_text().replace("title: Coinbase Exchange", "title: Later"))
    assert files["mine"].title == "Later"


@pytest.mark.parametrize("name", ["other.yml", "other.YAML"])
def test_a_file_of_nearly_the_right_name_is_not_passed_over(folder: Path, name: str) -> None:
    (folder / name).write_text(COINBASE.read_text())
    with pytest.raises(SpecError, match=r"ends in \.yaml") as caught:
        SpecFiles(folder)["other"]
    assert str(folder / name) in str(caught.value)


def test_the_name_in_the_file_must_be_that_of_the_file(folder: Path) -> None:
    (folder / "other.yaml").write_text(COINBASE.read_text())
    with pytest.raises(SpecError, match=r"'coinbase' must be in coinbase\.yaml"):
        SpecFiles(folder)["other"]
