// The class that Electron asks for in the utility process that answers the Prompt API of pages.

import { type PromptApiOptions, promptApi } from "./polyfill.js";
import type { PromptSession } from "./session.js";
import type { PromptCoreOptions, PromptCreateOptions, PromptMessage, PromptOptions, SignalOptions } from "./types.js";

/** What is used of Electron's LanguageModelUtility. */
interface Utility {
  contextUsage: number;
  contextWindow: number;
}

type UtilityClass = new (state: Utility) => Utility;

/**
 * A subclass of Electron's `LanguageModelUtility`, which must be given as Electron takes no other. All pages share the
 * model; each session is a conversation of its own.
 */
export function promptApiHandler<Base extends UtilityClass>(
  LanguageModelUtility: Base,
  options: PromptApiOptions,
): Base & { dispose(): Promise<void> } {
  const api = promptApi(options);

  class Handler extends (LanguageModelUtility as UtilityClass) {
    readonly #session: PromptSession;

    constructor(session: PromptSession) {
      super({ contextUsage: session.contextUsage, contextWindow: session.contextWindow });
      this.#session = session;
      // Electron's class has it as a value, which would be that of the beginning for ever.
      Object.defineProperty(this, "contextUsage", { get: () => session.contextUsage, enumerable: true });
    }

    static async create(given: PromptCreateOptions): Promise<Handler> {
      return new Handler(await api.create(given));
    }

    static availability(given?: PromptCoreOptions): Promise<string> {
      return api.availability(given);
    }

    static dispose(): Promise<void> {
      return api.dispose();
    }

    async prompt(input: PromptMessage[], given: PromptOptions): Promise<ReadableStream<string>> {
      return this.#session.promptStreaming(input, given);
    }

    append(input: PromptMessage[], given: SignalOptions): Promise<undefined> {
      return this.#session.append(input, given);
    }

    measureContextUsage(input: PromptMessage[], given: PromptOptions): Promise<number> {
      return this.#session.measureContextUsage(input, given);
    }

    async clone(given: SignalOptions): Promise<Handler> {
      return new Handler(await this.#session.clone(given));
    }

    destroy(): void {
      this.#session.destroy();
    }
  }
  return Handler as unknown as Base & { dispose(): Promise<void> };
}
