// GENERATED from schema/ by build/contract/generate.py; do not edit (fingerprint 8c38bc7e4ecaa79d)
export const PROTOCOL_VERSION = 1;

/**
 * Id of a request, chosen by its sender.
 */
export type RequestId = string | number;
/**
 * Id of a loaded model: model-1, model-2, …
 */
export type ModelId = string;
/**
 * Id of a context: context-1, context-2, …
 */
export type ContextId = string;
/**
 * Token id in the model's vocabulary.
 */
export type Token = number;
export type ShutdownResult = null;
/**
 * SHA-256 checksum in lower-case hexadecimal.
 */
export type Sha256 = string;
/**
 * What messages to a model may have, with its projector; without one only text.
 *
 * @minItems 1
 */
export type Modalities = ("text" | "image" | "audio")[];
/**
 * Either `path` or `model`.
 */
export type EstimateModelParams = {
  /**
   * Names of the devices that may hold layers, as init lists them, in the order of the layers; none: all stays on the CPU. Default: all devices of the backend `gpu` of init.
   *
   * @maxItems 16
   */
  devices?: string[];
  /**
   * How several devices share the model. `layer`: each holds some layers; `row`: each holds some rows of every layer's weights, where the backend can; `none`: one device, `mainDevice`, holds all.
   * @default "layer"
   */
  splitMode?: "none" | "layer" | "row";
  /**
   * The devices' shares, one number for each, in any unit. Default: by their free memory.
   *
   * @minItems 1
   * @maxItems 16
   */
  tensorSplit?: number[];
  /**
   * Name of the device that holds everything (`splitMode` `none`) or what is not split (`row`). Default: the first one.
   */
  mainDevice?: string;
  /**
   * Keep the experts of a mixture of experts on the CPU: those of all layers (true), or of the first n. The rest of such a layer fits on a small GPU, and each token uses few experts.
   * @default false
   */
  expertsOnCpu?: boolean | number;
  /**
   * Bytes that stay free on each device where "auto" decides, for `gpuLayers` and `contextSize`; or those of some devices by their names, `CPU` among them. Default: a tenth of what is free.
   */
  memoryMarginBytes?:
    | number
    | {
        [k: string]: number;
      };
  /**
   * A GGUF file; for a split model, its first part.
   */
  path?: string;
  /**
   * A model on the Hugging Face hub (hf:owner/repo, hf:owner/repo:Q4_K_M, hf:owner/repo/path/file.gguf), or an https URL.
   */
  model?: string;
  /**
   * Branch, tag or commit of the repository.
   * @default "main"
   */
  revision?: string;
  /**
   * Access token for the hub. Default: HF_TOKEN, or the one stored by the hub's own tools, if the hub is that of HF_ENDPOINT (huggingface.co). None is sent unencrypted, except to this machine.
   */
  token?: string;
  /**
   * Address of the hub or of a mirror. Default: HF_ENDPOINT, or https://huggingface.co.
   */
  endpoint?: string;
  /**
   * Tokens per sequence. Default: the context length that the model was trained with, at most 4096.
   */
  contextSize?: number;
  /**
   * Requests that can run at the same time.
   * @default 1
   */
  sequences?: number;
  /**
   * Most tokens per computation step.
   * @default 512
   */
  batchSize?: number;
  /**
   * @default "f16"
   */
  kvCacheType?: KvCacheType & string;
  /**
   * As in createContext.
   * @default false
   */
  swaFull?: boolean;
  /**
   * As in loadModel: count the head that guesses tokens, and its context.
   * @default false
   */
  mtp?: boolean;
  /**
   * Count the projector: the one that loadModel finds beside `path`, or the one of the repository. Default: true for `path`, false for `model`, as loadModel and downloadModel do.
   */
  projector?: boolean;
  /**
   * As in createContext.
   */
  valueCacheType?: KvCacheType;
  /**
   * Layers to place on the GPU; "auto": as many as fit.
   * @default "auto"
   */
  gpuLayers?: number | "auto" | LayerRange;
} & EstimateModelParams1;
/**
 * Number format of the KV cache.
 */
export type KvCacheType = "f32" | "f16" | "bf16" | "q8_0" | "q5_1" | "q5_0" | "q4_1" | "q4_0" | "iq4_nl";
export type EstimateModelParams1 =
  | {
      /**
       * A GGUF file; for a split model, its first part.
       */
      path: string;
      model?: never;
    }
  | {
      path?: never;
      /**
       * A model on the Hugging Face hub (hf:owner/repo, hf:owner/repo:Q4_K_M, hf:owner/repo/path/file.gguf), or an https URL.
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
   * A model on the Hugging Face hub (hf:owner/repo, hf:owner/repo:Q4_K_M, hf:owner/repo/path/file.gguf), or an https URL.
   */
  model?: string;
  /**
   * Branch, tag or commit of the repository.
   * @default "main"
   */
  revision?: string;
  /**
   * Access token for the hub. Default: HF_TOKEN, or the one stored by the hub's own tools, if the hub is that of HF_ENDPOINT (huggingface.co). None is sent unencrypted, except to this machine.
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
       * A model on the Hugging Face hub (hf:owner/repo, hf:owner/repo:Q4_K_M, hf:owner/repo/path/file.gguf), or an https URL.
       */
      model: string;
    };
/**
 * Strength of each adapter of loadModel for this request; an adapter that is not listed is off. Default: the scales of loadModel. Requests with different scales are computed in turns, not in one batch.
 *
 * @maxItems 16
 */
export type AdapterScales = {
  /**
   * Position in the `adapters` of loadModel, from 0.
   */
  id: number;
  scale: number;
}[];
/**
 * "auto": llama.cpp decides.
 */
export type FlashAttention = boolean | "auto";
/**
 * `none`: one vector per token; `mean`: their mean; `cls`, `last`: the vector of the first or the last token; `rank`: a score, for `rerank`.
 */
export type Pooling = "none" | "mean" | "cls" | "last" | "rank";
export type DisposeContextResult = null;
/**
 * Text, in which special tokens are recognised, or a list of token ids.
 */
export type Text = string | Token[];
/**
 * Where a picture or a sound comes from: bytes in base64, or a file.
 */
export type MediaSource = {
  /**
   * The bytes of the file in base64.
   */
  data?: string;
  /**
   * A file of this machine, in one of the mediaDirectories of init if they are set. A relative path starts at the working directory.
   */
  path?: string;
} & MediaSource1;
export type MediaSource1 =
  | {
      /**
       * The bytes of the file in base64.
       */
      data: string;
      path?: never;
    }
  | {
      data?: never;
      /**
       * A file of this machine, in one of the mediaDirectories of init if they are set. A relative path starts at the working directory.
       */
      path: string;
    };
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
 * Makes tokens more or less likely, before any sampler: by token id in OpenAI's form {"id": bias}, or as a list of [id or text, bias]. A text stands for each of its tokens; false forbids a token.
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
 * Required form of the text, as in OpenAI's API.
 */
export type ResponseFormat = PlainFormat | JsonSchemaFormat;
/**
 * `stop`: the model ended the text, or a stop string appeared; `toolCalls`: the text ended with tool calls; `length`: maxTokens was reached (a call that it cuts off is not among the toolCalls); `contextFull`: the sequence is full.
 */
export type FinishReason = "stop" | "toolCalls" | "length" | "contextFull";
/**
 * One entry per token of the text, if `logprobs` was requested. Their bytes joined are the text, including a stop string that ended it.
 */
export type Logprobs = ChosenToken[];
/**
 * `interactive` texts come first; the next `background` text waits until none of them is left.
 */
export type TextsPriority = "interactive" | "background";
/**
 * If the request takes longer than this, waiting included, answer with the error `timedOut`. Default: no limit.
 */
export type TextsTimeout = number;
/**
 * A list of numbers, or their bytes in base64.
 */
