// Type-checked, never run: the params and the result of every method, through RequestMap. The mapped types
// make a missing method an error, so each new method needs its lines here.

import {
  ERRORS,
  METHODS,
  PROTOCOL_VERSION,
  type ClientNotificationMap,
  type ErrorData,
  type ErrorKind,
  type GenerateProgress,
  type Method,
  type NotificationMap,
  type Progress,
  type RequestMap,
} from "../../src/generated/contract.js";

type ParamsOf = { [M in Method]: RequestMap[M]["params"] };
type ReadersOf = { [M in Method]: (result: RequestMap[M]["result"]) => unknown };

export const params: ParamsOf = {
  init: { protocolVersion: PROTOCOL_VERSION, clientInfo: { name: "notes-app" }, gpu: false, processId: null },
  ping: {},
  status: {},
  abort: { requestId: 7 },
  shutdown: {},
  "rpc.discover": {},
  downloadModel: { model: "hf:owner/repo:Q4_K_M", projector: true, keepPartial: false },
  listModels: { hubCache: false, folders: ["downloads"] },
  deleteModel: { path: "models/owner/repo/model.gguf" },
  estimateModel: { model: "hf:owner/repo:Q4_K_M", contextSize: 8192, kvCacheType: "q8_0", gpuLayers: "auto" },
  inspectModel: { path: "models/SmolLM2-135M-Instruct.Q4_1.gguf" },
  loadModel: { path: "models/SmolLM2-135M-Instruct.Q4_1.gguf", gpuLayers: "auto" },
  unloadModel: { modelId: "model-1" },
  createContext: { modelId: "model-1", sequences: 8, flashAttention: "auto", kvCacheType: "f16" },
  disposeContext: { contextId: "context-1" },
  complete: { contextId: "context-1", prompt: [19556, 28], stop: ["\n"], temperature: 0 },
  chat: { contextId: "context-1", messages: [{ role: "user", content: "Hello" }], stream: false },
  saveState: { contextId: "context-1", path: "chats/7.state", messages: [{ role: "user", content: "Hello" }] },
  restoreState: { contextId: "context-1", path: "chats/7.state" },
  infill: { contextId: "context-1", prefix: "def add(a, b):\n    ", suffix: "\n", maxTokens: 32 },
  embed: { contextId: "context-2", input: ["A cat.", [1, 19556]], normalize: false, encodingFormat: "base64" },
  rerank: { contextId: "context-3", query: "Where?", documents: ["Here."], topN: 1 },
  tokenize: { modelId: "model-1", text: "Hello" },
  detokenize: { modelId: "model-1", tokens: [19556] },
  countTokens: { contextId: "context-1", messages: [{ role: "user", content: "Hello" }] },
  applyTemplate: { modelId: "model-1", messages: [{ role: "user", content: "Hello" }] },
};

export const readers: ReadersOf = {
  init: (result) => result.devices.map((device) => device.memoryFreeBytes / 2),
  ping: (result) => result.uptimeMs / 2,
  status: (result) => result.processes.map((process) => process.pid),
  abort: (result) => result.outcome === "aborted",
  shutdown: (result) => result satisfies null,
  "rpc.discover": (result) => result.openrpc.startsWith("1."),
  downloadModel: (result) => result.files.map((file) => file.sizeBytes - file.resumedBytes),
  listModels: (result) => result.models.map((model) => model.source?.repository ?? model.problem),
  deleteModel: (result) => result.files.length + result.freedBytes,
  estimateModel: (result) => result.runs === "no" && result.devices.map((device) => device.freeBytes),
  inspectModel: (result) => result.name?.length ?? result.metadata["general.name"],
  loadModel: (result) => result.modelId.length + result.parameters,
  unloadModel: (result) => result.memoryBeforeBytes - result.memoryAfterBytes,
  createContext: (result) => result.contextId.length + result.contextSize,
  disposeContext: (result) => result satisfies null,
  complete: (result) => result.text.length + result.usage.cachedTokens,
  chat: (result) => result.message.content.length + (result.timings.timeToFirstTokenMs ?? 0),
  saveState: (result) => result.tokens - (result.matchedTokens ?? 0),
  restoreState: (result) => result.path.length + result.tokens,
  infill: (result) => result.text.length + result.usage.completionTokens,
  embed: (result) => result.embeddings.length * result.dimensions,
  rerank: (result) => result.results.map((document) => document.index + document.score),
  tokenize: (result) => result.tokens.map((token) => token + 1),
  detokenize: (result) => result.text.length,
  countTokens: (result) => result.tokens / (result.contextSize ?? 1),
  applyTemplate: (result) => result.prompt.length,
};

export const sent: { [N in keyof NotificationMap]: NotificationMap[N] } = {
  progress: { requestId: 7, progressType: "load", progress: 0.5 },
  info: { level: "info", message: "The engine is ready." },
};

export const accepted: ClientNotificationMap = { "$/cancelRequest": { id: 7 }, exit: {} };

/** progressType selects the member of the union. */
export function delta(progress: Progress): string {
  return progress.progressType === "generate" ? progress.delta : "";
}

/** The progress type of one request is narrower than the union of all. */
export const chatDelta = (progress: RequestMap["chat"]["progress"]): GenerateProgress | undefined =>
  progress.progressType === "generate" ? progress : undefined;

/** A download reports received bytes, then verified bytes. */
export const bytes = (progress: RequestMap["downloadModel"]["progress"]): number =>
  progress.progressType === "download" ? progress.downloadedBytes : progress.verifiedBytes;

export const kind: ErrorKind = "engineCrashed";
export const code: 1040 = ERRORS[kind].code;
export const data: ErrorData = { kind, retryable: true, remedy: "Send the request again.", value: 7 };
export const first: "init" = METHODS[0];

// What must not compile.

// @ts-expect-error: no such property
params.complete = { contextId: "context-1", prompt: "Hello", max_tokens: 8 };
// @ts-expect-error: prompt is missing
params.complete = { contextId: "context-1" };
// @ts-expect-error: true is no backend
params.init = { gpu: true };
// @ts-expect-error: no such role
params.chat = { contextId: "context-1", messages: [{ role: "moderator", content: "Hello" }] };
// @ts-expect-error: neither path nor model
params.inspectModel = { revision: "main" };
// @ts-expect-error: path and model
params.estimateModel = { path: "model.gguf", model: "hf:owner/repo" };
// @ts-expect-error: no such property beside path
params.estimateModel = { path: "model.gguf", context_size: 8192 };
// @ts-expect-error: no such method
export const unknownMethod: Method = "compleet";
// @ts-expect-error: a load has no delta
export const loadDelta = (progress: RequestMap["loadModel"]["progress"]) => progress.delta;
// @ts-expect-error: no such kind
export const unknownKind: ErrorKind = "outOfDisk";
