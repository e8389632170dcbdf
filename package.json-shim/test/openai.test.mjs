// OpenAI's own client, of two major versions, over the pipe: the real program, made models, and no socket.

import assert from "node:assert/strict";
import net from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText } from "ai";
import OpenAI from "openai";
import OpenAI6 from "openai-6";
import { getLlama, SidecarError } from "../dist/index.mjs";
import { sidecarFetch } from "../dist/openai.mjs";
import { folder } from "./support/files.mjs";
import { CHATTY, INIT, madeModel, script, start, THINKING, TIMEOUT, until } from "./support/program.mjs";

const baseURL = "http://sidecar/v1";
const messages = [{ role: "user", content: "Hi" }];
const SHORT = { messages, temperature: 0, seed: 1, max_completion_tokens: 12 };
const city = { type: "object", properties: { city: { enum: ["Oslo", "Rome"] } }, required: ["city"], additionalProperties: false };
const TOOL = { type: "function", function: { name: "look", parameters: city } };

let llama;
let fetch;
let model;
let place;
let sockets = 0;
const { connect } = net.Socket.prototype;

before(async (t) => {
  net.Socket.prototype.connect = function (...args) {
    sockets++;
    return connect.apply(this, args);
  };
  place = folder(t);
  model = madeModel(join(place, "made.gguf"), CHATTY);
  llama = await start(t, { modelsDirectory: place });
  fetch = sidecarFetch(llama, { context: { contextSize: 2048 } });
});

after(() => {
  net.Socket.prototype.connect = connect;
  assert.equal(sockets, 0);
});

