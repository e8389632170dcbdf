// A call whose text comes in pieces: a promise of the result, and an iterator over the pieces.

import type { Call } from "./calls.js";

/** How many characters may wait for the consumer of one stream before the program has to wait. */
export const BUFFER_CHARACTERS = 64 * 1024;

/** A piece of text, and the segment that it belongs to. */
export interface Part {
  segment: string;
  delta: string;
}

/**
 * Await it for the result, loop over it for the text while it is generated, or do both.
 *
 * Pieces that wait are joined, so a slow consumer gets fewer and longer ones. Leaving the loop early aborts
 * the call and waits until it has stopped.
 */
export class Stream<P extends Part, R> implements Promise<R>, AsyncIterable<P, R | undefined, undefined> {
  readonly [Symbol.toStringTag] = "Stream";
  readonly #call: Call;
  readonly #result: Promise<R>;
  readonly #limit: number;
  #parts: P[] = [];
  #characters = 0;
  #full = false;
  #iterating = false;
  #ended = false;
  #finished = false; // the consumer has seen the end, or left the loop
  #waiting: (() => void)[] = [];

  constructor(call: Call, limit: number = BUFFER_CHARACTERS) {
    this.#call = call;
    this.#limit = limit;
    this.#result = call.promise as Promise<R>;
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    this.#result.then(end, end);
  }

  /** Add a piece; the call's `onProgress` does so. */
  push(part: P): void {
    if (this.#finished) return;
    const last = this.#parts.at(-1);
    if (last && joinable(last, part)) this.#parts[this.#parts.length - 1] = join(last, part);
    else this.#parts.push(part);
    this.#characters += part.delta.length;
    this.#balance();
    this.#wake();
  }

  then<A = R, B = never>(
    onResult?: ((result: R) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onResult, onError);
  }

  catch<B = never>(onError?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<R | B> {
    return this.#result.catch(onError);
  }

  finally(onEnd?: (() => void) | null): Promise<R> {
    return this.#result.finally(onEnd);
  }

  /** The pieces, for one loop only. If the call fails, its error is thrown after the pieces that came before it. */
  [Symbol.asyncIterator](): AsyncIterableIterator<P, R | undefined, undefined> {
    if (this.#iterating) throw new TypeError("A stream can be iterated over only once.");
    this.#iterating = true;
    return {
      next: () => this.#next(),
      return: () => this.#leave(),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  async #next(): Promise<IteratorResult<P, R | undefined>> {
    for (;;) {
      const part = this.#parts.shift();
      if (part !== undefined) {
        this.#characters -= part.delta.length;
        this.#balance();
        return { done: false, value: part };
      }
      if (this.#finished) return { done: true, value: undefined };
      if (this.#ended) {
        this.#finished = true;
        return { done: true, value: await this.#result };
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async #leave(): Promise<IteratorResult<P, undefined>> {
    this.#finished = true;
    this.#parts = [];
    this.#call.cancel(new Error("The loop over the stream was left."));
    await this.#result.catch(() => {});
    return { done: true, value: undefined };
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** A stream that is only awaited never makes the program wait: its pieces are no larger than its result. */
  #balance(): void {
    const full = this.#iterating && this.#characters > this.#limit;
    if (full === this.#full) return;
    this.#full = full;
    this.#call.hold(full);
  }
}

/** Whether two pieces can be joined: apart from the text itself, their strings are equal. */
function joinable(a: Part, b: Part): boolean {
  return Object.entries(b).every(
    ([key, value]) => key === "delta" || typeof value !== "string" || (a as never)[key] === value,
  );
}

/** The numbers of the later piece, with the texts and the lists of both. */
function join<P extends Part>(a: P, b: P): P {
  const joined: P = { ...a, ...b, delta: a.delta + b.delta };
  for (const [key, value] of Object.entries(b)) {
    const before: unknown = a[key as keyof P];
    if (Array.isArray(value) && Array.isArray(before)) joined[key as keyof P] = [...before, ...value] as never;
  }
  return joined;
}
