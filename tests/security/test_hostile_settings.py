"""Specs and settings that are hostile end in few words and exit code 6."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemahub.adapters.specs import load
from schemahub.core.errors import SpecError
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, here


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("a: &a [x]\nb: *a\n", "anchors"),
        ("a: &a\n  <<: *a\n", "anchors"),
        ("a: !!python/object/apply:os.system [id]", "tags"),
        ("a: !!python/name:os.system", "tags"),
        ("a: !!binary aGk=", "tags"),
        ("%TAG ! tag:x,2000:\n---\na: !x y", "tags"),
        ("first_id: 0x" + "f" * 60_000, "cannot be read"),
        ("first_id: 0b" + "1" * 60_000, "cannot be read"),
        ("first_id: 1" + ":1" * 30_000, "cannot be read"),
        ("first_id: " + "9" * 60_000, "cannot be read"),
        ("first_id: 1" + "_0" * 30_000, "cannot be read"),
        ("head_slack: 1.0e+99999", "head_slack: must be"),
        ("a: {" * 40, "nested deeper"),
        ("? " * 40 + "x", "nested deeper"),
        ("<<: {exchange: x}", "<<: is not a field here"),
        ("".join(f"k{n}: 1\n" for n in range(300)), "more mistakes"),
        ("a: 1\n" * 300, "there twice"),
    ],
    ids=lambda text: text[:20],
)
def test_hostile_yaml_is_refused_in_few_words(tmp_path: Path, given: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(given)
    with pytest.raises(SpecError, match=said) as caught:
        load(path)
    assert len(str(caught.value)) < 30_000
    assert caught.value.exit_code == 6


def test_a_bomb_of_aliases_is_refused_before_it_is_built(tmp_path: Path) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (tmp_path / "mine.yaml").write_text("\n".join(levels))
    with pytest.raises(SpecError, match="anchors"):
        load(tmp_path / "mine.yaml")


NO_CONFIG = {
    "deep": "lake = " + "[" * 5000,
    "deep tables": "lake = " + "{a=" * 5000,
    "hex": "workers = 0x" + "f" * 20_000,
    "hex share": "rate_share = 0x" + "f" * 20_000,
    "hex url": "base_urls = {coinbase = 0x" + "f" * 20_000 + "}",
    "digits": "workers = " + "9" * 20_000,
    "infinite": "workers = inf",
    "a float": "workers = 3.0",
    "true": "workers = true",
    "a share that is true": "rate_share = true",
    "a date": "workers = 1979-05-27",
    "a list": "lake = ['a']",
    "NUL": 'lake = "a\\u0000b"',
    "large": "#" * 70_000,
    "not UTF-8": b'lake = "\xff"',
    "twice": "workers = 1\nworkers = 2",
    "an exchange with a path": '[base_urls]\n"../x" = "https://a"',
    "a line in a URL": '[base_urls]\ncoinbase = "https://a\\nb"',
}


@pytest.mark.parametrize("text", NO_CONFIG.values(), ids=NO_CONFIG)
def test_hostile_settings_are_exit_6_in_three_lines(
    make: Make, tmp_path: Path, text: str | bytes
) -> None:
    make(5)
    data = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "schemahub.toml").write_bytes(data)
    for command in (["status"], ["config", "show"], ["doctor", "--offline"]):
        said = here(command)
        assert said.code == 6, said
        assert len(said.err.splitlines()) == 3
        assert len(said.err) < 1000


def test_a_lake_of_an_impossible_name_is_told(make: Make, tmp_path: Path) -> None:
    w = make(5)
    w.lake = tmp_path / ("a" * 5000)
    for command in (["status"], ["query", "select 1"], ["ingest", BTC]):
        said = w.run(*command)
        assert said.code in {1, 2}, said
        assert "output cannot be written" not in said.err
