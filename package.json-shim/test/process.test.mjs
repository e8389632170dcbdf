// The child process: where it is found, how it starts, dies, is started again and ends.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { getLlama, PATH_VARIABLE, SidecarError } from "../dist/index.mjs";
import { alive, ask, command, modelPath, start, startContext, TIMEOUT, textOf, until } from "./program.mjs";

const windows = process.platform === "win32";
const run = promisify(execFile);
const dist = fileURLToPath(new URL("../dist", import.meta.url));

/** A folder that is removed after the test. */
function folder(t) {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "llama-sidecar-")));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A program of ours: a Node script that speaks the protocol as `body` has it. */
function script(t, body) {
  const path = join(folder(t), "program.cjs");
  writeFileSync(
    path,
    `const say = (message) => process.stdout.write(JSON.stringify(message) + "\\n");
     const lines = require("readline").createInterface({ input: process.stdin });
     const answer = (request, result) => say({ jsonrpc: "2.0", id: request.id, result });
     const onRequest = (handle) => lines.on("line", (line) => handle(JSON.parse(line)));
     ${body}`,
  );
  return [process.execPath, path];
}

/** Its answer to init. */
const INIT = `{ protocolVersion: 1, serverInfo: { name: "test", version: "1" } }`;

const pids = async (llama) => (await llama.status()).processes.map(({ pid }) => pid);

async function kill(llama) {
  const [router, ...others] = await pids(llama);
  process.kill(router, "SIGKILL");
  return [router, ...others];
}

// --- Finding it --------------------------------------------------------------------------------

test("a program that is not there is told with every place that was looked at", async (t) => {
  await assert.rejects(getLlama({ program: "/nowhere/llama-sidecar" }), (error) => {
    assert.ok(error instanceof SidecarError);
    assert.equal(error.kind, "programNotFound");
    assert.match(error.message, /option `program` names .*nowhere/);
    return true;
  });
  await assert.rejects(getLlama({ program: folder(t) }), /a folder/);
  const saved = process.env[PATH_VARIABLE];
  t.after(() => {
    if (saved === undefined) delete process.env[PATH_VARIABLE];
    else process.env[PATH_VARIABLE] = saved;
    delete process.resourcesPath;
  });
  process.env[PATH_VARIABLE] = join(folder(t), "missing");
  await assert.rejects(getLlama(), /LLAMA_SIDECAR_PATH names .*missing, which is not there/);
  delete process.env[PATH_VARIABLE];
  process.resourcesPath = folder(t);
  await assert.rejects(getLlama(), (error) => {
    assert.ok(error.message.includes(join(process.resourcesPath, "llama-sidecar")));
    assert.ok(error.message.includes(`@llama-sidecar/${process.platform}-${process.arch} (not installed)`));
    assert.ok(error.message.includes(join(process.execPath, "..", "llama-sidecar")));
    assert.match(error.message, /extraResources/);
    return true;
  });
});

test("the environment variable and Electron's resources lead to it", { skip: windows && "needs a script as a program", ...TIMEOUT }, async (t) => {
  const resources = folder(t);
  mkdirSync(join(resources, "llama-sidecar"));
  const program = join(resources, "llama-sidecar", "llama-sidecar");
  writeFileSync(program, `#!/bin/sh\nexec ${command.map((part) => `"${part}"`).join(" ")} "$@"\n`);
  chmodSync(program, 0o755);
  t.after(() => {
    delete process.env[PATH_VARIABLE];
    delete process.resourcesPath;
  });
  process.env[PATH_VARIABLE] = program;
  assert.ok(await (await start(t, { program: undefined })).ping());
  delete process.env[PATH_VARIABLE];
  process.resourcesPath = resources;
  assert.ok(await (await start(t, { program: undefined })).ping());
});

test("the platform's package leads to it, checked, also from an asar archive", { skip: windows && "needs a script as a program", ...TIMEOUT }, async (t) => {
  const { createHash } = await import("node:crypto");
  const text = `#!/bin/sh\nexec ${command.map((part) => `"${part}"`).join(" ")} "$@"\n`;
  const sha256 = createHash("sha256").update(text).digest("hex");
  const platform = `${process.platform}-${process.arch}`;
  for (const [modules, program] of [
    ["node_modules", "node_modules"],
    ["app.asar/node_modules", "app.asar.unpacked/node_modules"],
  ]) {
    const root = folder(t);
    const main = join(root, modules, "llama-sidecar");
    cpSync(dist, join(main, "dist"), { recursive: true });
    for (const place of [modules, program]) {
      const path = join(root, place, "@llama-sidecar", platform);
      mkdirSync(path, { recursive: true });
      writeFileSync(join(path, "package.json"), "{}");
      if (place === program) writeFileSync(join(path, "llama-sidecar"), text, { mode: 0o755 });
    }
    const manifest = (hash) =>
      writeFileSync(
        join(main, "package.json"),
        JSON.stringify({ platforms: { [platform]: { package: `@llama-sidecar/${platform}`, sha256: hash } } }),
      );
    const code = `require(${JSON.stringify(join(main, "dist/node/node/index.js"))}).getLlama()
      .then((llama) => llama.ping()).then(() => console.log("well"), (error) => console.log(error.kind));`;
    manifest(sha256);
    assert.equal((await run(process.execPath, ["-e", code])).stdout, "well\n");
    manifest(sha256.replace(/^./, (digit) => (digit === "0" ? "1" : "0")));
    assert.equal((await run(process.execPath, ["-e", code])).stdout, "programChanged\n");
  }
});

