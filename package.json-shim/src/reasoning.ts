// Reasoning for interfaces that know efforts, and count tokens.

import type { GenerateProgress, TemplateParams } from "./generated/contract.js";

/** Most tokens of reasoning for each effort that has a limit. */
export const EFFORT_TOKENS: Readonly<Record<string, number>> = { minimal: 128, low: 512, medium: 2048, high: 8192 };

/** What templates that know efforts call those that they do not know. */
const WORDS: Readonly<Record<string, string>> = { minimal: "low", xhigh: "high", max: "high" };

/** A limit of tokens, and the word for templates that know efforts. */
export function reasoningParams(effort: string): Pick<TemplateParams, "reasoning" | "templateVariables"> {
  if (effort === "none") return { reasoning: false };
  const budgetTokens = EFFORT_TOKENS[effort];
  const reasoning = budgetTokens === undefined ? true : { budgetTokens };
  return { reasoning, templateVariables: { reasoning_effort: WORDS[effort] ?? effort } };
}

/**
 * Counts the tokens of the reasoning: the program says with each piece how many tokens there are. Where a frame of a
 * screen has the end of the reasoning and the beginning of the text, all of its tokens count as reasoning.
 */
export class ReasoningCounter {
  tokens = 0;
  #all = 0;

  add({ segment, completionTokens }: GenerateProgress): void {
    if (segment === "reasoning") this.tokens += completionTokens - this.#all;
    this.#all = completionTokens;
  }

  /** The same, as a listener of a call. */
  readonly onProgress = (progress: { progressType: string }): void => {
    if (progress.progressType === "generate") this.add(progress as GenerateProgress);
  };
}
