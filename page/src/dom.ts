// Elements, and how values are written. Text is always set as text: never as markup.

import { text, url, type Answer, type Cell, type Params } from "./api.js";

type Child = Node | string;

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no element ${id}`);
  return found;
}

export function say(words: string): void {
  byId("said").textContent = words;
}

/** 49888.550000000000 as 49888.55: zeros only, no digit is lost. */
export function exact(value: string): string {
  return /^-?\d+\.\d+$/.test(value) ? value.replace(/\.?0+$/, "") : value;
}

export function count(value: Cell | undefined): string {
  return value === null || value === undefined ? "–" : Number(value).toLocaleString("en-US");
}

export function size(value: Cell | undefined): string {
  if (value === null || value === undefined) return "–";
  let left = Number(value);
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (left < 1000) return `${unit === "B" ? left : left.toPrecision(3)} ${unit}`;
    left /= 1000;
  }
  return `${left.toLocaleString("en-US", { maximumFractionDigits: 2 })} TB`;
}

export function moment(value: Cell | undefined): string {
  return typeof value === "string" ? value.slice(0, 19).replace("T", " ") : "–";
}

export function day(value: Cell | undefined): string {
  return typeof value === "string" ? value.slice(0, 10) : "–";
}

export function seconds(value: Cell | undefined): number {
  return typeof value === "string" ? Date.parse(value) / 1000 : 0;
}

function shown(value: Cell, type: string, name: string): string {
  if (value === null) return "–";
  if (type.startsWith("TIMESTAMP")) return moment(value);
  if (name.endsWith("bytes")) return size(value);
  if (typeof value === "number" && !/(_id|position|watermark|origin|exit_code)$/.test(name)) return count(value);
  return exact(String(value));
}

const NUMBERS = /^(BIGINT|INTEGER|HUGEINT|DOUBLE|FLOAT|DECIMAL)/;

export function table(answer: Answer, title: string, most = 20, names?: string[]): HTMLElement {
  const columns = names ? answer.columns.filter((one) => names.includes(one.name)) : answer.columns;
  if (!answer.rows.length) return el("p", { class: "none" }, `${title}: none`);
  const head = columns.map((one) => {
    const words = one.name.replace(/_ts$/, "").replaceAll("_", " ");
    return el("th", { scope: "col", ...(NUMBERS.test(one.type) ? { class: "number" } : {}) }, words);
  });
  const body = answer.rows.slice(0, most).map((row) =>
    el("tr", {}, ...columns.map((one) => {
      const value = shown(row[one.name] ?? null, one.type, one.name);
      return el("td", NUMBERS.test(one.type) ? { class: "number" } : {}, value);
    })),
  );
  const more = answer.rows.length - most;
  const caption = more > 0 ? `${title} (${most} of ${answer.rows.length})` : title;
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": title },
    el("table", {}, el("caption", {}, caption), el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body)));
}

async function copy(words: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(words);
    say("Copied");
  } catch {
    say("The browser does not let pages copy; it stands on the page");
  }
}

/** A command or statement that can be copied, and read where copying is not allowed. */
export function copied(words: string): HTMLElement {
  const button = el("button", { type: "button" }, "Copy");
  button.onclick = () => void copy(words);
  return el("div", { class: "copy" }, el("pre", { tabindex: "0", "aria-label": "Text to copy" }, words), button);
}

/** What a panel is made of: its statement, its addresses, and the command. */
export function origins(panels: () => [string, Params][]): HTMLElement {
  const box = el("div");
  const details = el("details", { class: "origin" }, el("summary", {}, "SQL, JSON, Arrow, command"), box);
  details.addEventListener("toggle", () => {
    if (!details.open) return;
    box.replaceChildren(...panels().map(([panel, params]) => origin(panel, params)));
  });
  return details;
}

function origin(panel: string, params: Params): HTMLElement {
  const link = (form: string) => el("a", { href: url(panel, form, params) }, form === "json" ? "JSON" : "Arrow");
  const command = el("button", { type: "button" }, "Copy as command");
  command.onclick = () => void text(panel, "sh", params).then(copy, (error: Error) => say(error.message));
  const sql = el("pre", { tabindex: "0", "aria-label": `SQL of ${panel}` }, "…");
  void text(panel, "sql", params).then((words) => { sql.textContent = words; }, (error: Error) => { sql.textContent = error.message; });
  return el("div", {}, el("p", {}, `${panel}: `, link("json"), " ", link("arrow"), " ", command), sql);
}
