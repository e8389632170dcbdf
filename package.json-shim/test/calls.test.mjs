// Calls, connections and streams, with a transport that only records what is sent.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { AbortError, SidecarError, Stream } from "../dist/index.mjs";
import { Call, Connection } from "../dist/node/client/calls.js";

function connect() {
  const sent = [];
  const flow = [];
  const busy = [];
  const infos = [];
  const connection = new Connection(
    { send: (message) => sent.push(message), flow: (on) => flow.push(on), busy: (on) => busy.push(on) },
    (info) => infos.push(info),
  );
  return { connection, sent, flow, busy, infos };
}

const progress = (requestId, delta, more) => ({
  method: "progress",
  params: { requestId, progressType: "generate", segment: "text", delta, ...more },
});
const answer = (id, result) => ({ jsonrpc: "2.0", id, result });
const aborted = (id, text) => ({
  jsonrpc: "2.0",
  id,
  error: { code: -32800, message: "aborted", data: { kind: "aborted", retryable: true, partial: { text } } },
});

function stream(connection, limit) {
  const call = new Call("chat", () => ({}), undefined, (part) => parts.push(part));
  const parts = new Stream(call, limit);
  connection.send(call);
  return parts;
}

test("an answer settles its own call in any order; messages of no call are dropped", async () => {
  const { connection, sent, busy } = connect();
  const [a, b] = [new Call("ping", () => ({})), new Call("status", () => ({ x: 1 }))];
  connection.send(a);
  connection.send(b);
  assert.deepEqual(sent, [
    { jsonrpc: "2.0", id: 1, method: "ping", params: {} },
    { jsonrpc: "2.0", id: 2, method: "status", params: { x: 1 } },
  ]);
  for (const message of [answer(2, "b"), answer(2, "again"), answer(9), null, 7, [], { id: "x" }, answer(1, "a")]) {
    connection.accept(message);
  }
  assert.deepEqual(await Promise.all([a.promise, b.promise]), ["a", "b"]);
  assert.deepEqual(busy, [true, false]);
});

test("params that throw fail only their own call", async () => {
  const { connection, sent } = connect();
  const broken = new Call("ping", () => {
    throw new SidecarError("closed", "gone");
  });
  connection.send(broken);
  await assert.rejects(broken.promise, { kind: "closed" });
  const call = new Call("ping", () => ({}));
  connection.send(call);
  connection.accept(answer(sent[0].id, "well"));
  assert.equal(await call.promise, "well");
});

test("an abort is sent once, and the call settles with the program's answer", async () => {
  const { connection, sent } = connect();
  const controller = new AbortController();
  const call = new Call("chat", () => ({}), controller.signal);
  connection.send(call);
  controller.abort("enough");
  controller.abort();
  assert.deepEqual(sent[1], { jsonrpc: "2.0", method: "$/cancelRequest", params: { id: 1 } });
  assert.equal(call.settled, false);
  connection.accept(aborted(1, "so far"));
  await assert.rejects(call.promise, (error) => {
    assert.ok(error instanceof AbortError && error instanceof SidecarError && error instanceof Error);
    assert.equal(error.name, "AbortError");
    assert.equal(error.cause, "enough");
    assert.equal(error.partial.text, "so far");
    assert.deepEqual([error.code, error.kind, error.retryable], [-32800, "aborted", true]);
    return true;
  });
  assert.equal(sent.length, 2);
});

test("an abort after the answer or before the start sends nothing; no listener is left", async () => {
  const { connection, sent } = connect();
  const controller = new AbortController();
  const call = new Call("chat", () => ({}), controller.signal);
  connection.send(call);
  connection.accept(answer(1, "done"));
  assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  controller.abort();
  assert.equal(await call.promise, "done");
  const late = new Call("chat", () => ({}), controller.signal);
  connection.send(late);
  await assert.rejects(late.promise, { name: "AbortError" });
  assert.equal(sent.length, 1);
});

test("when onProgress throws, its call is aborted and fails with that error", async () => {
  const { connection, sent } = connect();
  const call = new Call("loadModel", () => ({}), undefined, () => {
    throw new RangeError("a bug of the app");
  });
  connection.send(call);
  connection.accept(progress(1, "x"));
  connection.accept(progress(1, "y"));
  assert.equal(sent.length, 2);
  connection.accept(aborted(1));
  await assert.rejects(call.promise, RangeError);
});

