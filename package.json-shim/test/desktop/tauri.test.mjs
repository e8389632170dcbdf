// The Tauri example, built with the real crates, in a real window of WebKitGTK on a virtual screen, with the real
// program. WebKit's own driver types and clicks as a person would. Linux only; `npm run test:desktop`.
//
// The first build takes minutes. Cargo keeps it in the folder CARGO_TARGET_DIR; SCREENSHOT names a file to keep.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { givePicture } from "../support/pages.mjs";
import { alive, CHATTY, madeModel, modelPath, outside, PROGRAM_FILE, until } from "../support/program.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const workspace = here("../..");
const sources = here("../../examples/tauri-chat/src-tauri");
const target = process.env.CARGO_TARGET_DIR ?? here("../../../out/tauri");
const app = join(target, "debug", "llama-chat");
const BUILD = { timeout: 45 * 60_000 };
const MOST_OF_IT = 5; // processes: the app, two of WebKit's, the router, an engine
const POLL_MS = 200; // each look runs a script in the window
const LONG = { timeout: 120_000 };
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf"; // WebDriver's own name for a reference

let folder;
let screen;
let driver;
let url;

/** A free port of this machine. */
const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** With an empty cache it compiles all crates. */
const CARGO_MS = 20 * 60_000;

const prepare = (ui) => execFileSync(process.execPath, [here("../../examples/prepare.mjs"), ui]);
const cargo = (args, cwd, env = {}) =>
  execFileSync("cargo", args, { cwd, env: { ...outside, CARGO_TARGET_DIR: target, ...env }, stdio: "inherit", timeout: CARGO_MS });

before(async () => {
  prepare(here("../../examples/tauri-chat/ui"));
  const triple = execFileSync("rustc", ["--print", "host-tuple"], { encoding: "utf8" }).trim();
  mkdirSync(join(sources, "binaries"), { recursive: true });
  copyFileSync(PROGRAM_FILE, join(sources, "binaries", `llama-sidecar-${triple}`));
  cargo(["build", "--quiet", "--locked", "--workspace"], workspace);

  folder = mkdtempSync(join(tmpdir(), "llama-sidecar-"));
  screen = spawn("Xvfb", ["-displayfd", "1", "-screen", "0", "900x760x24", "-nolisten", "tcp"], { stdio: ["ignore", "pipe", "ignore"] });
  const display = await new Promise((resolve) => screen.stdout.once("data", (text) => resolve(`:${String(text).trim()}`)));
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  driver = spawn("WebKitWebDriver", [`--port=${port}`], {
    stdio: "ignore",
    cwd: dirname(modelPath), // so that its name is enough
    env: {
      ...process.env,
      DISPLAY: display,
      XDG_DATA_HOME: folder,
      XDG_CACHE_HOME: folder,
      TAURI_AUTOMATION: "true",
      TAURI_WEBVIEW_AUTOMATION: "true",
      WEBKIT_DISABLE_DMABUF_RENDERER: "1", // there is no graphics card
      NO_AT_BRIDGE: "1",
    },
  });
  await until(() => fetch(`${url}/status`).then(({ ok }) => ok, () => false));
}, BUILD);

