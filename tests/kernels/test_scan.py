"""The kernel reads what the authority reads, and nothing else; and plain answers it does read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from schemahub.core.trade import SCALE
from schemahub.core.wire import RowRefused
from schemahub.kernels.scan import Scanned, Scanner
from tests.adapters.wire_rows import answers_of, raw_row
from tests.exchanges.captured import NAMES, Captured, Row, captured, one_by_one

# The answers here came later than the one that was captured.
LATER = Row(1, "buy", Decimal(1), Decimal(1), 1_717_243_200_000_000)
COINBASE = replace(captured("coinbase"), rows=(LATER,))
# Its rows of void ids would have to be looked for.
SCANNED = [name for name in NAMES if not captured(name).spec.trades.tombstone]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def scanned(case: Captured, body: bytes, scanner: Scanner | None = None) -> list[Row] | None:
    """The kernel's rows in its order; None if it leaves the answer to the general path."""
    into = Scanned.empty()
    if not (scanner or Scanner(case.spec)).scan(body, case.now, 5, into):
        assert into.count == 0
        return None
    assert set(into.received[: into.count].tolist()) <= {5}
    return rows(into)


def rows(found: Scanned) -> list[Row]:
    columns = (found.ids, found.sides, found.prices, found.quantities, found.times)
    return [
        Row(number, ("buy", "sell")[side], decimal(price), decimal(quantity), at)
        for number, side, price, quantity, at in zip(
            *(column[: found.count].tolist() for column in columns), strict=True
        )
    ]


def decimal(pair: list[int]) -> Decimal:
    low, high = pair
    return Decimal(f"{(high << 64) + low}E-{SCALE}")  # exact, whatever the context's precision


def told(case: Captured, body: bytes) -> list[Row] | None:
    """The authority's rows in the kernel's order; None if a row of them is refused."""
    try:
        found = one_by_one(case, body)
    except ValueError:
        return None
    good = [row for row in found if isinstance(row, Row)]
    if len(good) < len(found):
        return None
    ids = [row.trade_id for row in good]
    falling = len(ids) > 1 and all(one > two for one, two in pairwise(ids))
    return good[::-1] if falling else good


def agrees(case: Captured, body: bytes) -> bool:
    """Whether the kernel read the body; if so, as the authority does."""
    found = scanned(case, body)
    if found is not None:
        assert found == told(case, body)
    return found is not None


@pytest.mark.parametrize("name", SCANNED)
def test_what_an_exchange_answered_is_read(name: str) -> None:
    case = captured(name)
    body = case.body
    if name == "gate":  # examples from a document, each of another shape
        body = b"[" + case.reader.split(body)[0] + b"]"
    assert agrees(case, body)


@pytest.mark.parametrize("name", SCANNED)
@given(data=st.data())
def test_a_damaged_answer_is_read_rightly_or_refused(name: str, data: st.DataObject) -> None:
    case = captured(name)
    body = bytearray(case.body)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        what = data.draw(
            st.sampled_from([b"", b"0", b"9", b'"', b",", b".", b"e", b" ", b"-", b"}"])
        )
        body[at : at + data.draw(st.integers(0, 2))] = what
    agrees(case, bytes(body))


@given(answers_of())
def test_rows_of_every_kind_are_read_rightly_or_refused(answers: list[list[bytes]]) -> None:
    # One scanner for all: what it learned of one answer must do no harm to the next.
    scanner = Scanner(COINBASE.spec)
    for answer in answers:
        body = b"[" + b",".join(answer) + b"]"
        found = scanned(COINBASE, body, scanner)
        if found is not None:
            assert found == told(COINBASE, body)


whole = st.integers(0, 10**18 - 1).map(str)
digits = st.text("0123456789", min_size=1, max_size=12)


@given(whole, digits, whole, st.integers(0, 18))
@example("0", "000000000001", "999999999999999999", 12)
@example("9000000", "999999999999", "9000001", 0)
@example("18446744073709551", "615", "18446744", 5)
def test_plain_decimals_are_exact(one: str, places: str, other: str, zeros: int) -> None:
    price, quantity = f"{one}.{places}", f"{other}.{'0' * zeros}" if zeros else other
    assume(Decimal(price) and Decimal(quantity))
    body = b"[" + raw_row(7, price=f'"{price}"', size=f'"{quantity}"') + b"]"
    found = scanned(COINBASE, body)
    assert found is not None
    assert (found[0].price, found[0].quantity) == (Decimal(price), Decimal(quantity))


