// The errors that calls are rejected with: those of the contract, and a few of the client itself.

import { ERRORS, type ErrorData, type ErrorKind, type PartialResult } from "../generated/contract.js";

/** The errors of the client itself, for when no program answers. Their codes are below those of the contract. */
export const CLIENT_ERRORS = {
  /** No program was found. The message names every place that was searched. */
  programNotFound: { code: 900, retryable: false },
  /** The program exists but does not start, or it is another program. */
  startFailed: { code: 901, retryable: false },
  /** The program is not the one that was published with this release. */
  programChanged: { code: 902, retryable: false },
  /** The program ended while a call was open. */
  exited: { code: 903, retryable: true },
  /** The client was disposed of. */
  closed: { code: 904, retryable: false },
  /** The app does not let a window make this call. */
  notAllowed: { code: 905, retryable: false },
} as const;

export type ClientErrorKind = keyof typeof CLIENT_ERRORS;

/** The `error` member of a response. */
export interface WireError {
  code: number;
  message: string;
  data?: Partial<ErrorData>;
}

interface Details {
  code?: number | undefined;
  data?: Partial<ErrorData> | undefined;
  cause?: unknown;
}

const KNOWN: Record<string, { code: number; retryable: boolean }> = { ...ERRORS, ...CLIENT_ERRORS };

/** A call failed. `message` says what to do about it. Use `kind` to tell errors apart in code. */
export class SidecarError extends Error {
  override readonly name: string = "SidecarError";
  /** The stable name of the error. */
  readonly kind: ErrorKind | ClientErrorKind;
  readonly code: number;
  /** Whether the same call can succeed if it is made again. */
  readonly retryable: boolean;
  /** More about this error: what to do, which param is wrong, what the cause was. */
  readonly data: ErrorData;

  constructor(kind: ErrorKind | ClientErrorKind, message: string, details: Details = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    const known = KNOWN[kind];
    this.kind = kind;
    this.code = details.code ?? known?.code ?? 0;
    this.retryable = details.data?.retryable ?? known?.retryable ?? false;
    this.data = { remedy: "", ...details.data, kind, retryable: this.retryable };
  }

  /** The error of a response. `reason` is the reason of the signal that asked for the abort. */
  static fromWire(error: WireError, reason?: unknown): SidecarError {
    const { code, message, data } = error;
    const kind = (data?.kind ?? kindOf(code)) as ErrorKind;
    if (kind === "aborted") return new AbortError(message, { data, cause: reason });
    return new SidecarError(kind, message, { code, data });
  }

  /** All members. Some places, such as Electron's IPC, copy only the message of an Error. */
  toJSON(): { name: string; kind: string; code: number; retryable: boolean; message: string; data: ErrorData } {
    const { name, kind, code, retryable, message, data } = this;
    return { name, kind, code, retryable, message, data };
  }
}

/** A call was aborted. The name is the platform's own name for this; `cause` is the signal's reason. */
export class AbortError extends SidecarError {
  override readonly name = "AbortError";

  constructor(message: string, details: Details = {}) {
    super("aborted", message, details);
  }

  /** What was done before the abort. */
  get partial(): PartialResult | undefined {
    return this.data.partial;
  }
}

function kindOf(code: number): string {
  const found = Object.entries(KNOWN).find(([, known]) => known.code === code);
  return found?.[0] ?? "internalError";
}