export type Vector = number[] | string;
export type CountTokensParams = {
  messages: Messages;
  /**
   * Tools that the model may call. If the chat template does not support tools, or its format of a call is not known, a system message describes them.
   *
   * @maxItems 128
   */
  tools?: Tool[];
  /**
   * End the prompt with the start of the assistant's turn.
   * @default true
   */
  addGenerationPrompt?: boolean;
  /**
   * Continue the last message, which must be the assistant's, instead of starting a new turn.
   * @default false
   */
  continueFinalMessage?: boolean;
  /**
   * Whether the model may reason before it answers, and how much. false is the effort `none`. Without effort and budget the model decides.
   * @default true
   */
  reasoning?: boolean | ReasoningOptions;
  /**
   * More variables for the chat template, by the names that it uses: enable_thinking, date_string, documents, …
   */
  templateVariables?: {
    [k: string]: unknown;
  };
  /**
   * Chat template (Jinja2) to use instead of the model's own.
   */
  chatTemplate?: string;
  contextId?: ContextId;
  modelId?: ModelId;
} & CountTokensParams1;
export type CountTokensParams1 =
  | {
      contextId: ContextId;
      modelId?: never;
    }
  | {
      contextId?: never;
      modelId: ModelId;
    };
/**
 * `progress` goes from 0 to 1 and never falls within one type of one request; null if the end is unknown.
 */
export type Progress =
  | DownloadProgress
  | VerifyProgress
  | LoadProgress
  | QueueProgress
  | PromptProgress
  | GenerateProgress
  | EncodeProgress
  | EmbedProgress;
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
  CacheStatus: CacheStatus;
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
  Modalities: Modalities;
  PartialDownload: PartialDownload;
  DeleteModelParams: DeleteModelParams;
  DeleteModelResult: DeleteModelResult;
  PlacementParams: PlacementParams;
  LayerRange: LayerRange;
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
  SizeRange: SizeRange;
  RopeParams: RopeParams;
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
  MediaSource: MediaSource;
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
  MediaUse: MediaUse;
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
  CountTokensParams: CountTokensParams;
  CountTokensResult: CountTokensResult;
  Progress: Progress;
  Fraction: Fraction;
  DownloadProgress: DownloadProgress;
  VerifyProgress: VerifyProgress;
  LoadProgress: LoadProgress;
  QueueProgress: QueueProgress;
  PromptProgress: PromptProgress;
  GenerateProgress: GenerateProgress;
  EncodeProgress: EncodeProgress;
  EmbedProgress: EmbedProgress;
  Info: Info;
  ErrorData: ErrorData;
  ToolCallProgress: ToolCallProgress;
  PartialResult: PartialResult;
}
export interface InitParams {
  /**
   * Protocol version that the client speaks.
   */
  protocolVersion?: number;
  clientInfo?: PeerInfo;
  /**
   * Log at debug level, including llama.cpp's own lines.
   * @default false
   */
  debug?: boolean;
  /**
   * "auto": the best available device; "cpu" or false: no GPU; or the name of a backend in this build (cuda, vulkan, metal, …).
   * @default "auto"
   */
  gpu?: string | false;
  /**
   * Most models that hold memory at once. When one more is needed, the engine of the idle model that was used longest ago ends; its next request loads it again, under the same ids. If all are in use, the request fails with `overloaded`. Default: no limit.
   */
  maxLoadedModels?: number;
  /**
   * Folders whose files `source: {path}` of a content part may name, with their subfolders. Links are followed first. Default: any file; an empty list: none.
   *
   * @maxItems 64
   */
  mediaDirectories?: string[];
  /**
   * Most compute threads per engine. Default: one per processor that this process may use, at most 16.
   */
  maxThreads?: number;
  /**
   * Folder for downloads, and where relative model paths start. Default: for downloads the user's data folder, for paths the working directory.
   */
  modelsDirectory?: string;
  /**
   * "host:port" of llama.cpp RPC servers (`llama-sidecar rpc-worker`). Models use their devices in this order, before this machine's own GPUs. Only for a network that you trust: the protocol has no authentication and no encryption. A server serves one model at a time.
   * @default []
   *
   * @maxItems 16
   */
  rpcServers?: string[];
  /**
   * Process id of the client. When that process ends, this program ends, too.
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
   * Protocol version that this program speaks.
   */
  protocolVersion: number;
  serverInfo: ServerInfo;
  llamaCpp: LlamaCppInfo;
  devices: Device[];
  /**
   * The backend chosen for `gpu`: "cpu" or a backend's name, in lower case.
   */
  gpu: string;
  /**
   * Compute threads of a context that does not ask for fewer.
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
   * Processor features that llama.cpp uses, in its own words.
   */
  systemInfo: string;
  /**
   * Processor generation that the CPU backend was compiled for, e.g. "haswell": the best one in this build that runs on this machine. "builtIn" in a build for one processor only.
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
   * Backend of the device, in lower case.
   */
  backend: string;
  type: "cpu" | "gpu" | "integratedGpu" | "accelerator";
  memoryTotalBytes: number;
  memoryFreeBytes: number;
  /**
   * RPC server that the device belongs to, as given in `rpcServers`. The backend of such a device is "rpc" and its type always "gpu".
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
   * Time since the program started.
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
   * Requests not yet answered, without this one.
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
   * `crashed`: its engine died; `unloaded`: its engine ended after keepAliveMs, or made room (maxLoadedModels). The next request that needs the model starts the engine again.
   */
  state: "loading" | "ready" | "crashed" | "unloaded";
  /**
   * File of the draft model, if there is one.
   */
  draftPath?: string;
  /**
   * File of the projector, if there is one.
   */
  projectorPath?: string;
  /**
   * As given to loadModel; absent if it was not given.
   */
  keepAliveMs?: number;
  /**
   * Time since the model's last request ended; 0 while one is running. Only with keepAliveMs.
   */
  idleMs?: number;
}
export interface ContextStatus {
  contextId: ContextId;
  modelId: ModelId;
  /**
   * Absent before its first request, and while the model has no engine.
   */
  cache?: CacheStatus;
}
/**
 * The conversations that have no sequence: how many, their bytes, and how often one came back since the engine started.
 */
export interface CacheStatus {
  memoryConversations: number;
  memoryBytes: number;
  memoryHits: number;
  /**
   * In `cacheDirectory`, those of other contexts included; absent without one, as the next two are.
   */
  diskConversations?: number;
  diskBytes?: number;
  diskHits?: number;
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
   * `aborted`: the request stopped and was answered with error -32800; `finished`: it ended by itself first; `notFound`: no such request is running.
   */
  outcome: "aborted" | "finished" | "notFound";
  /**
   * Time from the arrival of `abort` until the work had stopped.
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
   * A model on the Hugging Face hub (hf:owner/repo, hf:owner/repo:Q4_K_M, hf:owner/repo/path/file.gguf), or an https URL.
   */
  model: string;
  /**
   * Branch, tag or commit of the repository.
   * @default "main"
   */
  revision?: string;
  /**
   * Access token for the hub. Default: HF_TOKEN, or the one stored by the hub's own tools, if the hub is that of HF_ENDPOINT (huggingface.co). None is sent unencrypted, except to this machine.
   */
  token?: string;
  /**
   * Address of the hub or of a mirror. Default: HF_ENDPOINT, or https://huggingface.co.
   */
  endpoint?: string;
  /**
   * Folder to download into. Default: modelsDirectory of init, or the user's data folder.
   */
  modelsDirectory?: string;
  /**
   * Also download the repository's multimodal projector (mmproj).
   * @default false
   */
  projector?: boolean;
  /**
   * Expected SHA-256 checksum. Needed only for a URL: the hub publishes its own checksums.
   */
  sha256?: string;
  /**
   * Download the files again even if they are already here.
   * @default false
   */
  force?: boolean;
  /**
   * Keep the downloaded bytes if the request is aborted.
   * @default true
   */
  keepPartial?: boolean;
}
export interface DownloadModelResult {
  /**
   * Path for loadModel: the file, or the first part of a split model.
   */
  path: string;
  /**
   * @minItems 1
   */
  files: DownloadedFile[];
  /**
   * Path of the multimodal projector, if it was requested.
   */
  projectorPath: string | null;
  /**
   * Size of all files.
   */
  sizeBytes: number;
  /**
   * Checksum of the file at `path`.
   */
  sha256: Sha256;
  source: ModelSource;
  /**
   * The chosen quantisation, or the one in the file's name.
   */
  quantization: string | null;
  /**
   * Bytes that an earlier attempt had already downloaded.
   */
  resumedBytes: number;
  /**
   * Whether all files were already here.
   */
  fromCache: boolean;
}
export interface DownloadedFile {
  path: string;
  sizeBytes: number;
  sha256: Sha256;
  /**
   * Whether the checksum was compared with one from the source or from the request.
   */
  verified: boolean;
  resumedBytes: number;
  fromCache: boolean;
}
/**
 * Where a model comes from.
 */
