// Bytes as base64, in browsers and in Node.

/** Bytes in pieces that fit the arguments of a call. */
export function base64Of(bytes: Uint8Array): string {
  const PIECE = 8192;
  let text = "";
  for (let i = 0; i < bytes.length; i += PIECE) text += String.fromCharCode(...bytes.subarray(i, i + PIECE));
  return btoa(text);
}
