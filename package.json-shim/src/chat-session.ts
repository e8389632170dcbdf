// The entry for conversations: the history of a chat, and what an app does with it.

import type { Context } from "./client/model.js";
import type { Stream } from "./client/stream.js";
import type { CallOptions } from "./client/calls.js";
import type {
  AssistantMessage,
  ChatParams,
  ChatResult,
  ContentPart,
  GenerateProgress,
  Message,
  PartialResult,
  RequestMap,
} from "./generated/contract.js";

/** Params of `chat` that a session can keep, or that one answer can set. */
export type AnswerOptions = Omit<ChatParams, "contextId" | "messages">;

export interface ChatSessionOptions extends AnswerOptions {
  context: Context;
  /** The system message. */
  system?: string;
  /** What was said before, without the system message. */
  messages?: readonly Message[];
}

/** An answer that is being generated: await it, loop over it, or do both. */
export type Answer = Stream<GenerateProgress, ChatResult>;

type AnswerCall = AnswerOptions & CallOptions<RequestMap["chat"]["progress"]>;

/** What a session was, as JSON. */
export interface SavedSession {
  version: 1;
  system?: string;
  messages: Message[];
  /** The file with what the model had computed. */
  statePath?: string;
}

/** Tokens of the conversation, and how many the context holds. */
export interface TokenMeter {
  used: number;
  size: number;
  left: number;
}

/** The draft that is being evaluated can be aborted; only the newest of the others waits. */
interface Preload {
  controller: AbortController;
  next: Message[] | undefined;
  /** Settles when no draft waits any more: for all calls of `preload` so far. */
  done: Promise<void>;
}

/** Why what a model had computed cannot be used further: the history can. */
const UNUSABLE: ReadonlySet<string> = new Set(["stateDamaged", "stateMismatch", "fileNotFound"]);

/** Begin a conversation, or go on with one. */
export function chatSession(options: ChatSessionOptions): ChatSession {
  return new ChatSession(options);
}

/** A conversation with a model. It sends the whole history each time; the context's cache makes that cheap. */
export class ChatSession {
  readonly context: Context;
  readonly #options: AnswerOptions;
  #system: string | undefined;
  #messages: Message[];
  #used = 0;
  #answering: Promise<unknown> | undefined;
  #preload: Preload | undefined;

  constructor({ context, system, messages = [], ...options }: ChatSessionOptions) {
    this.context = context;
    this.#system = system;
    this.#messages = [...messages];
    this.#options = options;
  }

  /** What was said, without the system message. Set it to change the history, for example after `runTools`. */
  get messages(): readonly Message[] {
    return this.#messages;
  }

  set messages(messages: readonly Message[]) {
    this.#notAnswering();
    this.#messages = [...messages];
  }

  /** Whether an answer is being generated. */
  get answering(): boolean {
    return this.#answering !== undefined;
  }

  /** The tokens after the last answer, as the program counted them; 0 are used before the first one. */
  get meter(): TokenMeter {
    return this.#meter(this.#used);
  }

  /**
   * Say something and get the answer. The history gets both when the answer has ended. If it is aborted, the history
   * gets what was said so far; if it fails or nothing was said, the history stays as it was.
   */
  send(said: string | ContentPart[] | Message | readonly Message[], options?: AnswerCall): Answer {
    return this.#answer(this.#messages, asMessages(said), options);
  }

  /** Another answer to the last question. The former one leaves the history when the new one has ended. */
  regenerate(options?: AnswerCall): Answer {
    const last = this.#lastQuestion();
    return this.#answer(this.#messages.slice(0, last), this.#messages.slice(last, last + 1), options);
  }

