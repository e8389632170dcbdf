// The entry for Node and for Electron's main process.

export * from "../index.js";
export {
  type AppPort,
  LlamaWorker,
  type Port,
  type WorkerMessage,
  type WorkerOptions,
  type WorkerRequest,
} from "./worker.js";
export { PATH_VARIABLE } from "./find.js";
export { getLlama, type LlamaOptions } from "./start.js";
