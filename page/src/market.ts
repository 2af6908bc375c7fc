// The market panel: candles of one market or closes of several, spread, last trades, certificate.

import { ask, type Params, type Row } from "./api.js";
import { Candles } from "./candles.js";
import { copied, day, el, origins, table } from "./dom.js";
import { filled, Place, type Section } from "./panels.js";

const EVERY: Record<string, number> = { "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14_400, "1d": 86_400 };
const SPANS: Record<string, number> = { "1 hour": 1 / 24, "1 day": 1, "7 days": 7, "30 days": 30, "1 year": 365, all: 0 };
const MOST = 6000; // candles that a chart shows well

export function market(place: () => string[]): Section {
  const chart = el("div", { class: "candles", id: "candles", role: "region", "aria-label": "Candles" });
  const candles = new Candles(chart);
  const first = el("select", { id: "market-first" });
  const others = el("select", { id: "market-others", multiple: "", size: "3" });
  const every = el("select", { id: "every" }, ...Object.keys(EVERY).map((one) => el("option", { value: one }, one)));
  const span = el("select", { id: "market-span" }, ...Object.keys(SPANS).map((one) => el("option", { value: one }, one)));
  const note = el("p", { class: "none", id: "candle-note" });
  const [spread, trades, proof] = [new Place(), new Place(), new Place()];
  let extent: Row[] = [];
  let drawn = "";
  const label = (id: string, words: string) => el("label", { for: id }, words);
  filled("market",
    el("p", { class: "controls" }, label("market-first", "Market "), first, label("market-others", " over it "), others, label("every", " candles of "), every, label("market-span", " span "), span),
    chart, note, proof.box, spread.box, trades.box,
    origins(() => [["candles", asked()], ...(markets().length > 1 ? [["spread", asked()] as [string, Params]] : []), ["last_trades", { markets: first.value }], ["certificate", { market: first.value }]]));

  const markets = () => [first.value, ...[...others.selectedOptions].map((one) => one.value).filter((one) => one !== first.value)].slice(0, 10);

  function asked(): Params {
    const known = extent.filter((row) => markets().includes(String(row["market"])));
    const from = Math.min(...known.map((row) => Date.parse(String(row["first_ts"]))));
    const last = Math.max(...known.map((row) => Date.parse(String(row["last_ts"]))));
    const days = SPANS[span.value] ?? 0;
    const since = days ? Math.max(from, last - days * 86_400_000) : from;
    const step = (EVERY[every.value] ?? 60) * 1000;
    const begin = Math.max(since, last - MOST * step);
    note.textContent = begin > since ? `The last ${MOST.toLocaleString("en-US")} candles of ${every.value}; longer candles reach further back` : "";
    const at = (time: number) => `${new Date(time).toISOString().slice(0, 19)}Z`;
    return { markets: markets().join(","), every: every.value, since: at(Math.floor(begin / step) * step), until: at(last + 60_000) };
  }

  /** Candles that fit the span: about five hundred. */
  function fit(): void {
    const known = extent.find((row) => row["market"] === first.value);
    const whole = known ? (Date.parse(String(known["last_ts"])) - Date.parse(String(known["first_ts"]))) / 86_400_000 : 1;
    const days = Math.min(SPANS[span.value] || whole, whole);
    every.value = Object.entries(EVERY).find(([, step]) => (days * 86_400) / step < 800)?.[0] ?? "1d";
  }

  function choose(rows: Row[]): void {
    const names = rows.map((row) => String(row["market"]));
    const known = [...first.options].map((one) => one.value);
    if (names.join() === known.join()) return;
    const [before, over] = [first.value, new Set([...others.selectedOptions].map((one) => one.value))];
    first.replaceChildren(...names.map((name) => el("option", { value: name }, name)));
    others.replaceChildren(...names.map((name) => el("option", { value: name, ...(over.has(name) ? { selected: "" } : {}) }, name)));
    const largest = [...rows].sort((a, b) => Number(b["trades"]) - Number(a["trades"]))[0];
    first.value = before || String(largest?.["market"] ?? "");
    if (!before) {
      span.value = "30 days";
      fit();
    }
  }

  async function refresh(): Promise<void> {
    const found = await ask("extent");
    extent = found.rows;
    if (!extent.length) {
      note.textContent = "No trades in the table yet: `schemahub ingest` and `schemahub transform` make it";
      return;
    }
    choose(extent);
    const own = asked();
    const chosen = markets();
    const [bars, last, told] = await Promise.all([ask("candles", own), ask("last_trades", { markets: first.value }), ask("certificate", { market: first.value })]);
    const key = JSON.stringify(own);
    if (bars.changed || key !== drawn) {
      drawn = key;
      candles.draw(bars.rows, chosen);
      chart.setAttribute("aria-label", `${bars.rows.length} ${chosen.length > 1 ? "closes" : "candles"} of ${every.value} of ${chosen.join(", ")} until ${day(bars.rows.at(-1)?.["open_ts"])}`);
      chart.dataset["bars"] = String(bars.rows.length);
    }
    const fresh = (changed: boolean) => changed || trades.box.dataset["of"] !== first.value;
    proof.show({ ...told, changed: fresh(told.changed) }, () => el("div", {}, table(told, "Certificate, by the names of what is stored"), copied(["schemahub", "verify", first.value, ...place()].join(" "))));
    trades.show({ ...last, changed: fresh(last.changed) }, () => table(last, `Last trades of ${first.value}`, 50));
    trades.box.dataset["of"] = first.value;
    if (chosen.length < 2) spread.box.replaceChildren();
    else {
      const apart = await ask("spread", own);
      spread.show({ ...apart, changed: true }, () => table({ ...apart, rows: [...apart.rows].reverse() }, "Spread, latest first", 10));
    }
  }

  first.onchange = span.onchange = () => { fit(); void refresh(); };
  others.onchange = every.onchange = () => void refresh();
  return {
    refresh,
    redraw: () => { drawn = ""; void refresh(); },
  };
}
