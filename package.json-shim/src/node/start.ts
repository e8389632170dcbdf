// getLlama for Node and Electron's main process.

import { Llama, type StartOptions } from "../client/llama.js";
import { Child } from "./child.js";
import { check, findProgram } from "./find.js";

export interface LlamaOptions extends StartOptions {
  /**
   * The program's path, or its command line. Default: $LLAMA_SIDECAR_PATH, else the program in Electron's
   * resources, in this platform's package, or beside the app's own program.
   */
  program?: string | readonly [string, ...string[]] | undefined;
  /** Is given each line of the program's log. */
  onLog?: ((line: string) => void) | undefined;
}

/** Start the program. It ends when this process does, when it is disposed of, or by `shutdown`. */
export async function getLlama(options: LlamaOptions = {}): Promise<Llama> {
  const { program, onLog, ...start } = options;
  const launch = await launcher(program, onLog);
  return Llama.start(launch, { processId: process.pid, ...start });
}

/** How to start the program, which is found, and checked, once. */
export async function launcher(program: LlamaOptions["program"], onLog: LlamaOptions["onLog"]) {
  const found = findProgram(program);
  await check(found);
  return (receive: (message: unknown) => void) => new Child(found.command, { message: receive, log: onLog });
}
