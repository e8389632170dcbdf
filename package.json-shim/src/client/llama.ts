// What an app holds: the program, its models, their contexts. The methods come from the contract (generated/methods.ts);
// here is what makes objects of them that outlive the program's processes.

import { Call, type CallOptions, type Connection } from "./calls.js";
import { AbortError, SidecarError } from "./errors.js";
import {
  type CreateContextParams,
  type CreateContextResult,
  type DisposeContextParams,
  type GenerateProgress,
  type InitParams,
  type InitResult,
  type LoadModelParams,
  type LoadModelResult,
  type LoadProgress,
  type Method,
  PROTOCOL_VERSION,
  type Progress,
  type RequestMap,
  STREAMED,
  type ShutdownParams,
  type UnloadModelParams,
  type UnloadModelResult,
} from "../generated/contract.js";
import { ContextMethods, LlamaMethods, ModelMethods, type Sent } from "../generated/methods.js";
import { Stream } from "./stream.js";
import { type Launch, type RestartOptions, Supervisor, type Watchers } from "./supervisor.js";

/** What starting the program takes: the settings of `init`, and what becomes of it when it dies. */
export interface StartOptions extends Omit<InitParams, "protocolVersion">, Watchers {
  /**
   * Start the program again when it has died, and load again what was loaded: the same objects serve on.
   * Calls that were open are rejected with `exited`; calls made meanwhile wait. Default: false.
   */
  restart?: RestartOptions | boolean | undefined;
  /** Aborts the start. */
  signal?: AbortSignal | undefined;
}

type Args = CallOptions<never> & object;

/** Turns a request and the arguments of its method into a call. */
function makeCall(method: Method, args: Args | undefined, ids: () => object): { call: Call; sent: unknown } {
  const { signal, onProgress, ...params } = args ?? {};
  const tell = onProgress as ((progress: Progress) => void) | undefined;
  const makeParams = () => ({ ...params, ...ids() });
  if (!STREAMED.has(method)) {
    const call = new Call(method, makeParams, signal, tell);
    return { call, sent: call.promise };
  }
  const call: Call = new Call(method, makeParams, signal, (progress) => {
    tell?.(progress);
    if (progress.progressType === "generate") stream.push(progress);
  });
  const stream = new Stream<GenerateProgress, unknown>(call);
  return { call, sent: stream };
}

