"""query --require-proof: what is not certified is not read."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import schemahub
from schemahub.core.errors import ProofFailed
from schemahub.core.proof import STATUSES, Certificate, Hole, doubt
from schemahub.core.span import Span
from tests.dashboard.lake import A_DAY, BTC, ETH, FIRST, HOLE, IDS, write
from tests.e2e.world import Said, here

COUNT = "select count(*) as trades, min(trade_id) as low, max(trade_id) as high from trades"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("proof")
    write(found, BTC, (1, HOLE[0]), (HOLE[1], IDS + 1)).origin(1)
    write(found, ETH, (1, A_DAY + 1)).origin(1)
    return found


def at(position: int) -> datetime:
    """When the trade with this id was."""
    return FIRST + timedelta(minutes=position - 1, seconds=7)


def ask(folder: Path, *more: str, sql: str = COUNT) -> Said:
    return here(["query", "--require-proof", *more, "--lake", str(folder), "--json", sql])


def found(said: Said) -> tuple[int, int, int]:
    assert said.code == 0, said.err
    (row,) = json.loads(said.out)["rows"]
    return row["trades"], row["low"], row["high"]


@pytest.mark.parametrize("depth", [[], ["--shallow"]])
def test_a_market_that_is_proven_is_read_and_one_with_a_hole_is_not(
    folder: Path, depth: list[str]
) -> None:
    assert found(ask(folder, "--market", "ETH-USD", *depth)) == (A_DAY, 1, A_DAY)
    for markets in (["--market", "BTC-USD"], []):
        said = ask(folder, *markets, *depth)
        assert (said.code, said.out) == (4, "")
        assert "SH-PROOF" in said.err
        assert f"[{HOLE[0]}, {HOLE[1]})" in said.err or f"{HOLE[0]}" in said.err


def test_the_views_hold_the_certified_range_alone(folder: Path) -> None:
    until = at(A_DAY + 1).isoformat()
    range_ = ["--market", "BTC-USD", "--since", "2024-03-01", "--until", until]
    assert found(ask(folder, *range_)) == (A_DAY, 1, A_DAY)
    bars = ask(folder, *range_, sql="select sum(trades)::bigint as n from bars_1m")
    assert json.loads(bars.out)["rows"] == [{"n": A_DAY}]


@pytest.mark.parametrize(
    ("since", "until", "proven"),
    [
        (1, HOLE[0] - 1, True),
        (1, HOLE[0], False),  # the next trade is behind the hole: does one of it lie before?
        (1, HOLE[0] + 5, False),
        (HOLE[1] - 5, HOLE[1] + 5, False),
        (HOLE[1], IDS, False),
        (HOLE[1] + 1, IDS, True),
        (HOLE[1] + 1, IDS + 1, False),  # up to beyond the last trade
        (HOLE[0] + 2, HOLE[0] + 4, False),  # in the hole
    ],
)
def test_a_range_is_certified_if_no_trade_of_it_can_be_in_a_hole(
    folder: Path, since: int, until: int, proven: bool
) -> None:
    said = ask(
        folder, "--market", "BTC-USD", "--since", at(since).isoformat(), "--until",
        at(until).isoformat(), "--shallow",
    )  # fmt: skip
    if proven:
        assert found(said) == (until - since, since, until - 1)
    else:
        assert (said.code, said.out) == (4, "")


def test_damage_that_only_reading_finds_is_found_unless_shallow(tmp_path: Path) -> None:
    write(tmp_path, ETH, (1, 501), (501, 1001)).origin(1)
    raw = min((tmp_path / "raw_coinbase_trades").rglob("*.zst"))
    raw.chmod(0o644)
    raw.write_bytes(raw.read_bytes()[:-9] + b"damaged!!")
    assert ask(tmp_path).code == 4
    assert found(ask(tmp_path, "--shallow")) == (1000, 1, 1000)


@pytest.mark.parametrize(
    "flags",
    [["--market", "ETH-USD"], ["--since", "1d"], ["--until", "1d"], ["--shallow"]],
)
def test_what_belongs_to_the_proof_says_so_without_it(folder: Path, flags: list[str]) -> None:
    said = here(["query", *flags, "--lake", str(folder), COUNT])
    assert said.code == 2
    assert "--require-proof" in said.err


def test_the_python_api_refuses_the_same(folder: Path) -> None:
    lake = schemahub.open(folder)
    assert lake.trades("ETH-USD", require_proof=True).count() == A_DAY
    fine = lake.trades("BTC-USD", FIRST, at(HOLE[0] - 1), require_proof=True)
    assert fine.arrow().num_rows == HOLE[0] - 2
    with pytest.raises(ProofFailed):
        lake.trades("BTC-USD", FIRST, at(HOLE[0]), require_proof=True).arrow()
    with pytest.raises(ProofFailed):
        lake.sql("select 1 from trades", require_proof=True).arrow()


def test_a_lake_of_nothing_proves_nothing(tmp_path: Path) -> None:
    assert ask(tmp_path).code == 2


spans = st.builds(
    lambda start, length: Span(start, start + length), st.integers(0, 30), st.integers(1, 9)
)


@given(holes=st.lists(st.tuples(spans, st.sampled_from(STATUSES)), max_size=4), window=spans)
def test_a_window_is_doubtful_exactly_if_a_position_in_it_is(
    holes: list[tuple[Span, str]], window: Span
) -> None:
    said = tuple(Hole(span, status, "why") for span, status in holes)  # type: ignore[arg-type]
    one = Certificate(BTC, Span(0, 50), 50, 0, 49, "missing", said, 0)
    bad = {
        position
        for span, status in holes
        if status not in {"proven", "absent_at_source"}
        for position in range(span.start, span.stop)
    }
    assert (doubt(one, window) is not None) == any(
        n in bad for n in range(window.start, window.stop)
    )
    assert (doubt(one) is not None) == bool(bad)
