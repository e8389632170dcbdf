// What is said to a session, as messages of ours.

import { SidecarError } from "../client/errors.js";
import type { ContentPart, Message } from "../generated/contract.js";
import { audioPart, imagePart, type PictureSource } from "../media.js";
import { domError } from "./errors.js";
import type { PromptContent, PromptInput, PromptMessage, PromptType } from "./types.js";

const ROLES: readonly unknown[] = ["system", "user", "assistant"];

/** Messages, and whether the last one is the beginning of the answer. */
export interface Said {
  messages: Message[];
  prefix: boolean;
}

/**
 * Checks what is said and converts it. `types` are those that the session expects; `begun`: something was said before, so
 * that no system message may follow.
 */
export async function saidOf(input: PromptInput, types: ReadonlySet<PromptType>, begun: boolean): Promise<Said> {
  const given: PromptMessage[] = Array.isArray(input) ? input : [{ role: "user", content: String(input) }];
  const all = given.length > 0 ? given : [{ role: "user" as const, content: "" }];
  for (const [i, message] of all.entries()) checkMessage(message, i === all.length - 1, types, begun || i > 0);
  const messages = await Promise.all(all.map(messageOf));
  return { messages, prefix: all.at(-1)?.prefix === true };
}

function checkMessage({ role, content, prefix }: PromptMessage, last: boolean, types: ReadonlySet<PromptType>, begun: boolean): void {
  if (!ROLES.includes(role)) throw new TypeError(`There is no role ${JSON.stringify(role)}. Roles: ${ROLES.join(", ")}.`);
  if (prefix && (role !== "assistant" || !last)) {
    throw domError("SyntaxError", "Only the last message can be a prefix, and it must be the assistant's.");
  }
  if (role === "system" && begun) throw new TypeError("A system message can only be the first that is said.");
  if (typeof content === "string") return;
  if (!Array.isArray(content)) throw new TypeError("The content of a message is a string or a list.");
  for (const { type, value } of content) {
    if (type !== "text" && type !== "image" && type !== "audio") throw new TypeError(`There is no content of the type ${JSON.stringify(type)}.`);
    if (type === "text" && typeof value !== "string") throw new TypeError("The value of a text must be a string.");
    if (type === "text") continue;
    if (role === "assistant") throw domError("NotSupportedError", "The assistant's messages can only have text.");
    if (!types.has(type)) throw domError("NotSupportedError", `The session does not expect content of the type ${type}: name it in expectedInputs.`);
    if (typeof value === "string") throw new TypeError(`The value of the type ${type} must not be a string.`);
  }
}

async function messageOf({ role, content }: PromptMessage): Promise<Message> {
  if (typeof content === "string") return { role, content };
  const parts: ContentPart[] = [];
  for (const part of content) {
    const last = parts.at(-1);
    if (part.type === "text" && last?.type === "text") last.text = `${last.text}${part.value}`;
    else parts.push(await partOf(part));
  }
  const [first] = parts;
  if (parts.length <= 1 && (!first || first.type === "text")) return { role, content: first?.text ?? "" };
  return { role, content: parts };
}

async function partOf({ type, value }: PromptContent): Promise<ContentPart> {
  if (type === "text") return { type, text: value as string };
  const part = type === "image" ? imagePart : audioPart;
  return part(value as PictureSource).catch((error: unknown) => {
    throw error instanceof SidecarError ? domError("EncodingError", error.message, error) : error;
  });
}
