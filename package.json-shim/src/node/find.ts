// Where the program is. It is looked for in a few fixed places, and the error names each of them.

import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { SidecarError } from "../client/errors.js";

/** The environment variable that names the program. */
export const PATH_VARIABLE = "LLAMA_SIDECAR_PATH";

const NAME = "llama-sidecar";
const PROGRAM = process.platform === "win32" ? `${NAME}.exe` : NAME;
const PLATFORM = `${process.platform}-${process.arch}`;

/** What build/ship/npm.py writes into package.json: platform → its package, and the program's sha256. */
interface Platforms {
  [platform: string]: { package: string; sha256: string };
}

/** A program, and what it must hash to if this package knows. */
export interface Found {
  command: readonly [string, ...string[]];
  sha256?: string;
}

/**
 * The program to start: `program`, else $LLAMA_SIDECAR_PATH, else the one in Electron's resources, in this
 * platform's package, or beside the app's own program.
 */
export function findProgram(program?: string | readonly [string, ...string[]]): Found {
  if (Array.isArray(program)) return { command: program as [string, ...string[]] };
  if (program !== undefined) return named(program as string, "The option `program`");
  const variable = process.env[PATH_VARIABLE];
  if (variable) return named(variable, `The environment variable ${PATH_VARIABLE}`);

  const looked: string[] = [];
  const resources = (process as { resourcesPath?: string }).resourcesPath;
  if (resources) {
    const found = lookIn(resources, looked);
    if (found) return { command: [found] };
  }
  const packaged = fromPackage(looked);
  if (packaged) return packaged;
  const beside = lookIn(dirname(process.execPath), looked);
  if (beside) return { command: [beside] };
  throw notFound(`There is no program for ${PLATFORM}. Looked at:\n${looked.map((place) => `  ${place}`).join("\n")}\n${advice()}`);
}

/** Throws `programChanged` if the program is not the one that this package was published with. */
export async function check({ command, sha256 }: Found): Promise<void> {
  if (sha256 === undefined) return;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(command[0])) hash.update(chunk as Uint8Array);
  const actual = hash.digest("hex");
  if (actual === sha256) return;
  const message = `${command[0]} is not the program of this release: its sha256 is ${actual}, not ${sha256}. Install the packages again.`;
  throw new SidecarError("programChanged", message);
}

function named(path: string, source: string): Found {
  const absolute = isAbsolute(path) ? path : resolve(path);
  if (isFile(absolute)) return { command: [absolute] };
  const folder = existsSync(absolute) ? "a folder" : "not there";
  throw notFound(`${source} names ${absolute}, which is ${folder}.`);
}

/** In a folder, as a file or in a folder of its own name. */
function lookIn(folder: string, looked: string[]): string | undefined {
  for (const path of [join(folder, PROGRAM), join(folder, NAME, PROGRAM)]) {
    looked.push(path);
    if (isFile(path)) return path;
  }
  return undefined;
}

function fromPackage(looked: string[]): Found | undefined {
  const platform = platforms()[PLATFORM];
  const name = platform?.package ?? `@${NAME}/${PLATFORM}`;
  try {
    const manifest = createRequire(__filename).resolve(`${name}/package.json`);
    // An archive cannot be executed from: electron-builder keeps the file beside it.
    const folder = dirname(manifest).replace(/([\\/])app\.asar(?=[\\/])/, "$1app.asar.unpacked");
    const found = lookIn(folder, looked);
    return found === undefined ? undefined : { command: [found], ...(platform && { sha256: platform.sha256 }) };
  } catch {
    looked.push(`the package ${name} (not installed)`);
    return undefined;
  }
}

function platforms(): Platforms {
  try {
    const manifest = join(__dirname, "..", "..", "..", "package.json");
    return (JSON.parse(readFileSync(manifest, "utf8")) as { platforms?: Platforms }).platforms ?? {};
  } catch {
    return {}; // bundled into an app: there is no such file any more
  }
}

function advice(): string {
  const known = Object.keys(platforms());
  if (known.length > 0 && !known.includes(PLATFORM)) {
    return `This release has programs for ${known.join(", ")} only.`;
  }
  return (
    "If the package is missing, dependencies were installed with --omit=optional (--no-optional), or on " +
    "another platform and copied here: install them here. In a packaged app, ship the program in " +
    `extraResources or unpack its package from the asar archive. Or set ${PATH_VARIABLE}.`
  );
}

function notFound(message: string): SidecarError {
  return new SidecarError("programNotFound", message);
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
