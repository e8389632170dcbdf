// What calls are rejected with: the errors of the contract, and a few of the client's own.

import { ERRORS, type ErrorData, type ErrorKind, type PartialResult } from "../generated/contract.js";

/** Errors that never come over the wire, because there is none, or no longer. Codes below the program's own. */
export const CLIENT_ERRORS = {
  /** No program was found; the message names every place that was looked at. */
  programNotFound: { code: 900, retryable: false },
  /** The program is there but does not start, or is not this program. */
  startFailed: { code: 901, retryable: false },
  /** The program is not the one that this release was shipped with. */
  programChanged: { code: 902, retryable: false },
  /** The program ended while a call was open. */
  exited: { code: 903, retryable: true },
  /** The client was disposed of. */
  closed: { code: 904, retryable: false },
} as const;

export type ClientErrorKind = keyof typeof CLIENT_ERRORS;

/** What an `error` member of a response holds. */
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

/** A call that failed. `message` says what to do; branch on `kind`. */
export class SidecarError extends Error {
  override readonly name: string = "SidecarError";
  /** Stable name of the error. */
  readonly kind: ErrorKind | ClientErrorKind;
  readonly code: number;
  /** Whether the very same call can succeed if it is made again. */
  readonly retryable: boolean;
  /** What is known of the case. */
  readonly data: ErrorData;

  constructor(kind: ErrorKind | ClientErrorKind, message: string, details: Details = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    const known = KNOWN[kind];
    this.kind = kind;
    this.code = details.code ?? known?.code ?? 0;
    this.retryable = details.data?.retryable ?? known?.retryable ?? false;
    this.data = { remedy: "", ...details.data, kind, retryable: this.retryable };
  }

  /** The error that a response carries; `reason` is that of the signal which asked for an abort. */
  static fromWire(error: WireError, reason?: unknown): SidecarError {
    const { code, message, data } = error;
    const kind = (data?.kind ?? kindOf(code)) as ErrorKind;
    if (kind === "aborted") return new AbortError(message, { data, cause: reason });
    return new SidecarError(kind, message, { code, data });
  }

  /** All of it, for places that copy an Error's message only, such as Electron's IPC. */
  toJSON(): { name: string; kind: string; code: number; retryable: boolean; message: string; data: ErrorData } {
    const { name, kind, code, retryable, message, data } = this;
    return { name, kind, code, retryable, message, data };
  }
}

/** A call that was aborted. Named as the platform names it; `cause` is the signal's reason. */
export class AbortError extends SidecarError {
  override readonly name = "AbortError";

  constructor(message: string, details: Details = {}) {
    super("aborted", message, details);
  }

  /** What was done until then. */
  get partial(): PartialResult | undefined {
    return this.data.partial;
  }
}

function kindOf(code: number): string {
  const found = Object.entries(KNOWN).find(([, known]) => known.code === code);
  return found?.[0] ?? "internalError";
}
