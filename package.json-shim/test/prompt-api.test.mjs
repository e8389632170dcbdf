// The Prompt API, with made models of the real program.

import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { promptApi, promptApiHandler } from "../dist/prompt-api.mjs";
import { folder, serve } from "./support/files.mjs";
import { CHATTY, madeModel, start, TIMEOUT, until } from "./support/program.mjs";

const SIZE = 2048;
const SYSTEM = { role: "system", content: "Be brief." };

let place;
let path;
let llama;
let LanguageModel;

before(async (t) => {
  place = folder(t);
  path = madeModel(join(place, "made.gguf"), CHATTY);
  llama = await start(t, { modelsDirectory: place });
  LanguageModel = api();
});

const api = (options) => promptApi({ llama, model: path, context: { contextSize: SIZE }, chat: { maxTokens: 12, seed: 1, temperature: 0 }, ...options });
const idle = () => until(async () => (await llama.status()).requests.length === 0);

async function textOf(stream) {
  let text = "";
  for await (const chunk of stream) text += chunk;
  return text;
}

test("an answer is the same at once and streamed, and the usage is what the program counted", TIMEOUT, async () => {
  const session = await LanguageModel.create({ initialPrompts: [SYSTEM] });
  assert.ok(session instanceof LanguageModel);
  assert.equal(session.contextWindow, SIZE);
  const before = session.contextUsage;
  assert.ok(before > 0);
  const other = await session.clone();
  const text = await session.prompt("Hi");
  assert.equal(text.length, 12);
  assert.equal(await textOf(other.promptStreaming([{ role: "user", content: [{ type: "text", value: "H" }, { type: "text", value: "i" }] }])), text);
  assert.equal(other.contextUsage, session.contextUsage);
  const messages = [SYSTEM, { role: "user", content: "Hi" }, { role: "assistant", content: text }];
  const model = await llama.loadModel({ path });
  const { tokens } = await model.countTokens({ messages, addGenerationPrompt: false });
  assert.equal(session.contextUsage, tokens);
  assert.deepEqual([session.inputUsage, session.inputQuota], [session.contextUsage, session.contextWindow]);
  assert.notEqual(await session.prompt("Hi"), text, "the conversation goes on");
  assert.notEqual(session.contextUsage, other.contextUsage, "a clone goes its own way");
});

test("what is appended is measured before, and evaluated once", TIMEOUT, async () => {
  const session = await LanguageModel.create();
  assert.equal(session.contextUsage, 0);
  const said = [SYSTEM, { role: "user", content: "One. ".repeat(20) }];
  const measured = await session.measureContextUsage(said);
  assert.equal(await session.append(said), undefined);
  assert.equal(session.contextUsage, measured);
  const text = await session.prompt("Two");
  const expected = await (await LanguageModel.create()).prompt([...said, { role: "user", content: "Two" }]);
  assert.equal(text, expected);
  await assert.rejects(session.append([SYSTEM]), TypeError);
});

test("an answer goes on where its prefix ends, and both are one message", TIMEOUT, async () => {
  const session = await LanguageModel.create();
  const question = { role: "user", content: "Hi" };
  const rest = await session.prompt([question, { role: "assistant", content: "Sure: ", prefix: true }]);
  assert.equal(rest.length, 12);
  const expected = await LanguageModel.create({ initialPrompts: [question, { role: "assistant", content: `Sure: ${rest}` }] });
  assert.equal(await session.prompt("More"), await expected.prompt("More"));
});

test("answers fit their constraint", TIMEOUT, async () => {
  const session = await LanguageModel.create();
  const constrained = (responseConstraint, options) => session.prompt("A city?", { responseConstraint, ...options });
  assert.ok(["Oslo", "Rome"].includes(JSON.parse(await constrained({ enum: ["Oslo", "Rome"] }, { omitResponseConstraintInput: true }))));
  for (const expression of [/^(?:Oslo|Rome)$/, /oslo|rome/iu, /^a.b$/s, /^[ab]{3}$|x/g]) assert.match(await constrained(expression), expression);
  for (const refused of [/a(?=b)/, /^a$/m, { type: "string", unevaluatedItems: false, contains: 3 }]) {
    await assert.rejects(constrained(refused), (error) => error instanceof DOMException && error.name === "NotSupportedError", String(refused));
  }
  await assert.rejects(constrained({ allOf: [{ const: 1 }, { const: 2 }] }), { name: "SyntaxError" });
  await assert.rejects(constrained("Oslo"), TypeError);
  await assert.rejects(session.prompt("Hi", { omitResponseConstraintInput: true }), TypeError);
});

