// The chat window of the examples in headless Chromium, with the real program. The test plays Electron's main
// process, the preload script and the person at the screen.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { LlamaWorker } from "../dist/index.mjs";
import { sendFile } from "./support/files.mjs";
import { command, modelPath, TIMEOUT, until } from "./support/program.mjs";

const CHROMIUM = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (path) => path && existsSync(path),
);
const skip = CHROMIUM ? false : "needs Chromium: install it, or name it in CHROMIUM";
const GREETING = "Say hello.";
const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript" };

/** Does what the preload script does in Electron, with two functions instead of a port to the main process. */
const PRELOAD = `addEventListener("message", ({ source, data }) => {
  if (source !== window || data !== "llama-sidecar:connect") return;
  const { port1, port2 } = new MessageChannel();
  port2.onmessage = ({ data }) => toWorker(JSON.stringify(data));
  window.fromWorker = (message) => port2.postMessage(message);
  toWorker('{ "type": "connect" }');
  window.postMessage("llama-sidecar:port", "*", [port1]);
});`;

/** A page of Chromium, used with the DevTools protocol over a pipe: messages end with a zero byte. */
class Page {
  #lastId = 0;
  #open = new Map();
  #rest = "";
  onCall = () => {};

  static async open(folder) {
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--window-size=760,720"];
    const quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
    const args = [...flags, ...quiet, `--user-data-dir=${join(folder, "chromium")}`, "about:blank"];
    const page = new Page();
    page.browser = spawn(CHROMIUM, args, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
    page.browser.stdio[4].setEncoding("utf8").on("data", (text) => page.#receive(text));
    const { targetInfos } = await page.send("Target.getTargets");
    const { targetId } = targetInfos.find(({ type }) => type === "page");
    page.sessionId = (await page.send("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    await page.send("Page.enable");
    await page.send("Runtime.enable");
    await page.send("Runtime.addBinding", { name: "toWorker" });
    await page.send("Page.addScriptToEvaluateOnNewDocument", { source: PRELOAD });
    return page;
  }

  send(method, params = {}) {
    const id = ++this.#lastId;
    this.browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.sessionId })}\0`);
    return new Promise((resolve, reject) => this.#open.set(id, { resolve, reject }));
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  text(selector) {
    return this.evaluate(`[...document.querySelectorAll(${JSON.stringify(selector)})].map((e) => e.textContent).join("\\n")`);
  }

  /** Types a text into a field and presses Enter. */
  async type(selector, text) {
    await this.evaluate(`document.querySelector(${JSON.stringify(selector)}).focus(); document.execCommand("selectAll")`);
    await this.send("Input.insertText", { text });
    for (const type of ["keyDown", "keyUp"]) {
      await this.send("Input.dispatchKeyEvent", { type, key: "Enter", code: "Enter", text: "\r", windowsVirtualKeyCode: 13 });
    }
  }

  async screenshot(path) {
    writeFileSync(path, Buffer.from((await this.send("Page.captureScreenshot")).data, "base64"));
  }

  async close() {
    const ended = new Promise((resolve) => this.browser.once("exit", resolve));
    this.send("Browser.close").catch(() => {});
    await ended;
  }

  #receive(text) {
    const messages = (this.#rest + text).split("\0");
    this.#rest = messages.pop();
    for (const { id, result, error, method, params } of messages.map((message) => JSON.parse(message))) {
      if (method === "Runtime.bindingCalled") this.onCall(JSON.parse(params.payload));
      const open = this.#open.get(id);
      this.#open.delete(id);
      if (error) open?.reject(new Error(error.message));
      else open?.resolve(result);
    }
  }
}

let folder;
let server;
let origin;
let worker;
let page;
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
      Object.assign(options, options.messages.at(-1).content === GREETING ? { maxTokens: 16 } : { ignoreEos: true });
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
