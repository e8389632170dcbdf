// Finds the program. There are a few fixed places, and the error names each of them.

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

/** The member `platforms` of the published package.json: platform → its package, and the sha256 of its program. */
interface Platforms {
  [platform: string]: { package: string; sha256: string };
}

/** A program, and its sha256 if this package knows it. */
export interface Found {
  command: readonly [string, ...string[]];
  sha256?: string;
}

/**
 * The program to start: `program`, else $LLAMA_SIDECAR_PATH, else the program in Electron's resources folder, in this
 * platform's package, or next to the app's own program. Throws `programNotFound`.
 */
export function findProgram(program?: string | readonly [string, ...string[]]): Found {
  if (Array.isArray(program)) return { command: program as [string, ...string[]] };
  if (program !== undefined) return named(program as string, "The option `program`");
  const variable = process.env[PATH_VARIABLE];
  if (variable) return named(variable, `The environment variable ${PATH_VARIABLE}`);

  const searched: string[] = [];
  const resources = (process as { resourcesPath?: string }).resourcesPath;
  if (resources) {
    const found = lookIn(resources, searched);
    if (found) return { command: [found] };
  }
  const packaged = fromPackage(searched);
  if (packaged) return packaged;
  const nextToApp = lookIn(dirname(process.execPath), searched);
  if (nextToApp) return { command: [nextToApp] };
  const places = searched.map((place) => `  ${place}`).join("\n");
  throw notFound(`No program was found for ${PLATFORM}. Searched:\n${places}\n${advice()}`);
}

/** Throws `programChanged` if the program is not the one that was published with this package. */
export async function check({ command, sha256 }: Found): Promise<void> {
  if (sha256 === undefined) return;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(command[0])) hash.update(chunk as Uint8Array);
  const actual = hash.digest("hex");
  if (actual === sha256) return;
  const message = `${command[0]} is not the program of this release: its sha256 is ${actual} instead of ${sha256}. Install the packages again.`;
  throw new SidecarError("programChanged", message);
}

function named(path: string, source: string): Found {
  const absolute = isAbsolute(path) ? path : resolve(path);
  if (isFile(absolute)) return { command: [absolute] };
  const folder = existsSync(absolute) ? "a folder" : "not there";
  throw notFound(`${source} names ${absolute}, which is ${folder}.`);
}

/** The program in a folder: a file, or a file in a folder of the same name. Adds the places to `searched`. */
function lookIn(folder: string, searched: string[]): string | undefined {
  for (const path of [join(folder, PROGRAM), join(folder, NAME, PROGRAM)]) {
    searched.push(path);
    if (isFile(path)) return path;
  }
  return undefined;
}

function fromPackage(searched: string[]): Found | undefined {
  const platform = platforms()[PLATFORM];
  const name = platform?.package ?? `@${NAME}/${PLATFORM}`;
  try {
    const manifest = createRequire(__filename).resolve(`${name}/package.json`);
    // No program can run from within an archive: electron-builder keeps the file next to it.
    const folder = dirname(manifest).replace(/([\\/])app\.asar(?=[\\/])/, "$1app.asar.unpacked");
    const found = lookIn(folder, searched);
    return found === undefined ? undefined : { command: [found], ...(platform && { sha256: platform.sha256 }) };
  } catch {
    searched.push(`the package ${name} (not installed)`);
    return undefined;
  }
}

function platforms(): Platforms {
  try {
    const manifest = join(__dirname, "..", "..", "..", "package.json");
    return (JSON.parse(readFileSync(manifest, "utf8")) as { platforms?: Platforms }).platforms ?? {};
  } catch {
    return {}; // this module was bundled into an app, without its package.json
  }
}

function advice(): string {
  const known = Object.keys(platforms());
  if (known.length > 0 && !known.includes(PLATFORM)) {
    return `This release only has programs for ${known.join(", ")}.`;
  }
  return (
    "If the package is missing, the dependencies were installed with --omit=optional (--no-optional), or on " +
    "another platform: install them here again. In a packaged app, ship the program in extraResources, or " +
    `unpack its package from the asar archive. Or set ${PATH_VARIABLE}.`
  );
}

function notFound(message: string): SidecarError {
  return new SidecarError("programNotFound", message);
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
