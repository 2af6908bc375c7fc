// Lines and bars over time.

import uPlot from "uplot";
import { el } from "./dom.js";

export interface Line {
  label: string;
  values: (number | null)[];
  bars?: boolean;
  show?: (value: number) => string;
}

export const COLOURS = ["#2f7ed8", "#d9822b", "#2aa876", "#b5489a", "#c2a300", "#7a6ff0", "#d2504b", "#3aa6b9", "#8a8f98", "#5f8f2f"];

export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export class Lines {
  readonly box: HTMLElement;
  private plot: uPlot | null = null;
  private shape = "";
  private drawn: { times: number[]; lines: Line[] } | null = null;

  constructor(private readonly label: string) {
    this.box = el("div", { class: "plot", role: "img", "aria-label": label });
    new ResizeObserver(() => this.fit()).observe(this.box);
  }

  /** Draws; where the lines are the same ones only their values change, without a flicker. */
  draw(times: number[], lines: Line[]): void {
    this.drawn = { times, lines };
    const data: uPlot.AlignedData = [times, ...lines.map((line) => line.values)];
    const shape = lines.map((line) => line.label).join() + document.documentElement.dataset["theme"];
    this.box.setAttribute("aria-label", `${this.label}: ${this.words()}`);
    if (this.plot && shape === this.shape) {
      this.plot.setData(data);
      return;
    }
    this.plot?.destroy();
    this.plot = null;
    this.shape = shape;
    if (!times.length) {
      this.box.replaceChildren(el("p", { class: "none" }, "nothing yet"));
      return;
    }
    this.box.replaceChildren();
    const axis = { stroke: token("--text"), grid: { stroke: token("--line"), width: 1 }, ticks: { stroke: token("--line") } };
    const show = lines[0]?.show;
    this.plot = new uPlot({
      width: Math.max(200, this.box.clientWidth),
      height: 200,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
      padding: [8, 8, 0, 0],
      scales: { x: { time: true, range: () => this.range() }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.05] } },
      axes: [axis, { ...axis, size: 64, ...(show ? { values: (_: uPlot, ticks: number[]) => ticks.map(show) } : {}) }],
      series: [
        {},
        ...lines.map((line, n) => {
          const stroke = COLOURS[n % COLOURS.length] ?? "#888";
          const series: uPlot.Series = { label: line.label, stroke, width: 1.5, spanGaps: true, points: { show: times.length < 60 } };
          if (line.bars) Object.assign(series, { fill: `${stroke}99`, paths: uPlot.paths.bars?.({ size: [0.7, 40] }), points: { show: false } });
          if (line.show) series.value = (_: uPlot, value: number | null) => (value === null ? "–" : (line.show as (v: number) => string)(value));
          return series;
        }),
      ],
    }, data, this.box);
  }

  again(): void {
    if (this.drawn) this.draw(this.drawn.times, this.drawn.lines);
  }

  private words(): string {
    const lines = this.drawn?.lines ?? [];
    return lines.map((line) => {
      const last = [...line.values].reverse().find((value) => value !== null);
      return `${line.label} last ${last ?? "unknown"}`;
    }).join(", ") || "nothing";
  }

  /** Of all times; with room for the bars at both ends. */
  private range(): [number, number] {
    const { times, lines } = this.drawn ?? { times: [], lines: [] };
    const [low, high] = [times[0] ?? 0, times.at(-1) ?? 0];
    if (low === high) return [low - 43_200, high + 43_200];
    const steps = times.slice(1).map((at, n) => at - (times[n] ?? 0));
    const room = lines.some((line) => line.bars) ? Math.min(...steps) / 2 : 0;
    return [low - room, high + room];
  }

  private fit(): void {
    const width = this.box.clientWidth;
    if (this.plot && width > 0 && Math.abs(width - this.plot.width) > 1) this.plot.setSize({ width, height: 200 });
  }
}

/** Rows of (time, series, value) as lines over all times. */
export function pivot(rows: { at: number; name: string; value: number | null }[]): { times: number[]; lines: Line[] } {
  const times = [...new Set(rows.map((row) => row.at))].sort((a, b) => a - b);
  const place = new Map(times.map((at, n) => [at, n]));
  const lines = new Map<string, (number | null)[]>();
  for (const row of rows) {
    const values = lines.get(row.name) ?? new Array<number | null>(times.length).fill(null);
    values[place.get(row.at) ?? 0] = row.value;
    lines.set(row.name, values);
  }
  return { times, lines: [...lines].map(([label, values]) => ({ label, values })) };
}
