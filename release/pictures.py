"""Makes the pictures of the dashboard: python -m release.pictures (needs chromium).

Of trades that the built-in exchange makes up, so that whoever repeats it sees the same.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parents[1] / "docs" / "images"
PROGRAM = [sys.executable, "-m", "schemahub.cli"]


def run(*words: str) -> None:
    subprocess.run([*PROGRAM, *words, "-q"], check=False, stdout=subprocess.DEVNULL)


def fill(folder: Path) -> None:
    """Two markets; of one a raw object is taken away, so that a day is missing."""
    command = [*PROGRAM, "sandbox", "--port", "0", "-q"]
    markets = ["--market", "BTC-USD=600000", "--market", "ETH-USD=200000"]
    with subprocess.Popen([*command, *markets], stdout=subprocess.PIPE, text=True) as box:
        assert box.stdout is not None
        url = box.stdout.readline().strip()
        lake = ["--lake", str(folder)]
        talk = ["--base-url", f"coinbase={url}", *lake]
        run("ingest", "BTC-USD", "ETH-USD", "--full", *talk)
        box.terminate()
    objects = sorted((folder / "raw_coinbase_trades" / "ETH-USD").glob("*.jsonl.zst"))
    objects[len(objects) // 2].unlink()
    shutil.rmtree(folder / "checkpoints")
    run("transform", *lake)
    run("quality", *lake)


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = Path(scratch) / "lake"
        fill(folder)
        command = [*PROGRAM, "dashboard", "--port", "0", "--lake", str(folder), "-q"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            themes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
            for theme in themes:
                page = browser.new_page(
                    viewport={"width": 1280, "height": 1500}, color_scheme=theme
                )
                page.goto(address)
                page.wait_for_selector("body[data-ready]")
                page.evaluate("document.getElementById('place').textContent = './lake'")
                page.wait_for_timeout(500)
                page.screenshot(path=IMAGES / f"dashboard-{theme}.png")
            page = browser.new_page(viewport={"width": 390, "height": 844})
            page.goto(f"{address}/#completeness")
            page.wait_for_selector("body[data-ready]")
            page.wait_for_timeout(500)
            page.screenshot(path=IMAGES / "dashboard-phone.png")
            browser.close()
            server.terminate()


if __name__ == "__main__":
    main()
