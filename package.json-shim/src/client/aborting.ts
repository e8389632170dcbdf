// A wait that a signal ends.

import { AbortError } from "./errors.js";

/**
 * What the work returns. When the signal aborts, it rejects at once with an AbortError of that message, also if the
 * work does not listen.
 */
export async function unlessAborted<T>(signal: AbortSignal, message: string, work: () => T | PromiseLike<T>): Promise<T> {
  const aborted = () => new AbortError(message, { cause: signal.reason });
  if (signal.aborted) throw aborted();
  let stop = () => {};
  const abort = new Promise<never>((_, reject) => {
    stop = () => reject(aborted());
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    // Work that aborts and throws becomes a promise as well, so that both rejections are the race's.
    return await Promise.race([new Promise<T>((resolve) => resolve(work())), abort]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
