// A started program, and what all ways to start one have in common.

import type { Transport } from "./calls.js";
import { SidecarError } from "./errors.js";

/** A program that was started. */
export interface Peer {
  transport: Transport;
  /** Resolves when the program has ended, with the reason as far as it is known. */
  ended: Promise<SidecarError>;
  /** Ends the program, gently at first. Resolves when it has ended. */
  stop(): Promise<void>;
}

/** Starts a program. Its messages go to `receive`. */
export type Launch = (receive: (message: unknown) => void) => Peer | Promise<Peer>;

/** How much of the program's log goes into the error about its end. */
export const TAIL_CHARACTERS = 4000;

/** The last characters of a program's log. */
export class LogTail {
  #text = "";

  add(text: string): void {
    this.#text = (this.#text + text).slice(-TAIL_CHARACTERS);
  }

  /** The error about the program's end; `how` is a sentence. */
  exited(how: string): SidecarError {
    const cause = this.#text.trim();
    return new SidecarError("exited", cause ? `${how} The end of its log:\n${cause}` : how, {
      data: { cause, remedy: "Start it again with getLlama, or use the option `restart`." },
    });
  }
}

/** Whether the program ends within `ms` milliseconds. */
export function endsWithin(ms: number, ended: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, false);
    ended.then(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}
