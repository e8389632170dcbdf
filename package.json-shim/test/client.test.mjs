// The client with the real program and the real model.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { getLlama, PATH_VARIABLE, SidecarError } from "../dist/index.mjs";
import { folder } from "./support/files.mjs";
import {
  ask, BIG, BRIEF, command, LONG_LOAD, madeModel, modelPath, ODD_TEXT, PROGRAM_FILE, sayOddText, start, startContext, TIMEOUT, textOf,
} from "./support/program.mjs";

assert.ok(existsSync(modelPath), `${modelPath} is missing; run: python build/dev.py setup`);

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc");

/** A program with a model and a context of several sequences, for all tests that leave it as it was. */
let shared;
before(async () => {
  const llama = await getLlama({ program: command, gpu: "cpu", maxThreads: 1 });
  const model = await llama.loadModel({ path: modelPath });
  shared = { llama, model, context: await model.createContext({ contextSize: 256, sequences: 8 }) };
});
after(() => shared.llama.dispose());

test("the main job, with promises and with loops", TIMEOUT, async (t) => {
  const loads = [];
  const llama = await start(t);
  assert.equal(llama.info.protocolVersion, 1);
  const model = await llama.loadModel({ path: modelPath, onProgress: ({ progress }) => loads.push(progress) });
  assert.equal(loads.at(-1), 1);
  assert.deepEqual([model.modelId, model.architecture], ["model-1", "llama"]);
  const context = await model.createContext({ contextSize: 1024 });
  assert.deepEqual([context.contextId, context.contextSize, context.model], ["context-1", 1024, model]);

  const seen = new Set();
  const answer = await context.chat(ask("Say hello.", { maxTokens: 8, onProgress: ({ progressType }) => seen.add(progressType) }));
  assert.ok(seen.has("prompt") && seen.has("generate"));
  const stream = context.chat(ask("Say hello.", { maxTokens: 8 }));
  assert.equal(await textOf(stream), answer.message.content);
  assert.equal((await stream).message.content, answer.message.content);
  const { text } = await context.complete({ prompt: "Once upon a time", temperature: 0, maxTokens: 4, stream: false });
  assert.ok(text.length > 0);

  const { tokens } = await model.tokenize({ text: "Hello world" });
  assert.deepEqual(tokens, [19556, 905]);
  assert.equal((await model.detokenize({ tokens })).text, "Hello world");
  assert.match((await model.applyTemplate({ messages: ask("Hi").messages })).prompt, /assistant/);

  const before = await llama.status();
  assert.deepEqual([before.models.length, before.contexts.length], [1, 1]);
  await context.dispose();
  await context.dispose();
  await assert.rejects(context.chat(ask("Hi")), { kind: "closed" });
  await model[Symbol.asyncDispose]();
  await assert.rejects(model.tokenize({ text: "Hi" }), { kind: "closed" });
  const after = await llama.status();
  assert.deepEqual([after.models.length, after.contexts.length], [0, 0]);
  await llama.dispose();
  await assert.rejects(llama.ping(), { kind: "closed" });
});

test("an aborted generation returns the text so far; an aborted load leaves nothing running", TIMEOUT, async (t) => {
  const { llama, model, context } = await startContext(t);
  const stopping = new AbortController();
  const load = llama.loadModel({ ...LONG_LOAD, signal: stopping.signal, onProgress: () => stopping.abort() });
  await assert.rejects(load, { name: "AbortError" });

  const reason = new Error("the user pressed stop");
  const controller = new AbortController();
  let text = "";
  await assert.rejects(
    async () => {
      for await (const { delta } of context.chat(ask("Tell a story.", { maxTokens: 500, ignoreEos: true, signal: controller.signal }))) {
        text += delta;
        if (text.length > 20) controller.abort(reason);
      }
    },
    (error) => {
      assert.equal(error.cause, reason);
      assert.equal(error.partial.text, text);
      return true;
    },
  );
  for await (const _ of context.chat(ask("Tell a story.", { maxTokens: 500, ignoreEos: true }))) break;
  assert.equal((await llama.status()).requests.length, 0);
  assert.ok((await model.tokenize({ text: "still there" })).tokens.length > 0);
});

test("eight streams at once each get their own text", TIMEOUT, async () => {
  const { context } = shared;
  const prompts = Array.from({ length: 8 }, (_, i) => `Story number ${i}: once upon a time`);
  const streams = prompts.map((prompt) => context.complete({ prompt, temperature: 0, maxTokens: 12 }));
  const texts = await Promise.all(streams.map(textOf));
  const results = await Promise.all(streams);
  assert.deepEqual(texts, results.map(({ text }) => text));
});

