// GENERATED from schema/ by build/contract/generate.py; do not edit (fingerprint 0f35e6331a282e89)
export const PROTOCOL_VERSION = 1;

/**
 * The id of a request, as its sender chose it.
 */
export type RequestId = string | number;
/**
 * A loaded model: model-1, model-2, …
 */
export type ModelId = string;
/**
 * A context: context-1, context-2, …
 */
export type ContextId = string;
/**
 * A token id of the model's vocabulary.
 */
export type Token = number;
export type ShutdownResult = null;
/**
 * In lower-case hexadecimal.
 */
export type Sha256 = string;
/**
 * Either `path` or `model`.
 */
export type EstimateModelParams = {
  /**
   * A GGUF file; of a split one, the first part.
   */
  path?: string;
  /**
   * hf:owner/repo, hf:owner/repo:Q4_K_M, hf:owner/repo/path/file.gguf, or an https URL.
   */
  model?: string;
  /**
   * Branch, tag or commit of the repository.
   * @default "main"
   */
  revision?: string;
  /**
   * Access token of the hub. Default: HF_TOKEN, or the one that the hub's own tools keep.
   */
  token?: string;
  /**
   * Address of the hub or of a mirror. Default: HF_ENDPOINT, or https://huggingface.co.
   */
  endpoint?: string;
  /**
   * Tokens that each sequence can hold. Default: what the model was trained on, at most 4096.
   */
  contextSize?: number;
  /**
   * Requests that can run at once.
   * @default 1
   */
  sequences?: number;
  /**
   * Tokens computed in one step at most.
   * @default 512
   */
  batchSize?: number;
  /**
   * @default "f16"
   */
  kvCacheType?: KvCacheType & string;
  /**
   * Layers to place on the GPU; "auto": as many as fit.
   * @default "auto"
   */
  gpuLayers?: number | "auto";
} & EstimateModelParams1;
/**
 * Number format of the KV cache.
 */
export type KvCacheType = "f32" | "f16" | "bf16" | "q8_0" | "q5_1" | "q5_0" | "q4_1" | "q4_0" | "iq4_nl";
export type EstimateModelParams1 =
  | {
      /**
       * A GGUF file; of a split one, the first part.
       */
      path: string;
      model?: never;
    }
  | {
      path?: never;
      /**
       * hf:owner/repo, hf:owner/repo:Q4_K_M, hf:owner/repo/path/file.gguf, or an https URL.
       */
      model: string;
    };
/**
 * Either `path` or `model`.
 */
export type InspectModelParams = {
  /**
   * A GGUF file.
   */
  path?: string;
  /**
   * hf:owner/repo, hf:owner/repo:Q4_K_M, hf:owner/repo/path/file.gguf, or an https URL.
   */
  model?: string;
  /**
   * Branch, tag or commit of the repository.
   * @default "main"
   */
  revision?: string;
  /**
   * Access token of the hub. Default: HF_TOKEN, or the one that the hub's own tools keep.
   */
  token?: string;
  /**
   * Address of the hub or of a mirror. Default: HF_ENDPOINT, or https://huggingface.co.
   */
  endpoint?: string;
} & InspectModelParams1;
export type InspectModelParams1 =
  | {
      /**
       * A GGUF file.
       */
      path: string;
      model?: never;
    }
  | {
      path?: never;
      /**
       * hf:owner/repo, hf:owner/repo:Q4_K_M, hf:owner/repo/path/file.gguf, or an https URL.
       */
      model: string;
    };
/**
 * How strongly the adapters of loadModel count for this request; those that are not named do not count. Default: as loadModel said. Requests with other scales are not computed together with this one, but in turns.
 *
 * @maxItems 16
 */
export type AdapterScales = {
  /**
   * Its place in loadModel's adapters, from 0.
   */
  id: number;
  scale: number;
}[];
/**
 * "auto": where llama.cpp thinks it pays.
 */
export type FlashAttention = boolean | "auto";
/**
 * `none`: a vector for each token; `mean`: their mean; `cls`, `last`: the first or last token's; `rank`: a score, for `rerank`.
 */
export type Pooling = "none" | "mean" | "cls" | "last" | "rank";
export type DisposeContextResult = null;
/**
 * Text, in which special tokens are recognised, or token ids.
 */
export type Text = string | Token[];
/**
 * @minItems 1
 */
export type Messages = Message[];
/**
 * Text that ends the generation; it is not part of the result.
 */
export type Stop = string | string[];
export type SamplerName =
  "penalties" | "dry" | "topNSigma" | "topK" | "typicalP" | "topP" | "minP" | "xtc" | "temperature";
/**
 * Makes tokens more or less likely before any sampler sees them: by token id in OpenAI's form {"id": bias}, or as a list of [id or text, bias]. A text means each of its tokens; false forbids.
 */
export type LogitBias =
  | {
      [k: string]: Bias;
    }
  | BiasedToken[];
/**
 * Added to the logit; false forbids the token.
 */
export type Bias = number | false;
/**
 * @minItems 2
 * @maxItems 2
 */
export type BiasedToken = [Token | string, Bias];
/**
 * What the text is to be, in OpenAI's form.
 */
export type ResponseFormat = PlainFormat | JsonSchemaFormat;
/**
 * `stop`: the model ended, or a stop string came; `toolCalls`: it ended with calls of tools; `length`: maxTokens; `contextFull`: the sequence can hold no more.
 */
export type FinishReason = "stop" | "toolCalls" | "length" | "contextFull";
/**
 * Of each token of the text, if `logprobs` was asked for. The bytes of all of them are the text (with the stop string, if one ended it).
 */
export type Logprobs = ChosenToken[];
/**
 * `interactive` texts come first; the next `background` text waits until none of them is left.
 */
export type TextsPriority = "interactive" | "background";
/**
 * Answer with the error `timedOut` if it takes longer, waiting included. Default: no limit.
 */
export type TextsTimeout = number;
/**
 * As a list of numbers, or their bytes in base64.
 */
export type Vector = number[] | string;
/**
 * `progress` is 0…1 and never falls within one type of one request; null where the end is unknown.
 */
export type Progress =
  DownloadProgress | VerifyProgress | LoadProgress | QueueProgress | PromptProgress | GenerateProgress | EmbedProgress;
export type Fraction = number | null;

/**
 * Every type of the contract, by name.
 */
