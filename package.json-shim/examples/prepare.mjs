// Collects the files of the chat window: node prepare.mjs FOLDER copies web/ to FOLDER, and the client to
// FOLDER/client. An app would use its bundler instead.

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const ui = resolve(process.argv[2] ?? here("tauri-chat/ui"));

rmSync(ui, { recursive: true, force: true });
cpSync(here("web"), ui, { recursive: true });
cpSync(here("../dist/web"), join(ui, "client"), { recursive: true });

// A page cannot import packages by name, so what the Tauri client imports is copied next to it.
const packages = here("../node_modules/@tauri-apps");
copy("api/core.js", "api/core.js");
copy("api/external/tslib/tslib.es6.js", "api/external/tslib/tslib.es6.js");
rewrite(join(ui, "client/tauri.js"), "@tauri-apps/api/core", "./api/core.js");

function copy(from, to) {
  const target = join(ui, "client", to);
  mkdirSync(dirname(target), { recursive: true });
  cpSync(join(packages, from), target);
}

function rewrite(file, specifier, path) {
  const text = readFileSync(file, "utf8");
  const rewritten = text.replace(new RegExp(`(from\\s*)(["'])${specifier}\\2`), `$1$2${path}$2`);
  if (rewritten === text) throw new Error(`${file} does not import ${specifier}`);
  writeFileSync(file, rewritten);
}
