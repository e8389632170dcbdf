// The entry for Tauri's web view. The plugin tauri-plugin-llama-sidecar starts the program and passes its bytes.

import { Channel, invoke } from "@tauri-apps/api/core";
import { notify } from "./client/calls.js";
import { SidecarError } from "./client/errors.js";
import { LineReader, LineWriter } from "./client/lines.js";
import { Llama, type StartOptions } from "./client/llama.js";
import { LogTail, type Peer } from "./client/peer.js";

export * from "./index.js";

/** So many bytes are taken before the plugin hears of it. It lets four times as many be on their way. */
const CONFIRM_BYTES = 1024 * 1024;

export interface LlamaOptions extends Omit<StartOptions, "processId"> {
  /** Called with each piece of the program's log. A piece may end anywhere in a line. */
  onLog?: ((text: string) => void) | undefined;
}

/** What the plugin tells of the program, besides its output. */
type ProgramEvent = { type: "log"; text: string; bytes: number } | { type: "ended"; how: string };

/** Start the program. It ends with the app and with the page, or earlier by `dispose` or `shutdown`. */
export function getLlama(options: LlamaOptions = {}): Promise<Llama> {
  const { onLog, ...start } = options;
  return Llama.start((receive) => launch(receive, onLog), start);
}

async function launch(receive: (message: unknown) => void, onLog: LlamaOptions["onLog"]): Promise<Peer> {
  const tail = new LogTail();
  const log = (text: string) => {
    tail.add(text);
    notify(onLog, text);
  };
  let end: (error: SidecarError) => void = () => {};
  const ended = new Promise<SidecarError>((resolve) => {
    end = resolve;
  });
  let taken = 0;
  const take = (size: number) => {
    taken += size;
    if (taken < CONFIRM_BYTES) return;
    const bytes = taken;
    taken = 0;
    void started.then((id) => call("acknowledge", { id, bytes })).catch(() => {}); // the program has ended
  };
  const events = new Channel<ProgramEvent>((event) => {
    if (event.type === "ended") return end(tail.exited(event.how));
    take(event.bytes);
    log(event.text);
  });
  const reader = new LineReader({ message: receive, stray: (line) => log(`${line}\n`) });
  const output = new Channel<ArrayBuffer>((chunk) => {
    take(chunk.byteLength);
    reader.receive(new Uint8Array(chunk));
  });
  const started = call<number>("start", { began: performance.timeOrigin, output, events });
  const id = await started;
  const writer = new LineWriter(inOrder((text) => call("write", { id, text })));
  const stop = async () => {
    await call("stop", { id }).catch(() => {}); // it has ended already
    end(tail.exited("The program was told to end."));
  };
  return { transport: { send: (message) => writer.send(message) }, ended, stop };
}

/** Call the plugin. Rejects with a SidecarError. */
async function call<T = void>(command: string, args: Record<string, unknown>): Promise<T> {
  try {
    return await invoke<T>(`plugin:llama-sidecar|${command}`, args);
  } catch (error) {
    const { kind = "startFailed", message } = Object(error) as Partial<SidecarError>;
    const hint = " Does the app have the plugin, and do the window's capabilities have llama-sidecar:default?";
    throw new SidecarError(kind, message ?? `${error}.${hint}`, { cause: error });
  }
}

/** Writes one text after the other, because two calls of the plugin may overtake each other. */
function inOrder(write: (text: string) => Promise<void>): (text: string) => void {
  let waiting = "";
  let writing = false;
  return async (text) => {
    waiting += text;
    if (writing) return;
    writing = true;
    while (waiting !== "") {
      const next = waiting;
      waiting = "";
      await write(next).catch(() => {}); // the program is ending; `ended` has the reason
    }
    writing = false;
  };
}
