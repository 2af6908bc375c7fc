// The heat map: a row a market, a cell a day; arrows move, Enter shows the holes.

import { el, day, count } from "./dom.js";
import type { Row } from "./api.js";

const STATES: Record<string, string> = {
  proven: "proven", unproven: "unproven", missing: "missing", absent: "absent at source", empty: "nothing held",
};

export function legend(): HTMLElement {
  const one = ([state, words]: [string, string]) => el("li", {}, el("span", { class: `cell ${state}`, "aria-hidden": "true" }), words);
  return el("ul", { class: "legend" }, ...Object.entries(STATES).map(one));
}

export function heat(rows: Row[], days: string[], chosen: (market: string, day: string) => void): HTMLElement {
  const by = new Map(rows.map((row) => [`${row["market"]} ${day(row["day_ts"])}`, row]));
  const markets = [...new Set(rows.map((row) => String(row["market"])))];
  if (!markets.length) return el("p", { class: "none" }, "No trades on these days");
  const head = el("tr", {}, el("th", { scope: "col" }, "market"), ...days.map((at) =>
    el("th", { scope: "col", class: "tick" }, el("span", { class: "hidden" }, at), at.endsWith("-01") || days.length < 9 ? at.slice(5) : "")));
  const body = markets.map((market) => el("tr", {}, el("th", { scope: "row" }, market), ...days.map((at) => el("td", {}, cell(market, at, by.get(`${market} ${at}`), chosen)))));
  const grid = el("table", { class: "heat" }, el("caption", { class: "hidden" }, "Completeness, a row a market, a cell a day"), el("thead", {}, head), el("tbody", {}, ...body));
  const first = grid.querySelector("button");
  if (first) first.tabIndex = 0;
  grid.addEventListener("keydown", (event) => move(grid, event));
  const box = el("div", { class: "scroll", role: "region", "aria-label": "Completeness by market and day", tabindex: "0" }, grid);
  requestAnimationFrame(() => { box.scrollLeft = box.scrollWidth; });
  return box;
}

function cell(market: string, at: string, row: Row | undefined, chosen: (market: string, day: string) => void): HTMLElement {
  const state = row ? String(row["state"]) : "empty";
  const missing = row && Number(row["missing"]) > 0 ? `, ${count(row["missing"])} missing` : "";
  const words = `${market} ${at}: ${STATES[state] ?? state}, ${count(row?.["trades"] ?? 0)} trades${missing}`;
  const button = el("button", { type: "button", class: `cell ${state}`, "aria-label": words, title: words, tabindex: "-1" });
  button.onclick = () => chosen(market, at);
  return button;
}

function move(grid: HTMLElement, event: KeyboardEvent): void {
  const from = event.target;
  if (!(from instanceof HTMLButtonElement)) return;
  const steps: Record<string, [number, number]> = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  const step = steps[event.key];
  const row = from.closest("tr");
  if (!step || !row) return;
  event.preventDefault();
  const lines = [...grid.querySelectorAll("tbody tr")];
  const place = [...row.querySelectorAll("button")].indexOf(from) + step[1];
  const to = lines[lines.indexOf(row) + step[0]]?.querySelectorAll("button")[place];
  if (!to) return;
  from.tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
}
