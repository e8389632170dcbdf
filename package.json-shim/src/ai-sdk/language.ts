// A language model for the AI SDK.

import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
  LanguageModelV4StreamResult,
  LanguageModelV4Usage,
} from "@ai-sdk/provider" with { "resolution-mode": "import" };
import { type Cutter, readableOf } from "../client/readable.js";
import type { ChatResult, FinishReason, GenerateProgress, Usage } from "../generated/contract.js";
import type { LoadedModels } from "../loaded-models.js";
import { chatParams, metadata, NAME } from "./params.js";

const REASONS: Record<FinishReason, LanguageModelV4FinishReason["unified"]> = {
  stop: "stop",
  toolCalls: "tool-calls",
  length: "length",
  contextFull: "length",
};

export class LanguageModel implements LanguageModelV4 {
  readonly specificationVersion = "v4";
  readonly provider = NAME;
  readonly supportedUrls = {}; // the AI SDK downloads files: nothing here asks a server
  readonly modelId: string;
  readonly #models: LoadedModels;

  constructor(models: LoadedModels, modelId: string) {
    this.#models = models;
    this.modelId = modelId;
  }

  async doGenerate(options: LanguageModelV4CallOptions): Promise<LanguageModelV4GenerateResult> {
    const { params, warnings } = chatParams(options);
    const signal = options.abortSignal;
    const context = await this.#models.context(this.modelId, "text", signal);
    const result = await context.chat({ ...params, stream: false, signal });
    if (result.reasoningEffort === null) {
      warnings.push({ type: "unsupported", feature: "reasoning", details: "This model cannot reason." });
    }
    const { content: text, reasoningContent, toolCalls = [] } = result.message;
    const content: LanguageModelV4Content[] = [];
    if (reasoningContent) content.push({ type: "reasoning", text: reasoningContent });
    if (text) content.push({ type: "text", text });
    for (const { id, function: called } of toolCalls) {
      content.push({ type: "tool-call", toolCallId: id, toolName: called.name, input: called.arguments });
    }
    return {
      content,
      ...ending(result),
      request: { body: params },
      response: { modelId: this.modelId, timestamp: new Date(), body: result },
      warnings,
    };
  }

  async doStream(options: LanguageModelV4CallOptions): Promise<LanguageModelV4StreamResult> {
    const { params, warnings } = chatParams(options);
    const signal = options.abortSignal;
    const context = await this.#models.context(this.modelId, "text", signal);
    const cutter = new PartCutter();
    const raw = options.includeRawChunks === true;
    const first: LanguageModelV4StreamPart[] = [
      { type: "stream-start", warnings },
      { type: "response-metadata", modelId: this.modelId, timestamp: new Date() },
    ];
    const parts: Cutter<GenerateProgress, ChatResult, LanguageModelV4StreamPart> = {
      piece(piece, send) {
        if (raw) send({ type: "raw", rawValue: piece });
        cutter.add(piece, send);
      },
      end(result, send) {
        if (raw) send({ type: "raw", rawValue: result });
        cutter.end(result, send);
      },
      failed(error, send) {
        if (signal?.aborted) throw error;
        send({ type: "error", error });
      },
    };
    const stream = readableOf(context.chat({ ...params, signal }), parts, first);
    return { stream, request: { body: params } };
  }
}

type Send = (part: LanguageModelV4StreamPart) => void;

/** Cuts the pieces of an answer into the AI SDK's parts: each segment has a start, deltas and an end. */
class PartCutter {
  #open: { kind: "text" | "reasoning" | "tool-input"; id: string } | undefined;
  #count = 0;

  add(piece: GenerateProgress, send: Send): void {
    const { segment, delta, toolCall } = piece;
    const kind = segment === "toolCall" ? "tool-input" : segment;
    if (this.#open?.kind !== kind || (toolCall && this.#open.id !== toolCall.id)) {
      this.#close(send);
      if (toolCall) send({ type: "tool-input-start", id: toolCall.id, toolName: toolCall.name });
      const id = toolCall?.id ?? `${++this.#count}`;
      if (kind !== "tool-input") send({ type: `${kind}-start`, id });
      this.#open = { kind, id };
    }
    if (delta !== "") send({ type: `${kind}-delta`, id: this.#open.id, delta });
  }

  end(result: ChatResult, send: Send): void {
    this.#close(send);
    for (const { id, function: called } of result.message.toolCalls ?? []) {
      send({ type: "tool-call", toolCallId: id, toolName: called.name, input: called.arguments });
    }
    send({ type: "finish", ...ending(result) });
  }

  #close(send: Send): void {
    if (this.#open) send({ type: `${this.#open.kind}-end`, id: this.#open.id });
    this.#open = undefined;
  }
}

function ending({ finishReason, usage, timings, seed, stopString, reasoningEffort }: ChatResult) {
  return {
    finishReason: { unified: REASONS[finishReason], raw: finishReason },
    usage: usageOf(usage),
    providerMetadata: metadata({ seed, stopString, timings, ...(reasoningEffort !== undefined && { reasoningEffort }) }),
  };
}

function usageOf(usage: Usage): LanguageModelV4Usage {
  const { promptTokens: total, cachedTokens: cacheRead, completionTokens, reasoningTokens: reasoning = 0 } = usage;
  return {
    inputTokens: { total, noCache: total - cacheRead, cacheRead, cacheWrite: undefined },
    outputTokens: { total: completionTokens, text: completionTokens - reasoning, reasoning },
    raw: { ...usage },
  };
}