export interface TypeMap {
  RequestId: RequestId;
  ModelId: ModelId;
  ContextId: ContextId;
  Token: Token;
  InitParams: InitParams;
  PeerInfo: PeerInfo;
  ServerInfo: ServerInfo;
  InitResult: InitResult;
  LlamaCppInfo: LlamaCppInfo;
  Device: Device;
  Capabilities: Capabilities;
  PingParams: PingParams;
  PingResult: PingResult;
  StatusParams: StatusParams;
  StatusResult: StatusResult;
  ProcessStatus: ProcessStatus;
  ModelStatus: ModelStatus;
  ContextStatus: ContextStatus;
  RequestStatus: RequestStatus;
  AbortParams: AbortParams;
  AbortResult: AbortResult;
  ShutdownParams: ShutdownParams;
  ShutdownResult: ShutdownResult;
  DiscoverParams: DiscoverParams;
  DiscoverResult: DiscoverResult;
  CancelRequestParams: CancelRequestParams;
  ExitParams: ExitParams;
  DownloadModelParams: DownloadModelParams;
  DownloadModelResult: DownloadModelResult;
  DownloadedFile: DownloadedFile;
  Sha256: Sha256;
  ModelSource: ModelSource;
  ListModelsParams: ListModelsParams;
  ListModelsResult: ListModelsResult;
  ListedModel: ListedModel;
  PartialDownload: PartialDownload;
  DeleteModelParams: DeleteModelParams;
  DeleteModelResult: DeleteModelResult;
  EstimateModelParams: EstimateModelParams;
  EstimateModelResult: EstimateModelResult;
  DeviceEstimate: DeviceEstimate;
  InspectModelParams: InspectModelParams;
  InspectModelResult: InspectModelResult;
  LoadModelParams: LoadModelParams;
  Adapter: Adapter;
  AdapterScales: AdapterScales;
  LoadModelResult: LoadModelResult;
  UnloadModelParams: UnloadModelParams;
  UnloadModelResult: UnloadModelResult;
  KvCacheType: KvCacheType;
  FlashAttention: FlashAttention;
  Pooling: Pooling;
  CreateContextParams: CreateContextParams;
  CreateContextResult: CreateContextResult;
  DisposeContextParams: DisposeContextParams;
  DisposeContextResult: DisposeContextResult;
  SaveStateParams: SaveStateParams;
  SaveStateResult: SaveStateResult;
  RestoreStateParams: RestoreStateParams;
  RestoreStateResult: RestoreStateResult;
  Stop: Stop;
  SamplingParams: SamplingParams;
  SchedulingParams: SchedulingParams;
  ResponseFormat: ResponseFormat;
  PlainFormat: PlainFormat;
  JsonSchemaFormat: JsonSchemaFormat;
  SamplerName: SamplerName;
  LogitBias: LogitBias;
  BiasedToken: BiasedToken;
  Bias: Bias;
  CompleteParams: CompleteParams;
  TemplateParams: TemplateParams;
  ReasoningOptions: ReasoningOptions;
  ChatParams: ChatParams;
  Messages: Messages;
  Message: Message;
  ContentPart: ContentPart;
  Tool: Tool;
  ToolFunction: ToolFunction;
  NamedTool: NamedTool;
  ToolCallMessage: ToolCallMessage;
  ToolCall: ToolCall;
  FinishReason: FinishReason;
  Usage: Usage;
  Timings: Timings;
  Logprobs: Logprobs;
  LikelyToken: LikelyToken;
  ChosenToken: ChosenToken;
  CompleteResult: CompleteResult;
  AssistantMessage: AssistantMessage;
  ChatResult: ChatResult;
  InfillParams: InfillParams;
  InfillResult: InfillResult;
  Text: Text;
  EmbedParams: EmbedParams;
  TextsPriority: TextsPriority;
  TextsTimeout: TextsTimeout;
  Vector: Vector;
  EmbedResult: EmbedResult;
  EmbedTimings: EmbedTimings;
  RerankParams: RerankParams;
  RerankResult: RerankResult;
  RankedDocument: RankedDocument;
  TokenizeParams: TokenizeParams;
  TokenizeResult: TokenizeResult;
  DetokenizeParams: DetokenizeParams;
  DetokenizeResult: DetokenizeResult;
  ApplyTemplateParams: ApplyTemplateParams;
  ApplyTemplateResult: ApplyTemplateResult;
  Progress: Progress;
  Fraction: Fraction;
  DownloadProgress: DownloadProgress;
  VerifyProgress: VerifyProgress;
  LoadProgress: LoadProgress;
  QueueProgress: QueueProgress;
  PromptProgress: PromptProgress;
  GenerateProgress: GenerateProgress;
  EmbedProgress: EmbedProgress;
  Info: Info;
  ErrorData: ErrorData;
  ToolCallProgress: ToolCallProgress;
  PartialResult: PartialResult;
}
export interface InitParams {
  /**
   * The protocol version that the client speaks.
   */
  protocolVersion?: number;
  clientInfo?: PeerInfo;
  /**
   * Log at debug level, llama.cpp's own lines included.
   * @default false
   */
  debug?: boolean;
  /**
   * "auto": the best device there is; "cpu" or false: none; or the name of a backend, which must be in this build (cuda, vulkan, metal, …).
   * @default "auto"
   */
  gpu?: string | false;
  /**
   * The most compute threads an engine uses. Default: one a processor that this process may run on, at most 16.
   */
  maxThreads?: number;
  /**
   * Where downloads go and relative model paths start. Default: the user's own place for data; for paths the working directory.
   */
  modelsDirectory?: string;
  /**
   * "host:port" of llama.cpp's RPC servers (`llama-sidecar rpc-worker`) that lend their devices to models, in this order, before this machine's own GPUs. Only for a network that you trust: this protocol has no authentication and no encryption. A server serves one model at a time.
   * @default []
   *
   * @maxItems 16
   */
  rpcServers?: string[];
  /**
   * The client's process id: when that process ends, so does this one.
   */
  processId?: number | null;
}
/**
 * Name and version of a program.
 */
export interface PeerInfo {
  name: string;
  version?: string;
  [k: string]: unknown;
}
export interface ServerInfo {
  name: string;
  version: string;
}
export interface InitResult {
  /**
   * The protocol version that this program speaks.
   */
  protocolVersion: number;
  serverInfo: ServerInfo;
  llamaCpp: LlamaCppInfo;
  devices: Device[];
  /**
   * What `gpu` came to: "cpu" or a backend's name, in lower case.
   */
  gpu: string;
  /**
   * Compute threads a context gets unless it asks for fewer.
   */
  threads: number;
  capabilities: Capabilities;
}
/**
 * The llama.cpp in this build.
 */
export interface LlamaCppInfo {
  /**
   * llama.cpp's own version.
   */
  version: string;
  /**
   * Version of llama-cpp-python.
   */
  bindingsVersion: string;
  /**
   * llama.cpp's own line on the processor features that it uses.
   */
  systemInfo: string;
  /**
   * The processor generation that the CPU backend in use was compiled for, e.g. "haswell": the best in this build that runs here. "builtIn" in a build for one processor only.
   */
  cpuVariant: string;
  /**
   * Backends in this build, in lower case.
   */
  backends: string[];
  supportsMmap: boolean;
  supportsMlock: boolean;
  supportsGpuOffload: boolean;
}
/**
 * A compute device that llama.cpp sees.
 */
export interface Device {
  name: string;
  description: string;
  /**
   * The backend it belongs to, in lower case.
   */
  backend: string;
  type: "cpu" | "gpu" | "integratedGpu" | "accelerator";
  memoryTotalBytes: number;
  memoryFreeBytes: number;
  /**
   * The RPC server that lends it, as `rpcServers` has it; its backend is "rpc", and its type always "gpu".
   */
  endpoint?: string;
}
export interface Capabilities {
  /**
   * Requests that can be sent.
   */
  methods: string[];
  /**
   * Notifications that this program sends.
   */
  notifications: string[];
}
export interface PingParams {}
export interface PingResult {
  /**
   * Since the program started.
   */
  uptimeMs: number;
}
export interface StatusParams {}
export interface StatusResult {
  version: string;
  uptimeMs: number;
  /**
   * Resident memory of all processes together.
   */
  memoryBytes: number;
  processes: ProcessStatus[];
  models: ModelStatus[];
  contexts: ContextStatus[];
  /**
   * Requests not answered yet, this one not counted.
   */
  requests: RequestStatus[];
}
export interface ProcessStatus {
  role: "router" | "engine" | "transfer";
  pid: number;
  /**
   * Resident memory, measured.
   */
  memoryBytes: number;
  modelId?: ModelId;
}
export interface ModelStatus {
  modelId: ModelId;
  path: string;
  /**
   * `crashed`: its engine died; `unloaded`: it was ended after keepAliveMs. It is started again by the next request that needs it.
   */
  state: "loading" | "ready" | "crashed" | "unloaded";
  /**
   * The draft model's file, if it was loaded with one.
   */
  draftPath?: string;
  /**
   * What loadModel was given, if it was.
   */
  keepAliveMs?: number;
  /**
   * Since the last of its requests ended; 0 while there are any. Only with keepAliveMs.
   */
  idleMs?: number;
}
export interface ContextStatus {
  contextId: ContextId;
  modelId: ModelId;
}
export interface RequestStatus {
  id: RequestId;
  method: string;
  ageMs: number;
}
export interface AbortParams {
  requestId: RequestId;
}
export interface AbortResult {
  /**
   * `aborted`: stopped, and answered with error -32800; `finished`: it ended by itself first; `notFound`: no such request is running.
   */
  outcome: "aborted" | "finished" | "notFound";
  /**
   * From the abort's arrival until the work had stopped.
   */
  tookMs: number;
}
export interface ShutdownParams {}
export interface DiscoverParams {}
/**
 * An OpenRPC document.
 */
