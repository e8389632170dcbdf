// The Electron example as electron-builder and Electron Forge pack it with its configuration for each, and with a
// stand-in for Electron's own files. npm fetches the packers; where that fails, the test is skipped.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { getLlama, PATH_VARIABLE } from "../../dist/index.mjs";
import { folder } from "../support/files.mjs";
import { command, outside, PROGRAM_FILE } from "../support/program.mjs";

const BUILDER = "electron-builder@26.17.0";
const FORGE = "@electron-forge/shared-types@8.0.1"; // its types, and the packager that it calls
const BUILD_MS = 4 * 60_000;
const LONG = { timeout: 10 * 60_000 };
const env = { ...outside, npm_config_ignore_scripts: "true" };
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { version } = JSON.parse(readFileSync(here("../../node_modules/electron/package.json"), "utf8"));
const run = (program, args, cwd) => execFileSync(program, args, { cwd, env, encoding: "utf8", timeout: BUILD_MS });

/** The example with all that its packers find, and Electron's stand-in in a folder of its own. */
function prepare(app) {
  cpSync(here("../../examples/electron-chat"), app, { recursive: true });
  execFileSync(process.execPath, [here("../../examples/prepare.mjs"), join(app, "ui")]);
  const modules = join(app, "node_modules");
  execFileSync(command[0], ["-m", "ship.npm", "--program", PROGRAM_FILE, "--out", modules], { cwd: here("../../../build") });
  mkdirSync(join(app, "stand-in", "resources"), { recursive: true });
  for (const name of ["electron", "chrome-sandbox", "LICENSE", "LICENSES.chromium.html"]) {
    writeFileSync(join(app, "stand-in", name), "", { mode: 0o755 });
  }
  writeFileSync(join(app, "stand-in", "version"), version);
}

/** The packed app has the program next to its archive, and finds it there. */
async function check(t, app, resources) {
  // The archive begins with its list of files, which is JSON.
  const archive = readFileSync(join(resources, "app.asar"), "latin1").slice(0, 1_000_000);
  for (const name of ["main.cjs", "index.html", "preload.js"]) assert.ok(archive.includes(`"${name}":`), name);
  assert.match(archive, /"@llama-sidecar":\{"files":\{"client":/);
  assert.doesNotMatch(archive, new RegExp(`"${process.platform}-${process.arch}":\\{"files":\\{"`), "no program can run from within it");
  rmSync(join(app, "node_modules"), { recursive: true });
  delete process.env[PATH_VARIABLE];
  process.resourcesPath = resources;
  t.after(() => delete process.resourcesPath);
  assert.ok(existsSync(join(resources, "llama-sidecar")));
  const llama = await getLlama({ gpu: "cpu" });
  assert.ok((await llama.ping()).uptimeMs > 0);
  await llama.dispose();
}

test("electron-builder packs the program next to the archive", LONG, async (t) => {
  const app = folder(t);
  const builder = (...args) => run("npx", ["--yes", BUILDER, ...args], app);
  try {
    builder("--version");
  } catch (error) {
    return t.skip(`${BUILDER} cannot be had: ${error.message}`);
  }
  prepare(app);
  builder("--dir", "--linux", "-c.electronDist=stand-in", `-c.electronVersion=${version}`, "-c.npmRebuild=false");
  await check(t, app, join(app, "dist", "linux-unpacked", "resources"));
});

test("so does Electron Forge, whose configuration fits its types", LONG, async (t) => {
  const root = folder(t);
  const app = join(root, "app");
  writeFileSync(join(root, "package.json"), '{ "private": true, "type": "module" }');
  try {
    run("npm", ["install", "--no-audit", "--no-fund", "--silent", FORGE], root);
  } catch (error) {
    return t.skip(`${FORGE} cannot be had: ${error.message}`);
  }
  prepare(app);
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin", "tsc");
  const types = ["--typeRoots", here("../../node_modules/@types"), "--types", "node"];
  const options = ["--noEmit", "--allowJs", "--checkJs", "--strict", "--skipLibCheck", "--module", "nodenext", ...types];
  run(process.execPath, [tsc, ...options, "forge.config.cjs"], app);

  const zip = join(root, `electron-v${version}-${process.platform}-${process.arch}.zip`);
  const files = ["electron", "chrome-sandbox", "LICENSE", "LICENSES.chromium.html", "version", "resources"];
  execFileSync(command[0], ["-m", "zipfile", "-c", zip, ...files], { cwd: join(app, "stand-in") });
  rmSync(join(app, "stand-in"), { recursive: true });
  // As Forge calls it.
  const given = { dir: ".", out: "../out", platform: process.platform, arch: process.arch, electronVersion: version, electronZipDir: "..", prune: false };
  const code = `
    import { packager } from "@electron/packager";
    import config from "./app/forge.config.cjs";
    process.chdir("app");
    await packager({ ...${JSON.stringify(given)}, ...config.packagerConfig });`;
  writeFileSync(join(root, "pack.js"), code);
  run(process.execPath, ["pack.js"], root);
  const packed = join(root, "out", `Llama Chat-${process.platform}-${process.arch}`);
  await check(t, app, join(packed, "resources"));

  // Without these, Forge's makers for Linux and Windows make no installer.
  const { name, description, author } = JSON.parse(readFileSync(join(app, "package.json"), "utf8"));
  assert.ok(description && author && existsSync(join(packed, name)));
});
