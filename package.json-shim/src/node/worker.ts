// A program behind a MessagePort, for code that sends messages instead of calling functions: an Electron window, a
// worker thread.

import { MessageChannel, type MessagePort } from "node:worker_threads";
import { AbortError, SidecarError } from "../client/errors.js";
import type { Llama } from "../client/llama.js";
import { type Info, type InitParams, METHODS, type Method, type Progress, type RequestId, type RequestMap } from "../generated/contract.js";
import { getLlama, type LlamaOptions } from "./start.js";

interface Request<M, Options> {
  type: M;
  /** Every message about the request has this id. */
  id?: RequestId;
  options?: Options;
}

/** A message to the port: a method of the contract, with its params as `options`. */
export type WorkerRequest =
  | { [M in Exclude<Method, "abort">]: Request<M, RequestMap[M]["params"]> }[Exclude<Method, "abort">]
  /** Without a requestId, all requests of this port are aborted. */
  | Request<"abort", { requestId?: RequestId }>;

type Response = { [M in Method]: { type: "response"; id: RequestId | null; method: M; result: RequestMap[M]["result"] } };

/** A message from the port. */
export type WorkerMessage =
  | ({ type: "info" } & Info)
  | ({ type: "progress"; id: RequestId | null } & Omit<Progress, "requestId">)
  | Response[Method]
  /** If `method` is null, the program has died. The next message starts a new one, with nothing loaded. */
  | ({ type: "error"; id: RequestId | null; method: string | null } & ReturnType<SidecarError["toJSON"]>);

/** The common part of Node's MessagePort and Electron's MessagePortMain. */
export interface Port {
  postMessage(message: unknown): void;
  // any: each kind of port has its own kind of event.
  on(event: "message" | "close", listener: (event: any) => void): unknown;
  close(): void;
  start(): void;
}

/** The app's end of the channel. Both forms of listener get an event, whose `data` is the message. */
export type AppPort<P> = Omit<P, "on" | "addEventListener" | "postMessage"> & {
  postMessage(message: WorkerRequest): void;
  on(event: "message", listener: (event: { data: WorkerMessage }) => void): unknown;
  on(event: "close", listener: () => void): unknown;
  addEventListener(event: "message", listener: (event: { data: WorkerMessage }) => void): void;
  addEventListener(event: "close", listener: () => void): void;
};

export interface WorkerOptions<P extends Port> extends Pick<LlamaOptions, "program" | "onLog"> {
  /** Settings of `init` that come last: the other end of the port cannot change them. */
  init?: InitParams;
  /** Returns true for a message that is served; `abort` always is. Others get `notAllowed`. Default: all are served. */
  allow?: (message: { type: Method; options: Record<string, unknown> }) => boolean;
  /** A channel. The worker keeps port2. Default: a MessageChannel of Node. */
  channel?: { port1: P; port2: Port };
}

interface Open {
  id: RequestId | undefined;
  controller: AbortController;
  ended: Promise<void>;
}

/**
 * Serves a port. It takes messages of the types `init`, `loadModel`, …, `abort`, and sends `info`, `progress`,
 * `response` and `error`. The first message starts the program. When it has died, the next message starts a new one.
 */
export class LlamaWorker<P extends Port = MessagePort> {
  /** The app's end of the channel. It may be transferred to a window or a thread. */
  readonly port: AppPort<P>;
  readonly #port: Port;
  readonly #options: WorkerOptions<P>;
  readonly #open = new Set<Open>();
  #llama: Promise<Llama> | undefined;

  constructor(options: WorkerOptions<P> = {}) {
    this.#options = options;
    const { port1, port2 }: { port1: Port; port2: Port } = options.channel ?? new MessageChannel();
    this.port = withEvents(port1) as unknown as AppPort<P>;
    this.#port = withEvents(port2);
    this.#port.on("message", (event: { data: unknown }) => this.#receive(event.data));
    this.#port.on("close", () => void this.#end());
    this.#port.start();
    // This end does not keep the process alive; the app's listener at the other end does.
    (this.#port as { unref?(): void }).unref?.();
  }

  /** End the program and close the port. Resolves when the program's process has ended. */
  async terminate(): Promise<void> {
    await this.#end();
    this.#port.close();
  }

  async #end(): Promise<void> {
    for (const { controller } of this.#open) controller.abort();
    const llama = await this.#llama?.catch(() => undefined);
    await llama?.dispose();
  }

  #receive(message: unknown): void {
    const { type, id, options } = (message ?? {}) as { type?: unknown; id?: RequestId; options?: object };
    const controller = new AbortController();
    const method = type as Method;
    const request: Open = { id, controller, ended: Promise.resolve() };
    request.ended = this.#serve(method, id, options ?? {}, controller.signal).then(
      (result) => this.#post({ type: "response", id: id ?? null, method, result }),
      (error) => this.#post({ type: "error", id: id ?? null, method, ...asError(error).toJSON() }),
    );
    this.#open.add(request);
    request.ended.then(() => this.#open.delete(request));
  }

