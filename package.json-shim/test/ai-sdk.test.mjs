// The provider for the AI SDK: the real `ai` package, the real program, made models.

import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import {
  AbstractChat,
  DirectChatTransport,
  embedMany,
  generateText,
  isStepCount,
  jsonSchema,
  Output,
  rerank,
  streamText,
  tool,
  ToolLoopAgent,
} from "ai";
import { llamaSidecar } from "../dist/ai-sdk.mjs";
import { getLlama } from "../dist/index.mjs";
import { folder, serve } from "./support/files.mjs";
import { CHATTY, command, madeModel, RANKING, THINKING, TIMEOUT, until } from "./support/program.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;

const ONE = { temperature: 0, seed: 1, maxOutputTokens: 12, prompt: "Hi" };
const HI = [{ role: "user", content: [{ type: "text", text: "Hi" }] }];
const ENDLESS = { prompt: "Hi", providerOptions: { llamaSidecar: { contextOverflow: "shift" } } };

let provider;
let llama;
let model;
let path;
const progress = [];

before((t) => {
  const place = folder(t);
  path = madeModel(join(place, "made.gguf"), CHATTY);
  provider = llamaSidecar({
    llama: async () => (llama = await getLlama({ program: command, gpu: "cpu", maxThreads: 1, modelsDirectory: place })),
    context: { contextSize: 2048 },
    onProgress: (event) => progress.push(event),
  });
  t.after(() => provider.dispose());
  model = provider(path);
});

test("generateText and streamText say what the program says, with usage and metadata", TIMEOUT, async () => {
  const first = await generateText({ model, ...ONE });
  assert.equal(first.text.length, 12);
  assert.equal(first.finishReason, "length");
  assert.equal(first.providerMetadata.llamaSidecar.seed, 1);
  assert.deepEqual(progress.map(({ model: name }) => name).filter((name) => name !== path), []);
  assert.equal(progress.at(-1).progress.progress, 1);
  const second = streamText({ model, ...ONE });
  let text = "";
  for await (const delta of second.textStream) text += delta;
  assert.equal(text, first.text);
  const { inputTokens, inputTokenDetails, outputTokens, outputTokenDetails } = await second.usage;
  assert.deepEqual([inputTokens, outputTokens], [first.usage.inputTokens, 12]);
  assert.ok(inputTokenDetails.cacheReadTokens > 0);
  assert.deepEqual([outputTokenDetails.textTokens, outputTokenDetails.reasoningTokens], [12, 0]);
});

test("structured output fits its schema", TIMEOUT, async () => {
  const schema = jsonSchema({ type: "object", properties: { city: { enum: ["Oslo", "Rome"] } }, required: ["city"], additionalProperties: false });
  const { output } = await generateText({ model, prompt: "Hi", output: Output.object({ schema }) });
  assert.ok(["Oslo", "Rome"].includes(output.city));
  const streamed = streamText({ model, prompt: "Hi", output: Output.choice({ options: ["yes", "no"] }), maxOutputTokens: 60 });
  assert.ok(["yes", "no"].includes(await streamed.output));
  const { warnings } = await model.doGenerate({
    prompt: HI,
    tools: [{ type: "function", name: "look", inputSchema: {} }],
    responseFormat: { type: "json", schema: { const: 1 } },
  });
  assert.deepEqual(warnings.map(({ feature }) => feature), ["responseFormat with tools"]);
});

const place = jsonSchema({ type: "object", properties: { place: { enum: ["here", "there"] } }, required: ["place"], additionalProperties: false });

/** An agent whose first steps must call one tool and then the other; the words of a made model have no sense. */
const agent = (called, more) => {
  const named = (name) => tool({ description: name, inputSchema: place, execute: (input) => (called.push([name, input.place]), { name }) });
  return new ToolLoopAgent({
    model,
    tools: { look: named("look"), go: named("go") },
    maxOutputTokens: 150,
    stopWhen: isStepCount(3),
    prepareStep: ({ stepNumber }) => ({ toolChoice: [{ type: "tool", toolName: "look" }, { type: "tool", toolName: "go" }][stepNumber] ?? "none" }),
    ...more,
  });
};

test("an agent calls two tools, one after the other, and answers", TIMEOUT, async () => {
  const called = [];
  const { steps, text } = await agent(called).generate({ prompt: "Hi" });
  assert.deepEqual(called.map(([name]) => name), ["look", "go"]);
  assert.ok(called.every(([, where]) => ["here", "there"].includes(where)));
  assert.deepEqual(steps.map(({ finishReason }) => finishReason), ["tool-calls", "tool-calls", "length"]);
  assert.notEqual(text, "");
});

