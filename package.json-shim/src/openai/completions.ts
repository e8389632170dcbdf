// The endpoints `chat/completions` and `completions`.

import type { Context } from "../client/model.js";
import type { ChatParams, ChatResult, CompleteParams, CompleteResult, GenerateProgress, Logprobs, Usage } from "../generated/contract.js";
import { messageOf, messagesOf } from "./messages.js";
import {
  DONE, effortParams, events, eventText, FINISH, invalid, type Json, json, newId, type Request, seconds, sharedParams, tokenOf, usageOf,
} from "./shared.js";

/** What all chunks of an answer have. */
interface Head {
  id: string;
  object: string;
  created: number;
  model: string;
}

/** The end of a stream: the usage, if it is asked for. */
function lastOf(body: Json, head: Head, usage: Usage): string {
  const asked = (body["stream_options"] as Json | undefined)?.["include_usage"] === true;
  return (asked ? eventText({ ...head, choices: [], usage: usageOf(usage) }) : "") + DONE;
}

/** A chunk as an event: only what differs is written anew. */
function chunkWriter(head: Head, member: string): (content: unknown, logprobs?: unknown, reason?: string | null) => string {
  const before = `data: ${JSON.stringify(head).slice(0, -1)},"choices":[{"index":0,"${member}":`;
  const end = (logprobs: unknown, reason: string | null) =>
    `,"logprobs":${JSON.stringify(logprobs)},"finish_reason":${JSON.stringify(reason)}}]}\n\n`;
  const plain = end(null, null);
  return (content, logprobs = null, reason = null) =>
    before + JSON.stringify(content) + (logprobs === null && reason === null ? plain : end(logprobs, reason));
}

const logprobsOf = (all: Logprobs | undefined): Json | null => (all ? { content: all.map(tokenOf), refusal: null } : null);

export async function chatCompletions({ models, model, body, signal }: Request): Promise<Response> {
  const { tools, tool_choice: toolChoice } = body;
  const params = {
    ...sharedParams(body),
    ...effortParams(body["reasoning_effort"]),
    messages: messagesOf(body["messages"]),
    ...(Array.isArray(tools) && tools.length > 0 && { tools, ...(toolChoice != null && { toolChoice }) }),
  } as unknown as Omit<ChatParams, "contextId">;
  const context = await models.context(model, "text", signal);
  const head = { id: newId("chatcmpl"), object: "chat.completion", created: seconds(), model };
  const single = body["parallel_tool_calls"] === false;
  if (body["stream"] !== true) {
    const { message, finishReason, usage, logprobs } = await context.chat({ ...params, stream: false, signal });
    const choice = { index: 0, message: messageOf(message, single), logprobs: logprobsOf(logprobs), finish_reason: FINISH[finishReason] };
    return json({ ...head, choices: [choice], usage: usageOf(usage) });
  }
  head.object = "chat.completion.chunk";
  const chunk = chunkWriter(head, "delta");
  const begun = new Set<number>();
  const deltaOf = ({ segment, delta, toolCall }: GenerateProgress): Json => {
    if (!toolCall) return segment === "reasoning" ? { reasoning_content: delta } : { content: delta };
    const { index, id: callId, name } = toolCall;
    const first = begun.has(index) ? {} : { id: callId, type: "function" };
    const named = begun.has(index) ? {} : { name };
    begun.add(index);
    return { tool_calls: [{ index, ...first, function: { ...named, arguments: delta } }] };
  };
  const cut = (piece: GenerateProgress) => {
    if (single && piece.toolCall && piece.toolCall.index > 0) return "";
    return chunk(deltaOf(piece), piece.logprobs && logprobsOf(piece.logprobs));
  };
  const end = ({ finishReason, usage }: ChatResult) => chunk({}, null, FINISH[finishReason]) + lastOf(body, head, usage);
  return events(context.chat({ ...params, signal }), signal, chunk({ role: "assistant", content: "" }), cut, end);
}

export async function completions({ models, model, body, signal }: Request): Promise<Response> {
  const { prompt: given, logprobs: most } = body;
  const many = Array.isArray(given) && typeof given[0] !== "number";
  if (many && given.length !== 1) throw invalid("prompt", "Only one prompt is completed: send a request for each.");
  const prompt = many ? given[0] : given;
  const likely = typeof most === "number" ? { logprobs: true, topLogprobs: most } : {};
  const params = { ...sharedParams(body), ...likely, prompt } as unknown as Omit<CompleteParams, "contextId">;
  const context = await models.context(model, "text", signal);
  const said = body["echo"] === true ? await textOf(context, prompt, signal) : "";
  if (said !== "" && likely.logprobs) throw invalid("echo", "The log-probabilities of a prompt are not computed: leave out logprobs.");
  const head = { id: newId("cmpl"), object: "text_completion", created: seconds(), model };
  const listed = new TokenLister(said.length);
  if (body["stream"] !== true) {
    const { text: more, finishReason, usage, logprobs } = await context.complete({ ...params, stream: false, signal });
    const choice = { index: 0, text: said + more, logprobs: listed.list(logprobs), finish_reason: FINISH[finishReason] };
    return json({ ...head, choices: [choice], usage: usageOf(usage) });
  }
  const chunk = chunkWriter(head, "text");
  const end = ({ finishReason, usage }: CompleteResult) => chunk("", null, FINISH[finishReason]) + lastOf(body, head, usage);
  const begin = said === "" ? "" : chunk(said);
  return events(context.complete({ ...params, signal }), signal, begin, ({ delta, logprobs }) => chunk(delta, listed.list(logprobs)), end);
}

/** The text of a prompt, which may be tokens. */
async function textOf(context: Context, prompt: unknown, signal: AbortSignal | undefined): Promise<string> {
  if (typeof prompt === "string") return prompt;
  return (await context.model.detokenize({ tokens: prompt as number[], signal })).text;
}

/** Writes log-probabilities in the older form of `completions`, where each token has its place in the text. */
class TokenLister {
  #offset: number;

  constructor(offset: number) {
    this.#offset = offset;
  }

  list(all: Logprobs | undefined): Json | null {
    if (!all) return null;
    return {
      tokens: all.map(({ token }) => token),
      token_logprobs: all.map(({ logprob }) => logprob),
      top_logprobs: all.map(({ topLogprobs }) => Object.fromEntries(topLogprobs.map(({ token, logprob }) => [token, logprob]))),
      text_offset: all.map(({ token }) => (this.#offset += token.length) - token.length),
    };
  }
}
