// The packages as they are published: packed, installed into an empty folder, found and run there.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { command, PROGRAM_FILE } from "./support/program.mjs";

const run = promisify(execFile);
const shim = fileURLToPath(new URL("..", import.meta.url));
const MAX_PACKED_BYTES = 125_000;
const OTHER = "@llama-sidecar/plan9-mips";

/** The npm that runs these tests, else the one on the PATH. */
const npm = (args, cwd) =>
  process.env.npm_execpath
    ? run(process.execPath, [process.env.npm_execpath, ...args], { cwd })
    : run(process.platform === "win32" ? "npm.cmd" : "npm", args, { cwd, shell: process.platform === "win32" });

let root;
let app;
let packed;

before(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "llama-sidecar-")));
  // The package of another platform is there first.
  const { version } = JSON.parse(readFileSync(join(shim, "package.json"), "utf8"));
  mkdirSync(join(root, OTHER), { recursive: true });
  writeFileSync(join(root, OTHER, "package.json"), JSON.stringify({ name: OTHER, version, os: ["plan9"], cpu: ["mips"] }));
  writeFileSync(join(root, OTHER, "llama-sidecar"), "a program");
  const python = existsSync(command[0]) ? command[0] : "python";
  await run(python, ["-m", "ship.npm", "--program", PROGRAM_FILE, "--out", root], { cwd: join(shim, "../build") });
  const platform = join(root, "@llama-sidecar", `${process.platform}-${process.arch}`);
  const { stdout } = await npm(["pack", "--json", "--pack-destination", root, join(root, "@llama-sidecar/client"), platform], root);
  packed = JSON.parse(stdout);
  app = join(root, "app");
  mkdirSync(app);
  writeFileSync(join(app, "package.json"), JSON.stringify({ name: "app", version: "1.0.0" }));
  const files = packed.map(({ filename }) => join(root, filename));
  await npm(["install", "--offline", "--fetch-retries=0", "--no-audit", "--no-fund", ...files], app);
});

after(() => rmSync(root, { recursive: true, force: true }));

test("the main package is small, and has no sources, tests or scripts", () => {
  const [main] = packed;
  assert.ok(main.size <= MAX_PACKED_BYTES, `${main.size} bytes`);
  for (const { path } of main.files) assert.match(path, /^(dist\/.*\.(m?js|d\.m?ts)|dist\/node\/package\.json|docs\/.*\.md|package\.json|README\.md|LICENSE)$/);
  const manifest = JSON.parse(readFileSync(join(app, "node_modules/@llama-sidecar/client/package.json"), "utf8"));
  const platform = `${process.platform}-${process.arch}`;
  const names = [`@llama-sidecar/${platform}`, OTHER];
  assert.deepEqual(manifest.optionalDependencies, Object.fromEntries(names.map((name) => [name, manifest.version])));
  const sha256 = (data) => createHash("sha256").update(data).digest("hex");
  assert.deepEqual(manifest.platforms, {
    [platform]: { package: names[0], sha256: sha256(readFileSync(PROGRAM_FILE)) },
    "plan9-mips": { package: OTHER, sha256: sha256("a program") },
  });
  assert.equal(manifest.dependencies, undefined);
  assert.equal(manifest.private, undefined);
});

const USE = `
  const llama = await getLlama({ gpu: "cpu" });
  console.log(llama.info.protocolVersion, (await llama.ping()).uptimeMs > 0);
  const error = await llama.loadModel({ path: "nowhere" }).catch((reason) => reason);
  console.log(error instanceof SidecarError, error.kind);
  await llama.dispose();`;

