// The AI SDK's call options as params of `chat`, with warnings for what is not passed on.

import type {
  JSONObject,
  LanguageModelV4CallOptions,
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4ToolResultOutput,
  SharedV4Warning,
} from "@ai-sdk/provider" with { "resolution-mode": "import" };
import { base64Of } from "../base64.js";
import { SidecarError } from "../client/errors.js";
import type { ChatParams, ContentPart, Message, Tool, ToolCallMessage } from "../generated/contract.js";
import { reasoningOf } from "../reasoning.js";

/** The name of this provider, and of its entry in `providerOptions`. */
export const NAME = "llamaSidecar";

export type Params = Omit<ChatParams, "contextId">;

export interface Converted {
  params: Params;
  warnings: SharedV4Warning[];
}

/** The params of `chat` for a call. Members of `providerOptions.llamaSidecar` are params, too, and come last. */
export function chatParams(options: LanguageModelV4CallOptions): Converted {
  const warnings: SharedV4Warning[] = [];
  const { responseFormat, reasoning, seed } = options;
  const params: Record<string, unknown> = {
    messages: options.prompt.flatMap(messagesOf),
    maxTokens: options.maxOutputTokens,
    temperature: options.temperature,
    topP: options.topP,
    topK: options.topK,
    presencePenalty: options.presencePenalty,
    frequencyPenalty: options.frequencyPenalty,
    seed,
    stop: options.stopSequences?.length ? options.stopSequences : undefined,
    ...toolParams(options, warnings),
    ...(reasoning !== undefined && reasoning !== "provider-default" && reasoningOf(reasoning)),
  };
  if (responseFormat?.type === "json") {
    if (responseFormat.schema) params["jsonSchema"] = responseFormat.schema;
    else params["responseFormat"] = { type: "json_object" };
    if (params["tools"] !== undefined && params["toolChoice"] === undefined) {
      const details = "The whole answer is JSON, so the model cannot call a tool in the same step. Require a tool in the steps that call one.";
      warnings.push({ type: "compatibility", feature: "responseFormat with tools", details });
    }
  }
  Object.assign(params, options.providerOptions?.[NAME]);
  const set = Object.entries(params).filter(([, value]) => value !== undefined);
  return { params: Object.fromEntries(set) as unknown as Params, warnings };
}

function toolParams({ tools, toolChoice }: LanguageModelV4CallOptions, warnings: SharedV4Warning[]): Partial<Params> {
  const functions: Tool[] = [];
  for (const tool of tools ?? []) {
    if (tool.type === "function") {
      const { name, description, inputSchema } = tool;
      const parameters = inputSchema as Record<string, unknown>;
      functions.push({ type: "function", function: { name, ...(description !== undefined && { description }), parameters } });
    } else {
      warnings.push({ type: "unsupported", feature: `tool ${tool.name}`, details: "Only the provider that defines it can run it." });
    }
  }
  if (functions.length === 0) return {};
  if (toolChoice === undefined || toolChoice.type === "auto") return { tools: functions };
  const choice = toolChoice.type === "tool" ? ({ type: "function", function: { name: toolChoice.toolName } } as const) : toolChoice.type;
  return { tools: functions, toolChoice: choice };
}

function messagesOf(message: LanguageModelV4Message): Message[] {
  if (message.role === "system") return [{ role: "system", content: message.content }];
  if (message.role === "user") {
    const parts = message.content.map((part): ContentPart => (part.type === "text" ? { type: "text", text: part.text } : fileOf(part)));
    const texts = parts.every(({ type }) => type === "text");
    return [{ role: "user", content: texts ? parts.map(({ text }) => text).join("\n") : parts }];
  }
  if (message.role === "tool") {
    return message.content.flatMap((part) =>
      part.type === "tool-result" ? [{ role: "tool", name: part.toolName, toolCallId: part.toolCallId, content: outputOf(part.output) }] : [],
    );
  }
  let content = "";
  let reasoningContent = "";
  const toolCalls: ToolCallMessage[] = [];
  for (const part of message.content) {
    if (part.type === "text") content += part.text;
    else if (part.type === "reasoning") reasoningContent += part.text;
    else if (part.type === "tool-call") {
      const input = typeof part.input === "string" ? part.input : JSON.stringify(part.input ?? {});
      toolCalls.push({ id: part.toolCallId, type: "function", function: { name: part.toolName, arguments: input } });
    }
  }
  if (content === "" && reasoningContent === "" && toolCalls.length === 0) return [];
  return [{ role: "assistant", content, ...(reasoningContent !== "" && { reasoningContent }), ...(toolCalls.length > 0 && { toolCalls }) }];
}

/** A file as a part of a message. Whether the model can see or hear it, the program decides. */
function fileOf({ data, mediaType, filename }: LanguageModelV4FilePart): ContentPart {
  if (data.type === "text") return { type: "text", text: data.text };
  if (data.type === "data" || data.type === "url") {
    const [kind, format = ""] = mediaType.split("/");
    const base64 = data.type === "url" ? undefined : typeof data.data === "string" ? data.data : base64Of(data.data);
    if (kind === "text" && base64 !== undefined) {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      return { type: "text", text: new TextDecoder().decode(bytes) };
    }
    if (kind === "image") {
      const url = base64 === undefined ? String((data as { url: URL }).url) : `data:${format === "*" || format === "" ? "image/png" : mediaType};base64,${base64}`;
      return { type: "image_url", imageUrl: { url } };
    }
    if (kind === "audio" && base64 !== undefined) return { type: "input_audio", inputAudio: { data: base64, format: format === "mpeg" ? "mp3" : format } };
  }
  throw new SidecarError("unsupportedContent", `The file ${filename ?? ""} of the type ${mediaType} cannot be sent to a model. Send text, an image or audio.`);
}

function outputOf(output: LanguageModelV4ToolResultOutput): string {
  switch (output.type) {
    case "text":
      return output.value;
    case "error-text":
      return `Error: ${output.value}`;
    case "json":
      return JSON.stringify(output.value);
    case "error-json":
      return `Error: ${JSON.stringify(output.value)}`;
    case "execution-denied":
      return `Error: ${output.reason ?? "The user did not allow this call."}`;
    default:
      return output.value.map((part) => (part.type === "text" ? part.text : `[${part.type === "file" ? part.mediaType : part.type}]`)).join("\n");
  }
}

/** Metadata of this provider in the AI SDK's form. */
export function metadata(values: object): Record<string, JSONObject> {
  return { [NAME]: values as JSONObject };
}
