// Panels by name: rows as objects, asked again only where something changed.

export type Cell = string | number | boolean | null;
export type Row = Record<string, Cell>;
export type Params = Record<string, string>;

export interface Answer {
  columns: { name: string; type: string }[];
  rows: Row[];
  /** Whether the rows are others than those of the last answer to the same question. */
  changed: boolean;
}

interface Kept {
  etag: string;
  answer: Answer;
}

const kept = new Map<string, Kept>();

export class Refused extends Error {}

export function url(panel: string, form: string, params: Params = {}): string {
  const query = new URLSearchParams(params).toString();
  return `/api/${panel}.${form}${query ? `?${query}` : ""}`;
}

export async function ask(panel: string, params: Params = {}): Promise<Answer> {
  const address = url(panel, "json", params);
  const known = kept.get(address);
  const response = await fetch(address, known ? { headers: { "If-None-Match": known.etag } } : {});
  if (response.status === 304 && known) return { ...known.answer, changed: false };
  const told = await response.json();
  if (!response.ok) throw new Refused([told.error.what, told.error.why, told.error.do].filter(Boolean).join(" — "));
  const names: string[] = told.columns.map((column: { name: string }) => column.name);
  const rows = told.rows.map((row: Cell[]) => Object.fromEntries(names.map((name, n) => [name, row[n] ?? null])));
  const answer = { columns: told.columns, rows, changed: true };
  const etag = response.headers.get("etag") ?? "";
  const same = known?.etag.replace(/^W\//, "") === etag.replace(/^W\//, "");
  if (kept.size > 200) kept.clear();
  kept.set(address, { etag, answer });
  return { ...answer, changed: !same };
}

export async function text(panel: string, form: "sql" | "sh", params: Params): Promise<string> {
  const response = await fetch(url(panel, form, params));
  if (!response.ok) throw new Refused(`${panel}: ${response.status}`);
  return (await response.text()).trimEnd();
}
