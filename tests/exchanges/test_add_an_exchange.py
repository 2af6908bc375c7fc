"""docs/add-an-exchange.md is true: its example is checked, read, asked, ingested and proven."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from schemahub.core.spec import Errors, Paging, Rule, Statuses, Symbols
from schemahub.core.spec_fields import TimeField
from tests.e2e.world import Said, here
from tests.exchanges.acme import Acme, serving

PAGE = (Path(__file__).parents[2] / "docs" / "add-an-exchange.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The first block of code in this language on the page."""
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with the page's example and its answer."""
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "own"
    own.mkdir()
    (own / "acme.yaml").write_text(block("yaml"))
    (tmp_path / "answer.json").write_text(block("json").removesuffix("\n"))
    monkeypatch.setenv("SCHEMAHUB_EXCHANGES", str(own))
    return tmp_path


def check(*more: str) -> Said:
    return here(["exchange", "check", "own/acme.yaml", *more])


def test_the_example_is_short_and_valid(folder: Path) -> None:
    assert len(block("yaml").splitlines()) <= 30
    said = check()
    assert (said.code, said.out) == (0, "")
    assert "acme: a valid spec of Acme" in said.err
    assert "the exchange was not asked" in said.err


def test_the_captured_answer_becomes_the_rows_that_the_page_shows(folder: Path) -> None:
    said = check("--sample", "answer.json")
    assert said.code == 0
    assert said.out == block("text")
    assert "turned round" in said.err


def test_the_sample_as_json_holds_each_raw_row_beside_its_unified_row(folder: Path) -> None:
    found = check("--sample", "answer.json", "--json").json()
    assert (found["schema_version"], found["valid"], found["exchange"]) == (1, True, "acme")
    assert found["conformance"] is None
    first = found["sample"][0]
    assert first["raw"] == '{"i":41,"t":1764063000120,"p":"65000.01","q":"0.0051","s":"S"}'
    assert first["trade"] == {
        "trade_id": 41,
        "side": "buy",
        "price": "65000.01",
        "quantity": "0.0051",
        "trade_ts": "2025-11-25T09:30:00.120000+00:00",
    }


def test_a_refused_row_is_told_with_its_reason(folder: Path) -> None:
    answer = block("json").replace('"q":"1.5"', '"q":"0"')
    (folder / "answer.json").write_text(answer)
    said = check("--sample", "answer.json")
    assert said.code == 4
    assert "3 rows, 1 refused" in said.err
    assert "refused: quantity: zero" in said.err
    rows = check("--sample", "answer.json", "--json").json()["sample"]
    assert [row["reason"] for row in rows] == [None, "quantity: zero", None]


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('"s":"B"', '"side":"B"', "there is no field s in it, but i, t, p, q, side"),
        ('"s":"B"', '"s":"buy"', 'the spec says buy: "B", sell: "S"'),
        ('"q":"0.02"', '"q":0.02', "as: decimal_number would read it"),
        ('"i":43', '"i":"43"', "as: integer_text would read it"),
        ("1764063004700", "1764063004", "as: unix_s would read it"),
        ("1764063004700", '"2025-11-25T09:30:04.7"', "as: iso_utc would read it"),
        ("1764063004700", '"noon"', "not a time as a number: "),
        ('{"i":43,', '[],{"i":43,', "not an object"),
    ],
)
def test_a_refused_row_comes_with_what_the_spec_may_mean(
    folder: Path, right: str, wrong: str, said: str
) -> None:
    assert right in block("json")
    (folder / "answer.json").write_text(block("json").replace(right, wrong, 1))
    found = check("--sample", "answer.json")
    assert found.code == 4
    assert said in found.err
    assert found.err.count("would read it") <= 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"error":"unknown pair","trades":[]}', "it is an error (refused)"),
        ('{"error":null}', "no trades in it"),
        ("[1, 2]", "trades"),
        ("<html>", "trades"),
    ],
)
def test_an_answer_that_the_spec_does_not_read_is_a_mistake_in_the_spec(
    folder: Path, answer: str, said: str
) -> None:
    (folder / "answer.json").write_text(answer)
    found = check("--sample", "answer.json")
    assert found.code == 6
    assert "does not read answer.json" in found.err
    assert said in found.err


def test_the_example_conforms(folder: Path) -> None:
    exchange = Acme()
    with serving(exchange) as url:
        said = check("--base-url", url, "--json")
    assert said.code == 0, said.out
    found = {one["point"]: one for one in said.json()["conformance"]}
    assert {one["verdict"] for one in found.values()} == {"ok"}, found
    assert len(exchange.asked) <= 12


def test_the_example_is_ingested_and_proven(folder: Path) -> None:
    exchange = Acme()
    with serving(exchange) as url:
        at = f"acme={url}"
        assert here(["ingest", "acme:BTC-USD", "--full", "--base-url", at]).code == 0
    assert here(["transform"]).code == 0
    (found,) = here(["verify", "--json"]).json()["markets"]
    assert (found["market"], found["status"]) == ("acme:BTC-USD", "proven")
    assert found["count"] == len(exchange.rows)


def words(annotation: Any) -> set[str]:
    return {word for word in re.findall(r"'(\w+)'", str(annotation)) if word}


def test_the_page_holds_the_whole_vocabulary() -> None:
    for word in words(Rule) | {"taker", "maker", "ids", "sparse_ids", "time", "measured"}:
        assert f"`{word}`" in PAGE, word
    for kind in ("decimal_text", "decimal_number", "signed_text", "signed_number"):
        assert f"`{kind}`" in PAGE
    for kind in words(TimeField.model_fields["as_"].annotation) - {"unix_ms_text", "unix_us_text"}:
        assert f"`{kind}`" in PAGE, kind
    for model in (Symbols, Paging, Errors, Statuses):
        for name in model.model_fields:
            assert re.search(rf"\b{name}\b", PAGE) or name.endswith("increment"), name
