// Models by name, for interfaces that name a model in each request: found or downloaded, loaded and given a context when
// they are first used, and shared from then on.

import { AbortError, SidecarError } from "./client/errors.js";
import type { Llama } from "./client/llama.js";
import type { Context, Model } from "./client/model.js";
import type { CreateContextParams, DownloadProgress, LoadModelParams, LoadProgress, VerifyProgress } from "./generated/contract.js";

/** Names of models that one object knows at the same time. */
export const MOST_MODELS = 32;

/** What a context is for. */
export type Purpose = "text" | "vectors" | "scores";

const NEEDED = {
  text: {},
  vectors: { embeddings: true },
  scores: { embeddings: true, pooling: "rank" },
} as const;

export interface ModelsOptions {
  /** A running program, or the function that starts it when a model is first used: `getLlama`, for example. */
  llama: Llama | PromiseLike<Llama> | (() => Llama | PromiseLike<Llama>);
  /** Params of `loadModel`. */
  load?: Omit<LoadModelParams, "path">;
  /** Params of `createContext`; what the context is for is added. */
  context?: Omit<CreateContextParams, "modelId" | "embeddings" | "pooling">;
  /** Called while a model is downloaded, verified and loaded. */
  onProgress?: ((event: { model: string; progress: DownloadProgress | VerifyProgress | LoadProgress }) => void) | undefined;
}

/** Work that several callers wait for. When none of them waits any more, it is aborted and forgotten. */
class Shared<T> {
  readonly promise: Promise<T>;
  readonly #controller = new AbortController();
  readonly #forget: () => void;
  #waiting = 0;
  #done = false;

  constructor(work: (signal: AbortSignal) => Promise<T>, forget: () => void) {
    this.#forget = forget;
    this.promise = work(this.#controller.signal);
    this.promise.then(
      () => (this.#done = true),
      () => forget(), // the next caller tries again
    );
  }

  async wait(signal: AbortSignal | undefined): Promise<T> {
    if (signal?.aborted) throw aborted(signal);
    if (!signal) {
      this.#waiting++; // for ever: nobody can abort this caller
      return this.promise;
    }
    this.#waiting++;
    let stop = () => {};
    const abort = new Promise<never>((_, reject) => {
      stop = () => reject(aborted(signal));
      signal.addEventListener("abort", stop, { once: true });
    });
    try {
      return await Promise.race([this.promise, abort]);
    } finally {
      signal.removeEventListener("abort", stop);
      if (--this.#waiting === 0 && !this.#done) {
        this.#forget();
        this.#controller.abort();
      }
    }
  }
}

export class LoadedModels {
  readonly #options: ModelsOptions;
  readonly #models = new Map<string, Shared<Model>>();
  readonly #contexts = new Map<string, Shared<Context>>();
  #llama: Promise<Llama> | undefined;

  constructor(options: ModelsOptions) {
    this.#options = options;
  }

  /** The running program. */
  llama(): Promise<Llama> {
    const { llama } = this.#options;
    this.#llama ??= Promise.resolve(typeof llama === "function" ? llama() : llama);
    this.#llama.catch(() => (this.#llama = undefined));
    return this.#llama;
  }

  /** The names that were used. */
  names(): string[] {
    return [...this.#models.keys()];
  }

  /** The context of a model. `name`: a path, or `hf:owner/repo:quant` or an https URL, which is downloaded first. */
  context(name: string, purpose: Purpose, signal?: AbortSignal): Promise<Context> {
    const key = `${purpose} ${name}`;
    let context = this.#contexts.get(key);
    if (!context) {
      const work = async (stop: AbortSignal) => {
        const model = await this.#model(name).wait(stop);
        return model.createContext({ ...this.#options.context, ...NEEDED[purpose], signal: stop });
      };
      context = new Shared(work, () => this.#contexts.delete(key));
      this.#contexts.set(key, context);
    }
    return context.wait(signal);
  }

  /** Unload all models; end the program if it was started here. */
  async dispose(): Promise<void> {
    const models = [...this.#models.values()];
    const llama = this.#llama;
    this.#models.clear();
    this.#contexts.clear();
    this.#llama = undefined;
    if (typeof this.#options.llama === "function") {
      await (await llama?.catch(() => undefined))?.dispose();
      return;
    }
    for (const model of models) await (await model.promise.catch(() => undefined))?.dispose();
  }

  #model(name: string): Shared<Model> {
    const known = this.#models.get(name);
    if (known) return known;
    if (this.#models.size >= MOST_MODELS) {
      throw new SidecarError("overloaded", `${MOST_MODELS} models are loaded. Dispose of them, or use one of them.`);
    }
    const model = new Shared((signal) => this.#load(name, signal), () => this.#models.delete(name));
    this.#models.set(name, model);
    return model;
  }

  async #load(name: string, signal: AbortSignal): Promise<Model> {
    const llama = await this.llama();
    const { load, onProgress } = this.#options;
    const watch = { signal, onProgress: (progress: DownloadProgress | VerifyProgress | LoadProgress) => onProgress?.({ model: name, progress }) };
    const remote = /^(hf|https?):/.test(name);
    const path = remote ? (await llama.downloadModel({ model: name, ...watch })).path : name;
    return llama.loadModel({ ...load, path, ...watch });
  }
}

function aborted(signal: AbortSignal): AbortError {
  return new AbortError("The call was aborted before its model was loaded.", { cause: signal.reason });
}
