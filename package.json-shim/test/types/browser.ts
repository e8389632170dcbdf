// Type-checked with the types of the DOM, never run: the client accepts the ports of windows and of Electron, and its
// entries fit the types of the packages that they use.

/// <reference types="dom-chromium-ai" />
import { app, BrowserWindow, MessageChannelMain, type MessagePortMain, type UtilityProcess } from "electron";
import { LanguageModelUtility, localAIHandler } from "electron/utility";
import { createLlamaWorker, disposeBeforeQuit, getLlama, LlamaWorker, serveWindow } from "../../src/electron/main.js";
import { getLlama as getLlamaInWindow, llamaOverPort } from "../../src/port.js";
import { promptApi, promptApiHandler } from "../../src/prompt-api.js";
import { getLlama as getLlamaInTauri } from "../../src/tauri.js";

export async function main(window: BrowserWindow, service: UtilityProcess): Promise<void> {
  disposeBeforeQuit(app, serveWindow(window.webContents), await getLlama({ restart: { attempts: 3 } }));
  const worker: LlamaWorker<MessagePortMain> = createLlamaWorker({ program: "/opt/llama-sidecar" });
  worker.port.on("message", (event) => event.data.type === "progress" && event.data.progressType);
  worker.port.postMessage({ type: "init", options: { debug: true, gpu: "auto", maxThreads: 4 } });
  const other = new LlamaWorker({ channel: new MessageChannelMain() });
  other.port.start();
  service.postMessage({}, [new MessageChannelMain().port1]);
}

export async function page(port: MessagePort): Promise<string> {
  const overPort = await llamaOverPort(port, { restart: true });
  const model = await (await getLlamaInWindow({ gpu: "auto" })).loadModel({ path: "model.gguf" });
  const context = await model.createContext({ contextSize: 2048 });
  let text = "";
  for await (const part of context.chat({ messages: [{ role: "user", content: "Hi" }] })) text += part.delta;
  await overPort.dispose();
  return text;
}

export async function tauri(): Promise<number> {
  const llama = await getLlamaInTauri({ gpu: "auto", onLog: console.error });
  return (await llama.ping()).uptimeMs;
}

export const rejected = new LlamaWorker();
// @ts-expect-error: no such type of message
rejected.port.postMessage({ type: "compleet" });
// @ts-expect-error: no such option
rejected.port.postMessage({ type: "init", options: { threads: 4 } });

/** The Prompt API by the types of the browser, and the class that Electron asks for by Electron's. */
export const polyfill: typeof LanguageModel = promptApi({ llama: () => getLlamaInWindow(), model: "model.gguf" });

export async function asked(): Promise<string> {
  const session = await polyfill.create({
    initialPrompts: [{ role: "system", content: "Be brief." }],
    expectedInputs: [{ type: "text", languages: ["en"] }],
    monitor: (monitor) => monitor.addEventListener("downloadprogress", ({ loaded }) => console.log(loaded)),
  });
  const ours = await promptApi({ llama: () => getLlamaInWindow(), model: "model.gguf" }).create();
  return (await session.prompt("Hi")) + (await ours.prompt("A city?", { responseConstraint: /Oslo|Rome/ }));
}

localAIHandler.setPromptAPIHandler(() => promptApiHandler(LanguageModelUtility, { llama: () => getLlamaInWindow(), model: "model.gguf" }));
