// The program as a child process: its three pipes, and its end.

import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { tell } from "../client/calls.js";
import { SidecarError } from "../client/errors.js";
import { LineReader, LineWriter } from "../client/lines.js";
import { endsWithin, LogTail, type Peer, TAIL_CHARACTERS } from "../client/peer.js";

/** From the end of its stdin; a healthy program has ended everything within a second. */
const CLOSE_MS = 3000;

/** From the request to terminate until it is killed. */
const TERMINATE_MS = 2000;

/** After its death: what it wrote last may still be in the pipes, or a grandchild may hold them open. */
const DRAIN_MS = 1000;

export interface ChildEvents {
  message(message: unknown): void;
  /** A line of the program's log, which is JSON, or of what a library of it printed. */
  log?: ((line: string) => void) | undefined;
}

/** What a started process can be told; `child.ref` and those of its pipes. */
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
    // Not detached and no shell: both would come between this process and the program's end.
    const process = spawn(path, args, { stdio: ["pipe", "pipe", "pipe"], windowsHide: true });
    this.#process = process;
    this.ended = this.#watch(path);
    this.#readOutput(events);
    this.#readLog();
    process.stdin.on("error", () => {}); // it is ending; `ended` tells why
    const writer = new LineWriter((text) => process.stdin.write(text));
    this.transport = {
      send: (message: object) => writer.send(message),
      flow: (reading: boolean) => void (reading ? process.stdout.resume() : process.stdout.pause()),
      busy: (busy: boolean) => this.#refer(busy),
    };
    this.#refer(false);
  }

  /** Close its stdin; then terminate it; then kill it and its children. */
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
    this.#process.kill("SIGKILL"); // elsewhere its children end when their stdin does
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
        const tell = () => end(this.#tail.exited(`The program ${how}.`));
        const timer = setTimeout(tell, DRAIN_MS);
        this.#process.once("close", () => {
          clearTimeout(timer);
          tell();
        });
      });
    });
  }

  #readOutput(events: ChildEvents): void {
    const stray = (line: string) => this.#said(line);
    const reader = new LineReader({ message: events.message, stray });
    this.#process.stdout.on("data", (chunk: Uint8Array) => {
      try {
        reader.receive(chunk);
      } catch (error) {
        this.#said(String(error));
        this.#killTree();
      }
    });
  }

  /** Always read, or the program would wait for room in the pipe for ever. */
  #readLog(): void {
    let rest = "";
    this.#process.stderr.setEncoding("utf8");
    this.#process.stderr.on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = (lines.pop() as string).slice(-TAIL_CHARACTERS);
      for (const line of lines) this.#said(line);
    });
    this.#process.stderr.on("end", () => rest && this.#said(rest));
  }

  #said(line: string): void {
    this.#tail.add(`${line}\n`);
    tell(this.#log, line);
  }

  /** Whether the program keeps this process alive: only while somebody waits for an answer. */
  #refer(busy: boolean): void {
    const { stdin, stdout, stderr } = this.#process;
    for (const handle of [this.#process, stdin, stdout, stderr] as Referable[]) {
      if (busy) handle.ref?.();
      else handle.unref?.();
    }
  }
}
