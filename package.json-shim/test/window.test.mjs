// The chat window of the examples in headless Chromium, with the real program. The test plays Electron's main
// process, the preload script and the person at the screen.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { LlamaWorker } from "../dist/index.mjs";
import { Page, skip } from "./support/chromium.mjs";
import { sendFile } from "./support/files.mjs";
import { givePicture } from "./support/pages.mjs";
import { command, madeModel, modelPath, TIMEOUT, until } from "./support/program.mjs";

const GREETING = "Say hello.";
const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript" };

let folder;
let server;
let origin;
let worker;
let page;
let sent; // the parts of the last message that had some
const pace = { pauseMs: 20 }; // makes the download slow enough to be stopped

before(async () => {
  if (skip) return;
  folder = mkdtempSync(join(tmpdir(), "llama-sidecar-"));
  process.env.XDG_DATA_HOME = folder; // where models are kept
  const ui = join(folder, "ui");
  execFileSync(process.execPath, [fileURLToPath(new URL("../examples/prepare.mjs", import.meta.url)), ui]);
  server = createServer((request, response) => {
    if (request.url === "/smol.gguf") return sendFile(modelPath, request, response, pace);
    const file = join(ui, request.url === "/" ? "index.html" : request.url);
    if (!existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": TYPES[extname(file)] }).end(readFileSync(file));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
  page = await Page.open(folder);
  page.onCall = (message) => {
    if (message.type === "connect") return connect();
    // Short answers for a busy machine; the answers that the test stops must not end before.
    if (message.type === "init") message.options.maxThreads = 1;
    if (message.type === "chat") {
      const { options } = message;
      const { content } = options.messages.at(-1);
      if (Array.isArray(content)) sent = content;
      Object.assign(options, content === GREETING ? { maxTokens: 16 } : content === sent ? { maxTokens: 16, temperature: 0 } : { ignoreEos: true });
    }
    worker.port.postMessage(message);
  };
  await page.send("Page.navigate", { url: `${origin}/` });
});

/** Starts a worker for the loaded page, as serveWindow does. */
function connect() {
  void worker?.terminate();
  worker = new LlamaWorker({ program: command });
  worker.port.on("message", ({ data }) => page.evaluate(`fromWorker(${JSON.stringify(data)})`).catch(() => {}));
}

after(async () => {
  await worker?.terminate();
  await page?.close();
  server?.close();
  server?.closeAllConnections();
  if (folder) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

const LONG = { timeout: 2 * TIMEOUT.timeout, skip };

/** Makes the page record the positions of the bar for each kind of work. */
const watchBar = () =>
  page.evaluate(`window.seen = {};
    new MutationObserver(() => {
      const [word] = document.getElementById("doing").textContent.split(" ");
      (seen[word] ??= []).push(document.getElementById("bar").position);
    }).observe(document.getElementById("doing"), { childList: true });`);

const opened = () =>
  until(() => page.evaluate(`!document.getElementById("prompt").disabled || !document.getElementById("error").hidden`));

test("a download is stopped, continues where it was, and is loaded, with a progress bar", LONG, async () => {
  await until(() => page.evaluate(`"ready" in (document.body?.dataset ?? {})`));
  assert.equal(await page.text("#error"), "");
  await page.type("#model", `${origin}/smol.gguf`);
  await until(() => page.evaluate(`document.getElementById("bar").position > 0.05`));
  await page.evaluate(`document.getElementById("stop").click()`);
  await until(() => page.evaluate(`document.getElementById("stop").hidden`));
  assert.ok(await page.evaluate(`document.getElementById("work").hidden && document.getElementById("error").hidden`));

  pace.pauseMs = 0;
  await watchBar();
  await page.type("#model", `${origin}/smol.gguf`);
  await opened();
  assert.equal(await page.text("#error"), "");
  const { Downloading, Loading } = await page.evaluate("seen");
  assert.ok(Downloading[0] > 0, "it went on");
  for (const shown of [Downloading, Loading]) {
    assert.deepEqual(shown, [...shown].sort((a, b) => a - b), "a bar never falls");
    assert.equal(shown.at(-1), 1);
  }
  assert.match(await page.text("#speed"), /tokens of context/);
});

test("a model that is on this computer is suggested and opened", LONG, async () => {
  await page.evaluate("localStorage.clear()");
  await page.send("Page.reload");
  await until(() => page.evaluate(`"ready" in (document.body?.dataset ?? {}) && "seen" in window === false`));
  const offered = await page.evaluate(`[...document.querySelectorAll("#models option")].map(({ value }) => value)`);
  assert.equal(offered.length, 1);
  assert.match(offered[0], /smol\.gguf$/);
  assert.equal(await page.evaluate(`document.getElementById("model").value`), offered[0]);
  await page.type("#model", offered[0]);
  await opened();
  assert.equal(await page.text("#error"), "");
});

test("an answer is streamed, and its speed is shown", LONG, async () => {
  await page.type("#prompt", GREETING);
  await until(() => page.evaluate(`document.querySelectorAll(".turn").length === 2 && !document.querySelector(".running")`));
  assert.equal(await page.text(".turn.user"), GREETING);
  assert.ok((await page.text(".turn.assistant")).length > 0);
  assert.match(await page.text("#speed"), /^\d+ tokens · [\d.–]+ tokens\/s$/);
});

test("an answer can be stopped, and its text stays", LONG, async () => {
  await page.type("#prompt", "Write a very long story about a lighthouse keeper, with many chapters.");
  await until(() => page.evaluate(`document.querySelector(".running")?.textContent.length > 10`));
  await page.evaluate(`document.getElementById("stop").click()`);
  await until(() => page.evaluate(`!document.querySelector(".running")`));
  assert.ok(await page.evaluate(`document.getElementById("stop").hidden && document.getElementById("error").hidden`));
  assert.ok((await page.text(".turn:last-child")).length > 10);
  if (process.env.SCREENSHOT) await page.screenshot(process.env.SCREENSHOT);
});

test("a picture waits above the message, is shown in the conversation, and is seen", LONG, async () => {
  const give = (how) => page.evaluate(givePicture(how));
  await give("drop");
  assert.match(await page.text("#error"), /reads only text/);

  const path = await page.evaluate(`document.getElementById("model").value`);
  madeModel(join(dirname(path), "mmproj-F16.gguf"), `import projectors; projectors.named(path, ${JSON.stringify(path)}, "llava")`);
  await page.type("#model", path);
  await until(() => page.evaluate(`document.querySelectorAll(".turn").length === 0 && !document.getElementById("prompt").disabled`));
  const waiting = (count) => until(() => page.evaluate(`document.querySelectorAll("#pictures img").length === ${count}`));
  await give("paste");
  await waiting(1);
  await give("drop");
  await waiting(2);
  await page.evaluate(`document.querySelector("#pictures img").click()`);
  await waiting(1);
  await page.type("#prompt", "Tell me the name of the color in this picture.");
  await until(() => page.evaluate(`document.querySelectorAll(".turn").length === 2 && !document.querySelector(".running")`));
  assert.equal(await page.text("#error"), "");
  assert.match(await page.text(".turn.assistant"), /\bred\b/);
  assert.deepEqual(await page.evaluate(`[document.querySelectorAll("#pictures img").length, document.querySelector(".turn.user img").naturalWidth]`), [0, 240]);
  assert.deepEqual(sent.map(({ type }) => type), ["image_url", "text"]);
  if (process.env.PICTURE_SCREENSHOT) await page.screenshot(process.env.PICTURE_SCREENSHOT);
});

test("after a crash of the engine or of the whole program, the person can go on", LONG, async () => {
  const kill = async (role) => {
    const { result } = await new Promise((resolve) => {
      const listener = ({ data }) => data.id === role && data.type === "response" && resolve(data);
      worker.port.addEventListener("message", listener);
      worker.port.postMessage({ type: "status", id: role });
    });
    process.kill(result.processes.find((p) => p.role === role && (role === "router" || p.modelId)).pid, "SIGKILL");
  };
  for (const role of ["engine", "router"]) {
    await page.type("#prompt", "Write a very long story about a lighthouse keeper, with many chapters.");
    await until(() => page.evaluate(`document.querySelector(".running")?.textContent.length > 10`));
    await kill(role);
    await until(() => page.evaluate(`!document.querySelector(".running")`));
    assert.match(await page.text("#error"), /stopped unexpectedly/);
    await page.type("#prompt", GREETING);
    const turns = await page.evaluate(`document.querySelectorAll(".turn").length`);
    await until(() => page.evaluate(`!document.querySelector(".running")`));
    assert.ok((await page.text(".turn:last-child")).length > 0, `${turns} turns`);
    assert.equal(await page.text("#error"), "");
  }
});

test("an error is shown as a sentence", LONG, async () => {
  await page.type("#model", "/nowhere/model.gguf");
  await until(() => page.evaluate(`!document.getElementById("error").hidden`));
  assert.match(await page.text("#error"), /no file|There is no/i);
});
