// The open calls, and how each of them ends. Only messages are known here: no pipe and no process.

import type { Info, Method, Progress } from "../generated/contract.js";
import { AbortError, SidecarError, type WireError } from "./errors.js";

/** How to abort a call and how to watch its progress. */
export interface CallOptions<P> {
  /**
   * Aborts the call. The call is rejected with an AbortError when its work has stopped. If the work ends
   * first, the call succeeds.
   */
  signal?: AbortSignal | undefined;
  /** Called with each progress message of the call. If it throws, the call is aborted and fails with that error. */
  onProgress?: ((progress: P) => void) | undefined;
}

/** Sends messages to the program. */
export interface Transport {
  /** Throws if the message cannot be sent, for example because it cannot be converted to JSON. */
  send(message: object): void;
  /** Starts (true) or stops (false) reading what the program writes. */
  flow?(reading: boolean): void;
  /** Called with true when a call opens, with false when none is left: an idle program must not keep the app alive. */
  busy?(busy: boolean): void;
}

/** Calls a listener of the app. What it throws becomes an uncaught error of the app; the client goes on. */
export function notify<T>(listener: ((value: T) => void) | undefined, value: T): void {
  try {
    listener?.(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** One call, from its start until it is answered. */
export class Call {
  readonly promise: Promise<unknown>;
  #resolve!: (result: unknown) => void;
  #reject!: (error: unknown) => void;
  #connection: Connection | undefined;
  #id = 0;
  #settled = false;
  #cancelled: { reason: unknown } | undefined;
  #thrown: { error: unknown } | undefined; // what onProgress threw
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.cancel(this.#signal?.reason);

  /** `params` is called when the call is sent, because ids change when the program restarts. */
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

  /** It was sent over this connection, with this id. */
  sent(connection: Connection, id: number): void {
    this.#connection = connection;
    this.#id = id;
  }

  /** Abort the call, whether it was sent or not. The promise is rejected when the work has stopped. */
  cancel(reason?: unknown): void {
    if (this.#settled || this.#cancelled) return;
    this.#cancelled = { reason };
    if (this.#connection) this.#connection.cancel(this, this.#id);
    else this.fail(new AbortError(`${this.method} was aborted before it was sent.`, { cause: reason }));
  }

  /** Its consumer has enough for now (true), or wants more (false). */
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

/** The open calls of one running program. */
export class Connection {
  readonly #open = new Map<number, Call>();
  readonly #held = new Set<Call>(); // their consumers have enough for now
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

  /** Ask the program to abort a call. The program's answer settles the call. */
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

  /** Take a message from the program. Messages of no open call are dropped. */
  accept(message: unknown): void {
    if (typeof message !== "object" || message === null) return;
    const { id, method, params } = message as { id?: unknown; method?: unknown; params?: unknown };
    if (method === "progress") {
      const progress = params as Progress | null | undefined;
      if (progress) this.#open.get(progress.requestId as number)?.progress(progress);
    } else if (method === "info") {
      if (typeof params === "object" && params !== null) notify(this.#onInfo, params as Info);
    } else if (method === undefined && typeof id === "number") {
      this.#answer(id, message);
    }
  }

  /** The program has ended: every open call and every later call fails. */
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
   * All calls share one pipe. The client stops reading it only while every open call waits for its consumer.
   * So a slow consumer slows the program down, but never another call, not even one made inside its own loop.
   */
  #balance(): void {
    const reading = this.#held.size === 0 || this.#held.size < this.#open.size;
    if (reading === this.#reading) return;
    this.#reading = reading;
    this.#transport.flow?.(reading);
  }
}
