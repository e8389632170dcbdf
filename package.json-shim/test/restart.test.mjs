// The program dies: its calls fail, the client starts it again, and loads its models and contexts again.

import assert from "node:assert/strict";
import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { folder, serve } from "./support/files.mjs";
import {
  alive, ask, command, INIT, LONG_LOAD, modelPath, pids, script, start, startContext, TIMEOUT, textOf, until,
} from "./support/program.mjs";

const windows = process.platform === "win32";

async function kill(llama) {
  const [router, ...others] = await pids(llama);
  process.kill(router, "SIGKILL");
  return [router, ...others];
}

test("killed when idle, in a load or in a generation: all open calls fail, and no process is left", TIMEOUT, async (t) => {
  const idle = await start(t);
  const processes = await kill(idle);
  await assert.rejects(until(() => idle.ping().then(() => false)), (error) => {
    assert.deepEqual([error.kind, error.retryable], ["exited", true]);
    assert.match(error.message, windows ? /ended/ : /SIGKILL/);
    return true;
  });

  const loading = await start(t);
  const [router, ...engines] = await pids(loading);
  const load = loading.loadModel({ ...LONG_LOAD, onProgress: () => process.kill(router, "SIGKILL") });
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

/** Work that the program can be killed in. `now` is called in the middle of it. */
const STATES = {
  "in a download": ({ llama, download }, now) => llama.downloadModel({ ...download, onProgress: now }),
  "making a context": ({ model }, now) => {
    setImmediate(now);
    return model.createContext({ contextSize: 4096, sequences: 4 });
  },
  "in a prompt": ({ context }, now) =>
    // Its text lasts until the context is full.
    context.complete({ prompt: "word ".repeat(700), maxTokens: 900, ignoreEos: true, onProgress: ({ progress }) => progress > 0 && now() }),
  "embedding texts": ({ vectors }, now) =>
    vectors.embed({ input: Array(1000).fill("A text of a few words, as they are."), onProgress: now }),
};

test("killed during other work, it is started again and the same objects work", { timeout: 2 * TIMEOUT.timeout }, async (t) => {
  let restarts = 0;
  const restart = { attempts: 10, delayMs: 10, maxDelayMs: 10 };
  const { llama, model, context } = await startContext(t, { restart, onRestart: () => void restarts++ });
  const vectors = await model.createContext({ embeddings: true, contextSize: 256 });
  const download = { model: `${await serve(t, modelPath, { pauseMs: 20 })}/smol.gguf`, modelsDirectory: folder(t) };
  const seen = [];
  for (const [state, begin] of Object.entries(STATES)) {
    const processes = await pids(llama);
    seen.push(...processes);
    const now = () => alive(processes[0]) && process.kill(processes[0], "SIGKILL");
    const waiting = llama.status(); // may be answered before the kill
    await assert.rejects(begin({ llama, model, context, vectors, download }, now), { kind: "exited" }, state);
    await waiting.catch((error) => assert.equal(error.kind, "exited", state));
    assert.equal((await context.complete({ prompt: "a", maxTokens: 1 })).usage.completionTokens, 1, state);
  }
  assert.equal(restarts, Object.keys(STATES).length);
  assert.equal((await vectors.embed({ input: ["a"] })).embeddings.length, 1);
  await until(() => !seen.some(alive));
});

test("killed while its models are loaded again, it is started once more", { skip: windows && "needs a shell", ...TIMEOUT }, async (t) => {
  const started = join(folder(t), "pids");
  // The second program is killed by the first call after init, which loads a model.
  const dying = script(t, `onRequest((r) => (r.method === "init" ? answer(r, ${INIT}) : process.kill(process.pid, "SIGKILL")));`);
  const choose = 'echo $$ >> "$0"; [ $(wc -l < "$0") -eq 2 ] && exec "$1" "$2"; shift 2; exec "$@"';
  const restarts = [];
  const llama = await start(t, {
    program: ["/bin/sh", "-c", choose, started, ...dying, ...command],
    restart: { delayMs: 10 },
    onRestart: ({ attempt }) => restarts.push(attempt),
  });
  const model = await llama.loadModel({ path: modelPath });
  const context = await model.createContext({ contextSize: 512 });
  await kill(llama);
  await until(() => restarts.length > 0);
  assert.ok((await context.chat(ask("Say hello."))).message.content);
  assert.deepEqual(restarts, [1, 2]);
  await until(() => readFileSync(started, "utf8").trim().split("\n").filter((pid) => alive(Number(pid))).length === 1);
});

test("killed during dispose, it ends and the calls are rejected", TIMEOUT, async (t) => {
  const { llama, context } = await startContext(t);
  const processes = await pids(llama);
  const open = assert.rejects(
    context.chat(ask("Tell a story.", { maxTokens: 900, ignoreEos: true })),
    (error) => ["closed", "shuttingDown"].includes(error.kind),
  );
  const disposed = llama.dispose();
  process.kill(processes[0], "SIGKILL");
  await disposed;
  await open;
  await assert.rejects(llama.ping(), { kind: "closed" });
  await until(() => !processes.some(alive));
});

test("when an engine dies its calls fail, and the program goes on", TIMEOUT, async (t) => {
  const { llama, context } = await startContext(t);
  const engine = (await llama.status()).processes.find(({ modelId }) => modelId === "model-1");
  const stream = context.chat(ask("Tell a story.", { maxTokens: 900, ignoreEos: true }));
  await assert.rejects(async () => {
    for await (const _ of stream) process.kill(engine.pid, "SIGKILL");
  }, { kind: "engineCrashed", retryable: true });
  assert.ok((await context.chat(ask("Say hello."))).message.content);
});

test("after a restart the same objects have their models and contexts again", TIMEOUT, async (t) => {
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
  // Calls made while no program runs wait for the next one.
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

const removed = { skip: windows && "Windows removes no file that is in use", ...TIMEOUT };

test("a model that cannot be loaded again fails only its own calls", removed, async (t) => {
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

test("a program has a minute to answer init, and as long as it needs to load its models again", TIMEOUT, async (t) => {
  const starts = join(folder(t), "starts");
  const program = script(
    t,
    `const fs = require("fs"); fs.appendFileSync(${JSON.stringify(starts)}, "x");
     const second = fs.statSync(${JSON.stringify(starts)}).size === 2;
     onRequest((r) => {
       if (r.method === "ping" && !second) process.exit(7);
       if (r.method === "loadModel" && second) console.error("loads again");
       answer(r, { init: ${INIT}, loadModel: { modelId: "m" } }[r.method] ?? {});
     });`,
  );
  const { setTimeout, clearTimeout } = globalThis;
  const minutes = new Set(); // timers of a minute that run
  let made = 0;
  t.mock.method(globalThis, "setTimeout", (run, ms, ...rest) => {
    const timer = setTimeout(run, ms, ...rest);
    if (ms === 60_000 && minutes.add(timer)) made++;
    return timer;
  });
  t.mock.method(globalThis, "clearTimeout", (timer) => (minutes.delete(timer), clearTimeout(timer)));
  const running = [];
  const llama = await start(t, { program, restart: { delayMs: 10 }, onLog: () => running.push(minutes.size) });
  await llama.loadModel({ path: "a.gguf" });
  await assert.rejects(llama.ping(), { kind: "exited" });
  await llama.ping();
  assert.deepEqual([made, running], [2, [0]]);
});

test("the client gives up a program that dies again and again, after growing pauses", TIMEOUT, async (t) => {
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
