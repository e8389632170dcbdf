// What the tests that need the real program share. It is LLAMA_SIDECAR_COMMAND (a JSON array), or that of
// this checkout.

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { getLlama } from "../dist/index.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const windows = process.platform === "win32";
const python = here(windows ? "../../.venv/Scripts/python.exe" : "../../.venv/bin/python");

export const command = JSON.parse(
  process.env.LLAMA_SIDECAR_COMMAND ?? JSON.stringify([python, "-m", "sidecar"]),
);
/** The same as one file: what the installed Python project brings. */
export const PROGRAM_FILE = join(dirname(command[0]), windows ? "llama-sidecar.exe" : "llama-sidecar");

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
