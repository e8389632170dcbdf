// The entries for Electron and Tauri, with the real program and with stand-ins for the two hosts. The stand-in for
// Electron has its ports and its IPC. For Tauri it is Tauri's own mock of the IPC, below the real plugin.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { webcrypto } from "node:crypto";
import { EventEmitter } from "node:events";
import { cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { createRequire, Module } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { MessageChannel } from "node:worker_threads";
import { clearMocks, mockIPC } from "@tauri-apps/api/mocks";
import { PATH_VARIABLE } from "../dist/index.mjs";
import { folder } from "./support/files.mjs";
import {
  alive, ask, BIG, command, modelPath, ODD_TEXT, PROGRAM_FILE, sayOddText, TIMEOUT, textOf, until,
} from "./support/program.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The end of a channel in Electron's main process: an EventEmitter of events that have `data`. */
class MessagePortMain extends EventEmitter {
  constructor(port) {
    super();
    this.transferred = port;
    for (const type of ["message", "close"]) port.on(type, (data) => this.emit(type, { data, ports: [] }));
  }
  postMessage(message) {
    this.transferred.postMessage(message);
  }
  start() {
    this.transferred.start();
  }
  close() {
    this.transferred.close();
  }
}

class MessageChannelMain {
  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.port2 = new MessagePortMain(port2);
    this.port1 = Object.assign(new EventEmitter(), { transferred: port1, postMessage() {}, start() {}, close() {} });
  }
}

/** Makes our files load a stand-in instead of the package `electron`. */
function withElectron(t, electron) {
  const load = Module._load;
  t.after(() => {
    Module._load = load;
  });
  Module._load = (request, ...rest) => (request === "electron" ? electron : load(request, ...rest));
  return createRequire(import.meta.url);
}

/** The page of a window. What it posts to itself arrives as a message, as in a browser. */
function standInPage(t) {
  const page = new EventEmitter();
  Object.assign(globalThis, {
    addEventListener: (type, listener) => page.on(type, listener),
    removeEventListener: (type, listener) => page.off(type, listener),
    postMessage: (data, _origin, ports = []) =>
      queueMicrotask(() => page.emit("message", { source: globalThis, data, ports })),
  });
  t.after(() => {
    for (const name of ["addEventListener", "removeEventListener", "postMessage"]) delete globalThis[name];
  });
  return page;
}

/** Both ends of a window's IPC. */
function standInWindow() {
  const ipcRenderer = new EventEmitter();
  const webContents = Object.assign(new EventEmitter(), { ipc: new EventEmitter(), mainFrame: { name: "main" } });
  webContents.postMessage = (channel, message, ports) =>
    ipcRenderer.emit(channel, { ports: ports.map((port) => port.transferred) }, message);
  ipcRenderer.send = (channel) => webContents.ipc.emit(channel, { senderFrame: webContents.mainFrame });
  return { ipcRenderer, webContents };
}

test("Electron: a page gets a worker through the preload script, and the worker ends with it", TIMEOUT, async (t) => {
  const { ipcRenderer, webContents } = standInWindow();
  standInPage(t);
  const require = withElectron(t, { ipcRenderer, MessageChannelMain });
  const { serveWindow, disposeBeforeQuit } = require("../dist/node/electron/main.js");
  const served = serveWindow(webContents, { program: command });
  require("../dist/node/electron/preload.js");

  const { getLlama } = await import("../dist/port.mjs");
  webContents.ipc.emit("llama-sidecar:connect", { senderFrame: { name: "an advertisement" } });
  const llama = await getLlama({ gpu: "cpu", maxThreads: 1 });
  const model = await llama.loadModel({ path: modelPath });
  const context = await model.createContext({ contextSize: 512 });
  const stream = context.chat(ask("Say hello."));
  assert.equal(await textOf(stream), (await stream).message.content);
  const { processes } = await llama.status();

  // A page that is loaded again asks for a port again; the page before it is no longer served.
  const again = await getLlama({ gpu: "cpu" });
  await until(() => !processes.some(({ pid }) => alive(pid)));
  await assert.rejects(llama.ping());
  const later = (await again.status()).processes;

  const app = new EventEmitter();
  const quit = new Promise((resolve) => {
    app.quit = resolve;
  });
  disposeBeforeQuit(app, served);
  let prevented = false;
  app.emit("before-quit", { preventDefault: () => (prevented = true) });
  await quit;
  assert.ok(prevented);
  await until(() => !later.some(({ pid }) => alive(pid)));
});

