// What the Prompt API makes of the program's messages, and of a page's: with a program that only tells what it was sent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { getLlama } from "../dist/index.mjs";
import { promptApi } from "../dist/prompt-api.mjs";
import { INIT, script, TIMEOUT } from "./support/program.mjs";

const SYSTEM = { role: "system", content: "Be brief." };

/** A program that answers as the code says, and keeps its requests; `chats` gets those of chat. */
async function standIn(t, cases, options) {
  const program = script(t, `const progress = (request, members) => say({ jsonrpc: "2.0", method: "progress", params: { requestId: request.id, ...members } });
    const text = (request, delta) => progress(request, { progressType: "generate", progress: null, segment: "text", delta, completionTokens: 1 });
    const usage = { promptTokens: 5, cachedTokens: 0, completionTokens: 1 };
    const said = (request, content, more) => answer(request, { message: { role: "assistant", content, ...more }, finishReason: "stop", usage });
    const chats = [];
    let open;
    onRequest((request) => {
      const { id, method, params } = request;
      if (method === "init") return answer(request, ${INIT});
      if (method === "shutdown") return process.exit();
      if (method === "status") return answer(request, chats);
      if (method === "inspectModel") return answer(request, {});
      if (method === "createContext") return answer(request, { contextId: "c", contextSize: 100 });
      if (method === "chat") chats.push(params);
      ${cases}
    });`);
  const started = await getLlama({ program });
  t.after(() => started.dispose());
  return { started, Model: promptApi({ llama: started, model: "x.gguf", ...options }), chats: () => started.request("status") };
}

test("a monitor gets parts that only grow, and meanwhile the model is downloading", TIMEOUT, async (t) => {
  const { started, Model } = await standIn(t, `
    if (method === "listModels") return answer(request, { models: [] });
    if (method === "ping") { progress(open, { progressType: "download", progress: 1 }); answer(open, { path: "x" }); return answer(request, {}); }
    if (method === "loadModel") return answer(request, { modelId: "m", modalities: ["text"] });
    if (method === "downloadModel") { open = request; for (const part of [0.25, 0.1, 0.25, 0.5]) progress(request, { progressType: "download", progress: part }); }`,
    { model: "hf:owner/repo:Q4_0" });
  assert.equal(await Model.availability(), "downloadable");
  const seen = [];
  let during;
  const onPart = ({ loaded, total, lengthComputable }) => {
    seen.push([loaded, total, lengthComputable]);
    if (loaded === 0.5) during = Model.availability().then(async (found) => (await started.ping(), found));
  };
  await Model.create({ monitor: (target) => target.addEventListener("downloadprogress", onPart) });
  assert.deepEqual(seen, [0, 0.25, 0.5, 1].map((part) => [part, 1, true]));
  assert.equal(await during, "downloading");
  const thrown = new Error("no");
  await assert.rejects(Model.create({ monitor: () => { throw thrown; } }), thrown);
});

test("a model on the disk is known by its address", TIMEOUT, async (t) => {
  const source = { url: "https://hub/x.gguf", repository: "owner/repo", revision: "1", file: "sub/Some-7B.Q4_K_M.gguf" };
  const { started } = await standIn(t, `if (method === "listModels") return answer(request, { models: [{ source: null, problem: null }, { source: ${JSON.stringify(source)}, problem: null }] });`);
  for (const [model, expected] of [
    ["hf:owner/repo", "available"],
    ["hf:owner/repo:q4_k_m", "available"],
    ["hf:owner/repo:Q4_K", "downloadable"],
    ["hf:owner/repo/sub/Some-7B.Q4_K_M.gguf", "available"],
    ["hf:owner/repo/Some-7B.Q4_K_M.gguf", "downloadable"],
    ["hf:owner/repository", "downloadable"],
    ["https://hub/x.gguf", "available"],
    ["https://hub/y.gguf", "downloadable"],
  ]) {
    assert.equal(await promptApi({ llama: started, model }).availability(), expected, model);
  }
});

