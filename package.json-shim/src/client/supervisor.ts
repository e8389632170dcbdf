// Starts the program, and starts it again when it has died. How it is started is not known here: see peer.ts.

import type { Info } from "../generated/contract.js";
import { type Call, Connection, notify } from "./calls.js";
import { SidecarError } from "./errors.js";
import type { Launch, Peer } from "./peer.js";
import { unpackingFailure } from "./unpacking.js";

/** How often, and after which pauses, a program that died is started again. */
export interface RestartOptions {
  /** Give up after this many starts in a row. A life of more than a minute ends the row. Default: 5. */
  attempts?: number;
  /** The pause before the first start in milliseconds. It doubles with each further start. Default: 250. */
  delayMs?: number;
  /** The longest pause in milliseconds. Default: 10 000. */
  maxDelayMs?: number;
}

export interface Watchers {
  /** The program sent a message for people that belongs to no call. */
  onInfo?: ((info: Info) => void) | undefined;
  /** The program died. It is started again after `delayMs` milliseconds. */
  onRestart?: ((event: { error: SidecarError; attempt: number; delayMs: number }) => void) | undefined;
  /** The program died, or something else ended it. It is not started again. */
  onExit?: ((error: SidecarError) => void) | undefined;
}

/** When a program has lived this long, its next death is the first in a row. */
const RESET_MS = 60_000;

/** From the start of the program to the answer of `init`. A virus scanner may read the whole program first. */
const START_TIMEOUT_MS = 60_000;

/** How many calls may wait for the next program. */
const MAX_WAITING = 1000;

export class Supervisor {
  readonly #launch: Launch;
  readonly #restart: Required<RestartOptions> | undefined;
  readonly #watchers: Watchers;
  /** Prepares a new program for calls: sends init and loads again what was loaded. */
  readonly #prepare: (connection: Connection) => Promise<void>;
  #peer: Peer | undefined;
  #connection: Connection | undefined; // only while the program is ready for calls
  #waiting: Call[] = []; // calls for the next program
  #over: SidecarError | undefined; // once no program follows: the error of all later calls
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    launch: Launch,
    prepare: (connection: Connection) => Promise<void>,
    restart: RestartOptions | boolean | undefined,
    watchers: Watchers,
  ) {
    this.#launch = launch;
    this.#prepare = prepare;
    if (restart) {
      const given = restart === true ? {} : restart;
      this.#restart = { attempts: 5, delayMs: 250, maxDelayMs: 10_000, ...given };
    }
    this.#watchers = watchers;
  }

  /** Send a call, or let it wait for the program that is being started. */
  send(call: Call): void {
    if (this.#connection) return this.#connection.send(call);
    if (this.#over) return call.fail(this.#over);
    if (this.#waiting.length >= MAX_WAITING) {
      return call.fail(new SidecarError("overloaded", `${MAX_WAITING} calls wait for the program to start again.`));
    }
    this.#waiting.push(call);
    keepAlive(this.#timer, true);
  }

  /** Start the program for the first time. Rejects if it does not start or cannot be used. */
  async start(): Promise<void> {
    try {
      await this.#begin();
    } catch (error) {
      const reason = notStarted(error);
      this.#finish(reason);
      await this.#peer?.stop();
      throw reason;
    }
  }

  /** The program was asked to end: when it ends, that is no failure. */
  closing(): void {
    this.#over ??= new SidecarError("closed", "The program was told to end.");
  }

  /** End the program, gently at first. Resolves when it has ended. */
  async stop(): Promise<void> {
    this.closing();
    this.#finish(this.#over as SidecarError);
    await this.#peer?.stop();
  }

  async #begin(): Promise<void> {
    let connection: Connection | undefined;
    const peer = await this.#launch((message) => connection?.accept(message));
    const started = Date.now();
    this.#peer = peer;
    connection = new Connection(peer.transport, (info) => this.#watchers.onInfo?.(info));
    const { ended } = peer;
    const gone = ended.then((error) => {
      connection.end(this.#over ?? error);
      throw error;
    });
    gone.catch(() => {});
    if (this.#over) return void peer.stop();
    await Promise.race([this.#prepare(connection), gone]);
    if (this.#over) return;
    this.#connection = connection;
    gone.catch((error: SidecarError) => this.#died(error, Date.now() - started));
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) connection.send(call);
  }

  #died(error: SidecarError, livedMs: number): void {
    this.#connection = undefined;
    this.#peer = undefined;
    if (livedMs > RESET_MS) this.#attempt = 0;
    this.#restartOrGiveUp(error);
  }

  #restartOrGiveUp(error: SidecarError): void {
    const { attempts, delayMs, maxDelayMs } = this.#restart ?? { attempts: 0, delayMs: 0, maxDelayMs: 0 };
    if (this.#over) return;
    if (this.#attempt >= attempts) {
      this.#finish(error);
      notify(this.#watchers.onExit, error);
      return;
    }
    const wait = Math.min(delayMs * 2 ** this.#attempt, maxDelayMs);
    this.#attempt += 1;
    this.#timer = setTimeout(() => this.#retry(), wait);
    keepAlive(this.#timer, this.#waiting.some((call) => !call.settled));
    notify(this.#watchers.onRestart, { error, attempt: this.#attempt, delayMs: wait });
  }

  async #retry(): Promise<void> {
    this.#timer = undefined;
    try {
      await this.#begin();
    } catch (error) {
      const peer = this.#peer;
      this.#peer = undefined;
      await peer?.stop();
      this.#restartOrGiveUp(notStarted(error));
    }
  }

  #finish(error: SidecarError): void {
    this.#over ??= error;
    clearTimeout(this.#timer);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) call.fail(error);
  }
}

/** The error for a program that ended before it answered `init`: it did not start. */
function notStarted(error: unknown): SidecarError {
  if (error instanceof SidecarError && error.kind !== "exited") return error;
  const { message, data } = error instanceof SidecarError ? error : { message: String(error), data: {} };
  const unpacking = unpackingFailure(message);
  return new SidecarError("startFailed", unpacking ? `${unpacking.message} ${message}` : message, {
    data: { ...data, ...(unpacking && { remedy: unpacking.remedy }), retryable: false },
    cause: error,
  });
}

/** Whether a timer keeps Node's process alive. In a browser this does nothing. */
function keepAlive(timer: unknown, alive: boolean): void {
  const node = timer as { ref?(): void; unref?(): void } | undefined;
  if (alive) node?.ref?.();
  else node?.unref?.();
}

/** The promise of the answer to `init`. Rejects if it takes longer than START_TIMEOUT_MS. */
export async function inTimeToStart<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const message = `The program did not answer \`init\` within ${START_TIMEOUT_MS / 1000} s. Is it llama-sidecar?`;
    timer = setTimeout(() => reject(new SidecarError("startFailed", message)), START_TIMEOUT_MS);
    keepAlive(timer, false);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