test("when a listener of the app throws, the app gets the error and no message is lost", () => {
  const calls = new URL("../dist/node/client/calls.js", import.meta.url).href;
  const code = `
    import { Call, Connection } from ${JSON.stringify(calls)};
    process.on("uncaughtException", ({ message }) => console.log(message));
    const connection = new Connection({ send() {} }, () => { throw new Error("a bug of the app"); });
    const call = new Call("ping", () => ({}));
    connection.send(call);
    for (const message of [{ method: "info", params: {} }, { id: 1, result: "well" }]) connection.accept(message);
    console.log(await call.promise);`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" });
  assert.deepEqual(output.trim().split("\n").sort(), ["a bug of the app", "well"]);
});

test("the end of the program fails every open call and every later call", async () => {
  const { connection, busy } = connect();
  const call = new Call("ping", () => ({}));
  connection.send(call);
  connection.end(new SidecarError("exited", "gone"));
  const later = new Call("ping", () => ({}));
  connection.send(later);
  for (const { promise } of [call, later]) await assert.rejects(promise, { kind: "exited", code: 903, retryable: true });
  assert.deepEqual(busy, [true, false]);
});

test("a stream gives its pieces, then its result; waiting pieces are joined", async () => {
  const { connection } = connect();
  const parts = stream(connection);
  connection.accept(progress(1, "a", { completionTokens: 1, logprobs: [1] }));
  connection.accept(progress(1, "b", { completionTokens: 2, logprobs: [2] }));
  connection.accept(progress(1, "c", { segment: "reasoning" }));
  const iterator = parts[Symbol.asyncIterator]();
  const first = await iterator.next();
  assert.deepEqual([first.value.delta, first.value.completionTokens, first.value.logprobs], ["ab", 2, [1, 2]]);
  assert.equal((await iterator.next()).value.delta, "c");
  const waiting = iterator.next();
  connection.accept(progress(1, "d"));
  assert.equal((await waiting).value.delta, "d");
  connection.accept(answer(1, "result"));
  assert.deepEqual(await iterator.next(), { done: true, value: "result" });
  assert.deepEqual(await iterator.next(), { done: true, value: undefined });
  assert.equal(await parts, "result");
  assert.throws(() => parts[Symbol.asyncIterator](), TypeError);
});

test("pieces of different calls are not joined, and no listener's piece is changed", async () => {
  const { connection } = connect();
  const parts = stream(connection);
  const calls = [0, 0, 1, 1].map((index, i) => progress(1, `${i}`, { segment: "toolCall", toolCall: { index, id: `call${index}`, name: "f" } }));
  const plain = ["a", "b", "c"].map((delta, i) => progress(1, delta, { logprobs: [i] }));
  const before = structuredClone([calls, plain]);
  for (const each of [...calls, ...plain]) connection.accept(each);
  assert.deepEqual([calls, plain], before);
  const iterator = parts[Symbol.asyncIterator]();
  const found = [await iterator.next(), await iterator.next(), await iterator.next()].map(({ value }) => [value.delta, value.toolCall?.id, value.logprobs]);
  assert.deepEqual(found, [["01", "call0", undefined], ["23", "call1", undefined], ["abc", undefined, [0, 1, 2]]]);
  const asked = [iterator.next(), iterator.next(), iterator.next()];
  connection.accept(progress(1, "d"));
  connection.accept(answer(1, "result"));
  assert.deepEqual((await Promise.all(asked)).map(({ done, value }) => [done, value?.delta ?? value]), [[false, "d"], [true, "result"], [true, undefined]]);
});

test("an error comes after the pieces that came before it", async () => {
  const { connection } = connect();
  const parts = stream(connection);
  connection.accept(progress(1, "a"));
  connection.end(new SidecarError("exited", "gone"));
  const seen = [];
  await assert.rejects(async () => {
    for await (const { delta } of parts) seen.push(delta);
  }, { kind: "exited" });
  assert.deepEqual(seen, ["a"]);
});

