// README.md is true: its code runs or fits the types, its configuration is that of the examples.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { PATH_VARIABLE } from "../dist/index.mjs";
import { folder, serve } from "./support/files.mjs";
import { modelPath, PROGRAM_FILE, TIMEOUT } from "./support/program.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const read = (path) => readFileSync(here(path), "utf8");
const blocks = (text, language) => [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(([, block]) => block);

const README = read("../README.md");
const CODE = blocks(README, "js");
const [FROM_AN_APP] = blocks(read("../../README.md"), "js");

/** A project that has installed this package and the packages that are used with it. */
function project(t) {
  const path = folder(t);
  mkdirSync(join(path, "node_modules/@llama-sidecar"), { recursive: true });
  symlinkSync(here(".."), join(path, "node_modules/@llama-sidecar/client"), "junction");
  for (const name of ["electron", "@tauri-apps", "@types"]) {
    symlinkSync(here(`../node_modules/${name}`), join(path, "node_modules", name), "junction");
  }
  symlinkSync(modelPath, join(path, "model.gguf"));
  return path;
}

/** Runs code until it has printed what is expected. */
async function runUntil(t, code, expected) {
  const cwd = project(t);
  writeFileSync(join(cwd, "app.mjs"), code);
  const env = { ...process.env, [PATH_VARIABLE]: PROGRAM_FILE, XDG_DATA_HOME: cwd };
  const app = spawn(process.execPath, ["app.mjs"], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => app.kill("SIGKILL"));
  let output = "";
  await new Promise((resolve) => {
    const take = (text) => expected.test((output += text)) && resolve();
    for (const pipe of [app.stdout, app.stderr]) pipe.setEncoding("utf8").on("data", take);
    app.once("close", resolve);
  });
  assert.match(output, expected);
}

test("the first example runs as written: download, load, text", TIMEOUT, async (t) => {
  const [first] = CODE;
  const address = /"hf:[^"]+"/;
  assert.match(first, address);
  const model = `${await serve(t, modelPath)}/smol.gguf`;
  await runUntil(t, first.replace(address, JSON.stringify(model)), /^download [^]*^download 1\n[^]*^load 1\n\s*\S/m);
});

test("the example of the project's README runs as written", TIMEOUT, async (t) => {
  await runUntil(t, FROM_AN_APP, /^1\n\s*\S/m);
});

test("the example with messages runs as written", TIMEOUT, async (t) => {
  const [code] = CODE.filter((block) => block.includes("new LlamaWorker()"));
  await runUntil(t, code, /ready/);
});

test("all JavaScript in it fits the types", TIMEOUT, async (t) => {
  const path = project(t);
  const files = [...CODE, FROM_AN_APP].map((code, i) => {
    const name = `block${i}.${code.includes("require(") ? "cjs" : "mjs"}`;
    writeFileSync(join(path, name), code.includes("import ") ? code : `${code}\nmodule.exports = {};`);
    return name;
  });
  assert.ok(files.length >= 6);
  const compilerOptions = {
    allowJs: true, checkJs: true, noEmit: true, strict: true, skipLibCheck: true,
    module: "NodeNext", target: "ES2022", lib: ["ES2022", "ESNext.Disposable", "DOM"], types: ["node"],
  };
  writeFileSync(join(path, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
  await promisify(execFile)(process.execPath, [tsc, "-p", path]).catch(({ stdout }) => assert.fail(stdout));
});

test("its configuration is that of the examples, which other tests run", () => {
  const tauri = (name) => JSON.parse(read(`../examples/tauri-chat/src-tauri/${name}`));
  const [bundle, capability] = blocks(README, "json").map((block) => JSON.parse(block));
  assert.deepEqual(bundle.bundle.externalBin, tauri("tauri.conf.json").bundle.externalBin);
  const { description: _, ...allowed } = tauri("capabilities/default.json");
  assert.deepEqual(capability, allowed);
  const lines = (text) => text.split("\n").map((line) => line.replace(/ *#.*/, "")).filter((line) => line !== "");
  const [yaml] = blocks(README, "yaml");
  const builder = lines(read("../examples/electron-chat/electron-builder.yml"));
  assert.deepEqual(lines(yaml).filter((line) => !builder.includes(line)), []);
});
