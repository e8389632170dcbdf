// Every method of the contract through the client, with the real program and real models: its result and its abort.

import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { Ajv } from "ajv";
import { METHODS } from "../dist/index.mjs";
import { folder, serve } from "./support/files.mjs";
import { ask, FILLER, LONG_LOAD, madeModel, modelPath, schema, startContext, TIMEOUT } from "./support/program.mjs";

const { requests } = schema("methods.json");
const { components } = schema("../sidecar/message_handler/openrpc.json");
const ajv = new Ajv({ strict: false });
ajv.addSchema({ $id: "openrpc", components });

const LONG = { timeout: 2 * TIMEOUT.timeout };

/** These end what the other methods need, so they come last, in this order. */
const ENDS = ["disposeContext", "unloadModel", "shutdown"];
const IN_ORDER = [...METHODS.filter((name) => !ENDS.includes(name)), ...ENDS];

/** Everything that the methods need: models and contexts for each kind of work, a folder, the address of a model. */
async function everything(t) {
  const path = folder(t);
  const objects = await startContext(t, { context: { contextSize: 512 } });
  const { llama, model } = objects;
  const filler = await llama.loadModel({ path: madeModel(join(path, "filler.gguf"), FILLER) });
  const ranker = await llama.loadModel({ path: madeModel(join(path, "ranker.gguf"), "hollow_reranker(path)") });
  const origin = await serve(t, join(path, "filler.gguf"));
  const unwanted = await llama.downloadModel({ model: `${origin}/unwanted.gguf`, modelsDirectory: path });
  return {
    ...objects,
    folder: path,
    url: `${origin}/filler.gguf`,
    unwanted: unwanted.path,
    contexts: {
      infill: await filler.createContext({ contextSize: 4096 }),
      embed: await model.createContext({ contextSize: 512, batchSize: 64, embeddings: true, pooling: "mean" }),
      rerank: await ranker.createContext({ embeddings: true }),
    },
  };
}

/** The object that has a method, and the name of the method there. */
function holder(method, { llama, model, context, contexts }) {
  const member = method.split(".").at(-1);
  const owner = [llama, model, contexts[method] ?? context].find((object) => typeof object[member] === "function");
  return [owner, member];
}

/** The params of a method: the first example in the contract, changed so that it works on this machine. */
function exampleOf(method, { folder, url, unwanted, model, context, contexts }) {
  const name = `../schema/examples/${requests[method].params}`;
  const [file] = readdirSync(new URL(`../../schema/examples/${requests[method].params}`, import.meta.url)).sort();
  const params = structuredClone(schema(`${name}/${file}`));
  const { modelId } = model;
  const { contextId } = contexts[method] ?? context;
  const fit = { modelId, contextId, modelsDirectory: folder, folders: [folder], path: modelPath, gpu: "cpu", maxTokens: 8 };
  for (const key of ["endpoint", "token", "revision"]) delete params[key]; // a file here, or a server of our own
  delete params.processId;
  delete params.adapters; // none was loaded
  if (method === "deleteModel") fit.path = unwanted;
  if (method === "saveState" || method === "restoreState") fit.path = join(folder, "conversation.state");
  if (method === "saveState") delete params.messages; // the one that was used last
  if (method === "downloadModel") params.model = url;
  else if (params.model) {
    delete params.model;
    params.path = modelPath;
  }
  for (const key of Object.keys(params)) if (key in fit) params[key] = fit[key];
  if (method === "deleteModel" || method === "downloadModel") params.modelsDirectory = folder;
  if (requests[method].progress.includes("generate")) {
    // The tokens are drawn by chance: one of them could be the end.
    Object.assign(params, { maxTokens: 8, ignoreEos: true });
  }
  return params;
}

/** What must be true of a result, beyond its schema. */
const CHECKS = {
  downloadModel: ({ path }) => assert.ok(existsSync(path)),
  deleteModel: ({ freedBytes }) => assert.ok(freedBytes > 0),
  inspectModel: ({ architecture }) => assert.equal(architecture, "llama"),
  estimateModel: ({ runs, weightsBytes }) => assert.ok(runs && weightsBytes > 50e6),
  saveState: ({ path, tokens }) => assert.ok(existsSync(path) && tokens > 0),
  restoreState: ({ tokens }) => assert.ok(tokens > 0),
  complete: ({ text }) => assert.notEqual(text, ""),
  chat: ({ message }) => assert.notEqual(message.content, ""),
  infill: ({ usage }) => assert.equal(usage.completionTokens, 8),
  embed: ({ embeddings, dimensions }) => {
    // The example asks for base64: the numbers of the vector as in memory, four bytes each.
    assert.equal(Buffer.from(embeddings[0], "base64").length, 4 * dimensions);
  },
  rerank: ({ results }) => assert.deepEqual(results.map(({ index }) => index), [0]),
};

