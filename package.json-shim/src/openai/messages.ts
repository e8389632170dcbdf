// Messages and tools of chat completions, in both directions.

import type { AssistantMessage, ContentPart, Message, ToolCallMessage } from "../generated/contract.js";
import { invalid, type Json } from "./shared.js";

interface WireMessage {
  role: Message["role"];
  content?: string | Json[] | null;
  name?: string;
  reasoning_content?: string | null;
  tool_calls?: ToolCallMessage[] | null;
  tool_call_id?: string;
}

export function messagesOf(messages: unknown): Message[] {
  if (!Array.isArray(messages)) throw invalid("messages", "A list of messages is needed.");
  return (messages as WireMessage[]).map((message) => {
    const { role, content, name, reasoning_content, tool_calls, tool_call_id } = message;
    return {
      role,
      content: Array.isArray(content) ? content.map(partOf) : (content ?? (tool_calls ? null : "")),
      ...(name !== undefined && { name }),
      ...(reasoning_content && { reasoningContent: reasoning_content }),
      ...(tool_calls && { toolCalls: tool_calls.map(({ id, function: called }) => ({ ...(id !== undefined && { id }), type: "function" as const, function: called })) }),
      ...(tool_call_id !== undefined && { toolCallId: tool_call_id }),
    };
  });
}

/** A part of a message; the parts of `responses` have other names. */
export function partOf(part: Json): ContentPart {
  switch (part["type"]) {
    case "text":
    case "input_text":
    case "output_text":
      return { type: "text", text: String(part["text"]) };
    case "refusal":
      return { type: "text", text: String(part["refusal"]) };
    case "image_url":
      return { type: "image_url", imageUrl: part["image_url"] as { url: string } };
    case "input_image":
      return { type: "image_url", imageUrl: { url: String(part["image_url"]) } };
    case "input_audio":
      return { type: "input_audio", inputAudio: part["input_audio"] as { data: string; format: string } };
    default:
      throw invalid("messages", `A part of the type ${String(part["type"])} cannot be sent to a model.`);
  }
}

/** `single`: only the first call is told, as `parallel_tool_calls: false` says. */
export function messageOf({ content, reasoningContent, toolCalls: all }: AssistantMessage, single: boolean): Json {
  const toolCalls = single ? all?.slice(0, 1) : all;
  return {
    role: "assistant",
    content: content === "" && toolCalls ? null : content,
    refusal: null,
    ...(reasoningContent !== undefined && { reasoning_content: reasoningContent }),
    ...(toolCalls && { tool_calls: toolCalls }),
  };
}