export interface ModelSource {
  url: string;
  /**
   * owner/name on the hub.
   */
  repository: string | null;
  /**
   * Commit of the repository.
   */
  revision: string | null;
  /**
   * Path in the repository.
   */
  file: string | null;
}
export interface ListModelsParams {
  /**
   * Default: modelsDirectory of init, or the user's data folder.
   */
  modelsDirectory?: string;
  /**
   * Also list the models in the hub's own cache.
   * @default true
   */
  hubCache?: boolean;
  /**
   * More folders to search, including their subfolders.
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
   * Unfinished downloads.
   */
  partials: PartialDownload[];
  /**
   * Whether there are more files than the search looks at.
   */
  truncated: boolean;
}
export interface ListedModel {
  /**
   * Path for loadModel.
   */
  path: string;
  /**
   * All parts of a split model, otherwise the one file.
   */
  files: string[];
  sizeBytes: number;
  origin: "store" | "hubCache" | "folder";
  /**
   * Whether the checksum was compared after the download and the file has not changed since.
   */
  verified: boolean;
  /**
   * Checksum of the file at `path`, if known.
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
   * The projector that loadModel finds beside the model.
   */
  projectorPath: string | null;
  modalities: Modalities;
  /**
   * Time of the last load, in milliseconds since 1970; null if this program never loaded it.
   */
  lastUsedAt: number | null;
  loaded: boolean;
  /**
   * What is wrong with the model: not GGUF, damaged, or a part is missing.
   */
  problem: string | null;
}
export interface PartialDownload {
  /**
   * Path of the file when it is complete; deleteModel accepts it.
   */
  path: string;
  source: ModelSource;
  downloadedBytes: number;
  totalBytes: number | null;
}
export interface DeleteModelParams {
  /**
   * Path of the model, as listModels or downloadModel returned it. For an unfinished download: the path of the file when it is complete.
   */
  path: string;
  /**
   * Default: modelsDirectory of init, or the user's data folder.
   */
  modelsDirectory?: string;
}
export interface DeleteModelResult {
  /**
   * The deleted files.
   */
  files: string[];
  freedBytes: number;
}
/**
 * Where the weights of a model lie.
 */
export interface PlacementParams {
  /**
   * Names of the devices that may hold layers, as init lists them, in the order of the layers; none: all stays on the CPU. Default: all devices of the backend `gpu` of init.
   *
   * @maxItems 16
   */
  devices?: string[];
  /**
   * How several devices share the model. `layer`: each holds some layers; `row`: each holds some rows of every layer's weights, where the backend can; `none`: one device, `mainDevice`, holds all.
   * @default "layer"
   */
  splitMode?: "none" | "layer" | "row";
  /**
   * The devices' shares, one number for each, in any unit. Default: by their free memory.
   *
   * @minItems 1
   * @maxItems 16
   */
  tensorSplit?: number[];
  /**
   * Name of the device that holds everything (`splitMode` `none`) or what is not split (`row`). Default: the first one.
   */
  mainDevice?: string;
  /**
   * Keep the experts of a mixture of experts on the CPU: those of all layers (true), or of the first n. The rest of such a layer fits on a small GPU, and each token uses few experts.
   * @default false
   */
  expertsOnCpu?: boolean | number;
  /**
   * Bytes that stay free on each device where "auto" decides, for `gpuLayers` and `contextSize`; or those of some devices by their names, `CPU` among them. Default: a tenth of what is free.
   */
  memoryMarginBytes?:
    | number
    | {
        [k: string]: number;
      };
}
/**
 * As many as fit, at most `preferred` (or else `max`), at least `min`.
 */
export interface LayerRange {
  min?: number;
  preferred?: number;
  max?: number;
}
export interface EstimateModelResult {
  path: string | null;
  source: ModelSource | null;
  /**
   * Tokens per sequence that the figures are for.
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
   * Buffers for computing a batch.
   */
  computeBytes: number;
  /**
   * The projector that is counted; null if there is none, or if it is on a server.
   */
  projectorPath: string | null;
  /**
   * Weights and compute buffers of the projector.
   */
  projectorBytes: number;
  /**
   * Weights, KV cache, compute buffers and projector, on all devices together.
   */
  totalBytes: number;
  /**
   * The share of each device, the CPU first.
   */
  devices: DeviceEstimate[];
  /**
   * Most tokens per sequence that fit, at most the context length that the model was trained with; 0: not even the weights fit.
   */
  largestContextSize: number;
  /**
   * `tight`: the model fits, but leaves little memory for everything else.
   */
  runs: "yes" | "tight" | "no";
  /**
   * The reason for `runs`, in one sentence.
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
  projectorBytes: number;
  totalBytes: number;
  /**
   * Free memory; for the CPU, the memory that the system can provide now.
   */
  freeBytes: number;
}
export interface InspectModelResult {
  /**
   * null for a file on a server.
   */
  path: string | null;
  source: ModelSource | null;
  /**
   * Size of the file; for a split model, of all parts, or of the first while others are missing.
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
   * Number of weights in all tensors.
   */
  parameters: number;
  /**
   * Tensor type of most of the bytes: Q4_1, Q6_K, F16, …
   */
  quantization: string;
  tensors: number;
  contextLengthTrained: number | null;
  embeddingSize: number | null;
  layers: number | null;
  vocabularySize: number | null;
  /**
   * Whether the model has a chat template.
   */
  chatTemplate: boolean;
  /**
   * The projector that loadModel finds beside the model; null for a file on a server.
   */
  projectorPath: string | null;
  /**
   * What messages to the model may have, with the projector beside it or in its repository; of a projector, what it gives a model.
   */
  modalities: Modalities;
  /**
   * All metadata. An array of more than 16 elements is returned as {type, length}.
   */
  metadata: {
    [k: string]: unknown;
  };
}
export interface LoadModelParams extends PlacementParams {
  /**
   * A GGUF file; for a split model, its first part.
   */
  path: string;
  /**
   * Layers to place on the GPU; "auto": as many as fit into GPU memory together with a context of the default size.
   * @default "auto"
   */
  gpuLayers?: number | "auto" | LayerRange;
  /**
   * Map the file into memory instead of reading it: starts faster and shares memory between processes.
   * @default true
   */
  useMmap?: boolean;
  /**
   * Read the file past the system's page cache, where the system can: for a model that is larger than the memory, or loaded once. Excludes `useMmap` and `useMlock`.
   * @default false
   */
  useDirectIo?: boolean;
  /**
   * Prevent the system from swapping out the weights.
   * @default false
   */
  useMlock?: boolean;
  /**
   * Check every weight for invalid numbers; slower.
   * @default false
   */
  checkTensors?: boolean;
  /**
   * End the model's engine after this time without a request. The next request loads the model and its contexts again, under the same ids, with empty caches. Default: never.
   */
  keepAliveMs?: number;
  /**
   * Load the head with which the model itself proposes the next tokens (multi-token prediction, also called NextN), for models whose file has one: Qwen 3.5, GLM 4.5, DeepSeek, MiMo 2, Step 3.5, Nemotron 3. Takes the memory of a layer, and a small KV cache in each context. Excludes `draftPath`. A file without a head is the error `unsuitableDraft`.
   * @default false
   */
  mtp?: boolean;
  /**
   * A GGUF file of a smaller model with the same vocabulary, or of an EAGLE-3 draft that was made for this model. It proposes the next tokens (speculative decoding): the text stays the same and is generated faster. The other options of this request, except `adapters`, apply to it as well. It needs its own KV cache in each context.
   */
  draftPath?: string;
  /**
   * LoRA adapters. Requests refer to them by their position, from 0.
   *
   * @maxItems 16
   */
  adapters?: Adapter[];
  /**
   * A GGUF file of the model's projector (often named mmproj), with which it sees pictures or hears sound. Default: the one that lies beside the model, if it fits; null: none.
   */
  projectorPath?: string | null;
  /**
   * Where the projector computes: "cpu", the name of a device of this machine that the model uses, or "auto": the first such device, else the CPU.
   * @default "auto"
   */
  projectorDevice?: string;
  /**
   * Fewest and most tokens of a picture, for models that adapt their number to its size. More tokens: more detail, and more time. Default: the projector's own bounds.
   */
  imageTokens?: {
    min?: number;
    max?: number;
  };
}
export interface Adapter {
  /**
   * A GGUF file of a LoRA adapter.
   */
  path: string;
  /**
   * Strength of the adapter in requests that do not set `adapters`; 0: off.
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
   * In tokens.
   */
  contextLengthTrained: number;
  /**
   * Number of tokens.
   */
  vocabularySize: number;
  embeddingSize: number;
  layers: number;
  /**
   * Whether the model has a chat template.
   */
  chatTemplate: boolean;
  modalities: Modalities;
  /**
   * The projector that was loaded.
   */
  projectorPath: string | null;
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
   * The same after the engine process had ended.
   */
  memoryAfterBytes: number;
}
/**
 * As many tokens as fit into memory, at most `preferred` (or else `max`, or what the model was trained with), at least `min`.
 */
