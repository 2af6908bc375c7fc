"""A digest of a whole Parquet file, inside it.

Parquet's footer has no checksum of its own, and readers skip rows by what it says.
"""

from __future__ import annotations

import hashlib
import re

from schemahub.core.errors import ObjectCorrupt

SEAL = "schemahub.seal"
OPEN = "0" * 64
"""What stands in the metadata under SEAL until the file is sealed."""

# In the footer a key is followed by the length of its value, and that.
_SEALED = re.compile(rb"schemahub\.seal.{1,4}?([0-9a-f]{64})", re.DOTALL)
_FOOTER = 1 << 20


def sealed(data: memoryview) -> bytes:
    """`data` with its own digest in the place that its footer keeps for it."""
    found = _SEALED.search(data, max(0, len(data) - _FOOTER))
    if found is None or found[1] != OPEN.encode():
        msg = "a file was written without the place for its seal"
        raise ValueError(msg)
    seal = hashlib.sha256(data).hexdigest().encode()
    return b"".join((data[: found.start(1)], seal, data[found.end(1) :]))


def check_seal(data: bytes, key: str) -> None:
    """Raises ObjectCorrupt if a single byte is not as it was written."""
    found = _SEALED.search(data, max(0, len(data) - _FOOTER))
    if found is None:
        raise ObjectCorrupt(key, "it has no seal")
    view = memoryview(data)
    digest = hashlib.sha256(view[: found.start(1)])
    digest.update(OPEN.encode())
    digest.update(view[found.end(1) :])
    if digest.hexdigest().encode() != found[1]:
        raise ObjectCorrupt(key, "its seal is not that of its content")
