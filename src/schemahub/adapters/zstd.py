"""Zstandard: raw objects are one frame with its content's checksum, or several joined."""

from __future__ import annotations

import sys
from typing import cast

from schemahub.core.errors import ObjectCorrupt

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_MAGIC = b"\x28\xb5\x2f\xfd"
_CHECKSUM = 0b100  # in the frame header's descriptor, the byte after the magic
_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 1,  # on pages of trades smaller than 3, and faster
    zstd.CompressionParameter.checksum_flag: 1,
}


class Zstd:
    """ports.Codec. Guarantees that `unpack` returns what was packed, or raises.

    `largest` bounds what one object may unpack to, in bytes.
    """

    def __init__(self, largest: int = 256 * 1024 * 1024) -> None:
        self._largest = largest

    def pack(self, data: bytes) -> bytes:
        return zstd.compress(data, options=_OPTIONS)

    def unpack(self, data: bytes, key: str) -> bytes:
        if not data:
            raise ObjectCorrupt(key, "the object is empty")
        pieces = []
        left = self._largest
        rest = memoryview(data)
        while rest:
            frame = _first_frame(rest, key)
            piece = self._unpack_frame(frame, left, key)
            pieces.append(piece)
            left -= len(piece)
            rest = rest[len(frame) :]
        return b"".join(pieces)

    def _unpack_frame(self, frame: memoryview, left: int, key: str) -> bytes:
        try:
            # None, whatever its type says, of a frame that does not tell.
            told = cast("int | None", zstd.get_frame_info(frame).decompressed_size)
            if told is not None and told <= left:
                # A frame that holds another number of bytes than it says is damaged.
                return zstd.decompress(frame)
            decoder = zstd.ZstdDecompressor()
            piece = decoder.decompress(frame, max_length=left + 1)
        except zstd.ZstdError as error:
            raise ObjectCorrupt(key, f"a zstd frame is damaged: {error}") from error
        if len(piece) > left:
            raise ObjectCorrupt(key, f"it unpacks to more than {self._largest} bytes")
        if not decoder.eof:
            raise ObjectCorrupt(key, "its last zstd frame is cut off")
        return piece


def _first_frame(data: memoryview, key: str) -> memoryview:
    # Also refused: zstd's skippable frames (any content) and frames without a checksum
    # (damage would go unseen). We never write either.
    if bytes(data[:4]) != _MAGIC or len(data) <= len(_MAGIC):
        raise ObjectCorrupt(key, f"no zstd frame where one should be: {bytes(data[:8]).hex()}")
    if not data[len(_MAGIC)] & _CHECKSUM:
        raise ObjectCorrupt(key, "a zstd frame has no checksum")
    try:
        return data[: zstd.get_frame_size(data)]
    except zstd.ZstdError as error:
        raise ObjectCorrupt(key, f"a zstd frame is cut off or damaged: {error}") from error
