// Builds dist/, or the folder given as argument: CommonJS for Node, ES modules for web views, types for both. For Node,
// a small ES module exports what the CommonJS module exports, so that `import` and `require` share every class.

import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const manifest = createRequire(import.meta.url).resolve("typescript/package.json");
const tsc = join(dirname(manifest), "bin", "tsc");

const dist = resolve(process.argv[2] ?? join(root, "dist"));

const write = (path, text) => {
  mkdirSync(dirname(join(dist, path)), { recursive: true });
  writeFileSync(join(dist, path), text);
};

rmSync(dist, { recursive: true, force: true });
for (const kind of ["node", "web"]) {
  const options = ["-p", join(root, `tsconfig.${kind}.json`), "--outDir", join(dist, kind)];
  execFileSync(process.execPath, [tsc, ...options], { stdio: "inherit" });
}
write("node/package.json", '{ "type": "commonjs" }\n');
const front = (name, script, types = script) => {
  write(`${name}.mjs`, `export * from ${JSON.stringify(script)};\n`);
  write(`${name}.d.mts`, `export * from ${JSON.stringify(types)};\n`);
};
front("index", "./node/node/index.js");
front("electron", "./node/electron/main.js");
for (const name of ["port", "tauri", "tools", "chat-session", "ai-sdk", "openai", "prompt-api"]) front(name, `./web/${name}.js`, `./node/${name}.js`);