export interface DiscoverResult {
  openrpc: string;
  [k: string]: unknown;
}
export interface CancelRequestParams {
  id: RequestId;
}
export interface ExitParams {}
export interface DownloadModelParams {
  /**
   * hf:owner/repo, hf:owner/repo:Q4_K_M, hf:owner/repo/path/file.gguf, or an https URL.
   */
  model: string;
  /**
   * Branch, tag or commit of the repository.
   * @default "main"
   */
  revision?: string;
  /**
   * Access token of the hub. Default: HF_TOKEN, or the one that the hub's own tools keep.
   */
  token?: string;
  /**
   * Address of the hub or of a mirror. Default: HF_ENDPOINT, or https://huggingface.co.
   */
  endpoint?: string;
  /**
   * Where to put it. Default: that of init, or the user's own place for data.
   */
  modelsDirectory?: string;
  /**
   * Fetch the multimodal projector (mmproj) of the repository, too.
   * @default false
   */
  projector?: boolean;
  /**
   * What the file must hash to. Needed only for a URL: the hub tells its own.
   */
  sha256?: string;
  /**
   * Fetch it anew although it is here.
   * @default false
   */
  force?: boolean;
  /**
   * Keep what came when the request is aborted.
   * @default true
   */
  keepPartial?: boolean;
}
export interface DownloadModelResult {
  /**
   * What to give to loadModel: the file, of a split model its first part.
   */
  path: string;
  /**
   * @minItems 1
   */
  files: DownloadedFile[];
  /**
   * The multimodal projector, if one was asked for.
   */
  projectorPath: string | null;
  /**
   * Of all files.
   */
  sizeBytes: number;
  /**
   * Of the file at `path`.
   */
  sha256: Sha256;
  source: ModelSource;
  /**
   * The one that was chosen, or that the file's name tells.
   */
  quantization: string | null;
  /**
   * Bytes that an earlier attempt had brought.
   */
  resumedBytes: number;
  /**
   * Whether all of it was here already.
   */
  fromCache: boolean;
}
export interface DownloadedFile {
  path: string;
  sizeBytes: number;
  sha256: Sha256;
  /**
   * Whether the checksum was compared with one that the source, or the request, told.
   */
  verified: boolean;
  resumedBytes: number;
  fromCache: boolean;
}
/**
 * Where a model is from.
 */
