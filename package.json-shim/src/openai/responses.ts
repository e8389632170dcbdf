// The endpoint `responses`: its items as messages, and answers as items.

import type { ChatParams, ChatResult, Message, ToolCallMessage } from "../generated/contract.js";
import { partOf } from "./messages.js";
import { ItemCutter } from "./items.js";
import { effortParams, events, eventText, invalid, type Json, json, newId, type Request, seconds, sharedParams } from "./shared.js";

/** Members of the request that are not the params of a chat. */
const OWN = ["instructions", "max_output_tokens", "reasoning", "text", "include", "truncation", "background", "prompt_cache_key", "max_tool_calls", "conversation", "previous_response_id"];

export async function responses({ models, model, body, signal }: Request): Promise<Response> {
  for (const name of ["previous_response_id", "conversation", "background", "prompt"]) {
    if (body[name]) throw invalid(name, "Nothing is stored: send the whole conversation as input.");
  }
  if (body["top_logprobs"] || [body["include"] ?? []].flat().some((name) => String(name).includes("logprobs"))) {
    throw invalid(body["top_logprobs"] ? "top_logprobs" : "include", "Log-probabilities are given by chat/completions only.");
  }
  const shared = sharedParams(Object.fromEntries(Object.entries(body).filter(([name]) => !OWN.includes(name))));
  const most = body["max_output_tokens"];
  const params = {
    ...truncationParams(body["truncation"]),
    ...shared,
    ...effortParams((body["reasoning"] as Json | null | undefined)?.["effort"]),
    ...formatParams(body["text"] as Json | null | undefined),
    ...toolParams(body),
    ...(typeof most === "number" && { maxTokens: most }),
    messages: messagesOf(body["instructions"], body["input"]),
  } as unknown as Omit<ChatParams, "contextId">;
  const context = await models.context(model, "text", signal);
  const head = headOf(body, model);
  const cutter = new ItemCutter(body["parallel_tool_calls"] === false);
  if (body["stream"] !== true) {
    const result = await context.chat({ ...params, stream: false, signal });
    cutter.whole(result);
    return json({ ...head, ...ended(result), output: cutter.items });
  }
  let number = 0;
  const text = (event: Json): string => {
    event["sequence_number"] = number++;
    return eventText(event);
  };
  const state = (type: string, response: Json): Json => ({ type: `response.${type}`, response: { ...head, ...response } });
  const begin = [state("created", {}), state("in_progress", {})].map(text).join("");
  const end = (result: ChatResult): string => {
    const closed = cutter.end(result);
    const last = ended(result);
    return [...closed, state(last.status, { ...last, output: cutter.items })].map(text).join("");
  };
  return events(context.chat({ ...params, signal }), signal, begin, (piece) => cutter.cut(piece).map(text).join(""), end);
}

/** What happens with an input that does not fit. */
function truncationParams(truncation: unknown): Json {
  if (truncation === undefined || truncation === null || truncation === "disabled") return {};
  if (truncation === "auto") return { contextOverflow: "truncateMiddle" };
  throw invalid("truncation", "It is either auto or disabled.");
}

function headOf(body: Json, model: string): Json {
  const { instructions = null, temperature = null, top_p = null, tools = [], tool_choice = "auto", metadata = {}, parallel_tool_calls = true, truncation = "disabled" } = body;
  const same = { instructions, temperature, top_p, tools, tool_choice, metadata, parallel_tool_calls, truncation };
  const none = { error: null, incomplete_details: null, usage: null, previous_response_id: null };
  const now = seconds();
  return { id: newId("resp"), object: "response", created_at: now, status: "in_progress", model, output: [], ...same, ...none };
}

function ended({ finishReason, usage }: ChatResult) {
  const cut = finishReason === "length" || finishReason === "contextFull";
  const { promptTokens, cachedTokens, completionTokens, reasoningTokens = 0 } = usage;
  return {
    status: cut ? "incomplete" : "completed",
    incomplete_details: cut ? { reason: "max_output_tokens" } : null,
    usage: {
      input_tokens: promptTokens,
      input_tokens_details: { cached_tokens: cachedTokens },
      output_tokens: completionTokens,
      output_tokens_details: { reasoning_tokens: reasoningTokens },
      total_tokens: promptTokens + completionTokens,
    },
  };
}

function formatParams(text: Json | null | undefined): Json {
  const format = text?.["format"] as Json | undefined;
  if (format?.["type"] === "json_schema") return { jsonSchema: format["schema"] };
  return format?.["type"] === "json_object" ? { responseFormat: { type: "json_object" } } : {};
}

function toolParams({ tools, tool_choice: choice }: Json): Json {
  if (!Array.isArray(tools) || tools.length === 0) return {};
  const ours = (tools as Json[]).map((tool) => {
    if (tool["type"] !== "function") throw invalid("tools", `A tool of the type ${String(tool["type"])} runs on OpenAI's servers only.`);
    const { name, description, parameters } = tool;
    return { type: "function", function: { name, ...(description != null && { description }), ...(parameters != null && { parameters }) } };
  });
  if (choice === undefined || choice === null) return { tools: ours };
  const named = (choice as Json)["name"];
  return { tools: ours, toolChoice: named === undefined ? choice : { type: "function", function: { name: named } } };
}

/** Items of a conversation: calls and reasoning belong to the message of the assistant that they stand beside. */
const contentOf = (content: unknown): Message["content"] =>
  Array.isArray(content) ? (content as Json[]).map(partOf) : String(content ?? "");

function messagesOf(instructions: unknown, input: unknown): Message[] {
  const messages: Message[] = typeof instructions === "string" ? [{ role: "system", content: instructions }] : [];
  if (typeof input === "string") return [...messages, { role: "user", content: input }];
  if (!Array.isArray(input)) throw invalid("input", "A text or a list of items is needed.");
  let open: Message | undefined; // the assistant's turn that the next items belong to
  const turn = (): Message => {
    if (!open) messages.push((open = { role: "assistant", content: "" }));
    return open;
  };
  for (const item of input as Json[]) {
    const { type = "message", role, content } = item;
    if (type === "function_call") {
      const call = { id: item["call_id"], type: "function", function: { name: item["name"], arguments: item["arguments"] } } as ToolCallMessage;
      turn().toolCalls = [...(turn().toolCalls ?? []), call];
    } else if (type === "reasoning") {
      const said = [...((item["content"] as Json[] | undefined) ?? [])].map(({ text }) => text).join("");
      if (said !== "") turn().reasoningContent = said;
    } else if (type === "function_call_output") {
      open = undefined;
      messages.push({ role: "tool", toolCallId: String(item["call_id"]), content: contentOf(item["output"]) });
    } else if (type === "message" && role === "assistant") {
      if (open?.content || open?.toolCalls) open = undefined;
      turn().content = textOf(content);
    } else if (type === "message") {
      open = undefined;
      messages.push({ role: role as Message["role"], content: contentOf(content) });
    } else {
      throw invalid("input", `An item of the type ${String(type)} cannot be sent to a model.`);
    }
  }
  return messages;
}

const textOf = (content: unknown): string =>
  Array.isArray(content) ? (content as Json[]).map((part) => partOf(part).text ?? "").join("") : String(content ?? "");
