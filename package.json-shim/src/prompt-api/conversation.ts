// What was said in a session, and what the model makes of it.

import type { SidecarError } from "../client/errors.js";
import type { Context } from "../client/model.js";
import type { AssistantMessage, ChatParams, Message, TemplateParams } from "../generated/contract.js";
import { type RunToolsResult, runTools, type ToolEvent } from "../tools/loop.js";
import { quotaExceeded } from "./errors.js";
import { type Said, saidOf } from "./messages.js";
import type { Settings } from "./options.js";
import type { PromptInput } from "./types.js";

/** Where room is made, this part of the context is left for the answer, if that can be. */
const ANSWER_PART = 1 / 4;

/** Params of `chat` for all answers. */
export type AnswerParams = Omit<ChatParams, "contextId" | "messages" | "tools" | "toolChoice">;

/** What a conversation is had with. */
export interface Setting {
  context: Context;
  settings: Settings;
  params: AnswerParams;
  /** Called when something was removed to make room. */
  onOverflow: () => void;
}

export class Conversation {
  readonly #setting: Setting;
  #messages: readonly Message[] = [];
  /** Messages at the beginning that are never removed. */
  #kept = 0;
  #usage = 0;

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  /** Tokens, as the program counted them last. */
  get usage(): number {
    return this.#usage;
  }

  get size(): number {
    return this.#setting.context.contextSize;
  }

  get settings(): Settings {
    return this.#setting.settings;
  }

