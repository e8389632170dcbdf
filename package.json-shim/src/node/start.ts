// getLlama for Node and Electron's main process.

import { Llama, type StartOptions } from "../client/llama.js";
import { Child } from "./child.js";
import { check, findProgram } from "./find.js";

export interface LlamaOptions extends StartOptions {
  /**
   * The program's path or its command line. Default: $LLAMA_SIDECAR_PATH, else the program in Electron's resources
   * folder, in this platform's package, or next to the app's own program.
   */
  program?: string | readonly [string, ...string[]] | undefined;
  /** Called with each line of the program's log. */
  onLog?: ((line: string) => void) | undefined;
}

/** Start the program. It ends with this process, or earlier by `dispose` or `shutdown`. */
export async function getLlama(options: LlamaOptions = {}): Promise<Llama> {
  const { program, onLog, ...start } = options;
  const launch = await launcher(program, onLog);
  return Llama.start(launch, { processId: process.pid, ...start });
}

/** Finds and checks the program. Returns the function that starts it. */
export async function launcher(program: LlamaOptions["program"], onLog: LlamaOptions["onLog"]) {
  const found = findProgram(program);
  await check(found);
  return (receive: (message: unknown) => void) => new Child(found.command, { message: receive, log: onLog });
}
