// LlamaWorker: a program behind a MessagePort, and the client at the other end of the port.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MessageChannel, Worker } from "node:worker_threads";
import { LlamaWorker, PATH_VARIABLE } from "../dist/index.mjs";
import { AbortError, llamaOverPort } from "../dist/port.mjs";
import { folder, serve } from "./support/files.mjs";
import {
  alive, ask, BIG, command, modelPath, ODD_TEXT, PROGRAM_FILE, sayOddText, TIMEOUT, textOf, until,
} from "./support/program.mjs";

/** Starts a worker that ends with the test. `received` gets every message of its port. */
function start(t, options = {}) {
  const worker = new LlamaWorker({ program: command, ...options });
  t.after(() => worker.terminate());
  const received = [];
  worker.port.on("message", (event) => received.push(event.data));
  let lastId = 0;
  /** Sends a message. Resolves with its response or error. */
  const send = async (type, options, id = ++lastId) => {
    worker.port.postMessage({ type, id, options });
    let answer;
    await until(() => (answer = received.find((message) => message.id === id && message.type !== "progress")));
    return answer;
  };
  return { worker, received, send };
}

const INIT = { debug: false, gpu: "cpu", maxThreads: 1 };

test("init and loadModel without ids: info, progress and a response come back", TIMEOUT, async (t) => {
  process.env[PATH_VARIABLE] = PROGRAM_FILE;
  t.after(() => delete process.env[PATH_VARIABLE]);
  const infos = [];
  const progress = [];
  const ready = new Promise((resolve) => {
    const worker = new LlamaWorker();
    t.after(() => worker.terminate());
    const { port } = worker;
    port.on("message", (event) => {
      if (event.data.type === "info") infos.push(event.data.message);
      else if (event.data.type === "progress") progress.push([event.data.progressType, event.data.progress]);
      else if (event.data.method === "loadModel") resolve(event.data.result);
    });
    port.postMessage({ type: "init", options: { debug: true, gpu: "auto", maxThreads: 4 } });
    port.postMessage({ type: "loadModel", options: { path: modelPath } });
  });
  assert.equal((await ready).modelId, "model-1");
  assert.ok(infos.some((message) => message.includes("ready")));
  assert.deepEqual(progress.at(-1), ["load", 1]);
});

test("the app decides what the other end of the port may do, and what holds for it", TIMEOUT, async (t) => {
  const asked = [];
  const allow = ({ type, options }) => {
    asked.push(type);
    if (type === "status") return Promise.resolve(true); // no answer yet
    if (type !== "ping") return type === "init" || (type === "loadModel" && options.path === "listed.gguf");
  };
  const log = [];
  const { send } = start(t, { allow, init: { maxThreads: -1 }, onLog: (line) => log.push(line) });
  const refused = await send("ping");
  assert.deepEqual([refused.type, refused.method, refused.kind, refused.code, refused.retryable], ["error", "ping", "notAllowed", 905, false]);
  assert.equal((await send("status")).kind, "notAllowed", "only true allows");
  assert.deepEqual(log, [], "what is refused does not start the program");
  const { kind, data } = await send("init", INIT);
  assert.deepEqual([kind, data.pointer], ["invalidParams", "/maxThreads"], "the app's own settings come last");
  assert.equal((await send("loadModel", { path: modelPath })).kind, "notAllowed");
  assert.deepEqual(asked, ["ping", "status", "init", "loadModel"]);
});

test("a model is loaded and chats by messages, with the app's own ids", TIMEOUT, async (t) => {
  const { received, send } = start(t);
  assert.equal((await send("init", INIT, "first")).result.protocolVersion, 1);
  const { modelId } = (await send("loadModel", { path: modelPath })).result;
  const { contextId } = (await send("createContext", { modelId, contextSize: 1024 })).result;
  const { result } = await send("chat", { contextId, ...ask("Say hello.") }, "chat");
  const deltas = received.filter(({ type, id, progressType }) => type === "progress" && id === "chat" && progressType === "generate");
  assert.equal(deltas.map(({ delta }) => delta).join(""), result.message.content);
  assert.ok(!("requestId" in deltas[0]));
  const failed = await send("tokenize", { modelId: "model-9", text: "x" });
  assert.deepEqual([failed.type, failed.method, failed.kind, failed.code], ["error", "tokenize", "modelNotFound", 1010]);
  assert.equal((await send("compleet")).kind, "methodNotFound");
  assert.equal((await send(undefined)).kind, "methodNotFound");
});

test("abort stops one request or all", TIMEOUT, async (t) => {
  const { received, send, worker } = start(t);
  const { modelId } = (await send("loadModel", { path: modelPath })).result;
  const { contextId } = (await send("createContext", { modelId, contextSize: 1024 })).result;
  const story = { contextId, ...ask("Tell a story.", { maxTokens: 900, ignoreEos: true }) };
  const first = send("chat", story, "a");
  const second = send("chat", story, "b");
  await until(() => received.some(({ id, progressType }) => id === "a" && progressType === "generate"));
  const { result } = await send("abort", { requestId: "a" });
  assert.equal(result.outcome, "aborted");
  assert.equal((await first).kind, "aborted");
  assert.equal(typeof (await first).data.partial.text, "string");
  assert.equal((await send("abort", { requestId: "a" })).result.outcome, "notFound");
  worker.port.postMessage({ type: "abort" });
  assert.equal((await second).kind, "aborted");

  const model = `${await serve(t, modelPath, { pauseMs: 20 })}/smol.gguf`;
  const download = send("downloadModel", { model, modelsDirectory: folder(t) }, "download");
  await until(() => received.some(({ id, downloadedBytes }) => id === "download" && downloadedBytes > 0));
  assert.equal((await send("abort", { requestId: "download" })).result.outcome, "aborted");
  assert.ok((await download).data.partial.keptBytes > 0);
  assert.ok((await send("ping")).result.uptimeMs > 0);
});

