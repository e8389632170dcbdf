// What every entry exports: the objects, their errors, and the types of the contract.

export type { CallOptions, Transport } from "./client/calls.js";
export { AbortError, CLIENT_ERRORS, type ClientErrorKind, SidecarError } from "./client/errors.js";
export { LineReader, LineWriter, type LineEvents } from "./client/lines.js";
export { Llama, type StartOptions } from "./client/llama.js";
export type { Context, Model } from "./client/model.js";
export type { Launch, Peer } from "./client/peer.js";
export { Stream } from "./client/stream.js";
export type { RestartOptions, Watchers } from "./client/supervisor.js";
export * from "./generated/contract.js";
export { audioPart, imagePart, type PictureSource, type SoundSource } from "./media.js";
export * from "./generated/methods.js";
