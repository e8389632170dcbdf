"""GENERATED from schema/ by build/contract/generate.py; do not edit.

For type checkers: import it under TYPE_CHECKING only. schema/types.json says what each member means. A member
that the schema does not require is NotRequired, also where the program fills in a default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from typing_extensions import NotRequired  # typing has it from Python 3.11 on

RequestId: TypeAlias = "str | int"
ModelId: TypeAlias = str
ContextId: TypeAlias = str
Token: TypeAlias = int
ShutdownResult: TypeAlias = None
Sha256: TypeAlias = str
Modalities: TypeAlias = 'list[Literal["text", "image", "audio"]]'
AdapterScales: TypeAlias = "list[AdapterScalesItem]"
KvCacheType: TypeAlias = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]
FlashAttention: TypeAlias = 'bool | Literal["auto"]'
Pooling: TypeAlias = Literal["none", "mean", "cls", "last", "rank"]
DisposeContextResult: TypeAlias = None
Stop: TypeAlias = "str | list[str]"
ResponseFormat: TypeAlias = "PlainFormat | JsonSchemaFormat"
SamplerName: TypeAlias = Literal[
    "penalties",
    "dry",
    "topNSigma",
    "topK",
    "typicalP",
    "topP",
    "minP",
    "xtc",
    "temperature",
]
LogitBias: TypeAlias = "dict[str, Bias] | list[BiasedToken]"
BiasedToken: TypeAlias = "list[Token | str | Bias]"
Bias: TypeAlias = "float | Literal[False]"
Messages: TypeAlias = "list[Message]"
FinishReason: TypeAlias = Literal["stop", "toolCalls", "length", "contextFull"]
Logprobs: TypeAlias = "list[ChosenToken]"
Text: TypeAlias = "str | list[Token]"
TextsPriority: TypeAlias = Literal["interactive", "background"]
TextsTimeout: TypeAlias = float
Vector: TypeAlias = "list[float] | str"
Progress: TypeAlias = "DownloadProgress | VerifyProgress | LoadProgress | QueueProgress | PromptProgress | GenerateProgress | EncodeProgress | EmbedProgress"
Fraction: TypeAlias = "float | None"


class InitParams(TypedDict):
    protocolVersion: NotRequired[int]
    clientInfo: NotRequired[PeerInfo]
    debug: NotRequired[bool]
    gpu: NotRequired[str | Literal[False]]
    maxLoadedModels: NotRequired[int]
    mediaDirectories: NotRequired[list[str]]
    maxThreads: NotRequired[int]
    modelsDirectory: NotRequired[str]
    rpcServers: NotRequired[list[str]]
    processId: NotRequired[int | None]


class PeerInfo(TypedDict):
    name: str
    version: NotRequired[str]


class ServerInfo(TypedDict):
    name: str
    version: str


class InitResult(TypedDict):
    protocolVersion: int
    serverInfo: ServerInfo
    llamaCpp: LlamaCppInfo
    devices: list[Device]
    gpu: str
    threads: int
    capabilities: Capabilities


class LlamaCppInfo(TypedDict):
    version: str
    bindingsVersion: str
    systemInfo: str
    cpuVariant: str
    backends: list[str]
    supportsMmap: bool
    supportsMlock: bool
    supportsGpuOffload: bool


class Device(TypedDict):
    name: str
    description: str
    backend: str
    type: Literal["cpu", "gpu", "integratedGpu", "accelerator"]
    memoryTotalBytes: int
    memoryFreeBytes: int
    endpoint: NotRequired[str]


class Capabilities(TypedDict):
    methods: list[str]
    notifications: list[str]


class PingParams(TypedDict):
    pass


class PingResult(TypedDict):
    uptimeMs: float


class StatusParams(TypedDict):
    pass


class StatusResult(TypedDict):
    version: str
    uptimeMs: float
    memoryBytes: int
    processes: list[ProcessStatus]
    models: list[ModelStatus]
    contexts: list[ContextStatus]
    requests: list[RequestStatus]


class ProcessStatus(TypedDict):
    role: Literal["router", "engine", "transfer"]
    pid: int
    memoryBytes: int
    modelId: NotRequired[ModelId]


class ModelStatus(TypedDict):
    modelId: ModelId
    path: str
    state: Literal["loading", "ready", "crashed", "unloaded"]
    draftPath: NotRequired[str]
    projectorPath: NotRequired[str]
    keepAliveMs: NotRequired[int]
    idleMs: NotRequired[float]


class ContextStatus(TypedDict):
    contextId: ContextId
    modelId: ModelId
    cache: NotRequired[CacheStatus]


class CacheStatus(TypedDict):
    memoryConversations: int
    memoryBytes: int
    memoryHits: int
    diskConversations: NotRequired[int]
    diskBytes: NotRequired[int]
    diskHits: NotRequired[int]


class RequestStatus(TypedDict):
    id: RequestId
    method: str
    ageMs: float


class AbortParams(TypedDict):
    requestId: RequestId


class AbortResult(TypedDict):
    outcome: Literal["aborted", "finished", "notFound"]
    tookMs: float


class ShutdownParams(TypedDict):
    pass


class DiscoverParams(TypedDict):
    pass


class DiscoverResult(TypedDict):
    openrpc: str


class CancelRequestParams(TypedDict):
    id: RequestId


class ExitParams(TypedDict):
    pass


class DownloadModelParams(TypedDict):
    model: str
    revision: NotRequired[str]
    token: NotRequired[str]
    endpoint: NotRequired[str]
    modelsDirectory: NotRequired[str]
    projector: NotRequired[bool]
    sha256: NotRequired[str]
    force: NotRequired[bool]
    keepPartial: NotRequired[bool]


class DownloadModelResult(TypedDict):
    path: str
    files: list[DownloadedFile]
    projectorPath: str | None
    sizeBytes: int
    sha256: Sha256
    source: ModelSource
    quantization: str | None
    resumedBytes: int
    fromCache: bool


class DownloadedFile(TypedDict):
    path: str
    sizeBytes: int
    sha256: Sha256
    verified: bool
    resumedBytes: int
    fromCache: bool


class ModelSource(TypedDict):
    url: str
    repository: str | None
    revision: str | None
    file: str | None


class ListModelsParams(TypedDict):
    modelsDirectory: NotRequired[str]
    hubCache: NotRequired[bool]
    folders: NotRequired[list[str]]


class ListModelsResult(TypedDict):
    modelsDirectory: str
    models: list[ListedModel]
    partials: list[PartialDownload]
    truncated: bool


class ListedModel(TypedDict):
    path: str
    files: list[str]
    sizeBytes: int
    origin: Literal["store", "hubCache", "folder"]
    verified: bool
    sha256: Sha256 | None
    source: ModelSource | None
    architecture: str | None
    name: str | None
    parameters: int | None
    quantization: str | None
    contextLengthTrained: int | None
    chatTemplate: bool | None
    projectorPath: str | None
    modalities: Modalities
    lastUsedAt: float | None
    loaded: bool
    problem: str | None


class PartialDownload(TypedDict):
    path: str
    source: ModelSource
    downloadedBytes: int
    totalBytes: int | None


class DeleteModelParams(TypedDict):
    path: str
    modelsDirectory: NotRequired[str]


class DeleteModelResult(TypedDict):
    files: list[str]
    freedBytes: int


class PlacementParams(TypedDict):
    devices: NotRequired[list[str]]
    splitMode: NotRequired[Literal["none", "layer", "row"]]
    tensorSplit: NotRequired[list[float]]
    mainDevice: NotRequired[str]
    expertsOnCpu: NotRequired[bool | int]
    memoryMarginBytes: NotRequired[int | dict[str, int]]


class LayerRange(TypedDict):
    min: NotRequired[int]
    preferred: NotRequired[int]
    max: NotRequired[int]


class EstimateModelParams(PlacementParams):
    path: NotRequired[str]
    model: NotRequired[str]
    revision: NotRequired[str]
    token: NotRequired[str]
    endpoint: NotRequired[str]
    contextSize: NotRequired[int]
    sequences: NotRequired[int]
    batchSize: NotRequired[int]
    kvCacheType: NotRequired[KvCacheType]
    swaFull: NotRequired[bool]
    mtp: NotRequired[bool]
    projector: NotRequired[bool]
    valueCacheType: NotRequired[KvCacheType]
    gpuLayers: NotRequired[int | Literal["auto"] | LayerRange]


class EstimateModelResult(TypedDict):
    path: str | None
    source: ModelSource | None
    contextSize: int
    sequences: int
    kvCacheType: KvCacheType
    gpuLayers: int
    weightsBytes: int
    kvCacheBytes: int
    computeBytes: int
    projectorPath: str | None
    projectorBytes: int
    totalBytes: int
    devices: list[DeviceEstimate]
    largestContextSize: int
    runs: Literal["yes", "tight", "no"]
    why: str


class DeviceEstimate(TypedDict):
    name: str
    type: Literal["cpu", "gpu", "integratedGpu", "accelerator"]
    layers: int
    weightsBytes: int
    kvCacheBytes: int
    computeBytes: int
    projectorBytes: int
    totalBytes: int
    freeBytes: int


class InspectModelParams(TypedDict):
    path: NotRequired[str]
    model: NotRequired[str]
    revision: NotRequired[str]
    token: NotRequired[str]
    endpoint: NotRequired[str]


class InspectModelResult(TypedDict):
    path: str | None
    source: ModelSource | None
    sizeBytes: int
    readBytes: int
    ggufVersion: int
    architecture: str
    name: str | None
    parameters: int
    quantization: str
    tensors: int
    contextLengthTrained: int | None
    embeddingSize: int | None
    layers: int | None
    vocabularySize: int | None
    chatTemplate: bool
    projectorPath: str | None
    modalities: Modalities
    metadata: dict[str, object]


class LoadModelParamsImageTokens(TypedDict):
    min: NotRequired[int]
    max: NotRequired[int]


class LoadModelParams(PlacementParams):
    path: str
    gpuLayers: NotRequired[int | Literal["auto"] | LayerRange]
    useMmap: NotRequired[bool]
    useDirectIo: NotRequired[bool]
    useMlock: NotRequired[bool]
    checkTensors: NotRequired[bool]
    keepAliveMs: NotRequired[int]
    mtp: NotRequired[bool]
    draftPath: NotRequired[str]
    adapters: NotRequired[list[Adapter]]
    projectorPath: NotRequired[str | None]
    projectorDevice: NotRequired[str]
    imageTokens: NotRequired[LoadModelParamsImageTokens]


class Adapter(TypedDict):
    path: str
    scale: NotRequired[float]


class AdapterScalesItem(TypedDict):
    id: int
    scale: float


class LoadModelResult(TypedDict):
    modelId: ModelId
    architecture: str
    name: str | None
    description: str
    parameters: int
    sizeBytes: int
    contextLengthTrained: int
    vocabularySize: int
    embeddingSize: int
    layers: int
    chatTemplate: bool
    modalities: Modalities
    projectorPath: str | None
    loadMs: float
    memoryBytes: int


class UnloadModelParams(TypedDict):
    modelId: ModelId


class UnloadModelResult(TypedDict):
    memoryBeforeBytes: int
    memoryAfterBytes: int


class SizeRange(TypedDict):
    min: NotRequired[int]
    preferred: NotRequired[int]
    max: NotRequired[int]


class RopeParams(TypedDict):
    scaling: NotRequired[Literal["none", "linear", "yarn", "longrope"]]
    frequencyBase: NotRequired[float]
    frequencyScale: NotRequired[float]
    yarnOriginalContext: NotRequired[int]
    yarnExtrapolation: NotRequired[float]
    yarnAttention: NotRequired[float]
    yarnBetaFast: NotRequired[float]
    yarnBetaSlow: NotRequired[float]


class CreateContextParams(TypedDict):
    modelId: ModelId
    contextSize: NotRequired[int | Literal["auto"] | SizeRange]
    sequences: NotRequired[int]
    batchSize: NotRequired[int]
    threads: NotRequired[int]
    flashAttention: NotRequired[FlashAttention]
    kvCacheType: NotRequired[KvCacheType]
    valueCacheType: NotRequired[KvCacheType]
    rope: NotRequired[RopeParams]
    cacheBytes: NotRequired[int]
    checkpointBytes: NotRequired[int]
    cacheDirectory: NotRequired[str]
    cacheDirectoryBytes: NotRequired[int]
    draftTokens: NotRequired[int]
    kvUnified: NotRequired[bool]
    reproducible: NotRequired[bool]
    swaFull: NotRequired[bool]
    embeddings: NotRequired[bool]
    pooling: NotRequired[Pooling]


class CreateContextResult(TypedDict):
    contextId: ContextId
    contextSize: int
    sequences: int
    batchSize: int
    threads: int
    kvCacheType: KvCacheType
    valueCacheType: NotRequired[KvCacheType]
    pooling: NotRequired[Pooling]
    memoryBytes: int


class DisposeContextParams(TypedDict):
    contextId: ContextId


class SaveStateParams(TypedDict):
    contextId: ContextId
    path: str
    prompt: NotRequired[Text]
    messages: NotRequired[Messages]


class SaveStateResult(TypedDict):
    path: str
    sizeBytes: int
    tokens: int
    matchedTokens: int | None


class RestoreStateParams(TypedDict):
    contextId: ContextId
    path: str


class RestoreStateResult(TypedDict):
    path: str
    sizeBytes: int
    tokens: int


class SamplingParams(TypedDict):
    maxTokens: NotRequired[int]
    stop: NotRequired[Stop]
    seed: NotRequired[int]
    temperature: NotRequired[float]
    dynatempRange: NotRequired[float]
    dynatempExponent: NotRequired[float]
    topK: NotRequired[int]
    topP: NotRequired[float]
    minP: NotRequired[float]
    typicalP: NotRequired[float]
    topNSigma: NotRequired[float]
    xtcProbability: NotRequired[float]
    xtcThreshold: NotRequired[float]
    minKeep: NotRequired[int]
    mirostat: NotRequired[Literal[0, 1, 2]]
    mirostatTau: NotRequired[float]
    mirostatEta: NotRequired[float]
    adaptiveTarget: NotRequired[float]
    adaptiveDecay: NotRequired[float]
    repeatPenalty: NotRequired[float]
    frequencyPenalty: NotRequired[float]
    presencePenalty: NotRequired[float]
    repeatLastN: NotRequired[int]
    adapters: NotRequired[AdapterScales]
    dryMultiplier: NotRequired[float]
    dryBase: NotRequired[float]
    dryAllowedLength: NotRequired[int]
    dryPenaltyLastN: NotRequired[int]
    drySequenceBreakers: NotRequired[list[str]]
    samplers: NotRequired[list[SamplerName]]
    logitBias: NotRequired[LogitBias]
    ignoreEos: NotRequired[bool]
    grammar: NotRequired[str]
    grammarSyntax: NotRequired[Literal["gbnf", "lark"]]
    regex: NotRequired[str]
    jsonSchema: NotRequired[dict[str, object] | bool]
    structure: NotRequired[Literal["strict", "check"]]
    otherProperties: NotRequired[Literal["never", "allowed"]]
    jsonLayout: NotRequired[Literal["free", "line"]]
    forcedTokens: NotRequired[bool]
    responseFormat: NotRequired[ResponseFormat]
    logprobs: NotRequired[bool]
    topLogprobs: NotRequired[int]
    stream: NotRequired[bool]


class SchedulingParams(TypedDict):
    priority: NotRequired[Literal["interactive", "background"]]
    timeoutMs: NotRequired[float]
    speculation: NotRequired[Literal["none", "lookup", "draft", "mtp", "auto"]]
    contextOverflow: NotRequired[Literal["error", "truncateMiddle", "shift"]]


class PlainFormat(TypedDict):
    type: Literal["text", "json_object"]


class JsonSchemaFormatJsonSchema(TypedDict):
    name: NotRequired[str]
    description: NotRequired[str]
    strict: NotRequired[bool | None]
    schema: dict[str, object] | bool


class JsonSchemaFormat(TypedDict):
    type: Literal["json_schema"]
    json_schema: JsonSchemaFormatJsonSchema


class CompleteParams(SamplingParams, SchedulingParams):
    contextId: ContextId
    prompt: str | list[Token]


class TemplateParams(TypedDict):
    messages: Messages
    tools: NotRequired[list[Tool]]
    addGenerationPrompt: NotRequired[bool]
    continueFinalMessage: NotRequired[bool]
    reasoning: NotRequired[bool | ReasoningOptions]
    templateVariables: NotRequired[dict[str, object]]
    chatTemplate: NotRequired[str]


class ReasoningOptions(TypedDict):
    effort: NotRequired[Literal["none", "minimal", "low", "medium", "high", "max"]]
    budgetTokens: NotRequired[int]
    budgetMessage: NotRequired[str]


class ChatParams(SamplingParams, SchedulingParams, TemplateParams):
    contextId: ContextId
    toolChoice: NotRequired[Literal["auto", "none", "required"] | NamedTool]


class Message(TypedDict):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None
    name: NotRequired[str]
    reasoningContent: NotRequired[str]
    toolCalls: NotRequired[list[ToolCallMessage]]
    toolCallId: NotRequired[str]
    parseSpecial: NotRequired[bool]


class ContentPartImageUrl(TypedDict):
    url: str


class ContentPartInputAudio(TypedDict):
    data: str
    format: str


class ContentPart(TypedDict):
    type: Literal["text", "image", "image_url", "audio", "input_audio"]
    text: NotRequired[str]
    source: NotRequired[MediaSource]
    imageUrl: NotRequired[ContentPartImageUrl]
    inputAudio: NotRequired[ContentPartInputAudio]


class MediaSource(TypedDict):
    data: NotRequired[str]
    path: NotRequired[str]


class Tool(TypedDict):
    type: Literal["function"]
    function: ToolFunction


class ToolFunction(TypedDict):
    name: str
    description: NotRequired[str | None]
    parameters: NotRequired[dict[str, object] | None]
    strict: NotRequired[bool | None]


class NamedToolFunction(TypedDict):
    name: str


class NamedTool(TypedDict):
    type: Literal["function"]
    function: NamedToolFunction


class ToolCallMessageFunction(TypedDict):
    name: str
    arguments: str | dict[str, object] | None


class ToolCallMessage(TypedDict):
    id: NotRequired[str]
    type: Literal["function"]
    function: ToolCallMessageFunction


class ToolCallFunction(TypedDict):
    name: str
    arguments: str


class ToolCall(TypedDict):
    id: str
    type: Literal["function"]
    function: ToolCallFunction


class Usage(TypedDict):
    promptTokens: int
    cachedTokens: int
    cachedFrom: NotRequired[Literal["sequence", "memory", "disk"]]
    completionTokens: int
    reasoningTokens: NotRequired[int]
    guessedTokens: NotRequired[int]
    acceptedTokens: NotRequired[int]
    forcedTokens: NotRequired[int]
    truncatedTokens: NotRequired[int]


class Timings(TypedDict):
    queueMs: float
    promptMs: float
    timeToFirstTokenMs: float | None
    generateMs: float
    tokensPerSecond: float | None


class LikelyToken(TypedDict):
    id: Token
    token: str
    bytes: list[int]
    logprob: float


class ChosenToken(LikelyToken):
    topLogprobs: list[LikelyToken]


class CompleteResult(TypedDict):
    text: str
    logprobs: NotRequired[Logprobs]
    finishReason: FinishReason
    stopString: str | None
    ignoredKeywords: NotRequired[list[str]]
    seed: int
    usage: Usage
    timings: Timings


class AssistantMessage(TypedDict):
    role: Literal["assistant"]
    content: str
    reasoningContent: NotRequired[str]
    toolCalls: NotRequired[list[ToolCall]]


class ChatResult(TypedDict):
    message: AssistantMessage
    reasoningEffort: NotRequired[Literal["none", "minimal", "low", "medium", "high", "max", None]]
    logprobs: NotRequired[Logprobs]
    finishReason: FinishReason
    stopString: str | None
    ignoredKeywords: NotRequired[list[str]]
    seed: int
    media: NotRequired[list[MediaUse]]
    usage: Usage
    timings: Timings


class MediaUse(TypedDict):
    kind: Literal["image", "audio"]
    width: NotRequired[int]
    height: NotRequired[int]
    seconds: NotRequired[float]
    tokens: int


class InfillParams(SamplingParams, SchedulingParams):
    contextId: ContextId
    prefix: str
    suffix: str


class InfillResult(TypedDict):
    text: str
    finishReason: FinishReason
    stopString: str | None
    ignoredKeywords: NotRequired[list[str]]
    seed: int
    usage: Usage
    timings: Timings


class EmbedParams(TypedDict):
    contextId: ContextId
    input: Text | list[Text]
    normalize: NotRequired[bool]
    encodingFormat: NotRequired[Literal["float", "base64"]]
    priority: NotRequired[TextsPriority]
    timeoutMs: NotRequired[TextsTimeout]


class EmbedResult(TypedDict):
    embeddings: list[Vector | list[Vector]]
    dimensions: int
    usage: Usage
    timings: EmbedTimings


class EmbedTimings(TypedDict):
    queueMs: float
    promptMs: float


class RerankParams(TypedDict):
    contextId: ContextId
    query: str
    documents: list[str]
    topN: NotRequired[int]
    priority: NotRequired[TextsPriority]
    timeoutMs: NotRequired[TextsTimeout]


class RerankResult(TypedDict):
    results: list[RankedDocument]
    usage: Usage
    timings: EmbedTimings


class RankedDocument(TypedDict):
    index: int
    score: float


class TokenizeParams(TypedDict):
    modelId: ModelId
    text: str
    addSpecial: NotRequired[bool]
    parseSpecial: NotRequired[bool]


class TokenizeResult(TypedDict):
    tokens: list[Token]


class DetokenizeParams(TypedDict):
    modelId: ModelId
    tokens: list[Token]


class DetokenizeResult(TypedDict):
    text: str


class ApplyTemplateParams(TemplateParams):
    modelId: ModelId


class ApplyTemplateResult(TypedDict):
    prompt: str


class CountTokensParams(TemplateParams):
    contextId: NotRequired[ContextId]
    modelId: NotRequired[ModelId]


class CountTokensResult(TypedDict):
    tokens: int
    contextSize: NotRequired[int]


class DownloadProgress(TypedDict):
    requestId: RequestId
    progressType: Literal["download"]
    progress: Fraction
    downloadedBytes: int
    totalBytes: int | None
    bytesPerSecond: float | None
    etaMs: float | None
    file: str
    fileIndex: int
    fileCount: int


class VerifyProgress(TypedDict):
    requestId: RequestId
    progressType: Literal["verify"]
    progress: Fraction
    verifiedBytes: int
    totalBytes: int | None
    file: str
    fileIndex: int
    fileCount: int


class LoadProgress(TypedDict):
    requestId: RequestId
    progressType: Literal["load"]
    progress: Fraction


class QueueProgress(TypedDict):
    requestId: RequestId
    progressType: Literal["queue"]
    progress: Fraction
    position: int


class PromptProgress(TypedDict):
    requestId: RequestId
    progressType: Literal["prompt"]
    progress: Fraction
    promptTokens: int
    processedTokens: int


class GenerateProgress(TypedDict):
    requestId: RequestId
    progressType: Literal["generate"]
    progress: Fraction
    segment: Literal["text", "reasoning", "toolCall"]
    delta: str
    toolCall: NotRequired[ToolCallProgress]
    completionTokens: int
    logprobs: NotRequired[Logprobs]


class EncodeProgress(TypedDict):
    requestId: RequestId
    progressType: Literal["encode"]
    progress: Fraction
    chunks: int
    encodedChunks: int


class EmbedProgress(TypedDict):
    requestId: RequestId
    progressType: Literal["embed"]
    progress: Fraction
    texts: int
    processedTexts: int


class Info(TypedDict):
    level: Literal["debug", "info", "warning", "error"]
    message: str
    modelId: NotRequired[ModelId]


class ErrorData(TypedDict):
    kind: str
    retryable: bool
    remedy: str
    pointer: NotRequired[str]
    value: NotRequired[object]
    allowed: NotRequired[object]
    line: NotRequired[int]
    column: NotRequired[int]
    cause: NotRequired[str]
    partial: NotRequired[PartialResult]


class ToolCallProgress(TypedDict):
    index: int
    id: str
    name: str


class PartialResult(TypedDict):
    text: NotRequired[str]
    reasoningContent: NotRequired[str]
    toolCalls: NotRequired[list[ToolCall]]
    usage: NotRequired[Usage]
    timings: NotRequired[Timings]
    keptBytes: NotRequired[int]
