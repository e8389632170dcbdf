// The options of sessions and of prompts, as params of `chat`.

import type { ChatParams } from "../generated/contract.js";
import type { RunnableTool } from "../tools/loop.js";
import { domError } from "./errors.js";
import type { PromptCoreOptions, PromptOptions, PromptType, SamplingLimits, SamplingMode } from "./types.js";

/** Temperatures of the modes. */
export const TEMPERATURES: Readonly<Record<SamplingMode, number>> = {
  "most-predictable": 0,
  predictable: 0.4,
  balanced: 0.8,
  creative: 1.1,
  "most-creative": 1.5,
};

export const LIMITS: SamplingLimits = { defaultTopK: 40, maxTopK: 1000, defaultTemperature: TEMPERATURES.balanced, maxTemperature: 2 };

/** What holds for all prompts of a session. */
export interface Settings {
  types: ReadonlySet<PromptType>;
  tools: readonly RunnableTool[];
  samplingMode: SamplingMode;
  topK: number;
  temperature: number;
}

/** Checks the options. Throws what `create` rejects with. */
export function settingsOf({ expectedInputs = [], expectedOutputs = [], tools = [], samplingMode, topK, temperature }: PromptCoreOptions): Settings {
  for (const { languages = [] } of [...expectedInputs, ...expectedOutputs]) Intl.getCanonicalLocales(languages);
  if (samplingMode !== undefined && (topK !== undefined || temperature !== undefined)) {
    throw new TypeError("samplingMode cannot be given together with topK or temperature.");
  }
  const mode = samplingMode ?? "balanced";
  if (!(mode in TEMPERATURES)) throw new TypeError(`There is no samplingMode ${mode}. Use one of: ${Object.keys(TEMPERATURES).join(", ")}.`);
  if (topK !== undefined && !(topK >= 1)) throw new RangeError("topK must be at least 1.");
  if (temperature !== undefined && !(temperature >= 0)) throw new RangeError("temperature must be at least 0.");
  const inputs = expectedInputs.map(({ type }) => type).filter((type): type is PromptType => !type.startsWith("tool-"));
  return {
    types: new Set(["text", ...inputs]),
    tools: tools.map(({ name, description, inputSchema, execute }) => {
      if (typeof execute !== "function") throw new TypeError(`The tool ${name} has no function execute.`);
      return { name, description, parameters: inputSchema as Record<string, unknown>, run: (args: never) => execute(args) };
    }),
    samplingMode: mode,
    topK: Math.floor(Math.min(topK ?? LIMITS.defaultTopK, LIMITS.maxTopK)),
    temperature: Math.min(temperature ?? TEMPERATURES[mode], LIMITS.maxTemperature),
  };
}

/** Whether only text is expected of the model, as all models can do. */
export const writesText = ({ expectedOutputs = [] }: PromptCoreOptions): boolean =>
  expectedOutputs.every(({ type }) => type === "text" || type === "tool-call");

/** Flags that say nothing where the expression must match the whole text. */
const NO_MATTER = /[dguvy]/g;

/** The params that constrain an answer. */
export function constraintOf({ responseConstraint, omitResponseConstraintInput }: PromptOptions): Pick<ChatParams, "regex" | "jsonSchema"> {
  if (responseConstraint === undefined || responseConstraint === null) {
    if (omitResponseConstraintInput) throw new TypeError("omitResponseConstraintInput needs a responseConstraint.");
    return {};
  }
  if (Object.prototype.toString.call(responseConstraint) === "[object RegExp]") {
    const { source, flags } = responseConstraint as RegExp;
    const kept = flags.replace(NO_MATTER, "");
    if (kept.includes("m")) throw domError("NotSupportedError", "A RegExp with the flag m cannot constrain an answer.");
    return { regex: kept === "" ? source : `(?${kept}:${source})` };
  }
  if (typeof responseConstraint !== "object") throw new TypeError("A responseConstraint is a JSON Schema or a RegExp.");
  return { jsonSchema: responseConstraint as Record<string, unknown> };
}
