// The entry for Tauri's web view: the program is started through @tauri-apps/plugin-shell.

import { type Child, Command } from "@tauri-apps/plugin-shell";
import { tell } from "./client/calls.js";
import { SidecarError } from "./client/errors.js";
import { LineReader, LineWriter } from "./client/lines.js";
import { Llama, type StartOptions } from "./client/llama.js";
import type { Peer } from "./client/supervisor.js";

export * from "./index.js";

/** From the request to shut down until it is killed. */
const SHUTDOWN_MS = 3000;

/** How much of what it said on stderr goes into the error that tells of its death. */
const TAIL_CHARACTERS = 4000;

export interface LlamaOptions extends Omit<StartOptions, "processId"> {
  /** The program's entry in `bundle.externalBin`. Default: "binaries/llama-sidecar". */
  program?: string | undefined;
  /** Is given what the program logs, in pieces as they come. */
  onLog?: ((text: string) => void) | undefined;
}

/** Start the program. It ends with the app, when it is disposed of, or by `shutdown`. */
export function getLlama(options: LlamaOptions = {}): Promise<Llama> {
  const { program = "binaries/llama-sidecar", onLog, ...start } = options;
  return Llama.start((receive) => launch(program, receive, onLog), start);
}

async function launch(
  program: string,
  receive: (message: unknown) => void,
  onLog: LlamaOptions["onLog"],
): Promise<Peer> {
  // As bytes: as text the plugin would split at \r too, and drop what is not whole.
  const command = Command.sidecar(program, [], { encoding: "raw" });
  let tail = "";
  const said = (text: string) => {
    tail = (tail + text).slice(-TAIL_CHARACTERS);
    tell(onLog, text);
  };
  const reader = new LineReader({ message: receive, stray: (line) => said(`${line}\n`) });
  command.stdout.on("data", (chunk) => reader.receive(bytes(chunk)));
  const decoder = new TextDecoder();
  command.stderr.on("data", (chunk) => said(decoder.decode(bytes(chunk), { stream: true })));
  const ended = new Promise<SidecarError>((resolve) => {
    const end = (message: string) =>
      resolve(new SidecarError("exited", tail ? `${message} The last it said:\n${tail.trim()}` : message));
    command.once("close", ({ code, signal }) =>
      end(signal === null ? `The program ended with status ${code}.` : `The program was ended by signal ${signal}.`),
    );
    command.once("error", (error) => end(`The program failed: ${error}.`));
  });
  let child: Child;
  try {
    child = await command.spawn();
  } catch (error) {
    const message = `${program} could not be started: ${error}. Is it in bundle.externalBin, and allowed by the window's capabilities (shell:allow-spawn, shell:allow-stdin-write, shell:allow-kill)?`;
    throw new SidecarError("startFailed", message, { cause: error });
  }
  const writer = new LineWriter(inOrder(child));
  const transport = { send: (message: object) => writer.send(message) };
  const stop = async () => {
    // The plugin cannot close the program's stdin, so it is asked; killing it drops its pipes.
    transport.send({ jsonrpc: "2.0", id: "stop", method: "shutdown" });
    if (!(await within(SHUTDOWN_MS, ended))) await child.kill();
  };
  return { transport, ended, stop };
}

/** The plugin tells bytes as an array of numbers, whatever its types say. */
function bytes(chunk: Uint8Array | number[]): Uint8Array {
  return chunk instanceof Uint8Array ? chunk : Uint8Array.from(chunk);
}

/** Writes one text after the other: two calls of the plugin may overtake each other. */
function inOrder(child: Child): (text: string) => void {
  let waiting = "";
  let writing = false;
  return async (text) => {
    waiting += text;
    if (writing) return;
    writing = true;
    while (waiting !== "") {
      const next = waiting;
      waiting = "";
      await child.write(next).catch(() => {}); // it is ending; `ended` tells why
    }
    writing = false;
  };
}

function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms, false);
    promise.then(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}
