// The class LanguageModel of the Prompt API, for one model of the program.

import type { ModelsOptions } from "../loaded-models.js";
import { type AnswerParams, Conversation } from "./conversation.js";
import { domError } from "./errors.js";
import { saidOf } from "./messages.js";
import { checkTypes, SharedModel } from "./model.js";
import { LIMITS, settingsOf } from "./options.js";
import { PromptSession, unlessAny } from "./session.js";
import type { Availability, PromptCoreOptions, PromptCreateOptions, SamplingLimits } from "./types.js";

export interface PromptApiOptions extends ModelsOptions {
  /** A path, or `hf:owner/repo:quant` or an https URL, which is downloaded when the first session is created. */
  model: string;
  /** Params of `chat` for all answers: `maxTokens`, `minP`, … They come after the sampling of a session. */
  chat?: AnswerParams;
}

/** The class that a page knows as `LanguageModel`. */
export type PromptApi = (abstract new () => PromptSession) & {
  create(options?: PromptCreateOptions): Promise<PromptSession>;
  availability(options?: PromptCoreOptions): Promise<Availability>;
  /** @deprecated Only extensions have it. */
  params(): Promise<SamplingLimits>;
  /** Unload the model, and end the program if it was started here. Not in the Prompt API. */
  dispose(): Promise<void>;
};

/** The Prompt API, for one model: `globalThis.LanguageModel = promptApi({ llama, model })`. */
export function promptApi({ chat: params = {}, ...options }: PromptApiOptions): PromptApi {
  const model = new SharedModel(options);

  class LanguageModel extends PromptSession {
    static create(given: PromptCreateOptions = {}): Promise<PromptSession> {
      return unlessAny([given.signal], "OperationError", async (signal) => {
        const settings = settingsOf(given);
        const { initialPrompts = [], monitor } = given;
        const initial = initialPrompts.length > 0 ? await saidOf(initialPrompts, settings.types, false) : undefined;
        if (initial?.prefix) throw domError("SyntaxError", "A prefix can only be given to prompt() and promptStreaming().");
        if ((await model.availability(given)) === "unavailable") throw domError("NotSupportedError", "There is no model for these options.");
        const context = await model.context(monitor && ((target) => monitor(target)), signal);
        checkTypes(context, settings.types);
        const conversation = new Conversation({ context, settings, params, onOverflow: () => {} });
        if (initial) await conversation.begin(initial, signal);
        const session = new LanguageModel((onOverflow) => conversation.copy(onOverflow));
        given.signal?.addEventListener("abort", () => session.end(given.signal?.reason), { once: true, signal: session.ended });
        return session;
      });
    }

    static availability(given: PromptCoreOptions = {}): Promise<Availability> {
      return unlessAny([], "UnknownError", async () => {
        settingsOf(given);
        return model.availability(given);
      });
    }

    static async params(): Promise<SamplingLimits> {
      return LIMITS;
    }

    static dispose(): Promise<void> {
      return model.dispose();
    }
  }
  return LanguageModel as unknown as PromptApi;
}
