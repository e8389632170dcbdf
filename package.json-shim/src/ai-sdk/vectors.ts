// Embedding and reranking models for the AI SDK.

import type {
  EmbeddingModelV4,
  EmbeddingModelV4CallOptions,
  EmbeddingModelV4Result,
  RerankingModelV4,
  RerankingModelV4CallOptions,
  RerankingModelV4Result,
  SharedV4Warning,
} from "@ai-sdk/provider" with { "resolution-mode": "import" };
import type { LoadedModels } from "../loaded-models.js";
import { metadata, NAME } from "./params.js";

/** Texts that `embed` takes in one call. */
const MOST_TEXTS = 2048;

export class EmbeddingModel implements EmbeddingModelV4 {
  readonly specificationVersion = "v4";
  readonly provider = NAME;
  readonly maxEmbeddingsPerCall = MOST_TEXTS;
  readonly supportsParallelCalls = true;
  readonly modelId: string;
  readonly #models: LoadedModels;

  constructor(models: LoadedModels, modelId: string) {
    this.#models = models;
    this.modelId = modelId;
  }

  async doEmbed(options: EmbeddingModelV4CallOptions): Promise<EmbeddingModelV4Result> {
    const { values, abortSignal: signal, dimensions, providerOptions } = options;
    const context = await this.#models.context(this.modelId, "vectors", signal);
    const result = await context.embed({ ...providerOptions?.[NAME], input: values, encodingFormat: "float", signal });
    const warnings: SharedV4Warning[] = [];
    if (dimensions !== undefined && dimensions !== result.dimensions) {
      warnings.push({ type: "unsupported", feature: "dimensions", details: `Vectors of this model have ${result.dimensions}.` });
    }
    return {
      embeddings: result.embeddings as number[][],
      usage: { tokens: result.usage.promptTokens },
      providerMetadata: metadata({ timings: result.timings }),
      warnings,
    };
  }
}

export class RerankingModel implements RerankingModelV4 {
  readonly specificationVersion = "v4";
  readonly provider = NAME;
  readonly modelId: string;
  readonly #models: LoadedModels;

  constructor(models: LoadedModels, modelId: string) {
    this.#models = models;
    this.modelId = modelId;
  }

  async doRerank(options: RerankingModelV4CallOptions): Promise<RerankingModelV4Result> {
    const { documents, query, topN, abortSignal: signal, providerOptions } = options;
    const texts = documents.type === "text" ? documents.values : documents.values.map((value) => JSON.stringify(value));
    const context = await this.#models.context(this.modelId, "scores", signal);
    const result = await context.rerank({
      ...providerOptions?.[NAME],
      query,
      documents: texts,
      ...(topN !== undefined && { topN }),
      signal,
    });
    const ranking = result.results.map(({ index, score }) => ({ index, relevanceScore: score }));
    return { ranking, providerMetadata: metadata({ usage: result.usage, timings: result.timings }), warnings: [] };
  }
}
