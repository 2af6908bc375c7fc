"""Reading bytes without a look at bounds, one at a time or eight: whoever calls sees to these."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic


@intrinsic  # type: ignore[untyped-decorator]
def byte(_typing: Any, text: Any, at: Any) -> Any:
    """The byte of an array of bytes at `at`, from 0 to 255."""
    del text, at

    def load(_context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.zext(builder.load(_place(_context, builder, signature, given)), _LONG)

    return types.int64(types.Array(types.uint8, 1, "C", readonly=True), types.int64), load


@intrinsic  # type: ignore[untyped-decorator]
def word(_typing: Any, text: Any, at: Any) -> Any:
    """The eight bytes from `at` on, as one number in the machine's order."""
    del text, at

    def load(_context: Any, builder: Any, signature: Any, given: Any) -> Any:
        place = _place(_context, builder, signature, given)
        return builder.load(builder.bitcast(place, _LONG.as_pointer()), align=1)

    return types.uint64(types.Array(types.uint8, 1, "C", readonly=True), types.int64), load


_LONG = ir.IntType(64)


def _place(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    text, at = given
    data = context.make_array(signature.args[0])(context, builder, text).data
    return cgutils.gep_inbounds(builder, data, at)
