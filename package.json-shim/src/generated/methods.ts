// GENERATED from schema/ by build/contract/generate.py; do not edit (fingerprint 0f35e6331a282e89)
import type { CallOptions } from "../client/calls.js";
import type { Stream } from "../client/stream.js";
import type {
  AbortParams,
  AbortResult,
  ApplyTemplateParams,
  ApplyTemplateResult,
  ChatParams,
  ChatResult,
  CompleteParams,
  CompleteResult,
  CreateContextParams,
  CreateContextResult,
  DeleteModelParams,
  DeleteModelResult,
  DetokenizeParams,
  DetokenizeResult,
  DiscoverParams,
  DiscoverResult,
  DisposeContextParams,
  DisposeContextResult,
  DownloadModelParams,
  DownloadModelResult,
  DownloadProgress,
  EmbedParams,
  EmbedProgress,
  EmbedResult,
  EstimateModelParams,
  EstimateModelResult,
  GenerateProgress,
  InfillParams,
  InfillResult,
  InitParams,
  InitResult,
  InspectModelParams,
  InspectModelResult,
  ListModelsParams,
  ListModelsResult,
  LoadModelParams,
  LoadModelResult,
  LoadProgress,
  Method,
  PingParams,
  PingResult,
  PromptProgress,
  QueueProgress,
  RequestMap,
  RerankParams,
  RerankResult,
  RestoreStateParams,
  RestoreStateResult,
  SaveStateParams,
  SaveStateResult,
  ShutdownParams,
  ShutdownResult,
  StatusParams,
  StatusResult,
  TokenizeParams,
  TokenizeResult,
  UnloadModelParams,
  UnloadModelResult,
  VerifyProgress,
} from "./contract.js";

/** What sending a request returns: a promise of the result. If there is text, it is an iterator over the text too. */
export type Sent<M extends Method> = [GenerateProgress] extends [RequestMap[M]["progress"]]
  ? Stream<GenerateProgress, RequestMap[M]["result"]>
  : Promise<RequestMap[M]["result"]>;

/** The requests that need no modelId or contextId. */
export abstract class LlamaMethods {
  /** Sends a request and fills in the id. */
  protected abstract send<M extends Method>(method: M, args: object | undefined): Sent<M>;

  /** Say who you are and set the defaults: backend, other machines' devices, threads, models directory. Starts an engine and tells what this machine and this build have. Optional: without it the defaults serve. May be sent again; the new settings hold for models loaded afterwards. */
  init(args?: InitParams & CallOptions<never>): Promise<InitResult> {
    return this.send("init", args);
  }

  /** Answered at once, whatever else is running. */
  ping(args?: PingParams & CallOptions<never>): Promise<PingResult> {
    return this.send("ping", args);
  }

  /** Processes, models, contexts and running requests, with measured memory. */
  status(args?: StatusParams & CallOptions<never>): Promise<StatusResult> {
    return this.send("status", args);
  }

  /** Abort a running request. Answered after its work has really stopped. The aborted request itself is answered with the error `aborted` (-32800), whose data.partial carries what was done. */
  abort(args: AbortParams & CallOptions<never>): Promise<AbortResult> {
    return this.send("abort", args);
  }

  /** Stop all work, answer everything that is open, end all processes and exit with status 0. */
  shutdown(args?: ShutdownParams & CallOptions<never>): Promise<ShutdownResult> {
    return this.send("shutdown", args);
  }

  /** The OpenRPC document of this protocol. */
  discover(args?: DiscoverParams & CallOptions<never>): Promise<DiscoverResult> {
    return this.send("rpc.discover", args);
  }

  /** Fetch a model into modelsDirectory, whole and verified; goes on where an earlier attempt stopped. Survives abort, crash and reboot: what came is kept and never fetched again. The file gets its name only when its checksum is right. A second request for the same file waits for the first and shows its progress. */
  downloadModel(args: DownloadModelParams & CallOptions<DownloadProgress | VerifyProgress>): Promise<DownloadModelResult> {
    return this.send("downloadModel", args);
  }

  /** The models on this disk: in modelsDirectory, in the hub's own cache, and in folders that are named. */
  listModels(args?: ListModelsParams & CallOptions<never>): Promise<ListModelsResult> {
    return this.send("listModels", args);
  }

  /** Delete a model of modelsDirectory, all parts of a split one, or what came of an unfinished download. */
  deleteModel(args: DeleteModelParams & CallOptions<never>): Promise<DeleteModelResult> {
    return this.send("deleteModel", args);
  }

  /** Read a GGUF file's header without loading the model: of a file here, or on the hub without downloading it. */
  inspectModel(args: InspectModelParams & CallOptions<never>): Promise<InspectModelResult> {
    return this.send("inspectModel", args);
  }

  /** How much memory a model will take with a given context, whether it runs here, and the largest context that fits; before or after its download. */
  estimateModel(args: EstimateModelParams & CallOptions<never>): Promise<EstimateModelResult> {
    return this.send("estimateModel", args);
  }

