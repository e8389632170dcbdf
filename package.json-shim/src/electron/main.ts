// The entry for Electron's main process.

import { type App, type MessagePortMain, MessageChannelMain, type WebContents } from "electron";
import { LlamaWorker, type WorkerOptions } from "../node/worker.js";
import { CONNECT, PORT } from "../port.js";

export * from "../node/index.js";

/** A worker whose port can be sent to a window: `webContents.postMessage(channel, null, [worker.port])`. */
export function createLlamaWorker(
  options: Omit<WorkerOptions<MessagePortMain>, "channel"> = {},
): LlamaWorker<MessagePortMain> {
  return new LlamaWorker<MessagePortMain>({ ...options, channel: new MessageChannelMain() });
}

/**
 * Serve a window whose preload script is `electron/preload` of this package. Each page that it loads gets its own
 * worker, which ends when another page asks for one or the window is closed. Call this before the page is loaded.
 */
export function serveWindow(
  webContents: WebContents,
  options: Omit<WorkerOptions<MessagePortMain>, "channel"> = {},
): { dispose(): Promise<void> } {
  let worker: LlamaWorker<MessagePortMain> | undefined;
  webContents.ipc.on(CONNECT, ({ senderFrame }) => {
    if (senderFrame !== webContents.mainFrame) return; // not for frames inside the page
    void worker?.terminate();
    worker = createLlamaWorker(options);
    webContents.postMessage(PORT, null, [worker.port as unknown as MessagePortMain]);
  });
  const dispose = async () => worker?.terminate();
  webContents.once("destroyed", dispose);
  return { dispose };
}

/**
 * Let the app quit only when these have ended. Windows cannot replace a running program, and an installer may start
 * when the app quits.
 */
export function disposeBeforeQuit(app: App, ...disposables: { dispose(): Promise<void> }[]): void {
  app.once("before-quit", (event) => {
    event.preventDefault();
    void Promise.allSettled(disposables.map((disposable) => disposable.dispose())).then(() => app.quit());
  });
}