test("tools are run, and what is said before and after them is the answer", TIMEOUT, async (t) => {
  const { Model, chats } = await standIn(t, `
    if (method === "loadModel") return answer(request, { modelId: "m", modalities: ["text"] });
    if (method !== "chat") return;
    if (params.messages.at(-1).role === "tool") { text(request, "It is warm."); return said(request, "It is warm."); }
    if (params.maxTokens === 0) return said(request, "");
    text(request, "Let me look. ");
    const call = (name, place) => ({ id: place, type: "function", function: { name, arguments: JSON.stringify({ place }) } });
    said(request, "Let me look. ", { toolCalls: [call("look", "Rome"), call("fail", "Oslo")] });`);
  const parameters = { type: "object", properties: { place: { type: "string" } } };
  const tool = (name, execute) => ({ name, description: "Looks.", inputSchema: parameters, execute });
  const tools = [tool("look", async ({ place: where }) => `${where}: 21`), tool("fail", async () => { throw new Error("closed"); })];
  const session = await Model.create({ tools, samplingMode: "most-predictable", initialPrompts: [SYSTEM] });
  const text = await session.prompt([{ role: "user", content: "Warm?" }, { role: "assistant", content: "So: ", prefix: true }]);
  assert.equal(text, "Let me look. It is warm.");
  const [begun, first, second] = await chats();
  assert.deepEqual([begun.maxTokens, begun.addGenerationPrompt, begun.tools], [0, false, first.tools]);
  assert.deepEqual(first.tools[0], { type: "function", function: { name: "look", description: "Looks.", parameters } });
  assert.deepEqual([first.temperature, first.topK, first.continueFinalMessage], [0, 40, true]);
  assert.equal(second.continueFinalMessage, undefined);
  assert.deepEqual(second.messages.slice(-2).map(({ name, content }) => [name, content]), [["look", "Rome: 21"], ["fail", "Error: closed"]]);
  await session.prompt("And now?");
  const { messages } = (await chats())[3];
  assert.equal(messages[2].content, "So: Let me look. ");
});

test("when there is no room after a call, nothing is done twice", TIMEOUT, async (t) => {
  const { Model, chats } = await standIn(t, `
    if (method === "loadModel") return answer(request, { modelId: "m", modalities: ["text"] });
    if (method !== "chat") return answer(request, { tokens: 1 });
    if (params.messages.at(-1).role === "tool") return say({ jsonrpc: "2.0", id, error: { code: 1031, message: "long", data: { kind: "promptTooLong", value: 700 } } });
    text(request, "So.");
    said(request, "So.", { toolCalls: [{ id: "1", type: "function", function: { name: "look", arguments: "{}" } }] });`);
  let runs = 0;
  const session = await Model.create({ tools: [{ name: "look", description: "", inputSchema: {}, execute: () => `${++runs}` }] });
  for (const question of ["One", "Two"]) {
    await assert.rejects(session.prompt(question), ({ name, requested, quota, cause }) => name === "QuotaExceededError" && requested === 700 && quota === 100 && cause.kind === "promptTooLong");
  }
  assert.equal(runs, 2);
  assert.deepEqual((await chats()).map(({ messages }) => messages.length), [1, 3, 1, 3], "nothing of it stays");
});

test("images and sound become parts, for a model that takes them", TIMEOUT, async (t) => {
  const { Model, chats } = await standIn(t, `
    if (method === "loadModel") return answer(request, { modelId: "m", modalities: ["text", "image", "audio"] });
    if (method === "chat") return said(request, "x");`);
  const session = await Model.create({ expectedInputs: [{ type: "image" }, { type: "audio" }] });
  const png = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 1, 2, 3]);
  const samples = [new Float32Array([0, 1]), new Float32Array([-1, 2])];
  const buffer = { numberOfChannels: 2, sampleRate: 8000, length: 2, getChannelData: (channel) => samples[channel] };
  const say = (type, value) => session.prompt([{ role: "user", content: [{ type: "text", value: "What?" }, { type, value }] }]);
  await say("image", new Blob([png], { type: "image/jpeg" }));
  await say("image", png.buffer);
  await say("image", new DataView(png.buffer));
  await say("audio", new Uint8Array([0xff, 0xfb, 0x90]));
  await say("audio", buffer);
  const parts = (await chats()).map(({ messages }) => messages.at(-1).content[1]);
  const url = `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
  for (const part of parts.slice(0, 3)) assert.deepEqual(part, { type: "image_url", imageUrl: { url } });
  assert.deepEqual(parts[3], { type: "input_audio", inputAudio: { data: "//uQ", format: "mp3" } });
  assert.equal(parts[4].inputAudio.format, "wav");
  const wav = Buffer.from(parts[4].inputAudio.data, "base64");
  assert.equal(wav.toString("latin1", 0, 4) + wav.toString("latin1", 8, 16), "RIFFWAVEfmt ");
  assert.deepEqual([wav.readUInt32LE(4), wav.readUInt16LE(22), wav.readUInt32LE(24), wav.readUInt32LE(40)], [wav.length - 8, 2, 8000, 8]);
  assert.deepEqual([44, 46, 48, 50].map((at) => wav.readInt16LE(at)), [0, -32767, 32767, 32767]);
  for (const [type, value, name] of [["image", new Blob(["x"]), "EncodingError"], ["image", buffer, "TypeError"], ["image", "x", "TypeError"], ["audio", {}, "TypeError"], ["audio", png, "EncodingError"]]) {
    await assert.rejects(say(type, value), { name }, type);
  }
});