/** For all tests; the last one ends it. */
let shared;
before(async (t) => {
  shared = await everything(t);
});

test("vectors come as numbers, and a conversation continues from a file", LONG, async () => {
  const { model, context, folder: path } = shared;
  const vectors = await model.createContext({ embeddings: true, pooling: "mean", contextSize: 256 });
  const { embeddings, dimensions } = await vectors.embed({ input: ["A cat.", "A dog."] });
  assert.deepEqual(embeddings.map(({ length }) => length), [dimensions, dimensions]);

  const question = ask("Count from 1 to 20.");
  const { message } = await context.chat(question);
  const { tokens, ...saved } = await context.saveState({ path: join(path, "count.state"), messages: question.messages });
  const other = await model.createContext({ contextSize: 512 });
  assert.equal((await other.restoreState({ path: saved.path })).tokens, tokens);
  const next = { ...question, messages: [...question.messages, message, { role: "user", content: "Go on." }] };
  assert.ok((await other.chat(next)).usage.cachedTokens > question.messages[0].content.length / 4);
});

test("every method can be aborted before it is sent and right after", LONG, async () => {
  const objects = shared;
  for (const method of IN_ORDER) {
    const params = exampleOf(method, objects);
    const [owner, member] = holder(method, objects);
    await assert.rejects(owner[member]({ ...params, signal: AbortSignal.abort() }), { name: "AbortError" });
    if (ENDS.includes(method)) continue;
    const controller = new AbortController();
    const call = owner[member]({ ...params, signal: controller.signal });
    controller.abort();
    // It may end first. It must not hang or fail in another way.
    await call.then(() => {}, (error) => {
      const allowed = ["aborted", ...requests[method].errors];
      assert.ok(allowed.includes(error.kind), `${method}: ${error.stack}`);
    });
  }
  assert.ok((await objects.llama.ping()).uptimeMs > 0);
  assert.equal((await objects.llama.status()).requests.length, 0);
});

test("every method that reports progress can be aborted in the middle", LONG, async (t) => {
  const { llama, context, contexts, folder: path } = shared;
  const pace = { pauseMs: 20 };
  const slow = { model: `${await serve(t, modelPath, pace)}/smol.gguf`, modelsDirectory: path };
  const long = { maxTokens: 100_000, ignoreEos: true };
  const texts = Array.from({ length: 500 }, (_, i) => `Item ${i} costs ${3 * i} dollars, which is more than item ${i - 1}.`);
  const work = {
    downloadModel: [llama, slow],
    loadModel: [llama, LONG_LOAD],
    complete: [context, { prompt: "Once upon a time", ...long }],
    chat: [context, ask("Tell a story.", long)],
    infill: [contexts.infill, { prefix: "a", suffix: "b", ...long }],
    embed: [contexts.embed, { input: texts }],
    rerank: [contexts.rerank, { query: "What does item 7 cost?", documents: texts }],
  };
  const reporting = METHODS.filter((method) => requests[method].progress.length > 0);
  assert.deepEqual(Object.keys(work).sort(), [...reporting].sort());
  for (const [method, [owner, params]] of Object.entries(work)) {
    const controller = new AbortController();
    // The first report may say that nothing is done yet.
    const onProgress = ({ progress, delta }) => (progress > 0 || delta) && controller.abort(method);
    await assert.rejects(owner[method]({ ...params, onProgress, signal: controller.signal }), (error) => {
      assert.deepEqual([error.name, error.kind, error.cause], ["AbortError", "aborted", method], error.stack);
      if (method === "downloadModel") assert.ok(error.partial.keptBytes > 0);
      return true;
    });
  }
  assert.equal((await llama.status()).requests.length, 0);
  pace.pauseMs = 0;
  assert.ok((await llama.downloadModel(slow)).resumedBytes > 0);
});

test("every method of the contract exists, succeeds, and returns what the contract says", LONG, async (t) => {
  const { llama, url, folder: modelsDirectory } = shared;
  const unwanted = await llama.downloadModel({ model: url.replace("filler", "again"), modelsDirectory }); // an abort came late
  const objects = { ...shared, unwanted: unwanted.path };
  await objects.context.chat(ask("Say hello.", { maxTokens: 4 })); // something to save
  for (const method of IN_ORDER) {
    await t.test(method, async () => {
      const [owner, member] = holder(method, objects);
      const answer = await owner[member](exampleOf(method, objects));
      // A model or a context has no members of its own except those of the result.
      const { result } = JSON.parse(JSON.stringify({ result: answer }));
      const validate = ajv.getSchema(`openrpc#/components/schemas/${requests[method].result}`);
      assert.ok(validate(result), ajv.errorsText(validate.errors));
      CHECKS[method]?.(result);
    });
  }
});
