// The running program, as an object that outlives its processes. The methods are generated (generated/methods.ts).

import {
  type GenerateProgress,
  type InitParams,
  type InitResult,
  type LoadModelParams,
  type LoadProgress,
  type Method,
  PROTOCOL_VERSION,
  type Progress,
  type RequestMap,
  STREAMED,
  type ShutdownParams,
} from "../generated/contract.js";
import { LlamaMethods, type Sent } from "../generated/methods.js";
import { Call, type CallOptions, type Connection } from "./calls.js";
import { AbortError, SidecarError } from "./errors.js";
import { Model, type SendFirst, type SendWithIds } from "./model.js";
import type { Launch } from "./peer.js";
import { Stream } from "./stream.js";
import { inTimeToStart, type RestartOptions, Supervisor, type Watchers } from "./supervisor.js";

/** How to start the program: the settings of `init`, and what to do when the program dies. */
export interface StartOptions extends Omit<InitParams, "protocolVersion">, Watchers {
  /**
   * Start the program again when it has died, and load its models and contexts again. The same objects can be
   * used further. Open calls are rejected with `exited`; calls made meanwhile wait. Default: false.
   */
  restart?: RestartOptions | boolean | undefined;
  /** Aborts the start. */
  signal?: AbortSignal | undefined;
}

type Args = CallOptions<never> & object;

/** Makes the call of a request, and what its method returns: a promise or a stream. */
function makeCall(method: Method, args: Args | undefined, ids: () => object): { call: Call; sent: unknown } {
  const { signal, onProgress, ...params } = args ?? {};
  const listener = onProgress as ((progress: Progress) => void) | undefined;
  const makeParams = () => ({ ...params, ...ids() });
  if (!STREAMED.has(method)) {
    const call = new Call(method, makeParams, signal, listener);
    return { call, sent: call.promise };
  }
  const call: Call = new Call(method, makeParams, signal, (progress) => {
    listener?.(progress);
    if (progress.progressType === "generate") stream.push(progress);
  });
  const stream = new Stream<GenerateProgress, unknown>(call);
  return { call, sent: stream };
}

/** A running program. `getLlama` starts one. */
export class Llama extends LlamaMethods {
  readonly #supervisor: Supervisor;
  readonly #models = new Set<Model>();
  #init: object;
  #info: InitResult | undefined;

  private constructor(launch: Launch, { restart, signal: _, onInfo, onRestart, onExit, ...init }: StartOptions) {
    super();
    this.#init = { ...init, protocolVersion: PROTOCOL_VERSION };
    const prepare = (connection: Connection) => this.#prepare(connection);
    this.#supervisor = new Supervisor(launch, prepare, restart, { onInfo, onRestart, onExit });
  }

  /** Start a program. Rejects with a SidecarError if it does not start, or if this client cannot use it. */
  static async start(launch: Launch, options: StartOptions): Promise<Llama> {
    const llama = new Llama(launch, options);
    const { signal } = options;
    const stop = () => void llama.#supervisor.stop();
    const aborted = () => new AbortError("The start was aborted.", { cause: signal?.reason });
    if (signal?.aborted) throw aborted();
    signal?.addEventListener("abort", stop, { once: true });
    try {
      await llama.#supervisor.start();
    } catch (error) {
      throw signal?.aborted ? aborted() : error;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
    if (signal?.aborted) throw aborted();
    return llama;
  }

  /** What this program and this machine have: the result of the last `init`. */
  get info(): InitResult {
    return this.#info as InitResult;
  }

  /** Send any request of the contract. Its params must include the ids that it needs. */
  request<M extends Method>(
    method: M,
    args?: RequestMap[M]["params"] & CallOptions<RequestMap[M]["progress"]>,
  ): Sent<M> {
    return this.send(method, args);
  }

  protected override send<M extends Method>(method: M, args: object | undefined): Sent<M> {
    return this.#sendWithIds(method, args, () => ({}));
  }

  readonly #sendWithIds: SendWithIds = <M extends Method>(method: M, args: object | undefined, ids: () => object) => {
    const { call, sent } = makeCall(method, args as Args, ids);
    this.#supervisor.send(call);
    return sent as Sent<M>;
  };

  /** Send `init` again. The new settings hold for models that are loaded afterwards. */
  override async init(args?: InitParams & CallOptions<never>): Promise<InitResult> {
    const { signal: _, onProgress: __, ...settings } = args ?? {};
    this.#info = await super.init(args);
    this.#init = { ...settings, protocolVersion: PROTOCOL_VERSION };
    return this.#info;
  }

  override async loadModel(args: LoadModelParams & CallOptions<LoadProgress>): Promise<Model> {
    const result = await super.loadModel(args);
    const { signal: _, onProgress: __, ...params } = args;
    const model = new Model(this.#sendWithIds, params, result, (unloaded) => this.#models.delete(unloaded));
    this.#models.add(model);
    return model;
  }

  override shutdown(args?: ShutdownParams & CallOptions<never>): Promise<null> {
    const answer = super.shutdown(args);
    this.#supervisor.closing();
    return answer;
  }

  /** End the program and all its work. Resolves when its process has ended. */
  async dispose(): Promise<void> {
    await this.#supervisor.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** Send `init`, then load everything that the former program had loaded, however long that takes. */
  async #prepare(connection: Connection): Promise<void> {
    const send: SendFirst = (method, params) => {
      const call = new Call(method, () => params);
      connection.send(call);
      return call.promise;
    };
    const info = (await inTimeToStart(send("init", this.#init))) as InitResult;
    if (info?.protocolVersion !== PROTOCOL_VERSION) {
      const message = `The program speaks protocol version ${info?.protocolVersion}, this client ${PROTOCOL_VERSION}. Ship the client and the program of the same release.`;
      throw new SidecarError("unsupportedProtocolVersion", message);
    }
    this.#info = info;
    for (const model of this.#models) await model.reload(send);
  }
}