@given(
    st.datetimes(datetime(2009, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["", ".1", ".120", ".123456", ".123456789"]),
)
@example(datetime(2024, 2, 29), "")  # noqa: DTZ001
@example(datetime(2100, 2, 28), "")  # noqa: DTZ001
def test_times_are_those_of_the_calendar(moment: datetime, fraction: str) -> None:
    text = moment.replace(microsecond=0).isoformat() + fraction
    body = b"[" + raw_row(7, time=f'"{text}Z"') + b"]"
    into = Scanned.empty()
    assert Scanner(COINBASE.spec).scan(body, 2**62, 0, into)
    expected = datetime.fromisoformat(text[:26] + "+00:00")
    assert EPOCH + timedelta(microseconds=into.times[0].item()) == expected


@pytest.mark.parametrize(
    "day", ["2023-02-29", "2024-02-30", "2100-02-29", "2024-04-31", "2024-00-10", "2024-13-10",
            "2024-01-00", "2024-1-010", "20240-1-10"],
)  # fmt: skip
def test_a_day_that_is_none_is_refused(day: str) -> None:
    assert scanned(COINBASE, b"[" + raw_row(7, time=f'"{day}T07:08:09Z"') + b"]") is None


def test_a_layout_is_learned_anew_where_it_changes() -> None:
    scanner, into = Scanner(COINBASE.spec), Scanned.empty()
    row = {"trade_id": 5, "side": "buy", "size": "1", "price": "2", "time": "2024-05-06T07:08:09Z"}
    turned = dict(reversed(row.items()))
    for separators in ((",", ":"), (", ", ": ")):
        for one in (row, turned, {**row, "more": None}, {**row, "more": "text"}):
            body = json.dumps([one, {**one, "trade_id": 6}], separators=separators).encode()
            assert scanner.scan(body, COINBASE.now, 0, into)
    assert into.ids[: into.count].tolist() == [5, 6] * 8


def test_one_odd_row_refuses_the_answer_and_leaves_what_was_read() -> None:
    scanner, into = Scanner(COINBASE.spec), Scanned.empty()
    good = b"[" + b",".join(raw_row(number) for number in range(1, 9)) + b"]"
    assert scanner.scan(good, COINBASE.now, 0, into)
    before = rows(into)
    assert not scanner.scan(
        good[:-1] + b"," + raw_row(9, price='"-1"') + b"]", COINBASE.now, 0, into
    )
    assert rows(into) == before


@pytest.mark.parametrize("word", ["a\\b", 'b"', "n\n", "\u00fc"])
def test_words_that_stand_otherwise_on_the_wire_are_left_to_the_authority(word: str) -> None:
    """On the wire a\\b is the letter a and a backspace: another word."""
    spec = COINBASE.spec
    fields = spec.trades.fields
    side = fields.side.model_copy(update={"buy": word})
    trades = spec.trades.model_copy(update={"fields": fields.model_copy(update={"side": side})})
    case = replace(COINBASE, spec=spec.model_copy(update={"trades": trades}))
    body = b"[" + b",".join(raw_row(n) for n in (3, 2)) + b"]"
    assert not agrees(case, body.replace(b'"buy"', b'"' + word.encode() + b'"'))


def test_falling_ids_are_turned_round_and_others_are_left() -> None:
    for ids, expected in (([9, 8, 7], [7, 8, 9]), ([9, 7, 8], [9, 7, 8]), ([9, 9], [9, 9])):
        found = scanned(COINBASE, b"[" + b",".join(raw_row(number) for number in ids) + b"]")
        assert found is not None
        assert [row.trade_id for row in found] == expected


def test_the_authority_refuses_what_is_out_of_time() -> None:
    late = EPOCH + timedelta(microseconds=COINBASE.now) + timedelta(minutes=6)
    body = b"[" + raw_row(7, time=f'"{late.isoformat()[:19]}Z"') + b"]"
    assert isinstance(one_by_one(COINBASE, body)[0], RowRefused)
    assert scanned(COINBASE, body) is None
