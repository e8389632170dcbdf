// What the tests that need the real program share. It is LLAMA_SIDECAR_COMMAND (a JSON array), or that of
// this checkout.

import { execFileSync } from "node:child_process";
import { createReadStream, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { getLlama } from "../dist/index.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const windows = process.platform === "win32";
const python = here(windows ? "../../.venv/Scripts/python.exe" : "../../.venv/bin/python");

export const command = JSON.parse(
  process.env.LLAMA_SIDECAR_COMMAND ?? JSON.stringify([python, "-m", "sidecar"]),
);
/** What apps ship: the frozen program LLAMA_SIDECAR_PROGRAM, else what the installed Python project brings. */
export const PROGRAM_FILE =
  process.env.LLAMA_SIDECAR_PROGRAM ?? join(dirname(command[0]), windows ? "llama-sidecar.exe" : "llama-sidecar");

export const modelPath = here("../../.models/SmolLM2-135M-Instruct.Q4_1.gguf");
export const schema = (name) => createRequire(import.meta.url)(here(`../../schema/${name}`));
export const TIMEOUT = { timeout: 60_000 };

/** The environment as it is outside, for tools that fetch packages. */
export const outside = { ...process.env };

// Whatever a test asks for, nothing leaves this machine.
const NOWHERE = "http://127.0.0.1:9";
Object.assign(process.env, { HF_ENDPOINT: NOWHERE, HTTPS_PROXY: NOWHERE, HTTP_PROXY: NOWHERE, NO_PROXY: "127.0.0.1" });

/** A program that ends with the test. */
export async function start(t, options = {}) {
  const llama = await getLlama({ program: command, gpu: "cpu", maxThreads: 1, ...options });
  t.after(() => llama.dispose());
  return llama;
}

/** The same with a model and a context. */
export async function startContext(t, { context: contextOptions, ...options } = {}) {
  const llama = await start(t, options);
  const model = await llama.loadModel({ path: modelPath });
  const context = await model.createContext({ contextSize: 1024, ...contextOptions });
  return { llama, model, context };
}

export const ask = (content, options) => ({
  messages: [{ role: "user", content }],
  temperature: 0,
  maxTokens: 24,
  ...options,
});

/** A folder that is removed after the test. */
export function folder(t) {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "llama-sidecar-")));
  t.after(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }));
  return path;
}

/** A program of ours: a Node script that speaks the protocol as `body` has it. */
export function script(t, body) {
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
export const INIT = `{ protocolVersion: 1, serverInfo: { name: "test", version: "1" } }`;

/** The processes of a program, its router first. */
export const pids = async (llama) => (await llama.status()).processes.map(({ pid }) => pid);

/** Has tests/support/gguf_files.py write a model, by an expression in which `path` is where; returns its path. */
export function madeModel(path, expression) {
  const code = `import sys, pathlib; from gguf_files import *; path = pathlib.Path(sys.argv[1]); ${expression}`;
  execFileSync(command[0], ["-c", code, path], { cwd: here("../../tests/support") });
  return path;
}

/** What a made model needs to fill in between two texts. */
export const FILLER = `tiny_model(path, **{
  f"tokenizer__ggml__fim_{name}_token_id": (UINT32, token) for name, token in [("pre", 130), ("suf", 131), ("mid", 132)]
})`;

const CHUNK_BYTES = 256 * 1024;

/** Answers as a server of files does, ranges included; waits `pace.pauseMs` before each chunk. */
export async function sendFile(path, request, response, pace = { pauseMs: 0 }) {
  const { size } = statSync(path);
  const [, from = "0", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  const [start, end] = [Number(from), to === "" ? size - 1 : Math.min(Number(to), size - 1)];
  const headers = { "content-length": end - start + 1, "accept-ranges": "bytes", etag: '"1"' };
  if (request.headers.range) headers["content-range"] = `bytes ${start}-${end}/${size}`;
  response.writeHead(request.headers.range ? 206 : 200, headers);
  if (request.method === "HEAD") return response.end();
  const paced = async function* (chunks) {
    for await (const chunk of chunks) {
      if (pace.pauseMs > 0) await pause(pace.pauseMs);
      yield chunk;
    }
  };
  const chunks = createReadStream(path, { start, end, highWaterMark: CHUNK_BYTES });
  await pipeline(chunks, paced, response).catch(() => {}); // whoever asked has gone
}

/** A server of one file, whatever it is asked for; returns its origin. */
export async function serve(t, path, pace) {
  const server = createServer((request, response) => void sendFile(path, request, response, pace));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** A text that breaks readers of lines, and the request that has the model say it. */
export const ODD_TEXT = "a\u2028b\u2029c\u0085👋🏽d";
export const sayOddText = { prompt: "Say it: ", grammar: `root ::= "${ODD_TEXT}"`, temperature: 0 };

/** More than 8 MB in both directions: tokens, and the length of their text. */
export const BIG = { tokens: Array(1_700_000).fill(19556), length: 5 * 1_700_000 };

/** All of a stream's text. */
export async function textOf(stream) {
  let text = "";
  for await (const { delta } of stream) text += delta;
  return text;
}

/** Resolves when the condition holds; the test's own timeout bounds it. */
export async function until(condition, pollMs = 10) {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, pollMs));
}

/** Whether a process is there. */
export function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