test("a conversation becomes messages, settings become params", TIMEOUT, async () => {
  const output = (type, value) => ({ type: "tool-result", toolCallId: "1", toolName: "look", output: { type, value } });
  const { request, warnings } = await model.doGenerate({
    prompt: [
      { role: "system", content: "Be brief." },
      { role: "user", content: [{ type: "text", text: "a" }, { type: "file", mediaType: "text/plain", data: { type: "data", data: new TextEncoder().encode("bé") } }] },
      {
        role: "assistant",
        content: [{ type: "reasoning", text: "so" }, { type: "text", text: "I look." }, { type: "tool-call", toolCallId: "1", toolName: "look", input: { x: 1 } }],
      },
      { role: "tool", content: [output("json", { y: 2 })] },
      { role: "tool", content: [output("error-text", "no"), { type: "tool-approval-response", approvalId: "a", approved: true }] },
      { role: "user", content: [{ type: "text", text: "b" }] },
    ],
    maxOutputTokens: 1,
    stopSequences: ["x"],
    topK: 3,
    reasoning: "low",
    toolChoice: { type: "auto" },
    providerOptions: { llamaSidecar: { minP: 0.1 }, another: { minP: 1 } },
  });
  assert.deepEqual(warnings.map(({ feature }) => feature), ["reasoning"]);
  assert.deepEqual(request.body, {
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "a\nbé" },
      { role: "assistant", content: "I look.", reasoningContent: "so", toolCalls: [{ id: "1", type: "function", function: { name: "look", arguments: '{"x":1}' } }] },
      { role: "tool", name: "look", toolCallId: "1", content: '{"y":2}' },
      { role: "tool", name: "look", toolCallId: "1", content: "Error: no" },
      { role: "user", content: "b" },
    ],
    maxTokens: 1,
    topK: 3,
    stop: ["x"],
    reasoning: { effort: "low" },
    minP: 0.1,
  });
});

class Chat extends AbstractChat {
  constructor(transport) {
    const state = {
      status: "ready",
      error: undefined,
      messages: [],
      pushMessage: (message) => state.messages.push(message),
      popMessage: () => state.messages.pop(),
      replaceMessage: (index, message) => (state.messages[index] = message),
      snapshot: (thing) => structuredClone(thing),
    };
    super({ state, transport, generateId: () => `${Math.random()}` });
  }
}

test("the chat of useChat talks to an agent in this process", TIMEOUT, async () => {
  const called = [];
  const chat = new Chat(new DirectChatTransport({ agent: agent(called) }));
  await chat.sendMessage({ text: "Hi" });
  assert.equal(chat.error, undefined);
  assert.equal(called.length, 2);
  const types = chat.messages[1].parts.map(({ type }) => type).filter((type) => type !== "step-start");
  assert.deepEqual(types, ["tool-look", "tool-go", "text"]);
  assert.deepEqual(chat.messages[1].parts.find(({ type }) => type === "tool-go").output, { name: "go" });
});

test("the input of a tool is streamed before its call", TIMEOUT, async () => {
  const { stream } = await model.doStream({
    prompt: HI,
    tools: [{ type: "function", name: "look", inputSchema: place.jsonSchema }, { type: "provider", id: "other.search", name: "search", args: {} }],
    toolChoice: { type: "required" },
  });
  const parts = [];
  for await (const part of stream) parts.push(part);
  assert.deepEqual(parts[0].warnings.map(({ type, feature }) => [type, feature]), [["unsupported", "tool search"]]);
  const types = parts.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1]);
  assert.deepEqual(types, ["stream-start", "response-metadata", "tool-input-start", "tool-input-delta", "tool-input-end", "tool-call", "finish"]);
  const deltas = parts.filter(({ type }) => type === "tool-input-delta").map(({ delta }) => delta).join("");
  const call = parts.find(({ type }) => type === "tool-call");
  assert.equal(call.input, deltas);
  assert.equal(call.toolCallId, parts.find(({ type }) => type === "tool-input-start").id);
});

