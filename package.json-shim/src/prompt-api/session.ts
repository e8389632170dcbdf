// A session of the Prompt API.

import { unlessAborted } from "../client/aborting.js";
import type { Conversation } from "./conversation.js";
import { asDomError, domError } from "./errors.js";
import { constraintOf } from "./options.js";
import type { PromptInput, PromptOptions, SamplingMode, SignalOptions } from "./types.js";

/** Operations of a session that may wait for each other. */
export const MOST_WAITING = 256;

type Handler = ((event: Event) => unknown) | null;

/** Begins or copies a conversation. It is given what to call when there is no room. */
type Begin = (onOverflow: () => void) => Conversation;

/** A conversation that belongs to a page. Operations take place one after another. */
export class PromptSession extends EventTarget {
  oncontextoverflow: Handler = null;
  /** @deprecated Use oncontextoverflow. */
  onquotaoverflow: Handler = null;
  readonly #conversation: Conversation;
  readonly #ended = new AbortController();
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(begin: Begin) {
    if (typeof begin !== "function") throw new TypeError("Illegal constructor: use LanguageModel.create().");
    super();
    const types = ["contextoverflow", "quotaoverflow"] as const;
    for (const type of types) this.addEventListener(type, (event) => this[`on${type}`]?.(event));
    this.#conversation = begin(() => types.forEach((type) => this.dispatchEvent(new Event(type))));
  }

  /** Tokens of the conversation, as the program counted them last. */
  get contextUsage(): number {
    return this.#conversation.usage;
  }

  /** Tokens that the context holds. */
  get contextWindow(): number {
    return this.#conversation.size;
  }

  /** @deprecated Use contextUsage. */
  get inputUsage(): number {
    return this.contextUsage;
  }

  /** @deprecated Use contextWindow. */
  get inputQuota(): number {
    return this.contextWindow;
  }

  get topK(): number {
    return this.#conversation.settings.topK;
  }

  get temperature(): number {
    return this.#conversation.settings.temperature;
  }

  get samplingMode(): SamplingMode {
    return this.#conversation.settings.samplingMode;
  }

  /** Say something and get the whole answer. */
  prompt(input: PromptInput, options: PromptOptions = {}): Promise<string> {
    return this.#ask(input, options, [], () => {});
  }

  /** Say something and get the answer in pieces. Cancelling the stream stops the answer. */
  promptStreaming(input: PromptInput, options: PromptOptions = {}): ReadableStream<string> {
    this.#ended.signal.throwIfAborted();
    options.signal?.throwIfAborted();
    const left = new AbortController();
    const { signal } = left;
    return new ReadableStream<string>({
      start: (controller) => {
        const onText = (delta: string) => void (signal.aborted || controller.enqueue(delta));
        this.#ask(input, options, [signal], onText).then(
          () => signal.aborted || controller.close(),
          (error: unknown) => signal.aborted || controller.error(error),
        );
      },
      cancel: () => left.abort(),
    });
  }

  /** Say something that is answered later: it is evaluated now. */
  append(input: PromptInput, options: SignalOptions = {}): Promise<undefined> {
    return this.#inTurn([options.signal], async (signal) => {
      const { messages, prefix } = await this.#conversation.said(input);
      if (prefix) throw domError("SyntaxError", "A prefix can only be given to prompt() and promptStreaming().");
      await this.#conversation.evaluate(messages, signal);
      return undefined;
    });
  }

  /** The tokens that the conversation would have more. */
  measureContextUsage(input: PromptInput, options: PromptOptions = {}): Promise<number> {
    return this.#unlessEnded([options.signal], async (signal) => {
      constraintOf(options);
      const { messages } = await this.#conversation.said(input);
      return this.#conversation.measure(messages, signal);
    });
  }

  /** @deprecated Use measureContextUsage. */
  measureInputUsage(input: PromptInput, options?: PromptOptions): Promise<number> {
    return this.measureContextUsage(input, options);
  }

  /** A session with the same conversation that goes its own way. */
  clone(options: SignalOptions = {}): Promise<this> {
    const Same = this.constructor as new (begin: Begin) => this;
    return this.#inTurn([options.signal], async () => new Same((onOverflow) => this.#conversation.copy(onOverflow)));
  }

  /** Stop everything: all calls are rejected. The model stays for other sessions. */
  destroy(): undefined {
    this.end(domError("AbortError", "The session was destroyed."));
  }

  /** @internal */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** @internal */
  end(reason: unknown): void {
    this.#ended.abort(reason);
  }

  #ask(input: PromptInput, options: PromptOptions, signals: AbortSignal[], onText: (delta: string) => void): Promise<string> {
    return this.#inTurn([options.signal, ...signals], async (signal) => {
      const constraint = constraintOf(options);
      return this.#conversation.ask(await this.#conversation.said(input), constraint, signal, onText);
    });
  }

  /** Does one operation after those before it. */
  #inTurn<T>(signals: (AbortSignal | undefined)[], work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.#unlessEnded(signals, (signal) => {
      if (this.#waiting >= MOST_WAITING) throw domError("OperationError", `${MOST_WAITING} operations of this session wait. Await some of them.`);
      this.#waiting++;
      const turn = this.#last.then(() => {
        signal.throwIfAborted();
        return work(signal);
      });
      const done = () => void this.#waiting--;
      this.#last = turn.then(done, done);
      return turn;
    });
  }

  #unlessEnded<T>(signals: (AbortSignal | undefined)[], work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return unlessAny([this.#ended.signal, ...signals], "UnknownError", work);
  }
}

/** Does work until a signal aborts: then it is rejected at once with the signal's reason. */
export async function unlessAny<T>(
  signals: (AbortSignal | undefined)[],
  name: Parameters<typeof asDomError>[1],
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const any = new AbortController(); // AbortSignal.any is not in Node 18
  const stops = signals.map((each) => () => any.abort(each?.reason));
  for (const [i, each] of signals.entries()) {
    if (each?.aborted) stops[i]?.();
    else each?.addEventListener("abort", stops[i] as () => void);
  }
  try {
    return await unlessAborted(any.signal, "", () => work(any.signal));
  } catch (error) {
    throw any.signal.aborted ? any.signal.reason : asDomError(error, name);
  } finally {
    for (const [i, each] of signals.entries()) each?.removeEventListener("abort", stops[i] as () => void);
  }
}
