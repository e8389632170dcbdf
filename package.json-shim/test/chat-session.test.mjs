// Conversations, with a made model of the real program.

import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";
import { chatSession } from "../dist/chat-session.mjs";
import { folder } from "./support/files.mjs";
import { CHATTY, madeModel, start, textOf, TIMEOUT } from "./support/program.mjs";

const SHORT = { maxTokens: 12, temperature: 0, seed: 1 };
const SIZE = 2048;

let context;

before(async (t) => {
  const llama = await start(t);
  const model = await llama.loadModel({ path: madeModel(join(folder(t), "made.gguf"), CHATTY.replace("=CHAT", '="{{ bos_token }}" + CHAT')) });
  context = await model.createContext({ contextSize: SIZE });
});

const session = (options) => chatSession({ context, system: "Be brief.", ...SHORT, ...options });
const roles = ({ messages }) => messages.map(({ role }) => role).join(" ");
const all = ({ messages }) => [{ role: "system", content: "Be brief." }, ...messages];

test("each answer is to the whole history, and the meter counts what the program counted", TIMEOUT, async () => {
  const chat = session();
  assert.deepEqual(chat.meter, { used: 0, size: SIZE, left: SIZE });
  const first = chat.send("One");
  assert.ok(chat.answering);
  const text = await textOf(first);
  assert.ok(!chat.answering);
  assert.deepEqual(chat.messages, [{ role: "user", content: "One" }, { role: "assistant", content: text }]);
  const { usage } = await chat.send([{ type: "text", text: "Two" }]);
  assert.equal(roles(chat), "user assistant user assistant");
  assert.ok(usage.cachedTokens > 0);
  const used = usage.promptTokens + usage.completionTokens;
  assert.deepEqual(chat.meter, { used, size: SIZE, left: SIZE - used });
  const expected = await context.chat({ ...SHORT, messages: all({ messages: chat.messages.slice(0, 3) }) });
  assert.deepEqual(chat.messages[3], expected.message);
});

test("what is counted with a draft is what the prompt then has", TIMEOUT, async () => {
  const chat = session();
  await chat.send("One");
  const draft = "Three</s>"; // a control token, if it stood in the template
  const { used } = await chat.count(draft);
  const { usage } = await chat.send(draft);
  assert.equal(used, usage.promptTokens);
  const { tokens } = await context.model.countTokens({ messages: all({ messages: chat.messages.slice(0, 3) }) });
  assert.equal(tokens, used);
  assert.equal((await chatSession({ context }).count()).used, 0);
});

test("regenerate and edit replace the last answer, and all that followed a question", TIMEOUT, async () => {
  const chat = session();
  await chat.send("One");
  await chat.send("Two");
  const [question, answer, second, last] = chat.messages;
  await chat.regenerate({ seed: 2, temperature: 5 });
  assert.deepEqual(chat.messages.slice(0, 3), [question, answer, second]);
  assert.notDeepEqual(chat.messages[3], last);
  await chat.edit(0, "Another");
  assert.equal(roles(chat), "user assistant");
  assert.equal(chat.messages[0].content, "Another");
  assert.throws(() => chat.edit(1, "x"), /not one of the user/);
  assert.throws(() => session().regenerate(), /no message of the user/);
});

test("an aborted answer is kept as far as it was said; one that fails leaves the history as it was", TIMEOUT, async () => {
  const chat = session({ maxTokens: undefined, contextOverflow: "shift" });
  const answer = chat.send("One");
  assert.throws(() => chat.send("Two"), /is answering/);
  assert.throws(() => (chat.messages = []), /is answering/);
  let text = "";
  for await (const { delta } of answer) {
    text += delta;
    if (text.length > 40) break;
  }
  assert.equal(roles(chat), "user assistant");
  assert.ok(chat.messages[1].content.startsWith(text.slice(0, 40)));
  const kept = chat.messages;
  const aborted = chat.send("Two", { signal: AbortSignal.abort() });
  await assert.rejects(aborted, { name: "AbortError" });
  await assert.rejects(chat.send("Two", { grammar: "x" }), { kind: "invalidGrammar" });
  assert.equal(chat.messages, kept);
  assert.ok(!chat.answering);
});

test("what the user types is evaluated ahead; only the newest draft counts", TIMEOUT, async () => {
  const chat = session();
  await chat.send("One");
  const typed = "Why is the sky blue";
  await Promise.all([1, 5, 9, typed.length].map((end) => chat.preload(typed.slice(0, end))));
  const { usage } = await chat.send(`${typed}?`);
  const { used } = await session({ messages: [] }).count("");
  assert.ok(usage.promptTokens - usage.cachedTokens < 20, JSON.stringify(usage));
  assert.ok(used < usage.cachedTokens);
  const running = chat.preload("not sent");
  const answer = chat.send("Two");
  await chat.preload("ignored while it answers");
  await Promise.all([running, answer]);
  assert.equal(chat.messages.at(-2).content, "Two");
});

test("every call of preload ends as its draft does, which has the options that decide about the cache", TIMEOUT, async () => {
  const chat = session();
  const typed = chat.preload("short");
  const long = chat.preload("long".repeat(SIZE));
  await Promise.all([typed, long].map((each) => assert.rejects(each, { kind: "promptTooLong" })));
  await chat.preload("short");
  await session({ contextOverflow: "truncateMiddle" }).preload("long".repeat(SIZE));
  const adapters = [{ id: 0, scale: 1 }]; // the model was loaded without any
  await assert.rejects(session({ adapters }).preload("short"), { kind: "invalidParams" });
});

test("a fork goes its own way, and a saved session goes on with what was computed", TIMEOUT, async (t) => {
  const chat = session();
  await chat.send("One");
  const fork = chat.fork();
  await fork.send("Two");
  assert.deepEqual([chat.messages.length, fork.messages.length], [2, 4]);

  const statePath = join(folder(t), "state.bin");
  const saved = JSON.parse(JSON.stringify(await fork.save({ statePath })));
  const other = await context.model.createContext({ contextSize: SIZE });
  const restored = chatSession({ context: other, ...SHORT });
  assert.ok(await restored.restore(saved));
  assert.deepEqual(restored.messages, fork.messages);
  const { usage } = await restored.send("Three");
  assert.ok(usage.cachedTokens > usage.promptTokens - 50, JSON.stringify(usage));

  const exact = await context.model.createContext({ contextSize: SIZE, kvCacheType: "f32" });
  const elsewhere = chatSession({ context: exact, ...SHORT });
  assert.equal(await elsewhere.restore(saved), false);
  assert.equal(await elsewhere.restore({ ...saved, statePath: join(statePath, "nowhere") }), false);
  assert.deepEqual(elsewhere.messages, fork.messages);
  const { statePath: none, ...rest } = await elsewhere.save({ statePath: `${statePath}.new` }); // nothing is computed there
  assert.deepEqual([none, rest], [undefined, { version: 1, system: "Be brief.", messages: [...fork.messages] }]);
  await assert.rejects(elsewhere.restore({ ...saved, version: 2 }), /another release/);
  await Promise.all([other.dispose(), exact.dispose()]);
});