export interface ModelSource {
  url: string;
  /**
   * owner/name on the hub.
   */
  repository: string | null;
  /**
   * The commit.
   */
  revision: string | null;
  /**
   * Its path in the repository.
   */
  file: string | null;
}
export interface ListModelsParams {
  /**
   * Default: that of init, or the user's own place for data.
   */
  modelsDirectory?: string;
  /**
   * Look into the hub's own cache, too.
   * @default true
   */
  hubCache?: boolean;
  /**
   * Further folders to look into, with what is below them.
   * @default []
   *
   * @maxItems 64
   */
  folders?: string[];
}
export interface ListModelsResult {
  modelsDirectory: string;
  models: ListedModel[];
  /**
   * Downloads that are not finished.
   */
  partials: PartialDownload[];
  /**
   * Whether there were more files than are looked at.
   */
  truncated: boolean;
}
export interface ListedModel {
  /**
   * What to give to loadModel.
   */
  path: string;
  /**
   * All parts of a split model, else the one file.
   */
  files: string[];
  sizeBytes: number;
  origin: "store" | "hubCache" | "folder";
  /**
   * Whether its checksum was compared after the download, and the file has not changed since.
   */
  verified: boolean;
  /**
   * Of the file at `path`, where it is known.
   */
  sha256: Sha256 | null;
  source: ModelSource | null;
  architecture: string | null;
  name: string | null;
  parameters: number | null;
  quantization: string | null;
  contextLengthTrained: number | null;
  chatTemplate: boolean | null;
  /**
   * When it was loaded last, in milliseconds since 1970; null: never by this program.
   */
  lastUsedAt: number | null;
  loaded: boolean;
  /**
   * What is wrong with it: not GGUF, damaged, a part missing.
   */
  problem: string | null;
}
export interface PartialDownload {
  /**
   * Where the file will be; deleteModel takes it.
   */
  path: string;
  source: ModelSource;
  downloadedBytes: number;
  totalBytes: number | null;
}
export interface DeleteModelParams {
  /**
   * The model's path as listModels or downloadModel told it; of an unfinished download, where it would be.
   */
  path: string;
  /**
   * Default: that of init, or the user's own place for data.
   */
  modelsDirectory?: string;
}
export interface DeleteModelResult {
  /**
   * What was deleted.
   */
  files: string[];
  freedBytes: number;
}
export interface EstimateModelResult {
  path: string | null;
  source: ModelSource | null;
  /**
   * Tokens a sequence that the figures are for.
   */
  contextSize: number;
  sequences: number;
  kvCacheType: KvCacheType;
  /**
   * Layers placed on GPUs.
   */
  gpuLayers: number;
  weightsBytes: number;
  kvCacheBytes: number;
  /**
   * Buffers for the computation of a batch.
   */
  computeBytes: number;
  /**
   * Weights, KV cache and compute buffers, over all devices.
   */
  totalBytes: number;
  /**
   * What goes where; the CPU first.
   */
  devices: DeviceEstimate[];
  /**
   * Tokens a sequence that would fit, at most what the model was trained on; 0: not even the weights fit.
   */
  largestContextSize: number;
  /**
   * `tight`: it fits, but would leave little for everything else.
   */
  runs: "yes" | "tight" | "no";
  /**
   * One sentence on `runs`.
   */
  why: string;
}
export interface DeviceEstimate {
  name: string;
  type: "cpu" | "gpu" | "integratedGpu" | "accelerator";
  layers: number;
  weightsBytes: number;
  kvCacheBytes: number;
  computeBytes: number;
  totalBytes: number;
  /**
   * Of the CPU: what the system could give now.
   */
  freeBytes: number;
}
export interface InspectModelResult {
  /**
   * Null for a file that is not here.
   */
  path: string | null;
  source: ModelSource | null;
  /**
   * Size of the file, of a split model of the part that was read.
   */
  sizeBytes: number;
  /**
   * Bytes that were read of it.
   */
  readBytes: number;
  ggufVersion: number;
  architecture: string;
  name: string | null;
  /**
   * Number of weights, counted over the tensors.
   */
  parameters: number;
  /**
   * The tensor type that holds most of the bytes: Q4_1, Q6_K, F16, …
   */
  quantization: string;
  tensors: number;
  contextLengthTrained: number | null;
  embeddingSize: number | null;
  layers: number | null;
  vocabularySize: number | null;
  /**
   * Whether the model brings a chat template.
   */
  chatTemplate: boolean;
  /**
   * All metadata, arrays of more than 16 elements as {type, length}.
   */
  metadata: {
    [k: string]: unknown;
  };
}
export interface LoadModelParams {
  /**
   * A GGUF file; of a split one, the first part.
   */
  path: string;
  /**
   * Layers to place on the GPU; "auto": as many as fit into the memory of the GPUs used, beside a context of the default size.
   * @default "auto"
   */
  gpuLayers?: number | "auto";
  /**
   * Map the file instead of reading it: starts faster, shares pages between processes.
   * @default true
   */
  useMmap?: boolean;
  /**
   * Keep the weights from being swapped out.
   * @default false
   */
  useMlock?: boolean;
  /**
   * Look at every weight for invalid numbers; slower.
   * @default false
   */
  checkTensors?: boolean;
  /**
   * End the model's engine when so long no request was for it; the next one loads it and its contexts again, under the same ids, with empty caches. Default: never.
   */
  keepAliveMs?: number;
  /**
   * A GGUF file of a smaller model with the same vocabulary, which guesses what this one will say (speculative decoding): the text is the same and comes quicker. It has the other options of this request, but no adapters, and a KV cache beside that of each context.
   */
  draftPath?: string;
  /**
   * LoRA adapters. Requests name them by their places here, from 0.
   *
   * @maxItems 16
   */
  adapters?: Adapter[];
}
export interface Adapter {
  /**
   * A GGUF file of a LoRA adapter.
   */
  path: string;
  /**
   * How strongly it counts for requests that do not say; 0: not at all.
   * @default 1
   */
  scale?: number;
}
export interface LoadModelResult {
  modelId: ModelId;
  architecture: string;
  name: string | null;
  /**
   * llama.cpp's own short description.
   */
  description: string;
  /**
   * Number of weights.
   */
  parameters: number;
  /**
   * Size of the weights.
   */
  sizeBytes: number;
  /**
   * Tokens.
   */
  contextLengthTrained: number;
  /**
   * Tokens.
   */
  vocabularySize: number;
  embeddingSize: number;
  layers: number;
  /**
   * Whether the model brings a chat template.
   */
  chatTemplate: boolean;
  loadMs: number;
  /**
   * Resident memory of the engine process after loading, measured.
   */
  memoryBytes: number;
}
export interface UnloadModelParams {
  modelId: ModelId;
}
export interface UnloadModelResult {
  /**
   * Resident memory of all processes before, measured.
   */
  memoryBeforeBytes: number;
  /**
   * The same after the engine process was gone.
   */
  memoryAfterBytes: number;
}
export interface CreateContextParams {
  modelId: ModelId;
  /**
   * Tokens that each sequence, or each text to be embedded, can hold; "auto": as many as fit into the memory, at most what the model was trained on. Default: what it was trained on, at most 4096; for embeddings at most 2048.
   */
  contextSize?: number | "auto";
  /**
   * Requests that can run at once; further ones wait. Of a context for embeddings: texts computed in one step. Default: 1; for embeddings 32.
   */
  sequences?: number;
  /**
   * Tokens computed in one step at most. Default: 512; for embeddings 256, and a text that cannot be cut may take more.
   */
  batchSize?: number;
  /**
   * Compute threads, at most those of init.
   */
  threads?: number;
  /**
   * @default "auto"
   */
  flashAttention?: FlashAttention & string;
  /**
   * @default "f16"
   */
  kvCacheType?: KvCacheType & string;
  /**
   * Make a context for `embed` and `rerank`, which cannot generate text.
   * @default false
   */
  embeddings?: boolean;
  /**
   * How the vectors of a text's tokens become one; only with `embeddings`. Default: the model's own, or `mean` if it says nothing.
   */
  pooling?: Pooling;
}
export interface CreateContextResult {
  contextId: ContextId;
  /**
   * Tokens a sequence, as llama.cpp rounded it.
   */
  contextSize: number;
  sequences: number;
  batchSize: number;
  threads: number;
  kvCacheType: KvCacheType;
  /**
   * Only of a context for embeddings.
   */
  pooling?: Pooling;
  /**
   * Resident memory of the engine process after creation, measured.
   */
  memoryBytes: number;
}
export interface DisposeContextParams {
  contextId: ContextId;
}
/**
 * `prompt` or `messages`, or neither.
 */
export interface SaveStateParams {
  contextId: ContextId;
  /**
   * The file to write, which is replaced; a relative path starts at the working directory.
   */
  path: string;
  prompt?: Text;
  messages?: Messages;
}
/**
 * One turn of a conversation, in OpenAI's form. `developer` is another word for `system`.
 */
export interface Message {
  role: "system" | "developer" | "user" | "assistant" | "tool";
  /**
   * null only where the assistant has toolCalls or reasoningContent.
   */
  content: string | ContentPart[] | null;
  /**
   * Who speaks; of a tool's message: which tool.
   */
  name?: string;
  /**
   * What the assistant thought. Most templates leave out that of earlier turns.
   */
  reasoningContent?: string;
  /**
   * What the assistant called.
   */
  toolCalls?: ToolCallMessage[];
  /**
   * Which call a tool's message answers.
   */
  toolCallId?: string;
}
/**
 * A piece of a message. Images and audio are refused with `unsupportedContent` by models that only read text.
 */
export interface ContentPart {
  type: "text" | "image_url" | "input_audio";
  /**
   * Of type `text`.
   */
  text?: string;
  imageUrl?: {
    url: string;
    [k: string]: unknown;
  };
  inputAudio?: {
    data: string;
    format: string;
    [k: string]: unknown;
  };
}
/**
 * A call, as a ChatResult has it; `arguments` may also be an object.
 */
export interface ToolCallMessage {
  id?: string;
  type: "function";
  function: {
    name: string;
    arguments:
      | string
      | {
          [k: string]: unknown;
        };
  };
}
export interface SaveStateResult {
  path: string;
  sizeBytes: number;
  /**
   * Tokens that were saved.
   */
  tokens: number;
  /**
   * How many of them, from the first on, are those of `prompt` or `messages`; null without them.
   */
  matchedTokens: number | null;
}
export interface RestoreStateParams {
  contextId: ContextId;
  /**
   * A file of saveState.
   */
  path: string;
}
export interface RestoreStateResult {
  path: string;
  sizeBytes: number;
  /**
   * Tokens that are in the context again.
   */
  tokens: number;
}
/**
 * How tokens are chosen. Names and defaults are llama.cpp's.
 */
