// Builds the page into the package: node build.mjs [OUT]
import { build } from "esbuild";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

const out = process.argv[2] ?? "../src/schemahub/dashboard/static";
mkdirSync(out, { recursive: true });
await build({
  entryPoints: { app: "src/main.ts", style: "src/style.css" },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none", // LICENSES.txt beside it has them whole
  outdir: out,
});
copyFileSync("src/index.html", `${out}/index.html`);

const parts = ["lightweight-charts", "fancy-canvas", "uplot"].map((name) => {
  const folder = `node_modules/${name}`;
  const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf-8"));
  const file = `${folder}/LICENSE`;
  const text = existsSync(file) ? readFileSync(file, "utf-8").trim() : "";
  return `${name} ${version} (${license})\n\n${text}`.trim();
});
writeFileSync(`${out}/LICENSES.txt`, `app.js holds these works of others:\n\n${parts.join("\n\n---\n\n")}\n`);
