// README.md is true: its code runs or fits the types, its configuration is that of the examples.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PATH_VARIABLE } from "../dist/index.mjs";
import { serve } from "./support/files.mjs";
import { blocks, compile, project, read, write } from "./support/pages.mjs";
import { modelPath, PROGRAM_FILE, TIMEOUT } from "./support/program.mjs";

const README = read("README.md");
const CODE = blocks(README, "js");
const [FROM_AN_APP] = blocks(read("../README.md"), "js");

/** Runs code until it has printed what is expected. */
async function runUntil(t, code, expected) {
  const cwd = project(t, modelPath);
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

test("the first two examples run as written: download, load, text", TIMEOUT, async (t) => {
  const model = JSON.stringify(`${await serve(t, modelPath)}/smol.gguf`);
  const address = /"hf:[^"]+"/;
  const [five, progress] = CODE;
  assert.equal(five.trim().split("\n").length, 5);
  await Promise.all([
    runUntil(t, five.replace(address, model), /^\s*(?!file:|node:)\S/), // and not where an error was thrown
    runUntil(t, progress.replace(address, model), /^download [^]*^download 1\n[^]*^load 1\n\s*\S/m),
  ]);
});

test("the example of the project's README runs as written", TIMEOUT, async (t) => {
  await runUntil(t, FROM_AN_APP, /^1\n\s*\S/m);
});

test("the example with messages runs as written", TIMEOUT, async (t) => {
  const [code] = CODE.filter((block) => block.includes("new LlamaWorker()"));
  await runUntil(t, code, /ready/);
});

test("all JavaScript in it fits the types", TIMEOUT, async (t) => {
  const path = project(t, modelPath);
  const files = [...CODE, FROM_AN_APP].map((code, i) => write(path, code, `block${i}`));
  assert.ok(files.length >= 6);
  await compile(path, files);
});

test("its configuration is that of the examples, which other tests run", () => {
  const tauri = (name) => JSON.parse(read(`examples/tauri-chat/src-tauri/${name}`));
  const [bundle, capability] = blocks(README, "json").map((block) => JSON.parse(block));
  assert.deepEqual(bundle.bundle.externalBin, tauri("tauri.conf.json").bundle.externalBin);
  const { description: _, ...allowed } = tauri("capabilities/default.json");
  assert.deepEqual(capability, allowed);
  const lines = (text) => text.split("\n").map((line) => line.replace(/ *#.*/, "")).filter((line) => line !== "");
  const [yaml] = blocks(README, "yaml");
  const builder = lines(read("examples/electron-chat/electron-builder.yml"));
  assert.deepEqual(lines(yaml).filter((line) => !builder.includes(line)), []);
  const forge = read("examples/electron-chat/forge.config.cjs").split("\n");
  const [shown] = blocks(README, "javascript");
  assert.deepEqual(shown.trimEnd().split("\n").filter((line) => !forge.includes(line)), []);
});
