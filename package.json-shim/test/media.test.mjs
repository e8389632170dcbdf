// Pictures and sound as parts of a message, in Node; prompt-api-page.test.mjs has those of pages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { audioPart, imagePart } from "../dist/index.mjs";

const PNG = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]);
const WAV = new TextEncoder().encode("RIFF....WAVE");

test("a path, a Blob, a File and bytes become parts", async () => {
  const image = { type: "image_url", imageUrl: { url: `data:image/png;base64,${Buffer.from(PNG).toString("base64")}` } };
  const framed = new Uint8Array([1, ...PNG, 1]).subarray(1, -1);
  for (const given of [new Blob([PNG]), new File([PNG], "a.jpg", { type: "image/jpeg" }), PNG, PNG.buffer, framed]) {
    assert.deepEqual(await imagePart(given), image);
  }
  const sound = { type: "input_audio", inputAudio: { data: Buffer.from(WAV).toString("base64"), format: "wav" } };
  assert.deepEqual(await audioPart(new Blob([WAV])), sound);
  assert.deepEqual(await imagePart("pictures/a.png"), { type: "image", source: { path: "pictures/a.png" } });
  assert.deepEqual(await audioPart("a.wav"), { type: "audio", source: { path: "a.wav" } });
});

test("what the program does not read is refused by name", async () => {
  for (const call of [imagePart(new Blob(["RIFF....WEBP"])), imagePart(WAV), audioPart(PNG)]) {
    await assert.rejects(call, { kind: "unsupportedContent", message: /Known: / });
  }
});