test("characters that some line readers split at pass in both directions", TIMEOUT, async () => {
  const { model, context } = shared;
  const text = "Grüße 👋🏽 \u2028\u2029\u0085\r\n日本語 \u0000 end";
  const { tokens } = await model.tokenize({ text });
  assert.equal((await model.detokenize({ tokens })).text, text);
  assert.equal(await textOf(context.complete(sayOddText)), ODD_TEXT);
  // The prompt makes the model continue with emoji, whose tokens end in the middle of characters.
  const stream = context.complete({ prompt: "👋🏽 🎉 🚀 👋🏽 🎉 🚀 👋🏽 🎉 🚀", temperature: 0, maxTokens: 16, ignoreEos: true });
  const pieces = [];
  for await (const { delta } of stream) pieces.push(delta);
  const whole = (await stream).text;
  assert.equal(pieces.join(""), whole);
  assert.match(whole, /\p{Extended_Pictographic}/u);
  for (const piece of pieces) assert.ok(!/[\ud800-\udbff]$|^[\udc00-\udfff]/.test(piece), JSON.stringify(piece));
});

test("a message of 8 MB passes in both directions", TIMEOUT, async () => {
  const { model, llama } = shared;
  const { text } = await model.detokenize({ tokens: BIG.tokens });
  assert.equal(text.length, BIG.length);
  await assert.rejects(model.tokenize({ text: "x".repeat(8_000_000), nonsense: true }), { kind: "invalidParams" });
  assert.ok((await llama.ping()).uptimeMs > 0);
});

test("a consumer that stops reading delays no other call, and gets the whole text later", TIMEOUT, async () => {
  const { llama, context } = shared;
  const long = { prompt: "Once upon a time", temperature: 0, maxTokens: 30, ignoreEos: true };
  const lazy = context.complete(long);
  const iterator = lazy[Symbol.asyncIterator]();
  let text = (await iterator.next()).value.delta;
  assert.ok(await context.chat(ask("Say hello.", { maxTokens: 4 })));
  assert.ok(await llama.ping());
  await lazy;
  const rest = await iterator.next();
  assert.ok((await iterator.next()).done, "what waited came as one piece");
  text += rest.value.delta;
  assert.equal(text, (await lazy).text);
});

test("10,000 small calls leak no memory", TIMEOUT, async (t) => {
  const llama = await start(t);
  const calls = async (count) => {
    for (let i = 0; i < count; i += 500) await Promise.all(Array.from({ length: 500 }, () => llama.ping()));
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const signal = new AbortController().signal;
  for (let i = 0; i < 100; i++) await llama.ping({ signal });
  const before = await calls(2_000);
  const after = await calls(10_000);
  assert.ok(after - before < 1_000_000, `${after - before} bytes more`);
});

test("an error of the program is a SidecarError with all its details", TIMEOUT, async (t) => {
  const llama = await start(t);
  const error = await llama.loadModel({ path: "nowhere.gguf" }).catch((reason) => reason);
  assert.ok(error instanceof SidecarError);
  const known = { name: error.name, code: error.code, kind: error.kind, retryable: error.retryable };
  assert.deepEqual(known, { name: "SidecarError", code: 1020, kind: "fileNotFound", retryable: false });
  assert.match(error.message, /nowhere\.gguf/);
  const copy = JSON.parse(JSON.stringify(error));
  assert.deepEqual([copy.kind, copy.message, copy.data], [error.kind, error.message, error.data]);
  await assert.rejects(llama.request("loadModel", {}), { kind: "invalidParams" });
});

test("the terminal chat of the examples answers", TIMEOUT, async (t) => {
  const chat = fileURLToPath(new URL("../examples/node-chat/chat.mjs", import.meta.url));
  const env = { ...process.env, [PATH_VARIABLE]: PROGRAM_FILE };
  const app = spawn(process.execPath, [chat, madeModel(join(folder(t), "made.gguf"), BRIEF)], { env, stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  let notes = "";
  app.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  app.stderr.setEncoding("utf8").on("data", (text) => (notes += text));
  app.stdin.end("Answer with one word: is the sky blue?\n");
  assert.equal(await new Promise((resolve) => app.once("close", resolve)), 0);
  assert.match(output, /^\n> Yes\n/);
  assert.match(notes, /loading 100 %.*tokens of context.*tokens\/s/s);
});

test("after shutdown every call is rejected as closed", TIMEOUT, async () => {
  const llama = await getLlama({ program: command, restart: true });
  assert.equal(await llama.shutdown(), null);
  await assert.rejects(llama.ping(), { kind: "closed" });
  await llama.dispose();
});
