"""Whatever is taken for a name, nothing is written or read outside the lake's folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from schemahub.adapters.specs import load
from schemahub.core.errors import SpecError, UsageError
from schemahub.core.layout import Market
from tests.adapters.http_server import say, serving
from tests.e2e.world import BTC, Said, here
from tests.security.conftest import SECRET, Wall, Walled

OUTWARD = [
    "../../x",
    "../../X-USD",
    "..-..",
    "coinbase:../../X-USD",
    "coinbase:/etc/passwd-X",
    "coinbase:%2E%2E%2F%2E%2E%2FX-USD",
    "coinbase:..\\..\\X-USD",
    "coinbase:BTC-USD/../../../X",
    "coinbase:BTC-USD/../BTC-USD",
    "coinbase:.-USD",
    "coinbase:BTC-USD\n../X",
    "coinbase:~ROOT-USD",
    "coinbase:-\x1b]0;x\x07-",
    "../coinbase:BTC-USD",
    "../../outside:BTC-USD",
    "coinbase/../x:BTC-USD",
]


def unharmed(said: Said, walled: Walled, before: dict[str, bytes | None]) -> None:
    assert walled.surroundings() == before
    assert SECRET not in said.out + said.err
    assert not [path for path in walled.world.lake.rglob("*") if path.is_symlink()]


@pytest.mark.parametrize("market", OUTWARD)
def test_a_market_of_the_command_line_leads_nowhere(wall: Wall, market: str) -> None:
    walled = wall(whole=False)
    before = walled.surroundings()
    for command in ("ingest", "verify", "repair", "files"):
        said = walled.world.run(command, market)
        assert said.code in {1, 2, 3}, (command, said)
        unharmed(said, walled, before)
    stored = [str(path.relative_to(walled.world.lake)) for path in walled.world.lake.rglob("*")]
    assert all(name.startswith(("runs", "leases", "raw_coinbase_trades")) for name in stored), (
        stored
    )


@pytest.mark.parametrize("exchange", ["../x", "/etc", "..", "coinbase/../x", "", "coinbase\0"])
def test_an_exchange_of_the_command_line_leads_nowhere(wall: Wall, exchange: str) -> None:
    walled = wall()
    before = walled.surroundings()
    for command in (["update-seed"], ["ingest", BTC], ["verify", BTC], ["files", BTC]):
        said = walled.world.run(*command, "--exchange", exchange)
        assert said.code == 2, (command, said)
        unharmed(said, walled, before)


@pytest.mark.parametrize("symbol", ["../../X-USD", "../../x", "/ETC/PASSWD-X", "..", ".-.", ""])
def test_a_seed_file_leads_nowhere(wall: Wall, symbol: str) -> None:
    walled = wall()
    seed = {"symbol": symbol, "native": symbol, "status": "online", "online": True}
    path = walled.world.lake / "seeds" / "coinbase.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"schema_version": 1, "markets": [seed]}))
    before = walled.surroundings()
    for command in (["ingest"], ["run"], ["query", "select market from markets"]):
        said = walled.world.run(*command)
        assert said.code in {1, 3, 6} or command[0] == "query", said
        unharmed(said, walled, before)


def test_the_exchanges_own_list_of_markets_leads_nowhere(wall: Wall) -> None:
    walled = wall()
    names = [("../../x", "y"), ("/etc", "passwd"), ("..", ".."), ("A\r\nHost: x", "B"), ("OK", "B")]
    rows = [
        {
            "id": f"{base}-{quote}",
            "base_currency": base,
            "quote_currency": quote,
            "status": "online",
        }
        for base, quote in names
    ]
    before = walled.surroundings()
    with serving(say(json.dumps(rows).encode()), then=say(b"", "404 Not Found")) as server:
        for command in (["update-seed"], ["ingest"]):
            url = ["--base-url", f"coinbase={server.url}"]
            said = here([*command, "--lake", str(walled.world.lake), *url])
            assert said.code == (0 if command == ["update-seed"] else 1), said
            unharmed(said, walled, before)
        asked = b"".join(server.requests).decode()
    assert "\r\nHost: x" not in asked
    assert "/../" not in asked
    assert not (walled.world.lake / "raw_coinbase_trades" / ".." / "x").exists()


@pytest.mark.parametrize("name", ["../x", "/etc/x", "..", "Coinbase", "a/b", "a" * 40, "x\ny", ""])
def test_an_exchange_of_a_spec_file_leads_nowhere(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"exchange: {json.dumps(name)}\n")
    with pytest.raises(SpecError, match=r"exchange: "):
        load(path)
    with pytest.raises(UsageError):
        Market(name, BTC)


@pytest.mark.parametrize(
    "run",
    ["../../outside/secret", "../outside/secret.json", "/etc/passwd", "..", "\0", "*", "%2e%2e"],
)
def test_a_run_id_leads_nowhere(wall: Wall, run: str) -> None:
    walled = wall()
    before = walled.surroundings()
    said = walled.world.run("runs", "show", run)
    assert (said.code, said.out) == (2, "")
    unharmed(said, walled, before)


PLANTED = [
    b"raw_coinbase_trades/..%2F..%2Fx/00000000000000000001-00000000000000000002.jsonl.zst",
    b"raw_coinbase_trades/%2E%2E/00000000000000000001.origin",
    b"raw_coinbase_trades/btc-usd/00000000000000000001.origin",
    b"raw_coinbase_trades/BTC-USD/../../x.origin",
    b"raw_coinbase_trades/BTC-USD/\xff\xfe.jsonl.zst",
    b"raw_coinbase_trades/BTC-USD/a\nb\x1b[31m.origin",
    b"raw_coinbase_trades/BTC-USD/..\\x.origin",
    b"raw_.._trades/BTC-USD/00000000000000000001.origin",
    b"raw_COINBASE_trades/BTC-USD/00000000000000000001.origin",
    b"unified_trades/v1/exchange=../symbol=BTC-USD/00000000000000000009-00000000000000000001.parquet",
    b"unified_trades/v1/exchange=coinbase/symbol=..%2Fx/00000000000000000009-00000000000000000001.x",
    b"unified_trades/v999999999999999999999/exchange=coinbase/symbol=BTC-USD/x",
    b"runs/../x/y.json",
    b"runs/2026-01-01/a'b\"c;--.jsonl",
    b"checkpoints/coinbase/BTC-USD.bad/..x",
    b"quarantine/coinbase/BTC-USD/'; DROP TABLE trades; --.jsonl",
]


def test_names_that_lie_in_the_lake_lead_nowhere_and_say_nothing(wall: Wall) -> None:
    walled = wall()
    for name in PLANTED:
        path = walled.world.lake / os.path.normpath(os.fsdecode(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SECRET)
    before = walled.surroundings()
    for command in (
        ["status"], ["verify", BTC], ["files"], ["runs"], ["transform"], ["ingest", BTC],
        ["query", "select count(*) as n from trades", "--json"],
    ):  # fmt: skip
        said = walled.world.run(*command)
        assert said.code == 0, (command, said)
        unharmed(said, walled, before)
        assert "\x1b" not in said.out + said.err
    walled.world.assert_table(walled.world.box.truth(BTC, 1))


# (folder that becomes a link, commands that must refuse it)
FOLDERS: list[tuple[str, list[list[str]]]] = [
    ("raw_coinbase_trades", [["ingest", BTC, "--full"]]),
    (f"raw_coinbase_trades/{BTC}", [["ingest", BTC, "--full"]]),
    ("unified_trades", [["transform"], ["transform", "--rebuild"]]),
    ("unified_trades/v1", [["transform"]]),
    (f"unified_trades/v1/exchange=coinbase/symbol={BTC}", [["transform"]]),
    ("checkpoints", [["ingest", BTC]]),
    ("checkpoints/coinbase", [["ingest", BTC]]),
    ("runs", [["ingest", BTC], ["runs"], ["runs", "show"]]),
    ("seeds", [["update-seed"], ["ingest"], ["query", "select 1"]]),
]


@pytest.mark.parametrize(("folder", "refused"), FOLDERS, ids=[name for name, _ in FOLDERS])
def test_a_link_in_place_of_a_folder_is_refused_and_not_followed(
    wall: Wall, folder: str, refused: list[list[str]]
) -> None:
    walled = wall()
    away = walled.outside / "away"
    place = walled.world.lake / folder
    if place.exists():
        shutil.move(place, away)
    else:
        shutil.copytree(walled.outside, away)
    place.symlink_to(away)
    before = walled.surroundings()
    for command in refused:
        said = walled.world.run(*command)
        assert said.code in {1, 2, 3}, (command, said)
        assert walled.surroundings() == before, command
    for command in (["status"], ["verify"], ["files"], ["runs"], ["query", "select 1 as a"]):
        said = walled.world.run(*command)
        assert SECRET not in said.out + said.err
        assert walled.surroundings() == before, command


@pytest.mark.parametrize(
    ("key", "command"),
    [
        (f"checkpoints/coinbase/{BTC}.json", ["ingest", BTC]),
        ("seeds/coinbase.json", ["ingest"]),
        ("unified_trades/v1/exchange=coinbase/PLAN", ["transform"]),
    ],
)
def test_a_link_in_place_of_a_file_is_refused_and_not_followed(
    wall: Wall, key: str, command: list[str]
) -> None:
    walled = wall()
    path = walled.world.lake / key
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(walled.outside / "secret.json")
    before = walled.surroundings()
    said = walled.world.run(*command)
    assert said.code in {1, 3}, said
    assert "symbolic link" in said.err
    assert SECRET not in said.out + said.err
    assert walled.surroundings() == before
