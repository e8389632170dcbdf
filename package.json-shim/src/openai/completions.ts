// The endpoints `chat/completions` and `completions`.

import type { ChatParams, ChatResult, CompleteParams, CompleteResult, GenerateProgress, Logprobs } from "../generated/contract.js";
import { messageOf, messagesOf } from "./messages.js";
import { effortParams, events, FINISH, invalid, type Json, json, newId, type Request, seconds, sharedParams, tokenOf, usageOf } from "./shared.js";

const withUsage = (body: Json): boolean => (body["stream_options"] as Json | undefined)?.["include_usage"] === true;

export async function chatCompletions({ models, model, body, signal }: Request): Promise<Response> {
  const { tools, tool_choice: toolChoice } = body;
  const params = {
    ...sharedParams(body),
    ...effortParams(body["reasoning_effort"]),
    messages: messagesOf(body["messages"]),
    ...(Array.isArray(tools) && tools.length > 0 && { tools, ...(toolChoice != null && { toolChoice }) }),
  } as unknown as Omit<ChatParams, "contextId">;
  const context = await models.context(model, "text", signal);
  const id = newId("chatcmpl");
  const created = seconds();
  const logprobs = (all: Logprobs | undefined) => (all ? { content: all.map(tokenOf), refusal: null } : null);
  if (body["stream"] !== true) {
    const { message, finishReason, usage, logprobs: found } = await context.chat({ ...params, stream: false, signal });
    const choice = { index: 0, message: messageOf(message), logprobs: logprobs(found), finish_reason: FINISH[finishReason] };
    return json({ id, object: "chat.completion", created, model, choices: [choice], usage: usageOf(usage) });
  }
  const chunk = (delta: Json, reason: string | null = null, found?: Logprobs): Json => ({
    id,
    object: "chat.completion.chunk",
    created,
    model,
    choices: [{ index: 0, delta, logprobs: logprobs(found), finish_reason: reason }],
  });
  const begun = new Set<number>();
  const deltaOf = ({ segment, delta, toolCall }: GenerateProgress): Json => {
    if (!toolCall) return segment === "reasoning" ? { reasoning_content: delta } : { content: delta };
    const { index, id: callId, name } = toolCall;
    const first = begun.has(index) ? {} : { id: callId, type: "function" };
    const named = begun.has(index) ? {} : { name };
    begun.add(index);
    return { tool_calls: [{ index, ...first, function: { ...named, arguments: delta } }] };
  };
  const ended = ({ finishReason, usage }: ChatResult): (Json | "[DONE]")[] => [
    chunk({}, FINISH[finishReason]),
    ...(withUsage(body) ? [{ ...chunk({}), choices: [], usage: usageOf(usage) }] : []),
    "[DONE]",
  ];
  const begin = () => [chunk({ role: "assistant", content: "" })];
  return events(context.chat({ ...params, signal }), begin, (piece) => [chunk(deltaOf(piece), null, piece.logprobs)], ended);
}

export async function completions({ models, model, body, signal }: Request): Promise<Response> {
  const { prompt, logprobs: most } = body;
  if (Array.isArray(prompt) && typeof prompt[0] !== "number" && prompt.length !== 1) {
    throw invalid("prompt", "Only one prompt is completed: send a request for each.");
  }
  const text = Array.isArray(prompt) && typeof prompt[0] !== "number" ? prompt[0] : prompt;
  const likely = typeof most === "number" ? { logprobs: true, topLogprobs: most } : {};
  const params = { ...sharedParams(body), ...likely, prompt: text } as unknown as Omit<CompleteParams, "contextId">;
  const context = await models.context(model, "text", signal);
  const id = newId("cmpl");
  const created = seconds();
  const answer = (said: string, reason: string | null, found?: Logprobs): Json => ({
    id,
    object: "text_completion",
    created,
    model,
    choices: [{ index: 0, text: said, logprobs: found ? listed(found) : null, finish_reason: reason }],
  });
  if (body["stream"] !== true) {
    const result = await context.complete({ ...params, stream: false, signal });
    return json({ ...answer(result.text, FINISH[result.finishReason], result.logprobs), usage: usageOf(result.usage) });
  }
  const ended = ({ finishReason, usage }: CompleteResult): (Json | "[DONE]")[] => [
    answer("", FINISH[finishReason]),
    ...(withUsage(body) ? [{ ...answer("", null), choices: [], usage: usageOf(usage) }] : []),
    "[DONE]",
  ];
  return events(context.complete({ ...params, signal }), () => [], ({ delta, logprobs }) => [answer(delta, null, logprobs)], ended);
}

/** Log-probabilities in the older form of `completions`. */
function listed(all: Logprobs): Json {
  let offset = 0;
  return {
    tokens: all.map(({ token }) => token),
    token_logprobs: all.map(({ logprob }) => logprob),
    top_logprobs: all.map(({ topLogprobs }) => Object.fromEntries(topLogprobs.map(({ token, logprob }) => [token, logprob]))),
    text_offset: all.map(({ token }) => (offset += token.length) - token.length),
  };
}
