// The items of a response, and the events in which they come.

import type { ChatResult, GenerateProgress } from "../generated/contract.js";
import { type Json, newId } from "./shared.js";

type Kind = "text" | "reasoning" | "toolCall";

/** An item that is being written. */
interface Open {
  kind: Kind;
  /** The index of the call, for its next pieces. */
  call: number | undefined;
  item: Json;
  /** Where it is, as its events say. */
  place: Json;
  text: string;
}

/** The names of the events, without their ending. */
const EVENTS: Record<Kind, string> = {
  text: "response.output_text",
  reasoning: "response.reasoning_text",
  toolCall: "response.function_call_arguments",
};

/** Cuts the pieces of an answer into items and events. */
export class ItemCutter {
  readonly items: Json[] = [];
  readonly #single: boolean;
  #open: Open | undefined;

  /** `single`: only the first call is told, as `parallel_tool_calls: false` says. */
  constructor(single: boolean) {
    this.#single = single;
  }

  cut({ segment, delta, toolCall }: GenerateProgress): Json[] {
    if (this.#single && toolCall && toolCall.index > 0) return [];
    const found: Json[] = [];
    if (this.#open?.kind !== segment || this.#open.call !== toolCall?.index) {
      found.push(...this.#close("completed"), ...this.#begin(segment, toolCall));
    }
    const open = this.#open as Open;
    open.text += delta;
    if (delta !== "") found.push({ type: `${EVENTS[segment]}.delta`, ...open.place, delta, ...(segment === "text" && { logprobs: [] }) });
    return found;
  }

  /** The last events before the state of the response. A call that was cut off is no item of the result. */
  end({ finishReason, message }: ChatResult): Json[] {
    const found = this.#close(finishReason === "stop" || finishReason === "toolCalls" ? "completed" : "incomplete");
    const calls = new Set(message.toolCalls?.map(({ id }) => id));
    const kept = this.items.filter(({ type, call_id }) => type !== "function_call" || calls.has(String(call_id)));
    this.items.splice(0, this.items.length, ...kept);
    return found;
  }

  /** All items of a result that came at once. */
  whole(result: ChatResult): void {
    const { content, reasoningContent, toolCalls = [] } = result.message;
    const piece = { requestId: 0, progressType: "generate", progress: null, completionTokens: 0 } as const;
    if (reasoningContent) this.cut({ ...piece, segment: "reasoning", delta: reasoningContent });
    if (content) this.cut({ ...piece, segment: "text", delta: content });
    for (const [index, { id, function: called }] of toolCalls.entries()) {
      this.cut({ ...piece, segment: "toolCall", delta: called.arguments, toolCall: { index, id, name: called.name } });
    }
    this.end(result);
  }

  #begin(kind: Kind, call: GenerateProgress["toolCall"]): Json[] {
    const item: Json =
      kind === "toolCall"
        ? { type: "function_call", id: newId("fc"), call_id: call?.id, name: call?.name, arguments: "", status: "in_progress" }
        : kind === "text"
          ? { type: "message", id: newId("msg"), role: "assistant", content: [], status: "in_progress" }
          : { type: "reasoning", id: newId("rs"), summary: [], content: [], status: "in_progress" };
    const output_index = this.items.push(item) - 1;
    const place: Json = { item_id: item["id"], output_index, ...(kind !== "toolCall" && { content_index: 0 }) };
    this.#open = { kind, call: call?.index, item, place, text: "" };
    const added: Json = { type: "response.output_item.added", output_index, item: { ...item } };
    if (kind === "toolCall") return [added];
    return [added, { type: "response.content_part.added", ...place, part: partOf(kind, "") }];
  }

  #close(status: "completed" | "incomplete"): Json[] {
    const open = this.#open;
    if (!open) return [];
    this.#open = undefined;
    const { kind, item, place, text } = open;
    item["status"] = status;
    const found: Json[] = [];
    if (kind === "toolCall") {
      item["arguments"] = text;
      found.push({ type: `${EVENTS[kind]}.done`, ...place, name: item["name"], arguments: text });
    } else {
      const part = partOf(kind, text);
      item["content"] = [part];
      found.push({ type: `${EVENTS[kind]}.done`, ...place, text, ...(kind === "text" && { logprobs: [] }) });
      found.push({ type: "response.content_part.done", ...place, part });
    }
    return [...found, { type: "response.output_item.done", output_index: this.items.length - 1, item: { ...item } }];
  }
}

function partOf(kind: Kind, text: string): Json {
  return kind === "text" ? { type: "output_text", text, annotations: [], logprobs: [] } : { type: "reasoning_text", text };
}
