// The model that all sessions of a page share: whether it is there, and how it comes.

import type { Context } from "../client/model.js";
import type { ListedModel } from "../generated/contract.js";
import { isRemote, LoadedModels, type ModelsOptions } from "../loaded-models.js";
import { domError } from "./errors.js";
import { writesText } from "./options.js";
import type { Availability, DownloadMonitor, DownloadProgressEvent, PromptCoreOptions, PromptType } from "./types.js";

/** How finely progress is told: parts of the whole. */
const STEPS = 65_536;

/** Kinds of errors of a file that no model is in. */
const NO_MODEL: ReadonlySet<string> = new Set(["fileNotFound", "fileNotReadable", "notGguf", "modelDamaged", "modelIncomplete"]);

export class SharedModel {
  readonly #name: string;
  readonly #models: LoadedModels;
  readonly #monitors = new Set<Monitor>();
  #loaded = false;
  #downloading = false;

  constructor({ model, ...options }: ModelsOptions & { model: string }) {
    this.#name = model;
    const onProgress: ModelsOptions["onProgress"] = (event) => {
      const { progressType, progress } = event.progress;
      this.#downloading = progressType === "download" && progress !== 1;
      if (progressType === "download") for (const monitor of this.#monitors) monitor.tell(progress ?? 0);
      options.onProgress?.(event);
    };
    this.#models = new LoadedModels({ ...options, onProgress });
  }

  /** The context, of a model that has been downloaded and loaded if need be. A monitor is told how it goes. */
  async context(tell: ((monitor: DownloadMonitor) => void) | undefined, signal: AbortSignal | undefined): Promise<Context> {
    const monitor = tell && new Monitor();
    if (monitor) {
      tell(monitor);
      monitor.tell(0);
      this.#monitors.add(monitor);
    }
    try {
      const context = await this.#models.context(this.#name, "text", signal);
      monitor?.tell(1);
      this.#loaded = true;
      return context;
    } finally {
      if (monitor) this.#monitors.delete(monitor);
      this.#downloading = false;
    }
  }

  async availability(options: PromptCoreOptions): Promise<Availability> {
    if (!writesText(options)) return "unavailable";
    if (this.#loaded) return "available";
    if (this.#downloading) return "downloading";
    const llama = await this.#models.llama();
    if (isRemote(this.#name)) {
      const { models } = await llama.listModels();
      return models.some((model) => isModel(this.#name, model)) ? "available" : "downloadable";
    }
    try {
      await llama.inspectModel({ path: this.#name });
      return "available";
    } catch (error) {
      if (NO_MODEL.has((error as { kind?: string }).kind ?? "")) return "unavailable";
      throw error;
    }
  }

  dispose(): Promise<void> {
    this.#loaded = false;
    return this.#models.dispose();
  }
}

/** Throws unless the model takes these types. */
export function checkTypes({ model }: Context, types: ReadonlySet<PromptType>): void {
  for (const type of types) {
    if (!model.modalities.includes(type)) throw domError("NotSupportedError", `The model takes no content of the type ${type}.`);
  }
}

/** Whether a file on the disk is the one that is meant. */
function isModel(name: string, { source, problem }: ListedModel): boolean {
  if (!source || problem !== null) return false;
  const [, repository, path, quantization] = /^hf:([^/]+\/[^/:]+)(?:\/(.+)|:(.+))?$/.exec(name) ?? [];
  if (repository === undefined) return source.url === name;
  const file = source.file ?? "";
  const words = file.toUpperCase().split(/[-./]/);
  return source.repository === repository && (!path || path === file) && (!quantization || words.includes(quantization.toUpperCase()));
}

/** A target of `downloadprogress` events. */
class Monitor extends EventTarget implements DownloadMonitor {
  ondownloadprogress: DownloadMonitor["ondownloadprogress"] = null;
  #last: number | undefined;

  constructor() {
    super();
    this.addEventListener("downloadprogress", (event) => this.ondownloadprogress?.(event as DownloadProgressEvent));
  }

  /** Only a part that is greater than the last one is told. */
  tell(progress: number): void {
    const loaded = Math.floor(progress * STEPS) / STEPS;
    if (this.#last !== undefined && loaded <= this.#last) return;
    this.#last = loaded;
    const members = { lengthComputable: true, loaded, total: 1 };
    const { ProgressEvent } = globalThis as { ProgressEvent?: new (type: string, members: object) => DownloadProgressEvent };
    const event = ProgressEvent ? new ProgressEvent("downloadprogress", members) : Object.assign(new Event("downloadprogress"), members);
    this.dispatchEvent(event);
  }
}