export interface SizeRange {
  min?: number;
  preferred?: number;
  max?: number;
}
/**
 * How positions are encoded, where a context shall be longer than the model was trained with. Default: what the model says.
 */
export interface RopeParams {
  scaling?: "none" | "linear" | "yarn" | "longrope";
  frequencyBase?: number;
  /**
   * 0.25 makes positions four times as dense.
   */
  frequencyScale?: number;
  /**
   * Tokens that the model was trained with before YaRN.
   */
  yarnOriginalContext?: number;
  yarnExtrapolation?: number;
  yarnAttention?: number;
  yarnBetaFast?: number;
  yarnBetaSlow?: number;
}
export interface CreateContextParams {
  modelId: ModelId;
  /**
   * Tokens per sequence, or per text to embed; "auto": as many as fit into memory, at most the context length that the model was trained with. Default: that length, at most 4096; for embeddings at most 2048.
   */
  contextSize?: number | "auto" | SizeRange;
  /**
   * Requests that can run at the same time; others wait. In a context for embeddings: texts computed in one step. Default: 1; for embeddings 32.
   */
  sequences?: number;
  /**
   * Most tokens per computation step. At least `sequences`, and `draftTokens` + 2 with a recurrent state: fewer become as many. Default: 512; for embeddings 256, or more for a text that cannot be split.
   */
  batchSize?: number;
  /**
   * Compute threads, at most the `threads` of init.
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
   * Number format of the values; `kvCacheType` is then that of the keys. Default: the same.
   */
  valueCacheType?: KvCacheType;
  rope?: RopeParams;
  /**
   * Most bytes of memory for conversations whose sequence another one has taken. They come back without evaluating their tokens again. 0: none. Default: a sixteenth of the free memory, at most 1 GiB.
   */
  cacheBytes?: number;
  /**
   * Most bytes of memory for checkpoints: copies of what a sliding window or a recurrent state cannot take back, by which a conversation goes back without being evaluated from its start. 0: none. Default: a sixteenth of the free memory, at most 512 MiB.
   */
  checkpointBytes?: number;
  /**
   * Folder for what conversations have computed, so that they continue without evaluating their tokens again after the model was unloaded, was idle, or the program has started again. A conversation is written when it has had no request for a second, and before its engine ends. The folder is created for this user only; models, contexts and programs may share it. A relative path starts at the working directory. Default: nothing is written.
   */
  cacheDirectory?: string;
  /**
   * Most bytes in `cacheDirectory`. The conversation that was used longest ago is deleted first. Default: a sixteenth of what is free on its disk, at most 8 GiB.
   */
  cacheDirectoryBytes?: number;
  /**
   * With a model that has a recurrent state: how many draft tokens a step can take back, so that `speculation: "lookup"` works. Each takes the memory of one more state per sequence. Other models need none. Not all architectures can: that is the error `unsuitableModel`. Default: 3 if the model was loaded with `mtp`, else 0.
   * @default 0
   */
  draftTokens?: number;
  /**
   * All sequences share one pool of `contextSize` tokens, so one conversation may take all of it while the others are short; otherwise each has `contextSize` tokens of its own. When the pool is full, the conversation that was used longest ago moves into memory (`cacheBytes`), then the youngest running request waits. Slower where several conversations run at once.
   * @default false
   */
  kvUnified?: boolean;
  /**
   * The same request gives the same text, whatever was computed before and whatever runs beside it: with the same model, release, machine, devices, `threads`, `batchSize` and `seed`. Each request has steps of its own, so several at once take turns; a follow-up turn evaluates the last answer again; speculation is off, `swaFull` on.
   * @default false
   */
  reproducible?: boolean;
  /**
   * Keep all tokens in layers with a sliding window, not only the window: more memory, and every earlier place of a conversation can be reused, not only some.
   * @default false
   */
  swaFull?: boolean;
  /**
   * Create a context for `embed` and `rerank`. It cannot generate text.
   * @default false
   */
  embeddings?: boolean;
  /**
   * How the vectors of a text's tokens become one vector; only with `embeddings`. Default: the model's own pooling, or `mean` if it has none.
   */
  pooling?: Pooling;
}
export interface CreateContextResult {
  contextId: ContextId;
  /**
   * Tokens per sequence, as rounded by llama.cpp.
   */
  contextSize: number;
  sequences: number;
  batchSize: number;
  threads: number;
  kvCacheType: KvCacheType;
  /**
   * Absent if it is the same.
   */
  valueCacheType?: KvCacheType;
  /**
   * Only in a context for embeddings.
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
 * `prompt`, `messages`, or neither.
 */
export interface SaveStateParams {
  contextId: ContextId;
  /**
   * File to write; an existing file is replaced. A relative path starts at the working directory.
   */
  path: string;
  prompt?: Text;
  messages?: Messages;
}
/**
 * One turn of a conversation, in OpenAI's form. `developer` means the same as `system`.
 */
export interface Message {
  role: "system" | "developer" | "user" | "assistant" | "tool";
  /**
   * null only if the assistant has toolCalls or reasoningContent.
   */
  content: string | ContentPart[] | null;
  /**
   * Name of the speaker; in a tool's message, name of the tool.
   */
  name?: string;
  /**
   * Reasoning of the assistant. Most templates leave out the reasoning of earlier turns.
   */
  reasoningContent?: string;
  /**
   * Calls that the assistant made.
   */
  toolCalls?: ToolCallMessage[];
  /**
   * In a tool's message: id of the call that it answers.
   */
  toolCallId?: string;
  /**
   * Read names of control tokens in this message's texts as tokens, not as plain text.
   * @default false
   */
  parseSpecial?: boolean;
}
/**
 * A part of a message. Pictures and sounds need a model with a projector (loadModel). PNG, JPEG, GIF (its first picture) and BMP are read; WAV, MP3 and FLAC. The first bytes say what it is, not a label. Most parts with pictures and sounds in a request: 64.
 */
export interface ContentPart {
  type: "text" | "image" | "image_url" | "audio" | "input_audio";
  /**
   * Only with type `text`.
   */
  text?: string;
  /**
   * With type `image` or `audio`.
   */
  source?: MediaSource;
  /**
   * With type `image_url`. The URL begins with `data:…;base64,`: nothing is fetched from the network.
   */
  imageUrl?: {
    url: string;
    [k: string]: unknown;
  };
  /**
   * With type `input_audio`. `data` is base64.
   */
  inputAudio?: {
    data: string;
    format: string;
    [k: string]: unknown;
  };
}
/**
 * A call as in ChatResult; `arguments` may also be an object, or null if there are none.
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
        }
      | null;
  };
}
export interface SaveStateResult {
  path: string;
  sizeBytes: number;
  /**
   * Number of saved tokens.
   */
  tokens: number;
  /**
   * Number of saved tokens, from the first on, that match `prompt` or `messages`; null without them.
   */
  matchedTokens: number | null;
}
export interface RestoreStateParams {
  contextId: ContextId;
  /**
   * A file written by saveState.
   */
  path: string;
}
export interface RestoreStateResult {
  path: string;
  sizeBytes: number;
  /**
   * Number of restored tokens.
   */
  tokens: number;
}
/**
 * How tokens are chosen. Names and defaults are llama.cpp's.
 */
