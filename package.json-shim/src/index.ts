// What every entry has: the objects, their errors, and the types of the contract.

export type { CallOptions, Transport } from "./calls.js";
export { AbortError, CLIENT_ERRORS, type ClientErrorKind, SidecarError } from "./errors.js";
export * from "./generated.js";
export { LineReader, LineWriter, type LineEvents } from "./lines.js";
export { type Context, Llama, type Model, type StartOptions } from "./llama.js";
export { Stream } from "./stream.js";
export type { Launch, Peer, RestartOptions, Watchers } from "./supervisor.js";
