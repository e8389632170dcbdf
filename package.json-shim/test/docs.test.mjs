// The pages in docs/ are true: all of their code fits the types and runs.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { promisify } from "node:util";
import { PATH_VARIABLE } from "../dist/index.mjs";
import { folder } from "./support/files.mjs";
import { blocks, compile, pages, project, read, write } from "./support/pages.mjs";
import { CHATTY, madeModel, PROGRAM_FILE, TIMEOUT } from "./support/program.mjs";

const code = new Map(pages().map((page) => [page, blocks(read(`docs/${page}`), "js")]));
let made;

before((t) => {
  made = madeModel(join(folder(t), "made.gguf"), CHATTY);
});

test("all code of the pages fits the types", TIMEOUT, async (t) => {
  const path = project(t, made);
  const files = [...code].flatMap(([page, all]) => all.map((block, i) => write(path, block, `${page}-${i}`)));
  await compile(path, files);
});

test("our column of the table has calls that there are", () => {
  const rows = read("docs/coming-from.md").split("\n").filter((line) => line.startsWith("| ") && line.includes("`"));
  const known = ["generated/methods", "client/model", "client/llama", "chat-session"].map((name) => read(`dist/node/${name}.d.ts`)).join("");
  const calls = rows.flatMap((row) => [...row.split("|").at(-2).matchAll(/\b(?:llama|model|context|session)\.(\w+)\(/g)].map(([, name]) => name));
  assert.ok(calls.length >= 15);
  assert.deepEqual(calls.filter((name) => !new RegExp(`^ +${name}\\(`, "m").test(known)), []);
});

/** What Electron has in a utility process: it lets a page ask the handler once. */
const UTILITY = `
  class LanguageModelUtility {
    constructor(state) { Object.assign(this, state); }
  }
  const localAIHandler = {
    async setPromptAPIHandler(handlerFor) {
      const Handler = handlerFor({ webContentsId: 1, securityOrigin: "file://" });
      const { signal } = new AbortController();
      const model = await Handler.create({ initialPrompts: [], signal });
      const input = [{ role: "user", content: [{ type: "text", value: "Hi" }] }];
      for await (const chunk of await model.prompt(input, { signal })) console.log(chunk);
      await Handler.dispose();
    },
  };
  module.exports = { LanguageModelUtility, localAIHandler };`;

for (const [page, every] of code) {
  const all = every.filter((block) => !block.includes('require("electron")')); // only Electron's main process can run it
  test(`the code of ${page} runs`, TIMEOUT, async (t) => {
    const cwd = project(t, made);
    if (all.some((block) => block.includes('require("electron/utility")'))) {
      rmSync(join(cwd, "node_modules/electron"), { recursive: true });
      mkdirSync(join(cwd, "node_modules/electron"));
      writeFileSync(join(cwd, "node_modules/electron/utility.js"), UTILITY);
    }
    const env = { ...process.env, [PATH_VARIABLE]: PROGRAM_FILE, XDG_DATA_HOME: cwd };
    const run = async (block, i) => {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [write(cwd, block, `block${i}`)], { cwd, env });
      assert.equal(stderr, "");
      assert.notEqual(stdout, "");
    };
    await Promise.all(all.map(run));
  });
}