export interface SamplingParams {
  /**
   * Default: as many as the context holds.
   */
  maxTokens?: number;
  stop?: Stop;
  /**
   * Default: a random one; the result tells which.
   */
  seed?: number;
  /**
   * 0: always the most likely token.
   * @default 0.8
   */
  temperature?: number;
  /**
   * The temperature varies by this much around `temperature`: low where the model is sure, high where it is not. 0: off.
   * @default 0
   */
  dynatempRange?: number;
  /**
   * How the model's uncertainty (entropy) becomes a temperature.
   * @default 1
   */
  dynatempExponent?: number;
  /**
   * 0: off.
   * @default 40
   */
  topK?: number;
  /**
   * 1: off.
   * @default 0.95
   */
  topP?: number;
  /**
   * 0: off.
   * @default 0.05
   */
  minP?: number;
  /**
   * Locally typical sampling. 1: off.
   * @default 1
   */
  typicalP?: number;
  /**
   * Keep tokens whose logit is within so many standard deviations of the highest. 0 or less: off.
   * @default -1
   */
  topNSigma?: number;
  /**
   * How often XTC removes all likely tokens but the least likely of them. 0: off.
   * @default 0
   */
  xtcProbability?: number;
  /**
   * What XTC takes for likely. Above 0.5: off.
   * @default 0.1
   */
  xtcThreshold?: number;
  /**
   * Tokens that topP, minP, typicalP and XTC leave at least.
   * @default 0
   */
  minKeep?: number;
  /**
   * Keep the text's perplexity at a target; only `temperature` works beside it. 0: off; 1: Mirostat; 2: Mirostat 2.0.
   * @default 0
   */
  mirostat?: 0 | 1 | 2;
  /**
   * Mirostat's target, in bits of surprise a token.
   * @default 5
   */
  mirostatTau?: number;
  /**
   * How fast Mirostat learns.
   * @default 0.1
   */
  mirostatEta?: number;
  /**
   * Adaptive-p: choose tokens of about this probability. Less than 0: off.
   * @default -1
   */
  adaptiveTarget?: number;
  /**
   * How long adaptive-p remembers what it chose: about 1 / (1 - decay) tokens.
   * @default 0.9
   */
  adaptiveDecay?: number;
  /**
   * 1: off.
   * @default 1
   */
  repeatPenalty?: number;
  /**
   * 0: off.
   * @default 0
   */
  frequencyPenalty?: number;
  /**
   * 0: off.
   * @default 0
   */
  presencePenalty?: number;
  /**
   * Tokens that the three penalties look back on.
   * @default 64
   */
  repeatLastN?: number;
  adapters?: AdapterScales;
  /**
   * DRY: how strongly a token is held off that would make a repetition longer. 0: off.
   * @default 0
   */
  dryMultiplier?: number;
  /**
   * DRY's penalty is dryMultiplier × dryBase ^ (length of the repetition - dryAllowedLength).
   * @default 1.75
   */
  dryBase?: number;
  /**
   * Repetitions up to so many tokens cost nothing.
   * @default 2
   */
  dryAllowedLength?: number;
  /**
   * Tokens that DRY looks back on. 0: off.
   * @default 64
   */
  dryPenaltyLastN?: number;
  /**
   * Texts across which DRY sees no repetition.
   * @default ["\n",":","\"","*"]
   *
   * @maxItems 16
   */
  drySequenceBreakers?: string[];
  /**
   * Which samplers work, in this order; one that is not in the list is off. Mirostat and adaptive-p have their own options.
   * @default ["penalties","dry","topNSigma","topK","typicalP","topP","minP","xtc","temperature"]
   */
  samplers?: SamplerName[];
  logitBias?: LogitBias;
  /**
   * Forbid the tokens that end the text.
   * @default false
   */
  ignoreEos?: boolean;
  /**
   * Hold the text to a grammar, in llama.cpp's GBNF; its rule `root` is the whole text.
   */
  grammar?: string;
  /**
   * Hold the text to JSON that satisfies this schema (draft-07 or 2020-12); what cannot be kept to is refused. Properties come in its order, and no others unless additionalProperties says so.
   */
  jsonSchema?:
    | {
        [k: string]: unknown;
      }
    | boolean;
  responseFormat?: ResponseFormat;
  /**
   * Tell how likely the model took each token for, before any sampler.
   * @default false
   */
  logprobs?: boolean;
  /**
   * Tell the likeliest tokens in each place, too: so many.
   * @default 0
   */
  topLogprobs?: number;
  /**
   * Send the text as `generate` progress while it comes.
   * @default true
   */
  stream?: boolean;
}
/**
 * `json_object`: any JSON object.
 */
export interface PlainFormat {
  type: "text" | "json_object";
}
export interface JsonSchemaFormat {
  type: "json_schema";
  json_schema: {
    name?: string;
    description?: string;
    /**
     * The schema is kept to either way.
     */
    strict?: boolean | null;
    schema:
      | {
          [k: string]: unknown;
        }
      | boolean;
  };
}
/**
 * When a request is served, and what becomes of it if that takes too long or too much room.
 */
export interface SchedulingParams {
  /**
   * `interactive` comes first, and takes the sequence of a `background` request if none is free; that goes on later.
   * @default "interactive"
   */
  priority?: "interactive" | "background";
  /**
   * Answer with the error `timedOut` and the text so far if it takes longer, waiting included. Default: no limit.
   */
  timeoutMs?: number;
  /**
   * Guess the next tokens and evaluate them in one step; the text is the same (where two tokens are as likely, rounding may prefer the other) and comes quicker. `lookup`: guess what stood after the same words before, in the prompt and in the text, which pays where much is repeated (editing, summarising, code); where it does not pay on this machine, nothing is guessed. `draft`: ask the draft model of loadModel. Models whose state is recurrent go without. Default: `draft` if the model was loaded with a draftPath, else `none`.
   */
  speculation?: "none" | "lookup" | "draft";
  /**
   * When the sequence can hold no more. `error`: a prompt that is too long is refused, a text ends with `contextFull`; `truncateMiddle`: a prompt that is too long loses its middle; `shift`: that, and a text goes on without the older half of what came before.
   * @default "error"
   */
  contextOverflow?: "error" | "truncateMiddle" | "shift";
}
export interface CompleteParams extends SamplingParams, SchedulingParams {
  contextId: ContextId;
  /**
   * Text, in which special tokens are recognised, or token ids.
   */
  prompt: string | Token[];
}
/**
 * A conversation and how the chat template renders it.
 */
export interface TemplateParams {
  messages: Messages;
  /**
   * What the model may call. A template that knows nothing of tools, or whose form of a call is not known, is told of them in a system message.
   *
   * @maxItems 128
   */
  tools?: Tool[];
  /**
   * End with the opening of the assistant's turn.
   * @default true
   */
  addGenerationPrompt?: boolean;
  /**
   * Do not begin a turn: go on where the last message, the assistant's, ends.
   * @default false
   */
  continueFinalMessage?: boolean;
  /**
   * Whether the model may think before it answers. false sets the template's `enable_thinking` to false and cuts short what the model thinks nevertheless. Models that do not think are left alone.
   * @default true
   */
  reasoning?: boolean | ReasoningOptions;
  /**
   * Variables for the chat template beside those that every one has, by the names that it uses: enable_thinking, date_string, documents, …
   */
  templateVariables?: {
    [k: string]: unknown;
  };
  /**
   * A chat template (Jinja2) to use in place of the model's own.
   */
  chatTemplate?: string;
}
/**
 * A function that the model may call.
 */
export interface Tool {
  type: "function";
  function: ToolFunction;
}
export interface ToolFunction {
  name: string;
  /**
   * What it does, for the model.
   */
  description?: string;
  /**
   * JSON Schema of its arguments, an object. Default: there are none.
   */
  parameters?: {
    [k: string]: unknown;
  };
}
export interface ReasoningOptions {
  /**
   * After so many tokens of thinking the end of it is forced, and the answer begins.
   */
  budgetTokens: number;
}
export interface ChatParams extends SamplingParams, SchedulingParams, TemplateParams {
  contextId: ContextId;
  /**
   * `auto`: the model decides; `none`: it must not call; `required`: it must call one; or the one that it must call. A call that must be is made by a grammar, so it always parses, names a tool of `tools` and fits its parameters.
   * @default "auto"
   */
  toolChoice?: ("auto" | "none" | "required") | NamedTool;
}
export interface NamedTool {
  type: "function";
  function: {
    name: string;
  };
}
/**
 * A call that the model made. It names a tool of `tools`, and its arguments fit that tool's parameters.
 */
