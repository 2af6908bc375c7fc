"""What is gone or in the way is seen, and never exit 0."""

from __future__ import annotations

import shutil

from tests.e2e.conftest import Make
from tests.e2e.world import BTC


def test_a_market_whose_raw_folder_is_gone_fails_its_proof(make: Make) -> None:
    w = make({BTC: 300, "ETH-USD": 200})
    w.ok("ingest", BTC, "ETH-USD", "--full")
    w.ok("transform")
    shutil.rmtree(w.lake / "raw_coinbase_trades" / BTC)
    said = w.run("verify")
    assert said.code == 4
    assert BTC in said.out


def test_a_run_whose_record_cannot_be_stored_is_not_exit_0(make: Make) -> None:
    w = make(100)
    w.lake.mkdir(parents=True, exist_ok=True)
    (w.lake / "runs").write_text("in the way")
    assert w.run("ingest", BTC, "--full").code == 3
    (w.lake / "runs").unlink()
    w.ok("transform")
    w.assert_whole()
