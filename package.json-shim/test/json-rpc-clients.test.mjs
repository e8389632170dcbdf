// The program works with JSON-RPC clients that were not made for it: vscode-jsonrpc, with a reader and a writer of
// lines, and json-rpc-2.0.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { JSONRPCClient } from "json-rpc-2.0";
import { command, modelPath as model, TIMEOUT } from "./support/program.mjs";

// It has CommonJS files only.
const rpc = createRequire(import.meta.url)("vscode-jsonrpc/node");

class LineReader extends rpc.AbstractMessageReader {
  constructor(stream) {
    super();
    this.lines = createInterface({ input: stream });
  }

  listen(callback) {
    this.lines.on("line", (line) => callback(JSON.parse(line)));
    this.lines.on("close", () => this.fireClose());
    return rpc.Disposable.create(() => this.lines.close());
  }
}

class LineWriter extends rpc.AbstractMessageWriter {
  constructor(stream) {
    super();
    this.stream = stream;
  }

  async write(message) {
    this.stream.write(`${JSON.stringify(message)}\n`);
  }

  end() {
    this.stream.end();
  }
}

/** Starts the program and ends it after the test. */
const start = (t) => {
  const program = spawn(command[0], command.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve) => program.once("exit", resolve));
  t.after(async () => {
    program.stdin.destroy();
    await ended;
  });
  return { program, ended };
};

const connect = (t) => {
  const { program, ended } = start(t);
  const connection = rpc.createMessageConnection(new LineReader(program.stdout), new LineWriter(program.stdin));
  connection.listen();
  t.after(() => connection.dispose());
  return { connection, ended };
};

test("vscode-jsonrpc loads a model and chats", TIMEOUT, async (t) => {
  assert.ok(existsSync(model), `${model} is missing; run: python build/dev.py setup`);
  const { connection, ended } = connect(t);
  const progress = [];
  connection.onNotification("progress", (params) => progress.push(params));

  const { protocolVersion } = await connection.sendRequest("init", { gpu: "cpu" });
  assert.equal(protocolVersion, 1);
  const { modelId } = await connection.sendRequest("loadModel", { path: model });
  const { contextId } = await connection.sendRequest("createContext", { modelId, contextSize: 1024 });
  const messages = [{ role: "user", content: "Say hello." }];
  const answer = await connection.sendRequest("chat", { contextId, messages, maxTokens: 8, temperature: 0 });
  const deltas = progress.filter(({ progressType }) => progressType === "generate").map(({ delta }) => delta);
  assert.equal(deltas.join(""), answer.message.content);
  assert.ok(answer.message.content.startsWith("Hello"));
  assert.ok(progress.some(({ progressType }) => progressType === "load"));

  assert.equal(await connection.sendRequest("disposeContext", { contextId }), null);
  assert.equal(await connection.sendRequest("shutdown"), null);
  assert.equal(await ended, 0);
});

test("vscode-jsonrpc cancels a generation with its own token", TIMEOUT, async (t) => {
  const { connection } = connect(t);
  const { modelId } = await connection.sendRequest("loadModel", { path: model });
  const { contextId } = await connection.sendRequest("createContext", { modelId, contextSize: 2048 });
  const source = new rpc.CancellationTokenSource();
  connection.onNotification("progress", ({ progressType }) => {
    if (progressType === "generate") source.cancel();
  });
  const params = { contextId, prompt: "Once upon a time", ignoreEos: true };
  await assert.rejects(connection.sendRequest("complete", params, source.token), (error) => {
    assert.equal(error.code, rpc.LSPErrorCodes?.RequestCancelled ?? -32800);
    assert.equal(error.data.kind, "aborted");
    assert.equal(typeof error.data.partial.text, "string");
    return true;
  });
  assert.ok((await connection.sendRequest("ping")).uptimeMs > 0);
});

test("vscode-jsonrpc may send no params, null, one value in an array, and notifications of its own", TIMEOUT, async (t) => {
  const { connection } = connect(t);
  assert.ok((await connection.sendRequest("ping")).uptimeMs > 0);
  assert.ok((await connection.sendRequest("ping", null)).uptimeMs > 0);
  assert.ok((await connection.sendRequest("ping", rpc.ParameterStructures.byPosition, {})).uptimeMs > 0);
  await connection.sendNotification("$/setTrace", { value: "off" });
  await connection.sendNotification("initialized");
  await assert.rejects(connection.sendRequest("nothing"), { code: rpc.ErrorCodes.MethodNotFound });
  await assert.rejects(connection.sendRequest("ping", 1, 2), { code: rpc.ErrorCodes.InvalidParams });
  await assert.rejects(connection.sendRequest("ping", "text"), { code: rpc.ErrorCodes.InvalidParams });
});

test("json-rpc-2.0 sends single requests and batches", TIMEOUT, async (t) => {
  const { program, ended } = start(t);
  const client = new JSONRPCClient((request) => {
    program.stdin.write(`${JSON.stringify(request)}\n`);
  });
  const notifications = [];
  createInterface({ input: program.stdout }).on("line", (line) => {
    const message = JSON.parse(line);
    if (message.method === undefined) client.receive(message);
    else notifications.push(message);
  });

  assert.ok((await client.request("ping")).uptimeMs > 0);
  await assert.rejects(async () => client.request("nothing"), /no method/);
  client.notify("anything", { at: "all" });
  const { modelId } = await client.request("loadModel", { path: model });
  assert.equal(modelId, "model-1");
  assert.ok(notifications.some(({ method }) => method === "progress"));
  const batch = await client.requestAdvanced([
    { jsonrpc: "2.0", id: "a", method: "ping" },
    { jsonrpc: "2.0", id: "b", method: "tokenize", params: { modelId, text: "Hello world" } },
    { jsonrpc: "2.0", id: "c", method: "nothing" },
  ]);
  const answers = Object.fromEntries(batch.map((answer) => [answer.id, answer]));
  assert.ok(answers.a.result.uptimeMs > 0);
  assert.deepEqual(answers.b.result, { tokens: [19556, 905] });
  assert.equal(answers.c.error.code, -32601);
  assert.equal(await client.request("shutdown"), null);
  assert.equal(await ended, 0);
});