test("what cannot be said or asked is refused by name", TIMEOUT, async () => {
  assert.throws(() => new LanguageModel(), TypeError);
  const session = await LanguageModel.create();
  const user = (content, more) => [{ role: "user", content, ...more }];
  const image = [{ type: "image", value: new Blob(["x"]) }];
  for (const [input, name] of [
    [user("x", { role: "tool" }), "TypeError"],
    [[{ role: "user", content: "x" }, SYSTEM], "TypeError"],
    [user([{ type: "text", value: 7 }]), "TypeError"],
    [user([{ type: "smell", value: "x" }]), "TypeError"],
    [user(7), "TypeError"],
    [user("x", { prefix: true }), "SyntaxError"],
    [[{ role: "assistant", content: "x", prefix: true }, { role: "user", content: "y" }], "SyntaxError"],
    [user(image), "NotSupportedError"],
    [user(image, { role: "assistant" }), "NotSupportedError"],
  ]) {
    await assert.rejects(session.prompt(input), { name }, JSON.stringify(input));
    await assert.rejects(session.measureContextUsage(input), { name });
  }
  await assert.rejects(session.append([{ role: "assistant", content: "x", prefix: true }]), { name: "SyntaxError" });
  for (const [options, name] of [
    [{ expectedInputs: [{ type: "image" }] }, "NotSupportedError"],
    [{ expectedOutputs: [{ type: "audio" }] }, "NotSupportedError"],
    [{ expectedInputs: [{ type: "text", languages: ["no language"] }] }, "RangeError"],
    [{ topK: 0 }, "RangeError"],
    [{ temperature: -1 }, "RangeError"],
    [{ samplingMode: "creative", topK: 3 }, "TypeError"],
    [{ samplingMode: "wild" }, "TypeError"],
    [{ tools: [{ name: "f", description: "", inputSchema: {} }] }, "TypeError"],
    [{ initialPrompts: user(image) }, "NotSupportedError"],
    [{ initialPrompts: user("x ".repeat(SIZE)) }, "QuotaExceededError"],
  ]) {
    await assert.rejects(LanguageModel.create(options), { name }, JSON.stringify(options).slice(0, 80));
  }
  const { topK, temperature, samplingMode } = await LanguageModel.create({ topK: 1e9, temperature: Infinity });
  const { maxTopK, maxTemperature } = await LanguageModel.params();
  assert.deepEqual([topK, temperature, samplingMode], [maxTopK, maxTemperature, "balanced"]);
});

test("abort, cancel and destroy stop the work, and nothing of it stays", TIMEOUT, async () => {
  const endless = api({ chat: { contextOverflow: "shift" } });
  const reason = new Error("enough");
  const session = await endless.create();
  const controller = new AbortController();
  const stopped = session.prompt("Hi", { signal: controller.signal });
  const later = new AbortController();
  const queued = session.prompt("Hi", { signal: later.signal });
  later.abort(reason);
  await assert.rejects(queued, reason, "it does not wait for the one before it");
  await until(async () => (await llama.status()).requests.length > 0);
  assert.ok((await session.measureContextUsage("x")) > 0, "nor does a count");
  controller.abort(reason);
  await assert.rejects(stopped, reason);
  const reader = session.promptStreaming("Hi").getReader();
  await reader.read();
  await reader.cancel();
  await idle();
  assert.equal(session.contextUsage, 0);
  assert.throws(() => session.promptStreaming("Hi", { signal: AbortSignal.abort(reason) }), reason);

  const operations = (one) => [one.prompt("Hi"), one.append("x"), one.clone(), one.measureContextUsage("x"), textOf(one.promptStreaming("Hi"))];
  const open = operations(session);
  session.destroy();
  for (const each of [...open, session.prompt("Hi"), session.append("x"), session.clone()]) await assert.rejects(each, { name: "AbortError" });
  assert.throws(() => session.promptStreaming("Hi"), { name: "AbortError" });
  const life = new AbortController();
  const other = await endless.create({ signal: life.signal });
  life.abort(reason);
  await assert.rejects(other.prompt("Hi"), reason);
  await assert.rejects(endless.create({ signal: life.signal }), reason);
  await idle();
  await endless.dispose();
  const gone = await LanguageModel.create();
  await Promise.all([LanguageModel.dispose(), idle()]);
  await assert.rejects(gone.prompt("Hi"), { name: "InvalidStateError" });
});

