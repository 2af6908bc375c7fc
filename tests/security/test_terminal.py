"""What strangers say is shown, and never steers the terminal or forges a line."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest

from schemahub.cli.progress import _bars
from schemahub.cli.render import render
from schemahub.cli.words import visible
from tests.adapters.http_server import say, serving
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, World, here
from tests.security.conftest import anyway

EVIL = "\x1b[2J\x1b]0;owned\x07\r\nerror SH-FORGED: x\u202etxt\x9b31m\x00\x7f"
STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def quiet(text: str) -> None:
    """It holds nothing that steers, and no line of it is a stranger's."""
    assert not STEERS.search(text), ascii(text)
    assert not re.search(r"^error SH-FORGED", text, re.MULTILINE), text


def product(symbol: str, **more: str) -> dict[str, str]:
    base, _, quote = symbol.partition("-")
    row = {"id": symbol, "base_currency": base, "quote_currency": quote, "status": "online"}
    return {**row, "base_increment": "0.1", "quote_increment": "0.1", **more}


def test_visible_keeps_words_and_shows_what_is_none() -> None:
    assert visible("BTC-USD 1,2 → é 😀") == "BTC-USD 1,2 → é 😀"
    assert visible("a\x1b[31m\nb\u202e\x9b\ud800") == r"a\x1b[31m\nb\u202e\x9b\ud800"
    quiet(visible("".join(map(chr, range(0x3000)))))


def test_a_list_of_markets_cannot_steer(make: Make) -> None:
    w = make(5)
    w.fetch()
    rows = [
        product(BTC, base_increment=EVIL),
        product("ETH-USD", status=EVIL),
        product("XRP-USD", id=f"XRP-USD{EVIL}"),  # no spelling of ours: left out
    ]
    with serving(then=say(json.dumps(rows).encode())) as server:
        url = ["--lake", str(w.lake), "--base-url", f"coinbase={server.url}"]
        for more in ([], ["--json"]):
            said = here(["update-seed", *more, *url])
            assert said.code == 0, said
            quiet(said.out + said.err)
        rows[1]["status"] = EVIL
        seed = w.lake / "seeds" / "coinbase.json"
        written = json.loads(seed.read_text())
        written["markets"][0] |= {"status": EVIL, "native": EVIL}
        seed.write_text(json.dumps(written))
        for form in ("table", "json"):
            said = w.ok("query", "select native, status from markets", "--output", form)
            quiet(said.out + said.err)


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "302 Found", "200 OK"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_an_answer_cannot_steer_by_what_it_says_is_wrong(
    make: Make, hurried: Any, status: str, form: str
) -> None:
    w = make(5)
    body = EVIL if form == "text" else json.dumps({"message": EVIL})
    headers = {"Location": "http://x/\x1b[2J", "Date": "\x1b[2J"}
    with serving(then=say(body.encode(), status, headers=headers)) as server:
        given = ["ingest", BTC, "--lake", str(w.lake), "--base-url", f"coinbase={server.url}"]
        for more in ([], ["--debug", "-v"]):
            code, out, err = anyway([*given, *more])
            assert code in {1, 3}
            quiet(out + err)
            assert "SH-" in err


def test_rows_that_are_refused_cannot_steer_by_their_values(make: Make, hurried: Any) -> None:
    w = make(5)
    rows = w.box.truth(BTC, 1)
    body = [
        {"trade_id": one.trade_id, "side": "buy", "size": one.size, "time": one.time,
         "price": EVIL if one.trade_id == 3 else one.price}
        for one in reversed(rows)
    ]  # fmt: skip
    with serving(then=say(json.dumps(body).encode())) as server:
        given = ["--lake", str(w.lake), "--base-url", f"coinbase={server.url}"]
        for _ in range(2):
            said = here(["ingest", BTC, "--full", *given])
            quiet(said.out + said.err)
    for command in (["transform", "-v"], ["verify", BTC], ["verify", BTC, "--json"], ["status"]):
        said = w.run(*command)
        quiet(said.out + said.err)
    kept = [path.read_text() for path in (w.lake / "quarantine").rglob("*.jsonl")]
    assert kept
    quiet("".join(kept))


RECORDS = [
    {"run_id": EVIL, "command": EVIL, "started_at": EVIL, "seconds": EVIL, "exit_code": EVIL},
    {"run_id": ["\x1b[2J"], "command": {"\x1b": 1}},
]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_in_the_lake_cannot_steer(make: Make, record: object) -> None:
    w = planted(make, json.dumps(record))
    for command in (["runs"], ["runs", "--json"], ["runs", "show"], ["status"], ["status", "-v"]):
        said = w.ok(*command)
        quiet(said.out + said.err)


def test_a_name_in_the_lake_cannot_steer(make: Make) -> None:
    w = planted(make, "[]", name="99990101\x1b[2J\nerror SH-FORGED: x.json")
    for command in (["runs"], ["runs", "show"], ["status"]):
        said = w.run(*command)
        quiet(said.out + said.err)


def planted(make: Make, text: str, name: str = "99990101T000000Zffff.json") -> World:
    w = make(5)
    w.fetch()
    (w.lake / "runs" / "9999-01-01").mkdir()
    (w.lake / "runs" / "9999-01-01" / name).write_text(text)
    return w


@pytest.mark.parametrize("argument", ["\x1b[2J", "a\nerror SH-FORGED: x", "\udcff", "\u202e-USD"])
def test_the_command_line_cannot_steer(make: Make, argument: str) -> None:
    w = make(5)
    w.fetch()
    for command in (
        ["ingest", argument], ["verify", argument], [argument], ["runs", "show", argument],
        ["ingest", BTC, "--since", argument], ["query", f"select '{argument}"],
        ["query", "-f", argument], ["update-seed", "--filter-regex", argument],
        ["config", "show", "--rate-share", argument], ["status", f"--{argument}"],
    ):  # fmt: skip
        said = w.run(*command)
        assert said.code in {1, 2}, said
        quiet(said.out + said.err)
        assert len(said.err.splitlines()) <= 3, said.err


def test_settings_cannot_steer(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMAHUB_LAKE", "\x1b[2J\u202e")
    make(5)
    for command in (["config", "show", "--origin"], ["status"], ["doctor", "--offline"]):
        said = here(command)
        quiet(said.out + said.err)


def test_the_bar_of_a_market_shows_its_name_as_it_is() -> None:
    """A name like [/B]-USD is none of rich's markup: it once ended the program."""
    bars = _bars()
    task = bars.add_task("coinbase:[/B]-[RED] from watermark 1", total=1, speed="[/]")
    shown = [
        str(column(bars.tasks[task])) for column in bars.columns if not isinstance(column, str)
    ]
    assert shown[0] == "coinbase:[/B]-[RED] from watermark 1"
    assert shown[-1] == "[/]"


class Screen(io.BytesIO):
    def isatty(self) -> bool:
        return True


def test_csv_is_exact_in_a_file_and_shown_on_a_screen() -> None:
    from schemahub.adapters.duck import Duck

    with Duck([], [], threads=1) as duck:
        shown = {}
        for out in (io.BytesIO(), Screen()):
            with duck.sql("SELECT chr(27) || '[2J' || chr(8238) AS a") as result:
                render(result, "csv", out, io.StringIO())
            shown[type(out)] = out.getvalue().decode()
    assert shown[io.BytesIO] == "a\n\x1b[2J\u202e\n"
    assert shown[Screen] == "a\n\\x1b[2J\\u202e\n"
