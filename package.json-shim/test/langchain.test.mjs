// LangChain's models for OpenAI over the pipe: the real program, a made model, and no socket.

import assert from "node:assert/strict";
import net from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { ChatOpenAI, OpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { sidecarFetch } from "../dist/openai.mjs";
import { folder } from "./support/files.mjs";
import { CHATTY, madeModel, start, TIMEOUT, until } from "./support/program.mjs";

const city = { type: "object", properties: { city: { enum: ["Oslo", "Rome"] } }, required: ["city"], additionalProperties: false };
const { connect } = net.Socket.prototype;

let llama;
let configuration;
let model;
let sockets = 0;

before(async (t) => {
  net.Socket.prototype.connect = function (...args) {
    sockets++;
    return connect.apply(this, args);
  };
  const place = folder(t);
  model = madeModel(join(place, "made.gguf"), CHATTY);
  llama = await start(t, { modelsDirectory: place });
  configuration = { fetch: sidecarFetch(llama, { context: { contextSize: 2048 } }), baseURL: "http://sidecar/v1" };
});

after(() => {
  net.Socket.prototype.connect = connect;
  assert.equal(sockets, 0);
});

const chat = (options) => new ChatOpenAI({ model, apiKey: "none", configuration, maxTokens: 12, temperature: 0, maxRetries: 0, ...options });

for (const useResponsesApi of [false, true]) {
  const way = useResponsesApi ? "responses" : "chat completions";

  test(`${way}: an answer, at once and streamed, with its usage`, TIMEOUT, async () => {
    const whole = await chat({ useResponsesApi }).invoke("Hi");
    assert.equal(whole.text.length, 12);
    assert.equal(whole.usage_metadata.output_tokens, 12);
    let text = "";
    let usage;
    for await (const chunk of await chat({ useResponsesApi }).stream("Hi")) {
      text += chunk.text;
      usage ??= chunk.usage_metadata;
    }
    assert.equal(text, whole.text);
    assert.equal(usage.output_tokens, 12);
  });

  test(`${way}: a tool is called, and its answer goes back`, TIMEOUT, async () => {
    const look = { type: "function", function: { name: "look", description: "Looks.", parameters: city } };
    const question = new HumanMessage("Hi");
    const called = await chat({ useResponsesApi, maxTokens: 100 }).bindTools([look], { tool_choice: "look" }).invoke([question]);
    const [call] = called.tool_calls;
    assert.ok(call.name === "look" && city.properties.city.enum.includes(call.args.city));
    const answer = new ToolMessage({ tool_call_id: call.id, content: "warm" });
    const last = await chat({ useResponsesApi }).bindTools([look]).invoke([question, called, answer]);
    assert.equal(last.text.length, 12);
  });

  test(`${way}: structured output fits its schema`, TIMEOUT, async () => {
    const structured = chat({ useResponsesApi, maxTokens: 100 }).withStructuredOutput(city, { name: "place", method: "jsonSchema" });
    assert.ok(city.properties.city.enum.includes((await structured.invoke("A city?")).city));
  });

  test(`${way}: an abort stops the work; an error says what is wrong`, TIMEOUT, async () => {
    const controller = new AbortController();
    const endless = chat({ useResponsesApi, maxTokens: undefined, modelKwargs: { context_overflow: "shift" } });
    const left = (async () => {
      for await (const _ of await endless.stream("Hi", { signal: controller.signal })) controller.abort();
    })();
    await assert.rejects(left);
    await until(async () => (await llama.status()).requests.length === 0);
    await assert.rejects(chat({ useResponsesApi, model: "nowhere.gguf" }).invoke("Hi"), (error) => error.code === "fileNotFound" && error.status === 404);
  });
}

test("completions and embeddings", TIMEOUT, async () => {
  const completed = await new OpenAI({ model, apiKey: "none", configuration, maxTokens: 5, temperature: 0 }).invoke("Hi");
  assert.equal(completed.length, 5);
  const embeddings = new OpenAIEmbeddings({ model, apiKey: "none", configuration });
  const [one, two] = await embeddings.embedDocuments(["a", "b"]);
  assert.equal(one.length, two.length);
  assert.deepEqual(await embeddings.embedQuery("a"), one);
});
