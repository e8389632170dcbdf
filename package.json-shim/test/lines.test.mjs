// Bytes to messages and back, without a program.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LineReader, LineWriter, MAX_LINE_BYTES } from "../dist/node/client/lines.js";

const messages = [
  { id: 1, result: "plain" },
  { id: 2, result: "line\u2028and paragraph\u2029separators, \u0085 and \r" },
  { id: 3, result: "Grüße 👋🏽 日本語" },
  { id: 4, result: "" },
];

/** Everything that a reader reports for these chunks. */
function read(chunks) {
  const reported = { messages: [], strays: [] };
  const reader = new LineReader({
    message: (message) => reported.messages.push(message),
    stray: (line) => reported.strays.push(line),
  });
  for (const chunk of chunks) reader.receive(chunk);
  return reported;
}

/** The lines as UTF-8. The program escapes such characters; unescaped ones are harder to read. */
const bytes = (end = "\n") => Buffer.from(messages.map((message) => JSON.stringify(message) + end).join(""));

test("bytes that are split at any place give the same messages", () => {
  const all = bytes();
  for (let cut = 0; cut <= all.length; cut++) {
    assert.deepEqual(read([all.subarray(0, cut), all.subarray(cut)]), { messages, strays: [] });
  }
  assert.deepEqual(read([...all].map((byte) => Uint8Array.of(byte))).messages, messages);
});

test("\\r\\n also ends a line, and empty lines are ignored", () => {
  assert.deepEqual(read([bytes("\r\n"), bytes("\n\n \r\n")]), { messages: [...messages, ...messages], strays: [] });
});

test("lines that are not JSON are reported apart, and the messages still arrive", () => {
  const reported = read([Buffer.from('hello\n{"id":1\n'), Buffer.from([0xff, 0xfe, 0x0a]), bytes()]);
  assert.deepEqual(reported.messages, messages);
  assert.deepEqual(reported.strays, ["hello", '{"id":1', "\ufffd\ufffd"]);
});

test("a chunk may be reused by its owner", () => {
  const chunk = Buffer.from('{"id":');
  const reported = { messages: [] };
  const reader = new LineReader({ message: (message) => reported.messages.push(message), stray: assert.fail });
  reader.receive(chunk);
  chunk.fill(0x20);
  reader.receive(Buffer.from("7}\n"));
  assert.deepEqual(reported.messages, [{ id: 7 }]);
});

test("messages of one turn are written together, one per line", async () => {
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

test("a line without an end is given up at the limit, not kept", () => {
  const reader = new LineReader({ message: assert.fail, stray: assert.fail });
  const chunk = new Uint8Array(MAX_LINE_BYTES / 4);
  for (let count = 0; count < 4; count++) reader.receive(chunk);
  assert.throws(() => reader.receive(chunk), RangeError);
  reader.receive(Uint8Array.of(0x20)); // what came before is forgotten
});
