"""Any history of transform, compact, publish and time: the table is a live set, each key once."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemahub.ports.catalog import BARS, TRADES
from tests.conftest import EXAMPLES
from tests.pipelines.raw_lake import small_cells
from tests.published import Shown

__all__ = ["small_cells"]

STEPS = st.one_of(
    st.tuples(st.just("fetch"), st.integers(1, 20)),
    st.tuples(st.sampled_from(["transform", "rebuild", "compact", "publish"]), st.just(0)),
    st.tuples(st.just("wait"), st.integers(1, 9)),
)


@pytest.mark.usefixtures("small_cells")
@settings(
    max_examples=max(3, EXAMPLES // 12),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, min_size=4, max_size=12))
def test_the_table_is_always_a_live_set_of_some_moment(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shown = Shown(Path(folder).resolve() / "lake")
        shown.raw.put(1, 10)
        shown.raw.transformed()
        shown.publish()
        stop, published = 10, shown.live()
        for step, amount in steps:
            if step == "fetch":
                shown.raw.put(stop, stop + amount)
                stop += amount
            elif step == "transform":
                shown.raw.transformed()
            elif step == "rebuild":
                shown.raw.transform(rebuild=True)
            elif step == "compact":
                assert shown.compact().state == "complete"
                for old in shown.garbage().old_versions("coinbase"):
                    shown.garbage().remove(old)
            elif step == "wait":
                shown.clock.time += timedelta(days=amount)
            else:
                done = shown.publish()
                assert {one.state for one in done.values()} == {"complete"}
                published = shown.live()
                assert [shown.pipeline().verify(kind)[0] for kind in (TRADES, BARS)] == [[], []]
            # Whatever else happened since: as it was published, down to the files of snapshots.
            assert shown.rows() == published
            ids = [row[2] for row in published]
            assert len(ids) == len(set(ids))
            for snapshot in shown.snapshots():
                assert all(Path(one).exists() for one in snapshot)
