// Why a program of one file could not unpack itself, by what PyInstaller's boot loader says then, in an app's terms.

const REASONS: readonly (readonly [RegExp, string])[] = [
  [/failed to map segment from shared object/, "The temporary folder is mounted noexec: nothing in it may be run."],
  [/Failed to extract/, "The temporary folder is full: the program unpacks 50 MB there."],
  [/could not create temporary directory/i, "The temporary folder may not be written to."],
];

const REMEDY = "Set TMPDIR (on Windows TEMP) to a folder of the app's own, or ship the program as a folder.";

/** What to tell of a program that said this and ended; undefined if it was not that. */
export function unpackingFailure(said: string): { message: string; remedy: string } | undefined {
  const reason = REASONS.find(([words]) => words.test(said))?.[1];
  return reason === undefined ? undefined : { message: `${reason} ${REMEDY}`, remedy: REMEDY };
}
