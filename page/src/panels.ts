// The panels that need nothing but their tables and lines.

import { ask, type Answer, type Params, type Row } from "./api.js";
import { byId, copied, count, day, el, origins, seconds, size, table } from "./dom.js";
import { heat, legend } from "./heat.js";
import { Lines, pivot } from "./lines.js";

export interface Section {
  /** Asks, and shows what changed. */
  refresh(): Promise<void>;
  /** Draws what is known in the colours of now. */
  redraw(): void;
}

/** A place whose content is replaced only where its answer changed. */
export class Place {
  readonly box = el("div");
  show(answer: Answer, make: (answer: Answer) => Node): void {
    if (answer.changed || !this.box.hasChildNodes()) this.box.replaceChildren(make(answer));
  }
}

export function filled(id: string, ...children: Node[]): void {
  byId(id).append(...children);
}

/** Draws where the answer is a new one or nothing is drawn yet. */
function fresh(lines: Lines, answer: Answer): boolean {
  return answer.changed || !lines.box.hasChildNodes();
}

export function headline(): Section {
  const tiles = new Place();
  const days = new Lines("Trades per day");
  filled("headline", tiles.box, el("h3", {}, "Trades per day"), days.box, origins(() => [["headline", {}], ["per_day", {}]]));
  return {
    async refresh() {
      const [one, per] = await Promise.all([ask("headline"), ask("per_day")]);
      tiles.show(one, () => figures(one.rows[0] ?? {}));
      if (!fresh(days, per)) return;
      const found = pivot(per.rows.map((row) => ({ at: seconds(row["day_ts"]), name: String(row["exchange"]), value: Number(row["trades"]) })));
      days.draw(found.times, found.lines.map((line) => ({ ...line, bars: found.lines.length === 1, show: (value) => compact(value) })));
    },
    redraw: () => days.again(),
  };
}

function compact(value: number): string {
  return new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 2 }).format(value);
}

function figures(row: Row): HTMLElement {
  const tile = (name: string, value: string, words: string) =>
    el("div", { class: "tile", "data-figure": name }, el("dt", {}, words), el("dd", {}, value));
  return el("dl", { class: "tiles" },
    tile("trades", count(row["trades"]), "trades"),
    tile("score", row["score"] === null ? "–" : `${Number(row["score"])} of 100`, "health score"),
    tile("markets", `${count(row["active_markets"])} of ${count(row["markets"])}`, "active markets"),
    tile("missing", count(row["missing_ids"]), "missing ids"),
    tile("parquet", size(row["parquet_bytes"]), "Parquet"),
    tile("bytes_per_trade", row["bytes_per_trade"] === null ? "–" : String(row["bytes_per_trade"]), "bytes a trade"),
    tile("span", `${day(row["first_ts"])} to ${day(row["last_ts"])}`, "data span, UTC"),
  );
}

export function pipeline(): Section {
  const runs = new Place();
  const failures = new Place();
  const hours = new Lines("Trades ingested and parts written per hour");
  filled("pipeline", el("h3", {}, "Trades ingested per hour"), hours.box, failures.box, runs.box,
    origins(() => [["per_hour", {}], ["runs", {}], ["failures", {}]]));
  return {
    async refresh() {
      const [ran, per, failed] = await Promise.all([ask("runs"), ask("per_hour"), ask("failures")]);
      runs.show(ran, () => table(ran, "Runs", 20));
      failures.show(failed, () => table(failed, "Failures", 20));
      if (!fresh(hours, per)) return;
      hours.draw(per.rows.map((row) => seconds(row["hour_ts"])), [
        { label: "trades", values: per.rows.map((row) => Number(row["trades"] ?? 0)), bars: true, show: compact },
        { label: "parts", values: per.rows.map((row) => Number(row["parts"])), show: String },
        { label: "failures", values: per.rows.map((row) => Number(row["failures"])), show: String },
      ]);
    },
    redraw: () => hours.again(),
  };
}

export function api(): Section {
  const health = new Place();
  const times = new Lines("Response times in milliseconds");
  const shares = new Lines("Share of the rate limit used, per cent");
  filled("api", health.box, el("h3", {}, "Response time, ms"), times.box, el("h3", {}, "Share of the rate limit used, %"), shares.box,
    origins(() => [["api", {}], ["latency", {}]]));
  return {
    async refresh() {
      const [asked, latency] = await Promise.all([ask("api"), ask("latency")]);
      health.show(asked, () => table(asked, "Requests by outcome", 50));
      if (!fresh(times, latency)) return;
      const told = (name: string, label: string, scale = 1) => latency.rows.map((row) => ({
        at: seconds(row["started_ts"]), name: `${row["exchange"]}${label}`, value: row[name] === null ? null : Number(row[name]) * scale }));
      const found = pivot([...told("p50_ms", " p50"), ...told("p99_ms", " p99")]);
      times.draw(found.times, found.lines);
      const used = pivot(told("limit_share", "", 100));
      shares.draw(used.times, used.lines);
    },
    redraw: () => { times.again(); shares.again(); },
  };
}

const DAY = 86_400_000;

