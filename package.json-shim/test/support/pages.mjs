// Pages of documentation: their code, and a project in which it runs.

import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { folder } from "./files.mjs";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The blocks of code in a language. */
export const blocks = (text, language) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(([, block]) => block);

export const read = (path) => readFileSync(here(`../../${path}`), "utf8");

/** The names of the pages in docs/. */
export const pages = () => readdirSync(here("../../docs")).filter((name) => name.endsWith(".md"));

/** A project that has installed this package and the packages that are used with it, with a file model.gguf. */
export function project(t, modelPath) {
  const path = folder(t);
  const modules = here("../../node_modules");
  mkdirSync(join(path, "node_modules/@llama-sidecar"), { recursive: true });
  symlinkSync(here("../.."), join(path, "node_modules/@llama-sidecar/client"), "junction");
  for (const name of readdirSync(modules).filter((name) => !name.startsWith("."))) {
    symlinkSync(join(modules, name), join(path, "node_modules", name), "junction");
  }
  symlinkSync(modelPath, join(path, "model.gguf"));
  return path;
}

/** Writes the code to a file of its own; returns the file's name. */
export function write(path, code, name) {
  const file = `${name}.${code.includes("require(") ? "cjs" : "mjs"}`;
  writeFileSync(join(path, file), code.includes("import ") ? code : `${code}\nmodule.exports = {};`);
  return file;
}

/** Rejects with the compiler's words if the files in a project do not fit the types. */
export async function compile(path, files) {
  const compilerOptions = {
    allowJs: true, checkJs: true, noEmit: true, strict: true, skipLibCheck: true,
    module: "NodeNext", target: "ES2022", lib: ["ES2022", "ESNext.Disposable", "DOM", "DOM.Iterable"], types: ["node"],
  };
  writeFileSync(join(path, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
  await promisify(execFile)(process.execPath, [tsc, "-p", path]).catch(({ stdout }) => {
    throw new Error(stdout);
  });
}

/** A script for the chat window: a red picture is dropped, or pasted, into the field of the message. */
export const givePicture = (how) => `(async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 240, height: 120 });
  Object.assign(canvas.getContext("2d"), { fillStyle: "red" }).fillRect(0, 0, 240, 120);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/webp")); // WebKit writes PNG
  const data = new DataTransfer();
  data.items.add(new File([blob], "red", { type: blob.type }));
  const event = ${how === "drop" ? `new DragEvent("drop", { dataTransfer: data,` : `new ClipboardEvent("paste", { clipboardData: data,`} bubbles: true, cancelable: true });
  document.getElementById("prompt").dispatchEvent(event);
})()`;
