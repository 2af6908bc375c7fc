"""Promises about the code itself that no linter of ours can see."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "schemahub"
TESTS = ROOT / "tests"
MAX_LINES = 400

# Words of other exchanges that mean nothing else; ours are found by their files.
OTHERS = (
    "binance", "kraken", "bitfinex", "bitstamp", "gemini", "bybit", "okx", "kucoin", "huobi",
    "deribit", "bitmex", "upbit", "mexc", "bitget", "gateio", "crypto.com",
)  # fmt: skip
# Names that are words as well: they are looked for in quotes.
WORDS = {"gate"}
MAY_NAME_ONE = {
    SRC / "cli" / "sandbox.py",  # serves that exchange's dialect, and says how to use it
}


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def told(path: Path) -> str:
    return str(path.relative_to(ROOT))


def exchanges() -> list[str]:
    found = [path.stem for path in (SRC / "exchanges").glob("*.yaml")]
    assert found
    return found


def test_no_exchange_is_named_in_code_but_for_the_default_in_the_settings() -> None:
    plain = [re.escape(word) for word in (*exchanges(), *OTHERS) if word not in WORDS]
    quoted = [rf"[\"']{word}[\"':]" for word in sorted(WORDS)]
    name = re.compile("|".join(plain + quoted), re.IGNORECASE)
    named = [
        (told(path), number, line.strip())
        for path in modules(SRC)
        if SRC / "sandbox" not in path.parents and path not in MAY_NAME_ONE
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if name.search(line)
    ]
    allowed = [one for one in named if one[2].startswith("DEFAULT_EXCHANGE = ")]
    assert [one for one in named if one not in allowed] == []
    assert [path for path, _, _ in allowed] == ["src/schemahub/core/settings.py"]


def handlers(path: Path) -> Iterator[tuple[ast.ExceptHandler, set[str]]]:
    """Each `except` with the names of the errors that it catches; none for a bare one."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            yield node, {ast.unparse(kind) if kind else "" for kind in kinds}


def test_only_the_outermost_edge_catches_every_exception() -> None:
    found = [
        told(path)
        for path in modules(SRC)
        for _, kinds in handlers(path)
        if kinds & {"Exception", ""}
    ]
    assert found == ["src/schemahub/cli/main.py"]


def test_who_catches_even_an_interrupt_raises_it_again_or_hands_it_over() -> None:
    for path in modules(SRC):
        for node, kinds in handlers(path):
            if "BaseException" in kinds:
                last = node.body[-1]
                again = isinstance(last, ast.Raise) and last.exc is None
                assert again or told(path) == "src/schemahub/adapters/tasks.py", told(path)


def test_no_handler_passes_over_an_error_of_ours_in_silence() -> None:
    ours = {"SchemaHubError", "StoreError", "ExchangeError", "ObjectCorrupt", "BadAnswer"}
    silent = [
        (told(path), node.lineno)
        for path in modules(SRC)
        for node, kinds in handlers(path)
        if kinds & ours and isinstance(node.body[0], ast.Pass)
    ]
    assert silent == []


@pytest.mark.parametrize("folder", [SRC, TESTS], ids=["src", "tests"])
def test_a_file_stays_short_enough_to_be_read(folder: Path) -> None:
    long = {
        told(path): lines
        for path in modules(folder)
        if (lines := len(path.read_text("utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_nothing_logs_and_goes_on_and_nothing_is_pickled_or_evaluated() -> None:
    for path in modules(SRC):
        assert not imports(path) & {"logging", "pickle", "shelve", "marshal"}, told(path)
        calls = {
            node.func.id
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"eval", "exec", "__import__"}, told(path)


def test_tests_use_real_parts_not_mocks() -> None:
    for path in modules(TESTS):
        assert not {name for name in imports(path) if "mock" in name}, told(path)


def test_every_folder_of_code_is_a_package_and_holds_no_stray_file() -> None:
    for folder in {path.parent for path in modules(SRC)}:
        assert (folder / "__init__.py").exists(), told(folder)
    page = SRC / "dashboard" / "static"  # tests/dashboard/test_build.py: what is built, no more
    files = [path for path in SRC.rglob("*") if path.is_file() and page not in path.parents]
    kinds = {path.suffix for path in files}
    # What Python and numba compiled lies beside its source.
    assert kinds - {".pyc", ".nbi", ".nbc"} <= {
        ".py",
        ".yaml",
        ".sql",
        ".toml",
        ".md",
        ".typed",
        "",
    }


def test_importing_the_command_line_loads_no_engine() -> None:
    heavy = {"pyarrow", "duckdb", "pandas", "polars", "numpy", "urllib3", "rich.progress"}
    code = f"import schemahub.cli.main, sys; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_importing_everything_writes_nothing_and_prints_nothing(tmp_path: Path) -> None:
    names = [
        ".".join(path.relative_to(SRC.parent).with_suffix("").parts)
        for path in modules(SRC)
        if path.name not in {"__main__.py", "__init__.py"}
    ]
    code = f"import importlib\nfor name in {names!r}: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("", "", [])
