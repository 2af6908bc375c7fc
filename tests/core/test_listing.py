"""Names read all at once say what they say one by one."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemahub.core.axis import IDS
from schemahub.core.layout import (
    AbsentName,
    BadName,
    OriginName,
    RawEntry,
    RawName,
    SeenName,
    parse_raw,
)
from schemahub.core.ledger import Ledger
from schemahub.core.listing import sort_out
from schemahub.core.span import Span
from tests.core.strategies import spans

ENTRIES = st.one_of(
    spans().map(RawName),
    spans().map(RawName),
    st.builds(RawName, spans(), st.integers(0, 2)),
    st.builds(AbsentName, spans()),
    st.builds(BadName, spans(), st.integers(0, 2)),
    st.builds(SeenName, spans(), st.just("a")),
    st.builds(OriginName, st.integers(0, 60)),
)
ODD = [
    "x",
    "",
    f"{5:020}-{5:020}.jsonl.zst",
    f"{9:020}-{5:020}.jsonl.zst",
    f"{0:020}-{2**63:020}.jsonl.zst",
    f"{0:020}-{10**20 - 1:020}.jsonl.zst",
    f"{0:020}_{5:020}.jsonl.zst",
    f"{0:020}-{5:019}x.jsonl.zst",
    f"{0:020}-{5:019}\n.jsonl.zst",
    f"{0:020}-{5:019}\u0663.jsonl.zst",
    f"{0:020}-{5:020}.bad100000",
]


def one_by_one(names: list[str]) -> Ledger:
    entries = [entry for name in names if (entry := parse_raw(name)) is not None]
    return Ledger.of(entries, line=IDS)


@given(st.lists(ENTRIES, max_size=12), st.lists(st.sampled_from(ODD), max_size=2))
@example([RawName(Span(0, 2**63 - 1))], [])
def test_all_at_once_says_what_one_by_one_says(entries: list[RawEntry], odd: list[str]) -> None:
    names = sorted([entry.filename for entry in entries] + odd)
    assert Ledger.listed(names) == one_by_one(names)


@given(st.lists(spans(), max_size=20))
def test_what_usual_names_hold_is_the_union_of_their_spans(held: list[Span]) -> None:
    found = sort_out(RawName(span).filename for span in held)
    assert len(found.usual) == len(held)
    assert found.usual.held == Ledger.of(map(RawName, held)).held
    assert found.usual == tuple(sorted(map(RawName, held)))


@pytest.mark.parametrize("odd", ODD)
def test_a_name_that_is_none_is_never_among_the_usual_ones(odd: str) -> None:
    good = [RawName(Span(n, n + 1)).filename for n in range(3)]
    found = sort_out([*good, odd])
    assert odd not in found.usual.filenames
    assert Ledger.listed([*good, odd]) == one_by_one([*good, odd])


def test_usual_names_are_a_sequence_of_what_they_say() -> None:
    found = sort_out(RawName(Span(n, n + 2)).filename for n in (4, 0, 2)).usual
    assert found[0] == RawName(Span(0, 2))
    assert found[1:] == (RawName(Span(2, 4)), RawName(Span(4, 6)))
    assert list(found) == [found[0], *found[1:]]
    assert hash(found) == hash(tuple(found))
    assert found != [found[0]]
