// The entry for OpenAI's client, and all that speaks its protocol: a `fetch` whose server is the program at the other
// end of a pipe. No socket is opened.

import { SidecarError } from "./client/errors.js";
import { LoadedModels, type ModelsOptions } from "./loaded-models.js";
import { chatCompletions, completions } from "./openai/completions.js";
import { responses } from "./openai/responses.js";
import { errorOf, invalid, type Json, json, type Request } from "./openai/shared.js";
import { embeddings, listModels } from "./openai/vectors.js";

export { MOST_MODELS, type ModelsOptions } from "./loaded-models.js";

/** What is used of the arguments of `fetch`. */
interface Init {
  method?: string | undefined;
  body?: unknown;
  signal?: AbortSignal | null | undefined;
}

/** `fetch` for OpenAI's client. */
export interface SidecarFetch {
  (address: string | URL | { url: string }, init?: Init): Promise<Response>;
  /** Unload the models, and end the program if it was started here. */
  dispose(): Promise<void>;
}

const ENDPOINTS: Record<string, (request: Request) => Promise<Response>> = {
  "chat/completions": chatCompletions,
  completions,
  responses,
  embeddings,
};

/**
 * A `fetch` for `new OpenAI({ fetch, baseURL: "http://sidecar/v1", apiKey: "none" })`. `model` in a request is a path, or
 * `hf:owner/repo:quant` or an https URL, which is downloaded when it is first used.
 */
export function sidecarFetch(llama: ModelsOptions["llama"], options: Omit<ModelsOptions, "llama"> = {}): SidecarFetch {
  const models = new LoadedModels({ ...options, llama });
  const answer = async (address: Parameters<SidecarFetch>[0], init: Init = {}) => {
    try {
      return await route(models, pathOf(address), init);
    } catch (error) {
      if (init.signal?.aborted) throw error; // as a fetch does
      const { status, body, retry } = errorOf(error);
      return json(body, status, { "x-should-retry": String(retry) });
    }
  };
  return Object.assign(answer, { dispose: () => models.dispose() });
}

/** The part of the address behind the version. */
function pathOf(address: string | URL | { url: string }): string {
  const { pathname } = new URL(typeof address === "object" && "url" in address ? address.url : String(address));
  return pathname.replace(/^.*?\/v1\//, "").replace(/^\/|\/$/g, "");
}

async function route(models: LoadedModels, path: string, { method = "GET", body: text, signal }: Init): Promise<Response> {
  const [first, ...rest] = path.split("/");
  if (first === "models" && method === "GET") {
    return listModels(models, rest.length > 0 ? decodeURIComponent(rest.join("/")) : undefined);
  }
  const endpoint = ENDPOINTS[path];
  if (!endpoint || method !== "POST") {
    const known = ["models", ...Object.keys(ENDPOINTS)].join(", ");
    throw new SidecarError("methodNotFound", `There is no ${method} ${path}. These are served: ${known}.`);
  }
  const body = bodyOf(text);
  if (typeof body["model"] !== "string") throw invalid("model", "The path or the address of a model is needed.");
  return endpoint({ models, model: body["model"], body, signal: signal ?? undefined });
}

function bodyOf(text: unknown): Json {
  let body: unknown;
  try {
    body = JSON.parse(String(text));
  } catch {
    throw new SidecarError("parseError", "The body of the request is not JSON.");
  }
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Json;
  throw new SidecarError("invalidRequest", "The body of the request is not a JSON object.");
}