test("reasoning is told apart, and its tokens are counted, as exactly as they are sent", TIMEOUT, async (t) => {
  const thinking = provider(madeModel(join(folder(t), "thinking.gguf"), THINKING));
  const options = { model: thinking, ...ONE, maxOutputTokens: 60, providerOptions: { llamaSidecar: { reasoning: { budgetTokens: 10 } } } };
  const { reasoningText, text, usage } = await generateText(options);
  assert.ok(reasoningText.length > 0 && text.length > 0);
  const { reasoningTokens, textTokens } = usage.outputTokenDetails;
  assert.equal(reasoningTokens, 10 + "\n</think>".length); // its tokens are characters
  assert.equal(reasoningTokens + textTokens, usage.outputTokens);
  const types = [];
  const streamed = streamText(options);
  for await (const { type } of streamed.fullStream) if (/reasoning|text/.test(type) && type !== types.at(-1)) types.push(type);
  assert.deepEqual(types, ["reasoning-start", "reasoning-delta", "reasoning-end", "text-start", "text-delta", "text-end"]);
  assert.equal((await streamed.usage).outputTokenDetails.reasoningTokens, reasoningTokens);
  const { warnings, providerMetadata } = await generateText({ model: thinking, ...ONE, reasoning: "xhigh" });
  assert.deepEqual([warnings, providerMetadata.llamaSidecar.reasoningEffort], [[], "max"]);
});

test("a model that cannot reason says so when it is asked to", TIMEOUT, async () => {
  const { warnings, providerMetadata } = await generateText({ model, ...ONE, reasoning: "low" });
  assert.deepEqual(warnings.map(({ type, feature }) => [type, feature]), [["unsupported", "reasoning"]]);
  assert.equal(providerMetadata.llamaSidecar.reasoningEffort, null);
});

test("embedMany and rerank", TIMEOUT, async (t) => {
  const values = ["one", "two", "one"];
  const { embeddings, usage } = await embedMany({ model: provider.embeddingModel(path), values });
  assert.equal(embeddings.length, 3);
  assert.deepEqual(embeddings[0], embeddings[2]);
  assert.ok(usage.tokens >= 9);
  const ranking = provider.rerankingModel(madeModel(join(folder(t), "ranking.gguf"), RANKING));
  const result = await rerank({ model: ranking, query: "q", documents: [{ text: "a" }, { text: "bb" }, { text: "c" }], topN: 2 });
  assert.equal(result.ranking.length, 2);
  assert.ok(result.ranking[0].score >= result.ranking[1].score);
});

test("an abort stops the work: of an answer, of a stream, of a load", TIMEOUT, async () => {
  const controller = new AbortController();
  const answer = generateText({ model, ...ENDLESS, abortSignal: controller.signal });
  const rejected = assert.rejects(answer, { name: "AbortError" });
  await until(async () => (await llama?.status())?.requests.some(({ method }) => method === "chat"));
  controller.abort();
  await rejected;
  const stop = new AbortController();
  let aborted = false;
  const { textStream } = streamText({ model, ...ENDLESS, abortSignal: stop.signal, onAbort: () => (aborted = true) });
  for await (const _ of textStream) stop.abort();
  assert.ok(aborted);
  await assert.rejects(generateText({ model: provider("other.gguf"), prompt: "Hi", abortSignal: AbortSignal.abort() }), { name: "AbortError" });
});

test("a stream that is left, or whose model is not there, ends and says why", TIMEOUT, async () => {
  const { stream } = await model.doStream({ ...ENDLESS, prompt: HI });
  const reader = stream.getReader();
  while ((await reader.read()).value.type !== "text-delta");
  await reader.cancel(); // resolves when the work has stopped
  await assert.rejects(generateText({ model: provider("nowhere.gguf"), prompt: "Hi" }), { kind: "fileNotFound" });
  const image = { type: "file", mediaType: "image/png", data: { type: "data", data: new Uint8Array(70_000) } };
  await assert.rejects(async () => model.doGenerate({ prompt: [{ role: "user", content: [image] }] }), { kind: "unsupportedContent" });
});

test("a model is downloaded when it is first used, once for all who wait", TIMEOUT, async (t) => {
  progress.length = 0;
  const address = `${await serve(t, path)}/made.gguf`;
  const other = provider(address);
  const texts = await Promise.all([generateText({ model: other, ...ONE }), generateText({ model: other, ...ONE })]);
  assert.equal(texts[0].text, texts[1].text);
  const types = progress.map((event) => event.progress.progressType);
  assert.ok(types.includes("download") && types.includes("load"));
  assert.equal(progress.filter((event) => event.progress.progressType === "load" && event.progress.progress === 1).length, 1);
});
