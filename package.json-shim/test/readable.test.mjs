// An answer as a ReadableStream, with calls that only record what is sent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { AbortError, Stream } from "../dist/index.mjs";
import { Call, Connection } from "../dist/node/client/calls.js";
import { readableOf } from "../dist/node/client/readable.js";

/** A call whose pieces `says` sends, and the reader of its stream. `flow` gets whether the pipe is read. */
function begin(cutter = {}, first = []) {
  const [sent, flow] = [[], []];
  const connection = new Connection({ send: (message) => sent.push(message), flow: (on) => flow.push(on) }, () => {});
  const call = new Call("chat", () => ({}), undefined, (part) => parts.push(part));
  const parts = new Stream(call, 4);
  connection.send(call);
  const says = (...deltas) => deltas.forEach((delta) => connection.accept({ method: "progress", params: { requestId: 1, segment: "text", delta } }));
  const ends = (answer) => connection.accept({ id: 1, ...answer });
  const whole = {
    piece: ({ delta }, send) => void (delta === "" || send(delta)),
    end: (result, send) => send(result),
    failed(error) {
      throw error;
    },
    ...cutter,
  };
  return { says, ends, sent, flow, reader: readableOf(parts, whole, first).getReader() };
}

test("each piece that is waited for is passed on; those that come meanwhile are joined, and the end comes after them", async () => {
  const { says, ends, flow, reader } = begin({}, ["first"]);
  const next = async () => (await reader.read()).value;
  assert.equal(await next(), "first");
  const [a, b] = [next(), next()];
  await 0;
  says("a", "", "b", "c", "d", "e", "f");
  assert.deepEqual([await a, await b], ["a", "b"]);
  assert.equal(await next(), "c");
  assert.equal(await next(), "def");
  says("12", "34", "56", "78");
  assert.deepEqual(flow, [false], "the reader is too slow");
  assert.equal(await next(), "12");
  assert.equal(await next(), "345678");
  assert.deepEqual(flow, [false, true]);
  says("x", "y");
  ends({ result: "end" });
  assert.deepEqual([await next(), await next(), await next()], ["x", "y", "end"]);
  assert.equal((await reader.read()).done, true);
});

test("a reader that leaves aborts the call, and nothing is passed on any more", async () => {
  const { says, ends, sent, reader } = begin();
  says("a");
  const left = reader.cancel();
  assert.deepEqual(sent.at(-1), { jsonrpc: "2.0", method: "$/cancelRequest", params: { id: 1 } });
  says("b");
  ends({ error: { code: -32800, message: "aborted", data: { kind: "aborted" } } });
  await left;
  assert.equal((await reader.read()).done, true);
});

test("an error comes after the pieces before it: as a last chunk, or as the stream's own", async () => {
  for (const [failed, last] of [[(error, send) => send(error.kind), "aborted"], [undefined, AbortError]]) {
    const { says, ends, reader } = begin(failed && { failed });
    says("a", "b");
    ends({ error: { code: -32800, message: "aborted", data: { kind: "aborted" } } });
    assert.equal((await reader.read()).value, "a");
    if (failed) {
      assert.deepEqual([(await reader.read()).value, (await reader.read()).value], ["b", last]);
      assert.equal((await reader.read()).done, true);
    } else {
      await assert.rejects(reader.closed, last); // the platform drops what was not read
    }
  }
});

test("what a cutter throws is the stream's error, and aborts the call", async () => {
  const wrong = () => {
    throw new RangeError("wrong");
  };
  const { says, ends, sent, reader } = begin({ piece: wrong });
  const read = reader.read();
  says("a");
  assert.equal(sent.at(-1).method, "$/cancelRequest");
  ends({ error: { code: -32800, message: "aborted", data: { kind: "aborted" } } });
  await assert.rejects(read, RangeError);
  const busy = begin({ piece: wrong }, ["first"]);
  busy.says("a"); // waits for the reader
  await busy.reader.read();
  await assert.rejects(busy.reader.closed, RangeError);
  assert.equal(busy.sent.at(-1).method, "$/cancelRequest");
  busy.says("more than fits");
  assert.deepEqual(busy.flow, []);
  const late = begin({ end: wrong });
  late.ends({ result: "end" });
  await assert.rejects(late.reader.read(), RangeError);
});
