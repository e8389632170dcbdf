// Pictures and sound as parts of a message: files, bytes, and what pages have.

import { base64Of } from "./base64.js";
import { SidecarError } from "./client/errors.js";
import type { ContentPart } from "./generated/contract.js";

/** Beginnings of the formats that the program reads, as characters of one byte each. `.` is any byte. */
const IMAGES: Readonly<Record<string, string>> = { png: "\x89PNG", jpeg: "\xff\xd8\xff", gif: "GIF8", bmp: "BM" };

const SOUNDS: Readonly<Record<string, string>> = { wav: "RIFF....WAVE", flac: "fLaC", mp3: "ID3" };

/** A path of the machine on which the program runs, a Blob or a File, bytes; in pages also what createImageBitmap takes. */
export type PictureSource = string | Blob | ArrayBuffer | ArrayBufferView | object;

/** The same for sound; in pages also an AudioBuffer. */
export type SoundSource = PictureSource;

/** What is used of browsers: Node has none of it. */
interface Canvases {
  createImageBitmap?: (source: object) => Promise<{ width: number; height: number; close(): void }>;
  OffscreenCanvas: new (width: number, height: number) => {
    getContext(kind: "2d"): { drawImage(image: object, x: number, y: number): void };
    convertToBlob(options: { type: string }): Promise<Blob>;
  };
}

/** What is used of an AudioBuffer. */
interface Samples {
  numberOfChannels: number;
  sampleRate: number;
  length: number;
  getChannelData(channel: number): Float32Array;
}

/** A picture for a message. Where a page has one that only the browser reads (WebP, AVIF, a canvas), it is sent as PNG. */
export async function imagePart(value: PictureSource): Promise<ContentPart> {
  if (typeof value === "string") return { type: "image", source: { path: value } };
  const given = await bytesOf(value);
  const format = given && formatOf(given, IMAGES);
  const bytes = given && format ? given : await drawn(given ? new Blob([given as Uint8Array<ArrayBuffer>]) : value);
  return { type: "image_url", imageUrl: { url: `data:image/${format ?? "png"};base64,${base64Of(bytes)}` } };
}

/** A sound for a message. */
export async function audioPart(value: SoundSource): Promise<ContentPart> {
  if (typeof value === "string") return { type: "audio", source: { path: value } };
  const bytes = (await bytesOf(value)) ?? wavOf(value);
  const format = formatOf(bytes, SOUNDS);
  if (!format) throw new SidecarError("unsupportedContent", `The sound is of no known format. Known: ${Object.keys(SOUNDS).join(", ")}.`);
  return { type: "input_audio", inputAudio: { data: base64Of(bytes), format } };
}

async function bytesOf(value: unknown): Promise<Uint8Array | undefined> {
  if (value instanceof Blob) return new Uint8Array(await value.arrayBuffer());
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return value instanceof ArrayBuffer ? new Uint8Array(value) : undefined;
}

/** The bytes decide, whatever a label says. */
function formatOf(bytes: Uint8Array, formats: Readonly<Record<string, string>>): string | undefined {
  const begins = (sign: string) => [...sign].every((each, i) => each === "." || each.charCodeAt(0) === bytes[i]);
  const found = Object.keys(formats).find((format) => begins(formats[format] as string));
  // A frame of MPEG audio begins with eleven set bits.
  return found ?? ("mp3" in formats && bytes[0] === 0xff && ((bytes[1] ?? 0) & 0xe0) === 0xe0 ? "mp3" : undefined);
}

/** A canvas, an image of the page, a frame of a video, a Blob that only the browser can read, … as PNG. */
async function drawn(value: unknown): Promise<Uint8Array> {
  const { createImageBitmap, OffscreenCanvas } = globalThis as unknown as Canvases;
  const unreadable = () => new SidecarError("unsupportedContent", `The image is of no known format. Known: ${Object.keys(IMAGES).join(", ")}.`);
  if (!createImageBitmap && value instanceof Blob) throw unreadable();
  if (typeof value !== "object" || value === null || !createImageBitmap) {
    throw new TypeError("An image is a Blob, bytes, or what createImageBitmap takes.");
  }
  const bitmap = await createImageBitmap(value).catch((error: unknown) => {
    throw value instanceof Blob ? unreadable() : error;
  });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  return new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
}

/** An AudioBuffer as WAV with 16 bits per sample. */
function wavOf(value: unknown): Uint8Array {
  const { numberOfChannels, sampleRate, length, getChannelData } = (value ?? {}) as Partial<Samples>;
  if (!getChannelData || !numberOfChannels || !sampleRate || length === undefined) {
    throw new TypeError("Sound is a Blob, bytes or an AudioBuffer.");
  }
  const HEADER = 44;
  const frame = numberOfChannels * 2;
  const bytes = new Uint8Array(HEADER + length * frame);
  const view = new DataView(bytes.buffer);
  const text = (at: number, word: string) => [...word].forEach((each, i) => view.setUint8(at + i, each.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, bytes.length - 8, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of the description that follows
  view.setUint16(20, 1, true); // plain samples
  view.setUint16(22, numberOfChannels, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, sampleRate * frame, true);
  view.setUint16(32, frame, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, length * frame, true);
  for (let channel = 0; channel < numberOfChannels; channel++) {
    const samples = getChannelData.call(value, channel);
    for (let i = 0; i < length; i++) {
      const sample = Math.max(-1, Math.min(1, samples[i] ?? 0));
      view.setInt16(HEADER + i * frame + channel * 2, Math.round(sample * 32767), true);
    }
  }
  return bytes;
}