// --- Starting it -------------------------------------------------------------------------------

test("a program of another protocol version is refused", TIMEOUT, async (t) => {
  const version2 = script(t, `onRequest((r) => answer(r, { ...${INIT}, protocolVersion: 2 }));`);
  await assert.rejects(getLlama({ program: version2 }), (error) => {
    assert.equal(error.kind, "unsupportedProtocolVersion");
    assert.match(error.message, /version 2, this client 1/);
    return true;
  });
  const refusing = script(t, `onRequest((r) => say({ jsonrpc: "2.0", id: r.id, error: { code: 1000, message: "no" } }));`);
  await assert.rejects(getLlama({ program: refusing }), { kind: "unsupportedProtocolVersion" });
});

test("a program that ends at once tells why", TIMEOUT, async (t) => {
  const failing = script(t, `console.error("no such library: libthing.so"); process.exit(3);`);
  await assert.rejects(getLlama({ program: failing }), (error) => {
    assert.equal(error.kind, "startFailed");
    assert.match(error.message, /status 3.*libthing\.so/s);
    return true;
  });
  await assert.rejects(getLlama({ program: [join(folder(t), "none")] }), { kind: "startFailed", message: /ENOENT/ });
  await assert.rejects(getLlama({ program: [process.execPath, "-e", "console.log('hello')"] }), /status 0.*hello/s);
});

test("a program that could not unpack itself is explained", TIMEOUT, async (t) => {
  // What the boot loader says; tests/process/test_one_file.py holds the first two against the real one.
  const said = {
    noexec: "[PYI-9:ERROR] Failed to load Python shared library 'x': failed to map segment from shared object",
    full: "[PYI-9:ERROR] Failed to extract libllama.so: failed to write data chunk!",
    "may not be written to": "[PYI-9:ERROR] Could not create temporary directory!",
  };
  for (const [reason, words] of Object.entries(said)) {
    const failing = script(t, `console.error(${JSON.stringify(words)}); process.exit(255);`);
    await assert.rejects(getLlama({ program: failing }), (error) => {
      assert.equal(error.kind, "startFailed");
      assert.match(error.message, new RegExp(`^The temporary folder.*${reason}.*TMPDIR.*status 255`, "s"));
      assert.ok(error.message.includes(words));
      assert.match(error.data.remedy, /TMPDIR/);
      return true;
    });
  }
});

test("the start can be aborted", TIMEOUT, async (t) => {
  const mute = script(t, "onRequest(() => {});");
  const controller = new AbortController();
  const starting = getLlama({ program: mute, signal: controller.signal });
  setTimeout(() => controller.abort(), 100);
  await assert.rejects(starting, { name: "AbortError" });
  await assert.rejects(getLlama({ program: mute, signal: controller.signal }), { name: "AbortError" });
});

test("lines that are no JSON, answers to nobody and unknown notifications are passed over", TIMEOUT, async (t) => {
  const chatty = script(
    t,
    `console.log("loading…"); say([]); say({ jsonrpc: "2.0", method: "later", params: {} });
     onRequest((r) => { console.log("{"); answer({ id: 99 }, 1); answer({ id: null }, 1); answer(r, ${INIT}); });`,
  );
  const lines = [];
  const llama = await start(t, { program: chatty, onLog: (line) => lines.push(line) });
  assert.equal(llama.info.serverInfo.name, "test");
  assert.deepEqual(lines, ["loading…", "{"]);
});

// --- Its pipes ---------------------------------------------------------------------------------

test("a flood on stderr stops nothing", TIMEOUT, async (t) => {
  const flooding = script(
    t,
    `const block = ("x".repeat(1023) + "\\n").repeat(1024); // 1 MB
     onRequest((r) => { for (let i = 0; i < 20; i++) require("fs").writeSync(2, block); answer(r, ${INIT}); });`,
  );
  let bytes = 0;
  const llama = await start(t, { program: flooding, onLog: (line) => void (bytes += line.length + 1) });
  await llama.ping();
  await until(() => bytes === 2 * 20 * 2 ** 20);
});