test("leaving the loop aborts the call and waits until it has stopped", async () => {
  const { connection, sent } = connect();
  const parts = stream(connection);
  connection.accept(progress(1, "a"));
  let left = false;
  const loop = (async () => {
    for await (const _ of parts) break;
    left = true;
  })();
  while (sent.length < 2) await Promise.resolve();
  assert.equal(sent[1].method, "$/cancelRequest");
  assert.equal(left, false);
  connection.accept(aborted(1, "a"));
  await loop;
  await assert.rejects(parts, { name: "AbortError" });
});

test("a consumer that stops reading makes the program wait, but no other call", async () => {
  const { connection, flow } = connect();
  const parts = stream(connection, 4);
  const iterator = parts[Symbol.asyncIterator]();
  connection.accept(progress(1, "12345"));
  assert.deepEqual(flow, [false]);
  // Another call needs the pipe, so it is read until that call is answered.
  const call = new Call("ping", () => ({}));
  connection.send(call);
  assert.deepEqual(flow, [false, true]);
  connection.accept(progress(1, "6"));
  connection.accept(answer(2, "pong"));
  assert.deepEqual(flow, [false, true, false]);
  assert.equal((await iterator.next()).value.delta, "123456");
  assert.deepEqual(flow, [false, true, false, true]);
  connection.accept(answer(1, "result"));
  assert.equal((await iterator.next()).value, "result");
});

test("a stream that is only awaited never makes the program wait", async () => {
  const { connection, flow } = connect();
  const parts = stream(connection, 4);
  connection.accept(progress(1, "0123456789"));
  connection.accept(answer(1, "result"));
  assert.equal(await parts, "result");
  assert.deepEqual(flow, []);
});

test("a stream whose consumer has stopped reading can be aborted", async () => {
  const { connection, flow } = connect();
  const controller = new AbortController();
  const call = new Call("chat", () => ({}), controller.signal, (part) => parts.push(part));
  const parts = new Stream(call, 4);
  connection.send(call);
  const iterator = parts[Symbol.asyncIterator]();
  connection.accept(progress(1, "12345"));
  controller.abort();
  assert.deepEqual(flow, [false, true]);
  connection.accept(aborted(1));
  assert.equal((await iterator.next()).value.delta, "12345");
  await assert.rejects(iterator.next(), { name: "AbortError" });
});

test("a hostile program changes nothing but its own answers", async () => {
  const { connection, infos } = connect();
  const call = new Call("ping", () => ({}));
  connection.send(call);
  const odd = [
    '{"method":"progress"}',
    '{"method":"progress","params":null}',
    '{"method":"progress","params":{"requestId":{"a":1}}}',
    '{"method":"info"}',
    '{"method":"info","params":7}',
    '{"method":{"a":1},"id":1}',
    '{"id":1e308,"result":1}',
    '{"id":9007199254740993,"result":1}',
    '{"id":-1,"result":1}',
    '{"id":null,"error":{"code":1,"message":"x"}}',
    `{"id":"${"9".repeat(100_000)}","result":1}`,
    '{"__proto__":{"id":1,"polluted":1},"method":"info","params":{"__proto__":{"polluted":1}}}',
    '{"constructor":{"prototype":{"polluted":1}},"id":77}',
  ];
  for (let count = 0; count < 1000; count++) for (const line of odd) connection.accept(JSON.parse(line));
  assert.equal(infos.length, 1000);
  assert.equal({}.polluted, undefined);
  assert.equal(call.settled, false);
  connection.accept(JSON.parse('{"id":1,"result":{"__proto__":{"polluted":1},"x":2}}'));
  const result = await call.promise;
  assert.equal(result.polluted, undefined);
  assert.equal({ ...result }.x, 2);
});

test("an error that is none still rejects the call with a SidecarError", async () => {
  for (const error of ["x", 7, true, {}, { code: "x", message: 7, data: "y" }, { data: { kind: "__proto__" } }]) {
    const { connection } = connect();
    const call = new Call("ping", () => ({}));
    connection.send(call);
    connection.accept({ id: 1, error });
    await assert.rejects(call.promise, SidecarError);
  }
});
