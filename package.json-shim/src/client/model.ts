// A loaded model and its contexts, as objects that outlive the program's processes: after a restart they are loaded
// again, and the ids that they fill in are the new ones.

import type {
  CreateContextParams,
  CreateContextResult,
  DisposeContextParams,
  LoadModelParams,
  LoadModelResult,
  Method,
  UnloadModelParams,
  UnloadModelResult,
} from "../generated/contract.js";
import { ContextMethods, ModelMethods, type Sent } from "../generated/methods.js";
import type { CallOptions } from "./calls.js";
import { SidecarError } from "./errors.js";

/** Sends a request. `ids` is called when the request is sent, so the ids are those of the running program. */
export type SendWithIds = <M extends Method>(method: M, args: object | undefined, ids: () => object) => Sent<M>;

/** Sends a request to a program that is still being prepared, before any other call. */
export type SendFirst = (method: Method, params: object) => Promise<unknown>;

/** A loaded model, with everything that `loadModel` returned about it. */
export interface Model extends Readonly<LoadModelResult> {}

export class Model extends ModelMethods {
  readonly #sendWithIds: SendWithIds;
  readonly #params: LoadModelParams;
  readonly #forget: (model: Model) => void;
  readonly #contexts = new Set<Context>();
  #unusable: SidecarError | undefined;

  /** @internal `forget` is called when the model must not be loaded again. */
  constructor(
    sendWithIds: SendWithIds,
    params: LoadModelParams,
    result: LoadModelResult,
    forget: (model: Model) => void,
  ) {
    super();
    this.#sendWithIds = sendWithIds;
    this.#params = params;
    this.#forget = forget;
    Object.assign(this, result);
  }

  protected override send<M extends Method>(method: M, args: object | undefined): Sent<M> {
    return this.#sendWithIds(method, args, () => this.ids());
  }

  /** @internal Its id, for params. Throws if it is unloaded, or could not be loaded again. */
  ids(): { modelId: string } {
    if (this.#unusable) throw this.#unusable;
    return { modelId: this.modelId };
  }

  override async createContext(args?: Omit<CreateContextParams, "modelId"> & CallOptions<never>): Promise<Context> {
    const result = await super.createContext(args);
    const { signal: _, onProgress: __, ...params } = args ?? {};
    const context = new Context(this, this.#sendWithIds, params, result);
    this.#contexts.add(context);
    return context;
  }

  override async unloadModel(
    args?: Omit<UnloadModelParams, "modelId"> & CallOptions<never>,
  ): Promise<UnloadModelResult> {
    const result = await super.unloadModel(args);
    this.#forget(this);
    this.#unusable = new SidecarError("closed", "The model was unloaded.");
    return result;
  }

  /** Unload it. Does nothing if it is unloaded already. */
  async dispose(): Promise<void> {
    // Forgotten last: if the program restarts now, the model gets a new id and never unloads another model.
    await unlessGone(this.unloadModel());
    this.#forget(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** @internal The context must not be created again. */
  forget(context: Context): void {
    this.#contexts.delete(context);
  }

  /** @internal Load it into a new program. If that fails, only the calls of this model fail. */
  async reload(send: SendFirst): Promise<void> {
    try {
      Object.assign(this, await send("loadModel", this.#params));
      this.#unusable = undefined;
    } catch (error) {
      this.#unusable = unlessExited(error);
    }
    for (const context of this.#contexts) await context.recreate(send);
  }
}

/** A context of a model, with everything that `createContext` returned about it. */
export interface Context extends Readonly<CreateContextResult> {}

export class Context extends ContextMethods {
  readonly #model: Model;
  readonly #sendWithIds: SendWithIds;
  readonly #params: object;
  #unusable: SidecarError | undefined;

  /** @internal */
  constructor(model: Model, sendWithIds: SendWithIds, params: object, result: CreateContextResult) {
    super();
    this.#model = model;
    this.#sendWithIds = sendWithIds;
    this.#params = params;
    Object.assign(this, result);
  }

  get model(): Model {
    return this.#model;
  }

  protected override send<M extends Method>(method: M, args: object | undefined): Sent<M> {
    return this.#sendWithIds(method, args, () => {
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

  /** Free it. Does nothing if it is freed already. */
  async dispose(): Promise<void> {
    await unlessGone(this.disposeContext());
    this.#model.forget(this);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  /** @internal Create it in a new program that has loaded its model. */
  async recreate(send: SendFirst): Promise<void> {
    try {
      Object.assign(this, await send("createContext", { ...this.#params, ...this.#model.ids() }));
      this.#unusable = undefined;
    } catch (error) {
      this.#unusable = unlessExited(error);
    }
  }
}

/** The error, if it is about one object. The end of the program is about all of them, so it is thrown again. */
function unlessExited(error: unknown): SidecarError {
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