for (const [version, Client] of [["7", OpenAI], ["6", OpenAI6]]) {
  const client = () => new Client({ fetch, baseURL, apiKey: "none" });

  test(`openai ${version}: a chat, at once and streamed, says the same`, TIMEOUT, async () => {
    const whole = await client().chat.completions.create({ model, ...SHORT, logprobs: true, top_logprobs: 2 });
    const [{ message, finish_reason, logprobs }] = whole.choices;
    assert.equal(message.content.length, 12);
    assert.equal(finish_reason, "length");
    assert.deepEqual([logprobs.content.length, logprobs.content[0].top_logprobs.length], [12, 2]);
    assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + 12);
    let text = "";
    let usage;
    const stream = await client().chat.completions.create({ model, ...SHORT, stream: true, stream_options: { include_usage: true } });
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? "";
      usage ??= chunk.usage;
    }
    assert.equal(text, message.content);
    assert.ok(usage.completion_tokens === 12 && usage.prompt_tokens_details.cached_tokens > 0);
  });

  test(`openai ${version}: tools are called, by hand and by runTools`, TIMEOUT, async () => {
    const asked = { model, messages, tools: [TOOL], tool_choice: "required" };
    const { choices } = await client().chat.completions.create(asked);
    assert.equal(choices[0].finish_reason, "tool_calls");
    assert.equal(choices[0].message.content, null);
    const [call] = choices[0].message.tool_calls;
    assert.ok(["Oslo", "Rome"].includes(JSON.parse(call.function.arguments).city));
    const answer = await client().chat.completions.create({
      ...SHORT,
      model,
      tools: [TOOL],
      messages: [...messages, choices[0].message, { role: "tool", tool_call_id: call.id, content: [{ type: "text", text: "warm" }] }],
    });
    assert.equal(answer.choices[0].message.content.length, 12);
    const seen = [];
    const runner = client().chat.completions.runTools({
      model,
      messages,
      stream: true,
      tool_choice: { type: "function", function: { name: "look" } },
      tools: [{ type: "function", function: { ...TOOL.function, parse: JSON.parse, function: (args) => void seen.push(args.city) } }],
    });
    await runner.done();
    assert.equal(seen.length, 1);
  });

  test(`openai ${version}: responses, at once and streamed`, TIMEOUT, async () => {
    const input = [{ role: "user", content: [{ type: "input_text", text: "Hi" }] }];
    const asked = { model, instructions: "Be brief.", input, temperature: 0, max_output_tokens: 12 };
    const whole = await client().responses.create(asked);
    assert.equal(whole.output_text.length, 12);
    assert.deepEqual([whole.status, whole.incomplete_details.reason], ["incomplete", "max_output_tokens"]);
    const streamed = client().responses.stream(asked);
    const types = [];
    for await (const { type } of streamed) if (type !== types.at(-1)) types.push(type);
    assert.equal((await streamed.finalResponse()).output_text, whole.output_text);
    assert.deepEqual(types, [
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.incomplete",
    ]);
    const tool = { type: "function", name: "look", parameters: city, strict: true };
    const called = await client().responses.create({ model, input: "Hi", tools: [tool], tool_choice: "required" });
    const [item] = called.output;
    assert.ok(item.type === "function_call" && city.properties.city.enum.includes(JSON.parse(item.arguments).city));
    const output = { type: "function_call_output", call_id: item.call_id, output: "warm" };
    const format = { type: "json_schema", name: "x", schema: { const: "yes" } };
    const last = await client().responses.create({ model, input: [...input, item, output], text: { format } });
    assert.equal(JSON.parse(last.output_text), "yes");
  });

  test(`openai ${version}: completions, embeddings and models`, TIMEOUT, async () => {
    const { choices } = await client().completions.create({ model, prompt: "Hi", max_tokens: 5, temperature: 0, logprobs: 1 });
    assert.deepEqual([choices[0].text.length, choices[0].logprobs.tokens.length], [5, 5]);
    const short = { model, max_tokens: 5, temperature: 0 };
    const chunks = [];
    for await (const { choices: [choice] } of await client().completions.create({ ...short, prompt: ["Hi"], logprobs: 1, stream: true })) chunks.push(choice);
    assert.equal(chunks.map((chunk) => chunk.text).join(""), choices[0].text);
    assert.deepEqual(chunks.flatMap(({ logprobs }) => logprobs?.text_offset ?? []), choices[0].logprobs.text_offset);
    for (const prompt of ["Hi", [75, 108]]) {
      const echoed = await client().completions.create({ ...short, prompt, echo: true });
      let text = "";
      for await (const chunk of await client().completions.create({ ...short, prompt, echo: true, stream: true })) text += chunk.choices[0].text;
      assert.equal(text, echoed.choices[0].text);
      assert.match(text, /^Hi.{5}$/s);
    }
    await assert.rejects(client().completions.create({ ...short, prompt: "Hi", echo: true, logprobs: 1 }), { status: 400, param: "/echo" });
    const packed = await client().embeddings.create({ model, input: ["a", "b"] });
    const plain = await client().embeddings.create({ model, input: "a", encoding_format: "float" });
    assert.equal(packed.data.length, 2);
    assert.deepEqual(packed.data[0].embedding.map(Math.fround), plain.data[0].embedding.map(Math.fround));
    const names = [];
    for await (const { id } of client().models.list()) names.push(id);
    assert.ok(names.includes(model), names.join());
    assert.equal((await client().models.retrieve(model)).id, model);
  });

  test(`openai ${version}: errors have OpenAI's class and our kind; what is left or aborted stops`, TIMEOUT, async () => {
    const wrong = (params) => client().chat.completions.create({ model, messages, ...params });
    await assert.rejects(wrong({ temperature: "hot" }), (error) => error instanceof Client.BadRequestError && error.code === "invalidParams" && error.param === "/temperature");
    await assert.rejects(wrong({ n: 2 }), { status: 400, param: "/n" });
    await assert.rejects(wrong({ modalities: ["text", "audio"] }), { status: 400, param: "/modalities" });
    await assert.rejects(client().completions.create({ model, prompt: "Hi", best_of: 2 }), { status: 400, param: "/best_of" });
    for (const [name, value] of [["truncation", "sometimes"], ["include", ["message.output_text.logprobs"]], ["top_logprobs", 2]]) {
      await assert.rejects(client().responses.create({ model, input: "Hi", [name]: value }), { status: 400, param: `/${name}` });
    }
    await assert.rejects(wrong({ model: "nowhere.gguf" }), (error) => error instanceof Client.NotFoundError && error.code === "fileNotFound");
    await assert.rejects(client().images.generate({ prompt: "x" }), { status: 404, code: "methodNotFound" });
    for (const stored of [{ previous_response_id: "x" }, { prompt: { id: "x" } }]) {
      await assert.rejects(client().responses.create({ model, input: "Hi", ...stored }), { status: 400, param: `/${Object.keys(stored)[0]}` });
    }
    const endless = { contextOverflow: "shift", stream: true };
    for await (const _ of await wrong(endless)) break;
    const controller = new AbortController();
    const stream = await client().chat.completions.create({ model, messages, ...endless }, { signal: controller.signal });
    let count = 0;
    for await (const _ of stream) if (++count === 2) controller.abort();
    await assert.rejects(client().chat.completions.create({ model, messages, contextOverflow: "shift" }, { timeout: 100, maxRetries: 0 }), Client.APIConnectionTimeoutError);
    await until(async () => (await llama.status()).requests.length === 0);
  });
}

test("a body that is not an object is the client's fault; a machine that cannot is not", TIMEOUT, async () => {
  for (const body of ["null", "[]", "7", "{"]) {
    const { status } = await fetch(`${baseURL}/chat/completions`, { method: "POST", body });
    assert.equal(status, 400, body);
  }
  for (const kind of ["outOfMemory", "engineStartFailed", "decodeFailed", "downloadFailed", "offline", "diskFull", "transferCrashed", "shuttingDown", "rpcServerUnavailable", "startFailed"]) {
    const failing = sidecarFetch(async () => { throw new SidecarError(kind, "x"); });
    const answer = await failing(`${baseURL}/chat/completions`, { method: "POST", body: JSON.stringify({ model: "a.gguf", messages }) });
    const { error } = await answer.json();
    assert.ok(answer.status >= 500, kind);
    assert.deepEqual([error.code, error.type], [kind, "server_error"]);
  }
});

