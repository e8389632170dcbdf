// A chat in the terminal: node chat.mjs MODEL. MODEL is a GGUF file or hf:owner/repository:quantisation.
// Ctrl+C stops an answer; at the prompt it ends the chat.

import { createInterface } from "node:readline/promises";
import { getLlama } from "@llama-sidecar/client";

const source = process.argv[2] ?? "hf:bartowski/SmolLM2-135M-Instruct-GGUF:Q4_K_M";
const percent = (what) => ({ progress }) => {
  if (progress !== null) process.stderr.write(`\r${what} ${Math.round(progress * 100)} %`);
};

try {
  const llama = await getLlama({ gpu: "auto", restart: true });
  const remote = /^(hf|https?):/.test(source);
  const path = remote ? (await llama.downloadModel({ model: source, onProgress: percent("downloading") })).path : source;
  const model = await llama.loadModel({ path, onProgress: percent("loading") });
  const context = await model.createContext();
  process.stderr.write(`\r${model.name ?? model.description}, ${context.contextSize} tokens of context\n`);

  const terminal = createInterface({ input: process.stdin, output: process.stdout, prompt: "\n> " });
  const messages = [];
  let answering;
  terminal.on("SIGINT", () => (answering ? answering.abort() : terminal.close()));
  terminal.prompt();
  for await (const line of terminal) {
    if (line.trim() !== "") await answer(line);
    terminal.prompt();
  }
  await llama.dispose();

  async function answer(content) {
    messages.push({ role: "user", content });
    answering = new AbortController();
    const stream = context.chat({ messages, signal: answering.signal });
    try {
      for await (const { delta } of stream) process.stdout.write(delta);
      const { message, timings } = await stream;
      messages.push(message);
      process.stderr.write(`\n(${timings.tokensPerSecond?.toFixed(1) ?? "–"} tokens/s)\n`);
    } catch (error) {
      if (error.partial) messages.push({ role: "assistant", content: error.partial.text ?? "" });
      else messages.pop(); // no answer: the question does not count
      process.stderr.write(error.name === "AbortError" ? "\n(stopped)\n" : `\n${error.message}\n`);
    } finally {
      answering = undefined;
    }
  }
} catch (error) {
  console.error(`\n${error.message}`);
  process.exitCode = 1;
}
