"""When faults fire: by script, by chance, from a command line, all at once."""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from schemahub.sandbox import KINDS, Fault, Faults, Generated, Sandbox
from tests.sandbox.client import Answer, get

TRADES = "/products/BTC-USD/trades"
MARKETS = {"BTC-USD": Generated(seed=1, trades=300), "ETH-USD": Generated(seed=1, trades=40)}
PAGE = f"{TRADES}?after=101&limit=20"
IDS = list(range(100, 80, -1))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(MARKETS) as one:
        yield one


def served(sandbox: Sandbox, fault: Fault | dict, path: str = PAGE) -> Answer:
    sandbox.set_faults([fault])
    answer = get(sandbox.url, path)
    name = fault.name if isinstance(fault, Fault) else fault["name"]
    assert sandbox.stats().by_fault.get(name) == 1
    return answer


# ---- replies


# ---- when


def statuses(sandbox: Sandbox, count: int, path: str = PAGE) -> list[int]:
    return [get(sandbox.url, path).status for _ in range(count)]


def test_by_script(sandbox: Sandbox) -> None:
    sandbox.set_faults([Fault("http_500", on=[2, 4]), Fault("http_503", on=[3])])
    assert statuses(sandbox, 5) == [200, 500, 503, 500, 200]


def test_from_until_and_at_most(sandbox: Sandbox) -> None:
    sandbox.set_faults([Fault("http_500", start=2, stop=4)])
    assert statuses(sandbox, 5) == [200, 500, 500, 200, 200]
    sandbox.set_faults([Fault("http_500", times=2)])
    assert statuses(sandbox, 4) == [500, 500, 200, 200]


def test_only_where_it_may(sandbox: Sandbox) -> None:
    sandbox.set_faults([Fault("http_500", market="ETH-USD", on=[1])])
    assert statuses(sandbox, 2) == [200, 200]
    assert statuses(sandbox, 2, "/products/ETH-USD/trades") == [500, 200]
    sandbox.set_faults([Fault("http_500", endpoint="products")])
    assert statuses(sandbox, 1) == [200]
    assert statuses(sandbox, 1, "/products") == [500]
    assert statuses(sandbox, 1, "/_sandbox/stats") == [200]


def test_by_chance_seeded() -> None:
    runs = []
    for seed in (1, 1, 2):
        faults = Faults(Fault("http_500", p=0.3), Fault("http_503", p=0.3), seed=seed)
        with Sandbox(MARKETS, faults=faults) as one:
            runs.append(statuses(one, 200, "/time"))
    assert runs[0] == runs[1] != runs[2]
    counts = Counter(runs[0])
    assert 40 < counts[500] < 80
    assert 20 < counts[503] < 65


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("no_such", "there are bad_row"),
        ({"name": "hole", "idz": [1]}, "no argument 'idz'; there are .*ids"),
        ({"name": "bad_row", "kind": "no_such"}, "there are any"),
        ({"name": "http_500", "p": 2}, "probability"),
        ({"p": 2}, "not a fault.*name"),
        ("http_500:often", "float"),
        ({"name": "hole", "ids": 7}, "not a fault.*iterable"),
    ],
)
def test_mistakes_name_what_there_is(spec: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Faults(spec)


def test_a_fault_from_a_command_line() -> None:
    assert Fault.of("reset").p == 1.0
    assert Fault.of("reset:0.25").p == 0.25
    hole = Fault.of('{"name": "hole", "ids": [3], "market": "BTC-USD"}')
    assert (hole.args["ids"], hole.market) == ({3}, "BTC-USD")


def test_all_at_once_break_nothing_of_the_server() -> None:
    chance = 0.15
    quick: dict[str, dict[str, Any]] = {
        "slow": {"seconds": 0.001},
        "slow_loris": {"size": 5000, "every": 0.001},
        "gzip_bomb": {"mb": 1},
        "wrong_length": {"by": -3},
        "cap": {"rows": 15},
    }
    ids: dict[str, dict[str, Any]] = {
        name: {"ids": range(50, 300)} for name in KINDS if "ids" in KINDS[name].args
    }
    ids["bad_row"]["kind"] = ids["bad_row_once"]["kind"] = "any"
    faults = [Fault(n, p=chance, **quick.get(n, {}), **ids.get(n, {})) for n in KINDS]
    with Sandbox(MARKETS, faults=Faults(*faults, seed=4)) as one:
        for _ in range(400):
            try:
                get(one.url, PAGE)
            except (OSError, http.client.HTTPException):
                continue
        stats = one.stats()
        assert stats.requests == 400
        assert set(stats.by_fault) == set(KINDS)
        one.set_faults()
        assert get(one.url, PAGE).ids() == IDS
