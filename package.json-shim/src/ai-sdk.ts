// The entry for the AI SDK: a provider of models in the program, without a port and without a server.

import type { ProviderV4 } from "@ai-sdk/provider" with { "resolution-mode": "import" };
import { LanguageModel } from "./ai-sdk/language.js";
import { EmbeddingModel, RerankingModel } from "./ai-sdk/vectors.js";
import { LoadedModels, type ModelsOptions } from "./loaded-models.js";

export { MOST_MODELS, type ModelsOptions } from "./loaded-models.js";

/** A model's name is a path, or `hf:owner/repo:quant` or an https URL, which is downloaded when it is first used. */
export interface LlamaSidecarProvider extends ProviderV4 {
  (modelId: string): LanguageModel;
  languageModel(modelId: string): LanguageModel;
  embeddingModel(modelId: string): EmbeddingModel;
  rerankingModel(modelId: string): RerankingModel;
  /** Unload the models, and end the program if the provider has started it. */
  dispose(): Promise<void>;
}

/** A provider for `generateText`, `streamText`, `embedMany`, `rerank` and all else that takes a model. */
export function llamaSidecar(options: ModelsOptions): LlamaSidecarProvider {
  const models = new LoadedModels(options);
  const languageModel = (modelId: string) => new LanguageModel(models, modelId);
  return Object.assign((modelId: string) => languageModel(modelId), {
    specificationVersion: "v4" as const,
    languageModel,
    embeddingModel: (modelId: string) => new EmbeddingModel(models, modelId),
    rerankingModel: (modelId: string) => new RerankingModel(models, modelId),
    imageModel: (modelId: string): never => {
      throw new Error(`${modelId} cannot make images: models of this provider write text, embed and rerank.`);
    },
    dispose: () => models.dispose(),
  });
}
