"""What was packed comes back, or ObjectCorrupt."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemahub.adapters.zstd import Zstd
from schemahub.core.errors import ObjectCorrupt

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CODEC = Zstd()
DATA = b'{"at":"2026-11-02","body":[1,2,3]}\n' * 50
relaxed = settings(deadline=None)


def corrupt(data: bytes, codec: Zstd = CODEC) -> ObjectCorrupt:
    with pytest.raises(ObjectCorrupt) as caught:
        codec.unpack(data, "raw/key")
    assert caught.value.key == "raw/key"
    assert caught.value.why
    return caught.value


@relaxed
@given(st.lists(st.binary(max_size=3_000), min_size=1, max_size=5))
def test_packed_pieces_joined_are_packed_joined_bytes(pieces: list[bytes]) -> None:
    assert CODEC.unpack(b"".join(map(CODEC.pack, pieces)), "k") == b"".join(pieces)


def test_one_frame_a_pack_with_a_checksum() -> None:
    packed = CODEC.pack(DATA)
    assert zstd.get_frame_size(packed) == len(packed)
    assert packed[4] & 0b100
    assert CODEC.pack(DATA) == packed


def test_any_byte_that_changed_is_found() -> None:
    packed = CODEC.pack(DATA) + CODEC.pack(b"the second frame")
    for place in range(len(packed)):
        for bit in range(8):
            changed = bytearray(packed)
            changed[place] ^= 1 << bit
            try:
                # Bits of the header that nobody reads may change; the content may not.
                assert CODEC.unpack(bytes(changed), "k") == DATA + b"the second frame"
            except ObjectCorrupt:
                continue


def test_a_truncation_anywhere_but_between_frames_is_found() -> None:
    first, second = CODEC.pack(DATA), CODEC.pack(b"the second frame")
    packed = first + second
    for length in range(len(packed)):
        if length == len(first):
            continue
        corrupt(packed[:length])


@relaxed
@given(st.binary(min_size=1, max_size=100))
def test_garbage_after_a_frame_is_found(garbage: bytes) -> None:
    corrupt(CODEC.pack(DATA) + garbage)
    corrupt(garbage)


def test_frames_that_we_never_write_are_refused() -> None:
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"any!"
    assert "no zstd frame" in corrupt(CODEC.pack(DATA) + skippable).why
    assert "no checksum" in corrupt(zstd.compress(DATA)).why
    assert "empty" in corrupt(b"").why


def test_a_bomb_is_stopped_at_the_cap() -> None:
    codec = Zstd(largest=10_000)
    assert codec.unpack(codec.pack(bytes(10_000)), "k") == bytes(10_000)
    assert "more than 10000 bytes" in corrupt(codec.pack(bytes(10_001)), codec).why
    assert "more than 10000" in corrupt(codec.pack(bytes(50_000_000)), codec).why
    halves = codec.pack(bytes(6_000)) * 2
    assert "more than 10000" in corrupt(halves, codec).why


def test_many_frames_cost_their_bytes_only() -> None:
    piece = CODEC.pack(b"x" * 100)
    assert len(CODEC.unpack(piece * 20_000, "k")) == 2_000_000
