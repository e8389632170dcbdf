// Models by name, for interfaces that name a model in each request: found or downloaded, loaded and given a context when
// they are first used, and shared from then on.

import { unlessAborted } from "./client/aborting.js";
import { AbortError, SidecarError } from "./client/errors.js";
import type { Llama } from "./client/llama.js";
import type { Context, Model } from "./client/model.js";
import type { CreateContextParams, DownloadModelParams, DownloadProgress, LoadModelParams, LoadProgress, VerifyProgress } from "./generated/contract.js";

/** Names of models that one object knows at the same time. */
export const MOST_MODELS = 32;

/** What a context is for. */
export type Purpose = "text" | "vectors" | "scores";

const ABORTED = "The call was aborted before its model was loaded.";

const NEEDED = {
  text: {},
  vectors: { embeddings: true },
  scores: { embeddings: true, pooling: "rank" },
} as const;

export interface ModelsOptions {
  /** A running program, or the function that starts it when a model is first used: `getLlama`, for example. */
  llama: Llama | PromiseLike<Llama> | (() => Llama | PromiseLike<Llama>);
  /** Params of `downloadModel`: `{ projector: true }` brings along what a model needs for pictures and sound. */
  download?: Omit<DownloadModelParams, "model">;
  /** Params of `loadModel`. */
  load?: Omit<LoadModelParams, "path">;
  /** Params of `createContext`; what the context is for is added. */
  context?: Omit<CreateContextParams, "modelId" | "embeddings" | "pooling">;
  /** Called while a model is downloaded, verified and loaded. */
  onProgress?: ((event: { model: string; progress: DownloadProgress | VerifyProgress | LoadProgress }) => void) | undefined;
}

/** Whether a model of this name is downloaded, unlike a path. */
export const isRemote = (name: string): boolean => /^(hf|https?):/.test(name);

interface Disposable {
  dispose(): Promise<void>;
}

/** Work that several callers wait for. */
class Shared<T extends Disposable> {
  readonly #work: Promise<T>;
  readonly #promise: Promise<T>;
  readonly #controller = new AbortController();
  readonly #onLeft: () => void;
  #waiting = 0;
  #done = false;

  /** `onFailed` is called when the work fails, `onLeft` when nobody waits for it any more before it has ended. */
  constructor(work: (signal: AbortSignal) => Promise<T>, onFailed: () => void, onLeft: () => void) {
    const { signal } = this.#controller;
    this.#onLeft = onLeft;
    this.#work = work(signal);
    this.#promise = this.#work.then((result) => {
      if (signal.aborted) throw new AbortError(ABORTED); // it had ended before the abort arrived
      this.#done = true;
      return result;
    });
    this.#promise.catch(onFailed);
  }

  async wait(signal: AbortSignal | undefined): Promise<T> {
    this.#waiting++;
    if (!signal) return this.#promise; // it waits for ever: nobody can abort this caller
    try {
      return await unlessAborted(signal, ABORTED, () => this.#promise);
    } finally {
      if (--this.#waiting === 0 && !this.#done) this.#onLeft();
    }
  }

  abort(): void {
    this.#controller.abort();
  }

  /** Abort the work, and dispose of what it returns all the same. */
  async end(): Promise<void> {
    this.abort();
    const result = await this.#work.catch(() => undefined); // work that failed, its callers know why, leaves nothing
    await result?.dispose();
  }
}

export class LoadedModels {
  readonly #options: ModelsOptions;
  readonly #models = new Map<string, Shared<Model>>();
  readonly #contexts = new Map<string, Shared<Context>>();
  /** What nobody waits for any more, until it is disposed of. */
  readonly #left = new Set<Shared<Disposable>>();
  #llama: Promise<Llama> | undefined;

  constructor(options: ModelsOptions) {
    this.#options = options;
  }

  /** The running program. */
  llama(): Promise<Llama> {
    if (this.#llama) return this.#llama;
    const { llama } = this.#options;
    const started = Promise.resolve(typeof llama === "function" ? llama() : llama);
    this.#llama = started;
    started.catch(() => {
      if (this.#llama === started) this.#llama = undefined; // the next caller tries again
    });
    return started;
  }

  /** The names that were used. */
  names(): string[] {
    return [...this.#models.keys()];
  }

  /** The context of a model. `name`: a path, or `hf:owner/repo:quant` or an https URL, which is downloaded first. */
  context(name: string, purpose: Purpose, signal?: AbortSignal): Promise<Context> {
    const key = `${purpose} ${name}`;
    const create = async (stop: AbortSignal) => {
      const model = await this.#model(name).wait(stop);
      return model.createContext({ ...this.#options.context, ...NEEDED[purpose], signal: stop });
    };
    const context = this.#contexts.get(key) ?? this.#share(this.#contexts, key, create);
    return context.wait(signal);
  }

  /** Abort what is being loaded and unload all models; end the program if it was started here. */
  async dispose(): Promise<void> {
    const models = [...this.#left, ...this.#models.values()];
    const all = [...this.#contexts.values(), ...models];
    const llama = this.#llama;
    this.#models.clear();
    this.#contexts.clear();
    this.#left.clear();
    this.#llama = undefined;
    for (const each of all) each.abort();
    if (typeof this.#options.llama === "function") {
      await (await llama?.catch(() => undefined))?.dispose();
      return;
    }
    await Promise.all(models.map((each) => each.end())); // a model takes its contexts with it
  }

  #model(name: string): Shared<Model> {
    const known = this.#models.get(name);
    if (known) return known;
    if (this.#models.size >= MOST_MODELS) {
      throw new SidecarError("overloaded", `${MOST_MODELS} models are loaded. Dispose of them, or use one of them.`);
    }
    return this.#share(this.#models, name, (signal) => this.#load(name, signal));
  }

  /** Begins work under a name. If it fails or nobody waits for it any more, the next caller begins anew. */
  #share<T extends Disposable>(all: Map<string, Shared<T>>, name: string, work: (signal: AbortSignal) => Promise<T>): Shared<T> {
    const forget = () => {
      if (all.get(name) === shared) all.delete(name);
    };
    const leave = () => {
      forget();
      this.#left.add(shared);
      const tried = () => {}; // what could not be disposed of stays: `dispose` tries again, and says why if it fails
      shared.end().then(() => this.#left.delete(shared), tried);
    };
    const shared: Shared<T> = new Shared(work, forget, leave);
    all.set(name, shared);
    return shared;
  }

  async #load(name: string, signal: AbortSignal): Promise<Model> {
    const llama = await this.llama();
    const { download, load, onProgress } = this.#options;
    const watch = { signal, onProgress: (progress: DownloadProgress | VerifyProgress | LoadProgress) => onProgress?.({ model: name, progress }) };
    const path = isRemote(name) ? (await llama.downloadModel({ ...download, model: name, ...watch })).path : name;
    return llama.loadModel({ ...load, path, ...watch });
  }
}
