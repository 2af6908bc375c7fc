"""What stands around the rows of an answer: the path to them, an error in their place.

A path is names of members parted by dots; a number is an index where a list stands. `*` is
the one list among the members of an object, whatever its name.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from schemahub.core.spec import Errors

MAX_DEPTH = 32
Fault = Literal["throttled", "refused", "error"]

_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_TELLING = 500  # characters of an error that are repeated
_NAMES = 12  # members of an object that are told


def depth(body: bytes) -> int:
    """How deep the JSON in `body` nests, by its brackets outside strings."""
    deepest = now = 0
    for token in _BRACKET.finditer(body):
        if token[0] in b"[{":
            now += 1
            deepest = max(deepest, now)
        elif token[0] in b"]}":
            now -= 1
    return deepest


def too_deep(body: bytes) -> bool:
    """Whether the JSON in `body` nests deeper than MAX_DEPTH.

    An opening bracket after `},` or `],` takes the place of the one that was closed (inside a
    string neither counts): no page of flat rows has to be looked at bracket by bracket.
    """
    opened = body.count(b"[") + body.count(b"{") - body.count(b"},{") - body.count(b"],[")
    return opened > MAX_DEPTH and depth(body) > MAX_DEPTH


def inside(body: bytes | msgspec.Raw, path: str) -> bytes | msgspec.Raw:
    """The value at `path`, verbatim; `body` itself if that is empty.

    Raises ValueError if there is none, or if `*` is no list or several.
    """
    parts = path.split(".") if path else []
    for number, part in enumerate(parts):
        try:
            body = _step(body, part)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(f"no {path} in it: {error}") from None
        except (KeyError, IndexError):
            there = _beside(body, ".".join(parts[:number]))
            raise ValueError(f"no {path} in it{there}") from None
    return body


def listed(body: bytes, path: str) -> list[msgspec.Raw]:
    """The list at `path`, its values verbatim. Raises ValueError if there is none."""
    found = inside(body, path)
    try:
        return _list.decode(found)
    except (msgspec.DecodeError, RecursionError) as error:
        place = path or "the answer"
        raise ValueError(f"{place} is no list: {error}{_beside(found, path)}") from None


def _beside(body: bytes | msgspec.Raw, place: str) -> str:
    """What there is at `place` instead of what was looked for; nothing if it is no object."""
    try:
        names = list(_object.decode(body))
    except (msgspec.DecodeError, RecursionError):
        return ""
    shown = ", ".join(names[:_NAMES]) + (", …" if len(names) > _NAMES else "")
    return f"; {f'in {place} ' if place else ''}there are {shown[:_TELLING]}" if names else ""


def _step(body: bytes | msgspec.Raw, part: str) -> msgspec.Raw:
    if part.isdigit() and bytes(body).lstrip()[:1] == b"[":
        return _list.decode(body)[int(part)]
    members = _object.decode(body)
    if part != "*":
        return members[part]
    lists = [value for value in members.values() if bytes(value)[:1] == b"["]
    if len(lists) != 1:
        raise ValueError(f"{len(lists)} lists in it where one is expected")
    return lists[0]


def members(body: bytes | msgspec.Raw, path: str) -> list[msgspec.Raw]:
    """The values of the list or object at `path`, of which a last `*` means all.

    Raises ValueError if there is none.
    """
    path = path.removesuffix("*").removesuffix(".")
    found = inside(body, path)
    try:
        if bytes(found).lstrip()[:1] == b"{":
            return list(_object.decode(found).values())
        return _list.decode(found)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def complaint(body: bytes, errors: Errors | None) -> tuple[Fault, str] | None:
    """The error that an answer of status 200 tells, and of what kind; None if it tells none.

    Of what is no JSON it says nothing: no rows will be found in it.
    """
    if errors is None:
        return None
    try:
        raw = bytes(inside(body, errors.at))
    except ValueError:
        return None
    if raw in {b"null", b'""'} or not re.sub(rb"[\[\]{}\s]", b"", raw):
        return None
    try:
        text = msgspec.json.decode(raw, type=str)
    except msgspec.DecodeError:
        text = raw.decode("utf-8", "replace")
    if text in errors.fine:
        return None
    if any(word in text for word in errors.throttled):
        return "throttled", text[:_TELLING]
    return "refused" if any(word in text for word in errors.refused) else "error", text[:_TELLING]