test("answers come through a pipe that cuts them anywhere", TIMEOUT, async (t) => {
  const dripping = script(
    t,
    `onRequest(async (r) => {
       const text = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: r.id, result: { ...${INIT}, text: "\\u2028 👋🏽" } }) + "\\n");
       for (const byte of text) { process.stdout.write(Uint8Array.of(byte)); await new Promise(setImmediate); }
     });`,
  );
  const llama = await start(t, { program: dripping });
  assert.equal(llama.info.text, "\u2028 👋🏽");
});

test("a consumer that stops reading makes the program wait, with little in memory", TIMEOUT, async (t) => {
  const PIECES = 1000;
  const pouring = script(
    t,
    `onRequest(async (r) => {
       if (r.method === "init") return answer(r, ${INIT});
       for (let i = 0; i < ${PIECES}; i++) {
         const delta = "x".repeat(10_000);
         const params = { requestId: r.id, progressType: "generate", progress: null, segment: "text", delta };
         const line = JSON.stringify({ jsonrpc: "2.0", method: "progress", params }) + "\\n";
         if (!process.stdout.write(line)) await new Promise((drained) => process.stdout.once("drain", drained));
         console.error(i);
       }
       answer(r, { text: "" });
     });`,
  );
  let poured = 0;
  const llama = await start(t, { program: pouring, onLog: () => void poured++ });
  const stream = llama.request("complete", { contextId: "context-1", prompt: "x" });
  const iterator = stream[Symbol.asyncIterator]();
  let length = (await iterator.next()).value.delta.length;
  await until(() => poured > 5);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(poured < PIECES / 2, `${poured} pieces were taken in`);
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) length += next.value.delta.length;
  assert.equal(length, PIECES * 10_000);
});

test("a program that does not read holds up nobody for ever: its death answers", TIMEOUT, async (t) => {
  const deaf = script(
    t,
    `onRequest((r) => { answer(r, ${INIT}); lines.pause(); process.stdin.pause(); setTimeout(() => process.exit(9), 300); });`,
  );
  const llama = await start(t, { program: deaf });
  const big = { text: "x".repeat(4_000_000) };
  const calls = Array.from({ length: 4 }, () => llama.request("tokenize", { modelId: "model-1", ...big }));
  for (const call of calls) await assert.rejects(call, { kind: "exited" });
});

// --- Its death ---------------------------------------------------------------------------------

test("killed when idle, in a load, in a generation: all open calls fail, and nothing is left", TIMEOUT, async (t) => {
  const idle = await start(t);
  const processes = await kill(idle);
  await assert.rejects(until(() => idle.ping().then(() => false)), (error) => {
    assert.deepEqual([error.kind, error.retryable], ["exited", true]);
    assert.match(error.message, windows ? /ended/ : /SIGKILL/);
    return true;
  });

  const loading = await start(t);
  const [router, ...engines] = await pids(loading);
  const load = loading.loadModel({ path: modelPath, useMmap: false, onProgress: () => process.kill(router, "SIGKILL") });
  await assert.rejects(load, { kind: "exited" });

  const { llama, context } = await startContext(t);
  const generating = await pids(llama);
  const [stream, waiting] = [1, 2].map(() => context.chat(ask("Tell a story.", { maxTokens: 900, ignoreEos: true })));
  let text = "";
  await assert.rejects(async () => {
    for await (const { delta } of stream) {
      if (text === "") process.kill(generating[0], "SIGKILL");
      text += delta;
    }
  }, { kind: "exited" });
  await assert.rejects(waiting, { kind: "exited" });
  assert.notEqual(text, "");
  await context.dispose();
  await until(() => ![...processes, router, ...engines, ...generating].some(alive));
});

test("an engine that dies costs its calls, the program goes on", TIMEOUT, async (t) => {
  const { llama, context } = await startContext(t);
  const engine = (await llama.status()).processes.find(({ modelId }) => modelId === "model-1");
  const stream = context.chat(ask("Tell a story.", { maxTokens: 900, ignoreEos: true }));
  await assert.rejects(async () => {
    for await (const _ of stream) process.kill(engine.pid, "SIGKILL");
  }, { kind: "engineCrashed", retryable: true });
  assert.ok((await context.chat(ask("Say hello."))).message.content);
});