/** A running program. `getLlama` makes one. */
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

  /** Start a program. Rejects with a SidecarError if there is none, or one that this client cannot use. */
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

  /** What this program and this machine have, as the last `init` told. */
  get info(): InitResult {
    return this.#info as InitResult;
  }

  /** Send any request of the contract, with the ids that it needs. */
  request<M extends Method>(
    method: M,
    args?: RequestMap[M]["params"] & CallOptions<RequestMap[M]["progress"]>,
  ): Sent<M> {
    return this.send(method, args);
  }

  protected override send<M extends Method>(method: M, args: object | undefined): Sent<M> {
    return this.sendWith(method, args, () => ({}));
  }

  /** @internal Send a request with ids that are looked up when it leaves. */
  sendWith<M extends Method>(method: M, args: object | undefined, ids: () => object): Sent<M> {
    const { call, sent } = makeCall(method, args as Args, ids);
    this.#supervisor.send(call);
    return sent as Sent<M>;
  }

  /** Say `init` again: the new settings hold for models loaded afterwards. */
  override async init(args?: InitParams & CallOptions<never>): Promise<InitResult> {
    const { signal: _, onProgress: __, ...settings } = args ?? {};
    this.#info = await super.init(args);
    this.#init = { ...settings, protocolVersion: PROTOCOL_VERSION };
    return this.#info;
  }

  override async loadModel(args: LoadModelParams & CallOptions<LoadProgress>): Promise<Model> {
    const result = await super.loadModel(args);
    const { signal: _, onProgress: __, ...params } = args;
    const model = new Model(this, params, result);
    this.#models.add(model);
    return model;
  }

  override shutdown(args?: ShutdownParams & CallOptions<never>): Promise<null> {
    const answer = super.shutdown(args);
    this.#supervisor.closing();
    return answer;
  }

  /** End the program and all it works on; resolves when its process is gone. */
  async dispose(): Promise<void> {
    await this.#supervisor.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** @internal The model is not to be loaded again. */
  forget(model: Model): void {
    this.#models.delete(model);
  }

  /** The handshake; then everything that a former program had loaded. */
  async #prepare(connection: Connection): Promise<void> {
    const send = (method: Method, params: object) => {
      const call = new Call(method, () => params);
      connection.send(call);
      return call.promise;
    };
    const info = (await send("init", this.#init)) as InitResult;
    if (info?.protocolVersion !== PROTOCOL_VERSION) {
      const message = `The program speaks protocol version ${info?.protocolVersion}, this client ${PROTOCOL_VERSION}. Ship client and program of the same release.`;
      throw new SidecarError("unsupportedProtocolVersion", message);
    }
    this.#info = info;
    for (const model of this.#models) await model.reload(send);
  }
}

/** Sends a request to a program that is not open to all calls yet. */
type Resend = (method: Method, params: object) => Promise<unknown>;

/** A loaded model, with all that `loadModel` told about it. */
export interface Model extends Readonly<LoadModelResult> {}

export class Model extends ModelMethods {
  readonly #llama: Llama;
  readonly #params: LoadModelParams;
  readonly #contexts = new Set<Context>();
  #unusable: SidecarError | undefined;

  /** @internal */
  constructor(llama: Llama, params: LoadModelParams, result: LoadModelResult) {
    super();
    this.#llama = llama;
    this.#params = params;
    Object.assign(this, result);
  }

  protected override send<M extends Method>(method: M, args: object | undefined): Sent<M> {
    return this.#llama.sendWith(method, args, () => this.ids());
  }

  /** @internal What names it in params. Throws if it is unloaded, or could not be loaded again. */
  ids(): { modelId: string } {
    if (this.#unusable) throw this.#unusable;
    return { modelId: this.modelId };
  }

  override async createContext(args?: Omit<CreateContextParams, "modelId"> & CallOptions<never>): Promise<Context> {
    const result = await super.createContext(args);
    const { signal: _, onProgress: __, ...params } = args ?? {};
    const context = new Context(this, (...sent) => this.#llama.sendWith(...sent), params, result);
    this.#contexts.add(context);
    return context;
  }

  override async unloadModel(
    args?: Omit<UnloadModelParams, "modelId"> & CallOptions<never>,
  ): Promise<UnloadModelResult> {
    const result = await super.unloadModel(args);
    this.#llama.forget(this);
    this.#unusable = new SidecarError("closed", "The model was unloaded.");
    return result;
  }

  /** Unload it; does nothing if it is gone already. */
  async dispose(): Promise<void> {
    await unlessGone(this.unloadModel()); // first: until then a restart loads it, so that its id is its own
    this.#llama.forget(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** @internal */
  forget(context: Context): void {
    this.#contexts.delete(context);
  }

  /** @internal Load it into a new program. What cannot be loaded fails its own calls only. */
  async reload(send: Resend): Promise<void> {
    try {
      Object.assign(this, await send("loadModel", this.#params));
      this.#unusable = undefined;
    } catch (error) {
      this.#unusable = passOn(error);
    }
    for (const context of this.#contexts) await context.recreate(send);
  }
}

/** A context of a model, with all that `createContext` told about it. */
export interface Context extends Readonly<CreateContextResult> {}

export class Context extends ContextMethods {
  readonly #model: Model;
  readonly #sendWith: Llama["sendWith"];
  readonly #params: object;
  #unusable: SidecarError | undefined;

  /** @internal */
  constructor(model: Model, sendWith: Llama["sendWith"], params: object, result: CreateContextResult) {
    super();
    this.#model = model;
    this.#sendWith = sendWith;
    this.#params = params;
    Object.assign(this, result);
  }

  get model(): Model {
    return this.#model;
  }

  protected override send<M extends Method>(method: M, args: object | undefined): Sent<M> {
    return this.#sendWith(method, args, () => {
      this.#model.ids(); // throws if the model cannot be used
      if (this.#unusable) throw this.#unusable;
      return { contextId: this.contextId };
    });
  }

  override async disposeContext(args?: Omit<DisposeContextParams, "contextId"> & CallOptions<never>): Promise<null> {
    const result = await super.disposeContext(args);
    this.#model.forget(this);
    this.#unusable = new SidecarError("closed", "The context was disposed of.");
    return result;
  }

  /** Free it; does nothing if it is gone already. */
  async dispose(): Promise<void> {
    await unlessGone(this.disposeContext());
    this.#model.forget(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** @internal Make it in a new program, where its model has been loaded. */
  async recreate(send: Resend): Promise<void> {
    try {
      Object.assign(this, await send("createContext", { ...this.#params, ...this.#model.ids() }));
      this.#unusable = undefined;
    } catch (error) {
      this.#unusable = passOn(error);
    }
  }
}

/** An error of the object's own; the program's end concerns all of it and is thrown on. */
function passOn(error: unknown): SidecarError {
  if (error instanceof SidecarError && error.kind !== "exited") return error;
  throw error;
}

const GONE: ReadonlySet<string> = new Set([
  "closed",
  "exited",
  "shuttingDown",
  "modelNotFound",
  "contextNotFound",
]);

async function unlessGone(disposal: Promise<unknown>): Promise<void> {
  try {
    await disposal;
  } catch (error) {
    if (!(error instanceof SidecarError && GONE.has(error.kind))) throw error;
  }
}
