"""An answer is kept byte for byte, one line each, whatever its body is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemahub.core.answer import Answer, decode, encode, skim
from tests.core.dialect import NOW, answer

# What text editors and `str.splitlines` take for line ends; only \n and \r are, to bytes.
LINE_ENDS = ("\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")

json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8),
        st.sampled_from(LINE_ENDS),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)  # fmt: skip
spaces = st.text(" \t\n\r", max_size=3)


@st.composite
def json_bodies(draw: st.DrawFn) -> bytes:
    """JSON as somebody else writes it: spaced, indented, escaped or not."""
    text = json.dumps(
        draw(json_values),
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 1, "\t"])),
        separators=draw(st.sampled_from([(",", ":"), (" ,", " : ")])),
    )
    return (draw(spaces) + text + draw(spaces)).encode("utf-8", "replace")


bodies = st.one_of(
    json_bodies(),
    st.binary(max_size=60),
    st.text(max_size=40).map(lambda text: text.encode()),
    st.lists(st.sampled_from([*LINE_ENDS, "[", "]", '"', "1"]), max_size=8).map(
        lambda parts: "".join(parts).encode()
    ),
)


@given(bodies)
@example(b"")
@example(b"null")
@example(b"[]")
@example(b" []")
@example(b"[]\n")
@example(b"[1,\n2]")
@example(b"[1,\r2]")
@example(b'["\\n"]')
@example('["\u2028\u2029\x85"]'.encode())
@example(b"\xef\xbb\xbf[]")
@example(b"\xff\xfe\x00")
@example(b'["\xff"]')
@example(b'["\x00"]')
@example(b'["\x01"]')
@example(b'["\\ud800"]')
@example(b"[1e999, 1E-999, -0, 1.000000000000000000000001]")
@example(b"[" + b"9" * 5_000 + b"]")
@example(b'{"a":1,"a":2}')
@example(b"<html>502</html>")
@example(b"[" * 40 + b"]" * 40)
@example(b"[" * 100_000)
@example(b"[" * 100_000 + b"]" * 100_000)
def test_a_body_comes_back_byte_for_byte(body: bytes) -> None:
    kept = answer(body)
    line = encode(kept)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.splitlines(keepends=True) == [line]
    assert decode(line) == kept


@given(st.lists(bodies, min_size=1, max_size=5))
def test_lines_joined_come_apart_as_they_were(content: list[bytes]) -> None:
    lines = b"".join(encode(answer(body)) for body in content)
    assert [decode(line).body for line in lines.splitlines(keepends=True)] == content
    assert [decode(line).body for line in lines.splitlines()] == content
    assert [decode(line).body for line in lines.split(b"\n")[:-1]] == content


@pytest.mark.parametrize("depth", [31, 32, 33, 200, 500, 900, 940, 960, 980, 1_000, 2_000])
@pytest.mark.parametrize(
    ("start", "end"), [(b"[", b"]"), (b'{"},{":', b"}"), (b'[{"a":1},{"a":', b"}]")]
)
def test_nesting_that_can_be_written_can_be_read(start: bytes, end: bytes, depth: int) -> None:
    """The envelope is one level more, and a reader may stand deeper in its own calls."""
    kept = answer(start * depth + b"1" + end * depth)
    line = encode(kept)

    def read_below(calls: int) -> Answer:
        return read_below(calls - 1) if calls else decode(line)

    assert read_below(0) == kept
    assert read_below(200) == kept


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(8999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.text(max_size=30),
    st.integers(100, 599),
    st.text(max_size=30),
)
def test_the_envelope_comes_back_too(at: datetime, url: str, status: int, date: str) -> None:
    kept = Answer(at, url, status, date, b"[]")
    assert decode(encode(kept)) == kept


def test_a_line_is_what_the_design_says() -> None:
    kept = answer(b'[{"trade_id":1, "price":"1.0"}]')
    assert encode(kept) == (
        b'{"at":"2026-05-17T12:00:00.000000+00:00",'
        b'"url":"https://api.example.com/products/BTC-USD/trades?","status":200,'
        b'"date":"Sun, 17 May 2026 12:00:00 GMT","body":[{"trade_id":1, "price":"1.0"}]}\n'
    )


def test_what_is_no_line_of_json_is_kept_as_text_and_what_is_no_text_as_base64() -> None:
    assert b'"text":"[1,\\n2]"' in encode(answer(b"[1,\n2]"))
    assert b'"text":"<html>"' in encode(answer(b"<html>"))
    assert b'"base64":"/w=="' in encode(answer(b"\xff"))
    assert all(b'"body"' not in encode(answer(odd)) for odd in (b"[1,\n2]", b"<html>", b"\xff"))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"null\n",
        b"[]\n",
        b"{}\n",
        b"not json\n",
        b"\xff\n",
        b"[" * 100_000,
        b'{"at":"2026-05-17T12:00:00+00:00","url":"","status":200}\n',
        b'{"at":"yesterday","url":"","status":200,"date":"","body":[]}\n',
        b'{"at":5,"url":"","status":200,"date":"","body":[]}\n',
        # A time without a zone, or so late or early that no day can be added: no clock said so.
        b'{"at":"2026-05-17T12:00:00","url":"","status":200,"date":"","body":[]}\n',
        b'{"at":"2026-05-17","url":"","status":200,"date":"","body":[]}\n',
        b'{"at":"9999-12-31T23:59:59+00:00","url":"","status":200,"date":"","body":[]}\n',
        b'{"at":"9999-12-31T00:00:00-23:59","url":"","status":200,"date":"","body":[]}\n',
        b'{"at":"0001-01-01T00:00:00+23:59","url":"","status":200,"date":"","body":[]}\n',
        b'{"at":"2026-05-17T12:00:00+00:00","url":"","status":"200","date":"","body":[]}\n',
        b'{"at":"2026-05-17T12:00:00+00:00","url":"","status":200,"date":"","body":[}\n',
        b'{"at":"2026-05-17T12:00:00+00:00","url":"","status":200,"date":"","text":5}\n',
        b'{"at":"2026-05-17T12:00:00+00:00","url":"","status":200,"date":"","base64":"%%%"}\n',
        b'{"at":"2026-05-17T12:00:00+00:00","url":"","status":200,"date":"","bo',
    ],
)
def test_what_is_not_a_raw_line_is_known_as_such(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a raw line"):
        decode(line)


@given(bodies, st.data())
def test_a_cut_line_is_never_taken_for_a_whole_one(body: bytes, data: st.DataObject) -> None:
    line = encode(answer(body))
    cut = line[: data.draw(st.integers(0, len(line) - 2))]
    with pytest.raises(ValueError, match="not a raw line"):
        decode(cut)


# ---------------------------------------------------------------- whose clock


@given(st.datetimes(datetime(2009, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001
def test_the_servers_date_is_its_word_for_now(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    assert answer(b"[]", date=moment.strftime("%a, %d %b %Y %H:%M:%S GMT")).served_at == moment
    assert answer(b"[]", date=moment.strftime("%d %b %Y %H:%M:%S -0000")).served_at == moment


@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(
    ["Mon,", "17", "May", "2026", "12:00:00", "24:61:61", "GMT", "+9999", "+9" * 12, "9" * 22,
     "-1", "0", "\u0661", "(", ",", "Jan", "0001", "-2359"]
), max_size=7).map(" ".join)))  # fmt: skip
@example("")
@example("Jan 0 +99999999999999999999 24:61:61 1 GMT Jan")
@example("99999999999999999999 Jan 24:61:61 +0000 99999999999999999999 01")
def test_whatever_the_date_says_there_is_a_time(date: str) -> None:
    kept = answer(b"[]", date=date)
    assert kept.served_at.tzinfo is not None
    assert kept.served_at - timedelta(days=1) < kept.served_at
    assert kept.latest >= int(NOW.timestamp() * 1_000_000)


def test_the_latest_is_whichever_clock_is_ahead() -> None:
    late = NOW + timedelta(hours=1)
    behind = answer(b"[]", at=late, date=NOW.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    ahead = answer(b"[]", at=NOW, date=late.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    assert behind.latest == ahead.latest == int(late.timestamp()) * 1_000_000


@given(bodies, st.text(max_size=12), st.text(max_size=12))
@example(b'[{"a":1}]', "https://a.example/b?c=d", "Sun, 22 Nov 2026 05:26:18 GMT")
@example(b"[]", 'quo"ted', "back\\slash")
def test_a_line_that_is_skimmed_says_the_same(body: bytes, url: str, date: str) -> None:
    line = encode(Answer(NOW, url, 200, date, body)).rstrip(b"\n")
    around = b"x\n" + line + b"\ny"
    skimmed = skim(around, 2, 2 + len(line))
    if skimmed is not None:
        found, start, stop = skimmed
        assert replace(found, body=around[start:stop]) == decode(line)


def test_the_lines_that_exchanges_give_are_skimmed_and_others_are_not() -> None:
    line = encode(answer(b"[]")).rstrip(b"\n")
    bodiless = replace(decode(line), body=b"")
    assert skim(line, 0, len(line)) == (bodiless, len(line) - 3, len(line) - 1)
    for odd in (
        line.replace(b'"status":200', b'"status": 200'),
        line.replace(b'"status":200', b'"status":"200"'),
        line.replace(b'"body":[]', b'"text":"[]"'),
        line[:-1],
        line.replace(b'"at":"2', b'"at":"20'),
        line.replace(b'"date":"', b'"date":"\\n'),
    ):
        assert odd != line
        assert skim(odd, 0, len(odd)) is None
