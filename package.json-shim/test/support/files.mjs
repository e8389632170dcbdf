// Folders for tests, and a server that sends files.

import { createReadStream, mkdtempSync, realpathSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";

const folders = [];
process.once("exit", () => folders.forEach(remove));

const remove = (path) => rmSync(path, { recursive: true, force: true, maxRetries: 5 });

/** A folder that is removed after the test; on Windows when all programs have ended, as they hold their files. */
export function folder(t) {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "llama-sidecar-")));
  if (process.platform === "win32") folders.push(path);
  else t.after(() => remove(path));
  return path;
}

const CHUNK_BYTES = 256 * 1024;

/** Answers a request like a file server, with ranges. Waits `pace.pauseMs` before each chunk. */
export async function sendFile(path, request, response, pace = { pauseMs: 0 }) {
  const { size } = statSync(path);
  const [, from = "0", to = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  const [start, end] = [Number(from), to === "" ? size - 1 : Math.min(Number(to), size - 1)];
  const headers = { "content-length": end - start + 1, "accept-ranges": "bytes", etag: '"1"' };
  if (request.headers.range) headers["content-range"] = `bytes ${start}-${end}/${size}`;
  response.writeHead(request.headers.range ? 206 : 200, headers);
  if (request.method === "HEAD") return response.end();
  const paced = async function* (chunks) {
    for await (const chunk of chunks) {
      if (pace.pauseMs > 0) await pause(pace.pauseMs);
      yield chunk;
    }
  };
  const chunks = createReadStream(path, { start, end, highWaterMark: CHUNK_BYTES });
  await pipeline(chunks, paced, response).catch(() => {}); // the client has gone
}

/** Starts a server that sends one file for every path. Returns its origin. */
export async function serve(t, path, pace) {
  const server = createServer((request, response) => void sendFile(path, request, response, pace));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${server.address().port}`;
}