export interface ToolCall {
  /**
   * To be repeated as toolCallId in the message with the tool's answer.
   */
  id: string;
  type: "function";
  function: {
    name: string;
    /**
     * JSON text of an object, as the model wrote it.
     */
    arguments: string;
  };
}
export interface Usage {
  promptTokens: number;
  /**
   * Prompt tokens that were in the KV cache already.
   */
  cachedTokens: number;
  completionTokens: number;
  /**
   * With `speculation`: tokens that were guessed.
   */
  guessedTokens?: number;
  /**
   * With `speculation`: guesses that were right.
   */
  acceptedTokens?: number;
  /**
   * Tokens that `contextOverflow` took out, of the prompt or on the way; left out if none.
   */
  truncatedTokens?: number;
}
export interface Timings {
  /**
   * Waiting for a free sequence.
   */
  queueMs: number;
  /**
   * Evaluating the prompt.
   */
  promptMs: number;
  /**
   * From arrival in the engine to the first token; null if there was none.
   */
  timeToFirstTokenMs: number | null;
  /**
   * From the first token to the last.
   */
  generateMs: number;
  /**
   * Of the tokens after the first; null if there were fewer than two.
   */
  tokensPerSecond: number | null;
}
export interface ChosenToken extends LikelyToken {
  /**
   * The likeliest tokens in its place, likeliest first.
   */
  topLogprobs: LikelyToken[];
}
export interface LikelyToken {
  id: Token;
  /**
   * Its text; a piece of a character is written as U+FFFD, a control token by its name.
   */
  token: string;
  /**
   * The bytes that it adds to the text.
   */
  bytes: number[];
  /**
   * Natural logarithm of its probability; -9999 for none.
   */
  logprob: number;
}
export interface CompleteResult {
  text: string;
  logprobs?: Logprobs;
  finishReason: FinishReason;
  /**
   * The stop string that ended it, if one did.
   */
  stopString: string | null;
  /**
   * The seed that was used.
   */
  seed: number;
  usage: Usage;
  timings: Timings;
}
/**
 * What the model said. It can stand as it is in the messages of the next request.
 */
export interface AssistantMessage {
  role: "assistant";
  content: string;
  /**
   * What it thought before, without the markers around it; absent if it did not.
   */
  reasoningContent?: string;
  /**
   * Absent if it called nothing.
   *
   * @minItems 1
   */
  toolCalls?: ToolCall[];
}
export interface ChatResult {
  message: AssistantMessage;
  logprobs?: Logprobs;
  finishReason: FinishReason;
  /**
   * The stop string that ended it, if one did.
   */
  stopString: string | null;
  /**
   * The seed that was used.
   */
  seed: number;
  usage: Usage;
  timings: Timings;
}
export interface InfillParams extends SamplingParams, SchedulingParams {
  contextId: ContextId;
  /**
   * What stands before.
   */
  prefix: string;
  /**
   * What stands behind.
   */
  suffix: string;
}
export interface InfillResult {
  text: string;
  finishReason: FinishReason;
  /**
   * The stop string that ended it, if one did.
   */
  stopString: string | null;
  /**
   * The seed that was used.
   */
  seed: number;
  usage: Usage;
  timings: Timings;
}
export interface EmbedParams {
  contextId: ContextId;
  /**
   * One text (a string, or token ids) or a list of texts.
   */
  input: Text | Text[];
  /**
   * Scale every vector to the length 1.
   * @default true
   */
  normalize?: boolean;
  /**
   * `base64`: the numbers' bytes, as float32 in little-endian order; a third of the size of `float`, and faster.
   * @default "float"
   */
  encodingFormat?: "float" | "base64";
  priority?: TextsPriority;
  timeoutMs?: TextsTimeout;
}
export interface EmbedResult {
  /**
   * One for each text, in order: a vector, or with the pooling `none` a list of vectors, one for each token.
   */
  embeddings: (Vector | Vector[])[];
  /**
   * Numbers in a vector.
   */
  dimensions: number;
  usage: Usage;
  timings: EmbedTimings;
}
export interface EmbedTimings {
  /**
   * Waiting for the first of its batches.
   */
  queueMs: number;
  /**
   * From there to the end of the last.
   */
  promptMs: number;
}
export interface RerankParams {
  contextId: ContextId;
  query: string;
  /**
   * @minItems 1
   * @maxItems 2048
   */
  documents: string[];
  /**
   * Return only so many of the best. Default: all.
   */
  topN?: number;
  priority?: TextsPriority;
  timeoutMs?: TextsTimeout;
}
export interface RerankResult {
  /**
   * The best first.
   */
  results: RankedDocument[];
  usage: Usage;
  timings: EmbedTimings;
}
export interface RankedDocument {
  /**
   * Its place in `documents`, from 0.
   */
  index: number;
  /**
   * What the model puts out, not scaled: the larger, the better; comparable only within one model.
   */
  score: number;
}
export interface TokenizeParams {
  modelId: ModelId;
  text: string;
  /**
   * Add the tokens that the model wants around a text (BOS, EOS).
   * @default false
   */
  addSpecial?: boolean;
  /**
   * Read special tokens written in the text as tokens, not as text.
   * @default false
   */
  parseSpecial?: boolean;
}
export interface TokenizeResult {
  tokens: Token[];
}
export interface DetokenizeParams {
  modelId: ModelId;
  tokens: Token[];
}
export interface DetokenizeResult {
  /**
   * Special tokens are written out; bytes that are no UTF-8 become U+FFFD.
   */
  text: string;
}
export interface ApplyTemplateParams extends TemplateParams {
  modelId: ModelId;
}
export interface ApplyTemplateResult {
  prompt: string;
}
/**
 * Bytes are those of all files of the request. A file that changes on its server is another one, whose bytes begin anew; progress stays where it is until they have caught up.
 */
export interface DownloadProgress {
  requestId: RequestId;
  progressType: "download";
  progress: Fraction;
  downloadedBytes: number;
  totalBytes: number | null;
  /**
   * Over the last seconds.
   */
  bytesPerSecond: number | null;
  /**
   * Until the end at that speed.
   */
  etaMs: number | null;
  /**
   * Name of the file of the moment.
   */
  file: string;
  /**
   * Which of them it is, from 1.
   */
  fileIndex: number;
  fileCount: number;
}
/**
 * Bytes are those of all files of the request; for a file that changes, see DownloadProgress.
 */
export interface VerifyProgress {
  requestId: RequestId;
  progressType: "verify";
  progress: Fraction;
  verifiedBytes: number;
  totalBytes: number | null;
  /**
   * Name of the file of the moment.
   */
  file: string;
  /**
   * Which of them it is, from 1.
   */
  fileIndex: number;
  fileCount: number;
}
export interface LoadProgress {
  requestId: RequestId;
  progressType: "load";
  progress: Fraction;
}
export interface QueueProgress {
  requestId: RequestId;
  progressType: "queue";
  progress: Fraction;
  /**
   * Requests that are served before this one.
   */
  position: number;
}
export interface PromptProgress {
  requestId: RequestId;
  progressType: "prompt";
  progress: Fraction;
  promptTokens: number;
  /**
   * Evaluated or found in the cache so far.
   */
  processedTokens: number;
}
/**
 * A piece of what the model says. All deltas of a segment joined are its final text: `text` the content, `reasoning` the reasoningContent, `toolCall` with the same toolCall.index the arguments of that call.
 */