after(() => {
  driver?.kill();
  screen?.kill();
  if (folder) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

async function ask(method, path, body) {
  const response = await fetch(url + path, { method, body: body && JSON.stringify(body) });
  const { value } = await response.json();
  if (!response.ok) throw new Error(`${path}: ${value.error}: ${value.message}`);
  return value;
}

/** Starts an app, and waits until its window is ready. The driver has one at a time, also after a test that fails. */
async function open(t, binary = app) {
  const options = { "webkitgtk:browserOptions": { binary, args: [] } };
  const { sessionId } = await ask("POST", "/session", { capabilities: { alwaysMatch: options } });
  const session = `/session/${sessionId}`;
  t.after(() => ask("DELETE", session).catch(() => {})); // mostly it has ended with its window
  const evaluate = (script) => ask("POST", `${session}/execute/sync`, { script: `return ${script}`, args: [] });
  const type = async (selector, text) => {
    const { [ELEMENT]: id } = await ask("POST", `${session}/element`, { using: "css selector", value: selector });
    await ask("POST", `${session}/element/${id}/clear`, {});
    await ask("POST", `${session}/element/${id}/value`, { text });
  };
  await until(() => evaluate(`"ready" in (document.body?.dataset ?? {})`), POLL_MS);
  return { session, evaluate, type };
}

/** Builds an app from the Rust of README.md, whose window has no permission of the plugin. Returns its path. */
function appOfReadme() {
  const [, rust] = /^```rust\n(.*?)^```/ms.exec(readFileSync(here("../../README.md"), "utf8"));
  const root = join(target, "readme");
  const crate = join(root, "src-tauri");
  cpSync(sources, crate, { recursive: true });
  prepare(join(root, "ui"));
  const main = readFileSync(join(sources, "src/main.rs"), "utf8").replace(/^#!.*$/m, "");
  const manifest = readFileSync(join(sources, "Cargo.toml"), "utf8").replace(/path = ".*"/, `path = "${join(workspace, "tauri-plugin")}"`);
  const made = {
    "src-tauri/src/main.rs": rust + main.replace(/\.plugin\(.*\)$/m, "$&.invoke_handler(tauri::generate_handler![ask])"),
    "src-tauri/Cargo.toml": `${manifest}\n[[bin]]\nname = "readme"\npath = "src/main.rs"\n[profile.dev]\ndebug = false\n[workspace]\n`,
    "src-tauri/Cargo.lock": readFileSync(join(workspace, "Cargo.lock")),
    "src-tauri/capabilities/default.json": '{ "identifier": "default", "windows": ["main"], "permissions": ["core:default"] }',
    "ui/index.html": '<!doctype html><body><script type="module" src="page.js"></script></body>',
    "ui/page.js": `
      import { invoke } from "./client/api/core.js";
      document.body.textContent = await invoke("ask", { path: "${basename(modelPath)}", question: "Say hello." }).catch(JSON.stringify);
      document.body.dataset.ready = "";`,
  };
  for (const [name, text] of Object.entries(made)) writeFileSync(join(root, name), text);
  cargo(["build", "--quiet", "--offline", "--bin", "readme"], crate);
  return join(target, "debug", "readme");
}

/** The process ids of the app, first, and of everything that it started, read from /proc. */
function processes() {
  const parents = new Map();
  const found = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number)) {
    try {
      // "pid (name) state parent …"; the name may contain anything.
      parents.set(pid, Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1).split(" ")[1]));
      if (readlinkSync(`/proc/${pid}/exe`) === app) found.push(pid);
    } catch {} // it has ended, or belongs to another user
  }
  for (const parent of found) {
    for (const [pid, its] of parents) if (its === parent) found.push(pid);
  }
  return found;
}

/** Loads the model and asks a question. Stops after about two sentences and returns the answer on the screen. */
async function converse({ evaluate, type }, question) {
  await type("#model", `${basename(modelPath)}\uE007`);
  await until(() => evaluate(`!document.getElementById("prompt").disabled`), POLL_MS);
  await type("#prompt", `${question}\uE007`);
  const running = `document.querySelector(".running")`;
  const enough = process.env.SCREENSHOT ? 1200 : 150; // characters
  await until(() => evaluate(`document.querySelector(".turn.assistant")?.textContent.length > ${enough} || !${running}`), POLL_MS);
  await evaluate(`document.getElementById("stop").click()`);
  await until(() => evaluate(`!${running}`), POLL_MS);
  assert.equal(await evaluate(`document.getElementById("error").textContent`), "");
  return evaluate(`document.querySelector(".turn.assistant").textContent`);
}

