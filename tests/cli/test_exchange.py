"""What somebody who adds an exchange sees: the list, a new file, every mistake by its line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from schemahub.adapters.specs import installed
from schemahub.core.spec_reading import FILL_IN
from tests.e2e.world import Said, here
from tests.exchanges.acme import Acme, serving
from tests.exchanges.test_add_an_exchange import block


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder, which is not there yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCHEMAHUB_EXCHANGES", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "schemahub" / "exchanges"


@pytest.fixture
def own(home: Path) -> Path:
    """The same with the example of docs/add-an-exchange.md in it."""
    home.mkdir(parents=True)
    (home / "acme.yaml").write_text(block("yaml"))
    return home


def exchange(*arguments: str) -> Said:
    return here(["exchange", *arguments])


# ---------------------------------------------------------------- list


def test_the_list_tells_what_each_spec_says_and_whose_it_is(own: Path) -> None:
    said = exchange("list", "--json")
    assert said.code == 0
    found = {one["exchange"]: one for one in said.json()["exchanges"]}
    assert set(found) == {*installed(), "acme"}
    assert found["acme"] == {
        "exchange": "acme",
        "file": str(own / "acme.yaml"),
        "built_in": False,
        "valid": True,
        "title": "Acme",
        "docs": "https://docs.acme.example/trades",
        "base_url": "https://api.acme.example",
        "axis": "ids",
        "provable": {
            "by": "ids",
            "basis": "documented",
            "why": "ids count the trades of each pair",
        },
        "history": "all",
        "limits": {"scope": "host", "rate": 5.0, "burst": 10, "penalty": 0.0},
        "side": "maker",
        "rule": "oldest_from",
        "page": 500,
    }
    assert all(one["built_in"] for name, one in found.items() if name != "acme")
    table = exchange("list").out.splitlines()
    assert table[0].split() == [
        "exchange", "title", "axis", "provable", "history", "limit", "wire's", "side", "page",
        "spec", "file",
    ]  # fmt: skip
    (line,) = (line for line in table if line.startswith("acme "))
    assert "by ids (documented)" in line
    assert "5/s a host, burst 10" in line
    assert line.endswith(f"yours     {own / 'acme.yaml'}")


def test_the_list_shows_the_rest_and_marks_what_is_broken(own: Path) -> None:
    (own / "broken.yaml").write_text("exchange: broken\naxis: idz\n")
    (own / "coinbase.yaml").write_text(installed()["coinbase"].read_text())
    (own / "late.yml").write_text("")
    said = exchange("list")
    assert said.code == 6
    assert "3 of" in said.err
    marked = [line.split()[0] for line in said.out.splitlines() if "not valid" in line]
    assert marked == ["broken", "coinbase", "late"]
    assert any(line.startswith("acme ") for line in said.out.splitlines())
    # Every mistake of every file, where editors find it; of a clash both files.
    assert f"{own / 'broken.yaml'}:2: axis: must be 'ids'" in said.err
    assert f"{own / 'broken.yaml'}:1: title: is missing" in said.err
    assert str(installed()["coinbase"]) in said.err
    found = {one["exchange"]: one for one in exchange("list", "--json").json()["exchanges"]}
    assert (found["broken"]["valid"], found["acme"]["valid"]) == (False, True)
    assert len(found["broken"]["mistakes"]) > 5


def test_one_broken_spec_stops_only_commands_about_it(own: Path) -> None:
    (own / "broken.yaml").write_text("exchange: broken\n")
    with serving(Acme()) as url:
        at = ["--base-url", f"acme={url}"]
        assert here(["ingest", "acme:BTC-USD", "--full", *at]).code == 0
        said = here(["ingest", "broken:BTC-USD", *at])
    assert said.code == 6
    assert str(own / "broken.yaml") in said.err
    assert here(["transform"]).code == 0
    assert here(["verify"]).code == 0
    assert here(["query", "select count(*) from trades"]).code == 0
    assert here(["config", "show"]).code == 0


def test_a_market_of_a_broken_spec_does_not_stop_the_markets_of_others(own: Path) -> None:
    with serving(Acme()) as url:
        at = ["--base-url", f"acme={url}"]
        assert here(["update-seed", "--exchange", "acme", *at]).code == 0
        (own / "broken.yaml").write_text("exchange: broken\n")
        seed = json.loads(Path("lake/seeds/acme.json").read_text())
        Path("lake/seeds/broken.json").write_text(json.dumps({**seed, "exchange": "broken"}))
        said = here(["ingest", "--json", *at])
    assert said.code == 3
    states = {one["market"]: one["state"] for one in said.json()["markets"]}
    assert states["acme:BTC-USD"] == "complete"
    assert states["broken:BTC-USD"] == "failed"
    assert str(own / "broken.yaml") in said.err


def test_a_folder_that_somebody_named_must_be_there(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exchange("list").code == 0  # the default one need not be
    said = exchange("list", "--exchanges", "nowhere")
    assert said.code == 6
    assert "there is no folder nowhere" in said.err
    monkeypatch.setenv("SCHEMAHUB_EXCHANGES", "elsewhere")
    assert here(["ingest", "BTC-USD"]).code == 6
    assert exchange("new", "mine").code == 0
    assert exchange("list").code == 6  # listed, and still to be filled in
    assert Path("elsewhere/mine.yaml").exists()


def test_the_settings_say_where_the_folder_is(home: Path) -> None:
    shown = here(["config", "show", "--json"]).json()["settings"]["exchanges"]
    assert shown == {"value": str(home), "origin": "environment XDG_CONFIG_HOME"}


# ---------------------------------------------------------------- new


def test_a_new_spec_lacks_only_what_is_to_be_filled_in(home: Path) -> None:
    said = exchange("new", "mine")
    path = home / "mine.yaml"
    assert (said.code, said.out) == (0, f"{path}\n")
    text = path.read_text()
    checked = exchange("check", str(path))
    assert checked.code == 6
    told = [re.fullmatch(r"(.+):(\d+): (.+): (.+)", line) for line in checked.out.splitlines()]
    assert all(one and one[1] == str(path) for one in told)
    assert {one[4] for one in told if one} == {"is still to be filled in"}
    lines = {n for n, line in enumerate(text.splitlines(), 1)
             if FILL_IN in line.split("#")[0]}  # fmt: skip
    assert {int(one[2]) for one in told if one} == lines


ANSWERS = {
    "title": "Mine", "docs": "https://docs.example", "base_url": "https://api.example",
    "axis": "ids", "by": "ids", "basis": "documented", "why": "they are counted", "rate": "5",
    "at": "error", "throttled": "[slow]", "refused": "[unknown]", "native": '"{base}_{quote}"',
    "id": "name", "base": "base", "quote": "quote", "status": "state", "online": "[open]",
    "rule": "oldest_from", "cursor": "from", "limit": "limit", "page": "500", "of": "maker",
    "buy": "B", "sell": "S",
}  # fmt: skip


def test_a_new_spec_is_valid_once_each_question_is_answered(home: Path) -> None:
    exchange("new", "mine")
    path = home / "mine.yaml"
    text = path.read_text()
    kinds = iter(["integer", "decimal_text", "decimal_text", "unix_ms"])
    names = iter("isp" + "qt")
    paths = iter(["/v1/pairs", "/v1/trades/{symbol}"])
    answers = {**ANSWERS}

    def answer(found: re.Match[str]) -> str:
        name = found[1]
        given = {"as": kinds, "from": names, "path": paths}.get(name)
        return f"{name}: {next(given) if given else answers[name]}"

    path.write_text(re.sub(rf"(\w+): \[?{FILL_IN}\]?", answer, text))
    said = exchange("check", str(path))
    assert said.code == 0, said.out
    assert exchange("list").code == 0


def test_nothing_is_ever_overwritten(own: Path) -> None:
    before = (own / "acme.yaml").read_text()
    said = exchange("new", "acme")
    assert said.code == 2
    assert "is there already" in said.err
    assert (own / "acme.yaml").read_text() == before
    assert exchange("new", "coinbase").code == 2
    assert not (own / "coinbase.yaml").exists()


@pytest.mark.parametrize("name", ["../x", "Acme", "a b", "", "a" * 33, "1a"])
def test_a_name_that_is_none_leads_nowhere(home: Path, name: str) -> None:
    assert exchange("new", name).code == 2
    assert not home.exists()


def test_a_new_spec_may_lie_elsewhere_and_its_editor_finds_the_schema(home: Path) -> None:
    assert exchange("new", "mine", "--dir", "deep/here").code == 0
    first = Path("deep/here/mine.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=exchange.schema.json"
    schema = Path("deep/here/exchange.schema.json").read_text()
    assert schema == exchange("schema").out
    assert json.loads(schema)["additionalProperties"] is False
    # One that is there is left alone, as everything is.
    Path("deep/here/exchange.schema.json").write_text("{}")
    assert exchange("new", "other", "--dir", "deep/here").code == 0
    assert Path("deep/here/exchange.schema.json").read_text() == "{}"
    assert not home.exists()


def test_a_folder_that_cannot_be_made_is_said(home: Path) -> None:
    Path("file").write_text("")
    said = exchange("new", "mine", "--dir", "file")
    assert said.code == 6
    assert "cannot be written" in said.err


# ---------------------------------------------------------------- check


def test_every_mistake_of_a_file_has_its_line(own: Path) -> None:
    path = own / "acme.yaml"
    path.write_text(
        path.read_text().replace("axis: ids", "axis: idz").replace("page: 500", "pages: 5")
    )
    said = exchange("check", str(path))
    assert said.code == 6
    assert said.out.splitlines() == [
        f"{path}:5: axis: must be 'ids', 'sparse_ids' or 'time', not 'idz'; did you mean ids?",
        f"{path}:22: trades.paging.page: is missing",
        f"{path}:22: trades.paging.pages: is not a field here; did you mean page?",
    ]
    assert "3 mistakes" in said.err
    found = exchange("check", str(path), "--json").json()
    assert (found["valid"], len(found["mistakes"])) == (False, 3)


def test_a_point_that_fails_is_exit_four_with_its_evidence(own: Path) -> None:
    with serving(Acme(cap=100)) as url:
        said = exchange("check", str(own / "acme.yaml"), "--base-url", url, "--market", "eth-usd")
    assert said.code == 4
    line = next(line for line in said.out.splitlines() if line.startswith("page "))
    assert line.split()[1] == "failed"
    assert "page is probably 100" in line


@pytest.mark.parametrize(
    "more",
    [
        ["--live", "--base-url", "http://127.0.0.1:1"],
        ["--sample", "nowhere.json"],
        ["--base-url", "http://127.0.0.1:1", "--market", "BTC"],
    ],
)
def test_what_makes_no_sense_together_is_usage(own: Path, more: list[str]) -> None:
    assert exchange("check", str(own / "acme.yaml"), *more).code == 2


def test_a_url_that_is_not_safe_is_refused(own: Path) -> None:
    said = exchange("check", str(own / "acme.yaml"), "--base-url", "http://exchange.example")
    assert said.code == 6