  /** The same conversation, with something else to call when there is no room. */
  copy(onOverflow: () => void): Conversation {
    const copy = new Conversation({ ...this.#setting, onOverflow });
    copy.#messages = this.#messages;
    copy.#kept = this.#kept;
    copy.#usage = this.#usage;
    return copy;
  }

  said(input: PromptInput): Promise<Said> {
    return saidOf(input, this.settings.types, this.#messages.length > 0);
  }

  /** Evaluate what it begins with. */
  async begin({ messages }: Said, signal: AbortSignal): Promise<void> {
    await this.evaluate(messages, signal);
    this.#kept = messages.length;
  }

  /** The tokens that it would have more. */
  async measure(said: readonly Message[], signal: AbortSignal): Promise<number> {
    return Math.max(0, (await this.#count([...this.#messages, ...said], signal)) - this.#usage);
  }

  /** Say something that is answered later. */
  async evaluate(said: readonly Message[], signal: AbortSignal): Promise<void> {
    const { context, params } = this.#setting;
    const asked = { maxTokens: 0, stream: false, addGenerationPrompt: false, signal } as const;
    const usage = await this.#fitting(said, signal, async (messages) => {
      try {
        return (await context.chat({ ...params, ...this.#templateParams(), ...asked, messages })).usage.promptTokens;
      } catch (error) {
        if (kindOf(error) === "promptTooLong") throw error;
        return this.#countTexts(messages, signal, error);
      }
    });
    signal.throwIfAborted();
    this.#messages = [...this.#messages, ...said];
    this.#usage = usage;
  }

  /** Say something and get the answer, also that after the model's calls. */
  async ask(said: Said, constraint: object, signal: AbortSignal, onText: (delta: string) => void): Promise<string> {
    let text = "";
    const onEvent = (event: ToolEvent) => {
      if (event.type !== "progress" || event.progress.progressType !== "generate" || event.progress.segment !== "text") return;
      text += event.progress.delta;
      onText(event.progress.delta);
    };
    const { messages, steps } = await this.#fitting(said.messages, signal, (all) => this.#run(all, said.prefix, constraint, signal, onEvent));
    signal.throwIfAborted();
    this.#messages = said.prefix ? joined(messages, this.#messages.length + said.messages.length) : messages;
    const usage = steps.at(-1)?.usage;
    if (usage) this.#usage = Math.min(this.size, usage.promptTokens + usage.completionTokens);
    return text;
  }

  /** Only the first step goes on with a message that was begun, and can be repeated when room was made. */
  async #run(messages: Message[], prefix: boolean, constraint: object, signal: AbortSignal, onEvent: (event: ToolEvent) => void): Promise<RunToolsResult> {
    const { context, params, settings } = this.#setting;
    const { tools, topK, temperature } = settings;
    let step = 0;
    const chat: Context["chat"] = (args) => context.chat(++step === 1 && prefix ? { ...args, continueFinalMessage: true } : args);
    try {
      return await runTools({ topK, temperature, ...params, ...constraint, context: { chat }, messages, tools, signal, onEvent });
    } catch (error) {
      if (step > 1 && kindOf(error) === "promptTooLong") throw quotaExceeded(tokensOf(error), this.size, error);
      throw error;
    }
  }

  /** Does work with all messages. If they do not fit, the oldest questions and answers are removed. */
  async #fitting<T>(said: readonly Message[], signal: AbortSignal, work: (messages: Message[]) => Promise<T>): Promise<T> {
    try {
      return await work([...this.#messages, ...said]);
    } catch (error) {
      if (kindOf(error) !== "promptTooLong") throw error;
      await this.#makeRoom(said, signal, error);
    }
    this.#setting.onOverflow();
    return work([...this.#messages, ...said]);
  }

  /** Removes as few turns as will do: a search by halves, as each count reads the whole conversation. */
  async #makeRoom(said: readonly Message[], signal: AbortSignal, cause: unknown): Promise<void> {
    const kept = Math.max(this.#kept, this.#messages[0]?.role === "system" ? 1 : 0);
    const [first, rest] = [this.#messages.slice(0, kept), this.#messages.slice(kept)];
    const cuts = [...rest.flatMap(({ role }, i) => (i > 0 && role === "user" ? [i] : [])), rest.length];
    const without = (cut: number) => [...first, ...rest.slice(cuts[cut])];
    const needed = (messages: readonly Message[]) => this.#count([...messages, ...said], signal, true);
    let [low, high] = [0, cuts.length - 1];
    const least = rest.length > 0 ? await needed(without(high)) : Infinity;
    if (least > this.size) throw quotaExceeded(await needed(this.#messages), this.size, cause);
    const most = Math.max(least, Math.floor(this.size * (1 - ANSWER_PART)));
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((await needed(without(middle))) <= most) high = middle;
      else low = middle + 1;
    }
    this.#messages = without(high);
  }

  async #count(messages: Message[], signal: AbortSignal, addGenerationPrompt = false): Promise<number> {
    try {
      return (await this.#setting.context.countTokens({ ...this.#templateParams(), messages, addGenerationPrompt, signal })).tokens;
    } catch (error) {
      return this.#countTexts(messages, signal, error);
    }
  }

  /** About as many tokens, where the template takes no conversation that has no question yet. */
  async #countTexts(messages: Message[], signal: AbortSignal, error: unknown): Promise<number> {
    if (kindOf(error) === "promptTooLong") return tokensOf(error); // more than can be counted
    if (kindOf(error) !== "templateFailed") throw error;
    const text = messages.map(({ content }) => (typeof content === "string" ? content : "")).join("\n");
    return (await this.#setting.context.model.tokenize({ text, signal })).tokens.length;
  }

  /** The params that decide how messages become a prompt. */
  #templateParams(): Omit<TemplateParams, "messages"> {
    const { settings, params } = this.#setting;
    const { templateVariables, chatTemplate, reasoning } = params;
    const tools = settings.tools.map(({ name, description, parameters }) => ({ type: "function", function: { name, description, parameters } }));
    const all = { templateVariables, chatTemplate, reasoning, tools: tools.length > 0 ? tools : undefined };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  }
}

/** Of `promptTooLong`. */
const tokensOf = (error: unknown): number => Number((error as SidecarError).data.value);

const kindOf = (error: unknown): string | undefined => (error as { kind?: string }).kind;

/** The messages, where the one that was begun and the next one, which ends it, are one. */
function joined(messages: readonly Message[], end: number): Message[] {
  const [begun, rest] = [messages[end - 1], messages[end]] as [AssistantMessage, AssistantMessage];
  return [...messages.slice(0, end - 1), { ...rest, content: `${begun.content}${rest.content}` }, ...messages.slice(end + 1)];
}
