"""JSON bodies to the byte: numbers with the digits they are given, and what is no JSON at all."""

from __future__ import annotations

import json
from dataclasses import dataclass

__all__ = ["Number", "Verbatim", "printed"]


class Number(str):
    """A JSON number by its text, so that no float stands between a trade and the wire."""

    __slots__ = ()


@dataclass(frozen=True)
class Verbatim:
    """The bytes that stand where a value should be: no JSON has to be in them."""

    data: bytes


def printed(value: object) -> bytes:
    """The compact JSON of a value, in which `Number` and `Verbatim` stand as they are."""
    match value:
        case Verbatim():
            return value.data
        case Number():
            return value.encode()
        case dict():
            return b"{" + b",".join(_dump(k) + b":" + printed(v) for k, v in value.items()) + b"}"
        case list() | tuple():
            return b"[" + b",".join(map(printed, value)) + b"]"
        case _:
            return _dump(value)


def _dump(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
