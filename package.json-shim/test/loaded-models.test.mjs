// Models by name, with a program that is made up: who waits for what, and what happens when they stop waiting.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LoadedModels, MOST_MODELS } from "../dist/web/loaded-models.js";

/** A program whose loads end when they are told to; one that is aborted says so a turn later, as a real one. */
function program(contextsMayEnd = undefined) {
  const loads = [];
  const disposed = [];
  const loadModel = ({ path, signal }) =>
    new Promise((resolve, reject) => {
      const model = {
        createContext: async (params) => {
          await contextsMayEnd;
          return { path, params, dispose: async () => disposed.push(`context of ${path}`) };
        },
        dispose: async () => disposed.push(path),
      };
      signal.addEventListener("abort", () => setImmediate(reject, new Error("aborted")), { once: true });
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

test("a model of the hub is downloaded as the options say", async () => {
  const llama = program();
  const downloads = [];
  const downloadModel = async ({ model, projector, modelsDirectory }) => {
    downloads.push({ model, projector, modelsDirectory });
    return { path: "downloaded.gguf" };
  };
  const download = { projector: true, modelsDirectory: "models" };
  const models = new LoadedModels({ llama: { ...llama, downloadModel }, download });
  const context = models.context("hf:owner/repo", "text");
  await turn();
  await turn();
  assert.deepEqual(downloads, [{ model: "hf:owner/repo", ...download }]);
  llama.loads[0].end();
  assert.equal((await context).path, "downloaded.gguf");
});

test("a load for which nobody waits any more is aborted, and begins anew for the next", async () => {
  const llama = program();
  const models = new LoadedModels({ llama });
  const controller = new AbortController();
  const all = [models.context("a.gguf", "text", controller.signal), models.context("a.gguf", "scores", controller.signal)];
  await turn();
  controller.abort();
  for (const each of all) await assert.rejects(each, { name: "AbortError" });
  assert.ok(llama.loads[0].signal.aborted);
  const next = models.context("a.gguf", "scores");
  await turn(); // now the first load has failed, which takes nothing from the second
  await turn();
  const same = models.context("a.gguf", "scores");
  const vectors = models.context("a.gguf", "vectors");
  await turn();
  llama.loads[1].end();
  assert.deepEqual((await next).params.pooling, "rank");
  assert.equal(await same, await next);
  await vectors;
  assert.deepEqual([llama.loads.length, llama.disposed], [2, []]);
});

test("what ends although it was aborted is disposed of: a model, and a context", async () => {
  let end;
  const llama = program(new Promise((resolve) => (end = resolve)));
  const models = new LoadedModels({ llama });
  const [first, second] = [new AbortController(), new AbortController()];
  const model = models.context("a.gguf", "text", first.signal);
  await turn();
  llama.loads[0].signal.addEventListener("abort", llama.loads[0].end);
  first.abort();
  await assert.rejects(model, { name: "AbortError" });
  await turn();
  assert.deepEqual(llama.disposed, ["a.gguf"]);
  const context = models.context("b.gguf", "text", second.signal);
  await turn();
  llama.loads[1].end();
  await turn();
  second.abort();
  await assert.rejects(context, { name: "AbortError" });
  end();
  await turn();
  assert.deepEqual([llama.disposed, models.names()], [["a.gguf", "context of b.gguf"], ["b.gguf"]]);
});

test("dispose aborts what is being loaded", async () => {
  const llama = program();
  const models = new LoadedModels({ llama });
  const loads = [models.context("a.gguf", "text"), models.context("b.gguf", "text", new AbortController().signal)];
  await turn();
  llama.loads[1].end();
  const rejected = assert.rejects(loads[0], /aborted/);
  await loads[1];
  await models.dispose();
  await rejected;
  assert.ok(llama.loads[0].signal.aborted);
  assert.deepEqual([llama.disposed, models.names()], [["b.gguf"], []]);
});

test("what could not be disposed of is tried again by dispose", async () => {
  const llama = program();
  const { loadModel } = llama;
  let failures = 1;
  llama.loadModel = async (params) => {
    const model = await loadModel(params);
    return { ...model, dispose: async () => { if (failures-- > 0) throw new Error("busy"); await model.dispose(); } };
  };
  const models = new LoadedModels({ llama });
  const controller = new AbortController();
  const aborted = models.context("a.gguf", "text", controller.signal);
  await turn();
  llama.loads[0].signal.addEventListener("abort", llama.loads[0].end);
  controller.abort();
  await assert.rejects(aborted, { name: "AbortError" });
  await turn();
  assert.deepEqual([failures, llama.disposed], [0, []]);
  await models.dispose();
  assert.deepEqual(llama.disposed, ["a.gguf"]);
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
