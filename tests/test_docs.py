"""The documents say what there is: no command, option, setting, error, column or link is amiss."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from schemahub import api, rows
from schemahub.adapters.duck.views import MARKETS_TABLE
from schemahub.cli.main import COMMANDS, cli
from schemahub.core import errors
from schemahub.core.proof import STATUSES
from schemahub.core.settings import Settings
from schemahub.core.spec import ExchangeSpec
from schemahub.core.trade import UNIFIED_SCHEMA
from schemahub.sandbox import KINDS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
COMMON = {"lake", "s3_bucket", "exchanges", "quiet", "verbose", "no_progress", "debug"}
COMMON |= {"base_urls", "rate_share", "help"}

_FENCE = re.compile(r"^```[^\n]*\n.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_PLAIN = {"string": "string", "int64": "int64", "decimal": "decimal(38,12)"}


@cache
def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


# ---------------------------------------------------------------- reading Markdown


def section(document: str, heading: str) -> str:
    """What stands below a heading, down to the next one of its level or above."""
    level = heading.index(" ")
    found = re.search(
        rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{level}}} |\Z)",
        text(document),
        re.MULTILINE | re.DOTALL,
    )
    assert found, f"{document} has no heading {heading!r}"
    return found[1]


def row(words: str, first: str) -> list[str]:
    """The cells of the row whose first cell begins with `first` as code."""
    for line in words.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and cells[0].startswith(f"`{first}`"):
            return cells
    pytest.fail(f"no row for {first}")


def blocks(document: str, language: str) -> Iterator[str]:
    for found in re.finditer(
        rf"^```{language}[^\n]*\n(.*?)^```$", text(document), re.MULTILINE | re.DOTALL
    ):
        yield found[1]


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found = set()
    for line in _FENCE.sub("", path.read_text(encoding="utf-8")).splitlines():
        if line.startswith("#"):
            words = line.lstrip("#").strip().lower()
            found.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return found


# ---------------------------------------------------------------- the command line


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            for below, inner in command.commands.items():
                yield f"{name} {below}", inner


def label(value: object) -> str:
    return value if isinstance(value, str) else ""


def flags(command: click.Command) -> dict[str, list[str]]:
    return {
        str(param.name): [*param.opts, *param.secondary_opts]
        for param in command.params
        if isinstance(param, click.Option)
    }


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=label)
def test_every_command_and_option_is_documented(name: str, command: click.Command) -> None:
    words = section("docs/cli.md", f"### `schemahub {name}`")
    for option, spellings in flags(command).items():
        if option in COMMON:
            continue
        for spelling in spellings:
            assert re.search(rf"`{re.escape(spelling)}\b", words), f"{name} {spelling}"


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=label)
def test_no_option_is_documented_that_there_is_not(name: str, command: click.Command) -> None:
    known = {spelling for spellings in flags(command).values() for spelling in spellings}
    words = section("docs/cli.md", f"### `schemahub {name}`")
    for line in words.splitlines():
        if line.startswith("| `-"):
            first = line.split(" | ")[0]
            assert set(re.findall(r"`(--?[a-z][a-z-]*)", first)) <= known, line


def test_common_options_are_documented() -> None:
    words = section("docs/cli.md", "## Common options")
    for _, command in commands():
        for option, spellings in flags(command).items():
            if option in COMMON:
                assert all(f"`{spelling}" in words for spelling in spellings), spellings


def test_the_readme_names_every_command() -> None:
    for name, _ in commands():
        if name != "config":
            assert f"schemahub {name}" in text("README.md") or f"make {name}" in text("README.md")


@pytest.mark.parametrize("path", DOCUMENTS, ids=ids)
def test_no_document_names_a_command_or_option_that_there_is_not(path: Path) -> None:
    known = dict(commands())
    words = path.read_text(encoding="utf-8")
    inline = re.findall(r"`schemahub ([^`]+)`", words)
    shown = [
        line
        for block in re.findall(
            r"^```(?:sh|text)[^\n]*\n(.*?)^```$", words, re.MULTILINE | re.DOTALL
        )
        for line in re.findall(r"^(?:\s*|.*\s)schemahub ([a-z-]+.*)$", block, re.MULTILINE)
    ]
    for said in (line.split("#")[0] for line in (*inline, *shown)):
        names = said.split()
        if names[0].startswith("-") or names[0] == "COMMAND":
            continue
        assert names[0] in known, f"schemahub {said}"
        two = " ".join(names[:2])
        options = flags(known[two if two in known else names[0]])
        spellings = {one for many in options.values() for one in many} | {"--help", "-h"}
        for flag in re.findall(r"(?<=\s)(--[a-z][a-z0-9-]*)", said):
            assert flag in spellings, f"schemahub {said}"


def test_every_fault_of_the_sandbox_is_documented() -> None:
    words = section("docs/cli.md", "### `schemahub sandbox`")
    for name, kind in KINDS.items():
        assert f"`{name}`" in words, name
        for argument in kind.args:
            assert f"`{argument}`" in words, f"{name}: {argument}"


# ---------------------------------------------------------------- settings, errors, exit codes


def test_every_setting_is_documented() -> None:
    for document, heading in (
        ("docs/cli.md", "## Configuration"),
        ("README.md", "## Configuration"),
    ):
        words = section(document, heading)
        assert "SCHEMAHUB_CONFIG" in words
        for field in fields(Settings):
            cells = row(words, field.name)
            assert f"`SCHEMAHUB_{field.name.upper()}`" in cells[2]
            default = "none" if field.default in {(), ""} else str(field.default)
            assert cells[3].strip("`") == default, field.name


def all_errors(kind: type[errors.SchemaHubError]) -> Iterator[type[errors.SchemaHubError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from all_errors(below)


def test_every_error_code_is_documented_with_its_exit_code() -> None:
    said = text("docs/errors.md")
    for kind in all_errors(errors.SchemaHubError):
        cells = row(said, kind.code)
        exits = "130, 143" if kind is errors.Interrupted else str(kind.exit_code)
        assert cells[1:3] == [exits, f"`{kind.__name__}`"]
    codes = {kind.code for kind in all_errors(errors.SchemaHubError)}
    assert set(re.findall(r"SH-[A-Z-]+[A-Z]", said)) <= codes


def test_every_exit_code_is_documented() -> None:
    codes = {0, 130, 141, 143} | {kind.exit_code for kind in all_errors(errors.SchemaHubError)}
    for document in ("docs/cli.md", "README.md"):
        said = section(document, "## Exit codes")
        found = {int(code) for code in re.findall(r"(?<=[|,] )(\d+)(?=[ ,])", said)}
        assert found == codes, document


def test_every_status_of_a_certificate_is_documented() -> None:
    for status in STATUSES:
        row(section("docs/architecture.md", "## Verify and repair"), status)


# ---------------------------------------------------------------- data


def test_every_column_is_documented_as_it_is() -> None:
    for document, heading in (("docs/trade-schema.md", "## `trades`"), ("README.md", "## Schema")):
        words = section(document, heading)
        for column in UNIFIED_SCHEMA:
            cells = row(words, column.name)
            kind = _PLAIN.get(column.kind, "timestamp")
            assert cells[1].startswith(kind), column.name
            if document != "README.md":
                assert cells[2] == ("yes" if column.nullable else "no"), column.name


def test_every_column_of_the_other_views_is_documented() -> None:
    markets = re.findall(r"(\w+) (?:VARCHAR|DECIMAL|BIGINT|TIMESTAMPTZ)", MARKETS_TABLE)
    bars = "exchange symbol bar_ts open high low close volume quote_volume buy_volume trades vwap"
    for view, columns in (
        ("markets", markets),
        ("bars_1m", [*bars.split(), "first_position", "last_position"]),
    ):
        words = section("docs/trade-schema.md", f"## `{view}`")
        named = {name for line in words.splitlines() if line.startswith("| `")
                 for name in re.findall(r"`(\w+)`", line.split(" | ")[0])}  # fmt: skip
        assert named == set(columns), view


def spec_fields(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from spec_fields(inner)


def test_every_field_of_a_spec_is_documented() -> None:
    for name in spec_fields(ExchangeSpec):
        assert re.search(rf"`{name}\b", text("docs/exchange-spec.md")), name
    for name, field in ExchangeSpec.model_fields.items():
        cells = row(section("docs/exchange-spec.md", "## Top level"), name)
        assert (cells[2] == "required") == field.is_required(), name


# ---------------------------------------------------------------- Python


@pytest.mark.parametrize(("kind", "heading"), [(api.Lake, "## `Lake`"), (rows.Rows, "## Rows")])
def test_every_method_of_the_api_is_documented(kind: type, heading: str) -> None:
    methods = [
        name
        for name in vars(kind)
        if not name.startswith("_") and callable(getattr(kind, name, None))
    ]
    said = section("docs/python-api.md", heading)
    for name in methods:
        assert f"`{name}(" in said, name


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a lake in it, as its reader has after the demo, and what the demo said."""
    folder = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [sys.executable, "-m", "schemahub.cli", "demo", "--lake", "lake"],
        cwd=folder, env={**os.environ, "NO_COLOR": "1"}, check=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
    )  # fmt: skip
    return folder, done.stdout


