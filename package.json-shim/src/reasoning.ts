// Reasoning for interfaces that know efforts.

import type { ReasoningOptions } from "./generated/contract.js";

/** The program's effort. Some interfaces have a level between its highest two. */
export function reasoningOf(effort: string): { reasoning: ReasoningOptions } {
  return { reasoning: { effort: (effort === "xhigh" ? "max" : effort) as NonNullable<ReasoningOptions["effort"]> } };
}
