// The loop of a model with tools: ask, run the calls, give back what they returned, ask again.

import { unlessAborted } from "../client/aborting.js";
import { AbortError } from "../client/errors.js";
import type { Context } from "../client/model.js";
import type {
  AssistantMessage,
  ChatParams,
  ChatResult,
  Message,
  RequestMap,
  Tool,
  ToolCall,
  ToolFunction,
} from "../generated/contract.js";

/** Steps of a run that does not set `maxSteps`. */
export const DEFAULT_STEPS = 8;

/** Calls of one answer that run at the same time. */
export const CALLS_AT_ONCE = 8;

const ABORTED = "The run was aborted.";

/** A function that the model may call, and what it does. */
export interface RunnableTool extends Pick<ToolFunction, "name" | "description" | "parameters"> {
  /**
   * Does the call. `args` fits `parameters`. A string goes to the model as it is, any other value as JSON. What it
   * throws goes to the model as an error, and the run goes on.
   */
  run(args: never, options: { call: ToolCall; signal: AbortSignal }): unknown;
}

type ChatProgress = RequestMap["chat"]["progress"];

/** What happens in a run. `step` counts from 1. */
export type ToolEvent =
  | { type: "progress"; step: number; progress: ChatProgress }
  | { type: "call"; step: number; call: ToolCall }
  | { type: "answer"; step: number; call: ToolCall; content: string; error?: unknown }
  | { type: "step"; step: number; result: ChatResult }
  /** The model wrote a call that cannot be run. It is told why, and the step counts. */
  | { type: "wrongCall"; step: number; error: Error };

/** The params of `chat`, and what the loop needs. `toolChoice` holds for the first step; the others have `auto`. */
export interface RunToolsOptions extends Omit<ChatParams, "contextId" | "tools"> {
  context: Pick<Context, "chat">;
  tools: readonly RunnableTool[];
  /** Answers of the model, at most. Default: DEFAULT_STEPS. */
  maxSteps?: number;
  /** Aborts the run: the answer that is being generated, and the tools that listen to their signal. */
  signal?: AbortSignal | undefined;
  /** Called with everything that happens. If it throws, the run fails with that error. */
  onEvent?: ((event: ToolEvent) => void) | undefined;
}

export interface RunToolsResult {
  /** The given messages, and all that followed: send them with the next question. */
  messages: Message[];
  /** The last answer of the model. */
  message: AssistantMessage;
  /** Why the last answer ended, or `maxSteps`: its calls have run, but the model has not seen what they returned. */
  finishReason: ChatResult["finishReason"] | "maxSteps";
  /** The result of each step whose calls could be run. */
  steps: ChatResult[];
}

/** Let the model answer with the help of tools. Rejects with an AbortError when the signal aborts. */
export async function runTools(options: RunToolsOptions): Promise<RunToolsResult> {
  const { context, messages: given, tools, maxSteps = DEFAULT_STEPS, signal, onEvent, toolChoice, ...params } = options;
  const known = new Map(tools.map((tool) => [tool.name, tool]));
  const offered = tools.map(({ name, description, parameters }): Tool => {
    const optional = { ...(description != null && { description }), ...(parameters != null && { parameters }) };
    return { type: "function", function: { name, ...optional } };
  });
  const messages: Message[] = [...given];
  const steps: ChatResult[] = [];
  let wrong: unknown;
  for (let step = 1; step <= maxSteps; step++) {
    const choice = step === 1 ? toolChoice : undefined;
    const onProgress = (progress: ChatProgress) => onEvent?.({ type: "progress", step, progress });
    let result: ChatResult;
    try {
      result = await context.chat({
        ...params,
        messages,
        ...(offered.length > 0 && { tools: offered }),
        ...(choice !== undefined && { toolChoice: choice }),
        signal,
        ...(onEvent && { onProgress }),
      });
    } catch (error) {
      wrong = error;
      messages.push(...explained(error));
      onEvent?.({ type: "wrongCall", step, error: error as Error });
      continue;
    }
    steps.push(result);
    messages.push(result.message);
    onEvent?.({ type: "step", step, result });
    const { message, finishReason } = result;
    if (!message.toolCalls) return { messages, message, finishReason, steps };
    const run = (call: ToolCall) => runCall(known.get(call.function.name), call, step, signal, onEvent);
    messages.push(...(await inTurn(message.toolCalls, CALLS_AT_ONCE, run)));
  }
  const last = steps.at(-1);
  if (!last) throw wrong ?? new RangeError("maxSteps must be at least 1.");
  return { messages, message: last.message, finishReason: "maxSteps", steps };
}

/** Runs one call. Returns the message with its answer. */
async function runCall(
  tool: RunnableTool | undefined,
  call: ToolCall,
  step: number,
  signal: AbortSignal | undefined,
  onEvent: RunToolsOptions["onEvent"],
): Promise<Message> {
  const { name, arguments: text } = call.function;
  onEvent?.({ type: "call", step, call });
  let content: string;
  let failure: { error?: unknown } = {};
  try {
    if (!tool) throw new Error(`There is no tool ${name}.`);
    const listened = signal ?? new AbortController().signal;
    content = asText(await unlessAborted(listened, ABORTED, () => tool.run(JSON.parse(text) as never, { call, signal: listened })));
  } catch (error) {
    if (signal?.aborted) throw new AbortError(ABORTED, { cause: signal.reason });
    content = `Error: ${error instanceof Error ? error.message : String(error)}`;
    failure = { error };
  }
  onEvent?.({ type: "answer", step, call, content, ...failure });
  return { role: "tool", name, toolCallId: call.id, content };
}

/** What tells the model that its call was wrong. Any other error is thrown again. */
function explained(error: unknown): Message[] {
  const { kind, message, data } = error as { kind?: string; message: string; data?: { partial?: { text?: string }; value?: unknown } };
  if (kind !== "unknownTool" && kind !== "invalidToolArguments") throw error;
  const said = [data?.partial?.text, typeof data?.value === "string" ? data.value : ""].filter(Boolean).join("\n");
  return [
    { role: "assistant", content: said || "(a call)" },
    { role: "user", content: `Error: ${message} Call the tool again, or answer without it.` },
  ];
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "null");
}

/** The results of all items in their order; at most `most` of them are worked on at the same time. */
async function inTurn<A, B>(items: readonly A[], most: number, work: (item: A) => Promise<B>): Promise<B[]> {
  const results: B[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      try {
        results[index] = await work(items[index] as A);
      } catch (error) {
        next = items.length; // no other item begins
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
  return results;
}
