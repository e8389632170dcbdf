// The shapes of the W3C's Prompt API, as far as they are given to us. They need no types of the DOM.

export type PromptType = "text" | "image" | "audio";

export type Availability = "unavailable" | "downloadable" | "downloading" | "available";

export type SamplingMode = "most-predictable" | "predictable" | "balanced" | "creative" | "most-creative";

/**
 * `value` of `text` is a string; of `image` a Blob, an ImageBitmap, a canvas, … or bytes; of `audio` a Blob, an AudioBuffer
 * or bytes.
 */
export interface PromptContent {
  type: PromptType;
  value: string | object;
}

export interface PromptMessage {
  role: "system" | "user" | "assistant";
  content: string | PromptContent[];
  /** The answer goes on where this last message ends, which must be the assistant's. */
  prefix?: boolean;
}

export type PromptInput = string | PromptMessage[];

export interface PromptExpected {
  type: PromptType | "tool-call" | "tool-response";
  languages?: string[];
}

export interface PromptTool {
  name: string;
  description: string;
  /** JSON Schema of the arguments, an object. */
  inputSchema: object;
  /** Gets the arguments as one object. What it returns, and what it throws, is told to the model. */
  execute(args: never): unknown;
}

export interface PromptCoreOptions {
  expectedInputs?: PromptExpected[];
  expectedOutputs?: PromptExpected[];
  tools?: PromptTool[];
  samplingMode?: SamplingMode | undefined;
  topK?: number | undefined;
  temperature?: number | undefined;
}

/** What downloads tell. */
export interface DownloadMonitor extends EventTarget {
  ondownloadprogress: ((event: DownloadProgressEvent) => unknown) | null;
}

/** `loaded` is a part of `total`, which is 1. In browsers it is a ProgressEvent. */
export interface DownloadProgressEvent extends Event {
  readonly lengthComputable: boolean;
  readonly loaded: number;
  readonly total: number;
}

export interface PromptCreateOptions extends PromptCoreOptions {
  initialPrompts?: PromptMessage[];
  /** Called with a target of `downloadprogress` events. */
  monitor?(monitor: DownloadMonitor): void;
  /** Aborts the creation, or destroys the session later. */
  signal?: AbortSignal;
}

export interface PromptOptions {
  /** A JSON Schema, or a RegExp that the whole answer matches. */
  responseConstraint?: RegExp | Record<string, unknown>;
  /** Accepted: the model is never told the constraint. */
  omitResponseConstraintInput?: boolean;
  signal?: AbortSignal;
}

export interface SignalOptions {
  signal?: AbortSignal;
}

/** Limits of the raw sampling params. */
export interface SamplingLimits {
  readonly defaultTopK: number;
  readonly maxTopK: number;
  readonly defaultTemperature: number;
  readonly maxTemperature: number;
}
