"""Every fault is seen over a real socket, by scripts, by chance and by market."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
import zlib
from collections.abc import Iterator

import pytest

from schemahub.sandbox import BAD_ROWS, Fault, Faults, Generated, Sandbox
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


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [
        (Fault("http_500"), 500, None),
        (Fault("http_503"), 503, None),
        (Fault("http_503", retry_after=2), 503, "2"),
        (Fault("http_429"), 429, None),
        (Fault("http_429", retry_after=7), 429, "7"),
        (Fault("http_status", status=403), 403, None),
        (Fault("http_status", status=451), 451, None),
        (Fault("http_status", status=520), 520, None),
    ],
)
def test_status(sandbox: Sandbox, fault: Fault, status: int, retry_after: str | None) -> None:
    answer = served(sandbox, fault)
    assert answer.status == status
    assert answer.headers.get("Retry-After") == retry_after
    assert set(answer.json()) == {"message"}


def test_html_200(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("html_200"))
    assert answer.status == 200
    assert b"<html>" in answer.body
    assert answer.headers["Content-Type"].startswith("text/html")


def test_garbage(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("garbage", size=50))
    assert (answer.status, len(answer.body)) == (200, 51)
    with pytest.raises(UnicodeDecodeError):
        answer.json()


def test_error_200(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("error_200"))
    assert (answer.status, answer.json()) == (200, {"message": "Internal server error"})


def test_stale(sandbox: Sandbox) -> None:
    first = get(sandbox.url, PAGE)
    sandbox.grow("BTC-USD", 5)
    assert served(sandbox, Fault("stale"), TRADES) == first


def test_stale_without_a_past_changes_nothing(sandbox: Sandbox) -> None:
    sandbox.set_faults(["stale"])
    assert get(sandbox.url, PAGE).ids() == IDS
    assert sandbox.stats().by_fault == {}


def test_redirect(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("redirect"))
    assert (answer.status, answer.headers["Location"]) == (302, "http://elsewhere.invalid/")


def test_redirect_within_this_host(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("redirect", to="/products"))
    assert (answer.status, answer.headers["Location"]) == (302, "/products")


def test_empty_200(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("empty_200"))
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "0")


def test_raw_answer_says_any_bytes(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("raw_answer", text="[1,\udcff\u00e9"))
    assert (answer.status, answer.body) == (200, b"[1,\xff\xc3\xa9")


def test_gzip_bomb(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("gzip_bomb", mb=40))
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.body) < 100_000
    data = gzip.decompress(answer.body)
    assert len(data) == 40 * 2**20 + 2
    assert json.loads(data) == []
    # One whole gzip member, not a chain that some clients would stop in.
    assert zlib.decompressobj(31).decompress(answer.body)[-2:] == b"[]"


def test_deep_json(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("deep_json"))
    assert answer.body == b"[" * 100_000 + b"]" * 100_000


def test_non_utf8(sandbox: Sandbox) -> None:
    with pytest.raises(UnicodeDecodeError):
        served(sandbox, Fault("non_utf8")).body.decode()


# ---- what is looked up


def test_lag(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("lag", by=25), f"{TRADES}?limit=2")
    assert answer.ids() == [275, 274]
    assert get(sandbox.url, f"{TRADES}?after=290&limit=1").ids() == [275]


def test_cap_changes_mid_run(sandbox: Sandbox) -> None:
    sandbox.set_faults([Fault("cap", rows=7, start=2)])
    assert [len(get(sandbox.url, PAGE).ids()) for _ in range(3)] == [20, 7, 7]
    assert get(sandbox.url, PAGE).ids() == IDS[:7]
    sandbox.set_faults()
    assert get(sandbox.url, PAGE).ids() == IDS


def test_a_hole_is_for_ever_and_takes_no_room(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("hole", ids=[100, 90, 89]))
    assert answer.ids() == [i for i in range(99, 77, -1) if i not in (90, 89)]
    assert get(sandbox.url, PAGE).ids() == answer.ids()
    truth = sandbox.truth("BTC-USD", 80, 101, served=True)
    assert {t.trade_id for t in truth} == set(range(80, 101)) - {100, 90, 89}
    assert len(sandbox.truth("BTC-USD", 80, 101)) == 21
    get(sandbox.url, f"{TRADES}?after=50&limit=20")  # none of them here: not counted
    assert sandbox.stats().by_fault == {"hole": 2}


def test_a_share_of_holes(sandbox: Sandbox) -> None:
    ids = served(sandbox, Fault("hole", share=0.2), TRADES).ids()
    assert 200 < len(ids) < 280
    assert ids == [t.trade_id for t in reversed(sandbox.truth("BTC-USD", served=True))]


def test_a_hole_of_one_market_only(sandbox: Sandbox) -> None:
    sandbox.set_faults([Fault("hole", ids=[3], market="ETH-USD")])
    assert get(sandbox.url, f"{TRADES}?after=5").ids() == [4, 3, 2, 1]
    assert get(sandbox.url, "/products/ETH-USD/trades?after=5").ids() == [4, 2, 1]


def test_hole_once(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("hole_once", ids=[90]))
    assert answer.ids() == [i for i in IDS if i != 90]
    assert get(sandbox.url, PAGE).ids() == IDS


def test_restart_ids(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("restart_ids", left=4), TRADES)
    assert answer.ids() == [4, 3, 2, 1]
    assert answer.json()[0]["price"] == sandbox.truth("BTC-USD", 300)[0].price
    sandbox.grow("BTC-USD", 2)
    assert get(sandbox.url, TRADES).ids() == [6, 5, 4, 3, 2, 1]
    assert get(sandbox.url, f"{TRADES}?after=3").ids() == [2, 1]
    assert get(sandbox.url, f"{TRADES}?before=4").ids() == [6, 5]


def test_wrong_symbol(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("wrong_symbol"))
    assert answer.ids() == list(range(40, 20, -1))
    assert answer.json()[0]["price"] == sandbox.truth("ETH-USD", 40)[0].price


# ---- pages


def test_empty_list(sandbox: Sandbox) -> None:
    assert served(sandbox, Fault("empty_list")).body == b"[]"


def test_short_page_loses_the_old_end(sandbox: Sandbox) -> None:
    answer = served(sandbox, Fault("short_page", keep=0.75))
    assert answer.ids() == IDS[:15]
    assert answer.headers["CB-AFTER"] == str(IDS[14])


def test_duplicate(sandbox: Sandbox) -> None:
    assert served(sandbox, Fault("duplicate", rows=3)).ids() == IDS[:3] + IDS


def test_unsorted(sandbox: Sandbox) -> None:
    ids = served(sandbox, Fault("unsorted")).ids()
    assert ids != IDS
    assert sorted(ids, reverse=True) == IDS


# ---- rows


@pytest.mark.parametrize("kind", sorted(BAD_ROWS))
def test_each_bad_row_spoils_one_row_for_ever(sandbox: Sandbox, kind: str) -> None:
    clean = get(sandbox.url, PAGE).json()
    spoilt = served(sandbox, Fault("bad_row", ids=[95], kind=kind)).json()
    differs = [i for i, (a, b) in enumerate(zip(clean, spoilt, strict=True)) if repr(a) != repr(b)]
    assert differs == [5]
    assert get(sandbox.url, PAGE).json() == spoilt


def test_a_bad_row_once(sandbox: Sandbox) -> None:
    clean = get(sandbox.url, PAGE).json()
    assert served(sandbox, Fault("bad_row_once", ids=[95], kind="any")).json() != clean
    assert get(sandbox.url, PAGE).json() == clean


def test_two_faults_spoil_a_row_one_way_only(sandbox: Sandbox) -> None:
    sandbox.set_faults(
        [Fault("bad_row", ids=[95], kind=kind) for kind in ("missing_id", "nan_price")]
    )
    row = get(sandbox.url, PAGE).json()[5]
    assert "trade_id" not in row
    assert row["price"] != "NaN"
    assert sandbox.stats().by_fault == {"bad_row": 1}


def test_a_raw_row_stands_where_the_row_was(sandbox: Sandbox) -> None:
    clean = get(sandbox.url, PAGE).json()
    text = '{"trade_id":{id},"x":\udcfe1e999}'
    body = served(sandbox, Fault("raw_row", ids=[95, 3], text=text)).body
    there = b'{"trade_id":95,"x":\xfe1e999}'
    assert body.count(there) == 1
    assert json.loads(body.replace(there, b"null")) == [*clean[:5], None, *clean[6:]]
    assert get(sandbox.url, PAGE).body == body


# ---- sending


def test_reset_is_a_reset_and_not_an_end(sandbox: Sandbox) -> None:
    sandbox.set_faults(["reset"])
    for _ in range(5):
        with pytest.raises(ConnectionResetError):
            get(sandbox.url, PAGE)
    assert sandbox.stats().by_fault == {"reset": 5}


def test_reset_within_the_body(sandbox: Sandbox) -> None:
    sandbox.set_faults([Fault("reset", after=400)])
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        get(sandbox.url, PAGE)


def test_truncate(sandbox: Sandbox) -> None:
    sandbox.set_faults([Fault("truncate", keep=0.5)])
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(sandbox.url, PAGE)
    assert caught.value.expected == pytest.approx(len(caught.value.partial), abs=1)
    sandbox.set_faults()
    assert get(sandbox.url, PAGE).ids() == IDS


def test_wrong_length_leaves_its_tail_in_the_next_answer(sandbox: Sandbox) -> None:
    whole = get(sandbox.url, PAGE).body
    sandbox.set_faults([Fault("wrong_length", by=-7, on=[1])])
    question = f"GET {PAGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=5) as line:
        line.sendall(question + question.replace(b"1.1\r\n", b"1.1\r\nConnection: close\r\n"))
        data = b"".join(iter(lambda: line.recv(65_536), b""))
    _, first, second = data.split(b"HTTP/1.1 200 OK")
    head, _, body = first.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(whole) - 7}".encode() in head
    assert body == whole  # so that seven bytes stand before the second answer
    assert second.endswith(whole)


def test_a_length_that_is_too_great_lets_the_client_wait(sandbox: Sandbox) -> None:
    sandbox.set_faults([Fault("wrong_length", by=10)])
    with pytest.raises(TimeoutError):
        get(sandbox.url, PAGE, timeout=0.3)


def test_slow(sandbox: Sandbox) -> None:
    sandbox.set_faults([Fault("slow", seconds=30)])
    with pytest.raises(TimeoutError):
        get(sandbox.url, PAGE, timeout=0.2)


def test_slow_loris_keeps_the_line_busy(sandbox: Sandbox) -> None:
    sandbox.set_faults([Fault("slow_loris", size=3, every=0.01)])
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=5) as line:
        line.sendall(f"GET {PAGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        pieces = [line.recv(65_536) for _ in range(20)]
    assert all(pieces)
    assert len(b"".join(pieces)) < 20 * 30  # far from whole after twenty reads


def test_closing_ends_what_is_slow() -> None:
    with Sandbox(MARKETS, faults=Faults(Fault("slow", seconds=600))) as one:
        ended = threading.Event()

        def ask() -> None:
            with pytest.raises((OSError, http.client.HTTPException)):
                get(one.url, PAGE, timeout=60)
            ended.set()

        thread = threading.Thread(target=ask)
        thread.start()
        while not one.stats().requests:
            pass
        one.close()
        thread.join(30)
        assert ended.is_set()


def test_latency_is_no_fault() -> None:
    with Sandbox(MARKETS, latency=60) as one:
        with pytest.raises(TimeoutError):
            get(one.url, PAGE, timeout=0.2)
        assert get(one.url, "/_sandbox/stats").json()["by_fault"] == {}
