// The Electron example as electron-builder packs it with its configuration, and with a stand-in for Electron's own
// files. npx fetches electron-builder; where that fails, the test is skipped.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { getLlama, PATH_VARIABLE } from "../../dist/index.mjs";
import { folder } from "../support/files.mjs";
import { command, outside, PROGRAM_FILE } from "../support/program.mjs";

const BUILDER = "electron-builder@26.17.0";
const BUILD_MS = 4 * 60_000;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { version } = JSON.parse(readFileSync(here("../../node_modules/electron/package.json"), "utf8"));

test("the packed app has the program next to its archive, and finds it there", { timeout: 10 * 60_000 }, async (t) => {
  const env = { ...outside, npm_config_ignore_scripts: "true" };
  const builder = (...args) => execFileSync("npx", ["--yes", BUILDER, ...args], { cwd: app, env, encoding: "utf8", timeout: BUILD_MS });
  const app = folder(t);
  try {
    builder("--version");
  } catch (error) {
    return t.skip(`${BUILDER} cannot be had: ${error.message}`);
  }
  cpSync(here("../../examples/electron-chat"), app, { recursive: true });
  execFileSync(process.execPath, [here("../../examples/prepare.mjs"), join(app, "ui")]);
  const modules = join(app, "node_modules");
  execFileSync(command[0], ["-m", "ship.npm", "--program", PROGRAM_FILE, "--out", modules], { cwd: here("../../../build") });
  mkdirSync(join(app, "stand-in", "resources"), { recursive: true });
  for (const name of ["electron", "chrome-sandbox", "LICENSE", "LICENSES.chromium.html"]) {
    writeFileSync(join(app, "stand-in", name), "", { mode: 0o755 });
  }
  writeFileSync(join(app, "stand-in", "version"), version);
  builder("--dir", "--linux", "-c.electronDist=stand-in", `-c.electronVersion=${version}`, "-c.npmRebuild=false");

  const resources = join(app, "dist", "linux-unpacked", "resources");
  // The archive begins with its list of files, which is JSON.
  const archive = readFileSync(join(resources, "app.asar"), "latin1").slice(0, 1_000_000);
  for (const name of ["main.cjs", "index.html", "preload.js"]) assert.ok(archive.includes(`"${name}":`), name);
  assert.match(archive, /"@llama-sidecar":\{"files":\{"client":/);
  assert.ok(!archive.includes(`"${process.platform}-${process.arch}":{`), "no program can run from within it");

  rmSync(modules, { recursive: true });
  delete process.env[PATH_VARIABLE];
  process.resourcesPath = resources;
  t.after(() => delete process.resourcesPath);
  assert.ok(existsSync(join(resources, "llama-sidecar")));
  const llama = await getLlama({ gpu: "cpu" });
  assert.ok((await llama.ping()).uptimeMs > 0);
  await llama.dispose();
});
