"""`python -m schemahub.kernels`: compiles them now, so that no run has to wait for it."""

from __future__ import annotations

import sys

from schemahub import kernels

ROWS = b'[{"id":7}]'
LITERALS = (b"[", b",", b"]", b'{"id":', b"}", b"buy", b"sell")


def main() -> int:
    """0, also where there is nothing to compile; 1 if what is compiled does not do its work."""
    if not kernels.installed():
        return 0
    import numpy as np  # noqa: PLC0415  (an optional extra)

    from schemahub.kernels import bars, rows  # noqa: PLC0415  (the same)
    from schemahub.kernels.scan import Scanned  # noqa: PLC0415  (the same)

    into = Scanned.empty(2)
    read = rows.scan(
        np.frombuffer(ROWS, np.uint8), rows.packed(LITERALS), np.array([rows.ID]), 0, 0,
        0, into.ids, into.sides, into.prices, into.quantities, into.times,
    )  # fmt: skip
    one, long = (memoryview(number.to_bytes(size, "little")) for number, size in ((1, 8), (1, 16)))
    side = (memoryview(b"\0\0\0\0\3\0\0\0"), memoryview(b"buy"))
    made = bars.runs(long, long, one, one, side)
    return 0 if read == 1 and made is not None else 1


if __name__ == "__main__":
    sys.exit(main())