  async #serve(method: Method, id: RequestId | undefined, options: object, signal: AbortSignal): Promise<unknown> {
    if (method === "abort") return this.#abort(options);
    if (!METHODS.includes(method)) {
      const message = `There is no message type ${JSON.stringify(method)}. Use one of: ${METHODS.join(", ")}.`;
      throw new SidecarError("methodNotFound", message, { data: { allowed: METHODS } });
    }
    const { allow } = this.#options;
    if (allow && allow({ type: method, options: options as Record<string, unknown> }) !== true) {
      throw new SidecarError("notAllowed", `The app does not let this window send ${method} with these options.`);
    }
    if (method === "init") options = { ...options, ...this.#options.init };
    const first = this.#llama === undefined;
    this.#llama ??= this.#start(method === "init" ? options : { ...this.#options.init });
    const llama = await orAborted(this.#llama, signal, method);
    // This program ends now: later messages are for a new one.
    if (method === "shutdown") this.#llama = undefined;
    if (method === "init") return first ? llama.info : llama.init({ ...options, signal });
    const onProgress = ({ requestId: _, ...progress }: Progress) =>
      this.#post({ type: "progress", id: id ?? null, ...progress });
    return llama.request(method, { ...options, signal, onProgress } as never);
  }

  #start(init: object): Promise<Llama> {
    const { program, onLog } = this.#options;
    const onInfo = (info: Info) => this.#post({ type: "info", ...info });
    const forget = () => {
      if (this.#llama === llama) this.#llama = undefined;
    };
    const onExit = (error: SidecarError) => {
      forget();
      this.#post({ type: "error", id: null, method: null, ...error.toJSON() });
    };
    // These come last: the other end of the port must not choose the program or how it is started.
    const own = { program, onLog, onInfo, onExit, onRestart: undefined, restart: undefined, signal: undefined };
    const llama = getLlama({ ...init, ...own });
    llama.catch(forget);
    return llama;
  }

  /** The contract's `abort`, for the ids of this port. */
  async #abort({ requestId }: { requestId?: RequestId }): Promise<RequestMap["abort"]["result"]> {
    const begun = performance.now();
    const wanted = [...this.#open].filter(({ id }) => requestId === undefined || id === requestId);
    for (const { controller } of wanted) controller.abort();
    await Promise.all(wanted.map(({ ended }) => ended));
    const outcome = wanted.length > 0 ? "aborted" : "notFound";
    return { outcome, tookMs: performance.now() - begun };
  }

  #post(message: object): void {
    this.#port.postMessage(message);
  }
}

/** The promise. Rejects when the signal aborts, but the start goes on: other requests may wait for it. */
function orAborted<T>(promise: Promise<T>, signal: AbortSignal, method: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(new AbortError(`${method} was aborted before it was sent.`));
    signal.addEventListener("abort", aborted, { once: true });
    promise.then(resolve, reject);
  });
}

/** Makes both kinds of port take both forms of listener, and give both an event. */
function withEvents(port: Port): Port {
  type Add = (type: string, listener: (event: unknown) => void) => void;
  const both = port as Port & { addEventListener?: Add };
  if (both.addEventListener) {
    // Node's own `on` gives the message without an event.
    both.on = (type, listener) => {
      both.addEventListener?.(type, listener);
      if (type === "message") both.start();
      return both;
    };
  } else {
    both.addEventListener = (type, listener) => void both.on(type as "message", listener);
  }
  return both;
}

function asError(error: unknown): SidecarError {
  if (error instanceof SidecarError) return error;
  return new SidecarError("internalError", String(error), { cause: error });
}
