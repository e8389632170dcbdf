// Errors by the names that the Prompt API gives them. Our own error is the cause.

/** Our kinds by the name of the DOMException that tells them. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  AbortError: ["aborted"],
  NotAllowedError: ["notAllowed"],
  NotSupportedError: [
    "unsupportedContent", "unsupportedSchema", "invalidGrammar", "schemaTooComplex", "unsuitableModel", "noChatTemplate",
  ],
  SyntaxError: ["unsatisfiableSchema", "invalidOutput", "noTokenAllowed"],
  InvalidStateError: ["closed", "shuttingDown", "modelNotFound", "contextNotFound"],
  NetworkError: [
    "offline", "downloadFailed", "transferCrashed", "rateLimited", "checksumMismatch", "repositoryNotFound",
    "revisionNotFound", "remoteFileNotFound", "gatedRepository", "unauthorized", "ambiguousModel",
  ],
};

const NAME_OF: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(NAMES).flatMap(([name, kinds]) => kinds.map((kind) => [kind, name])),
);

/** An error of the platform. */
export function domError(name: string, message: string, cause?: unknown): DOMException {
  return withCause(new DOMException(message, name), cause);
}

/** The input does not fit into the context. Newer browsers have a class of their own for it. */
export function quotaExceeded(requested: number, quota: number, cause: unknown): Error {
  const message = `The input needs ${requested} tokens, and the context window has ${quota}.`;
  type Quota = new (message: string, options: { requested: number; quota: number }) => Error;
  const { QuotaExceededError } = globalThis as { QuotaExceededError?: Quota };
  if (QuotaExceededError) return withCause(new QuotaExceededError(message, { requested, quota }), cause);
  return Object.assign(domError("QuotaExceededError", message, cause), { requested, quota });
}

const withCause = <E extends Error>(error: E, cause: unknown): E =>
  cause === undefined ? error : Object.defineProperty(error, "cause", { value: cause, configurable: true });

/** Any error as the Prompt API tells it. `name` is for what has no name of its own. */
export function asDomError(error: unknown, name: "UnknownError" | "OperationError"): unknown {
  const { kind, message } = error as { kind?: string; message?: string };
  return kind === undefined ? error : domError(NAME_OF[kind] ?? name, message ?? kind, error);
}
