// runTools and mcpTools: with answers that are given, with a made model of the real program, with a real MCP server.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { SidecarError } from "../dist/port.mjs";
import { CALLS_AT_ONCE, mcpTools, runTools } from "../dist/tools.mjs";
import { folder } from "./support/files.mjs";
import { CHATTY, madeModel, start, TIMEOUT } from "./support/program.mjs";

const QUESTION = { role: "user", content: "Hi" };
const DONE = { role: "assistant", content: "done" };

const call = (name, args, id = name) => ({ id, type: "function", function: { name, arguments: JSON.stringify(args) } });
const says = (message) => ({ message, finishReason: message.toolCalls ? "toolCalls" : "stop" });
const calling = (...toolCalls) => says({ role: "assistant", content: "", toolCalls });

/** A context whose answers are given, and the params that it was asked with. */
function scripted(...answers) {
  const asked = [];
  const chat = async (params) => {
    asked.push(structuredClone({ messages: params.messages, tools: params.tools, toolChoice: params.toolChoice, seed: params.seed }));
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { asked, chat };
}

test("calls run at the same time, their answers stand in their order, and all is told", async () => {
  let open;
  const both = new Promise((resolve) => (open = resolve));
  const tools = [
    { name: "slow", parameters: { type: "object" }, run: async ({ x }) => { await both; return { x }; } },
    { name: "quick", description: "Quick", run: () => { open(); return "text"; } },
  ];
  const context = scripted(calling(call("slow", { x: 1 }), call("quick", {})), says(DONE));
  const events = [];
  const onEvent = (event) => events.push(`${event.step} ${event.type} ${event.call?.id ?? ""}`);
  const given = [QUESTION];
  const result = await runTools({ context, messages: given, tools, toolChoice: "required", seed: 7, onEvent });
  assert.deepEqual(result.messages.slice(2, 4), [
    { role: "tool", name: "slow", toolCallId: "slow", content: '{"x":1}' },
    { role: "tool", name: "quick", toolCallId: "quick", content: "text" },
  ]);
  assert.deepEqual([result.message, result.finishReason, result.steps.length, given.length], [DONE, "stop", 2, 1]);
  assert.deepEqual(context.asked.map(({ toolChoice, seed }) => [toolChoice, seed]), [["required", 7], [undefined, 7]]);
  assert.deepEqual(context.asked[0].tools, [
    { type: "function", function: { name: "slow", parameters: { type: "object" } } },
    { type: "function", function: { name: "quick", description: "Quick" } },
  ]);
  assert.deepEqual(context.asked[1].messages, result.messages.slice(0, 4));
  assert.deepEqual(events, ["1 step ", "1 call slow", "1 call quick", "1 answer quick", "1 answer slow", "2 step "]);
});

test("no more calls run at once than CALLS_AT_ONCE", async () => {
  let running = 0;
  let most = 0;
  const run = async () => {
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    running--;
  };
  const calls = Array.from({ length: 3 * CALLS_AT_ONCE }, (_, i) => call("a", {}, `${i}`));
  const { messages } = await runTools({ context: scripted(calling(...calls), says(DONE)), messages: [QUESTION], tools: [{ name: "a", run }] });
  assert.equal(most, CALLS_AT_ONCE);
  assert.deepEqual(messages.slice(2, -1).map(({ toolCallId, content }) => [toolCallId, content]), calls.map(({ id }) => [id, "null"]));
});

test("the model learns what a tool throws, and what is wrong with a call", async () => {
  const wrong = new SidecarError("unknownTool", "There is no tool `fly`.", { data: { value: "fly", partial: { text: "I fly." } } });
  const context = scripted(calling(call("bad", {})), wrong, says(DONE));
  const events = [];
  const bad = { name: "bad", run: () => { throw new TypeError("no luck"); } };
  const { messages, steps } = await runTools({ context, messages: [QUESTION], tools: [bad], onEvent: (event) => events.push(event) });
  assert.equal(messages[2].content, "Error: no luck");
  assert.deepEqual(messages[3], { role: "assistant", content: "I fly.\nfly" });
  assert.equal(messages[4].role, "user");
  assert.match(messages[4].content, /^Error: There is no tool `fly`\./);
  assert.equal(steps.length, 2);
  assert.ok(events.find(({ type }) => type === "answer").error instanceof TypeError);
  assert.equal(events.find(({ type }) => type === "wrongCall").error, wrong);
});

test("it ends after maxSteps, with the calls answered", async () => {
  const tools = [{ name: "again", run: () => "more" }];
  const context = scripted(...Array.from({ length: 3 }, () => calling(call("again", {}))));
  const { messages, finishReason, steps } = await runTools({ context, messages: [QUESTION], tools, maxSteps: 2 });
  assert.deepEqual([finishReason, steps.length, messages.at(-1).content], ["maxSteps", 2, "more"]);
  const wrong = new SidecarError("invalidToolArguments", "x");
  await assert.rejects(runTools({ context: scripted(wrong), messages: [QUESTION], tools, maxSteps: 1 }), wrong);
});

test("other errors, and those of onEvent, reject the run; then no other call begins", async () => {
  const failure = new SidecarError("engineCrashed", "gone");
  await assert.rejects(runTools({ context: scripted(failure), messages: [QUESTION], tools: [] }), failure);
  const ran = [];
  const context = scripted(calling(...Array.from({ length: 20 }, (_, i) => call("a", { i }, `${i}`))));
  const tools = [{ name: "a", run: async ({ i }) => ran.push(i) }];
  const onEvent = ({ type }) => { if (type === "answer") throw failure; };
  await assert.rejects(runTools({ context, messages: [QUESTION], tools, onEvent }), failure);
  await new Promise(setImmediate);
  assert.ok(ran.length <= CALLS_AT_ONCE, String(ran));
});

test("an abort ends the run also while a tool does not listen", async () => {
  const controller = new AbortController();
  let heard;
  const run = (_, { signal }) => {
    heard = signal;
    queueMicrotask(() => controller.abort("enough"));
    return new Promise(() => {});
  };
  const running = runTools({ context: scripted(calling(call("a", {}))), messages: [QUESTION], tools: [{ name: "a", run }], signal: controller.signal });
  await assert.rejects(running, { name: "AbortError", kind: "aborted", cause: "enough" });
  assert.ok(heard.aborted);
  const stop = new AbortController();
  const stops = { name: "a", run: () => { stop.abort("both"); throw new Error("stopped"); } };
  const stopped = runTools({ context: scripted(calling(call("a", {}))), messages: [QUESTION], tools: [stops], signal: stop.signal });
  await assert.rejects(stopped, { name: "AbortError", cause: "both" });
  await new Promise(setImmediate); // a rejection that nobody handles would end this test
});

test("a model of the real program calls a tool, and is asked again", TIMEOUT, async (t) => {
  const llama = await start(t);
  const model = await llama.loadModel({ path: madeModel(join(folder(t), "made.gguf"), CHATTY) });
  const context = await model.createContext({ contextSize: 2048 });
  const cities = [];
  const city = { type: "string", enum: ["Oslo", "Rome"] };
  let deltas = "";
  const result = await runTools({
    context,
    messages: [QUESTION],
    tools: [{ name: "look", parameters: { type: "object", properties: { city }, required: ["city"] }, run: (args) => void cities.push(args.city) }],
    toolChoice: "required",
    maxTokens: 150,
    maxSteps: 2,
    onEvent: (event) => {
      if (event.type === "progress" && event.step === 2) deltas += event.progress.delta ?? "";
    },
  });
  assert.ok(["Oslo", "Rome"].includes(cities[0]) && cities.length === 1);
  assert.equal(result.message.content, deltas);
  assert.deepEqual(result.messages.map(({ role }) => role), ["user", "assistant", "tool", "assistant"]);
  assert.ok(result.steps[1].usage.cachedTokens > 0);

  const controller = new AbortController();
  const endless = runTools({ context, messages: [QUESTION], tools: [], contextOverflow: "shift", signal: controller.signal, onEvent: () => controller.abort() });
  await assert.rejects(endless, { name: "AbortError" });
});

test("the tools of a real MCP server are listed, run, and give back their errors", TIMEOUT, async (t) => {
  const server = createRequire(import.meta.url).resolve("@modelcontextprotocol/server-everything/package.json");
  const client = new Client({ name: "test", version: "1" });
  await client.connect(new StdioClientTransport({ command: process.execPath, args: [join(dirname(server), "dist/index.js")], stderr: "ignore" }));
  t.after(() => client.close());
  const tools = await mcpTools(client, { prefix: "every/" });
  const named = (name) => tools.find((tool) => tool.name === name);
  assert.equal(named("every_get-sum").parameters.type, "object");
  const context = scripted(
    calling(call("every_get-sum", { a: 2, b: 3 }), call("every_echo", { message: "hi" }), call("every_get-sum", { a: "x" }, "wrong")),
    says(DONE),
  );
  const { messages } = await runTools({ context, messages: [QUESTION], tools });
  assert.match(messages[2].content, /\b5\b/);
  assert.match(messages[3].content, /\bhi\b/);
  assert.match(messages[4].content, /^Error: /);
  const image = named("every_get-tiny-image");
  assert.match(await image.run({}, { signal: new AbortController().signal }), /^\[image image\/png\]$/m);
});

test("pages of an MCP server's tools are read to the end, and names cannot clash", async () => {
  const page = (cursor, ...names) => ({ tools: names.map((name) => ({ name, inputSchema: { type: "object" } })), nextCursor: cursor });
  const client = (...all) => ({ listTools: async ({ cursor }) => all[Number(cursor ?? 0)] });
  assert.deepEqual((await mcpTools(client(page("1", "a"), page(undefined, "b")))).map(({ name }) => name), ["a", "b"]);
  await assert.rejects(mcpTools(client(page(undefined, "a b", "a/b"))), /Two tools .* a_b/);
  await assert.rejects(mcpTools(client(page("0", ...Array.from({ length: 129 }, (_, i) => `t${i}`)))), /more than 128 tools/);
  await assert.rejects(mcpTools(client(page("0"))), /more than 128 pages/);
});
