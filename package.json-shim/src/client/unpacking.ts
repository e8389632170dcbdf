// Why a one-file program could not unpack itself, in words for an app. The patterns match what PyInstaller's boot
// loader writes to stderr.

const REASONS: readonly (readonly [RegExp, string])[] = [
  [/failed to map segment from shared object/, "The temporary folder is mounted noexec: nothing in it may be run."],
  [/Failed to extract/, "The temporary folder is full: the program unpacks 50 MB there."],
  [/could not create temporary directory/i, "The temporary folder may not be written to."],
];

const REMEDY = "Set TMPDIR (on Windows TEMP) to a folder of the app's own, or ship the program as a folder.";

/** The reason and the remedy, if a program that wrote this could not unpack itself; else undefined. */
export function unpackingFailure(said: string): { message: string; remedy: string } | undefined {
  const reason = REASONS.find(([words]) => words.test(said))?.[1];
  return reason === undefined ? undefined : { message: `${reason} ${REMEDY}`, remedy: REMEDY };
}
