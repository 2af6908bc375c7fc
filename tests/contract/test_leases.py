"""What every place for leases promises, over files of one host, files of many, and DynamoDB."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from schemahub.adapters.clock import Stop, SystemClock
from schemahub.adapters.metrics import Recorder
from schemahub.core.errors import Interrupted
from schemahub.core.lease import Holder
from schemahub.ports import Lease
from tests.lease_places import (
    KINDS,
    NAME,
    TTL,
    Hands,
    Place,
    beat,
    got,
    holds,
    place,
    refused,
    until,
)


@pytest.fixture(params=KINDS)
def there(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return place(request.param, tmp_path)


def in_threads(count: int, there: Place, clock: Hands | None = None) -> list[Lease | Holder]:
    """What so many processes get that ask at once."""
    many = [there.leases(f"number {number}", clock) for number in range(count)]
    if clock is not None:
        for leases in many:
            refused(leases.acquire(NAME))
        clock.passed += TTL
    gate = threading.Barrier(count)

    def ask(number: int) -> Lease | Holder:
        gate.wait()
        return many[number].acquire(NAME)

    with ThreadPoolExecutor(count) as crew:
        return list(crew.map(ask, range(count)))


# ---------------------------------------------------------------- one holder


def test_who_comes_second_is_told_who_has_it(there: Place) -> None:
    lease = got(there.leases("one").acquire(NAME))
    assert holds(lease)
    assert lease.generation == 1
    holder = refused(there.leases("two").acquire(NAME))
    assert (holder.name, holder.owner, holder.generation) == (NAME, "one", 1)
    assert holder.ttl == TTL


def test_one_process_cannot_have_it_twice(there: Place) -> None:
    leases = there.leases()
    got(leases.acquire(NAME))
    refused(leases.acquire(NAME))


def test_other_names_are_other_leases(there: Place) -> None:
    got(there.leases().acquire(NAME))
    got(there.leases().acquire("coinbase/BTC-USDT"))
    got(there.leases().acquire("jobs/transform"))


def test_of_sixteen_threads_one_gets_it(there: Place) -> None:
    winners = [one for one in in_threads(16, there) if not isinstance(one, Holder)]
    assert len(winners) == 1
    beat(winners[0])
    assert winners[0].held


@pytest.mark.heavy
def test_of_eight_processes_one_gets_it(there: Place) -> None:
    crew = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.lease_taker", *there.arguments, "90", f"number {number}"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(8)
    ]  # fmt: skip
    said = [[] for _ in crew]  # type: list[list[str]]
    for number, process in enumerate(crew):
        assert process.stdout is not None
        said[number].append(process.stdout.readline())
    for process in crew:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for number, process in enumerate(crew):
        assert process.stdout is not None
        said[number].append(process.stdout.readline())
    ends = [process.communicate("\n")[0] for process in crew]
    assert sorted(ends) == ["held\n", *["lost\n"] * 7]
    assert [answer for _, answer in said].count("got\n") == 1


def test_what_was_let_go_is_free_at_once(there: Place) -> None:
    one, two = there.leases("one"), there.leases("two")
    lease = got(one.acquire(NAME))
    refused(two.acquire(NAME))
    lease.release()
    assert not holds(lease)
    again = got(two.acquire(NAME))
    lease.release()  # the second time it does nothing
    beat(again)
    assert again.held


def test_closing_lets_everything_go(there: Place) -> None:
    one = there.leases("one")
    for name in (NAME, "coinbase/ETH-USD"):
        got(one.acquire(name))
    one.close()
    assert list(there.leases().records()) == []


def test_records_are_what_is_held(there: Place) -> None:
    assert list(there.leases().records()) == []
    got(there.leases("one").acquire(NAME))
    got(there.leases("two").acquire("jobs/transform"))
    found = there.leases().records()
    assert [(one.name, one.owner) for one in found] == [(NAME, "one"), ("jobs/transform", "two")]


# ---------------------------------------------------------------- silence


def test_it_is_taken_over_after_a_life_of_silence_and_not_before(there: Place) -> None:
    gone = got(there.leases("gone").acquire(NAME))
    clock = Hands()
    heir = there.leases("heir", clock)
    refused(heir.acquire(NAME))
    clock.passed += TTL - 0.001
    refused(heir.acquire(NAME))
    clock.passed += 0.001
    lease = got(heir.acquire(NAME))
    assert lease.generation == gone.generation + 1
    assert refused(there.leases().acquire(NAME)).owner == "heir"


def test_each_renewal_makes_the_watcher_begin_anew(there: Place) -> None:
    lease = got(there.leases("lives").acquire(NAME))
    clock = Hands()
    watcher = there.leases("watcher", clock)
    for _ in range(5):
        refused(watcher.acquire(NAME))
        clock.passed += TTL - 1
        refused(watcher.acquire(NAME))
        beat(lease)
    assert holds(lease)


@pytest.mark.parametrize("hours", [-900, -3, 3, 900])
def test_wall_clocks_that_are_wrong_by_hours_change_nothing(there: Place, hours: float) -> None:
    lease = got(there.leases("lives").acquire(NAME))
    clock = Hands(skew=timedelta(hours=hours))
    watcher = there.leases("watcher", clock)
    for _ in range(3):
        refused(watcher.acquire(NAME))
        clock.passed += TTL * 0.9
        beat(lease)
        refused(watcher.acquire(NAME))
    assert holds(lease)
    clock.passed += TTL
    got(watcher.acquire(NAME))


def test_of_many_that_find_it_dead_one_gets_it(there: Place) -> None:
    gone = got(there.leases("gone").acquire(NAME))
    winners = [one for one in in_threads(8, there, Hands()) if not isinstance(one, Holder)]
    assert len(winners) == 1
    beat(winners[0])
    assert winners[0].held
    beat(gone)
    assert not gone.held


@pytest.mark.heavy
def test_real_heartbeats_keep_it_for_longer_than_a_life(there: Place) -> None:
    clock = SystemClock(Stop())
    lease = got(there.leases("lives", clock, ttl=9).acquire(NAME))
    watcher = there.leases("watcher", clock, ttl=9)
    seen: set[str] = set()
    while len(seen) < 5:  # four renewals: longer than a life
        seen.add(refused(watcher.acquire(NAME)).nonce)
        clock.sleep(0.02)
    assert holds(lease)


# ---------------------------------------------------------------- zombies


def test_who_slept_through_two_thirds_knows_at_once_and_for_good(there: Place) -> None:
    clock, metrics = Hands(), Recorder()
    lease = got(there.leases("zombie", clock, metrics=metrics).acquire(NAME))
    clock.passed += TTL * 2 / 3 - 0.001
    assert holds(lease)
    clock.passed += 0.001
    assert not holds(lease)
    beat(lease)
    clock.passed = 0.0
    assert not holds(lease)
    assert metrics.count("lease.lost") == 1


def test_a_zombie_takes_nothing_from_its_heir(there: Place) -> None:
    asleep, awake = Hands(), Hands()
    zombie = got(there.leases("zombie", asleep).acquire(NAME))
    heirs = there.leases("heir", awake)
    refused(heirs.acquire(NAME))
    awake.passed += TTL
    heir = got(heirs.acquire(NAME))
    beat(zombie)  # its own clock stood still: it learns it from the record
    assert not zombie.held
    zombie.release()
    beat(heir)
    assert heir.held
    assert refused(there.leases().acquire(NAME)).owner == "heir"


def test_a_broken_lease_is_free_and_its_holder_notices(there: Place) -> None:
    lease = got(there.leases("one").acquire(NAME))
    breaker = there.leases("breaker")
    assert breaker.remove(NAME)
    assert not breaker.remove(NAME)
    heir = got(there.leases("heir").acquire(NAME))
    beat(lease)
    assert not holds(lease)
    beat(heir)
    assert heir.held


# ---------------------------------------------------------------- watching and waiting


def test_who_does_not_watch_does_not_sleep(there: Place) -> None:
    got(there.leases("old").acquire(NAME))
    clock = Hands(skew=timedelta(hours=1))
    refused(there.leases("two", clock).acquire(NAME))
    assert clock.slept == 0


def test_a_holder_whose_record_is_fresh_is_not_watched(there: Place) -> None:
    got(there.leases("one").acquire(NAME))
    clock = Hands()
    refused(there.leases("two", clock).acquire(NAME, watch=True))
    assert clock.slept == 0


def test_one_that_seems_dead_is_watched_and_taken_over(there: Place) -> None:
    got(there.leases("dead").acquire(NAME))
    clock = Hands(skew=timedelta(hours=1))
    lease = got(there.leases("two", clock).acquire(NAME, watch=True))
    assert lease.generation == 2
    assert TTL <= clock.slept < TTL + 2


def test_one_that_moves_is_left_alone_as_soon_as_it_does(there: Place) -> None:
    lease = got(there.leases("lives").acquire(NAME))
    clock = Hands(skew=timedelta(hours=1))
    clock.meanwhile = lambda: beat(lease) if 10 < clock.slept < 12 else None
    assert refused(there.leases("two", clock).acquire(NAME, watch=True)).owner == "lives"
    assert clock.slept < 13
    assert holds(lease)


def test_who_waits_gets_it_when_it_is_let_go(there: Place) -> None:
    lease = got(there.leases("one").acquire(NAME))
    clock = Hands()
    clock.meanwhile = lambda: lease.release() if clock.slept > 20 else None
    got(there.leases("two", clock).acquire(NAME, wait=60))
    assert 20 < clock.slept < 22


def test_who_waits_in_vain_is_told_who_has_it(there: Place) -> None:
    got(there.leases("one").acquire(NAME))
    clock = Hands()
    assert refused(there.leases("two", clock).acquire(NAME, wait=30)).owner == "one"
    assert 30 <= clock.slept < 32


def test_a_signal_ends_the_waiting(there: Place) -> None:
    got(there.leases("one").acquire(NAME))
    stop = Stop()
    leases = there.leases("two", SystemClock(stop))
    crew = ThreadPoolExecutor(1)
    waiting = crew.submit(leases.acquire, NAME, wait=3_600)
    until(waiting.running)
    stop.request()
    with pytest.raises(Interrupted):
        waiting.result()
    crew.shutdown()
