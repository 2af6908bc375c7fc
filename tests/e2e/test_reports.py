"""What the program says of itself: exit codes, records, status, files, settings, help."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from schemahub.cli.main import COMMANDS
from schemahub.sandbox import Fault
from tests.command_line import parse
from tests.e2e.conftest import Make
from tests.e2e.world import BTC, RECORDS, changed, ended, here, start

# Groups, and those that are about no lake.
GROUPS = {"completion", "config", "exchange", "explain", "locks", "quarantine"}
BELOW = ["runs show", "config show", "locks list", "locks break"]
BELOW += [f"exchange {name}" for name in ("list", "new", "check", "schema")]


@pytest.mark.parametrize("command", [*COMMANDS, *BELOW])
def test_every_command_explains_itself(command: str) -> None:
    said = here([*command.split(), "--help"])
    assert said.code == 0
    assert said == here([*command.split(), "-h"])
    assert said.out.startswith(f"Usage: schemahub {command}")
    assert "--lake" in said.out or command in GROUPS
    assert said.err == ""
    own = [one for one in examples(said.out) if one[0] == command.split(maxsplit=1)[0]]
    assert own, "no example"
    for words in own:
        parse(words)


def examples(told: str) -> list[list[str]]:
    """The words after `schemahub` of each line of examples, without what a shell takes away."""
    found = []
    for line in re.findall(
        r"^ {4,}.*?schemahub (.*)$", told.partition("Options:")[0], re.MULTILINE
    ):
        words = shlex.split(line.rstrip("\\"))
        kept = itertools.takewhile(lambda word: word not in {">", "|", "in"}, words)
        found.append([word.rstrip(")") for word in kept])
    return found


def test_a_line_that_was_only_read_leaves_the_help_as_it_is() -> None:
    # "runs" is taken from a module of its own: what another test met first must not count.
    sys.modules.pop("schemahub.cli.runs", None)
    parse(["runs", "show", "LAST"])
    assert here(["runs", "show", "-h"]).out.startswith("Usage: schemahub runs show")


def test_both_spellings_are_the_same_program() -> None:
    module = ended(start(["--help"]))
    script = subprocess.run(
        [Path(sys.executable).with_name("schemahub"), "--help"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (module.code, module.out) == (script.returncode, script.stdout)
    assert all(f"  {name} " in module.out for name in COMMANDS)
    assert "schemahub" in here(["--version"]).out


def test_a_closed_pipe_is_no_error(make: Make) -> None:
    w = make(3_000)
    w.fetch()
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "schemahub.cli",
         *w.arguments("query", "select * from trades", "--output", "csv")],
        stdout=writer, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(writer)
    os.read(reader, 10)
    os.close(reader)
    _, err = process.communicate(timeout=60)
    assert err == ""
    assert process.returncode in {0, 141}


def test_a_job_is_done_whoever_listens(make: Make) -> None:
    w = make(50)
    line = " ".join([sys.executable, "-m", "schemahub.cli", *w.arguments("run", BTC)])
    done = subprocess.run(["sh", "-c", f"{line} >&- 2>&-"], check=False, timeout=60)
    assert done.returncode == 0
    w.assert_whole()


def test_an_output_that_cannot_be_written_is_told(make: Make) -> None:
    w = make(50)
    w.fetch()
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "schemahub.cli", *w.arguments("verify", "--json")],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert process.returncode == 1
    assert len(process.stderr.splitlines()) == 3


# ---------------------------------------------------------------- exit codes of run


def test_run_is_0_then_3_then_1_as_its_markets_fare(make: Make) -> None:
    w = make({BTC: 50, "ETH-USD": 50})
    assert w.run("run", BTC, "ETH-USD").code == 0
    assert w.run("run", BTC, "NOPE-USD").code == 3
    assert w.run("run", "NOPE-USD").code == 1
    w.box.set_faults([Fault("hole", ids=[20], market="ETH-USD")])
    w.lake = w.lake.with_name("other")
    assert w.run("run", BTC, "ETH-USD").code == 3
    codes = [run["exit_code"] for run in w.ok("runs", "--json").json()["runs"]]
    assert codes == [3]


def test_run_tells_each_step_in_json(make: Make) -> None:
    w = make(50)
    said = w.run("run", BTC, "NOPE-USD", "--json").json()
    assert (said["schema_version"], said["exit_code"]) == (1, 3)
    states = {one["market"]: one["state"] for one in said["steps"]["ingest"]}
    assert states == {"coinbase:BTC-USD": "complete", "coinbase:NOPE-USD": "failed"}
    assert [one["rows"] for one in said["steps"]["transform"]] == [50]
    assert w.last_run()["steps"] == said["steps"]


def test_a_failed_transform_fails_the_run(make: Make, hurried: None) -> None:
    w = make(500)
    w.box.set_faults([Fault("bad_row", ids=range(100, 140))])
    assert w.run("run", BTC).code == 3
    said = w.run("run", BTC)
    assert said.code == 1
    assert "SH-TOO-MANY-REJECTS" in said.err
    assert w.last_run()["exit_code"] == 1


# ---------------------------------------------------------------- records


def test_last_is_the_last_even_within_a_second(make: Make) -> None:
    w = make(20)
    for command in (("ingest", BTC), ("transform",), ("run", BTC), ("repair",), ("transform",)):
        w.run(*command)
        assert w.last_run()["command"] == command[0]
    listed = [run["command"] for run in w.ok("runs", "--json").json()["runs"]]
    assert listed == ["transform", "repair", "run", "transform", "ingest"]


def test_a_record_says_what_was_done_and_what_it_cost(make: Make) -> None:
    w = make(1_500)
    w.ok("ingest", BTC, "--full")
    record = w.last_run()
    assert record["schema_version"] == 1
    assert record["exit_code"] == 0
    assert record["requests"]["answered"] == w.box.stats().requests
    (step,) = record["steps"]["ingest"]
    assert (step["trades"], step["watermark"], step["missing"]) == (1_500, 1_501, [])
    assert w.run("runs", "show", record["run_id"][:20]).json() == record


def test_a_run_that_fails_is_recorded_as_it_ended(make: Make, hurried: None) -> None:
    w = make(50)
    w.fetch()
    w.box.set_faults([Fault("http_500")])
    code = w.run("ingest", BTC).code
    record = w.last_run()
    assert (record["exit_code"], code) == (1, 1)
    assert record["steps"]["ingest"][0]["error"]["code"] == "SH-UNREACHABLE"
    plan = w.lake / "unified_trades/v1/exchange=coinbase/PLAN"
    plan.write_text("another\n")
    assert w.run("transform").code == 6
    record = w.last_run()
    assert (record["command"], record["exit_code"]) == ("transform", 6)
    assert record["error"]["code"] == "SH-CONFIG"


# ---------------------------------------------------------------- looking


def test_status_counts_what_is_held_missing_and_shown(make: Make) -> None:
    w = make(500)
    w.box.set_faults([Fault("hole", ids=[10])])
    w.run("ingest", BTC, "--full")
    (row,) = w.ok("status", "--json").json()["markets"]
    assert (row["held"], row["missing"], row["in_table"], row["watermark"]) == (499, 1, 0, 10)
    w.ok("transform")
    (row,) = w.ok("status", BTC, "--json").json()["markets"]
    assert row["in_table"] == 499
    assert "BTC-USD" in w.ok("status").out


def test_files_are_the_live_ones_alone(make: Make) -> None:
    w = make(100)
    w.fetch()
    for _ in range(2):
        w.box.grow(BTC, 100)
        w.ok("run", BTC)
    assert len(w.parts()) == 3
    assert w.ok("files").out.splitlines() == [str(w.parts()[-1])]


def test_settings_say_where_they_come_from(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = make(1)
    (tmp_path / "schemahub.toml").write_text('workers = 4\nchunk_concurrency = 2\nlake = "x"\n')
    monkeypatch.setenv("SCHEMAHUB_CHUNK_CONCURRENCY", "7")
    monkeypatch.setenv("SCHEMAHUB_WORKRES", "9")
    said = w.ok("config", "show", "--origin", "--json").json()["settings"]
    told = {name: (one["value"], one["origin"].split()[0]) for name, one in said.items()}
    assert told["workers"] == (4, "file")
    assert told["chunk_concurrency"] == (7, "environment")
    assert told["lake"] == (str(w.lake), "flag")
    assert told["exchange"] == ("coinbase", "default")
    assert "SCHEMAHUB_WORKRES" in w.ok("config", "show", "--origin").err


def test_doctor_is_well_and_then_names_what_is_not(make: Make, hurried: None) -> None:
    w = make(10)
    assert "failed" not in w.ok("doctor").out
    w.fetch()
    before = w.files()
    assert "failed" not in w.ok("doctor").out
    assert changed(before, w.files()) == []
    w.clock.ahead = 3_600
    assert "3600 s" in w.ok("doctor").out.replace("3599", "3600").replace("3601", "3600")
    w.box.set_faults([Fault("http_503")])
    assert w.run("doctor").code == 1
    assert w.ok("doctor", "--offline").code == 0


def test_quiet_says_nothing_and_errors_all_the_same(make: Make) -> None:
    w = make(20)
    for command in (("ingest", BTC), ("transform",), ("run", BTC), ("repair",), ("update-seed",)):
        assert w.ok(*command, "--quiet").err == ""
    assert len(w.run("ingest", "NOPE-USD", "--quiet").err.splitlines()) == 3


@pytest.mark.parametrize("command", ["runs", "runs show LAST", "status", "config show"])
def test_the_lake_may_be_named_before_or_after_a_subcommand(make: Make, command: str) -> None:
    w = make(10)
    w.fetch()
    first, *rest = command.split()
    said = here([first, "--lake", str(w.lake), *rest])
    if said.code:
        assert said.code == 2
        assert "no lake" not in said.err  # refused, rather than looked for elsewhere
    elif first != "config":
        assert "ransform" in said.out or "BTC-USD" in said.out


def test_names_with_odd_characters_stay_inside_the_lake(make: Make, tmp_path: Path) -> None:
    w = make(5)
    w.lake = tmp_path / "deep" / "lake"
    for symbol in (
        "../../X-USD",
        "..-USD",
        "A/B-USD",
        "A\\B-USD",
        "%2E%2E-USD",
        "É-USD",
        "A B-C",
        ".-.",
    ):
        said = w.run("ingest", symbol)
        assert said.code in {1, 2}, (symbol, said)
    outside = {path.name for path in tmp_path.iterdir()} | {
        p.name for p in (tmp_path / "deep").iterdir()
    }
    assert outside <= {"deep", "lake"}
    assert [n for n in w.files() if not n.startswith(RECORDS)] == []
