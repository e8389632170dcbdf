// The program for tests, and ways to start it. The environment variable LLAMA_SIDECAR_COMMAND (a JSON array) names it;
// the default is the program of this checkout.

import { execFileSync } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { getLlama } from "../../dist/index.mjs";
import { folder } from "./files.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const windows = process.platform === "win32";
const python = here(windows ? "../../../.venv/Scripts/python.exe" : "../../../.venv/bin/python");

export const command = JSON.parse(
  process.env.LLAMA_SIDECAR_COMMAND ?? JSON.stringify([python, "-m", "sidecar"]),
);
/** The program that apps ship: LLAMA_SIDECAR_PROGRAM, else the script of the installed Python project. */
export const PROGRAM_FILE =
  process.env.LLAMA_SIDECAR_PROGRAM ?? join(dirname(command[0]), windows ? "llama-sidecar.exe" : "llama-sidecar");

export const modelPath = here("../../../.models/SmolLM2-135M-Instruct.Q4_1.gguf");
/** Params of a slow load, which can be interrupted: the file is large, read, copied and checked. */
export const LONG_LOAD = { path: here("../../../.models/gemma-3-270m-q4_k_m.gguf"), useMmap: false, checkTensors: true };
export const schema = (name) => createRequire(import.meta.url)(here(`../../../schema/${name}`));
export const TIMEOUT = { timeout: 180_000 };

/** Puts a program that can be started by its path alone into a file; it ends in .exe on Windows. Returns the path. */
export function placeProgram(path, first = "") {
  if (windows) {
    copyFileSync(PROGRAM_FILE, `${path}.exe`);
    return `${path}.exe`;
  }
  const words = command.map((part) => `"${part}"`).join(" ");
  writeFileSync(path, `#!/bin/sh\n${first}exec ${words} "$@"\n`, { mode: 0o755 });
  return path;
}

/** The environment before the change below, for tools that fetch packages. */
export const outside = { ...process.env };

// No request of a test leaves this machine.
const NOWHERE = "http://127.0.0.1:9";
Object.assign(process.env, { HF_ENDPOINT: NOWHERE, HTTPS_PROXY: NOWHERE, HTTP_PROXY: NOWHERE, NO_PROXY: "127.0.0.1" });

/** Starts a program that ends with the test. */
export async function start(t, options = {}) {
  const llama = await getLlama({ program: command, gpu: "cpu", maxThreads: 1, ...options });
  t.after(() => llama.dispose());
  return llama;
}

/** Starts a program that ends with the test; loads a model and creates a context. */
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

/** The command of a fake program: a Node script whose `body` speaks the protocol. */
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

/** The answer of a fake program to init, as source code. */
export const INIT = `{ protocolVersion: 1, serverInfo: { name: "test", version: "1" } }`;

/** Makes a process stand still. */
export function suspend(pid) {
  if (!windows) return process.kill(pid, "SIGSTOP");
  const code = "import psutil, sys; psutil.Process(int(sys.argv[1])).suspend()";
  execFileSync(process.env.LLAMA_SIDECAR_PYTHON ?? command[0], ["-c", code, String(pid)]);
}

/** The process ids of a program; the router is first. */
export const pids = async (llama) => (await llama.status()).processes.map(({ pid }) => pid);

/** Writes a model with tests/support/gguf_files.py; `expression` is Python code that writes it to `path`. Returns the path. */
export function madeModel(path, expression) {
  const code = `import sys, pathlib; from gguf_files import *; path = pathlib.Path(sys.argv[1]); ${expression}`;
  execFileSync(process.env.LLAMA_SIDECAR_PYTHON ?? command[0], ["-c", code, path], { cwd: here("../../../tests/support") });
  return path;
}

/** A model with the special tokens that infill needs, as such an expression. */
export const FILLER = `tiny_model(path, **{
  f"tokenizer__ggml__fim_{name}_token_id": (UINT32, token) for name, token in [("pre", 130), ("suf", 131), ("mid", 132)]
})`;

/** A model that says characters without sense or end, and knows a chat, as such an expression. */
export const CHATTY = "ascii_model(path, template=CHAT_TEMPLATE)";

/** The same, and it reasons before each answer. */
export const THINKING = `ascii_model(path, template=CHAT_TEMPLATE.replace("[assistant]", "[assistant]<think>\\n") + "{# </think> #}")`;

/** A model that answers every chat with "Yes", as such an expression. */
export const BRIEF = `__import__("script_model").script_model(path, CHAT_TEMPLATE, {"]": "Y", "Y": "e", "e": "s", "s": "</s>"})`;

/** A model that scores documents, as such an expression. */
export const RANKING = "tiny_bert(path, ranks=True)";

/** A text with characters that some line readers split at, and a request that makes the model write it. */
export const ODD_TEXT = "a\u2028b\u2029c\u0085👋🏽d";
export const sayOddText = { prompt: "Say it: ", grammar: `root ::= "${ODD_TEXT}"`, temperature: 0 };

/** A list of tokens, and the length of its text: more than 8 MB in each direction. */
export const BIG = { tokens: Array(1_700_000).fill(19556), length: 5 * 1_700_000 };

/** The whole text of a stream. */
export async function textOf(stream) {
  let text = "";
  for await (const { delta } of stream) text += delta;
  return text;
}

/** Resolves when the condition is true. The test's timeout is the limit. */
export async function until(condition, pollMs = 10) {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, pollMs));
}

/** Whether a process is running. */
export function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
