"""Compressed bodies, undone within bounds."""

from __future__ import annotations

import zlib

from schemahub.adapters.http.failure import Failed, line

_MAX_MEMBERS = 100  # of one gzip body


class Decoder:
    """Content-Encoding undone piece by piece; never holds more than `most` bytes of output."""

    def __init__(self, encoding: str, most: int) -> None:
        self._kind = encoding.strip().lower()
        if self._kind not in {"", "identity", "gzip", "x-gzip", "deflate"}:
            raise Failed("encoding", f"unknown Content-Encoding {line(encoding)!r}")
        self._most = most
        self._left = most
        self._members = 0
        self._inflate: zlib._Decompress | None = None

    def feed(self, piece: bytes) -> bytes:
        if self._kind in {"", "identity"}:
            return self._counted(piece)
        out = []
        try:
            while piece:
                inflate = self._stream(piece)
                out.append(self._counted(inflate.decompress(piece, self._left + 1)))
                piece = inflate.unconsumed_tail or inflate.unused_data
        except zlib.error as error:
            raise Failed("encoding", f"a damaged {self._kind} body: {error}") from error
        return b"".join(out)

    def finish(self) -> None:
        if self._inflate is not None and not self._inflate.eof:
            raise Failed("truncated", f"a {self._kind} body that is cut off")

    def _stream(self, piece: bytes) -> zlib._Decompress:
        if self._inflate is None or self._inflate.eof:
            self._members += 1
            if self._members > _MAX_MEMBERS:
                raise Failed("encoding", f"a {self._kind} body in more than {_MAX_MEMBERS} parts")
            if self._kind == "deflate":
                # Some servers mean raw deflate by it, some zlib, whose first byte says 8.
                bits = zlib.MAX_WBITS if piece[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
            else:
                bits = zlib.MAX_WBITS | 16
            self._inflate = zlib.decompressobj(bits)
        return self._inflate

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise Failed("too_large", f"a body that decodes to more than {self._most} bytes")
        return data
