"""The index of promises names tests that exist, and leaves none of this folder out."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
INDEX = ROOT / "docs" / "SECURITY.md"
# Of parts of a promise that another test stands for.
MAY_BE_LEFT_OUT = {
    "test_visible_keeps_words_and_shows_what_is_none",
    "test_a_name_that_stands_twice_in_a_record_counts_once",
    "test_a_location_matches_itself_and_no_other",
    "test_a_line_that_is_no_pin_is_refused",
    "test_the_audit_says_what_it_cannot_know",
    "test_make_knows_both",
}


def proofs() -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """Each promise with (file, tests in it)."""
    found = []
    for line in INDEX.read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and not line.startswith(("| promise", "|---")):
            cells = line.strip("|").split(" | ")
            assert len(cells) == 3, line
            files = re.findall(r"\]\(([^)]+)\): ((?:`test_\w+`(?:, )?)+)", cells[2])
            found.append(
                (cells[0], [(file, re.findall(r"test_\w+", names)) for file, names in files])
            )
    return found


def test_every_promise_is_proved_by_tests_that_exist() -> None:
    assert len(proofs()) > 25
    for promise, files in proofs():
        assert files, promise
        for file, names in files:
            text = (INDEX.parent / file).read_text(encoding="utf-8")
            for name in names:
                assert f"def {name}(" in text, f"{promise}: {file} has no {name}"


def test_every_test_of_this_folder_is_in_the_index() -> None:
    named = {name for _, files in proofs() for _, names in files for name in names}
    there = {
        name
        for path in Path(__file__).parent.glob("test_*.py")
        if path.name != Path(__file__).name
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert there - named - MAY_BE_LEFT_OUT == set()
    assert there - named >= MAY_BE_LEFT_OUT
