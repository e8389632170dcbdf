// The child process: where it is found, how it starts, and how its pipes work.

import assert from "node:assert/strict";
import childProcess, { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, cpSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { getLlama, PATH_VARIABLE, SidecarError } from "../dist/index.mjs";
import { folder } from "./support/files.mjs";
import { alive, INIT, placeProgram, script, start, TIMEOUT, until } from "./support/program.mjs";

const windows = process.platform === "win32";
const run = promisify(execFile);
const dist = fileURLToPath(new URL("../dist", import.meta.url));

// --- Finding it --------------------------------------------------------------------------------

test("the error for a program that is not found names every place that was searched", async (t) => {
  await assert.rejects(getLlama({ program: "/nowhere/llama-sidecar" }), (error) => {
    assert.ok(error instanceof SidecarError);
    assert.equal(error.kind, "programNotFound");
    assert.match(error.message, /option `program` names .*nowhere/);
    return true;
  });
  await assert.rejects(getLlama({ program: folder(t) }), /a folder/);
  const saved = process.env[PATH_VARIABLE];
  t.after(() => {
    if (saved === undefined) delete process.env[PATH_VARIABLE];
    else process.env[PATH_VARIABLE] = saved;
    delete process.resourcesPath;
  });
  process.env[PATH_VARIABLE] = join(folder(t), "missing");
  await assert.rejects(getLlama(), /LLAMA_SIDECAR_PATH names .*missing, which is not there/);
  delete process.env[PATH_VARIABLE];
  process.resourcesPath = folder(t);
  await assert.rejects(getLlama(), (error) => {
    assert.ok(error.message.includes(join(process.resourcesPath, "llama-sidecar")));
    assert.ok(error.message.includes(`@llama-sidecar/${process.platform}-${process.arch} (not installed)`));
    assert.ok(error.message.includes(join(process.execPath, "..", "llama-sidecar")));
    assert.match(error.message, /extraResources/);
    return true;
  });
});

test("it is found by the environment variable and in Electron's resources", TIMEOUT, async (t) => {
  const resources = folder(t);
  mkdirSync(join(resources, "llama-sidecar"));
  const program = placeProgram(join(resources, "llama-sidecar", "llama-sidecar"));
  t.after(() => {
    delete process.env[PATH_VARIABLE];
    delete process.resourcesPath;
  });
  process.env[PATH_VARIABLE] = program;
  assert.ok(await (await start(t, { program: undefined })).ping());
  delete process.env[PATH_VARIABLE];
  process.resourcesPath = resources;
  assert.ok(await (await start(t, { program: undefined })).ping());
});

test("it is found next to the app's own program", TIMEOUT, async (t) => {
  const place = folder(t);
  const node = join(place, windows ? "app.exe" : "app");
  try {
    if (windows) copyFileSync(process.execPath, node); // a name of a program that runs cannot be removed there
    else linkSync(process.execPath, node);
  } catch {
    copyFileSync(process.execPath, node); // on another disk
  }
  placeProgram(join(place, "llama-sidecar"));
  const code = `require(${JSON.stringify(join(dist, "node/node/index.js"))}).getLlama()
    .then((llama) => llama.ping()).then(() => console.log("well"), (error) => console.log(error.message));`;
  const env = { ...process.env };
  delete env[PATH_VARIABLE];
  assert.equal((await run(node, ["-e", code], { env })).stdout, "well\n");
});

test("it is found in the platform's package and checked, also next to an asar archive", TIMEOUT, async (t) => {
  const marker = join(folder(t), "started");
  const platform = `${process.platform}-${process.arch}`;
  for (const [modules, program] of [
    ["node_modules", "node_modules"],
    ["app.asar/node_modules", "app.asar.unpacked/node_modules"],
  ]) {
    const root = folder(t);
    let sha256;
    const main = join(root, modules, "@llama-sidecar/client");
    cpSync(dist, join(main, "dist"), { recursive: true });
    for (const place of [modules, program]) {
      const path = join(root, place, "@llama-sidecar", platform);
      mkdirSync(path, { recursive: true });
      writeFileSync(join(path, "package.json"), "{}");
      if (place !== program) continue;
      const placed = placeProgram(join(path, "llama-sidecar"), `touch "${marker}"\n`);
      sha256 = createHash("sha256").update(readFileSync(placed)).digest("hex");
    }
    const manifest = (hash) =>
      writeFileSync(
        join(main, "package.json"),
        JSON.stringify({ platforms: { [platform]: { package: `@llama-sidecar/${platform}`, sha256: hash } } }),
      );
    const code = `require(${JSON.stringify(join(main, "dist/node/node/index.js"))}).getLlama()
      .then((llama) => llama.ping()).then(() => console.log("well"), (error) => console.log(error.kind));`;
    manifest(sha256);
    assert.equal((await run(process.execPath, ["-e", code])).stdout, "well\n");
    rmSync(marker, { force: windows }); // there the program is no script of ours
    manifest(sha256.replace(/^./, (digit) => (digit === "0" ? "1" : "0")));
    assert.equal((await run(process.execPath, ["-e", code])).stdout, "programChanged\n");
    assert.ok(!existsSync(marker), "it was not started");
  }
});

// --- Starting it -------------------------------------------------------------------------------

test("a program of another protocol version is refused", TIMEOUT, async (t) => {
  const version2 = script(t, `onRequest((r) => answer(r, { ...${INIT}, protocolVersion: 2 }));`);
  await assert.rejects(getLlama({ program: version2 }), (error) => {
    assert.equal(error.kind, "unsupportedProtocolVersion");
    assert.match(error.message, /version 2, this client 1/);
    return true;
  });
  const refusing = script(t, `onRequest((r) => say({ jsonrpc: "2.0", id: r.id, error: { code: 1000, message: "no" } }));`);
  await assert.rejects(getLlama({ program: refusing }), { kind: "unsupportedProtocolVersion" });
});

test("the error for a program that ends at once has its status and its log", TIMEOUT, async (t) => {
  const failing = script(t, `console.error("no such library: libthing.so"); process.exit(3);`);
  await assert.rejects(getLlama({ program: failing }), (error) => {
    assert.equal(error.kind, "startFailed");
    assert.match(error.message, /status 3.*libthing\.so/s);
    return true;
  });
  await assert.rejects(getLlama({ program: [join(folder(t), "none")] }), { kind: "startFailed", message: /ENOENT/ });
  await assert.rejects(getLlama({ program: [process.execPath, "-e", "console.log('hello')"] }), /status 0.*hello/s);
});

test("a program that could not unpack itself is explained", TIMEOUT, async (t) => {
  // The words of the boot loader; tests/process/test_one_file.py compares the first two with the real program.
  const said = {
    noexec: "[PYI-9:ERROR] Failed to load Python shared library 'x': failed to map segment from shared object",
    full: "[PYI-9:ERROR] Failed to extract libllama.so: failed to write data chunk!",
    "may not be written to": "[PYI-9:ERROR] Could not create temporary directory!",
  };
  for (const [reason, words] of Object.entries(said)) {
    const failing = script(t, `console.error(${JSON.stringify(words)}); process.exit(255);`);
    await assert.rejects(getLlama({ program: failing }), (error) => {
      assert.equal(error.kind, "startFailed");
      assert.match(error.message, new RegExp(`^The temporary folder.*${reason}.*TMPDIR.*status 255`, "s"));
      assert.ok(error.message.includes(words));
      assert.match(error.data.remedy, /TMPDIR/);
      return true;
    });
  }
});

test("the start can be aborted", TIMEOUT, async (t) => {
  const mute = script(t, "onRequest(() => {});");
  const controller = new AbortController();
  const starting = getLlama({ program: mute, signal: controller.signal });
  setTimeout(() => controller.abort(), 100);
  await assert.rejects(starting, { name: "AbortError" });
  await assert.rejects(getLlama({ program: mute, signal: controller.signal }), { name: "AbortError" });
});

test("lines that are not JSON, answers to no call and unknown notifications are ignored", TIMEOUT, async (t) => {
  const chatty = script(
    t,
    `console.log("loading…"); say([]); say({ jsonrpc: "2.0", method: "later", params: {} });
     onRequest((r) => { console.log("{"); answer({ id: 99 }, 1); answer({ id: null }, 1); answer(r, ${INIT}); });`,
  );
  const lines = [];
  const llama = await start(t, { program: chatty, onLog: (line) => lines.push(line) });
  assert.equal(llama.info.serverInfo.name, "test");
  assert.deepEqual(lines, ["loading…", "{"]);
});

test("it is started without a console, a shell or a session of its own", TIMEOUT, async (t) => {
  const { mock } = t.mock.method(childProcess, "spawn");
  await start(t, { program: script(t, `onRequest((r) => answer(r, ${INIT}));`) });
  const [, , { windowsHide, detached = false, shell = false }] = mock.calls[0].arguments;
  assert.deepEqual({ windowsHide, detached, shell }, { windowsHide: true, detached: false, shell: false });
});

// --- Its pipes ---------------------------------------------------------------------------------

test("a flood on stderr blocks nothing", TIMEOUT, async (t) => {
  const flooding = script(
    t,
    `const block = ("x".repeat(1023) + "\\n").repeat(1024); // 1 MB
     onRequest((r) => { for (let i = 0; i < 20; i++) require("fs").writeSync(2, block); answer(r, ${INIT}); });`,
  );
  let bytes = 0;
  const llama = await start(t, { program: flooding, onLog: (line) => void (bytes += line.length + 1) });
  await llama.ping();
  await until(() => bytes === 2 * 20 * 2 ** 20);
});

test("answers arrive although the pipe splits them anywhere", TIMEOUT, async (t) => {
  const dripping = script(
    t,
    `onRequest(async (r) => {
       const text = Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: r.id, result: { ...${INIT}, text: "\\u2028 👋🏽" } }) + "\\n");
       for (const byte of text) { process.stdout.write(Uint8Array.of(byte)); await new Promise(setImmediate); }
     });`,
  );
  const llama = await start(t, { program: dripping });
  assert.equal(llama.info.text, "\u2028 👋🏽");
});

test("a consumer that stops reading makes the program wait, and little text is kept in memory", TIMEOUT, async (t) => {
  const PIECES = 1000;
  const pouring = script(
    t,
    `onRequest(async (r) => {
       if (r.method === "init") return answer(r, ${INIT});
       for (let i = 0; i < ${PIECES}; i++) {
         const delta = "x".repeat(10_000);
         const params = { requestId: r.id, progressType: "generate", progress: null, segment: "text", delta };
         const line = JSON.stringify({ jsonrpc: "2.0", method: "progress", params }) + "\\n";
         if (!process.stdout.write(line)) await new Promise((drained) => process.stdout.once("drain", drained));
         console.error(i);
       }
       answer(r, { text: "" });
     });`,
  );
  let poured = 0;
  const llama = await start(t, { program: pouring, onLog: () => void poured++ });
  const stream = llama.request("complete", { contextId: "context-1", prompt: "x" });
  const iterator = stream[Symbol.asyncIterator]();
  let length = (await iterator.next()).value.delta.length;
  await until(() => poured > 5);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(poured < PIECES / 2, `${poured} pieces were taken in`);
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) length += next.value.delta.length;
  assert.equal(length, PIECES * 10_000);
});

