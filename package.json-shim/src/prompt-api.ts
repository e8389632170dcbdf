// The entry for the W3C's Prompt API: the class LanguageModel for pages, and the one that Electron asks for.

export { promptApiHandler } from "./prompt-api/handler.js";
export { type PromptApi, type PromptApiOptions, promptApi } from "./prompt-api/polyfill.js";
export { MOST_WAITING, type PromptSession } from "./prompt-api/session.js";
export type {
  Availability,
  DownloadMonitor,
  DownloadProgressEvent,
  PromptContent,
  PromptCoreOptions,
  PromptCreateOptions,
  PromptExpected,
  PromptInput,
  PromptMessage,
  PromptOptions,
  PromptTool,
  PromptType,
  SamplingLimits,
  SamplingMode,
} from "./prompt-api/types.js";
