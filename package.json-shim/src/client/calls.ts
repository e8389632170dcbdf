// The ledger: which calls are open, and what becomes of each. Knows messages, but no pipe or process.

import type { Info, Method, Progress } from "../generated/contract.js";
import { AbortError, SidecarError, type WireError } from "./errors.js";

/** How to stop a call and how to watch it. */
export interface CallOptions<P> {
  /**
   * Aborts the call: it is rejected with an AbortError once its work has really stopped. If the work
   * ends first, the call succeeds.
   */
  signal?: AbortSignal | undefined;
  /** Is told how far the call is. What it throws fails the call. */
  onProgress?: ((progress: P) => void) | undefined;
}

/** What carries messages to the program. */
export interface Transport {
  /** Throws if the message cannot be carried, such as one that is no JSON. */
  send(message: object): void;
  /** Whether to go on reading what the program writes. */
  flow?(reading: boolean): void;
  /** Whether a call is open: an idle program must not keep the app's process alive. */
  busy?(busy: boolean): void;
}

/** Tells a listener of the app's. What it throws is the app's to see, and disturbs nothing here. */
export function tell<T>(listener: ((value: T) => void) | undefined, value: T): void {
  try {
    listener?.(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** One call, from when it is made until it is answered. */
export class Call {
  readonly promise: Promise<unknown>;
  #resolve!: (result: unknown) => void;
  #reject!: (error: unknown) => void;
  #connection: Connection | undefined;
  #id = 0;
  #settled = false;
  #cancelled: { reason: unknown } | undefined;
  #thrown: { error: unknown } | undefined; // by onProgress
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.cancel(this.#signal?.reason);

  /** `params` is asked when the call is sent: ids may have changed since it was made. */
  constructor(
    readonly method: Method,
    readonly params: () => object,
    signal?: AbortSignal,
    readonly onProgress?: (progress: Progress) => void,
  ) {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#signal = signal;
    if (signal?.aborted) this.cancel(signal.reason);
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** The connection tells where it was sent to. */
  sent(connection: Connection, id: number): void {
    this.#connection = connection;
    this.#id = id;
  }

  /** Stop it, wherever it is. The promise is rejected when it has stopped. */
  cancel(reason?: unknown): void {
    if (this.#settled || this.#cancelled) return;
    this.#cancelled = { reason };
    if (this.#connection) this.#connection.cancel(this, this.#id);
    else this.fail(new AbortError(`${this.method} was aborted before it was sent.`, { cause: reason }));
  }

  /** Say that its consumer has enough for now, or wants more. */
  hold(full: boolean): void {
    if (!this.#settled && !this.#cancelled) this.#connection?.hold(this, full);
  }

  progress(progress: Progress): void {
    try {
      this.onProgress?.(progress);
    } catch (error) {
      this.#thrown ??= { error };
      this.cancel(error);
    }
  }

  answer(response: { result?: unknown; error?: WireError }): void {
    if (this.#thrown) this.#settle(() => this.#reject(this.#thrown?.error));
    else if (response.error) this.fail(SidecarError.fromWire(response.error, this.#cancelled?.reason));
    else this.#settle(() => this.#resolve(response.result));
  }

  fail(error: unknown): void {
    this.#settle(() => this.#reject(error));
  }

  #settle(settle: () => void): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    settle();
  }
}

/** The calls that are open on one running program. */
export class Connection {
  readonly #open = new Map<number, Call>();
  readonly #held = new Set<Call>();
  readonly #transport: Transport;
  readonly #onInfo: (info: Info) => void;
  #lastId = 0;
  #reading = true;
  #ended: unknown;

  constructor(transport: Transport, onInfo: (info: Info) => void) {
    this.#transport = transport;
    this.#onInfo = onInfo;
  }

  /** Send a call and keep it until it is answered. */
  send(call: Call): void {
    if (call.settled) return;
    if (this.#ended !== undefined) return call.fail(this.#ended);
    const id = ++this.#lastId;
    try {
      this.#transport.send({ jsonrpc: "2.0", id, method: call.method, params: call.params() });
    } catch (error) {
      return call.fail(error);
    }
    this.#open.set(id, call);
    call.sent(this, id);
    if (this.#open.size === 1) this.#transport.busy?.(true);
    this.#balance();
  }

  /** Ask the program to stop a call; its answer settles it. */
  cancel(call: Call, id: number): void {
    this.hold(call, false);
    if (this.#open.has(id)) {
      this.#transport.send({ jsonrpc: "2.0", method: "$/cancelRequest", params: { id } });
    }
  }

  /** See `Call.hold`. */
  hold(call: Call, full: boolean): void {
    if (full) this.#held.add(call);
    else this.#held.delete(call);
    this.#balance();
  }

  /** Take a message from the program. What nobody asked for is dropped. */
  accept(message: unknown): void {
    if (typeof message !== "object" || message === null) return;
    const { id, method, params } = message as { id?: unknown; method?: unknown; params?: unknown };
    if (method === "progress") {
      const progress = params as Progress;
      this.#open.get(progress.requestId as number)?.progress(progress);
    } else if (method === "info") {
      tell(this.#onInfo, params as Info);
    } else if (method === undefined && typeof id === "number") {
      this.#answer(id, message);
    }
  }

  /** The program is gone: every open call fails, and so does every later one. */
  end(error: unknown): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    const open = [...this.#open.values()];
    this.#open.clear();
    this.#held.clear();
    for (const call of open) call.fail(error);
    if (open.length > 0) this.#transport.busy?.(false);
  }

  #answer(id: number, response: { result?: unknown; error?: WireError }): void {
    const call = this.#open.get(id);
    if (!call) return;
    this.#open.delete(id);
    this.#held.delete(call);
    call.answer(response);
    if (this.#open.size === 0) this.#transport.busy?.(false);
    this.#balance();
  }

  /**
   * All calls share one pipe. So it is left unread only while every open call waits for its consumer: a
   * consumer that stops reading slows the program down, but never another call, not even one that it
   * makes itself from within its loop.
   */
  #balance(): void {
    const reading = this.#held.size === 0 || this.#held.size < this.#open.size;
    if (reading === this.#reading) return;
    this.#reading = reading;
    this.#transport.flow?.(reading);
  }
}