test("when a program that does not read dies, its calls are rejected", TIMEOUT, async (t) => {
  const deaf = script(
    t,
    `onRequest((r) => { answer(r, ${INIT}); lines.pause(); process.stdin.pause(); setTimeout(() => process.exit(9), 300); });`,
  );
  const llama = await start(t, { program: deaf });
  const big = { text: "x".repeat(4_000_000) };
  const calls = Array.from({ length: 4 }, () => llama.request("tokenize", { modelId: "model-1", ...big }));
  for (const call of calls) await assert.rejects(call, { kind: "exited" });
});

test("a program whose line never ends is killed, and what it has started ends too", TIMEOUT, async (t) => {
  const logs = [];
  // On Windows this one ends only if it is killed; elsewhere it ends with its stdin, as an engine does.
  const child = `process.platform === "win32" ? setInterval(() => {}, 1000) : process.stdin.on("end", process.exit).resume()`;
  const program = script(
    t,
    `const child = require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}]);
     console.error("child " + child.pid);
     const chunk = "x".repeat(1 << 22);
     const flood = () => process.stdout.write(chunk, flood);
     onRequest((r) => (r.method === "init" ? answer(r, ${INIT}) : flood()));`,
  );
  const llama = await getLlama({ program, onLog: (line) => logs.push(line) });
  t.after(() => llama.dispose());
  await assert.rejects(llama.ping(), { kind: "exited" });
  const started = Number(logs.find((line) => line.startsWith("child ")).slice("child ".length));
  await until(() => !alive(started));
});
