"""The page in a real Chromium: what it shows, by mouse, by keyboard, on a phone, and live."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.command_line import parse
from tests.dashboard.lake import A_DAY, BTC, ETH, IDS, served, write

PANELS = ("headline", "pipeline", "api", "completeness", "quality", "market", "storage")


def figure(page: Page, name: str) -> str:
    return page.locator(f"[data-figure={name}] dd").inner_text()


def test_seven_panels_show_the_lake(page: Page) -> None:
    for name in PANELS:
        expect(page.locator(f"#{name}")).to_have_attribute("data-ready", "true")
    assert page.locator(".failed").count() == 0
    assert figure(page, "trades") == f"{IDS - 100 + A_DAY:,}"
    assert figure(page, "missing") == "100"
    assert figure(page, "markets") == "1 of 2"
    assert figure(page, "span") == "2024-03-01 to 2024-03-04"
    expect(page.locator("#quality")).to_contain_text("id_gaps: 1 found")
    expect(page.locator("#pipeline")).to_contain_text("transform")
    expect(page.locator("#storage [data-figure=compaction]")).to_contain_text("superseded")
    bars = int(page.locator("#candles").get_attribute("data-bars") or 0)
    assert bars == 4 * 96 - 5  # of 15 minutes; five lie in the hole
    assert page.locator("#candles canvas").count() > 0


def test_a_hole_is_found_by_the_mouse_and_says_how_to_repair_it(page: Page, folder: Path) -> None:
    cell = page.get_by_label(f"{BTC} 2024-03-02: missing, {A_DAY - 100:,} trades, 100 missing")
    cell.click()
    holes = page.locator("#holes")
    expect(holes).to_contain_text("not_fetched")
    words = shlex.split(holes.locator("pre").first.inner_text())
    assert words == ["schemahub", "repair", str(BTC), "--lake", str(folder)]
    parse(words[1:])


def test_the_heat_map_goes_by_arrows_and_enter(page: Page) -> None:
    first = page.locator(".heat button").first
    first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    where = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert where.startswith(f"{ETH} 2024-02-05"), where
    page.keyboard.press("Enter")
    expect(page.locator("#holes h3")).to_have_text(f"{ETH}, 2024-02-05")


def test_every_control_is_reached_by_tab_alone(page: Page) -> None:
    page.locator("body").press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    seen = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"live", "theme", "span", "until", "market-first", "every", "SUMMARY"} <= seen


def test_exchanges_are_laid_over_each_other_and_their_spread_is_shown(page: Page) -> None:
    page.select_option("#market-others", str(ETH))
    expect(page.locator("#market")).to_contain_text("Spread, latest first")
    label = page.locator("#candles").get_attribute("aria-label") or ""
    assert str(BTC) in label
    assert str(ETH) in label


def test_candles_of_another_length_are_fetched(page: Page) -> None:
    page.select_option("#every", "1d")
    expect(page.locator("#candles")).to_have_attribute("data-bars", "4")


def test_a_panel_shows_its_sql_its_addresses_and_its_command(page: Page) -> None:
    box = page.locator("#completeness > .origin")
    box.locator("summary").click()
    expect(box.locator("pre").first).to_contain_text("FROM bars_1m")
    links = box.locator("a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
    assert [link.split("?")[0] for link in links[:2]] == ["/api/days.json", "/api/days.arrow"]
    assert page.request.get(page.url.rstrip("/") + links[0]).ok
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    box.get_by_role("button", name="Copy as command").first.click()
    expect(page.locator("#said")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("schemahub query --lake ")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_rules_of_accessibility_are_kept(page: Page, theme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    if page.evaluate("document.documentElement.dataset.theme") != theme:
        page.locator("#theme").click()
    page.get_by_label(re.compile("2024-03-02: missing")).click()
    for summary in page.locator(".origin > summary").all():
        summary.click()
    expect(page.locator("#holes")).to_contain_text("not_fetched")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_on_a_phone_nothing_is_wider_than_the_screen(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert figure(page, "trades")


def test_live_mode_shows_what_is_new_and_touches_nothing_else(
    browser: Browser, folder: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "lake"
    shutil.copytree(folder, mine)
    with served("--lake", str(mine)) as address:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        page.evaluate("document.querySelectorAll('#quality table').forEach(t => t.mark = 1)")
        page.evaluate("document.querySelector('#headline canvas').mark = 1")
        page.locator("#live").check()
        write(mine, ETH, (A_DAY + 1, A_DAY + 601))
        new = f"{IDS - 100 + A_DAY + 600:,}"
        expect(page.locator("[data-figure=trades] dd")).to_have_text(new, timeout=20_000)
        same = "[...document.querySelectorAll('#quality table')].every(t => t.mark === 1)"
        assert page.evaluate(same)
        assert page.evaluate("document.querySelector('#headline canvas').mark") == 1
        page.close()


def test_an_error_is_told_where_it_happens_and_the_rest_stays(page: Page) -> None:
    page.route("**/api/storage.json", lambda route: route.fulfill(
        status=200, content_type="application/json",
        body='{"columns":[],"rows":"no"}',
    ))  # fmt: skip
    page.reload()
    page.wait_for_selector("body[data-ready]")
    expect(page.locator("#storage .failed")).to_be_visible()
    assert page.locator(".failed").count() == 1
    assert figure(page, "trades")


def test_an_empty_lake_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    with served("--lake", str(tmp_path)) as address:
        page = browser.new_page()
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        assert page.locator(".failed").count() == 0
        expect(page.locator("#market")).to_contain_text("schemahub ingest")
        page.close()
