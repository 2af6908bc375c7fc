// The market panel's chart: candles and volume of one market, closes of others over it.

import { CandlestickSeries, ColorType, createChart, HistogramSeries, LineSeries, PriceScaleMode, type IChartApi, type UTCTimestamp } from "lightweight-charts";
import { seconds } from "./dom.js";
import type { Row } from "./api.js";
import { COLOURS, token } from "./lines.js";

export class Candles {
  private chart: IChartApi | null = null;
  private shape = "";

  constructor(private readonly box: HTMLElement) {}

  draw(rows: Row[], markets: string[]): void {
    const shape = markets.join() + document.documentElement.dataset["theme"];
    const range = this.shape === shape ? this.chart?.timeScale().getVisibleLogicalRange() : null;
    this.chart?.remove();
    this.shape = shape;
    const text = token("--text");
    const line = token("--line");
    const several = markets.length > 1;
    const chart = createChart(this.box, {
      autoSize: true,
      layout: { background: { type: ColorType.Solid, color: "transparent" }, textColor: text, attributionLogo: true },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      timeScale: { timeVisible: true, borderColor: line },
      rightPriceScale: { borderColor: line, mode: PriceScaleMode.Normal },
    });
    const of = (market: string) => rows.filter((row) => row["market"] === market);
    const at = (row: Row) => seconds(row["open_ts"]) as UTCTimestamp;
    const first = of(markets[0] ?? "");
    const largest = Math.max(1, ...first.map((row) => Math.abs(Number(row["close"]))));
    const decimals = Math.max(2, Math.min(8, 6 - Math.ceil(Math.log10(largest))));
    const priceFormat = { type: "price" as const, precision: decimals, minMove: 10 ** -decimals };
    if (several) {
      markets.forEach((market, n) => {
        const series = chart.addSeries(LineSeries, { color: COLOURS[n % COLOURS.length] ?? text, lineWidth: 2, priceFormat, title: market });
        series.setData(of(market).map((row) => ({ time: at(row), value: Number(row["close"]) })));
      });
    } else {
      const candles = chart.addSeries(CandlestickSeries, { priceFormat });
      candles.setData(first.map((row) => ({ time: at(row), open: Number(row["open"]), high: Number(row["high"]), low: Number(row["low"]), close: Number(row["close"]) })));
      const volume = chart.addSeries(HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, color: "#2f7ed866", lastValueVisible: false, priceLineVisible: false });
      volume.setData(first.map((row) => ({ time: at(row), value: Number(row["volume"]) })));
      chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.8, bottom: 0 } });
    }
    if (range) chart.timeScale().setVisibleLogicalRange(range);
    else chart.timeScale().fitContent();
    this.chart = chart;
  }
}
