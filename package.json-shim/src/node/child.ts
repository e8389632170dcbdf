// The program as a child process: its three pipes and its end.

import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { notify } from "../client/calls.js";
import { SidecarError } from "../client/errors.js";
import { LineReader, LineWriter } from "../client/lines.js";
import { endsWithin, LogTail, type Peer, TAIL_CHARACTERS } from "../client/peer.js";

/** From closing its stdin to SIGTERM. A healthy program ends within a second. */
const CLOSE_MS = 3000;

/** From SIGTERM to SIGKILL. */
const TERMINATE_MS = 2000;

/** How long to read the pipes after its end. Its last words may still be in them; a grandchild may keep them open. */
const DRAIN_MS = 1000;

export interface ChildEvents {
  message(message: unknown): void;
  /** A line of the program's log, which is JSON, or a line that one of its libraries printed. */
  log?: ((line: string) => void) | undefined;
}

/** A process or pipe that may keep Node's process alive. */
interface Referable {
  ref?(): unknown;
  unref?(): unknown;
}

export class Child implements Peer {
  readonly ended: Promise<SidecarError>;
  readonly transport;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #log: ((line: string) => void) | undefined;
  readonly #tail = new LogTail();
  #gone = false;

  constructor([path, ...args]: readonly [string, ...string[]], events: ChildEvents) {
    this.#log = events.log;
    // Not detached and without a shell: otherwise the program might not end with this process.
    const process = spawn(path, args, { stdio: ["pipe", "pipe", "pipe"], windowsHide: true });
    this.#process = process;
    this.ended = this.#watch(path);
    this.#readOutput(events);
    this.#readLog();
    process.stdin.on("error", () => {}); // the program is ending; `ended` has the reason
    const writer = new LineWriter((text) => process.stdin.write(text));
    this.transport = {
      send: (message: object) => writer.send(message),
      flow: (reading: boolean) => void (reading ? process.stdout.resume() : process.stdout.pause()),
      busy: (busy: boolean) => this.#keepAlive(busy),
    };
    this.#keepAlive(false);
  }

  /** Close its stdin. If that does not end it, terminate it; then kill it and its children. */
  async stop(): Promise<void> {
    if (this.#gone) return;
    this.#process.ref();
    this.#process.stdout.resume();
    this.#process.stdin.end();
    if (await endsWithin(CLOSE_MS, this.ended)) return;
    this.#process.kill("SIGTERM");
    if (await endsWithin(TERMINATE_MS, this.ended)) return;
    this.#killTree();
    await this.ended;
  }

  #killTree(): void {
    if (process.platform === "win32") {
      spawnSync("taskkill", ["/pid", String(this.#process.pid), "/t", "/f"], { windowsHide: true });
    }
    this.#process.kill("SIGKILL"); // on other systems its children end when their stdin does
  }

  #watch(path: string): Promise<SidecarError> {
    return new Promise((resolve) => {
      const end = (error: SidecarError) => {
        this.#gone = true;
        resolve(error);
      };
      this.#process.once("error", (error: NodeJS.ErrnoException) => {
        if (this.#process.pid !== undefined) return; // a signal that could not be sent
        end(new SidecarError("startFailed", `${path} could not be started: ${error.message}.`, { cause: error }));
      });
      this.#process.once("exit", (status, signal) => {
        this.#process.stdout.resume();
        const how = signal ? `was ended by ${signal}` : `ended with status ${status}`;
        const report = () => end(this.#tail.exited(`The program ${how}.`));
        const timer = setTimeout(report, DRAIN_MS);
        this.#process.once("close", () => {
          clearTimeout(timer);
          report();
        });
      });
    });
  }

  #readOutput(events: ChildEvents): void {
    const stray = (line: string) => this.#takeLog(line);
    const reader = new LineReader({ message: events.message, stray });
    this.#process.stdout.on("data", (chunk: Uint8Array) => {
      try {
        reader.receive(chunk);
      } catch (error) {
        this.#takeLog(String(error));
        this.#killTree();
      }
    });
  }

  /** Reads stderr at all times: otherwise the pipe fills up and the program waits for ever. */
  #readLog(): void {
    let rest = "";
    this.#process.stderr.setEncoding("utf8");
    this.#process.stderr.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = (lines.pop() as string).slice(-TAIL_CHARACTERS);
      for (const line of lines) this.#takeLog(line);
    });
    this.#process.stderr.on("end", () => rest && this.#takeLog(rest));
  }

  #takeLog(line: string): void {
    this.#tail.add(`${line}\n`);
    notify(this.#log, line);
  }

  /** The program keeps this process alive only while a call waits for its answer. */
  #keepAlive(busy: boolean): void {
    const { stdin, stdout, stderr } = this.#process;
    for (const handle of [this.#process, stdin, stdout, stderr] as Referable[]) {
      if (busy) handle.ref?.();
      else handle.unref?.();
    }
  }
}