export interface GenerateProgress {
  requestId: RequestId;
  progressType: "generate";
  progress: Fraction;
  segment: "text" | "reasoning" | "toolCall";
  delta: string;
  /**
   * With segment `toolCall`: which call it is of.
   */
  toolCall?: ToolCallProgress;
  /**
   * Tokens generated so far.
   */
  completionTokens: number;
  logprobs?: Logprobs;
}
export interface ToolCallProgress {
  /**
   * Its place in toolCalls.
   */
  index: number;
  id: string;
  name: string;
}
/**
 * How many of the texts to be embedded, or documents to be ranked, are done.
 */
export interface EmbedProgress {
  requestId: RequestId;
  progressType: "embed";
  progress: Fraction;
  texts: number;
  processedTexts: number;
}
export interface Info {
  level: "debug" | "info" | "warning" | "error";
  message: string;
  modelId?: ModelId;
}
/**
 * The `data` member of every error object.
 */
export interface ErrorData {
  /**
   * Stable name of the error; see schema/errors.json.
   */
  kind: string;
  retryable: boolean;
  /**
   * What to do about it.
   */
  remedy: string;
  /**
   * JSON pointer of the field in params that is at fault.
   */
  pointer?: string;
  /**
   * What was sent there, shortened.
   */
  value?: unknown;
  /**
   * What is allowed there.
   */
  allowed?: unknown;
  /**
   * Where in a text of several lines it is at fault, from 1.
   */
  line?: number;
  /**
   * The character of that line, from 1.
   */
  column?: number;
  /**
   * What the layer below said.
   */
  cause?: string;
  partial?: PartialResult;
  [k: string]: unknown;
}
/**
 * What a request had done that was aborted, or failed on what the model said.
 */
export interface PartialResult {
  text?: string;
  /**
   * Of a chat: what it had thought.
   */
  reasoningContent?: string;
  /**
   * Of a chat: the calls that are whole.
   *
   * @minItems 1
   */
  toolCalls?: ToolCall[];
  usage?: Usage;
  timings?: Timings;
  /**
   * Of a download: what is on the disk and need not be fetched again.
   */
  keptBytes?: number;
}

/** Request → its params, its result and the progress that it reports. */
export interface RequestMap {
  /** Say who you are and set the defaults: backend, other machines' devices, threads, models directory. Starts an engine and tells what this machine and this build have. */
  init: { params: InitParams; result: InitResult; progress: never };
  /** Answered at once, whatever else is running. */
  ping: { params: PingParams; result: PingResult; progress: never };
  /** Processes, models, contexts and running requests, with measured memory. */
  status: { params: StatusParams; result: StatusResult; progress: never };
  /** Abort a running request. Answered after its work has really stopped. */
  abort: { params: AbortParams; result: AbortResult; progress: never };
  /** Stop all work, answer everything that is open, end all processes and exit with status 0. */
  shutdown: { params: ShutdownParams; result: ShutdownResult; progress: never };
  /** The OpenRPC document of this protocol. */
  "rpc.discover": { params: DiscoverParams; result: DiscoverResult; progress: never };
  /** Fetch a model into modelsDirectory, whole and verified; goes on where an earlier attempt stopped. */
  downloadModel: { params: DownloadModelParams; result: DownloadModelResult; progress: DownloadProgress | VerifyProgress };
  /** The models on this disk: in modelsDirectory, in the hub's own cache, and in folders that are named. */
  listModels: { params: ListModelsParams; result: ListModelsResult; progress: never };
  /** Delete a model of modelsDirectory, all parts of a split one, or what came of an unfinished download. */
  deleteModel: { params: DeleteModelParams; result: DeleteModelResult; progress: never };
  /** Read a GGUF file's header without loading the model: of a file here, or on the hub without downloading it. */
  inspectModel: { params: InspectModelParams; result: InspectModelResult; progress: never };
  /** How much memory a model will take with a given context, whether it runs here, and the largest context that fits; before or after its download. */
  estimateModel: { params: EstimateModelParams; result: EstimateModelResult; progress: never };
  /** Load a model from a GGUF file into an engine process of its own. */
  loadModel: { params: LoadModelParams; result: LoadModelResult; progress: LoadProgress };
  /** End the model's engine process and give its memory back to the operating system, measured. */
  unloadModel: { params: UnloadModelParams; result: UnloadModelResult; progress: never };
  /** Make a context: a KV cache with room for one or more sequences that are computed together. */
  createContext: { params: CreateContextParams; result: CreateContextResult; progress: never };
  /** Free a context. Requests still running on it are aborted. */
  disposeContext: { params: DisposeContextParams; result: DisposeContextResult; progress: never };
  /** Write what a context has computed of a conversation to a file. */
  saveState: { params: SaveStateParams; result: SaveStateResult; progress: never };
  /** Read a file of saveState back, so that the next turn of its conversation pays only for its new tokens. */
  restoreState: { params: RestoreStateParams; result: RestoreStateResult; progress: never };
  /** Continue a prompt. */
  complete: { params: CompleteParams; result: CompleteResult; progress: QueueProgress | PromptProgress | GenerateProgress };
  /** Answer a conversation, with the model's own chat template: text, thoughts and calls of tools, each told apart. */
  chat: { params: ChatParams; result: ChatResult; progress: QueueProgress | PromptProgress | GenerateProgress };
  /** Write what stands between a prefix and a suffix, with a model made for that. */
  infill: { params: InfillParams; result: InfillResult; progress: QueueProgress | PromptProgress | GenerateProgress };
  /** Turn texts into vectors, many in one batch. */
  embed: { params: EmbedParams; result: EmbedResult; progress: EmbedProgress };
  /** Say how well each document answers a query, with a model made for that. */
  rerank: { params: RerankParams; result: RerankResult; progress: EmbedProgress };
  /** Turn text into token ids. */
  tokenize: { params: TokenizeParams; result: TokenizeResult; progress: never };
  /** Turn token ids into text. */
  detokenize: { params: DetokenizeParams; result: DetokenizeResult; progress: never };
  /** Render messages with the model's chat template, without generating. */
  applyTemplate: { params: ApplyTemplateParams; result: ApplyTemplateResult; progress: never };
}

export type Method = keyof RequestMap;

export const METHODS = [
  "init",
  "ping",
  "status",
  "abort",
  "shutdown",
  "rpc.discover",
  "downloadModel",
  "listModels",
  "deleteModel",
  "inspectModel",
  "estimateModel",
  "loadModel",
  "unloadModel",
  "createContext",
  "disposeContext",
  "saveState",
  "restoreState",
  "complete",
  "chat",
  "infill",
  "embed",
  "rerank",
  "tokenize",
  "detokenize",
  "applyTemplate",
] as const satisfies readonly Method[];

/** The requests that send their text while it is generated. */
export const STREAMED: ReadonlySet<Method> = new Set<Method>([
  "complete",
  "chat",
  "infill",
]);

/** Notification that the program sends → its params. */
export interface NotificationMap {
  /** How far a request is. `generate` carries the text itself. */
  progress: Progress;
  /** Something worth telling that belongs to no request: the engine is ready, an engine was restarted. */
  info: Info;
}

/** Notification that the program accepts → its params. */
export interface ClientNotificationMap {
  /** Abort a running request, without an answer of its own (the Language Server Protocol's form). */
  "$/cancelRequest": CancelRequestParams;
  /** Exit at once with status 0. Open requests are answered with the error `shuttingDown` first. */
  exit: ExitParams;
}