test("the oldest questions make room, but not what a session began with", TIMEOUT, async () => {
  const small = api({ context: { contextSize: 512 } });
  const session = await small.create({ initialPrompts: [SYSTEM] });
  let overflows = 0;
  session.oncontextoverflow = () => overflows++;
  session.addEventListener("quotaoverflow", () => overflows++);
  const questions = [1, 2, 3, 4, 5].map((number) => `${number}`.repeat(90));
  const answers = [];
  for (const question of questions) answers.push(await session.prompt(question));
  assert.equal(overflows, 2, "the last question does not fit with four others");
  const kept = (first) => [SYSTEM, ...questions.slice(first, -1).flatMap((content, i) => [{ role: "user", content }, { role: "assistant", content: answers[first + i] }])];
  assert.equal(await (await small.create({ initialPrompts: kept(2) })).prompt(questions[4]), answers[4], "a quarter is left for the answer");
  const used = session.contextUsage;
  await assert.rejects(session.prompt("x".repeat(600)), ({ name, requested, quota }) => name === "QuotaExceededError" && requested > 600 + used && quota === 512);
  assert.equal(overflows, 2);
  assert.equal(session.contextUsage, used, "nothing was removed for nothing");
  await session.append("x".repeat(300));
  assert.equal(overflows, 4);
});

test("a template that takes no conversation without a question begins with it", TIMEOUT, async (t) => {
  const strict = `ascii_model(path, template="{% if messages[-1].role != 'user' %}{{ raise_exception('no question') }}{% endif %}" + CHAT_TEMPLATE)`;
  const picky = api({ model: madeModel(join(folder(t), "strict.gguf"), strict) });
  const session = await picky.create({ initialPrompts: [SYSTEM] });
  assert.ok(session.contextUsage > 0);
  const text = await session.prompt("Hi");
  assert.equal(text, await (await LanguageModel.create({ initialPrompts: [SYSTEM] })).prompt("Hi"));
  await picky.dispose();
});

test("availability tells what a creation would have to do", TIMEOUT, async (t) => {
  assert.equal(await LanguageModel.availability(), "available");
  assert.equal(await LanguageModel.availability({ expectedOutputs: [{ type: "image" }] }), "unavailable");
  await assert.rejects(LanguageModel.availability({ topK: 0 }), RangeError);
  const nowhere = api({ model: join(place, "nowhere.gguf") });
  assert.equal(await nowhere.availability(), "unavailable");
  await assert.rejects(nowhere.create(), { name: "NotSupportedError" });
  const remote = api({ model: `${await serve(t, path)}/remote.gguf` });
  assert.equal(await remote.availability(), "downloadable");
  const seen = [];
  await remote.create({ monitor: (target) => (target.ondownloadprogress = ({ loaded }) => seen.push(loaded)) });
  assert.deepEqual([seen[0], seen.at(-1)], [0, 1]);
  assert.equal(await remote.availability(), "available");
  await remote.dispose();
  assert.equal(await remote.availability(), "available", "it is on the disk");
});

/** Electron's class, as far as its behaviour is known. */
class LanguageModelUtility {
  constructor({ contextUsage, contextWindow }) {
    Object.assign(this, { contextUsage, contextWindow });
  }
}

test("Electron's handler has a session for each model that a page asks for", TIMEOUT, async () => {
  const Handler = promptApiHandler(LanguageModelUtility, { llama, model: path, context: { contextSize: SIZE }, chat: { maxTokens: 12, seed: 1, temperature: 0 } });
  const { signal } = new AbortController();
  const user = (value) => [{ role: "user", content: [{ type: "text", value }] }];
  assert.equal(await Handler.availability({}), "available");
  const model = await Handler.create({ initialPrompts: [{ role: "system", content: [{ type: "text", value: "Be brief." }] }], signal });
  assert.ok(model instanceof LanguageModelUtility);
  assert.equal(model.contextWindow, SIZE);
  const measured = await model.measureContextUsage(user("One"), { signal });
  const before = model.contextUsage;
  assert.equal(await model.append(user("One"), { signal }), undefined);
  assert.equal(model.contextUsage, before + measured);
  const clone = await model.clone({ signal });
  assert.ok(clone instanceof Handler);
  const text = await textOf(await model.prompt(user("Two"), { signal }));
  assert.equal(text.length, 12);
  assert.equal(await textOf(await clone.prompt(user("Two"), { signal })), text);
  assert.match(await textOf(await clone.prompt(user("Three"), { signal, responseConstraint: /[ab]c/ })), /^[ab]c$/);
  model.destroy();
  await assert.rejects(model.append(user("x"), { signal }), { name: "AbortError" });
  await Handler.dispose();
});
