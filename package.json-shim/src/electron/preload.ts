// A window's preload script, whole in itself: a sandboxed one cannot load other modules. It only hands a port
// from the main process to the page, in the way that context isolation allows.

import { ipcRenderer } from "electron";

const CONNECT = "llama-sidecar:connect";
const PORT = "llama-sidecar:port";

const page = globalThis as unknown as {
  addEventListener(type: "message", listener: (event: { source: unknown; data: unknown }) => void): void;
  postMessage(message: unknown, targetOrigin: string, transfer: unknown[]): void;
};

page.addEventListener("message", ({ source, data }) => {
  if (source === page && data === CONNECT) ipcRenderer.send(CONNECT);
});

ipcRenderer.on(PORT, ({ ports }) => page.postMessage(PORT, "*", [...ports]));
