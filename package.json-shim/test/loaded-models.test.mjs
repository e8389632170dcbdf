// Models by name, with a program that is made up: who waits for what, and what happens when they stop waiting.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LoadedModels, MOST_MODELS } from "../dist/web/loaded-models.js";

/** A program whose loads end when they are told to. */
function program() {
  const loads = [];
  const disposed = [];
  const loadModel = ({ path, signal }) =>
    new Promise((resolve, reject) => {
      const model = {
        createContext: async (params) => ({ path, params }),
        dispose: async () => disposed.push(path),
      };
      signal.addEventListener("abort", () => reject(new Error("aborted")), { once: true });
      loads.push({ path, signal, end: () => resolve(model), fail: (error) => reject(error) });
    });
  return { loads, disposed, loadModel, dispose: async () => disposed.push("program") };
}

const turn = () => new Promise(setImmediate);

test("all who wait share one load; who aborts takes it from none of the others", async () => {
  const llama = program();
  const models = new LoadedModels({ llama });
  const controller = new AbortController();
  const aborted = models.context("a.gguf", "text", controller.signal);
  const other = models.context("a.gguf", "text", new AbortController().signal);
  const vectors = models.context("a.gguf", "vectors");
  await turn();
  controller.abort("enough");
  await assert.rejects(aborted, { name: "AbortError", cause: "enough" });
  const [{ signal, end }, ...more] = llama.loads;
  assert.deepEqual([signal.aborted, more.length], [false, 0]);
  end();
  assert.equal((await other).path, "a.gguf");
  assert.equal((await vectors).params.embeddings, true);
  assert.equal(await models.context("a.gguf", "text"), await other);
});

test("a load for which nobody waits any more is aborted, and begins anew for the next", async () => {
  const llama = program();
  const models = new LoadedModels({ llama });
  const controller = new AbortController();
  const all = [models.context("a.gguf", "text", controller.signal), models.context("a.gguf", "scores", controller.signal)];
  await turn();
  controller.abort();
  for (const each of all) await assert.rejects(each, { name: "AbortError" });
  await turn();
  assert.ok(llama.loads[0].signal.aborted);
  const next = models.context("a.gguf", "scores");
  await turn();
  llama.loads[1].end();
  assert.deepEqual((await next).params.pooling, "rank");
});

test("what fails is tried again: the start of the program, and a load", async () => {
  const llama = program();
  let starts = 0;
  const models = new LoadedModels({ llama: async () => { if (starts++ === 0) throw new Error("no program"); return llama; } });
  await assert.rejects(models.context("a.gguf", "text"), /no program/);
  const second = models.context("a.gguf", "text");
  await turn();
  llama.loads[0].fail(new Error("no memory"));
  await assert.rejects(second, /no memory/);
  const third = models.context("a.gguf", "text");
  await turn();
  llama.loads[1].end();
  await third;
  assert.equal(starts, 2);
  await models.dispose();
  assert.deepEqual(llama.disposed, ["program"]);
});

test("there is a limit of models; dispose unloads them, and leaves a program that was given", async () => {
  const llama = program();
  const models = new LoadedModels({ llama });
  const all = Array.from({ length: MOST_MODELS }, (_, i) => models.context(`${i}`, "text"));
  await turn();
  await assert.rejects(models.context("one more", "text"), { kind: "overloaded" });
  for (const { end } of llama.loads) end();
  await Promise.all(all);
  await models.dispose();
  assert.deepEqual(llama.disposed, Array.from({ length: MOST_MODELS }, (_, i) => `${i}`));
});
