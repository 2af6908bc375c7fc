// The page: seven sections, each refreshed on its own, so that a slow one holds up no other.

import { byId, el, say } from "./dom.js";
import { market } from "./market.js";
import { api, completeness, headline, pipeline, quality, storage, type Section } from "./panels.js";

const PACE = 5000; // ms between refreshes of the live mode

async function start(): Promise<void> {
  const told = (await (await fetch("/api")).json()) as { place: string[]; quoted: string[] };
  byId("place").textContent = told.place.at(-1) ?? "";
  const sections: Record<string, Section> = {
    headline: headline(), completeness: completeness(() => told.quoted), market: market(() => told.quoted),
    pipeline: pipeline(), api: api(), quality: quality(), storage: storage(),
  };
  const busy = new Set<string>();
  const refresh = async (name: string, section: Section) => {
    if (busy.has(name)) return;
    busy.add(name);
    const place = byId(name);
    try {
      await section.refresh();
      place.querySelector(":scope > .failed")?.remove();
    } catch (error) {
      place.querySelector(":scope > .failed")?.remove();
      place.append(el("p", { class: "failed", role: "alert" }, error instanceof Error ? error.message : String(error)));
    } finally {
      place.dataset["ready"] = "true";
      busy.delete(name);
    }
  };
  const all = () => Promise.all(Object.entries(sections).map(([name, section]) => refresh(name, section)));
  themes(sections);
  await all();
  document.body.dataset["ready"] = "true";
  live(all);
}

function live(all: () => Promise<unknown>): void {
  const box = byId("live") as HTMLInputElement;
  const beat = () => {
    if (box.checked && !document.hidden) void all();
  };
  setInterval(beat, PACE);
  box.onchange = () => {
    say(box.checked ? `Live: every ${PACE / 1000} seconds` : "Not live");
    beat();
  };
}

function themes(sections: Record<string, Section>): void {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const set = (theme: string) => {
    root.dataset["theme"] = theme;
    for (const section of Object.values(sections)) section.redraw();
  };
  root.dataset["theme"] = system.matches ? "dark" : "light";
  system.onchange = () => set(system.matches ? "dark" : "light");
  byId("theme").onclick = () => set(root.dataset["theme"] === "dark" ? "light" : "dark");
}

void start().catch((error: Error) => say(`The page cannot be shown: ${error.message}`));
