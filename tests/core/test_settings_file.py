"""The file that `init` writes: whole, true, and without effect until it is changed."""

from __future__ import annotations

import tomllib
from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from schemahub.core.settings import Settings, layer
from schemahub.core.settings_file import EXAMPLES, MEANINGS, annotated


def uncommented(text: str) -> str:
    """With every setting that is told as a comment in force."""
    lines = [line.removeprefix("# ") for line in text.splitlines()]
    return "\n".join(line for line in lines if "=" in line or line.startswith("["))


def test_every_setting_is_told_and_the_file_alone_changes_nothing() -> None:
    assert MEANINGS.keys() == {field.name for field in fields(Settings)}
    text = annotated({})
    assert tomllib.loads(text) == {}
    assert layer({}, {}, tomllib.loads(text), "f")[0] == Settings()


def test_what_is_told_as_the_default_is_the_default() -> None:
    told = tomllib.loads(uncommented(annotated({})))
    assert told.keys() == MEANINGS.keys()
    assert told.pop("base_urls") == {"coinbase": "http://127.0.0.1:8765"}
    own = {field.name: field.default for field in fields(Settings)}
    examples = {name: value for name, value in told.items() if value != own[name]}
    assert examples == EXAMPLES
    assert not any(own[name] for name in EXAMPLES)
    del told["lake"]  # a lake is in a folder or in a bucket
    layer({}, {}, told, "f")


@given(lake=st.text(st.characters(codec="utf-8"), min_size=1))
def test_whatever_is_set_is_read_as_it_was_given(lake: str) -> None:
    assert tomllib.loads(annotated({"lake": lake, "workers": 7})) == {"lake": lake, "workers": 7}