export interface SamplingParams {
  /**
   * Most tokens to generate. 0 only evaluates the prompt, and the next request with the same beginning finds it: for a prompt that is known before its question. Default: as many as the context can hold.
   */
  maxTokens?: number;
  stop?: Stop;
  /**
   * Default: a random seed, which the result returns.
   */
  seed?: number;
  /**
   * 0: always the most likely token.
   * @default 0.8
   */
  temperature?: number;
  /**
   * The temperature varies by this much around `temperature`: lower where the model is sure, higher where it is not. 0: off.
   * @default 0
   */
  dynatempRange?: number;
  /**
   * Exponent that turns the model's uncertainty (entropy) into a temperature.
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
   * Keep tokens whose logit is within this many standard deviations of the highest. 0 or less: off.
   * @default -1
   */
  topNSigma?: number;
  /**
   * Probability that XTC removes all likely tokens except the least likely of them. 0: off.
   * @default 0
   */
  xtcProbability?: number;
  /**
   * Probability from which XTC treats a token as likely. Above 0.5: off.
   * @default 0.1
   */
  xtcThreshold?: number;
  /**
   * Fewest tokens that topP, minP, typicalP and XTC leave.
   * @default 0
   */
  minKeep?: number;
  /**
   * Keep the text's perplexity at a target; of the samplers, only `temperature` is used with it. 0: off; 1: Mirostat; 2: Mirostat 2.0.
   * @default 0
   */
  mirostat?: 0 | 1 | 2;
  /**
   * Target of Mirostat, in bits of surprise per token.
   * @default 5
   */
  mirostatTau?: number;
  /**
   * Learning rate of Mirostat.
   * @default 0.1
   */
  mirostatEta?: number;
  /**
   * Adaptive-p: prefer tokens of about this probability. Less than 0: off.
   * @default -1
   */
  adaptiveTarget?: number;
  /**
   * How long adaptive-p remembers its choices: about 1 / (1 - decay) tokens.
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
   * Number of recent tokens that the three penalties look at.
   * @default 64
   */
  repeatLastN?: number;
  adapters?: AdapterScales;
  /**
   * Strength of DRY, a penalty on tokens that would extend a repetition. 0: off.
   * @default 0
   */
  dryMultiplier?: number;
  /**
   * The penalty of DRY is dryMultiplier × dryBase ^ (length of the repetition - dryAllowedLength).
   * @default 1.75
   */
  dryBase?: number;
  /**
   * Repetitions of up to this many tokens are not penalised.
   * @default 2
   */
  dryAllowedLength?: number;
  /**
   * Number of recent tokens that DRY looks at. 0: off.
   * @default 64
   */
  dryPenaltyLastN?: number;
  /**
   * Texts at which DRY ends a repetition.
   * @default ["\n",":","\"","*"]
   *
   * @maxItems 16
   */
  drySequenceBreakers?: string[];
  /**
   * The active samplers, in this order; a sampler that is not listed is off. Mirostat and adaptive-p have their own options.
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
   * Grammar that the text must match. Its rule `root` (`gbnf`) or `start` (`lark`) describes the whole text.
   */
  grammar?: string;
  /**
   * Syntax of `grammar`: llama.cpp's GBNF, or Lark's, as llguidance reads it.
   * @default "gbnf"
   */
  grammarSyntax?: "gbnf" | "lark";
  /**
   * Regular expression of ECMAScript that the whole text must match, without look-around and references to groups.
   */
  regex?: string;
  /**
   * JSON Schema (any draft from 4 on): the text is JSON that satisfies it. Named properties come in the schema's order; about other properties see `otherProperties`. Words that no draft knows are ignored; the result names them in `ignoredKeywords`.
   */
  jsonSchema?:
    | {
        [k: string]: unknown;
      }
    | boolean;
  /**
   * What happens with keywords of jsonSchema that cannot be enforced while the text is written. `strict`: the schema is refused. `check`: the finished text is checked; if it does not satisfy the schema, the request ends with the error `invalidOutput`.
   * @default "strict"
   */
  structure?: "strict" | "check";
  /**
   * Properties that an object of jsonSchema, or of the parameters of a required call, does not name where it has `properties` and says nothing with `additionalProperties`. `never`: there are none, so that a small model does not go on inventing some. `allowed`: as JSON Schema says.
   * @default "never"
   */
  otherProperties?: "never" | "allowed";
  /**
   * White space in the JSON of jsonSchema. `free`: as the model likes it, within bounds. `line`: one space after each colon and comma and no other, so that more tokens are without choice and the text is faster (see `forcedTokens`). Required calls are written so in any case.
   * @default "free"
   */
  jsonLayout?: "free" | "line";
  /**
   * Evaluate tokens together where jsonSchema, a regex, a Lark grammar or a required call leaves no choice. With `logprobs` they are evaluated one by one.
   * @default true
   */
  forcedTokens?: boolean;
  responseFormat?: ResponseFormat;
  /**
   * Return the log-probability that the model gave to each token, before any sampler.
   * @default false
   */
  logprobs?: boolean;
  /**
   * Also return this many of the most likely tokens for each position.
   * @default 0
   */
  topLogprobs?: number;
  /**
   * Send the text as `generate` progress while it is generated.
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
     * Ignored: the schema is always enforced.
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
 * When a request is served, and what happens if it takes too much time or space.
 */
export interface SchedulingParams {
  /**
   * `interactive` requests come first. If no sequence is free, they take the sequence of a `background` request, which continues later.
   * @default "interactive"
   */
  priority?: "interactive" | "background";
  /**
   * If the request takes longer than this, waiting included, answer with the error `timedOut` and the text so far. Default: no limit.
   */
  timeoutMs?: number;
  /**
   * Propose the next tokens and evaluate them in one step. The text stays the same and is generated faster; only where two tokens are equally likely can rounding choose the other one. `lookup`: propose what followed the same words before, in the prompt and in the text. This pays where much is repeated (editing, summarising, code); where it does not pay on this machine, nothing is proposed. `draft`: ask the draft model of loadModel. `mtp`: ask the model's own head, which `mtp` of loadModel loads. `auto`: `draft` or `mtp` if the model has it, else `lookup`. Models with a recurrent state speculate only in contexts with draftTokens. Default: `draft` or `mtp` if the model was loaded with it, else `none`.
   */
  speculation?: "none" | "lookup" | "draft" | "mtp" | "auto";
  /**
   * What happens when the sequence is full. `error`: a prompt that is too long is refused, and a text ends with `contextFull`; `truncateMiddle`: the middle of a prompt that is too long is removed; `shift`: the same, and a text continues after the older half of what came before is removed. Where a cache cannot be shifted (sliding windows), the rest is evaluated again.
   * @default "error"
   */
  contextOverflow?: "error" | "truncateMiddle" | "shift";
}
export interface CompleteParams extends SamplingParams, SchedulingParams {
  contextId: ContextId;
  /**
   * Text, in which special tokens are recognised, or a list of token ids.
   */
  prompt: string | Token[];
}
/**
 * A conversation and how the chat template renders it.
 */
export interface TemplateParams {
  messages: Messages;
  /**
   * Tools that the model may call. If the chat template does not support tools, or its format of a call is not known, a system message describes them.
   *
   * @maxItems 128
   */
  tools?: Tool[];
  /**
   * End the prompt with the start of the assistant's turn.
   * @default true
   */
  addGenerationPrompt?: boolean;
  /**
   * Continue the last message, which must be the assistant's, instead of starting a new turn.
   * @default false
   */
  continueFinalMessage?: boolean;
  /**
   * Whether the model may reason before it answers, and how much. false is the effort `none`. Without effort and budget the model decides.
   * @default true
   */
  reasoning?: boolean | ReasoningOptions;
  /**
   * More variables for the chat template, by the names that it uses: enable_thinking, date_string, documents, …
   */
  templateVariables?: {
    [k: string]: unknown;
  };
  /**
   * Chat template (Jinja2) to use instead of the model's own.
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
   * What the function does, for the model.
   */
  description?: string | null;
  /**
   * JSON Schema of the arguments, an object. Default: no arguments. Keywords that cannot be checked are left out; an `info` of the level `warning` names them.
   */
  parameters?: {
    [k: string]: unknown;
  } | null;
  /**
   * Accepted for clients of OpenAI, without effect: every call is checked, and a required one is enforced.
   */
  strict?: boolean | null;
}
export interface ReasoningOptions {
  /**
   * How much to think, in the words of the chat template: the next higher one that it knows. `none` turns reasoning off and ends any that the model starts anyway. A level that the template has no word for limits the reasoning: `minimal`, `low`, `medium` and `high` to 128, 512, 2048 and 8192 tokens, unless there is a budgetTokens. With a model that cannot reason, `reasoningEffort` of the result is null.
   */
  effort?: "none" | "minimal" | "low" | "medium" | "high" | "max";
  /**
   * After this many tokens the reasoning is ended and the answer begins. Not with the effort `none`.
   */
  budgetTokens?: number;
  /**
   * Text that ends the reasoning when the tokens are used up. Not with the effort `none`.
   */
  budgetMessage?: string;
}
export interface ChatParams extends SamplingParams, SchedulingParams, TemplateParams {
  contextId: ContextId;
  /**
   * `auto`: the model decides; `none`: it must not call a tool; `required`: it must call one; or the tool that it must call. A required call is generated with a grammar, so it always parses, names a tool of `tools` and fits its parameters.
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
   * Repeat it as toolCallId in the message with the tool's answer.
   */
  id: string;
  type: "function";
  function: {
    name: string;
    /**
     * JSON text of an object, as the model wrote it: strict JSON, without NaN or Infinity.
     */
    arguments: string;
  };
}
export interface Usage {
  promptTokens: number;
  /**
   * Prompt tokens that were already computed.
   */
  cachedTokens: number;
  /**
   * Where they were: in a sequence of the KV cache, in memory (`cacheBytes`), or on the disk (`cacheDirectory`). Absent if there were none.
   */
  cachedFrom?: "sequence" | "memory" | "disk";
  completionTokens: number;
  /**
   * Those of the completionTokens that belong to the reasoning; absent if none.
   */
  reasoningTokens?: number;
  /**
   * With `speculation`: number of draft tokens.
   */
  guessedTokens?: number;
  /**
   * With `speculation`: number of draft tokens that were accepted.
   */
  acceptedTokens?: number;
  /**
   * Tokens of the text for which the grammar left no choice, and which were evaluated together; absent if none.
   */
  forcedTokens?: number;
  /**
   * Tokens that `contextOverflow` removed, from the prompt or during generation; absent if none.
   */
  truncatedTokens?: number;
}
export interface Timings {
  /**
   * Time spent waiting for a free sequence.
   */
  queueMs: number;
  /**
   * Time spent evaluating the prompt.
   */
  promptMs: number;
  /**
   * Time from arrival in the engine to the first token; null if there was none.
   */
  timeToFirstTokenMs: number | null;
  /**
   * Time from the first token to the last.
   */
  generateMs: number;
  /**
   * Speed after the first token; null if there were fewer than two.
   */
  tokensPerSecond: number | null;
}
export interface ChosenToken extends LikelyToken {
  /**
   * The most likely tokens at this position, most likely first.
   */
  topLogprobs: LikelyToken[];
}
export interface LikelyToken {
  id: Token;
  /**
   * Text of the token. Part of a character is written as U+FFFD, a control token by its name.
   */
  token: string;
  /**
   * Bytes that the token adds to the text.
   */
  bytes: number[];
  /**
   * Natural logarithm of the probability; -9999 if the probability is 0.
   */
  logprob: number;
}
export interface CompleteResult {
  text: string;
  logprobs?: Logprobs;
  finishReason: FinishReason;
  /**
   * Stop string that ended the text, or null.
   */
  stopString: string | null;
  /**
   * Words of jsonSchema that no draft of JSON Schema knows, and formats that are not enforced; absent if none.
   *
   * @minItems 1
   */
  ignoredKeywords?: string[];
  /**
   * The seed that was used.
   */
  seed: number;
  usage: Usage;
  timings: Timings;
}
/**
 * The model's answer. It can be used unchanged in the messages of the next request.
 */
export interface AssistantMessage {
  role: "assistant";
  content: string;
  /**
   * Reasoning before the answer, without its markers; absent if there is none.
   */
  reasoningContent?: string;
  /**
   * Absent if there are none.
   *
   * @minItems 1
   */
  toolCalls?: ToolCall[];
}
export interface ChatResult {
  message: AssistantMessage;
  /**
   * With `reasoning.effort`: the level that the model was asked for, which is the next one that its chat template knows; null if the model cannot reason, so that the effort has no effect.
   */
  reasoningEffort?: "none" | "minimal" | "low" | "medium" | "high" | "max" | null;
  logprobs?: Logprobs;
  finishReason: FinishReason;
  /**
   * Stop string that ended the text, or null.
   */
  stopString: string | null;
  /**
   * Words of jsonSchema that no draft of JSON Schema knows, and formats that are not enforced; absent if none.
   *
   * @minItems 1
   */
  ignoredKeywords?: string[];
  /**
   * The seed that was used.
   */
  seed: number;
  /**
   * The pictures and sounds of the messages, in their order; absent if there are none.
   *
   * @minItems 1
   */
  media?: MediaUse[];
  usage: Usage;
  timings: Timings;
}
/**
 * What a picture or a sound is, and how many tokens of the prompt it takes, with those around it.
 */
export interface MediaUse {
  kind: "image" | "audio";
  /**
   * Of a picture, in pixels, as it was given.
   */
  width?: number;
  height?: number;
  /**
   * Of a sound.
   */
  seconds?: number;
  tokens: number;
}
export interface InfillParams extends SamplingParams, SchedulingParams {
  contextId: ContextId;
  /**
   * Text before the gap.
   */
  prefix: string;
  /**
   * Text after the gap.
   */
  suffix: string;
}
export interface InfillResult {
  text: string;
  finishReason: FinishReason;
  /**
   * Stop string that ended the text, or null.
   */
  stopString: string | null;
  /**
   * Words of jsonSchema that no draft of JSON Schema knows, and formats that are not enforced; absent if none.
   *
   * @minItems 1
   */
  ignoredKeywords?: string[];
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
   * One text (a string or token ids) or a list of texts.
   */
  input: Text | Text[];
  /**
   * Scale every vector to length 1.
   * @default true
   */
  normalize?: boolean;
  /**
   * `base64`: the bytes of the numbers, as float32 in little-endian order; a third of the size of `float`, and faster.
   * @default "float"
   */
  encodingFormat?: "float" | "base64";
  priority?: TextsPriority;
  timeoutMs?: TextsTimeout;
}
export interface EmbedResult {
  /**
   * One entry per text, in the same order: a vector, or with the pooling `none` a list of vectors, one per token.
   */
  embeddings: (Vector | Vector[])[];
  /**
   * Numbers per vector.
   */
  dimensions: number;
  usage: Usage;
  timings: EmbedTimings;
}
export interface EmbedTimings {
  /**
   * Time spent waiting for the first batch.
   */
  queueMs: number;
  /**
   * Time from then to the end of the last batch.
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
   * Return only this many of the best documents. Default: all.
   */
  topN?: number;
  priority?: TextsPriority;
  timeoutMs?: TextsTimeout;
}
export interface RerankResult {
  /**
   * Best first.
   */
  results: RankedDocument[];
  usage: Usage;
  timings: EmbedTimings;
}
export interface RankedDocument {
  /**
   * Position in `documents`, from 0.
   */
  index: number;
  /**
   * Raw output of the model: higher is better. Comparable only within one model.
   */
  score: number;
}
export interface TokenizeParams {
  modelId: ModelId;
  text: string;
  /**
   * Add the special tokens that the model expects around a text (BOS, EOS).
   * @default false
   */
  addSpecial?: boolean;
  /**
   * Read special tokens in the text as tokens, not as plain text.
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
   * Special tokens are written as text; bytes that are not UTF-8 become U+FFFD.
   */
  text: string;
}
export interface ApplyTemplateParams extends TemplateParams {
  modelId: ModelId;
}
export interface ApplyTemplateResult {
  prompt: string;
}
export interface CountTokensResult {
  /**
   * Tokens of the prompt that `chat` makes of the same messages.
   */
  tokens: number;
  /**
   * Tokens that a sequence of the context holds; only with contextId.
   */
  contextSize?: number;
}
/**
 * Bytes count all files of the request. If a file changes on its server, its download starts again; `progress` stays where it is until the bytes have caught up.
 */
export interface DownloadProgress {
  requestId: RequestId;
  progressType: "download";
  progress: Fraction;
  downloadedBytes: number;
  totalBytes: number | null;
  /**
   * Average over the last seconds.
   */
  bytesPerSecond: number | null;
  /**
   * Time until the end at that speed.
   */
  etaMs: number | null;
  /**
   * Name of the current file.
   */
  file: string;
  /**
   * Position of the current file, from 1.
   */
  fileIndex: number;
  fileCount: number;
}
/**
 * Bytes count all files of the request; for a file that changes, see DownloadProgress.
 */
export interface VerifyProgress {
  requestId: RequestId;
  progressType: "verify";
  progress: Fraction;
  verifiedBytes: number;
  totalBytes: number | null;
  /**
   * Name of the current file.
   */
  file: string;
  /**
   * Position of the current file, from 1.
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
   * Number of requests that are served before this one.
   */
  position: number;
}
export interface PromptProgress {
  requestId: RequestId;
  progressType: "prompt";
  progress: Fraction;
  promptTokens: number;
  /**
   * Tokens evaluated or found in the cache so far.
   */
  processedTokens: number;
}
/**
 * A piece of the model's output. The deltas of a segment, joined, are its final text: `text` gives the content, `reasoning` the reasoningContent, `toolCall` with the same toolCall.index the arguments of that call.
 */
export interface GenerateProgress {
  requestId: RequestId;
  progressType: "generate";
  progress: Fraction;
  segment: "text" | "reasoning" | "toolCall";
  delta: string;
  /**
   * With segment `toolCall`: the call that the delta belongs to.
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
   * Position in toolCalls.
   */
  index: number;
  id: string;
  name: string;
}
/**
 * How many chunks of the request's pictures and sounds are encoded: a picture, a tile of a large one, or up to half a minute of sound. What the cache holds is not encoded again.
 */
export interface EncodeProgress {
  requestId: RequestId;
  progressType: "encode";
  progress: Fraction;
  chunks: number;
  encodedChunks: number;
}
/**
 * How many of the texts to embed, or documents to rank, are done.
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
   * What to do.
   */
  remedy: string;
  /**
   * JSON pointer to the wrong field in params.
   */
  pointer?: string;
  /**
   * The value that was sent there, shortened; or another value, as errors.json says.
   */
  value?: unknown;
  /**
   * What is allowed there.
   */
  allowed?: unknown;
  /**
   * Line of the error in a text of several lines, from 1.
   */
  line?: number;
  /**
   * Character in that line, from 1.
   */
  column?: number;
  /**
   * Message from the layer below.
   */
  cause?: string;
  partial?: PartialResult;
  [k: string]: unknown;
}
/**
 * What an aborted or failed request had done.
 */
