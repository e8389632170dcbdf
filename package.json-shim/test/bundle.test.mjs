// What bundlers make of the entries that web pages can use: it is small, and needs nothing of Node.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { build as esbuild } from "esbuild";
import { build as vite } from "vite";
import { project } from "./support/pages.mjs";
import { modelPath, TIMEOUT } from "./support/program.mjs";

/** Of one entry with all that it exports, gzipped. */
const MAX_BYTES = 15_000;

const { name, exports } = createRequire(import.meta.url)("../package.json");
const entries = Object.keys(exports).filter((entry) => !/^\.$|electron|tauri|json$/.test(entry));

/** A script in a project that uses everything of some entries. */
function app(t, used) {
  const cwd = project(t, modelPath);
  const lines = used.map((entry, i) => `import * as all${i} from "${name}${entry.slice(1)}"; console.log(all${i});`);
  writeFileSync(join(cwd, "app.mjs"), lines.join("\n"));
  return cwd;
}

for (const entry of entries) {
  test(`esbuild makes a small script of ${entry} for a page`, TIMEOUT, async (t) => {
    const cwd = app(t, [entry]);
    const options = { bundle: true, minify: true, write: false, format: "esm", platform: "browser", logLevel: "silent" };
    const { outputFiles } = await esbuild({ ...options, absWorkingDir: cwd, entryPoints: ["app.mjs"] });
    const size = gzipSync(outputFiles[0].contents).length;
    t.diagnostic(`${size} bytes`);
    assert.ok(size <= MAX_BYTES, `${size} bytes`);
  });
}

test("Vite bundles all of them for a page", TIMEOUT, async (t) => {
  const root = app(t, entries);
  writeFileSync(join(root, "index.html"), '<!doctype html><script type="module" src="app.mjs"></script>');
  const warnings = [];
  const onwarn = (warning) => warnings.push(warning.message);
  const output = await vite({ root, configFile: false, logLevel: "silent", build: { write: false, rollupOptions: { onwarn } } });
  const text = output.output.map(({ code }) => code ?? "").join("");
  assert.deepEqual(warnings, []);
  assert.doesNotMatch(text, /node:|__vite-browser-external/);
  assert.match(text, /maxSteps/);
});