test("Electron: the main process of the chat example serves its window and ends", TIMEOUT, async (t) => {
  process.env[PATH_VARIABLE] = PROGRAM_FILE;
  t.after(() => delete process.env[PATH_VARIABLE]);
  standInPage(t);
  const { ipcRenderer, webContents } = standInWindow();
  const window = { webContents, loadFile: (path) => (window.loaded = path) };
  webContents.setWindowOpenHandler = (handler) => (window.onOpen = handler);
  class BrowserWindow {
    constructor(options) {
      window.options = options;
      return window;
    }
  }
  const app = Object.assign(new EventEmitter(), { whenReady: async () => {} });
  const quit = new Promise((resolve) => {
    app.quit = () => {
      let prevented = false;
      app.emit("before-quit", { preventDefault: () => (prevented = true) });
      if (!prevented) resolve();
    };
  });
  const require = withElectron(t, { app, BrowserWindow, ipcRenderer, MessageChannelMain });
  const example = join(folder(t), "electron-chat");
  cpSync(here("../examples/electron-chat"), example, { recursive: true });
  mkdirSync(join(example, "node_modules/@llama-sidecar"), { recursive: true });
  symlinkSync(here(".."), join(example, "node_modules/@llama-sidecar/client"), "junction");
  execFileSync(process.execPath, [here("../examples/prepare.mjs"), join(example, "ui")]);
  require(join(example, "main.cjs"));
  await until(() => window.loaded);
  assert.match(readFileSync(window.loaded, "utf8"), /<title>Llama Chat/);
  const { preload, ...preferences } = window.options.webPreferences;
  assert.deepEqual(preferences, {}, "sandbox and context isolation stay on");
  assert.deepEqual(window.onOpen(), { action: "deny" });
  const event = { preventDefault: t.mock.fn() };
  webContents.emit("will-navigate", event);
  assert.equal(event.preventDefault.mock.callCount(), 1);

  delete require.cache[preload]; // it is run anew in each window
  require(preload);
  const { getLlama } = await import("../dist/port.mjs");
  const llama = await getLlama({ gpu: "cpu", maxThreads: 1 });
  const { processes } = await llama.status();
  assert.ok(processes.length > 0 && processes.every(({ pid }) => alive(pid)));
  app.emit("window-all-closed");
  await quit;
  assert.ok(!processes.some(({ pid }) => alive(pid)));
});

test("Electron: without a preload script, getLlama says what is missing, and can be aborted", TIMEOUT, async (t) => {
  const page = standInPage(t);
  const { getLlama } = await import("../dist/port.mjs");
  const { setTimeout } = globalThis;
  t.mock.method(globalThis, "setTimeout", (run, ms, ...rest) => setTimeout(run, ms / 100, ...rest));
  await assert.rejects(getLlama(), { kind: "startFailed", message: /within 10 s.*electron\/preload.*serveWindow/ });
  t.mock.restoreAll();
  const controller = new AbortController();
  const starting = getLlama({ signal: controller.signal });
  controller.abort("the user left");
  await assert.rejects(starting, { name: "AbortError", cause: "the user left" });
  await assert.rejects(getLlama({ signal: controller.signal }), { name: "AbortError" });
  assert.equal(page.listenerCount("message"), 0);
});

