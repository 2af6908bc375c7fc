"""Seconds until the dashboard of ten million trades is painted, and until each panel is there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figures import Row, at_most
from benchmarks.lake import EIGHT, copy, raw_lake
from benchmarks.process import BenchmarkFailed, Setting

TRADES = 10_000_000
PAINT, PANEL = 1.0, 2.0  # s
PANELS = ("headline", "pipeline", "api", "completeness", "quality", "market", "storage")
# When each section was first filled, by the page's own clock, which begins with its address.
_WATCH = """
window.readyAt = {};
new MutationObserver((changes) => {
  for (const { target } of changes) {
    if (target.dataset?.ready && !(target.id in window.readyAt))
      window.readyAt[target.id || "body"] = performance.now() / 1000;
  }
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-ready"] });
"""


def run(setting: Setting) -> list[Row]:
    trades = setting.count(TRADES)
    with setting.scratch() as folder:
        lake = copy(raw_lake(setting, trades, EIGHT), folder / "lake")
        setting.schemahub("transform", "--lake", lake, "-q")
        setting.schemahub("quality", "--lake", lake, "-q", "--fail-on", "never")
        with served(setting, lake) as address:
            first = _looked(address, trades)
        with served(setting, lake) as address:
            _looked(address, trades)
            again = _looked(address, trades)
    figure = f"dashboard: {trades / 1_000_000:g} M trades in {len(EIGHT)} markets"
    return [
        at_most(f"{figure}, first paint", first["paint"], "s", PAINT),
        *(at_most(f"{figure}, {name}", first[name], "s", PANEL) for name in PANELS),
        *(Row(f"{figure}, {name}, opened again", again[name], "s") for name in ("paint", *PANELS)),
    ]


@contextmanager
def served(setting: Setting, lake: Path) -> Iterator[str]:
    """The dashboard in a process of its own, which was asked nothing yet."""
    command = [sys.executable, "-m", "schemahub.cli", "dashboard", "--port", "0", "-q"]
    with subprocess.Popen(
        [*command, "--lake", str(lake)], stdout=subprocess.PIPE, text=True,
        env=setting.environment(), cwd=setting.folder,
    ) as process:  # fmt: skip
        try:
            address = process.stdout.readline().strip() if process.stdout else ""
            if not address:
                raise BenchmarkFailed("the dashboard did not start")
            yield address
        finally:
            process.terminate()


def _looked(address: str, trades: int) -> dict[str, float]:
    """What a browser that was never there sees, and when."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  (of the tests' group)

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise BenchmarkFailed("there is no chromium on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        browser.new_page().goto("about:blank")  # the browser's own start is not ours
        page = browser.new_page()
        page.add_init_script(_WATCH)
        page.goto(address)
        page.wait_for_selector("body[data-ready]", timeout=120_000)
        told = page.locator("[data-figure=trades] dd").inner_text()
        failed = page.locator(".failed").all_inner_texts()
        if failed or int(told.replace(",", "")) != trades:
            raise BenchmarkFailed(f"the page says {told} trades; {failed}")
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime / 1000"
        found: dict[str, float] = json.loads(page.evaluate("JSON.stringify(window.readyAt)"))
        found["paint"] = float(page.evaluate(paint))
        browser.close()
    return found