export interface PartialResult {
  text?: string;
  /**
   * Of a chat: the reasoning so far.
   */
  reasoningContent?: string;
  /**
   * Of a chat: the complete calls.
   *
   * @minItems 1
   */
  toolCalls?: ToolCall[];
  usage?: Usage;
  timings?: Timings;
  /**
   * Of a download: bytes that are on the disk and are not downloaded again.
   */
  keptBytes?: number;
}

/** Request → its params, its result and the progress that it reports. */
export interface RequestMap {
  /** Introduce the client and set the defaults: backend, devices of other machines, threads, models directory. Starts an engine and returns what this machine and this build offer. */
  init: { params: InitParams; result: InitResult; progress: never };
  /** Answer at once, whatever else is running. */
  ping: { params: PingParams; result: PingResult; progress: never };
  /** List processes, models, contexts and running requests, with measured memory. */
  status: { params: StatusParams; result: StatusResult; progress: never };
  /** Abort a running request. The answer comes after its work has stopped. */
  abort: { params: AbortParams; result: AbortResult; progress: never };
  /** Stop all work, answer all open requests, end all processes and exit with status 0. */
  shutdown: { params: ShutdownParams; result: ShutdownResult; progress: never };
  /** Return the OpenRPC document of this protocol. */
  "rpc.discover": { params: DiscoverParams; result: DiscoverResult; progress: never };
  /** Download a model into modelsDirectory and verify it. Continues where an earlier attempt stopped. */
  downloadModel: { params: DownloadModelParams; result: DownloadModelResult; progress: DownloadProgress | VerifyProgress };
  /** List the models on this disk: in modelsDirectory, in the hub's own cache, and in the given folders. */
  listModels: { params: ListModelsParams; result: ListModelsResult; progress: never };
  /** Delete a model in modelsDirectory, with all its parts and the projector that no other model needs, or an unfinished download. */
  deleteModel: { params: DeleteModelParams; result: DeleteModelResult; progress: never };
  /** Read the header of a GGUF file without loading the model: from this disk, or from the hub without downloading it. */
  inspectModel: { params: InspectModelParams; result: InspectModelResult; progress: never };
  /** Estimate how much memory a model needs with a given context, whether it runs on this machine, and the largest context that fits. Works before and after the download. */
  estimateModel: { params: EstimateModelParams; result: EstimateModelResult; progress: never };
  /** Load a model from a GGUF file into its own engine process. */
  loadModel: { params: LoadModelParams; result: LoadModelResult; progress: LoadProgress };
  /** End the model's engine process and return its memory to the operating system, measured. */
  unloadModel: { params: UnloadModelParams; result: UnloadModelResult; progress: never };
  /** Create a context: a KV cache for one or more sequences that are computed together. */
  createContext: { params: CreateContextParams; result: CreateContextResult; progress: never };
  /** Free a context. Requests still running on it are aborted. */
  disposeContext: { params: DisposeContextParams; result: DisposeContextResult; progress: never };
  /** Write the computed state of a conversation to a file. */
  saveState: { params: SaveStateParams; result: SaveStateResult; progress: never };
  /** Read a file of saveState back, so that the next turn of its conversation evaluates only the new tokens. */
  restoreState: { params: RestoreStateParams; result: RestoreStateResult; progress: never };
  /** Continue a prompt. */
  complete: { params: CompleteParams; result: CompleteResult; progress: QueueProgress | PromptProgress | GenerateProgress };
  /** Answer a conversation, with the model's own chat template: text, reasoning and tool calls, separated. */
  chat: { params: ChatParams; result: ChatResult; progress: QueueProgress | EncodeProgress | PromptProgress | GenerateProgress };
  /** Write the text between a prefix and a suffix, with a model made for it. */
  infill: { params: InfillParams; result: InfillResult; progress: QueueProgress | PromptProgress | GenerateProgress };
  /** Turn texts into vectors, many in one batch. */
  embed: { params: EmbedParams; result: EmbedResult; progress: EmbedProgress };
  /** Score how well each document answers a query, with a model made for it. */
  rerank: { params: RerankParams; result: RerankResult; progress: EmbedProgress };
  /** Turn text into token ids. */
  tokenize: { params: TokenizeParams; result: TokenizeResult; progress: never };
  /** Turn token ids into text. */
  detokenize: { params: DetokenizeParams; result: DetokenizeResult; progress: never };
  /** Render messages with the model's chat template, without generating text. */
  applyTemplate: { params: ApplyTemplateParams; result: ApplyTemplateResult; progress: never };
  /** Count the tokens of a conversation, as `chat` would evaluate it. */
  countTokens: { params: CountTokensParams; result: CountTokensResult; progress: never };
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
  "countTokens",
] as const satisfies readonly Method[];