test("a question is typed, its answer is on the screen; closing the window leaves no process", LONG, async (t) => {
  const window = await open(t);
  assert.notEqual(await converse(window, "Why is the sky blue?"), "");
  if (process.env.SCREENSHOT) {
    writeFileSync(process.env.SCREENSHOT, Buffer.from(await ask("GET", `${window.session}/screenshot`), "base64"));
  }
  const running = processes();
  assert.ok(running.length >= MOST_OF_IT);
  await ask("DELETE", `${window.session}/window`);
  await until(() => !running.some(alive));
});

// What the model says about it is random; window.test.mjs asks for the likeliest words.
test("a picture that is dropped or pasted is shown in the conversation, and a model that sees answers", LONG, async (t) => {
  const { app: its } = JSON.parse(readFileSync(join(sources, "tauri.conf.json"), "utf8"));
  assert.equal(its.windows[0].dragDropEnabled, false); // else Tauri keeps what a person drops from the page
  const model = join(folder, "model.gguf");
  symlinkSync(modelPath, model);
  madeModel(join(folder, "mmproj-F16.gguf"), `import projectors; projectors.named(path, ${JSON.stringify(model)}, "llava")`);
  const { session, evaluate, type } = await open(t);
  const count = (selector) => evaluate(`document.querySelectorAll("${selector}").length`);
  await type("#model", `${model}\uE007`);
  await until(() => evaluate(`!document.getElementById("prompt").disabled`), POLL_MS);
  for (const [index, how] of ["drop", "paste"].entries()) {
    await evaluate(givePicture(how));
    await until(async () => (await count("#pictures img")) === index + 1, POLL_MS);
  }
  await evaluate(`document.querySelector("#pictures img").click()`); // removes it
  await type("#prompt", "What is the name of the color?\uE007");
  await until(async () => (await count(".turn")) === 2 && (await count(".running")) === 0, POLL_MS);
  assert.equal(await evaluate(`document.getElementById("error").textContent`), "");
  assert.notEqual(await evaluate(`document.querySelector(".turn.assistant").textContent`), "");
  assert.equal(await evaluate(`document.querySelector(".turn.user img").naturalWidth`), 240);
  assert.equal(await count("#pictures img"), 0);
  if (process.env.PICTURE_SCREENSHOT) {
    writeFileSync(process.env.PICTURE_SCREENSHOT, Buffer.from(await ask("GET", `${session}/screenshot`), "base64"));
  }
  await ask("DELETE", `${session}/window`);
});

test("README's code asks the program from Rust, and the window needs no permission", { timeout: 15 * 60_000 }, async (t) => {
  const window = await open(t, appOfReadme());
  assert.match(await window.evaluate("document.body.textContent"), /^\s*[^\s{]/, "an answer, and not the JSON of an error");
  await ask("DELETE", `${window.session}/window`);
});

test("a page that is loaded again gets a program of its own, and the former one ends", LONG, async (t) => {
  const window = await open(t);
  const program = join(target, "debug", "llama-sidecar"); // where Tauri's build puts it
  const programs = () => processes().filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(program));
  const before = programs();
  assert.ok(before.length > 0);
  await window.evaluate("void setTimeout(() => location.reload())"); // and again while that is under way
  await ask("POST", `${window.session}/refresh`, {});
  await until(() => window.evaluate(`"ready" in (document.body?.dataset ?? {})`), POLL_MS);
  await until(() => !before.some(alive));
  await until(() => programs().length === before.length);
  await ask("DELETE", `${window.session}/window`);
});

test("the plugin's client for Rust, with a made model", { timeout: 15 * 60_000 }, () => {
  const env = { LLAMA_SIDECAR_PROGRAM: PROGRAM_FILE, LLAMA_SIDECAR_TEST_MODEL: madeModel(join(folder, "made.gguf"), CHATTY) };
  cargo(["test", "--quiet", "--locked", "--workspace"], workspace, env);
});

// This test is last, because the driver does not survive it.
test("an app that is killed leaves no process", LONG, async (t) => {
  const window = await open(t);
  assert.notEqual(await converse(window, "Say hello."), "");
  const running = processes();
  assert.ok(running.length >= MOST_OF_IT);
  process.kill(running[0], "SIGKILL");
  await until(() => !running.some(alive));
});