test("an input that does not fit is refused, or cut if truncation says so", TIMEOUT, async () => {
  const client = new OpenAI({ fetch, baseURL, apiKey: "none" });
  const asked = { model, input: "Hi ".repeat(1000), max_output_tokens: 3 };
  for (const truncation of [undefined, "disabled"]) {
    await assert.rejects(client.responses.create({ ...asked, truncation }), { status: 400, code: "promptTooLong" });
  }
  const { output_text, truncation } = await client.responses.create({ ...asked, truncation: "auto" });
  assert.deepEqual([output_text.length, truncation], [3, "auto"]);
});

test("parallel_tool_calls: false tells only the first call", TIMEOUT, async (t) => {
  const program = script(t, `
    const call = (index) => ({ id: "call" + index, type: "function", function: { name: "look", arguments: "{}" } });
    onRequest((request) => {
      const { id, method } = request;
      if (method === "shutdown") return process.exit();
      if (method !== "chat") return answer(request, method === "init" ? ${INIT} : { modelId: "m", contextId: "c" });
      for (const index of [0, 1]) for (const delta of ["{", "}"]) {
        const toolCall = { index, id: "call" + index, name: "look" };
        say({ jsonrpc: "2.0", method: "progress", params: { requestId: id, progressType: "generate", segment: "toolCall", delta, toolCall } });
      }
      const usage = { promptTokens: 1, cachedTokens: 0, completionTokens: 4 };
      answer(request, { message: { role: "assistant", content: "", toolCalls: [call(0), call(1)] }, finishReason: "toolCalls", usage });
    });`);
  const scripted = await getLlama({ program });
  t.after(() => scripted.dispose());
  const client = new OpenAI({ fetch: sidecarFetch(scripted), baseURL, apiKey: "none" });
  for (const [parallel, count] of [[false, 1], [true, 2]]) {
    const asked = { model: "x.gguf", messages, tools: [TOOL], parallel_tool_calls: parallel };
    const ofChat = async (params) => (await client.chat.completions.stream({ ...asked, ...params }).finalMessage()).tool_calls;
    assert.equal((await ofChat()).length, count);
    assert.equal((await client.chat.completions.create(asked)).choices[0].message.tool_calls.length, count);
    const tool = { type: "function", name: "look", parameters: city };
    const items = { model: "x.gguf", input: "Hi", tools: [tool], parallel_tool_calls: parallel };
    assert.equal((await client.responses.create(items)).output.length, count);
    const streamed = await client.responses.stream(items).finalResponse();
    assert.deepEqual(streamed.output.map(({ arguments: text }) => text), Array(count).fill("{}"));
  }
});

test("an answer that others abort, as unloadModel does, is told to its end and then fails", TIMEOUT, async (t) => {
  const program = script(t, `
    onRequest((request) => {
      const { id, method } = request;
      if (method === "shutdown") return process.exit();
      if (method !== "chat") return answer(request, method === "init" ? ${INIT} : { modelId: "m", contextId: "c" });
      for (const segment of ["reasoning", "text"]) {
        say({ jsonrpc: "2.0", method: "progress", params: { requestId: id, progressType: "generate", segment, delta: segment } });
      }
      say({ jsonrpc: "2.0", id, error: { code: -32800, message: "aborted", data: { kind: "aborted" } } });
    });`);
  const scripted = await getLlama({ program });
  t.after(() => scripted.dispose());
  const client = new OpenAI({ fetch: sidecarFetch(scripted), baseURL, apiKey: "none" });
  const said = [];
  await assert.rejects(async () => {
    for await (const { choices } of await client.chat.completions.create({ model: "x.gguf", messages, stream: true })) {
      said.push(choices[0].delta.reasoning_content ?? choices[0].delta.content);
    }
  }, { code: "aborted" });
  assert.deepEqual(said, ["", "reasoning", "text"]);
});

test("reasoning comes as reasoning_content and as an item; an effort limits it", TIMEOUT, async () => {
  const client = new OpenAI({ fetch, baseURL, apiKey: "none" });
  const thinking = madeModel(join(place, "thinking.gguf"), THINKING);
  const asked = { model: thinking, max_completion_tokens: 300, reasoning_effort: "minimal", temperature: 0, messages };
  const { choices, usage } = await client.chat.completions.create(asked);
  assert.ok(choices[0].message.reasoning_content.length > 0 && choices[0].message.content.length > 0);
  assert.equal(usage.completion_tokens_details.reasoning_tokens, 128 + "\n</think>".length); // its tokens are characters
  const { output } = await client.responses.create({ model: thinking, max_output_tokens: 300, reasoning: { effort: "minimal" }, input: "Hi" });
  assert.deepEqual(output.map(({ type }) => type), ["reasoning", "message"]);
});

test("the AI SDK's provider for OpenAI's protocol takes it, too", TIMEOUT, async () => {
  const provider = createOpenAICompatible({ name: "sidecar", baseURL, fetch });
  const { text } = await generateText({ model: provider(model), prompt: "Hi", maxOutputTokens: 9 });
  assert.equal(text.length, 9);
});