test("both forms of listener get the same events", TIMEOUT, async (t) => {
  const worker = new LlamaWorker({ program: command });
  t.after(() => worker.terminate());
  const answer = new Promise((resolve) => {
    worker.port.addEventListener("message", ({ data }) => data.type === "response" && resolve(data));
  });
  worker.port.start();
  worker.port.postMessage({ type: "ping", id: 0 });
  const { id, method } = await answer;
  assert.deepEqual([id, method], [0, "ping"]);
});

test("the death of the program is reported, and the next message starts a new one", TIMEOUT, async (t) => {
  const { received, send } = start(t);
  const { processes } = (await send("status")).result;
  process.kill(processes[0].pid, "SIGKILL");
  await until(() => received.some(({ type, method }) => type === "error" && method === null));
  assert.equal(received.at(-1).kind, "exited");
  assert.ok((await send("ping")).result.uptimeMs > 0);
});

test("closing the port or terminating the worker ends the program", TIMEOUT, async (t) => {
  for (const end of [({ worker }) => worker.terminate(), ({ worker }) => worker.port.close()]) {
    const started = start(t);
    const { processes } = (await started.send("status")).result;
    await end(started);
    await until(() => !processes.some(({ pid }) => alive(pid)));
  }
});

test("a program that cannot be found is an error at the port", TIMEOUT, async (t) => {
  const { send } = start(t, { program: "/nowhere/llama-sidecar" });
  for (let i = 0; i < 2; i++) assert.equal((await send("init", INIT)).kind, "programNotFound");
});

test("a message cannot choose the program or how it is started", TIMEOUT, async (t) => {
  process.env[PATH_VARIABLE] = PROGRAM_FILE;
  t.after(() => delete process.env[PATH_VARIABLE]);
  const marker = join(folder(t), "marker");
  const harmful = [process.execPath, "-e", `require("fs").writeFileSync(${JSON.stringify(marker)}, "")`];
  const { send } = start(t, { program: undefined });
  const options = { ...INIT, program: harmful, restart: true, signal: { aborted: true }, onLog: "x", onRestart: "x" };
  const { result } = await send("init", options);
  assert.equal(result?.serverInfo.name, "llama-sidecar");
  assert.ok(!existsSync(marker));
});

test("the full client works in a thread that got the port", TIMEOUT, async (t) => {
  const { port1, port2 } = new MessageChannel();
  const worker = new LlamaWorker({ program: command, channel: { port1, port2 } });
  t.after(() => worker.terminate());
  const code = `
    import { parentPort, workerData } from "node:worker_threads";
    import { llamaOverPort } from ${JSON.stringify(new URL("../dist/port.mjs", import.meta.url).href)};
    const { port, path, chat } = workerData;
    const llama = await llamaOverPort(port, { gpu: "cpu", maxThreads: 1 });
    const model = await llama.loadModel({ path });
    const context = await model.createContext({ contextSize: 512 });
    let text = "";
    const stream = context.chat(chat);
    for await (const { delta } of stream) text += delta;
    parentPort.postMessage({ same: text === (await stream).message.content, text });
    await llama.dispose();`;
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
    workerData: { port: worker.port, path: modelPath, chat: ask("Say hello.") },
    transferList: [worker.port],
  });
  const answer = await new Promise((resolve, reject) => thread.once("message", resolve).once("error", reject));
  assert.ok(answer.same && answer.text.length > 0);
  await thread.terminate();
});

test("the client over a port aborts, gets errors, and its objects survive the program", TIMEOUT, async (t) => {
  const worker = new LlamaWorker({ program: command });
  t.after(() => worker.terminate());
  let restarts = 0;
  const llama = await llamaOverPort(worker.port, {
    gpu: "cpu",
    maxThreads: 1,
    restart: { delayMs: 10 },
    onRestart: () => void restarts++,
  });
  await assert.rejects(llama.loadModel({ path: "nowhere.gguf" }), { kind: "fileNotFound", code: 1020 });
  const model = await llama.loadModel({ path: modelPath });
  const context = await model.createContext({ contextSize: 1024 });
  assert.equal(await textOf(context.complete(sayOddText)), ODD_TEXT);
  assert.equal((await model.detokenize({ tokens: BIG.tokens })).text.length, BIG.length);
  const story = () => context.chat(ask("Tell a story.", { maxTokens: 900, ignoreEos: true }));
  for await (const _ of story()) break;
  const controller = new AbortController();
  const aborted = context.chat(
    ask("Tell a story.", { maxTokens: 900, ignoreEos: true, signal: controller.signal, onProgress: () => controller.abort() }),
  );
  await assert.rejects(aborted, (error) => error instanceof AbortError && typeof error.partial.text === "string");

  const { processes } = await llama.status();
  const stream = story();
  await assert.rejects(async () => {
    for await (const _ of stream) process.kill(processes[0].pid, "SIGKILL");
  }, { kind: "exited" });
  assert.ok((await textOf(context.chat(ask("Say hello.")))).length > 0);
  assert.equal(restarts, 1);
});
