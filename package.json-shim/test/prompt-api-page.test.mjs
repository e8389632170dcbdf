// The Prompt API in a page of headless Chromium, over a port to the real program with a made model. The test plays
// Electron's main process.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { LlamaWorker } from "../dist/index.mjs";
import { Page, skip } from "./support/chromium.mjs";
import { folder } from "./support/files.mjs";
import { CHATTY, command, madeModel, TIMEOUT, until } from "./support/program.mjs";

const web = fileURLToPath(new URL("../dist/web", import.meta.url));
const LONG = { timeout: 2 * TIMEOUT.timeout, skip };

let page;
let model;

before(async (t) => {
  if (skip) return;
  const place = folder(t);
  model = madeModel(join(place, "made.gguf"), CHATTY);
  const server = createServer(({ url }, response) => {
    const file = join(web, url);
    if (url === "/") return response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>page</title>");
    if (!existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": "text/javascript" }).end(readFileSync(file));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const worker = new LlamaWorker({ program: command });
  t.after(async () => {
    await page?.close();
    await worker.terminate();
    server.close();
    server.closeAllConnections();
  });
  page = await Page.open(place);
  worker.port.on("message", ({ data }) => page.evaluate(`fromWorker(${JSON.stringify(data)})`).catch(() => {}));
  page.onCall = (message) => message.type !== "connect" && worker.port.postMessage(message);
  await page.send("Page.navigate", { url: `http://127.0.0.1:${server.address().port}/` });
  await until(() => page.evaluate(`document.title === "page" && document.readyState === "complete"`));
  await page.evaluate(`(async () => {
    const { getLlama } = await import("/port.js");
    const { promptApi } = await import("/prompt-api.js");
    window.LanguageModel = promptApi({
      llama: () => getLlama({ gpu: "cpu", maxThreads: 1 }), model: ${JSON.stringify(model)},
      context: { contextSize: 512 }, chat: { maxTokens: 12, seed: 1, temperature: 0 },
    });
  })()`);
}, LONG);

/** Runs an async function in the page. */
const inPage = (body) => page.evaluate(`(async () => { ${body} })()`);

test("a page creates a session with a monitor, asks, streams, appends and clones", LONG, async () => {
  const found = await inPage(`
    const progress = [];
    const monitor = (target) => target.addEventListener("downloadprogress", (event) => progress.push([event instanceof ProgressEvent, event.loaded]));
    const session = await LanguageModel.create({ monitor, initialPrompts: [{ role: "system", content: "Be brief." }] });
    const clone = await session.clone();
    const text = await session.prompt("Hi");
    const chunks = await Array.fromAsync(clone.promptStreaming("Hi"));
    const measured = await session.measureContextUsage("More");
    const before = session.contextUsage;
    await session.append("More");
    const grown = session.contextUsage - before;
    const city = await session.prompt("A city?", { responseConstraint: /Oslo|Rome/ });
    return { available: await LanguageModel.availability(), progress, text, streamed: chunks.join(""), measured, grown, city, target: session instanceof EventTarget };`);
  assert.equal(found.available, "available");
  assert.deepEqual(found.progress, [[true, 0], [true, 1]]);
  assert.equal(found.text.length, 12);
  assert.equal(found.streamed, found.text);
  assert.match(found.city, /^(Oslo|Rome)$/);
  assert.ok(found.measured > 0 && found.target);
  assert.equal(found.grown, found.measured);
});

test("every member of the interface is there, and those that shape an answer do so", LONG, async () => {
  const found = await inPage(`
    const events = [];
    const options = { samplingMode: "predictable", expectedInputs: [{ type: "text", languages: ["en"] }], initialPrompts: [{ role: "system", content: "Be brief." }] };
    const tools = [{ name: "look", description: "Looks", inputSchema: { type: "object", properties: {} }, execute: async () => "seen" }];
    const helped = await (await LanguageModel.create({ tools })).prompt("Hi");
    const session = await LanguageModel.create(options);
    session.oncontextoverflow = ({ type }) => events.push("on " + type);
    session.onquotaoverflow = ({ type }) => events.push("on " + type);
    session.addEventListener("contextoverflow", ({ type }) => events.push(type));
    const members = ("prompt promptStreaming append measureContextUsage contextUsage contextWindow oncontextoverflow measureInputUsage inputUsage inputQuota"
      + " onquotaoverflow topK temperature samplingMode clone destroy addEventListener").split(" ");
    const missing = [...members.filter((name) => !(name in session)), ...["create", "availability", "params"].filter((name) => !(name in LanguageModel))];
    const one = { responseConstraint: { enum: ["Oslo", "Rome"] }, omitResponseConstraintInput: true };
    const city = await session.prompt("A city?", one);
    const same = await session.measureInputUsage("More") === await session.measureContextUsage("More", one);
    const rest = await session.prompt([{ role: "user", content: "Hi" }, { role: "assistant", content: "Sure: ", prefix: true }]);
    const failures = await Promise.all([{ ...one, responseConstraint: undefined }, { responseConstraint: { allOf: [{ const: 1 }, { const: 2 }] } }].map((wrong) => session.prompt("Hi", wrong).catch(({ name }) => name)));
    for (const _ of [1, 2]) await session.append("x".repeat(250));
    const { contextUsage, contextWindow, inputUsage, inputQuota, samplingMode, temperature } = session;
    return { missing, helped: helped.length, city: JSON.parse(city), same, rest, failures, events, fits: contextUsage < contextWindow, old: inputUsage === contextUsage && inputQuota === contextWindow, samplingMode, temperature };`);
  const { city, rest, ...others } = found;
  assert.ok(["Oslo", "Rome"].includes(city));
  assert.equal(rest.length, 12);
  assert.deepEqual(others, {
    missing: [], helped: 12, same: true, failures: ["TypeError", "SyntaxError"], events: ["on contextoverflow", "contextoverflow", "on quotaoverflow"],
    fits: true, old: true, samplingMode: "predictable", temperature: 0.4,
  });
});

test("errors and aborts have the browser's own classes", LONG, async () => {
  const found = await inPage(`
    const failure = (promise) => promise.then(() => "none", (error) => [error.constructor.name, error.name, error.requested > error.quota]);
    const session = await LanguageModel.create();
    const controller = new AbortController();
    const stopped = failure(session.prompt("Hi", { signal: controller.signal }));
    controller.abort();
    const stream = session.promptStreaming("Hi");
    const read = failure(stream.getReader().read().then(() => new Promise(() => {}), (error) => Promise.reject(error)));
    session.destroy();
    const other = await LanguageModel.create();
    return [await stopped, await read, await failure(session.prompt("Hi")), await failure(other.prompt("x".repeat(600))),
      await failure(other.prompt([{ role: "user", content: [{ type: "image", value: new ImageData(1, 1) }] }])),
      await failure(LanguageModel.create({ expectedInputs: [{ type: "image" }] }))];`);
  assert.deepEqual(found, [
    ["DOMException", "AbortError", false],
    ["DOMException", "AbortError", false],
    ["DOMException", "AbortError", false],
    ["QuotaExceededError", "QuotaExceededError", true],
    ["DOMException", "NotSupportedError", false],
    ["DOMException", "NotSupportedError", false],
  ]);
});

test("pictures that only the browser can read become PNG", LONG, async () => {
  const found = await inPage(`
    const { imagePart } = await import("/media.js");
    const canvas = Object.assign(document.createElement("canvas"), { width: 3, height: 2 });
    const as = (type) => new Promise((resolve) => canvas.toBlob(resolve, type));
    const pictures = [canvas, new ImageData(3, 2), await createImageBitmap(canvas), await as("image/webp"), await as("image/jpeg")];
    const urls = await Promise.all(pictures.map(async (each) => (await imagePart(each)).imageUrl.url));
    const sizes = await Promise.all(urls.map(async (each) => { const image = new Image(); image.src = each; await image.decode(); return [image.width, image.height]; }));
    const broken = await imagePart(new Blob(["no picture"])).catch(({ kind }) => kind);
    return [urls.map((each) => each.slice(0, 15)), sizes, broken];`);
  assert.deepEqual(found, [[...Array(4).fill("data:image/png;"), "data:image/jpeg"], Array(5).fill([3, 2]), "unsupportedContent"]);
});