  /** Replace the question at `index` of `messages`, and all that followed it, by another question and its answer. */
  edit(index: number, said: string | ContentPart[], options?: AnswerCall): Answer {
    if (this.#messages[index]?.role !== "user") throw new RangeError(`Message ${index} is not one of the user.`);
    return this.#answer(this.#messages.slice(0, index), asMessages(said), options);
  }

  /**
   * Evaluate the history and what the user has typed so far, in the background: the answer then begins sooner. Call it
   * as often as you like: only the newest draft counts. Resolves when this draft, or a newer one, is evaluated.
   */
  async preload(draft = ""): Promise<void> {
    if (this.#answering) return;
    const messages = this.#all(this.#messages, draft === "" ? [] : asMessages(draft));
    if (messages.length === 0) return;
    if (this.#preload) {
      this.#preload.next = messages;
      this.#preload.controller.abort();
      return this.#preload.done;
    }
    const preload: Preload = { controller: new AbortController(), next: messages, done: Promise.resolve() };
    this.#preload = preload;
    preload.done = this.#evaluateNewest(preload);
    return preload.done;
  }

  /** Count the tokens of the conversation, with what the user has typed so far. Nothing is evaluated. */
  async count(draft = ""): Promise<TokenMeter> {
    const messages = this.#all(this.#messages, draft === "" ? [] : asMessages(draft));
    if (messages.length === 0) return this.#meter(0);
    const { tokens } = await this.context.countTokens({ ...this.#templateParams(), messages });
    return this.#meter(tokens);
  }

  /** A session with the same history and options that goes its own way. */
  fork(): ChatSession {
    const system = this.#system === undefined ? {} : { system: this.#system };
    const fork = new ChatSession({ ...this.#options, ...system, context: this.context, messages: this.#messages });
    fork.#used = this.#used;
    return fork;
  }

  /**
   * The conversation as JSON. With `statePath`, what the model has computed is written to that file; if it holds nothing
   * of the conversation any more, the JSON has no `statePath`.
   */
  async save({ statePath }: { statePath?: string } = {}): Promise<SavedSession> {
    const system = this.#system === undefined ? {} : { system: this.#system };
    const saved: SavedSession = { version: 1, ...system, messages: [...this.#messages] };
    const messages = this.#all(this.#messages, []);
    if (statePath === undefined || messages.length === 0) return saved;
    try {
      await this.context.saveState({ path: statePath, messages });
      return { ...saved, statePath };
    } catch (error) {
      if ((error as { kind?: string }).kind === "notCached") return saved;
      throw error;
    }
  }

  /**
   * Go on with a saved conversation. Resolves with true if what the model had computed could be read, too: else, for
   * example with another model, the next answer evaluates the conversation anew.
   */
  async restore({ version, system, messages, statePath }: SavedSession): Promise<boolean> {
    this.#notAnswering();
    if (version !== 1) throw new RangeError(`A session of version ${version} was saved by another release.`);
    this.#system = system;
    this.#messages = [...messages];
    this.#used = 0;
    if (statePath === undefined) return false;
    try {
      this.#used = (await this.context.restoreState({ path: statePath })).tokens;
      return true;
    } catch (error) {
      if (UNUSABLE.has((error as { kind?: string }).kind ?? "")) return false;
      throw error;
    }
  }

  #answer(before: readonly Message[], said: readonly Message[], options: AnswerCall = {}): Answer {
    this.#notAnswering();
    this.#stopPreload();
    const answer = this.context.chat({ ...this.#options, ...options, messages: this.#all(before, said) });
    const keep = (message: Message, usage: ChatResult["usage"] | undefined) => {
      this.#messages = [...before, ...said, message];
      if (usage) this.#used = usage.promptTokens + usage.completionTokens;
    };
    // The stream's own listeners came first; both run before what the app does when the answer has ended.
    this.#answering = answer.then(
      ({ message, usage }) => {
        this.#answering = undefined;
        keep(message, usage);
      },
      (error: unknown) => {
        this.#answering = undefined;
        const { kind, partial } = error as { kind?: string; partial?: PartialResult };
        const message = kind === "aborted" ? saidSoFar(partial) : undefined;
        if (message) keep(message, partial?.usage);
      },
    );
    return answer;
  }

  async #evaluateNewest(preload: Preload): Promise<void> {
    try {
      while (preload.next) {
        const { next } = preload;
        preload.next = undefined;
        preload.controller = new AbortController();
        await this.#evaluate(next, preload.controller.signal);
      }
    } finally {
      if (this.#preload === preload) this.#preload = undefined;
    }
  }

  async #evaluate(messages: Message[], signal: AbortSignal): Promise<void> {
    try {
      const asked = { messages, maxTokens: 0, stream: false, priority: "background", signal } as const;
      const { adapters, contextOverflow } = this.#options;
      await this.context.chat({ ...this.#templateParams(), ...given({ adapters, contextOverflow }), ...asked });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** The options that decide how the history becomes a prompt. */
  #templateParams(): AnswerOptions {
    const { tools, templateVariables, chatTemplate, reasoning } = this.#options;
    return given({ tools, templateVariables, chatTemplate, reasoning });
  }

  #stopPreload(): void {
    if (!this.#preload) return;
    this.#preload.next = undefined;
    this.#preload.controller.abort();
  }

  #all(before: readonly Message[], said: readonly Message[]): Message[] {
    const system: Message[] = this.#system === undefined ? [] : [{ role: "system", content: this.#system }];
    return [...system, ...before, ...said];
  }

  #meter(used: number): TokenMeter {
    const size = this.context.contextSize;
    return { used, size, left: Math.max(0, size - used) };
  }

  #lastQuestion(): number {
    let index = this.#messages.length - 1;
    while (index >= 0 && this.#messages[index]?.role !== "user") index--;
    if (index < 0) throw new RangeError("The history has no message of the user.");
    return index;
  }

  #notAnswering(): void {
    if (this.#answering) throw new Error("The session is answering. Await the answer, or abort it with its signal.");
  }
}

function asMessages(said: string | ContentPart[] | Message | readonly Message[]): Message[] {
  if (typeof said === "string") return [{ role: "user", content: said }];
  if (!Array.isArray(said)) return [said as Message];
  const all = said as readonly (ContentPart | Message)[];
  return all.every((each) => "type" in each) ? [{ role: "user", content: all as ContentPart[] }] : [...(all as Message[])];
}

/** Those options that have a value. */
function given(options: Record<string, unknown>): AnswerOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** The beginning of an answer that was aborted, if there is any text. Its calls are nobody's any more. */
function saidSoFar(partial: PartialResult | undefined): AssistantMessage | undefined {
  if (!partial?.text) return undefined;
  const { text: content, reasoningContent } = partial;
  return { role: "assistant", content, ...(reasoningContent !== undefined && { reasoningContent }) };
}
