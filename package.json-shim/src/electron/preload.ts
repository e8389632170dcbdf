// A window's preload script. It only passes a port from the main process to the page, which works with context
// isolation. It imports no other module, because a preload script in a sandbox cannot load one.

import { ipcRenderer } from "electron";

const CONNECT = "llama-sidecar:connect"; // as in port.ts
const PORT = "llama-sidecar:port";

const page = globalThis as unknown as {
  addEventListener(type: "message", listener: (event: { source: unknown; data: unknown }) => void): void;
  postMessage(message: unknown, targetOrigin: string, transfer: unknown[]): void;
};

page.addEventListener("message", ({ source, data }) => {
  if (source === page && data === CONNECT) ipcRenderer.send(CONNECT);
});

ipcRenderer.on(PORT, ({ ports }) => page.postMessage(PORT, "*", [...ports]));
