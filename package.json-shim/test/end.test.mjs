// The program ends: when it is disposed of, and with the process that started it.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { getLlama } from "../dist/index.mjs";
import { folder } from "./support/files.mjs";
import { alive, ask, command, INIT, modelPath, pids, script, startContext, suspend, TIMEOUT, until } from "./support/program.mjs";

const windows = process.platform === "win32";
const run = promisify(execFile);

test("dispose rejects open calls, and resolves when all processes have ended", TIMEOUT, async (t) => {
  const { llama, context } = await startContext(t);
  const processes = await pids(llama);
  const open = context.chat(ask("Tell a story.", { maxTokens: 900, ignoreEos: true }));
  const failed = assert.rejects(open, (error) => ["shuttingDown", "closed"].includes(error.kind));
  await llama.dispose();
  await failed;
  assert.ok(!processes.some(alive), "files of a program that runs cannot be replaced on Windows");
});

/** A fake program that records in a file when it sees the end of its stdin ("eof") and SIGTERM ("term"). */
function noting(t, body) {
  const notes = join(folder(t), "notes");
  const program = script(
    t,
    `const note = (word) => require("fs").appendFileSync(${JSON.stringify(notes)}, word + " " + Date.now() + "\\n");
     process.on("SIGTERM", () => note("term"));
     onRequest((r) => answer(r, { ...${INIT}, pid: process.pid }));
     ${body}`,
  );
  const read = () => readFileSync(notes, "utf8").trim().split("\n").map((line) => line.split(" "));
  return { program, read };
}

test("a program that ends with its stdin is not terminated", TIMEOUT, async (t) => {
  const { program, read } = noting(t, `lines.on("close", () => setTimeout(() => { note("clean"); process.exit(0); }, 300));`);
  await (await getLlama({ program })).dispose();
  assert.deepEqual(read().map(([word]) => word), ["clean"]);
});

test("a program that does not end with its stdin is terminated, then killed", TIMEOUT, async (t) => {
  const { program, read } = noting(t, `lines.on("close", () => note("eof")); setInterval(() => {}, 1000);`);
  const llama = await getLlama({ program });
  const { pid } = llama.info;
  const closed = Date.now();
  await llama.dispose();
  const dead = Date.now();
  assert.ok(!alive(pid));
  const [[eof], [term, terminated] = ["killed at once, on Windows", dead], ...more] = read();
  assert.deepEqual([eof, more], ["eof", []]);
  assert.equal(term === "term", !windows, term);
  assert.ok(terminated - closed >= 2900 && dead - closed >= (windows ? 2900 : 4900), `${closed} ${terminated} ${dead}`);
});

test("a router that hangs is killed, and its engines end too", TIMEOUT, async (t) => {
  const { llama, context } = await startContext(t);
  const processes = await pids(llama);
  const open = context.chat(ask("Tell a story.", { maxTokens: 900, ignoreEos: true }));
  const failed = assert.rejects(open, { kind: "closed" });
  await open[Symbol.asyncIterator]().next();
  suspend(processes[0]);
  await llama.dispose();
  await failed;
  assert.ok(!alive(processes[0]));
  await until(() => !processes.some(alive));
});

test("an open call keeps the process alive, an idle program does not; the program ends with the process", TIMEOUT, async () => {
  const code = `
    import { getLlama } from ${JSON.stringify(new URL("../dist/index.mjs", import.meta.url).href)};
    const llama = await getLlama({ program: ${JSON.stringify(command)}, gpu: "cpu", restart: true });
    llama.status().then(({ processes }) => console.log(JSON.stringify(processes.map(({ pid }) => pid))));`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", code]);
  const processes = JSON.parse(stdout);
  assert.ok(processes.length > 0);
  await until(() => !processes.some(alive));
});

test("when the process is killed, the program ends", TIMEOUT, async () => {
  const code = `
    import { getLlama } from ${JSON.stringify(new URL("../dist/index.mjs", import.meta.url).href)};
    const llama = await getLlama({ program: ${JSON.stringify(command)}, gpu: "cpu" });
    const model = await llama.loadModel({ path: ${JSON.stringify(modelPath)} });
    const context = await model.createContext({ contextSize: 1024 });
    const { processes } = await llama.status();
    for await (const _ of context.complete({ prompt: "Once", maxTokens: 900, ignoreEos: true })) {
      console.log(JSON.stringify(processes.map(({ pid }) => pid)));
    }`;
  const app = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  for await (const chunk of app.stdout) {
    output += chunk;
    if (output.includes("\n")) break;
  }
  app.kill("SIGKILL");
  const processes = JSON.parse(output.split("\n")[0]);
  await until(() => !processes.some(alive));
});
