// GENERATED from schema/ by build/contract/generate.py; do not edit (fingerprint 8c38bc7e4ecaa79d)
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
  CountTokensParams,
  CountTokensResult,
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
  EncodeProgress,
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

  /** Introduce the client and set the defaults: backend, devices of other machines, threads, models directory. Starts an engine and returns what this machine and this build offer. Optional: without it the defaults apply. It may be sent again; the new settings apply to models loaded afterwards. */
  init(args?: InitParams & CallOptions<never>): Promise<InitResult> {
    return this.send("init", args);
  }

  /** Answer at once, whatever else is running. */
  ping(args?: PingParams & CallOptions<never>): Promise<PingResult> {
    return this.send("ping", args);
  }

  /** List processes, models, contexts and running requests, with measured memory. */
  status(args?: StatusParams & CallOptions<never>): Promise<StatusResult> {
    return this.send("status", args);
  }

  /** Abort a running request. The answer comes after its work has stopped. The aborted request itself is answered with the error `aborted` (-32800); its data.partial has what was done. */
  abort(args: AbortParams & CallOptions<never>): Promise<AbortResult> {
    return this.send("abort", args);
  }

  /** Stop all work, answer all open requests, end all processes and exit with status 0. */
  shutdown(args?: ShutdownParams & CallOptions<never>): Promise<ShutdownResult> {
    return this.send("shutdown", args);
  }

  /** Return the OpenRPC document of this protocol. */
  discover(args?: DiscoverParams & CallOptions<never>): Promise<DiscoverResult> {
    return this.send("rpc.discover", args);
  }

  /** Download a model into modelsDirectory and verify it. Continues where an earlier attempt stopped. Survives abort, crash and reboot: downloaded bytes are kept and never downloaded again. The file gets its name only when its checksum is right. A second request for the same file waits for the first and shows its progress. */
  downloadModel(args: DownloadModelParams & CallOptions<DownloadProgress | VerifyProgress>): Promise<DownloadModelResult> {
    return this.send("downloadModel", args);
  }

  /** List the models on this disk: in modelsDirectory, in the hub's own cache, and in the given folders. */
  listModels(args?: ListModelsParams & CallOptions<never>): Promise<ListModelsResult> {
    return this.send("listModels", args);
  }

  /** Delete a model in modelsDirectory, with all its parts and the projector that no other model needs, or an unfinished download. */
  deleteModel(args: DeleteModelParams & CallOptions<never>): Promise<DeleteModelResult> {
    return this.send("deleteModel", args);
  }

  /** Read the header of a GGUF file without loading the model: from this disk, or from the hub without downloading it. */
  inspectModel(args: InspectModelParams & CallOptions<never>): Promise<InspectModelResult> {
    return this.send("inspectModel", args);
  }

  /** Estimate how much memory a model needs with a given context, whether it runs on this machine, and the largest context that fits. Works before and after the download. */
  estimateModel(args: EstimateModelParams & CallOptions<never>): Promise<EstimateModelResult> {
    return this.send("estimateModel", args);
  }

  /** Load a model from a GGUF file into its own engine process. modelIds are model-1, model-2, … in the order of the loadModel requests, so a shell pipe can use them before the answer arrives. */
  loadModel(args: LoadModelParams & CallOptions<LoadProgress>): Promise<LoadModelResult> {
    return this.send("loadModel", args);
  }

  /** Count the tokens of a conversation, as `chat` would evaluate it. */
  countTokens(args: CountTokensParams & CallOptions<never>): Promise<CountTokensResult> {
    return this.send("countTokens", args);
  }
}

/** The requests about one object, whose modelId is filled in. */
export abstract class ModelMethods {
  /** Sends a request and fills in the id. */
  protected abstract send<M extends Method>(method: M, args: object | undefined): Sent<M>;

  /** End the model's engine process and return its memory to the operating system, measured. Requests still running on the model are aborted first; its contexts end with it. */
  unloadModel(args?: Omit<UnloadModelParams, "modelId"> & CallOptions<never>): Promise<UnloadModelResult> {
    return this.send("unloadModel", args);
  }

  /** Create a context: a KV cache for one or more sequences that are computed together. contextIds are context-1, context-2, … in the order of the createContext requests. The result is read back from llama.cpp, not repeated from the request. */
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

  /** Render messages with the model's chat template, without generating text. */
  applyTemplate(args: Omit<ApplyTemplateParams, "modelId"> & CallOptions<never>): Promise<ApplyTemplateResult> {
    return this.send("applyTemplate", args);
  }

  /** Count the tokens of a conversation, as `chat` would evaluate it. */
  countTokens(args: Omit<CountTokensParams, "modelId" | "contextId"> & CallOptions<never>): Promise<CountTokensResult> {
    return this.send("countTokens", args);
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

  /** Write the computed state of a conversation to a file. `prompt` or `messages`, as sent to complete or chat, select the conversation: the whole sequence that shares the longest beginning with it is saved. Without them, the sequence that was used last is saved. The file appears only when it is complete. It works with this model, these context parameters and this release only. */
  saveState(args: Omit<SaveStateParams, "contextId"> & CallOptions<never>): Promise<SaveStateResult> {
    return this.send("saveState", args);
  }

  /** Read a file of saveState back, so that the next turn of its conversation evaluates only the new tokens. Uses the free sequence that was unused for the longest time. The file's checksum, model, parameters and release are checked before llama.cpp reads it. */
  restoreState(args: Omit<RestoreStateParams, "contextId"> & CallOptions<never>): Promise<RestoreStateResult> {
    return this.send("restoreState", args);
  }

  /** Continue a prompt. */
  complete(args: Omit<CompleteParams, "contextId"> & CallOptions<QueueProgress | PromptProgress | GenerateProgress>): Stream<GenerateProgress, CompleteResult> {
    return this.send("complete", args);
  }

  /** Answer a conversation, with the model's own chat template: text, reasoning and tool calls, separated. */
  chat(args: Omit<ChatParams, "contextId"> & CallOptions<QueueProgress | EncodeProgress | PromptProgress | GenerateProgress>): Stream<GenerateProgress, ChatResult> {
    return this.send("chat", args);
  }

  /** Write the text between a prefix and a suffix, with a model made for it. The model's own infill tokens are put around the two texts. Special tokens in the texts are not recognised. */
  infill(args: Omit<InfillParams, "contextId"> & CallOptions<QueueProgress | PromptProgress | GenerateProgress>): Stream<GenerateProgress, InfillResult> {
    return this.send("infill", args);
  }

  /** Turn texts into vectors, many in one batch. Needs a context created with `embeddings`. Texts get the special tokens that the model expects around a text. A text that is too long, or empty, is refused before anything is computed; data.pointer names it. */
  embed(args: Omit<EmbedParams, "contextId"> & CallOptions<EmbedProgress>): Promise<EmbedResult> {
    return this.send("embed", args);
  }

  /** Score how well each document answers a query, with a model made for it. Needs a context created with `embeddings` and the pooling `rank`. */
  rerank(args: Omit<RerankParams, "contextId"> & CallOptions<EmbedProgress>): Promise<RerankResult> {
    return this.send("rerank", args);
  }

  /** Count the tokens of a conversation, as `chat` would evaluate it. */
  countTokens(args: Omit<CountTokensParams, "contextId" | "modelId"> & CallOptions<never>): Promise<CountTokensResult> {
    return this.send("countTokens", args);
  }
}
