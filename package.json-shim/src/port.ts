// The entry for windows and worker threads: a full client at the other end of a LlamaWorker's port. The program and
// its process stay with the worker.

import { AbortError, SidecarError } from "./client/errors.js";
import { Llama, type StartOptions } from "./client/llama.js";
import type { Peer } from "./client/peer.js";
import type { ErrorData } from "./generated/contract.js";

export * from "./index.js";

/** What the ports of browsers and of Node have in common. */
export interface MessagePortLike {
  postMessage(message: unknown): void;
  addEventListener(type: "message" | "close", listener: (event: { data?: unknown }) => void): void;
  removeEventListener(type: "message" | "close", listener: (event: { data?: unknown }) => void): void;
  start?(): void;
  close(): void;
}

/** A request or notification, as Connection sends it. */
interface Sent {
  id?: number;
  method: string;
  params: { id?: number };
}

/** A message of the worker. */
interface Received {
  type?: string;
  id?: number | null;
  method?: string | null;
  result?: unknown;
  code?: number;
  kind?: string;
  message?: string;
  data?: ErrorData;
}

/** Use a LlamaWorker through its port. With `restart`, the worker starts a new program when one has died. */
export function llamaOverPort(port: MessagePortLike, options: StartOptions = {}): Promise<Llama> {
  port.start?.();
  return Llama.start((receive) => connect(port, receive), options);
}

/** One program, from its start to its end, as the port reports it. */
function connect(port: MessagePortLike, receive: (message: unknown) => void): Peer {
  let end: (error: SidecarError) => void;
  const ended = new Promise<SidecarError>((resolve) => {
    end = resolve;
  });
  const onMessage = ({ data }: { data?: unknown }) => {
    const { type, id, method, ...rest } = data as Received;
    if (type === "response") receive({ id, result: rest.result });
    else if (type === "progress") receive({ method: "progress", params: { ...rest, requestId: id } });
    else if (type === "info") receive({ method: "info", params: rest });
    else if (type === "error" && method === null) leave(new SidecarError("exited", rest.message ?? "", { data: rest.data }));
    else if (type === "error") receive({ id, error: { code: rest.code, message: rest.message, data: rest.data } });
  };
  const onClose = () => leave(new SidecarError("exited", "The port was closed."));
  const leave = (error: SidecarError) => {
    port.removeEventListener("message", onMessage);
    port.removeEventListener("close", onClose);
    end(error);
  };
  port.addEventListener("message", onMessage);
  port.addEventListener("close", onClose);
  const send = (message: object) => {
    const { id, method, params } = message as Sent;
    if (method === "$/cancelRequest") port.postMessage({ type: "abort", options: { requestId: params.id } });
    else port.postMessage({ type: method, id, options: params });
  };
  const stop = async () => {
    port.close(); // then the worker ends its program
    leave(new SidecarError("closed", "The port was closed."));
  };
  return { transport: { send }, ended, stop };
}

/** The message that asks a window's preload script for a port, and the message that brings it: see electron/preload. */
export const CONNECT = "llama-sidecar:connect";
export const PORT = "llama-sidecar:port";

interface WindowLike {
  postMessage(message: unknown, targetOrigin: string): void;
  addEventListener(type: "message", listener: (event: WindowEvent) => void): void;
  removeEventListener(type: "message", listener: (event: WindowEvent) => void): void;
}

interface WindowEvent {
  data: unknown;
  source: unknown;
  ports: readonly MessagePortLike[];
}

/** How long a window waits for its port. A main process that serves the window answers at once. */
const PORT_MS = 10_000;

/**
 * For a page in an Electron window: a client of the worker that `serveWindow` of `electron` has for this
 * window in the main process. Rejects with `startFailed` if no port comes within 10 s.
 */
export async function getLlama(options: StartOptions = {}): Promise<Llama> {
  return llamaOverPort(await portOfWindow(options.signal), options);
}

function portOfWindow(signal: AbortSignal | undefined): Promise<MessagePortLike> {
  const window = globalThis as unknown as WindowLike;
  return new Promise((resolve, reject) => {
    const forget = () => {
      clearTimeout(timer);
      window.removeEventListener("message", onMessage);
      signal?.removeEventListener("abort", onAbort);
    };
    const onMessage = ({ data, source, ports }: WindowEvent) => {
      if (source !== window || data !== PORT || !ports[0]) return;
      forget();
      resolve(ports[0]);
    };
    const onAbort = () => {
      forget();
      reject(new AbortError("The start was aborted.", { cause: signal?.reason }));
    };
    const timer = setTimeout(() => {
      forget();
      reject(new SidecarError("startFailed", NO_PORT));
    }, PORT_MS);
    window.addEventListener("message", onMessage);
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) onAbort();
    else window.postMessage(CONNECT, "*");
  });
}

const NO_PORT =
  `No port came from the main process within ${PORT_MS / 1000} s. Is @llama-sidecar/client/electron/preload the ` +
  "window's preload script (or in it), and was serveWindow called for this window before the page was loaded?";