  /** Load a model from a GGUF file into an engine process of its own. modelIds are model-1, model-2, … in the order in which loadModel is called, so a shell pipe can use them before the answer is there. */
  loadModel(args: LoadModelParams & CallOptions<LoadProgress>): Promise<LoadModelResult> {
    return this.send("loadModel", args);
  }
}

/** The requests about one object, whose modelId is filled in. */
export abstract class ModelMethods {
  /** Sends a request and fills in the id. */
  protected abstract send<M extends Method>(method: M, args: object | undefined): Sent<M>;

  /** End the model's engine process and give its memory back to the operating system, measured. Requests still running on the model are aborted first; its contexts end with it. */
  unloadModel(args?: Omit<UnloadModelParams, "modelId"> & CallOptions<never>): Promise<UnloadModelResult> {
    return this.send("unloadModel", args);
  }

  /** Make a context: a KV cache with room for one or more sequences that are computed together. contextIds are context-1, context-2, … in the order in which createContext is called. What is returned is read back from llama.cpp, not repeated from the request. */
  createContext(args?: Omit<CreateContextParams, "modelId"> & CallOptions<never>): Promise<CreateContextResult> {
    return this.send("createContext", args);
  }

  /** Turn text into token ids. */
  tokenize(args: Omit<TokenizeParams, "modelId"> & CallOptions<never>): Promise<TokenizeResult> {
    return this.send("tokenize", args);
  }

  /** Turn token ids into text. */
  detokenize(args: Omit<DetokenizeParams, "modelId"> & CallOptions<never>): Promise<DetokenizeResult> {
    return this.send("detokenize", args);
  }

  /** Render messages with the model's chat template, without generating. */
  applyTemplate(args: Omit<ApplyTemplateParams, "modelId"> & CallOptions<never>): Promise<ApplyTemplateResult> {
    return this.send("applyTemplate", args);
  }
}

/** The requests about one object, whose contextId is filled in. */
export abstract class ContextMethods {
  /** Sends a request and fills in the id. */
  protected abstract send<M extends Method>(method: M, args: object | undefined): Sent<M>;

  /** Free a context. Requests still running on it are aborted. */
  disposeContext(args?: Omit<DisposeContextParams, "contextId"> & CallOptions<never>): Promise<DisposeContextResult> {
    return this.send("disposeContext", args);
  }

  /** Write what a context has computed of a conversation to a file. Which conversation, `prompt` or `messages` say, as they would be sent to complete or chat: the sequence that shares most of it is saved, whole; without them the one that was used last. The file appears when it is complete. It is made for this model, context parameters and release, not for exchange. */
  saveState(args: Omit<SaveStateParams, "contextId"> & CallOptions<never>): Promise<SaveStateResult> {
    return this.send("saveState", args);
  }

  /** Read a file of saveState back, so that the next turn of its conversation pays only for its new tokens. Takes a sequence that is not in use, the one that was not used for longest. Nothing is given to llama.cpp before the file's checksum, model, parameters and release were compared. */
  restoreState(args: Omit<RestoreStateParams, "contextId"> & CallOptions<never>): Promise<RestoreStateResult> {
    return this.send("restoreState", args);
  }

  /** Continue a prompt. */
  complete(args: Omit<CompleteParams, "contextId"> & CallOptions<QueueProgress | PromptProgress | GenerateProgress>): Stream<GenerateProgress, CompleteResult> {
    return this.send("complete", args);
  }

  /** Answer a conversation, with the model's own chat template: text, thoughts and calls of tools, each told apart. */
  chat(args: Omit<ChatParams, "contextId"> & CallOptions<QueueProgress | PromptProgress | GenerateProgress>): Stream<GenerateProgress, ChatResult> {
    return this.send("chat", args);
  }

  /** Write what stands between a prefix and a suffix, with a model made for that. The model's own tokens for it are put around the two texts, in which no special tokens are recognised. */
  infill(args: Omit<InfillParams, "contextId"> & CallOptions<QueueProgress | PromptProgress | GenerateProgress>): Stream<GenerateProgress, InfillResult> {
    return this.send("infill", args);
  }

  /** Turn texts into vectors, many in one batch. Needs a context that was created with `embeddings`. Texts are tokenised with the special tokens that the model puts around a text. A text that is too long, or empty, is refused before anything is computed; the error's pointer names it. */
  embed(args: Omit<EmbedParams, "contextId"> & CallOptions<EmbedProgress>): Promise<EmbedResult> {
    return this.send("embed", args);
  }

  /** Say how well each document answers a query, with a model made for that. Needs a context that was created with `embeddings` and has the pooling `rank`. */
  rerank(args: Omit<RerankParams, "contextId"> & CallOptions<EmbedProgress>): Promise<RerankResult> {
    return this.send("rerank", args);
  }
}
