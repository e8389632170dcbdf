"""GENERATED from schema/ by build/generate.py; do not edit."""

from __future__ import annotations

PROTOCOL_VERSION: int = 1

# Request → the lane that serves it.
REQUESTS: dict[str, str] = {
    "init": "router",
    "ping": "router",
    "status": "router",
    "abort": "router",
    "shutdown": "router",
    "rpc.discover": "router",
    "downloadModel": "router",
    "listModels": "router",
    "deleteModel": "router",
    "inspectModel": "router",
    "estimateModel": "router",
    "loadModel": "engine",
    "unloadModel": "router",
    "createContext": "engine",
    "disposeContext": "engine",
    "complete": "engine",
    "chat": "engine",
    "tokenize": "engine",
    "detokenize": "engine",
    "applyTemplate": "engine",
}

# Request or accepted notification → its params type.
PARAMS: dict[str, str] = {
    "init": "InitParams",
    "ping": "PingParams",
    "status": "StatusParams",
    "abort": "AbortParams",
    "shutdown": "ShutdownParams",
    "rpc.discover": "DiscoverParams",
    "downloadModel": "DownloadModelParams",
    "listModels": "ListModelsParams",
    "deleteModel": "DeleteModelParams",
    "inspectModel": "InspectModelParams",
    "estimateModel": "EstimateModelParams",
    "loadModel": "LoadModelParams",
    "unloadModel": "UnloadModelParams",
    "createContext": "CreateContextParams",
    "disposeContext": "DisposeContextParams",
    "complete": "CompleteParams",
    "chat": "ChatParams",
    "tokenize": "TokenizeParams",
    "detokenize": "DetokenizeParams",
    "applyTemplate": "ApplyTemplateParams",
    "$/cancelRequest": "CancelRequestParams",
    "exit": "ExitParams",
}

# Those of them that cannot be sent without params.
REQUIRED: frozenset[str] = frozenset(
    {
        "abort",
        "downloadModel",
        "deleteModel",
        "inspectModel",
        "estimateModel",
        "loadModel",
        "unloadModel",
        "createContext",
        "disposeContext",
        "complete",
        "chat",
        "tokenize",
        "detokenize",
        "applyTemplate",
        "$/cancelRequest",
    }
)

# Notifications that are accepted.
NOTIFICATIONS: tuple[str, ...] = (
    "$/cancelRequest",
    "exit",
)

# Notifications that are sent.
SENT: tuple[str, ...] = (
    "progress",
    "info",
)

