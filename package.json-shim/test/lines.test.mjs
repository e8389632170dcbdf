// Bytes to messages and back, without a program.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LineReader, LineWriter } from "../dist/node/client/lines.js";

const messages = [
  { id: 1, result: "plain" },
  { id: 2, result: "line\u2028and paragraph\u2029separators, \u0085 and \r" },
  { id: 3, result: "Grüße 👋🏽 日本語" },
  { id: 4, result: "" },
];

/** Everything that a reader tells of these chunks. */
function read(chunks) {
  const told = { messages: [], strays: [] };
  const reader = new LineReader({
    message: (message) => told.messages.push(message),
    stray: (line) => told.strays.push(line),
  });
  for (const chunk of chunks) reader.receive(chunk);
  return told;
}

/** The lines as UTF-8, not escaped as our program would: that is harder. */
const bytes = (end = "\n") => Buffer.from(messages.map((message) => JSON.stringify(message) + end).join(""));

test("a stream cut in two at every byte, and into single bytes, is the same messages", () => {
  const all = bytes();
  for (let cut = 0; cut <= all.length; cut++) {
    assert.deepEqual(read([all.subarray(0, cut), all.subarray(cut)]), { messages, strays: [] });
  }
  assert.deepEqual(read([...all].map((byte) => Uint8Array.of(byte))).messages, messages);
});

test("\\r\\n ends a line as well, and empty lines are nothing", () => {
  assert.deepEqual(read([bytes("\r\n"), bytes("\n\n \r\n")]), { messages: [...messages, ...messages], strays: [] });
});

test("what is not JSON is told apart and harms nothing", () => {
  const told = read([Buffer.from('hello\n{"id":1\n'), Buffer.from([0xff, 0xfe, 0x0a]), bytes()]);
  assert.deepEqual(told.messages, messages);
  assert.deepEqual(told.strays, ["hello", '{"id":1', "\ufffd\ufffd"]);
});

test("a chunk that its owner uses again is not held on to", () => {
  const chunk = Buffer.from('{"id":');
  const told = { messages: [] };
  const reader = new LineReader({ message: (message) => told.messages.push(message), stray: assert.fail });
  reader.receive(chunk);
  chunk.fill(0x20);
  reader.receive(Buffer.from("7}\n"));
  assert.deepEqual(told.messages, [{ id: 7 }]);
});

test("messages of one turn are written together, a line each", async () => {
  const written = [];
  const writer = new LineWriter((text) => written.push(text));
  for (const message of messages) writer.send(message);
  assert.deepEqual(written, []);
  await Promise.resolve();
  assert.equal(written.length, 1);
  assert.deepEqual(read([Buffer.from(written[0])]).messages, messages);
  assert.throws(() => writer.send({ id: 1n }), TypeError);
  await Promise.resolve();
  assert.equal(written.length, 1);
});