/** Kind → its code, and whether the same request can succeed when it is sent again. */
export const ERRORS = {
  /** The line is not JSON text in UTF-8. */
  parseError: { code: -32700, retryable: false },
  /** The line is JSON, but not a JSON-RPC 2.0 request: no object, wrong `jsonrpc`, a bad or already running `id`, params that are no object, or too long a line. */
  invalidRequest: { code: -32600, retryable: false },
  /** There is no such method. */
  methodNotFound: { code: -32601, retryable: false },
  /** The params break the method's schema. data.pointer is the JSON pointer of the field, data.value what was sent, data.allowed what is allowed. */
  invalidParams: { code: -32602, retryable: false },
  /** A defect of the program itself. The traceback is in the log on stderr, never on the wire. */
  internalError: { code: -32603, retryable: false },
  /** The request was aborted by `abort` or `$/cancelRequest`. data.partial carries what was done until then. */
  aborted: { code: -32800, retryable: true },
  /** The client asks for a protocol version that this program does not speak. */
  unsupportedProtocolVersion: { code: 1000, retryable: false },
  /** The compute backend asked for in `gpu`, or the one for `rpcServers`, is not in this build, or has no device here. */
  backendNotAvailable: { code: 1001, retryable: false },
  /** The program is ending: `shutdown`, `exit`, end of input, or the parent process is gone. */
  shuttingDown: { code: 1002, retryable: false },
  /** Too many requests are running or waiting. */
  overloaded: { code: 1003, retryable: true },
  /** An RPC server of `rpcServers` cannot be used, or was lost in the middle of work: data.value lists those that do not answer, data.cause tells how. Other models are untouched. */
  rpcServerUnavailable: { code: 1004, retryable: true },
  /** No model of this modelId is loaded. */
  modelNotFound: { code: 1010, retryable: false },
  /** There is no context of this contextId. */
  contextNotFound: { code: 1011, retryable: false },
  /** There is no file at this path. */
  fileNotFound: { code: 1020, retryable: false },
  /** The file is there but cannot be read: a folder, no permission, or a read error. */
  fileNotReadable: { code: 1021, retryable: false },
  /** The file is not a GGUF file, or is empty. */
  notGguf: { code: 1022, retryable: false },
  /** The GGUF file is truncated or damaged. */
  modelDamaged: { code: 1023, retryable: false },
  /** llama.cpp refused the model; data.cause is what it said. */
  modelLoadFailed: { code: 1024, retryable: false },
  /** There was not enough memory. */
  outOfMemory: { code: 1025, retryable: false },
  /** llama.cpp could not make the context; data.cause is what it said. */
  contextCreationFailed: { code: 1030, retryable: false },
  /** The prompt has more tokens than a sequence of the context can hold. */
  promptTooLong: { code: 1031, retryable: false },
  /** The prompt has no tokens. */
  emptyPrompt: { code: 1032, retryable: false },
  /** The model has no chat template. */
  noChatTemplate: { code: 1033, retryable: false },
  /** The chat template refused the messages, failed, or went past its limits of time or output; data.cause says which. */
  templateFailed: { code: 1034, retryable: false },
  /** A token id is outside the model's vocabulary. */
  invalidToken: { code: 1035, retryable: false },
  /** A message has an image or audio, and the model only reads text. */
  unsupportedContent: { code: 1036, retryable: false },
  /** The model called a tool that is not among `tools`. data.value is its name, data.allowed are the known ones, data.partial is what it had said. */
  unknownTool: { code: 1037, retryable: true },
  /** The model's arguments for a tool are not JSON, or do not fit its parameters: data.cause tells how. data.value is what it wrote, data.partial what it had said. */
  invalidToolArguments: { code: 1038, retryable: true },
  /** The process that held the model died while it worked on the request; data.cause is what is known. Other models are untouched. */
  engineCrashed: { code: 1040, retryable: true },
  /** The engine process could not be started, or llama.cpp could not be loaded in it. */
  engineStartFailed: { code: 1041, retryable: true },
  /** llama.cpp could not evaluate the batch. */
  decodeFailed: { code: 1042, retryable: true },
  /** The request took longer than its timeoutMs. data.partial carries what was done until then. */
  timedOut: { code: 1043, retryable: true },
  /** The hub has no such repository, or hides it from this token. data.allowed has names like it. */
  repositoryNotFound: { code: 1050, retryable: false },
  /** The repository has no such revision. */
  revisionNotFound: { code: 1051, retryable: false },
  /** The repository, or the server, has no such file or quantisation. data.allowed has those like it. */
  remoteFileNotFound: { code: 1052, retryable: false },
  /** The repository's owner wants its terms to be accepted first. */
  gatedRepository: { code: 1053, retryable: false },
  /** The server refused the token, or wants one. */
  unauthorized: { code: 1054, retryable: false },
  /** The server cannot be reached, or offline mode is set, and the model is not on this disk. */
  offline: { code: 1055, retryable: true },
  /** The server asks for a longer pause than a download waits for. data.value is its length in seconds, if it said. */
  rateLimited: { code: 1056, retryable: true },
  /** The bytes could not be fetched: the server failed, stalled or cut the connection again and again. data.cause is the last failure. */
  downloadFailed: { code: 1057, retryable: true },
  /** The bytes that came, fetched twice, are not those that the hub's checksum stands for. */
  checksumMismatch: { code: 1058, retryable: true },
  /** There is not enough space in the folder to be written to. data.value is what is needed in bytes, data.allowed.maximum what is free. */
  diskFull: { code: 1059, retryable: false },
  /** The folder to be written to, modelsDirectory or that of `path`, cannot be made or written to; data.cause is the system's reason. */
  directoryNotWritable: { code: 1060, retryable: false },
  /** The model is loaded, or being fetched, and cannot be deleted. */
  modelInUse: { code: 1061, retryable: false },
  /** The path is outside modelsDirectory, or no model of it: only what lies there can be deleted. */
  notInStore: { code: 1062, retryable: false },
  /** The process that fetched died; data.cause is what is known. */
  transferCrashed: { code: 1063, retryable: true },
  /** The header of a remote model cannot be read: its server sends files only as a whole. */
  noRanges: { code: 1064, retryable: false },
  /** The context was made for something else: `embed` needs one for embeddings, `rerank` one with the pooling `rank`, all else one without `embeddings`. */
  unsuitableContext: { code: 1070, retryable: false },
  /** The model was not made for what is asked of it. */
  unsuitableModel: { code: 1071, retryable: false },
  /** The file is no LoRA adapter, or one for another model; data.cause says what does not fit. */
  unsuitableAdapter: { code: 1072, retryable: false },
  /** The draft model cannot guess for this model, or this model cannot take guesses back; data.cause says what does not fit. */
  unsuitableDraft: { code: 1073, retryable: false },
  /** The file is not one of saveState, or not whole, or its bytes are not those that were written. */
  stateDamaged: { code: 1080, retryable: false },
  /** The state was saved with another model, other context parameters, other adapters or another release, or does not fit into the context; data.cause says which. */
  stateMismatch: { code: 1081, retryable: false },
  /** The context holds nothing of this conversation. */
  notCached: { code: 1082, retryable: false },
  /** The grammar does not parse, or could not be followed: data.line and data.column say where, data.cause what is wrong. */
  invalidGrammar: { code: 1090, retryable: false },
  /** The JSON schema has a keyword that the text cannot be held to: data.pointer says where, data.value which, data.allowed lists those that are supported. */
  unsupportedSchema: { code: 1091, retryable: false },
  /** No value satisfies the JSON schema, or its references lead round in circles; data.pointer says where. */
  unsatisfiableSchema: { code: 1092, retryable: false },
  /** The text has come to a point where the model has no token that the grammar and the biases allow. */
  noTokenAllowed: { code: 1093, retryable: false },
} as const;

export type ErrorKind = keyof typeof ERRORS;