for (const [name, code] of [
  ["app.mjs", `import { getLlama, SidecarError } from "@llama-sidecar/client"; ${USE}`],
  ["app.cjs", `const { getLlama, SidecarError } = require("@llama-sidecar/client"); (async () => { ${USE} })();`],
  ["both.mjs", `import { createRequire } from "node:module"; import { SidecarError } from "@llama-sidecar/client";
    const { getLlama } = createRequire(import.meta.url)("@llama-sidecar/client"); ${USE}`],
]) {
  test(`it runs from an empty folder: ${name}`, { timeout: 60_000 }, async () => {
    writeFileSync(join(app, name), code);
    const env = { ...process.env };
    delete env.LLAMA_SIDECAR_PATH;
    const { stdout } = await run(process.execPath, [name], { cwd: app, env });
    assert.equal(stdout, "1 true\ntrue fileNotFound\n");
  });
}

test("every entry can be imported and required", async () => {
  const code = `
    const { createRequire } = await import("node:module");
    const require = createRequire(process.cwd() + "/x.js");
    const MARKS = ["default", "module.exports", "__esModule"]; // what Node makes of CommonJS, depending on its version
    const { exports } = require("@llama-sidecar/client/package.json");
    for (const path of Object.keys(exports).filter((path) => !/electron|tauri|json/.test(path))) {
      const entry = "@llama-sidecar/client" + path.slice(1);
      const names = Object.keys(await import(entry)).filter((name) => !MARKS.includes(name));
      const required = Object.keys(require(entry));
      if (names.sort().join() !== required.sort().join()) throw new Error(entry + ": " + names + " / " + required);
    }
    for (const entry of ["electron", "electron/preload", "tauri"]) {
      require("fs").accessSync(require.resolve("@llama-sidecar/client/" + entry));
    }`;
  await run(process.execPath, ["--input-type=module", "-e", code], { cwd: app });
});

test("its types work with import and with require", { timeout: 60_000 }, async () => {
  const code = `
    import { getLlama, type Context, type SidecarError } from "@llama-sidecar/client";
    import { chatSession } from "@llama-sidecar/client/chat-session";
    import { sidecarFetch } from "@llama-sidecar/client/openai";
    import { llamaOverPort } from "@llama-sidecar/client/port";
    import { promptApi } from "@llama-sidecar/client/prompt-api";
    import { runTools } from "@llama-sidecar/client/tools";
    export const plugs = (context: Context) => [
      chatSession({ context, temperature: 0 }).send("Hi", { maxTokens: 8 }),
      runTools({ context, messages: [], tools: [{ name: "f", run: ({ x }: { x: number }) => x }] }),
      promptApi({ llama: () => getLlama(), model: "x.gguf" }).create({ topK: 3 }).then((session) => session.prompt("Hi")),
      sidecarFetch(() => getLlama(), { context: { sequences: 2 } })("http://sidecar/v1/models"),
    ];
    export async function answer(context: Context): Promise<string> {
      const stream = context.chat({ messages: [{ role: "user", content: "Hi" }], maxTokens: 8 });
      for await (const part of stream) console.log(part.delta, part.segment);
      return (await stream).message.content;
    }
    export const start = () => getLlama({ gpu: "auto", restart: { attempts: 3 } });
    export const kind = (error: SidecarError) => error.kind === "engineCrashed" || error.kind === "exited";
    // @ts-expect-error: no such option
    void getLlama({ treads: 4 });
    void llamaOverPort;`;
  for (const name of ["types.mts", "types.cts"]) writeFileSync(join(app, name), code);
  const compilerOptions = { module: "NodeNext", target: "ES2022", strict: true, noEmit: true, types: ["node"], typeRoots: [join(shim, "node_modules/@types")] };
  writeFileSync(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["types.mts", "types.cts"] }));
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
  await run(process.execPath, [tsc, "-p", app]).catch(({ stdout }) => assert.fail(stdout));
});

test("the package of the platform has the program, and it is executable", () => {
  const folder = join(app, "node_modules/@llama-sidecar", `${process.platform}-${process.arch}`);
  const name = process.platform === "win32" ? "llama-sidecar.exe" : "llama-sidecar";
  const program = [join(folder, name), join(folder, "llama-sidecar", name)].find((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
  assert.ok(statSync(program).mode & 0o100 || process.platform === "win32");
  const { os, cpu } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  assert.deepEqual([os, cpu], [[process.platform], [process.arch]]);
});
