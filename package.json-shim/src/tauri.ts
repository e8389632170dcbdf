// The entry for Tauri's web view. It starts the program through @tauri-apps/plugin-shell.

import { type Child, Command } from "@tauri-apps/plugin-shell";
import { notify } from "./client/calls.js";
import { SidecarError } from "./client/errors.js";
import { LineReader, LineWriter } from "./client/lines.js";
import { Llama, type StartOptions } from "./client/llama.js";
import { endsWithin, LogTail, type Peer } from "./client/peer.js";

export * from "./index.js";

/** From the request to shut down until the program is killed. */
const SHUTDOWN_MS = 3000;

export interface LlamaOptions extends Omit<StartOptions, "processId"> {
  /** The program's entry in `bundle.externalBin`. Default: "binaries/llama-sidecar". */
  program?: string | undefined;
  /** Called with each piece of the program's log. A piece may end anywhere in a line. */
  onLog?: ((text: string) => void) | undefined;
}

/** Start the program. It ends with the app, or earlier by `dispose` or `shutdown`. */
export function getLlama(options: LlamaOptions = {}): Promise<Llama> {
  const { program = "binaries/llama-sidecar", onLog, ...start } = options;
  return Llama.start((receive) => launch(program, receive, onLog), start);
}

async function launch(
  program: string,
  receive: (message: unknown) => void,
  onLog: LlamaOptions["onLog"],
): Promise<Peer> {
  // As bytes: the plugin also splits text at \r, and drops incomplete characters.
  const command = Command.sidecar(program, [], { encoding: "raw" });
  const tail = new LogTail();
  const log = (text: string) => {
    tail.add(text);
    notify(onLog, text);
  };
  const reader = new LineReader({ message: receive, stray: (line) => log(`${line}\n`) });
  command.stdout.on("data", (chunk) => reader.receive(bytes(chunk)));
  const decoder = new TextDecoder();
  command.stderr.on("data", (chunk) => log(decoder.decode(bytes(chunk), { stream: true })));
  const ended = new Promise<SidecarError>((resolve) => {
    const end = (how: string) => resolve(tail.exited(how));
    command.once("close", ({ code, signal }) =>
      end(signal === null ? `The program ended with status ${code}.` : `The program was ended by signal ${signal}.`),
    );
    command.once("error", (error) => end(`The program failed: ${error}.`));
  });
  let child: Child;
  try {
    child = await command.spawn();
  } catch (error) {
    const message = `${program} could not be started: ${error}. Is it in bundle.externalBin, and do the window's capabilities allow it (shell:allow-spawn, shell:allow-stdin-write, shell:allow-kill)?`;
    throw new SidecarError("startFailed", message, { cause: error });
  }
  const writer = new LineWriter(inOrder(child));
  const transport = { send: (message: object) => writer.send(message) };
  const stop = async () => {
    // The plugin cannot close the program's stdin, so a request asks the program to end. Killing it drops its pipes.
    transport.send({ jsonrpc: "2.0", id: "stop", method: "shutdown" });
    if (!(await endsWithin(SHUTDOWN_MS, ended))) await child.kill();
  };
  return { transport, ended, stop };
}

/** The plugin gives bytes as an array of numbers, although its types say Uint8Array. */
function bytes(chunk: Uint8Array | number[]): Uint8Array {
  return chunk instanceof Uint8Array ? chunk : Uint8Array.from(chunk);
}

/** Writes one text after the other, because two calls of the plugin may overtake each other. */
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
      await child.write(next).catch(() => {}); // the program is ending; `ended` has the reason
    }
    writing = false;
  };
}