/** The plugin's side, as far as the client sees it: a child process and channels for its bytes and its end. */
function plugin(t, [path, ...args]) {
  const calls = [];
  const children = new Map();
  globalThis.window = globalThis;
  globalThis.crypto ??= webcrypto; // Node 18 has none; every web view does
  mockIPC((name, { id, text, output, events, bytes, began }) => {
    calls.push([name, bytes]);
    const child = children.get(id);
    if (name === "plugin:llama-sidecar|start") {
      assert.equal(began, performance.timeOrigin);
      const program = spawn(path, args, { stdio: ["pipe", "pipe", "pipe"] });
      program.stdout.on("data", (chunk) => output.onmessage(new Uint8Array(chunk).buffer));
      program.stderr.setEncoding("utf8").on("data", (text) => events.onmessage({ type: "log", text, bytes: Buffer.byteLength(text) }));
      program.on("close", (code) => events.onmessage({ type: "ended", how: `The program ended: ${code}.` }));
      program.stdin.on("error", () => undefined); // the writer gets the rejection
      children.set(program.pid, program);
      return program.pid;
    }
    if (name === "plugin:llama-sidecar|write") {
      // A later write may be faster than an earlier one, so the client must wait for each.
      const delay = Math.random() * 3;
      return new Promise((resolve, reject) =>
        setTimeout(() => child.stdin.write(text, (error) => (error ? reject(error) : resolve())), delay),
      );
    }
    if (name === "plugin:llama-sidecar|stop") {
      child.stdin.end();
      return new Promise((resolve) => (child.exitCode === null && child.signalCode === null ? child.once("close", resolve) : resolve()));
    }
    return undefined;
  });
  t.after(() => {
    for (const child of children.values()) child.kill("SIGKILL");
    clearMocks();
    delete globalThis.window;
  });
  return { calls, children };
}

test("Tauri: the client over the plugin", TIMEOUT, async (t) => {
  const { calls, children } = plugin(t, command);
  const { getLlama } = await import("../dist/tauri.mjs");
  const llama = await getLlama({ gpu: "cpu", maxThreads: 1, restart: { delayMs: 10 } });
  const pings = await Promise.all(Array.from({ length: 50 }, () => llama.ping()));
  assert.equal(pings.length, 50);
  const model = await llama.loadModel({ path: modelPath });
  const context = await model.createContext({ contextSize: 512 });
  const stream = context.chat(ask("Antworte: Grüße 👋🏽 \u2028 bitte."));
  assert.equal(await textOf(stream), (await stream).message.content);
  assert.equal(await textOf(context.complete(sayOddText)), ODD_TEXT);
  assert.equal((await model.detokenize({ tokens: BIG.tokens })).text.length, BIG.length);
  await assert.rejects(context.chat(ask("Tell a story.", { maxTokens: 900, signal: AbortSignal.timeout(50), ignoreEos: true })), {
    name: "AbortError",
  });

  const { tokens } = await model.tokenize({ text: "word ".repeat(200_000) });
  const confirmed = calls.filter(([name]) => name.endsWith("|acknowledge")).reduce((sum, [, bytes]) => sum + bytes, 0);
  assert.ok(tokens.length >= 200_000 && confirmed >= 2 ** 20, "the plugin hears what was taken");

  const [first] = children.keys();
  const open = context.chat(ask("Tell a story.", { maxTokens: 900, ignoreEos: true }));
  children.get(first).kill("SIGKILL");
  await assert.rejects(open, { kind: "exited" });
  assert.ok((await context.chat(ask("Say hello."))).message.content);
  await llama.dispose();
  for (const pid of children.keys()) await until(() => !alive(pid));
});

test("Tauri: the error for an app without the plugin says what to add", TIMEOUT, async (t) => {
  plugin(t, command);
  mockIPC((name) => Promise.reject(name.includes("start") ? "llama-sidecar.start not allowed" : name));
  const { getLlama } = await import("../dist/tauri.mjs");
  await assert.rejects(getLlama(), { kind: "startFailed", message: /not allowed.*llama-sidecar:default/s });
  mockIPC(() => Promise.reject({ kind: "overloaded", message: "16 programs run.", data: null }));
  await assert.rejects(getLlama(), { kind: "overloaded", message: "16 programs run." });
});
