// GENERATED from schema/ by build/contract/generate.py; do not edit.
//! The methods of the protocol.

use crate::call::Call;
use crate::client::Llama;
use crate::types::*;

/// The version of the protocol that these types describe.
pub const PROTOCOL_VERSION: i64 = 1;

impl Llama {
    /// Introduce the client and set the defaults: backend, devices of other machines, threads, models
    /// directory. Starts an engine and returns what this machine and this build offer.
    pub fn init(&self, params: InitParams) -> Call<InitResult> {
        self.request("init", params)
    }

    /// Answer at once, whatever else is running.
    pub fn ping(&self) -> Call<PingResult> {
        self.request("ping", serde_json::json!({}))
    }

    /// List processes, models, contexts and running requests, with measured memory.
    pub fn status(&self) -> Call<StatusResult> {
        self.request("status", serde_json::json!({}))
    }

    /// Abort a running request. The answer comes after its work has stopped.
    pub fn abort(&self, params: AbortParams) -> Call<AbortResult> {
        self.request("abort", params)
    }

    /// Stop all work, answer all open requests, end all processes and exit with status 0.
    pub fn shutdown(&self) -> Call<ShutdownResult> {
        self.request("shutdown", serde_json::json!({}))
    }

    /// Return the OpenRPC document of this protocol.
    pub fn rpc_discover(&self) -> Call<DiscoverResult> {
        self.request("rpc.discover", serde_json::json!({}))
    }

    /// Download a model into modelsDirectory and verify it. Continues where an earlier attempt stopped.
    pub fn download_model(&self, params: DownloadModelParams) -> Call<DownloadModelResult> {
        self.request("downloadModel", params)
    }

    /// List the models on this disk: in modelsDirectory, in the hub's own cache, and in the given folders.
    pub fn list_models(&self, params: ListModelsParams) -> Call<ListModelsResult> {
        self.request("listModels", params)
    }

    /// Delete a model in modelsDirectory, with all its parts and the projector that no other model needs, or
    /// an unfinished download.
    pub fn delete_model(&self, params: DeleteModelParams) -> Call<DeleteModelResult> {
        self.request("deleteModel", params)
    }

    /// Read the header of a GGUF file without loading the model: from this disk, or from the hub without
    /// downloading it.
    pub fn inspect_model(&self, params: InspectModelParams) -> Call<InspectModelResult> {
        self.request("inspectModel", params)
    }

    /// Estimate how much memory a model needs with a given context, whether it runs on this machine, and the
    /// largest context that fits. Works before and after the download.
    pub fn estimate_model(&self, params: EstimateModelParams) -> Call<EstimateModelResult> {
        self.request("estimateModel", params)
    }

    /// Load a model from a GGUF file into its own engine process.
    pub fn load_model(&self, params: LoadModelParams) -> Call<LoadModelResult> {
        self.request("loadModel", params)
    }

    /// End the model's engine process and return its memory to the operating system, measured.
    pub fn unload_model(&self, params: UnloadModelParams) -> Call<UnloadModelResult> {
        self.request("unloadModel", params)
    }

    /// Create a context: a KV cache for one or more sequences that are computed together.
    pub fn create_context(&self, params: CreateContextParams) -> Call<CreateContextResult> {
        self.request("createContext", params)
    }

    /// Free a context. Requests still running on it are aborted.
    pub fn dispose_context(&self, params: DisposeContextParams) -> Call<DisposeContextResult> {
        self.request("disposeContext", params)
    }

    /// Write the computed state of a conversation to a file.
    pub fn save_state(&self, params: SaveStateParams) -> Call<SaveStateResult> {
        self.request("saveState", params)
    }

    /// Read a file of saveState back, so that the next turn of its conversation evaluates only the new
    /// tokens.
    pub fn restore_state(&self, params: RestoreStateParams) -> Call<RestoreStateResult> {
        self.request("restoreState", params)
    }

    /// Continue a prompt.
    pub fn complete(&self, params: CompleteParams) -> Call<CompleteResult> {
        self.request("complete", params)
    }

    /// Answer a conversation, with the model's own chat template: text, reasoning and tool calls, separated.
    pub fn chat(&self, params: ChatParams) -> Call<ChatResult> {
        self.request("chat", params)
    }

    /// Write the text between a prefix and a suffix, with a model made for it.
    pub fn infill(&self, params: InfillParams) -> Call<InfillResult> {
        self.request("infill", params)
    }

    /// Turn texts into vectors, many in one batch.
    pub fn embed(&self, params: EmbedParams) -> Call<EmbedResult> {
        self.request("embed", params)
    }

    /// Score how well each document answers a query, with a model made for it.
    pub fn rerank(&self, params: RerankParams) -> Call<RerankResult> {
        self.request("rerank", params)
    }

    /// Turn text into token ids.
    pub fn tokenize(&self, params: TokenizeParams) -> Call<TokenizeResult> {
        self.request("tokenize", params)
    }

    /// Turn token ids into text.
    pub fn detokenize(&self, params: DetokenizeParams) -> Call<DetokenizeResult> {
        self.request("detokenize", params)
    }

    /// Render messages with the model's chat template, without generating text.
    pub fn apply_template(&self, params: ApplyTemplateParams) -> Call<ApplyTemplateResult> {
        self.request("applyTemplate", params)
    }

    /// Count the tokens of a conversation, as `chat` would evaluate it.
    pub fn count_tokens(&self, params: CountTokensParams) -> Call<CountTokensResult> {
        self.request("countTokens", params)
    }
}