# Kind → code, retryable, meaning, remedy.
ERRORS: dict[str, tuple[int, bool, str, str]] = {
    "parseError": (
        -32700,
        False,
        "The line is not JSON text in UTF-8.",
        "Send one JSON-RPC 2.0 message a line, encoded as UTF-8, without NaN or Infinity.",
    ),
    "invalidRequest": (
        -32600,
        False,
        "The line is JSON, but not a JSON-RPC 2.0 request: no object, wrong `jsonrpc`, a bad or already running `id`, params that are no object, or too long a line.",
        'Send {"jsonrpc": "2.0", "id": string or integer, "method": string, "params": object}.',
    ),
    "methodNotFound": (
        -32601,
        False,
        "There is no such method.",
        "Use one of the methods in data.allowed; rpc.discover describes them all.",
    ),
    "invalidParams": (
        -32602,
        False,
        "The params break the method's schema. data.pointer is the JSON pointer of the field, data.value what was sent, data.allowed what is allowed.",
        "Correct the field that data.pointer names.",
    ),
    "internalError": (
        -32603,
        False,
        "A defect of the program itself. The traceback is in the log on stderr, never on the wire.",
        "Report it with the log.",
    ),
    "aborted": (
        -32800,
        True,
        "The request was aborted by `abort` or `$/cancelRequest`. data.partial carries what was done until then.",
        "Nothing to mend: it was asked for.",
    ),
    "unsupportedProtocolVersion": (
        1000,
        False,
        "The client asks for a protocol version that this program does not speak.",
        "Use a version from data.allowed, or ship client and program of the same release.",
    ),
    "backendNotAvailable": (
        1001,
        False,
        "The compute backend asked for in `gpu` is not in this build, or has no device here.",
        'Use one of data.allowed, or "auto".',
    ),
    "shuttingDown": (
        1002,
        False,
        "The program is ending: `shutdown`, `exit`, end of input, or the parent process is gone.",
        "Start a new process.",
    ),
    "overloaded": (
        1003,
        True,
        "Too many requests are running or waiting.",
        "Wait for some of them to be answered, then send it again.",
    ),
    "modelNotFound": (
        1010,
        False,
        "No model of this modelId is loaded.",
        "Call loadModel and use the modelId that it returns; `status` lists those that are loaded.",
    ),
    "contextNotFound": (
        1011,
        False,
        "There is no context of this contextId.",
        "Call createContext and use the contextId that it returns; `status` lists those that exist.",
    ),
    "fileNotFound": (
        1020,
        False,
        "There is no file at this path.",
        "Check the path; a relative one is taken from modelsDirectory, or from the working directory where none is set.",
    ),
    "fileNotReadable": (
        1021,
        False,
        "The file is there but cannot be read: a folder, no permission, or a read error.",
        "Check the file's kind and permissions.",
    ),
    "notGguf": (
        1022,
        False,
        "The file is not a GGUF file, or is empty.",
        "Use a model in GGUF format (version 2 or 3).",
    ),
    "modelDamaged": (
        1023,
        False,
        "The GGUF file is truncated or damaged.",
        "Fetch the file again and compare its checksum.",
    ),
    "modelLoadFailed": (
        1024,
        False,
        "llama.cpp refused the model; data.cause is what it said.",
        "An unknown architecture needs a newer release; otherwise fetch the file again.",
    ),
    "outOfMemory": (
        1025,
        False,
        "There was not enough memory.",
        "Use a smaller model, a smaller contextSize or fewer sequences, or unload other models.",
    ),
    "contextCreationFailed": (
        1030,
        False,
        "llama.cpp could not make the context; data.cause is what it said.",
        "Use a smaller contextSize or fewer sequences; a quantised kvCacheType needs flashAttention.",
    ),
    "promptTooLong": (
        1031,
        False,
        "The prompt has more tokens than a sequence of the context can hold.",
        "Shorten the prompt, or create a context with a larger contextSize.",
    ),
    "emptyPrompt": (
        1032,
        False,
        "The prompt has no tokens.",
        "Send at least one character of text, or one token.",
    ),
    "noChatTemplate": (
        1033,
        False,
        "The model has no chat template.",
        "Use an instruction-tuned model, or complete with a prompt of your own.",
    ),
    "templateFailed": (
        1034,
        False,
        "The chat template refused the messages, failed, or went past its limits of time or output; data.cause says which.",
        "Check the roles and their order against what the template accepts; `chatTemplate` takes another template.",
    ),
    "invalidToken": (
        1035,
        False,
        "A token id is outside the model's vocabulary.",
        "Use token ids from tokenize of the same model.",
    ),
    "unsupportedContent": (
        1036,
        False,
        "A message has an image or audio, and the model only reads text.",
        "Leave out the part that data.pointer names, or say in words what is in it.",
    ),
    "unknownTool": (
        1037,
        True,
        "The model called a tool that is not among `tools`. data.value is its name, data.allowed are the known ones, data.partial is what it had said.",
        'Send it again: another seed may say otherwise; toolChoice "required" makes it impossible.',
    ),
    "invalidToolArguments": (
        1038,
        True,
        "The model's arguments for a tool are not JSON, or do not fit its parameters: data.cause tells how. data.value is what it wrote, data.partial what it had said.",
        'Send it again: another seed may say otherwise; toolChoice "required" makes it impossible.',
    ),
    "engineCrashed": (
        1040,
        True,
        "The process that held the model died while it worked on the request; data.cause is what is known. Other models are untouched.",
        "Send the request again: the model and its contexts are loaded anew under the same ids. If it crashes again, the model file or the machine is at fault.",
    ),
    "engineStartFailed": (
        1041,
        True,
        "The engine process could not be started, or llama.cpp could not be loaded in it.",
        "Read the log on stderr; reinstall if a library is missing.",
    ),
    "decodeFailed": (
        1042,
        True,
        "llama.cpp could not evaluate the batch.",
        "Send the request again; with a smaller contextSize or batchSize if it is for want of memory.",
    ),
    "repositoryNotFound": (
        1050,
        False,
        "The hub has no such repository, or hides it from this token. data.allowed has names like it.",
        "Check owner and name; for a private repository pass a token that may read it.",
    ),
    "revisionNotFound": (
        1051,
        False,
        "The repository has no such revision.",
        "Use a branch, a tag or a commit of the repository; without one it is the main branch.",
    ),
    "remoteFileNotFound": (
        1052,
        False,
        "The repository, or the server, has no such file or quantisation. data.allowed has those like it.",
        "Use one of data.allowed.",
    ),
    "gatedRepository": (
        1053,
        False,
        "The repository's owner wants its terms to be accepted first.",
        "Open the repository's page on the hub, accept the terms, and pass a token of that account.",
    ),
    "unauthorized": (
        1054,
        False,
        "The server refused the token, or wants one.",
        "Make a token with read access in the hub's settings and pass it as `token`, or set HF_TOKEN.",
    ),
    "offline": (
        1055,
        True,
        "The server cannot be reached, or offline mode is set, and the model is not on this disk.",
        "Check the network, the proxy and `endpoint`; HF_HUB_OFFLINE must not be set. What came is kept.",
    ),
    "rateLimited": (
        1056,
        True,
        "The server asks for a longer pause than a download waits for. data.value is its length in seconds, if it said.",
        "Wait, or pass a token: known users have higher limits. What came is kept.",
    ),
    "downloadFailed": (
        1057,
        True,
        "The bytes could not be fetched: the server failed, stalled or cut the connection again and again. data.cause is the last failure.",
        "Send the request again: it goes on where this one stopped.",
    ),
    "checksumMismatch": (
        1058,
        True,
        "The bytes that came, fetched twice, are not those that the hub's checksum stands for.",
        "Something between here and the hub changes the bytes, or the file there is broken: try another network or `endpoint`.",
    ),
    "diskFull": (
        1059,
        False,
        "There is not enough space in modelsDirectory. data.value is what is needed in bytes, data.allowed.maximum what is free.",
        "Free space, delete models, or choose another modelsDirectory. What came is kept.",
    ),
    "directoryNotWritable": (
        1060,
        False,
        "modelsDirectory cannot be made or written to; data.cause is the system's reason.",
        "Choose a modelsDirectory that this user may write to.",
    ),
    "modelInUse": (
        1061,
        False,
        "The model is loaded, or being fetched, and cannot be deleted.",
        "Unload it, or abort its download, first.",
    ),
    "notInStore": (
        1062,
        False,
        "The path is outside modelsDirectory, or no model of it: only what lies there can be deleted.",
        "Use a path that listModels tells with origin `store`.",
    ),
    "transferCrashed": (
        1063,
        True,
        "The process that fetched died; data.cause is what is known.",
        "Send the request again: it goes on where this one stopped.",
    ),
}