/** The requests that send their text while it is generated. */
export const STREAMED: ReadonlySet<Method> = new Set<Method>([
  "complete",
  "chat",
  "infill",
]);

/** Notification that the program sends → its params. */
export interface NotificationMap {
  /** Progress of a request. `generate` carries the text itself. */
  progress: Progress;
  /** News that belongs to no request: the engine is ready, an engine was restarted. */
  info: Info;
}

/** Notification that the program accepts → its params. */
export interface ClientNotificationMap {
  /** Abort a running request. The notification itself has no answer (as in the Language Server Protocol). */
  "$/cancelRequest": CancelRequestParams;
  /** Exit at once with status 0. Open requests are first answered with the error `shuttingDown`. */
  exit: ExitParams;
}

/** Kind → its code, and whether the same request can succeed when it is sent again. */
export const ERRORS = {
  /** The line is not JSON text in UTF-8. */
  parseError: { code: -32700, retryable: false },
  /** The line is JSON, but not a JSON-RPC 2.0 request: not an object, wrong `jsonrpc`, an invalid or already running `id`, params that are not an object, or a line that is too long. */
  invalidRequest: { code: -32600, retryable: false },
  /** The method does not exist. */
  methodNotFound: { code: -32601, retryable: false },
  /** The params do not match the method's schema. data.pointer is the JSON pointer to the field, data.value the value that was sent, data.allowed what is allowed. */
  invalidParams: { code: -32602, retryable: false },
  /** A bug in the program. The traceback is in the log on stderr, never on the wire. */
  internalError: { code: -32603, retryable: false },
  /** The request was aborted by `abort` or `$/cancelRequest`. data.partial has what was done until then. */
  aborted: { code: -32800, retryable: true },
  /** The client asks for a protocol version that this program does not speak. */
  unsupportedProtocolVersion: { code: 1000, retryable: false },
  /** The compute backend in `gpu`, or the one for `rpcServers`, is not in this build or has no device on this machine. */
  backendNotAvailable: { code: 1001, retryable: false },
  /** The program is ending: `shutdown`, `exit`, end of input, or the parent process has ended. */
  shuttingDown: { code: 1002, retryable: false },
  /** Too many requests are running or waiting. */
  overloaded: { code: 1003, retryable: true },
  /** An RPC server of `rpcServers` cannot be used, or was lost during the work. data.value lists the servers that do not answer, data.cause says why. Other models are not affected. */
  rpcServerUnavailable: { code: 1004, retryable: true },
  /** No device that could hold layers has the name in data.value: it was taken away, its driver does not work any more, or its RPC server is not in `rpcServers`. */
  deviceNotFound: { code: 1005, retryable: false },
  /** No loaded model has this modelId. */
  modelNotFound: { code: 1010, retryable: false },
  /** No context has this contextId. */
  contextNotFound: { code: 1011, retryable: false },
  /** There is no file at this path. */
  fileNotFound: { code: 1020, retryable: false },
  /** The file exists but cannot be read: it is a folder, permission is missing, or there was a read error. */
  fileNotReadable: { code: 1021, retryable: false },
  /** The file is not a GGUF file, or is empty. */
  notGguf: { code: 1022, retryable: false },
  /** The GGUF file is truncated or damaged. */
  modelDamaged: { code: 1023, retryable: false },
  /** llama.cpp refused the model; data.cause is its message. */
  modelLoadFailed: { code: 1024, retryable: false },
  /** There is not enough memory. */
  outOfMemory: { code: 1025, retryable: false },
  /** The file belongs to a split model and cannot be used as it lies there: it is not the first part, or other parts are missing, renamed, or joined byte by byte. data.cause says which, data.allowed lists the paths that are expected. */
  modelIncomplete: { code: 1026, retryable: false },
  /** llama.cpp could not create the context; data.cause is its message. */
  contextCreationFailed: { code: 1030, retryable: false },
  /** The prompt has more tokens than a sequence of the context can hold, or a text has more tokens than data.allowed. */
  promptTooLong: { code: 1031, retryable: false },
  /** The prompt has no tokens. */
  emptyPrompt: { code: 1032, retryable: false },
  /** The model has no chat template. */
  noChatTemplate: { code: 1033, retryable: false },
  /** The chat template refused the messages, failed, or exceeded its limits of time or output; data.cause says which. */
  templateFailed: { code: 1034, retryable: false },
  /** A token id is outside the model's vocabulary. */
  invalidToken: { code: 1035, retryable: false },
  /** A part of a message has a kind that the model does not take, or a format that is not read; data.pointer says which, data.allowed what is accepted. */
  unsupportedContent: { code: 1036, retryable: false },
  /** The model called a tool that is not in `tools`. data.value is its name, data.allowed the known names, data.partial the output so far. */
  unknownTool: { code: 1037, retryable: true },
  /** The model's arguments for a tool are not JSON, or do not fit its parameters; data.cause says how. data.value is what the model wrote, data.partial the output so far. */
  invalidToolArguments: { code: 1038, retryable: true },
  /** The process that held the model died while it worked on the request; data.cause has what is known. Other models are not affected. */
  engineCrashed: { code: 1040, retryable: true },
  /** The engine process could not be started, or could not load llama.cpp. */
  engineStartFailed: { code: 1041, retryable: true },
  /** llama.cpp could not evaluate the batch. */
  decodeFailed: { code: 1042, retryable: true },
  /** The request took longer than its timeoutMs. data.partial has what was done until then. */
  timedOut: { code: 1043, retryable: true },
  /** The same request has ended the engine of its model twice, so it is not tried again. Other requests for the model are served. */
  requestCrashes: { code: 1044, retryable: false },
  /** A picture or a sound is empty, cut or damaged; data.cause says what is wrong. */
  mediaDamaged: { code: 1045, retryable: false },
  /** A picture or a sound has more bytes, pixels or seconds than are accepted; data.value says how many, data.allowed.maximum how many are accepted. */
  mediaTooLarge: { code: 1046, retryable: false },
  /** A picture or a sound lies outside the mediaDirectories of init, or on the network. */
  mediaNotAllowed: { code: 1047, retryable: false },
  /** The hub has no such repository, or hides it from this token. data.allowed lists similar names. */
  repositoryNotFound: { code: 1050, retryable: false },
  /** The repository has no such revision. */
  revisionNotFound: { code: 1051, retryable: false },
  /** The repository or the server has no such file or quantisation. data.allowed lists similar ones. */
  remoteFileNotFound: { code: 1052, retryable: false },
  /** The owner of the repository requires that you accept its terms first. */
  gatedRepository: { code: 1053, retryable: false },
  /** The server refused the token, or requires one. */
  unauthorized: { code: 1054, retryable: false },
  /** The server cannot be reached, or offline mode is set, and the model is not on this disk. */
  offline: { code: 1055, retryable: true },
  /** The server asks for a longer pause than a download accepts. data.value is its length in seconds, if known. */
  rateLimited: { code: 1056, retryable: true },
  /** The download failed: the server failed, stalled or cut the connection several times. data.cause is the last failure. */
  downloadFailed: { code: 1057, retryable: true },
  /** The file was downloaded twice, and its bytes do not match the hub's checksum. */
  checksumMismatch: { code: 1058, retryable: true },
  /** The folder to write to has not enough space. data.value is the number of bytes needed, data.allowed.maximum the number free. */
  diskFull: { code: 1059, retryable: false },
  /** The folder to write to, modelsDirectory, cacheDirectory or that of `path`, cannot be created or written to, or others can write to it; data.cause is the reason. */
  directoryNotWritable: { code: 1060, retryable: false },
  /** The model is loaded or is being downloaded, and cannot be deleted. */
  modelInUse: { code: 1061, retryable: false },
  /** The path is outside modelsDirectory, or is not a model in it. Only models in modelsDirectory can be deleted. */
  notInStore: { code: 1062, retryable: false },
  /** The process that downloads died; data.cause has what is known. */
  transferCrashed: { code: 1063, retryable: true },
  /** The header of a remote model cannot be read: its server sends only whole files. */
  noRanges: { code: 1064, retryable: false },
  /** Several different models of the repository fit. data.allowed lists them. */
  ambiguousModel: { code: 1065, retryable: false },
  /** The context was created for another purpose: `embed` needs one for embeddings, `rerank` one with the pooling `rank`, all other methods one without `embeddings`. */
  unsuitableContext: { code: 1070, retryable: false },
  /** The model was not made for this method. */
  unsuitableModel: { code: 1071, retryable: false },
  /** The file is not a LoRA adapter, or is one for another model; data.cause says what does not fit. */
  unsuitableAdapter: { code: 1072, retryable: false },
  /** The draft model cannot propose tokens for this model, or this model cannot undo rejected tokens; data.cause says what does not fit. */
  unsuitableDraft: { code: 1073, retryable: false },
  /** The file is not a projector, or is one for another model; data.cause says what does not fit. */
  unsuitableProjector: { code: 1074, retryable: false },
  /** The file was not written by saveState, is incomplete, or its bytes have changed. */
  stateDamaged: { code: 1080, retryable: false },
  /** The state was saved with another model, other context parameters, other adapters or another release, or does not fit into the context; data.cause says which. */
  stateMismatch: { code: 1081, retryable: false },
  /** The context holds nothing of this conversation. */
  notCached: { code: 1082, retryable: false },
  /** The grammar does not parse, or could not be followed; data.line and data.column say where, data.cause says why. */
  invalidGrammar: { code: 1090, retryable: false },
  /** The JSON schema has a keyword that cannot be enforced: data.pointer says where, data.value says which, data.allowed lists the supported keywords. */
  unsupportedSchema: { code: 1091, retryable: false },
  /** No value satisfies the JSON schema, or its references form a circle; data.pointer says where. */
  unsatisfiableSchema: { code: 1092, retryable: false },
  /** The grammar and the biases allow none of the model's tokens at this point of the text. */
  noTokenAllowed: { code: 1093, retryable: false },
  /** The JSON schema or the grammar exceeds a limit of size, time or memory; data.cause says which, data.pointer where. */
  schemaTooComplex: { code: 1094, retryable: false },
  /** The finished text does not satisfy the JSON schema; data.cause says how, data.partial has the text. Possible with `structure: "check"`, and where an object has one name twice. */
  invalidOutput: { code: 1095, retryable: true },
} as const;

export type ErrorKind = keyof typeof ERRORS;
