// A call whose text comes in pieces: a promise of the result, and an iterator over the pieces.

import type { Call } from "./calls.js";

/** How many characters may wait for the consumer of one stream before the program has to wait. */
export const BUFFER_CHARACTERS = 64 * 1024;

/** A piece of text, and the segment that it belongs to. */
export interface Part {
  segment: string;
  delta: string;
}

type Next<P, R> = IteratorResult<P, R | undefined>;

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
  #joined: P | undefined; // the last piece that was joined: it is ours
  #characters = 0;
  #full = false;
  #iterating = false;
  #ended = false;
  #finished = false; // the consumer has seen the end, or left the loop
  #waiting: ((next: Next<P, R> | Promise<Next<P, R>>) => void)[] = []; // only while there are no pieces
  #ready: (() => void) | undefined;

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
    const waiting = this.#waiting.shift();
    if (waiting) return waiting({ done: false, value: part });
    const last = this.#parts.at(-1);
    if (last && joinable(last, part)) {
      // The piece itself also belongs to the call's listener.
      if (last !== this.#joined) this.#parts[this.#parts.length - 1] = this.#joined = copyOf(last);
      append(this.#joined as P, part);
    } else {
      this.#parts.push(part);
    }
    this.#characters += part.delta.length;
    this.#ready?.();
    this.#balance();
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
    this.#iterate();
    return {
      next: () => this.#next(),
      return: () => this.#leave(),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /** @internal Instead of a loop: `ready` is called when a piece has come, and the pieces are taken at any time. */
  taker(ready: () => void): { take(): P | undefined; leave(): Promise<unknown> } {
    this.#iterate();
    this.#ready = ready;
    return { take: () => this.#take(), leave: () => this.#leave() };
  }

  #iterate(): void {
    if (this.#iterating) throw new TypeError("A stream can be iterated over only once.");
    this.#iterating = true;
  }

  #take(): P | undefined {
    const part = this.#parts.shift();
    if (part !== undefined) {
      this.#characters -= part.delta.length;
      this.#balance();
    }
    return part;
  }

  #next(): Promise<Next<P, R>> {
    const part = this.#take();
    if (part !== undefined) return Promise.resolve({ done: false, value: part });
    if (this.#finished) return Promise.resolve({ done: true, value: undefined });
    if (!this.#ended) return new Promise((resolve) => this.#waiting.push(resolve));
    this.#finished = true;
    return this.#result.then((value) => ({ done: true, value }));
  }

  async #leave(): Promise<IteratorResult<P, undefined>> {
    this.#finished = true;
    this.#parts = [];
    this.#call.cancel(new Error("The loop over the stream was left."));
    await this.#result.catch(() => {});
    return { done: true, value: undefined };
  }

  /** No piece will come any more. */
  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(this.#next());
  }

  /** A stream that is only awaited never makes the program wait: its pieces are no larger than its result. */
  #balance(): void {
    const full = this.#iterating && this.#characters > this.#limit;
    if (full === this.#full) return;
    this.#full = full;
    this.#call.hold(full);
  }
}

/** Whether two pieces can be joined: apart from the text itself, all strings in them are equal. */
function joinable(a: object, b: object): boolean {
  for (const key in b) {
    if (key === "delta") continue;
    const [was, is]: unknown[] = [a[key as never], b[key as never]];
    if (typeof is === "string") {
      if (was !== is) return false;
    } else if (typeof is === "object" && is !== null && !Array.isArray(is)) {
      if (!joinable((was ?? {}) as object, is)) return false;
    }
  }
  return true;
}

/** A piece whose lists can be changed. */
function copyOf<P extends Part>(part: P): P {
  const copy = { ...part };
  for (const key in copy) if (Array.isArray(copy[key])) copy[key] = [...copy[key]] as never;
  return copy;
}

/** Gives a piece the numbers of the later one, and the texts and the lists of both. */
function append<P extends Part>(piece: P, later: P): void {
  for (const key in later) {
    const [was, is]: unknown[] = [piece[key], later[key]];
    if (key === "delta") piece.delta += later.delta;
    else if (Array.isArray(is) && Array.isArray(was)) was.push(...is);
    else piece[key] = (Array.isArray(is) ? [...is] : is) as never;
  }
}
