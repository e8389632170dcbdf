// Measures the npm package's client beside reading the program's pipe bare: node client.mjs PROGRAM MODEL [TOKENS].
// PROGRAM is a path or a JSON array. Build the package first. Prints one line of JSON.

import { spawn } from "node:child_process";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { getLlama } from "../../package.json-shim/dist/index.mjs";

const [program, path, tokens = "200"] = process.argv.slice(2);
const command = program.startsWith("[") ? JSON.parse(program) : [program];
const ROUNDS = 5; // alternating, so that both meet the same machine
const THREADS = 2;
const request = (i) => ({ prompt: `Story number ${i}: once upon a time`, maxTokens: Number(tokens), temperature: 0, ignoreEos: true });

/** The least a client can do: look for the newline of each message and for the answer's id. */
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

/** Runs streams at once; tokens a second, and milliseconds of this process's processor time for 1000 tokens. */
async function measure(count, complete) {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  const results = await Promise.all(Array.from({ length: count }, (_, i) => complete(request(i))));
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const total = results.reduce((sum, { usage }) => sum + usage.completionTokens, 0);
  return { perSecond: total / seconds, cpuMs: (user + system) / total };
}

const median = (values) => values.toSorted?.((a, b) => a - b)[values.length >> 1] ?? values.sort((a, b) => a - b)[values.length >> 1];

const llama = await getLlama({ program: command, gpu: "cpu", maxThreads: THREADS });
const context = await (await llama.loadModel({ path })).createContext({ contextSize: 512, sequences: 8 });
const pipe = bare();
await pipe.call("init", { gpu: "cpu", maxThreads: THREADS });
const { modelId } = await pipe.call("loadModel", { path });
const { contextId } = await pipe.call("createContext", { modelId, contextSize: 512, sequences: 8 });

async function byClient(params) {
  const stream = context.complete(params);
  let text = "";
  for await (const { delta } of stream) text += delta;
  const result = await stream;
  if (text !== result.text) throw new Error("the deltas are not the text");
  return result;
}
const byPipe = (params) => pipe.call("complete", { contextId, ...params });

const result = {};
for (const count of [1, 8]) {
  const runs = { pipe: [], client: [] };
  for (let i = 0; i < ROUNDS; i++) {
    runs.pipe.push(await measure(count, byPipe));
    runs.client.push(await measure(count, byClient));
  }
  const read = (key) => (kind) => Number(median(runs[kind].map((run) => run[key])).toFixed(3));
  result[`streams${count}`] = {
    tokensPerSecond: { pipe: read("perSecond")("pipe"), client: read("perSecond")("client") },
    cpuMsPer1000Tokens: { pipe: read("cpuMs")("pipe"), client: read("cpuMs")("client") },
  };
}

/** How long the app's thread keeps a timer waiting beside 8 streams; an idle thread shows the timer's interval. */
async function stalls(complete) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  delay.enable();
  await measure(8, complete);
  delay.disable();
  const ms = (nanoseconds) => Number((nanoseconds / 1e6).toFixed(1));
  return { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) };
}
// The bare pipe shows what of it is the machine's, whose processors are all at work.
result.eventLoopMs = { pipe: await stalls(byPipe), client: await stalls(byClient) };

const PINGS = 20_000;
let begin = performance.now();
for (let i = 0; i < PINGS; i += 100) await Promise.all(Array.from({ length: 100 }, () => llama.ping()));
result.pingsPerSecond = { hundredAtOnce: Math.round(PINGS / ((performance.now() - begin) / 1000)) };
begin = performance.now();
for (let i = 0; i < PINGS / 10; i++) await llama.ping();
result.pingsPerSecond.oneByOne = Math.round(PINGS / 10 / ((performance.now() - begin) / 1000));

pipe.end();
await llama.dispose();
console.log(JSON.stringify(result));
