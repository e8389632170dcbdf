// The endpoints `embeddings` and `models`.

import type { EmbedParams } from "../generated/contract.js";
import type { LoadedModels } from "../loaded-models.js";
import { invalid, type Json, json, type Request } from "./shared.js";

export async function embeddings({ models, model, body, signal }: Request): Promise<Response> {
  const context = await models.context(model, "vectors", signal);
  const encodingFormat = body["encoding_format"] === "base64" ? "base64" : "float";
  const input = body["input"] as EmbedParams["input"];
  const { embeddings: vectors, dimensions, usage } = await context.embed({ input, encodingFormat, signal });
  const asked = body["dimensions"];
  if (typeof asked === "number" && asked !== dimensions) throw invalid("dimensions", `Vectors of this model have ${dimensions}.`);
  return json({
    object: "list",
    data: vectors.map((embedding, index) => ({ object: "embedding", index, embedding })),
    model,
    usage: { prompt_tokens: usage.promptTokens, total_tokens: usage.promptTokens },
  });
}

/** The models that were used, and those on the disk; or the one with this name. */
export async function listModels(models: LoadedModels, name: string | undefined): Promise<Response> {
  const entry = (id: string, used: number | null = null): Json => ({ id, object: "model", created: Math.floor((used ?? 0) / 1000), owned_by: "local" });
  if (name !== undefined) return json(entry(name));
  const { models: found } = await (await models.llama()).listModels();
  const onDisk = found.filter(({ problem }) => problem === null).map(({ path, lastUsedAt }) => entry(path, lastUsedAt));
  const known = new Set(onDisk.map(({ id }) => id));
  return json({ object: "list", data: [...models.names().filter((id) => !known.has(id)).map((id) => entry(id)), ...onDisk] });
}