test("started again, with its models and contexts, under the same objects", TIMEOUT, async (t) => {
  const restarts = [];
  const { llama, model, context } = await startContext(t, {
    restart: { delayMs: 50 },
    onRestart: (event) => restarts.push(event),
  });
  const other = await llama.loadModel({ path: modelPath });
  await model.createContext({ contextSize: 256 }).then((unused) => unused.dispose());
  const small = await other.createContext({ contextSize: 128 });
  await model.createContext({ contextSize: 512 });
  const before = (await context.chat(ask("Say hello."))).message.content;
  const ids = [model.modelId, other.modelId, context.contextId, small.contextId];

  const open = context.chat(ask("Tell a story.", { maxTokens: 900, ignoreEos: true }));
  const stopped = assert.rejects(open, { kind: "exited" });
  await kill(llama);
  await stopped;
  // Made while there is no program: they wait for the next one.
  const controller = new AbortController();
  const unwanted = context.chat(ask("Never.", { signal: controller.signal }));
  const stream = context.chat(ask("Say hello."));
  controller.abort();
  await assert.rejects(unwanted, { name: "AbortError" });
  assert.equal(await textOf(stream), before);
  assert.ok((await small.model.tokenize({ text: "x" })).tokens.length > 0);
  assert.equal(restarts.length, 1);
  assert.deepEqual([restarts[0].attempt, restarts[0].delayMs, restarts[0].error.kind], [1, 50, "exited"]);

  const status = await llama.status();
  assert.deepEqual([status.models.length, status.contexts.length], [2, 3]);
  assert.deepEqual(new Set([model.modelId, other.modelId]), new Set(ids.slice(0, 2)));
  await kill(llama);
  await until(() => restarts.length === 2);
  assert.equal(typeof (await small.complete({ prompt: "a", maxTokens: 1 })).text, "string");
});

test("what cannot be loaded again fails its own calls only", TIMEOUT, async (t) => {
  const path = join(folder(t), "copy.gguf");
  copyFileSync(modelPath, path);
  let restarts = 0;
  const { llama, context } = await startContext(t, { restart: { delayMs: 10 }, onRestart: () => void restarts++ });
  const lost = await llama.loadModel({ path });
  const lostContext = await lost.createContext({ contextSize: 128 });
  rmSync(path);
  await kill(llama);
  await until(() => restarts === 1);
  assert.ok((await context.chat(ask("Say hello."))).message.content);
  await assert.rejects(lost.tokenize({ text: "x" }), { kind: "fileNotFound" });
  await assert.rejects(lostContext.chat(ask("x")), { kind: "fileNotFound" });
});

test("a program that dies again and again is given up, with growing pauses", TIMEOUT, async (t) => {
  const counter = join(folder(t), "starts");
  const mortal = script(
    t,
    `const fs = require("fs"); fs.appendFileSync(${JSON.stringify(counter)}, "x");
     const first = fs.statSync(${JSON.stringify(counter)}).size === 1;
     onRequest((r) => { if (!first) process.exit(7); answer(r, ${INIT}); setTimeout(() => process.exit(7), 50); });`,
  );
  const delays = [];
  const llama = await start(t, {
    program: mortal,
    restart: { attempts: 4, delayMs: 10, maxDelayMs: 30 },
    onRestart: ({ delayMs }) => delays.push(delayMs),
  });
  await until(() => delays.length === 1);
  await assert.rejects(llama.ping(), (error) => {
    assert.equal(error.kind, "startFailed");
    assert.match(error.message, /status 7/);
    return true;
  });
  assert.deepEqual(delays, [10, 20, 30, 30]);
  await assert.rejects(llama.ping(), { kind: "startFailed" });
});

// --- Its end -----------------------------------------------------------------------------------

test("disposing of it answers open calls, and resolves when all its processes are gone", TIMEOUT, async (t) => {
  const { llama, context } = await startContext(t);
  const processes = await pids(llama);
  const open = context.chat(ask("Tell a story.", { maxTokens: 900, ignoreEos: true }));
  const failed = assert.rejects(open, (error) => ["shuttingDown", "closed"].includes(error.kind));
  await llama.dispose();
  await failed;
  assert.ok(!alive(processes[0]));
  await until(() => !processes.some(alive));
});

test("one that does not end by itself is terminated, then killed", TIMEOUT, async (t) => {
  const stubborn = script(
    t,
    `process.on("SIGTERM", () => {}); setInterval(() => {}, 1000);
     onRequest((r) => answer(r, { ...${INIT}, pid: process.pid }));`,
  );
  const llama = await getLlama({ program: stubborn });
  const { pid } = llama.info;
  await llama.dispose();
  assert.ok(!alive(pid));
});

test("an idle program keeps no process alive, an open call does; neither outlives it", TIMEOUT, async () => {
  const code = `
    import { getLlama } from ${JSON.stringify(new URL("../dist/index.mjs", import.meta.url).href)};
    const llama = await getLlama({ program: ${JSON.stringify(command)}, gpu: "cpu", restart: true });
    llama.status().then(({ processes }) => console.log(JSON.stringify(processes.map(({ pid }) => pid))));`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", code]);
  const processes = JSON.parse(stdout);
  assert.ok(processes.length > 0);
  await until(() => !processes.some(alive));
});

test("a process that is killed takes the program with it", TIMEOUT, async () => {
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
