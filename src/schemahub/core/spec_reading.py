"""A spec out of plain data, or every mistake in it at once, each with its line.

Mistakes are told in the words of whoever writes YAML: the names that are allowed, the one
that was probably meant, and what is still to be filled in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from schemahub.core.errors import SpecError
from schemahub.core.spec import ExchangeSpec
from schemahub.core.spec_fields import MISPLACED

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

FILL_IN = "FILL-IN"  # stands in a new spec where only the exchange's documentation knows
_DO = "correct these lines; docs/exchange-spec.md describes every field"
_Path = tuple[str | int, ...]


def build(data: object, lines: dict[_Path, int], file: str) -> ExchangeSpec:
    """The spec in `data`, as YAML gave it; `lines` maps a path in it to its line.

    Raises SpecError with every mistake at once.
    """
    empty = list(_to_fill_in(data))
    found: list[tuple[_Path, str]] = [(path, "is still to be filled in") for path in empty]
    spec = None
    try:
        spec = ExchangeSpec.model_validate(_tuples(data))
    except ValidationError as error:
        told = error.errors(include_url=False)
        found += [one for one in _mistakes(told, data) if one[0] not in empty]
    if spec is None or found:
        said = sorted((_line(path, lines), _where(path), what) for path, what in found)
        raise SpecError(
            f"{file} is not a valid exchange spec: {len(said)} mistake(s)",
            tuple(f"line {line}: {where}: {what}" for line, where, what in said),
            _DO,
        )
    return spec


def schema() -> str:
    """The JSON Schema of a spec file, for editors: its fields and names, not what joins them."""
    found = ExchangeSpec.model_json_schema(by_alias=True)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An exchange, as SchemaHub is told of it",
    }
    return json.dumps({**head, **{k: v for k, v in found.items() if k != "title"}}, indent=2) + "\n"


def _tuples(data: object) -> object:
    # Strict pydantic wants tuples where YAML can only say lists.
    if isinstance(data, dict):
        return {key: _tuples(value) for key, value in data.items()}
    if isinstance(data, list):
        return tuple(_tuples(value) for value in data)
    return data


def _to_fill_in(data: object, path: _Path = ()) -> Iterator[_Path]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _to_fill_in(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _to_fill_in(value, (*path, index))
    elif isinstance(data, str) and FILL_IN in data:
        yield path


def _mistakes(told: list[ErrorDetails], data: object) -> Iterator[tuple[_Path, str]]:
    """Place and words of each; of a field that may be one of several kinds once."""
    places: dict[_Path, list[ErrorDetails]] = {}
    for one in told:
        places.setdefault(_place(one, data), []).append(one)
    for place, several in places.items():
        if len(several) > 1:
            yield place, _either(place, several)
        else:
            yield place, _said(several[0])


def _place(one: ErrorDetails, data: Any) -> _Path:  # noqa: ANN401  (what YAML gives)
    """Where it is in the file: pydantic's own words for the kinds of a field are left out."""
    if one["type"] == MISPLACED:
        return one["loc"] + tuple(one["ctx"]["place"].split("."))
    place: _Path = ()
    for part in one["loc"]:
        named = isinstance(data, dict) and part in data
        if named or (isinstance(data, list) and isinstance(part, int)):
            data = data[part]
        elif one["type"] != "missing":
            break
        place = (*place, part)
    return place


def _line(path: _Path, lines: dict[_Path, int]) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _where(path: _Path) -> str:
    return ".".join(map(str, path)) or "the file"


def _either(place: _Path, several: list[ErrorDetails]) -> str:
    """A field of several kinds: what is wrong with the one that was meant, if that is plain."""
    for one in several:
        if not one["type"].endswith("_type"):
            return _said(one)
    what = "a word, a whole number, or true or false"
    if place[-1] == "from":
        what = "the name of a field, or its index where rows are lists"
    return f"must be {what}, not {several[0]['input']!r:.60}"


def _said(one: ErrorDetails) -> str:
    """What is wrong, in the words of whoever writes YAML rather than pydantic's."""
    kind, given = one["type"], one["input"]
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind == "extra_forbidden":
        name, names = str(one["loc"][-1]), _names(one["loc"][:-1])
        return f"is not a field here; {_meant(name, names) or 'there are ' + ', '.join(names)}"
    if kind == "literal_error":
        names = re.findall(r"'([^']+)'", one["ctx"]["expected"])
        meant = _meant(given, names) if isinstance(given, str) else ""
        return f"must be {_or(names)}, not {given!r:.60}{'; ' if meant else ''}{meant}"
    if kind == "string_type":
        return f"must be text, but YAML reads it as {given!r:.40}; put it in quotes"
    said = one["msg"].removeprefix("Value error, ")
    said = said.replace("Input should", "must").replace("String should", "must")
    simple = isinstance(given, str | int | float) and kind not in {"value_error", MISPLACED}
    return f"{said}, not {given!r:.60}" if simple else said


_PLAIN = {
    "missing": "is missing",
    "model_type": "must be fields with their values",
    "dict_type": "must be fields with their values",
    "tuple_type": "must be a list, like [one, two]",
}


def _meant(name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, 1)
    return f"did you mean {close[0]}?" if close else ""


def _or(names: list[str]) -> str:
    *most, last = map(repr, names)
    return f"{', '.join(most)} or {last}" if most else last


def _names(loc: _Path) -> list[str]:
    """The fields that there are at `loc`, as YAML names them."""
    model: type[BaseModel] = ExchangeSpec
    for part in loc:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        below = fields[str(part)].annotation if part in fields else None
        for kind in (below, *getattr(below, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                model = kind
    return [field.alias or name for name, field in model.model_fields.items()]
