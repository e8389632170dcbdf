// Readings of the npm package's client, of its adapters, and of a bare reader of the program's pipe:
// node client.mjs PROGRAM MODEL, where PROGRAM is a JSON array; one task (JSON) per line on stdin.
// Build the package first. Writes one JSON object per line: first {"ready": true}, then the result of each task.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { setImmediate as turn } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { llamaSidecar } from "../../../package.json-shim/dist/ai-sdk.mjs";
import { chatSession } from "../../../package.json-shim/dist/chat-session.mjs";
import { getLlama } from "../../../package.json-shim/dist/index.mjs";
import { sidecarFetch } from "../../../package.json-shim/dist/openai.mjs";
import { promptApi } from "../../../package.json-shim/dist/prompt-api.mjs";
import { runTools } from "../../../package.json-shim/dist/tools.mjs";

const [program, path] = process.argv.slice(2);
const command = JSON.parse(program);
const THREADS = 2;
let number = 0;
const request = (tokens) => ({ prompt: `Story number ${number++}: once upon a time`, maxTokens: tokens, temperature: 0, ignoreEos: true });

/** The least that a client can do: look for the newline of each message and for the id of the answer. */
function bare() {
  const child = spawn(command[0], command.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
  const answers = new Map();
  let rest = "";
  child.stdout.setEncoding("latin1").on("data", (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const id = /^\{"jsonrpc":"2.0","id":(\d+),/.exec(line)?.[1];
      if (id !== undefined) answers.get(Number(id))(JSON.parse(line).result);
    }
  });
  let last = 0;
  const call = (method, params) =>
    new Promise((resolve) => {
      answers.set(++last, resolve);
      child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: last, method, params })}\n`);
    });
  return { call, end: () => child.stdin.end() };
}

const llama = await getLlama({ program: command, gpu: "cpu", maxThreads: THREADS });
const context = await (await llama.loadModel({ path })).createContext({ contextSize: 512, sequences: 8 });
const pipe = bare();
await pipe.call("init", { gpu: "cpu", maxThreads: THREADS });
const { modelId } = await pipe.call("loadModel", { path });
const { contextId } = await pipe.call("createContext", { modelId, contextSize: 512, sequences: 8 });

const complete = {
  async client(params) {
    const stream = context.complete(params);
    let text = "";
    for await (const { delta } of stream) text += delta;
    const result = await stream;
    if (text !== result.text) throw new Error("the deltas are not the text");
    return result;
  },
  pipe: (params) => pipe.call("complete", { contextId, ...params }),
};

/** Reads all pieces; returns the number of characters, so that nothing is left out. */
async function all(pieces, sizeOf) {
  let size = 0;
  for await (const piece of pieces) size += sizeOf(piece);
  if (size === 0) throw new Error("there was no text");
}

const models = { context: { contextSize: 512, sequences: 8 } };
const sdk = llamaSidecar({ llama, ...models })(path);
const fetch = sidecarFetch(llama, models);

/** The Prompt API with these params of `chat`, made once. */
const languageModels = new Map();
function languageModel(params) {
  const key = JSON.stringify(params);
  if (!languageModels.has(key)) languageModels.set(key, promptApi({ llama, ...models, model: path, chat: params }));
  return languageModels.get(key);
}

/** The same chat, of `maxTokens` tokens, in each of the client's ways. */
const chat = {
  client: (messages, params) => all(context.chat({ messages, ...params }), ({ delta }) => delta.length),
  chatSession: ([{ content }], params) => all(chatSession({ context }).send(content, params), ({ delta }) => delta.length),
  async runTools(messages, params) {
    let size = 0;
    await runTools({ context, messages, tools: [], ...params, onEvent: ({ progress }) => (size += progress?.delta?.length ?? 0) });
    if (size === 0) throw new Error("there was no text");
  },
  async aiSdk([{ content }], { maxTokens, temperature, ...own }) {
    const prompt = [{ role: "user", content: [{ type: "text", text: content }] }];
    const options = { prompt, maxOutputTokens: maxTokens, temperature, providerOptions: { llamaSidecar: own } };
    await all((await sdk.doStream(options)).stream, ({ delta }) => delta?.length ?? 0);
  },
  async openai(messages, { maxTokens, ...params }) {
    const body = JSON.stringify({ model: path, messages, max_tokens: maxTokens, stream: true, ...params });
    await all((await fetch("http://sidecar/v1/chat/completions", { method: "POST", body })).body, ({ length }) => length);
  },
  async promptApi([{ content }], params) {
    const session = await languageModel(params).create();
    await all(session.promptStreaming(content), ({ length }) => length);
  },
  /** What the interfaces ask for that give a ReadableStream, and nothing else. */
  async readableStream(messages, params) {
    const pieces = context.chat({ messages, ...params })[Symbol.asyncIterator]();
    const pull = async (controller) => {
      const { done, value } = await pieces.next();
      if (done) controller.close();
      else controller.enqueue(value);
    };
    await all(new ReadableStream({ pull }), ({ delta }) => delta.length);
  },
};

const installed = createRequire(new URL("../../../package.json-shim/package.json", import.meta.url));
const load = (name) => import(pathToFileURL(installed.resolve(name)));

/** A stream of canned chunks, one in each turn of the event loop. */
const canned = (chunks) =>
  new ReadableStream({
    async pull(controller) {
      await turn();
      if (chunks.length > 0) controller.enqueue(chunks.shift());
      else controller.close();
    },
  });

/** Packages of others with canned pieces of `tokens` tokens: what they take without the program and without us. */
const packages = {
  async ai(tokens) {
    const { streamText } = await load("ai");
    const deltas = Array.from({ length: tokens }, (_, i) => ({ type: "text-delta", id: "1", delta: ` word${i}` }));
    const usage = { inputTokens: { total: 1 }, outputTokens: { total: tokens } };
    const finish = { type: "finish", finishReason: { unified: "stop", raw: "stop" }, usage };
    const parts = [{ type: "stream-start", warnings: [] }, { type: "text-start", id: "1" }, ...deltas, { type: "text-end", id: "1" }, finish];
    const model = { specificationVersion: "v4", provider: "canned", modelId: "canned", supportedUrls: {}, doStream: async () => ({ stream: canned(parts) }) };
    return () => all(streamText({ model, prompt: "Hi" }).textStream, ({ length }) => length);
  },
  async openai(tokens) {
    const { default: OpenAI } = await load("openai");
    const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "canned" };
    const chunk = (i) => ({ ...head, choices: [{ index: 0, delta: { content: ` word${i}` }, logprobs: null, finish_reason: null }] });
    const texts = Array.from({ length: tokens }, (_, i) => `data: ${JSON.stringify(chunk(i))}\n\n`);
    const bytes = [...texts, "data: [DONE]\n\n"].map((text) => new TextEncoder().encode(text));
    const answer = async () => new Response(canned(bytes), { headers: { "content-type": "text/event-stream" } });
    const openai = new OpenAI({ fetch: answer, baseURL: "http://canned/v1", apiKey: "none" });
    const messages = [{ role: "user", content: "Hi" }];
    return async () => all(await openai.chat.completions.create({ model: "canned", messages, stream: true }), ({ choices }) => choices[0].delta.content.length);
  },
};

const tasks = {
  /** What a package of others takes: this process's processor time (ms) per 1,000 tokens. */
  async canned({ by, tokens }) {
    const read = await packages[by](tokens);
    const cpu = process.cpuUsage();
    await read();
    const { user, system } = process.cpuUsage(cpu);
    return { cpu: (user + system) / tokens };
  },

  /** A chat: tokens per second, and this process's processor time (ms) per 1,000 tokens. */
  async chat({ by, tokens }) {
    const { prompt, ...params } = request(tokens);
    const cpu = process.cpuUsage();
    const begin = performance.now();
    await chat[by]([{ role: "user", content: prompt }], params);
    const seconds = (performance.now() - begin) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    return { speed: tokens / seconds, cpu: (user + system) / tokens };
  },

  /** Streams at once: tokens per second, and this process's processor time (ms) per 1,000 tokens. */
  async streams({ by, count, tokens }) {
    const cpu = process.cpuUsage();
    const begin = performance.now();
    const results = await Promise.all(Array.from({ length: count }, () => complete[by](request(tokens))));
    const seconds = (performance.now() - begin) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const total = results.reduce((sum, { usage }) => sum + usage.completionTokens, 0);
    return { speed: total / seconds, cpu: (user + system) / total };
  },

  /** How long a timer of 1 ms must wait in the app's thread during streams, in ms. */
  async stalls({ by, count, tokens }) {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    delay.enable();
    await tasks.streams({ by, count, tokens });
    delay.disable();
    return { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 };
  },

  /** Small calls per second, `atOnce` of them at a time. */
  async pings({ total, atOnce }) {
    const begin = performance.now();
    for (let i = 0; i < total; i += atOnce) await Promise.all(Array.from({ length: atOnce }, () => llama.ping()));
    return total / ((performance.now() - begin) / 1000);
  },
};

const write = (object) => console.log(JSON.stringify(object));
write({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const { task, ...params } = JSON.parse(line);
  write({ result: await tasks[task](params) });
}
pipe.end();
await llama.dispose();