export function completeness(place: () => string[]): Section {
  const map = el("div");
  const totals = new Place();
  const holes = el("div", { id: "holes", tabindex: "-1" });
  const span = el("select", { id: "span" }, ...[30, 90, 365].map((days) => el("option", { value: String(days) }, `${days} days`)));
  const until = el("input", { type: "date", id: "until" });
  let drawn = "";
  let last = "";
  filled("completeness", el("p", { class: "controls" }, el("label", { for: "span" }, "Show "), span, el("label", { for: "until" }, " up to "), until),
    legend(), map, holes, totals.box, origins(() => [["days", range()], ["markets", {}]]));
  const range = (): Params => {
    const stop = Date.parse(`${until.value || new Date().toISOString().slice(0, 10)}T00:00:00Z`) + DAY;
    const at = (time: number) => `${new Date(time).toISOString().slice(0, 19)}Z`;
    return { since: at(stop - Number(span.value) * DAY), until: at(stop) };
  };
  const show = async (market: string, at: string) => {
    const found = await ask("holes", { market });
    holes.replaceChildren(
      el("h3", {}, `${market}, ${at}`),
      table(found, `Holes of ${market}`, 50),
      ...(found.rows.length ? [el("p", {}, "To look for them again and fetch what can be had:"), copied(["schemahub", "repair", market, ...place()].join(" "))] : []),
      origins(() => [["holes", { market }]]),
    );
    holes.focus();
  };
  const refresh = async () => {
    if (!last) {
      const extent = await ask("extent");
      last = extent.rows.map((row) => day(row["last_ts"])).sort().at(-1) ?? "";
      until.value = last;
    }
    const own = range();
    const [answer, markets] = await Promise.all([ask("days", own), ask("markets")]);
    totals.show(markets, () => table(markets, "Markets", 100));
    const key = JSON.stringify(own);
    if (!answer.changed && key === drawn) return;
    drawn = key;
    const days: string[] = [];
    for (let at = Date.parse(own["since"] ?? ""); at < Date.parse(own["until"] ?? ""); at += DAY) days.push(new Date(at).toISOString().slice(0, 10));
    map.replaceChildren(heat(answer.rows, days, (market, at) => void show(market, at)));
  };
  span.onchange = until.onchange = () => void refresh();
  return { refresh, redraw: () => undefined };
}

export function quality(): Section {
  const scores = new Place();
  const checks = new Place();
  filled("quality", scores.box, checks.box, origins(() => [["scores", {}], ["checks", {}]]));
  return {
    async refresh() {
      const [scored, checked] = await Promise.all([ask("scores"), ask("checks")]);
      scores.show(scored, () => scored.rows.length ? table({ ...scored, rows: scored.rows.map((row) => ({ ...row, market: row["market"] ?? "the whole lake" })) }, "Scores", 50) : el("p", { class: "none" }, "No report yet: `schemahub quality` makes one"));
      checks.show(checked, () => el("div", {}, table(checked, "Checks", 50, ["name", "severity", "status", "found", "about", "error"]), ...checked.rows.flatMap(samples)));
    },
    redraw: () => undefined,
  };
}

function samples(row: Row): HTMLElement[] {
  const rows = JSON.parse(String(row["samples"] ?? "[]")) as (string | number | null)[][] | null;
  if (!rows?.length) return [];
  const names = JSON.parse(String(row["columns"])) as string[];
  const answer = {
    columns: names.map((name) => ({ name, type: "VARCHAR" })),
    rows: rows.map((one) => Object.fromEntries(names.map((name, n) => [name, one[n] ?? null]))),
    changed: true,
  };
  return [el("details", {}, el("summary", {}, `${row["name"]}: ${count(row["found"])} found, sample rows`), table(answer, String(row["about"]), 20))];
}

export function storage(): Section {
  const layers = new Place();
  const state = new Place();
  const growth = new Lines("Bytes by layer over time");
  filled("storage", state.box, el("h3", {}, "Bytes by layer, by the day they were written"), growth.box, layers.box, origins(() => [["storage", {}], ["growth", {}]]));
  return {
    async refresh() {
      const [stored, grown] = await Promise.all([ask("storage"), ask("growth")]);
      layers.show(stored, () => table(stored, "Layers and markets", 50));
      state.show(stored, () => compaction(stored));
      if (!fresh(growth, grown)) return;
      const found = pivot(grown.rows.map((row) => ({ at: seconds(row["day_ts"]), name: String(row["layer"]), value: Number(row["bytes"]) })));
      growth.draw(found.times, found.lines.map((line) => ({ ...line, show: size })));
    },
    redraw: () => growth.again(),
  };
}

function compaction(stored: Answer): HTMLElement {
  const old = stored.rows.reduce((sum, row) => sum + Number(row["superseded"]), 0);
  const bytes = stored.rows.reduce((sum, row) => sum + Number(row["superseded_bytes"]), 0);
  const words = old ? `${count(old)} superseded files, ${size(bytes)}: schemahub compact frees them after their grace` : "Compact: no file is superseded";
  return el("p", { "data-figure": "compaction" }, words);
}