# Params type → the defaults of its properties.
DEFAULTS: dict[str, dict[str, object]] = {
    "InitParams": {
        "debug": False,
        "gpu": "auto",
    },
    "PingParams": {},
    "StatusParams": {},
    "AbortParams": {},
    "ShutdownParams": {},
    "DiscoverParams": {},
    "DownloadModelParams": {
        "revision": "main",
        "projector": False,
        "force": False,
        "keepPartial": True,
    },
    "ListModelsParams": {
        "hubCache": True,
        "folders": [],
    },
    "DeleteModelParams": {},
    "InspectModelParams": {
        "revision": "main",
    },
    "EstimateModelParams": {
        "revision": "main",
        "sequences": 1,
        "batchSize": 512,
        "kvCacheType": "f16",
        "gpuLayers": "auto",
    },
    "LoadModelParams": {
        "gpuLayers": "auto",
        "useMmap": True,
        "useMlock": False,
        "checkTensors": False,
    },
    "UnloadModelParams": {},
    "CreateContextParams": {
        "sequences": 1,
        "batchSize": 512,
        "flashAttention": "auto",
        "kvCacheType": "f16",
    },
    "DisposeContextParams": {},
    "CompleteParams": {
        "temperature": 0.8,
        "topK": 40,
        "topP": 0.95,
        "minP": 0.05,
        "repeatPenalty": 1,
        "frequencyPenalty": 0,
        "presencePenalty": 0,
        "repeatLastN": 64,
        "ignoreEos": False,
        "stream": True,
    },
    "ChatParams": {
        "toolChoice": "auto",
        "temperature": 0.8,
        "topK": 40,
        "topP": 0.95,
        "minP": 0.05,
        "repeatPenalty": 1,
        "frequencyPenalty": 0,
        "presencePenalty": 0,
        "repeatLastN": 64,
        "ignoreEos": False,
        "stream": True,
        "addGenerationPrompt": True,
        "continueFinalMessage": False,
        "reasoning": True,
    },
    "TokenizeParams": {
        "addSpecial": False,
        "parseSpecial": False,
    },
    "DetokenizeParams": {},
    "ApplyTemplateParams": {
        "addGenerationPrompt": True,
        "continueFinalMessage": False,
        "reasoning": True,
    },
    "CancelRequestParams": {},
    "ExitParams": {},
}
