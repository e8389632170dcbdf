// What the endpoints share: params in OpenAI's spelling, answers, streams of events, errors.

import { SidecarError } from "../client/errors.js";
import { readableOf } from "../client/readable.js";
import type { Stream } from "../client/stream.js";
import type { ChosenToken, FinishReason, GenerateProgress, LikelyToken, Usage } from "../generated/contract.js";
import type { LoadedModels } from "../loaded-models.js";
import { reasoningOf } from "../reasoning.js";

export type Json = Record<string, unknown>;

/** A request to an endpoint. */
export interface Request {
  models: LoadedModels;
  /** The name that stands in the request. */
  model: string;
  body: Json;
  signal: AbortSignal | undefined;
}

/** The params for an effort, which may be missing. */
export const effortParams = (effort: unknown): Json => (typeof effort === "string" ? reasoningOf(effort) : {});

/** Params that have no meaning for a local model, or are read elsewhere. */
const IGNORED = new Set(
  "model messages prompt input stream stream_options n best_of echo user store metadata parallel_tool_calls service_tier tools tool_choice max_completion_tokens reasoning_effort safety_identifier prompt_cache_key prompt_cache_retention prompt_cache_options verbosity modalities".split(" "),
);

/**
 * All params but those that an endpoint reads itself, in the program's spelling. It refuses, with the name, what it does
 * not know; its own params (`min_p` or `minP`, `grammar`, …) are passed on, too.
 */
export function sharedParams(body: Json): Json {
  for (const name of ["n", "best_of"]) {
    if (Number(body[name] ?? 1) > 1) throw invalid(name, "Only one answer is given: send the request again for another one.");
  }
  if (![body["modalities"] ?? "text"].flat().every((each) => each === "text")) throw invalid("modalities", "Models write only text.");
  const params: Json = {};
  for (const [name, value] of Object.entries(body)) {
    if (value === null || value === undefined || IGNORED.has(name)) continue;
    params[name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())] = value;
  }
  const most = body["max_completion_tokens"];
  if (typeof most === "number") params["maxTokens"] = most;
  return params;
}

/** The error for a param that the program never sees. */
export function invalid(param: string, message: string): SidecarError {
  return new SidecarError("invalidParams", `${param}: ${message}`, { data: { pointer: `/${param}` } });
}

export const seconds = (): number => Math.floor(Date.now() / 1000);

let count = 0;

/** An id that no other answer has. */
export const newId = (prefix: string): string => `${prefix}-${Date.now().toString(36)}${(count++).toString(36)}`;

export const FINISH: Record<FinishReason, string> = { stop: "stop", toolCalls: "tool_calls", length: "length", contextFull: "length" };

export function usageOf({ promptTokens, cachedTokens, completionTokens, reasoningTokens = 0 }: Usage): Json {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    completion_tokens_details: { reasoning_tokens: reasoningTokens },
  };
}

export function tokenOf({ token, logprob, bytes, topLogprobs }: ChosenToken): Json {
  const plain = (each: LikelyToken) => ({ token: each.token, logprob: each.logprob, bytes: each.bytes });
  return { ...plain({ id: 0, token, logprob, bytes }), top_logprobs: topLogprobs.map(plain) };
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });
}

/**
 * Server-sent events of an answer that is being generated. `cut` makes them of each piece, `end` of the result. Waits
 * for the first piece, so that an error before it is an answer of its own. An abort by `signal` ends them as it ends a fetch.
 */
export async function events<R>(
  stream: Stream<GenerateProgress, R>,
  signal: AbortSignal | undefined,
  begin: string,
  cut: (piece: GenerateProgress) => string,
  end: (result: R) => string,
): Promise<Response> {
  const encoder = new TextEncoder();
  let said = begin;
  const tell = (text: string, send: (bytes: Uint8Array) => void) => {
    said += text;
    if (said !== "") send(encoder.encode(said));
    said = "";
  };
  let begun = () => {};
  const body = readableOf<GenerateProgress, R, Uint8Array>(stream, {
    piece(piece, send) {
      tell(cut(piece), send);
      begun();
    },
    end: (result, send) => tell(end(result), send),
    failed(error, send) {
      if (signal?.aborted) throw error;
      tell(eventText(errorOf(error).body), send);
    },
  });
  await new Promise<unknown>((resolve, reject) => {
    begun = resolve as () => void;
    stream.then(resolve, reject);
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

/** An event; those of `responses` have their type as a name, too. */
export function eventText(event: Json): string {
  const name = typeof event["type"] === "string" ? `event: ${event["type"]}\n` : "";
  return `${name}data: ${JSON.stringify(event)}\n\n`;
}

/** The last event. */
export const DONE = "data: [DONE]\n\n";

const STATUS: Record<string, number> = {
  fileNotFound: 404,
  modelNotFound: 404,
  repositoryNotFound: 404,
  remoteFileNotFound: 404,
  revisionNotFound: 404,
  methodNotFound: 404,
  unauthorized: 401,
  gatedRepository: 403,
  notAllowed: 403,
  overloaded: 429,
  rateLimited: 429,
  // What this machine, or the way to the model, could not do. 503: it may be otherwise later.
  internalError: 500,
  programNotFound: 500,
  programChanged: 500,
  startFailed: 500,
  engineStartFailed: 500,
  decodeFailed: 500,
  diskFull: 500,
  outOfMemory: 503,
  engineCrashed: 503,
  transferCrashed: 503,
  downloadFailed: 503,
  offline: 503,
  rpcServerUnavailable: 503,
  shuttingDown: 503,
  exited: 503,
  closed: 503,
  timedOut: 504,
};

/** An error in OpenAI's form, with our kind as its code, and the status that makes clients choose its class. */
export function errorOf(error: unknown): { status: number; body: Json; retry: boolean } {
  const { kind = "internalError", message, data, retryable = false } = error as Partial<SidecarError>;
  const status = STATUS[kind] ?? 400;
  const type = status < 500 ? "invalid_request_error" : "server_error";
  return { status, body: { error: { message: message ?? String(error), type, param: data?.pointer ?? null, code: kind } }, retry: retryable };
}