def without_figures(said: str) -> list[str]:
    """Its lines, sorted (markets end in any order), without what differs from run to run."""
    lines = (re.sub(r"[0-9][0-9.,:-]*|─+", "0", line) for line in said.splitlines())
    words = (re.sub(r" (k|M)?B,", " B,", " ".join(line.split())) for line in lines)
    return sorted(line for line in words if line and not line.endswith("lake"))


def test_the_readme_shows_what_the_demo_prints(demo: tuple[Path, str]) -> None:
    """Where this fails, paste the output of `make demo` into README anew."""
    shown = next(block for block in blocks("README.md", "text") if "1. ingest" in block)
    assert without_figures(shown) == without_figures(demo[1])


@pytest.mark.parametrize("document", ["README.md", "docs/python-api.md"])
def test_the_python_examples_run(document: str, demo: tuple[Path, str]) -> None:
    for example in blocks(document, "python"):
        done = subprocess.run(
            [sys.executable, "-W", "error::UserWarning", "-c", example],
            cwd=demo[0], capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


# ---------------------------------------------------------------- links


@pytest.mark.parametrize("path", DOCUMENTS, ids=ids)
def test_no_link_is_broken(path: Path) -> None:
    for link in _LINK.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        if re.match(r"https?:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), f"{link}"
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", ["CORRECTNESS_INVARIANTS.md", "FAILURE_MODES.md"])
def test_every_promise_is_linked_to_tests_that_exist(page: str) -> None:
    """A table's row ends in files with the tests in them."""
    path = ROOT / "docs" / page
    rows = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    promises = [line for line in rows if not line.startswith(("| promise", "| failure", "|---"))]
    assert promises
    for line in promises:
        proofs = re.findall(r"\[[^\]]+\]\(([^)]+)\): ((?:`test_\w+`(?:, )?)+)", line)
        assert proofs, line
        for file, names in proofs:
            there = (path.parent / file).read_text(encoding="utf-8")
            for name in re.findall(r"`(test_\w+)`", names):
                assert f"def {name}(" in there, f"{file} has no {name}"


def test_decisions_have_their_four_parts() -> None:
    pages = sorted(ROOT.glob("docs/decisions/*.md"))
    assert [path.name[:4] for path in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    for path in pages:
        said = path.read_text(encoding="utf-8")
        for part in ("Context", "Decision", "Alternatives", "Consequences"):
            assert f"**{part}.**" in said, f"{path.name}: {part}"
