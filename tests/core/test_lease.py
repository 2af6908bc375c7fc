"""The rules of leases, over histories of holders that beat, stop, wake and die."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemahub.core import lease as rules
from schemahub.core.layout import Market, job_lease, lease_key, market_lease, parse_lease
from schemahub.core.lease import Holder, Sight
from schemahub.core.settings import MAX_TTL

AT = datetime(2024, 6, 1, 12, tzinfo=UTC)
TTL = 90.0
ONE = Holder("coinbase/BTC-USD", "a:1:ingest", 3, rules.first_nonce("aa"), AT, TTL, "a boot")

seconds = st.floats(0, 1_000)
ttls = st.floats(1, MAX_TTL)


def test_nobodys_lease_is_free_and_remembers_nothing() -> None:
    assert rules.judge(None, Sight("aa.0", 0.0), 500.0) == ("free", None)


def test_a_record_seen_for_the_first_time_is_held_however_old_it_says_it_is() -> None:
    ancient = replace(ONE, renewed_at=AT - timedelta(days=999))
    assert rules.judge(ancient, None, 7.0) == ("held", Sight("aa.0", 7.0))


@given(since=seconds, passed=seconds, ttl=ttls)
def test_only_a_nonce_that_stood_still_for_its_whole_life_is_dead(
    since: float, passed: float, ttl: float
) -> None:
    before = Sight(ONE.nonce, since)
    verdict, after = rules.judge(replace(ONE, ttl=ttl), before, since + passed)
    assert after == before
    assert (verdict == "dead") == ((since + passed) - since >= ttl)


@given(passed=seconds)
def test_a_new_nonce_begins_the_watch_anew(passed: float) -> None:
    moved = ONE.renewed(AT)
    assert rules.judge(moved, Sight(ONE.nonce, 0.0), passed) == (
        "held",
        Sight(moved.nonce, passed),
    )


@given(skew=st.timedeltas(timedelta(days=-400), timedelta(days=400)), passed=seconds)
def test_what_a_wall_clock_says_never_changes_the_verdict(skew: timedelta, passed: float) -> None:
    before = Sight(ONE.nonce, 0.0)
    skewed = replace(ONE, renewed_at=AT + skew)
    assert rules.judge(skewed, before, passed) == rules.judge(ONE, before, passed)


@given(age=st.floats(-1_000, 1_000))
def test_a_holder_is_doubtful_by_its_own_words_alone(age: float) -> None:
    doubtful = rules.is_doubtful(ONE, AT + timedelta(seconds=age))
    assert doubtful == (abs(timedelta(seconds=age)) > timedelta(seconds=TTL))


@given(ttl=ttls)
def test_two_attempts_to_renew_fail_before_a_lease_is_lost_and_it_is_lost_before_it_is_taken(
    ttl: float,
) -> None:
    first = rules.renew_after(ttl)
    second = first + rules.retry_after(ttl)
    assert not rules.is_lost(0.0, ttl, second)
    assert rules.is_lost(0.0, ttl, ttl * 0.67)
    assert not rules.is_lost(0.0, ttl, ttl * 0.66)
    # Who lives shows it while a watcher is still patient.
    assert rules.patience(ONE) >= TTL + rules.renew_after(TTL)


@dataclass
class _Race:
    """Holders of one lease, each with a monotonic clock of its own, on one true time.

    The rules decide; this only carries records between them.
    """

    true: float = 0.0
    record: Holder | None = None
    sights: dict[int, Sight | None] = field(default_factory=dict)
    renewed: dict[int, float] = field(default_factory=dict)
    mine: dict[int, Holder] = field(default_factory=dict)
    tokens: int = 0

    def clock(self, who: int) -> float:
        return self.true + who * 12_345.6

    def wall(self, who: int) -> datetime:
        return AT + timedelta(seconds=self.true, days=who * 40 - 60)

    def holds(self, who: int) -> bool:
        since = self.renewed.get(who)
        return since is not None and not rules.is_lost(since, TTL, self.clock(who))

    def look(self, who: int) -> None:
        verdict, self.sights[who] = rules.judge(self.record, self.sights.get(who), self.clock(who))
        if verdict == "held":
            return
        self.tokens += 1
        generation = self.record.generation + 1 if self.record else 1
        nonce = rules.first_nonce(f"t{self.tokens}")
        self.mine[who] = Holder("x", str(who), generation, nonce, self.wall(who), TTL)
        self.record, self.renewed[who] = self.mine[who], self.clock(who)

    def beat(self, who: int) -> None:
        if not self.holds(who):
            return
        if not self.mine[who].is_mine(self.record):
            del self.renewed[who]
            return
        self.mine[who] = self.mine[who].renewed(self.wall(who))
        self.record, self.renewed[who] = self.mine[who], self.clock(who)

    def holders(self) -> list[int]:
        return [who for who in self.renewed if self.holds(who)]


steps = st.lists(
    st.tuples(st.sampled_from(["look", "beat", "wait"]), st.integers(0, 3), st.floats(0, 70)),
    max_size=120,
)


@given(steps)
def test_never_do_two_take_a_lease_for_theirs_and_generations_only_grow(
    history: list[tuple[str, int, float]],
) -> None:
    """Whoever stops for how long, whatever the wall clocks say (days apart)."""
    race = _Race()
    generation = 0
    for verb, who, pause in history:
        if verb == "look" and not race.holds(who):
            race.look(who)
        elif verb == "beat":
            race.beat(who)
        else:
            race.true += pause
        assert len(race.holders()) <= 1
        if race.record is not None:
            assert race.record.generation >= generation
            generation = race.record.generation


# ---------------------------------------------------------------- records

holders = st.builds(
    Holder,
    st.just("coinbase/BTC-USD"),
    st.text(max_size=40).filter(lambda text: text.isprintable()),
    st.integers(0, 2**62),
    st.builds(
        lambda token, beat: f"{token}.{beat}",
        st.from_regex(r"[0-9a-f]{1,24}", fullmatch=True),
        st.integers(0, 10**12),
    ),
    st.datetimes(timezones=st.just(UTC)),
    ttls,
    st.text(max_size=40).filter(lambda text: text.isprintable()),
)


@given(holders)
def test_a_record_is_read_as_it_was_written(holder: Holder) -> None:
    assert rules.decode(holder.name, rules.encode(holder)) == holder


@given(st.binary(max_size=200))
def test_bytes_that_are_no_record_are_nobodys(data: bytes) -> None:
    assert rules.decode("x", data) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"nonce": ""}, {"nonce": "aa"}, {"nonce": ".1"}, {"nonce": "aa.x"}, {"nonce": "aa.-1"},
        {"nonce": "aa.²"}, {"nonce": "aa." + "9" * 30}, {"generation": -1}, {"ttl": 0.0},
        {"ttl": -1.0}, {"renewed_at": datetime(2024, 1, 1)},  # noqa: DTZ001  (that is the case)
    ],
    ids=str,
)  # fmt: skip
def test_a_record_that_nobody_could_write_is_nobodys(changed: dict) -> None:
    assert rules.decode("x", rules.encode(replace(ONE, **changed))) is None


@pytest.mark.parametrize("ttl", [b"NaN", b"1e999", b'"90"', b"null", b"[]"])
def test_a_life_that_is_no_number_is_no_record(ttl: bytes) -> None:
    data = rules.encode(ONE).replace(b"90.0", ttl)
    assert rules.decode("x", data) is None


def test_a_record_cannot_claim_to_live_for_ever() -> None:
    found = rules.decode("x", rules.encode(replace(ONE, ttl=1e18)))
    assert found is not None
    assert found.ttl == MAX_TTL


def test_what_a_later_version_adds_is_passed_over() -> None:
    data = rules.encode(ONE).replace(b'{"schema', b'{"more":[1],"schema')
    assert rules.decode(ONE.name, data) == ONE


def test_a_holder_knows_its_own_records_and_no_others() -> None:
    assert ONE.is_mine(ONE.renewed(AT).renewed(AT))
    assert not ONE.is_mine(None)
    assert not ONE.is_mine(replace(ONE, nonce="aaa.0"))
    assert ONE.renewed(AT).nonce != ONE.nonce


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("symbol", ["BTC-USD", ".HIDDEN-USD", "A/B-USD", "X%-USD", "€-USD"])
def test_each_market_has_a_lease_and_a_record_of_its_own(symbol: str) -> None:
    name = market_lease(Market("coinbase", symbol))
    assert parse_lease(lease_key(name)) == name
    assert name.count("/") == 1
    assert "/." not in name


def test_no_market_has_the_lease_of_a_job() -> None:
    assert market_lease(Market("jobs", "TRANSFORM-USD")) != job_lease("transform")
    assert parse_lease(lease_key(job_lease("transform"))) == "jobs/transform"


@pytest.mark.parametrize(
    "key", ["leases/x.json", "leases/a/b/c.json", "leases/A/b.json", "x/a/b.json"]
)
def test_other_names_are_no_leases(key: str) -> None:
    assert parse_lease(key) is None
