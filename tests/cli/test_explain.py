"""schemahub explain: a page for every code, and true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemahub.cli.explain import PAGES
from schemahub.core import errors
from tests.e2e.world import here


def kinds(
    kind: type[errors.SchemaHubError] = errors.SchemaHubError,
) -> Iterator[type[errors.SchemaHubError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from kinds(below)


KINDS = {kind.code: kind for kind in kinds()}


def test_every_code_has_a_page_and_no_other_has_one() -> None:
    assert {path.stem for path in PAGES.iterdir()} == KINDS.keys()
    assert here(["explain"]).out.split() == sorted(KINDS)


@pytest.mark.parametrize("code", sorted(KINDS))
def test_a_page_tells_its_exit_code_and_what_to_do(code: str) -> None:
    kind = KINDS[code]
    said = here(["explain", code.lower().removeprefix("sh-")])
    assert said.code == 0
    head, told = said.out.splitlines()[0], said.out.splitlines()[2]
    assert head == code
    exits = "130 or 143" if kind is errors.Interrupted else str(kind.exit_code)
    assert told == f"Exit code {exits}; in Python `schemahub.core.errors.{kind.__name__}`."
    assert "\nWhat it means\n" in said.out
    assert "\nWhat to do\n" in said.out
    assert "](" not in said.out


@pytest.mark.parametrize("path", sorted(PAGES.iterdir()), ids=lambda path: path.stem)
def test_the_links_of_a_page_lead_somewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert target.startswith("http") or (path.parent / target).exists(), target
    for code in re.findall(r"SH-[A-Z-]+[A-Z]", text):
        assert code in KINDS


def test_a_code_that_there_is_not_says_which_was_meant() -> None:
    said = here(["explain", "SH-STOER"])
    assert said.code == 2
    assert "did you mean SH-STORE?" in said.err
