// GENERATED from schema/ by build/contract/generate.py; do not edit.
//! The types of the protocol. schema/types.json says what each member means. Members that a request may leave out
//! are `Option`s, and all params have a `Default`: `ChatParams { messages, ..Default::default() }`.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RequestId {
    Text(String),
    Integer(i64),
}

impl Default for RequestId {
    fn default() -> Self {
        Self::Text(Default::default())
    }
}

impl From<String> for RequestId {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<i64> for RequestId {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

pub type ModelId = String;

pub type ContextId = String;

pub type Token = u64;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerInfo {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum InitParamsGpu {
    Text(String),
    Flag(bool),
}

impl Default for InitParamsGpu {
    fn default() -> Self {
        Self::Text(Default::default())
    }
}

impl From<String> for InitParamsGpu {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<bool> for InitParamsGpu {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_info: Option<PeerInfo>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<InitParamsGpu>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_loaded_models: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_directories: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_threads: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models_directory: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpc_servers: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_id: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    pub name: String,
    pub version: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LlamaCppInfo {
    pub version: String,
    pub bindings_version: String,
    pub system_info: String,
    pub cpu_variant: String,
    pub backends: Vec<String>,
    pub supports_mmap: bool,
    pub supports_mlock: bool,
    pub supports_gpu_offload: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceType {
    #[default]
    #[serde(rename = "cpu")]
    Cpu,
    #[serde(rename = "gpu")]
    Gpu,
    #[serde(rename = "integratedGpu")]
    IntegratedGpu,
    #[serde(rename = "accelerator")]
    Accelerator,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    pub name: String,
    pub description: String,
    pub backend: String,
    pub r#type: DeviceType,
    pub memory_total_bytes: u64,
    pub memory_free_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    pub methods: Vec<String>,
    pub notifications: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitResult {
    pub protocol_version: i64,
    pub server_info: ServerInfo,
    pub llama_cpp: LlamaCppInfo,
    pub devices: Vec<Device>,
    pub gpu: String,
    pub threads: u64,
    pub capabilities: Capabilities,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PingParams {}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PingResult {
    pub uptime_ms: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusParams {}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessStatusRole {
    #[default]
    #[serde(rename = "router")]
    Router,
    #[serde(rename = "engine")]
    Engine,
    #[serde(rename = "transfer")]
    Transfer,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessStatus {
    pub role: ProcessStatusRole,
    pub pid: i64,
    pub memory_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<ModelId>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModelStatusState {
    #[default]
    #[serde(rename = "loading")]
    Loading,
    #[serde(rename = "ready")]
    Ready,
    #[serde(rename = "crashed")]
    Crashed,
    #[serde(rename = "unloaded")]
    Unloaded,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelStatus {
    pub model_id: ModelId,
    pub path: String,
    pub state: ModelStatusState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projector_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<f64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheStatus {
    pub memory_conversations: u64,
    pub memory_bytes: u64,
    pub memory_hits: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_conversations: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_hits: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextStatus {
    pub context_id: ContextId,
    pub model_id: ModelId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheStatus>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestStatus {
    pub id: RequestId,
    pub method: String,
    pub age_ms: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusResult {
    pub version: String,
    pub uptime_ms: f64,
    pub memory_bytes: u64,
    pub processes: Vec<ProcessStatus>,
    pub models: Vec<ModelStatus>,
    pub contexts: Vec<ContextStatus>,
    pub requests: Vec<RequestStatus>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbortParams {
    pub request_id: RequestId,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AbortResultOutcome {
    #[default]
    #[serde(rename = "aborted")]
    Aborted,
    #[serde(rename = "finished")]
    Finished,
    #[serde(rename = "notFound")]
    NotFound,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbortResult {
    pub outcome: AbortResultOutcome,
    pub took_ms: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShutdownParams {}

pub type ShutdownResult = ();

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoverParams {}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoverResult {
    pub openrpc: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelRequestParams {
    pub id: RequestId,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExitParams {}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DownloadModelParams {
    pub model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models_directory: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projector: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_partial: Option<bool>,
}

pub type Sha256 = String;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DownloadedFile {
    pub path: String,
    pub size_bytes: u64,
    pub sha256: Sha256,
    pub verified: bool,
    pub resumed_bytes: u64,
    pub from_cache: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelSource {
    pub url: String,
    pub repository: Option<String>,
    pub revision: Option<String>,
    pub file: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DownloadModelResult {
    pub path: String,
    pub files: Vec<DownloadedFile>,
    pub projector_path: Option<String>,
    pub size_bytes: u64,
    pub sha256: Sha256,
    pub source: ModelSource,
    pub quantization: Option<String>,
    pub resumed_bytes: u64,
    pub from_cache: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListModelsParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models_directory: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub_cache: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folders: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListedModelOrigin {
    #[default]
    #[serde(rename = "store")]
    Store,
    #[serde(rename = "hubCache")]
    HubCache,
    #[serde(rename = "folder")]
    Folder,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModalitiesItem {
    #[default]
    #[serde(rename = "text")]
    Text,
    #[serde(rename = "image")]
    Image,
    #[serde(rename = "audio")]
    Audio,
}

pub type Modalities = Vec<ModalitiesItem>;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedModel {
    pub path: String,
    pub files: Vec<String>,
    pub size_bytes: u64,
    pub origin: ListedModelOrigin,
    pub verified: bool,
    pub sha256: Option<Sha256>,
    pub source: Option<ModelSource>,
    pub architecture: Option<String>,
    pub name: Option<String>,
    pub parameters: Option<i64>,
    pub quantization: Option<String>,
    pub context_length_trained: Option<i64>,
    pub chat_template: Option<bool>,
    pub projector_path: Option<String>,
    pub modalities: Modalities,
    pub last_used_at: Option<f64>,
    pub loaded: bool,
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialDownload {
    pub path: String,
    pub source: ModelSource,
    pub downloaded_bytes: u64,
    pub total_bytes: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListModelsResult {
    pub models_directory: String,
    pub models: Vec<ListedModel>,
    pub partials: Vec<PartialDownload>,
    pub truncated: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteModelParams {
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models_directory: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteModelResult {
    pub files: Vec<String>,
    pub freed_bytes: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlacementParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_mode: Option<PlacementParamsSplitMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor_split: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_device: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experts_on_cpu: Option<PlacementParamsExpertsOnCpu>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_margin_bytes: Option<PlacementParamsMemoryMarginBytes>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerRange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvCacheType {
    #[default]
    #[serde(rename = "f32")]
    F32,
    #[serde(rename = "f16")]
    F16,
    #[serde(rename = "bf16")]
    Bf16,
    #[serde(rename = "q8_0")]
    Q80,
    #[serde(rename = "q5_1")]
    Q51,
    #[serde(rename = "q5_0")]
    Q50,
    #[serde(rename = "q4_1")]
    Q41,
    #[serde(rename = "q4_0")]
    Q40,
    #[serde(rename = "iq4_nl")]
    Iq4Nl,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EstimateModelParamsGpuLayers {
    Integer(u64),
    Text(String),
    LayerRange(LayerRange),
}

impl Default for EstimateModelParamsGpuLayers {
    fn default() -> Self {
        Self::Integer(Default::default())
    }
}

impl From<u64> for EstimateModelParamsGpuLayers {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<String> for EstimateModelParamsGpuLayers {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<LayerRange> for EstimateModelParamsGpuLayers {
    fn from(value: LayerRange) -> Self {
        Self::LayerRange(value)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EstimateModelParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequences: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_cache_type: Option<KvCacheType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swa_full: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtp: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projector: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_cache_type: Option<KvCacheType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_layers: Option<EstimateModelParamsGpuLayers>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_mode: Option<PlacementParamsSplitMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor_split: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_device: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experts_on_cpu: Option<PlacementParamsExpertsOnCpu>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_margin_bytes: Option<PlacementParamsMemoryMarginBytes>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceEstimateType {
    #[default]
    #[serde(rename = "cpu")]
    Cpu,
    #[serde(rename = "gpu")]
    Gpu,
    #[serde(rename = "integratedGpu")]
    IntegratedGpu,
    #[serde(rename = "accelerator")]
    Accelerator,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceEstimate {
    pub name: String,
    pub r#type: DeviceEstimateType,
    pub layers: u64,
    pub weights_bytes: u64,
    pub kv_cache_bytes: u64,
    pub compute_bytes: u64,
    pub projector_bytes: u64,
    pub total_bytes: u64,
    pub free_bytes: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EstimateModelResultRuns {
    #[default]
    #[serde(rename = "yes")]
    Yes,
    #[serde(rename = "tight")]
    Tight,
    #[serde(rename = "no")]
    No,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EstimateModelResult {
    pub path: Option<String>,
    pub source: Option<ModelSource>,
    pub context_size: u64,
    pub sequences: u64,
    pub kv_cache_type: KvCacheType,
    pub gpu_layers: u64,
    pub weights_bytes: u64,
    pub kv_cache_bytes: u64,
    pub compute_bytes: u64,
    pub projector_path: Option<String>,
    pub projector_bytes: u64,
    pub total_bytes: u64,
    pub devices: Vec<DeviceEstimate>,
    pub largest_context_size: u64,
    pub runs: EstimateModelResultRuns,
    pub why: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectModelParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectModelResult {
    pub path: Option<String>,
    pub source: Option<ModelSource>,
    pub size_bytes: u64,
    pub read_bytes: u64,
    pub gguf_version: i64,
    pub architecture: String,
    pub name: Option<String>,
    pub parameters: u64,
    pub quantization: String,
    pub tensors: u64,
    pub context_length_trained: Option<i64>,
    pub embedding_size: Option<i64>,
    pub layers: Option<i64>,
    pub vocabulary_size: Option<i64>,
    pub chat_template: bool,
    pub projector_path: Option<String>,
    pub modalities: Modalities,
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LoadModelParamsGpuLayers {
    Integer(u64),
    Text(String),
    LayerRange(LayerRange),
}

impl Default for LoadModelParamsGpuLayers {
    fn default() -> Self {
        Self::Integer(Default::default())
    }
}

impl From<u64> for LoadModelParamsGpuLayers {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<String> for LoadModelParamsGpuLayers {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<LayerRange> for LoadModelParamsGpuLayers {
    fn from(value: LayerRange) -> Self {
        Self::LayerRange(value)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Adapter {
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<f64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadModelParamsImageTokens {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlacementParamsSplitMode {
    #[default]
    #[serde(rename = "none")]
    None,
    #[serde(rename = "layer")]
    Layer,
    #[serde(rename = "row")]
    Row,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PlacementParamsExpertsOnCpu {
    Flag(bool),
    Integer(u64),
}

impl Default for PlacementParamsExpertsOnCpu {
    fn default() -> Self {
        Self::Flag(Default::default())
    }
}

impl From<bool> for PlacementParamsExpertsOnCpu {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<u64> for PlacementParamsExpertsOnCpu {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PlacementParamsMemoryMarginBytes {
    Integer(u64),
    Members(std::collections::BTreeMap<String, u64>),
}

impl Default for PlacementParamsMemoryMarginBytes {
    fn default() -> Self {
        Self::Integer(Default::default())
    }
}

impl From<u64> for PlacementParamsMemoryMarginBytes {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<std::collections::BTreeMap<String, u64>> for PlacementParamsMemoryMarginBytes {
    fn from(value: std::collections::BTreeMap<String, u64>) -> Self {
        Self::Members(value)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadModelParams {
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_layers: Option<LoadModelParamsGpuLayers>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_mmap: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_direct_io: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_mlock: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_tensors: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtp: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapters: Option<Vec<Adapter>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projector_path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projector_device: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tokens: Option<LoadModelParamsImageTokens>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_mode: Option<PlacementParamsSplitMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor_split: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_device: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experts_on_cpu: Option<PlacementParamsExpertsOnCpu>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_margin_bytes: Option<PlacementParamsMemoryMarginBytes>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdapterScalesItem {
    pub id: u64,
    pub scale: f64,
}

pub type AdapterScales = Vec<AdapterScalesItem>;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadModelResult {
    pub model_id: ModelId,
    pub architecture: String,
    pub name: Option<String>,
    pub description: String,
    pub parameters: u64,
    pub size_bytes: u64,
    pub context_length_trained: u64,
    pub vocabulary_size: u64,
    pub embedding_size: u64,
    pub layers: u64,
    pub chat_template: bool,
    pub modalities: Modalities,
    pub projector_path: Option<String>,
    pub load_ms: f64,
    pub memory_bytes: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnloadModelParams {
    pub model_id: ModelId,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnloadModelResult {
    pub memory_before_bytes: u64,
    pub memory_after_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FlashAttention {
    Flag(bool),
    Text(String),
}

impl Default for FlashAttention {
    fn default() -> Self {
        Self::Flag(Default::default())
    }
}

impl From<bool> for FlashAttention {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<String> for FlashAttention {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pooling {
    #[default]
    #[serde(rename = "none")]
    None,
    #[serde(rename = "mean")]
    Mean,
    #[serde(rename = "cls")]
    Cls,
    #[serde(rename = "last")]
    Last,
    #[serde(rename = "rank")]
    Rank,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SizeRange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RopeParamsScaling {
    #[default]
    #[serde(rename = "none")]
    None,
    #[serde(rename = "linear")]
    Linear,
    #[serde(rename = "yarn")]
    Yarn,
    #[serde(rename = "longrope")]
    Longrope,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RopeParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<RopeParamsScaling>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_base: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_scale: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yarn_original_context: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yarn_extrapolation: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yarn_attention: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yarn_beta_fast: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yarn_beta_slow: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CreateContextParamsContextSize {
    Integer(u64),
    Text(String),
    SizeRange(SizeRange),
}

impl Default for CreateContextParamsContextSize {
    fn default() -> Self {
        Self::Integer(Default::default())
    }
}

impl From<u64> for CreateContextParamsContextSize {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<String> for CreateContextParamsContextSize {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<SizeRange> for CreateContextParamsContextSize {
    fn from(value: SizeRange) -> Self {
        Self::SizeRange(value)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateContextParams {
    pub model_id: ModelId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_size: Option<CreateContextParamsContextSize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequences: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flash_attention: Option<FlashAttention>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_cache_type: Option<KvCacheType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_cache_type: Option<KvCacheType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rope: Option<RopeParams>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_directory: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_directory_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draft_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kv_unified: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reproducible: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swa_full: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateContextResult {
    pub context_id: ContextId,
    pub context_size: u64,
    pub sequences: u64,
    pub batch_size: u64,
    pub threads: u64,
    pub kv_cache_type: KvCacheType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_cache_type: Option<KvCacheType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pooling: Option<Pooling>,
    pub memory_bytes: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DisposeContextParams {
    pub context_id: ContextId,
}

pub type DisposeContextResult = ();

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    Text(String),
    List(Vec<Token>),
}

impl Default for Text {
    fn default() -> Self {
        Self::Text(Default::default())
    }
}

impl From<String> for Text {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<Token>> for Text {
    fn from(value: Vec<Token>) -> Self {
        Self::List(value)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageRole {
    #[default]
    #[serde(rename = "system")]
    System,
    #[serde(rename = "developer")]
    Developer,
    #[serde(rename = "user")]
    User,
    #[serde(rename = "assistant")]
    Assistant,
    #[serde(rename = "tool")]
    Tool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentPartType {
    #[default]
    #[serde(rename = "text")]
    Text,
    #[serde(rename = "image")]
    Image,
    #[serde(rename = "image_url")]
    ImageUrl,
    #[serde(rename = "audio")]
    Audio,
    #[serde(rename = "input_audio")]
    InputAudio,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaSource {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentPartImageUrl {
    pub url: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentPartInputAudio {
    pub data: String,
    pub format: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentPart {
    pub r#type: ContentPartType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<MediaSource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<ContentPartImageUrl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_audio: Option<ContentPartInputAudio>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MessageContent {
    Text(String),
    List(Vec<ContentPart>),
}

impl Default for MessageContent {
    fn default() -> Self {
        Self::Text(Default::default())
    }
}

impl From<String> for MessageContent {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<ContentPart>> for MessageContent {
    fn from(value: Vec<ContentPart>) -> Self {
        Self::List(value)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolCallMessageType {
    #[default]
    #[serde(rename = "function")]
    Function,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ToolCallMessageFunctionArguments {
    Text(String),
    Members(serde_json::Map<String, serde_json::Value>),
}

impl Default for ToolCallMessageFunctionArguments {
    fn default() -> Self {
        Self::Text(Default::default())
    }
}

impl From<String> for ToolCallMessageFunctionArguments {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<serde_json::Map<String, serde_json::Value>> for ToolCallMessageFunctionArguments {
    fn from(value: serde_json::Map<String, serde_json::Value>) -> Self {
        Self::Members(value)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCallMessageFunction {
    pub name: String,
    pub arguments: Option<ToolCallMessageFunctionArguments>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCallMessage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub r#type: ToolCallMessageType,
    pub function: ToolCallMessageFunction,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub role: MessageRole,
    pub content: Option<MessageContent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCallMessage>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parse_special: Option<bool>,
}

pub type Messages = Vec<Message>;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaveStateParams {
    pub context_id: ContextId,
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Messages>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SaveStateResult {
    pub path: String,
    pub size_bytes: u64,
    pub tokens: u64,
    pub matched_tokens: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreStateParams {
    pub context_id: ContextId,
    pub path: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RestoreStateResult {
    pub path: String,
    pub size_bytes: u64,
    pub tokens: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stop {
    Text(String),
    List(Vec<String>),
}

impl Default for Stop {
    fn default() -> Self {
        Self::Text(Default::default())
    }
}

impl From<String> for Stop {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<String>> for Stop {
    fn from(value: Vec<String>) -> Self {
        Self::List(value)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SamplerName {
    #[default]
    #[serde(rename = "penalties")]
    Penalties,
    #[serde(rename = "dry")]
    Dry,
    #[serde(rename = "topNSigma")]
    TopNSigma,
    #[serde(rename = "topK")]
    TopK,
    #[serde(rename = "typicalP")]
    TypicalP,
    #[serde(rename = "topP")]
    TopP,
    #[serde(rename = "minP")]
    MinP,
    #[serde(rename = "xtc")]
    Xtc,
    #[serde(rename = "temperature")]
    Temperature,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Bias {
    Number(f64),
    Flag(bool),
}

impl Default for Bias {
    fn default() -> Self {
        Self::Number(Default::default())
    }
}

impl From<f64> for Bias {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<bool> for Bias {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

pub type BiasedToken = serde_json::Value;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LogitBias {
    Members(std::collections::BTreeMap<String, Bias>),
    List(Vec<BiasedToken>),
}

impl Default for LogitBias {
    fn default() -> Self {
        Self::Members(Default::default())
    }
}

impl From<std::collections::BTreeMap<String, Bias>> for LogitBias {
    fn from(value: std::collections::BTreeMap<String, Bias>) -> Self {
        Self::Members(value)
    }
}

impl From<Vec<BiasedToken>> for LogitBias {
    fn from(value: Vec<BiasedToken>) -> Self {
        Self::List(value)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlainFormatType {
    #[default]
    #[serde(rename = "text")]
    Text,
    #[serde(rename = "json_object")]
    JsonObject,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlainFormat {
    pub r#type: PlainFormatType,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum JsonSchemaFormatType {
    #[default]
    #[serde(rename = "json_schema")]
    JsonSchema,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum JsonSchemaFormatJsonSchemaSchema {
    Members(serde_json::Map<String, serde_json::Value>),
    Flag(bool),
}

impl Default for JsonSchemaFormatJsonSchemaSchema {
    fn default() -> Self {
        Self::Members(Default::default())
    }
}

impl From<serde_json::Map<String, serde_json::Value>> for JsonSchemaFormatJsonSchemaSchema {
    fn from(value: serde_json::Map<String, serde_json::Value>) -> Self {
        Self::Members(value)
    }
}

impl From<bool> for JsonSchemaFormatJsonSchemaSchema {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JsonSchemaFormatJsonSchema {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    pub schema: JsonSchemaFormatJsonSchemaSchema,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JsonSchemaFormat {
    pub r#type: JsonSchemaFormatType,
    #[serde(rename = "json_schema")]
    pub json_schema: JsonSchemaFormatJsonSchema,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ResponseFormat {
    PlainFormat(PlainFormat),
    JsonSchemaFormat(JsonSchemaFormat),
}

impl Default for ResponseFormat {
    fn default() -> Self {
        Self::PlainFormat(Default::default())
    }
}

impl From<PlainFormat> for ResponseFormat {
    fn from(value: PlainFormat) -> Self {
        Self::PlainFormat(value)
    }
}

impl From<JsonSchemaFormat> for ResponseFormat {
    fn from(value: JsonSchemaFormat) -> Self {
        Self::JsonSchemaFormat(value)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SamplingParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynatemp_range: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynatemp_exponent: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_n_sigma: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xtc_probability: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xtc_threshold: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_keep: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirostat: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirostat_tau: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirostat_eta: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive_target: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive_decay: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapters: Option<AdapterScales>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_multiplier: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_base: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_allowed_length: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_penalty_last_n: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_sequence_breakers: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samplers: Option<Vec<SamplerName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<LogitBias>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_eos: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar_syntax: Option<SamplingParamsGrammarSyntax>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<SamplingParamsJsonSchema>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structure: Option<SamplingParamsStructure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_properties: Option<SamplingParamsOtherProperties>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_layout: Option<SamplingParamsJsonLayout>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced_tokens: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SchedulingParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<SchedulingParamsPriority>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speculation: Option<SchedulingParamsSpeculation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_overflow: Option<SchedulingParamsContextOverflow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CompleteParamsPrompt {
    Text(String),
    List(Vec<Token>),
}

impl Default for CompleteParamsPrompt {
    fn default() -> Self {
        Self::Text(Default::default())
    }
}

impl From<String> for CompleteParamsPrompt {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<Token>> for CompleteParamsPrompt {
    fn from(value: Vec<Token>) -> Self {
        Self::List(value)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompleteParams {
    pub context_id: ContextId,
    pub prompt: CompleteParamsPrompt,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynatemp_range: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynatemp_exponent: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_n_sigma: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xtc_probability: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xtc_threshold: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_keep: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirostat: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirostat_tau: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirostat_eta: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive_target: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive_decay: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapters: Option<AdapterScales>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_multiplier: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_base: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_allowed_length: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_penalty_last_n: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_sequence_breakers: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samplers: Option<Vec<SamplerName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<LogitBias>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_eos: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar_syntax: Option<SamplingParamsGrammarSyntax>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<SamplingParamsJsonSchema>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structure: Option<SamplingParamsStructure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_properties: Option<SamplingParamsOtherProperties>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_layout: Option<SamplingParamsJsonLayout>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced_tokens: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<SchedulingParamsPriority>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speculation: Option<SchedulingParamsSpeculation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_overflow: Option<SchedulingParamsContextOverflow>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolType {
    #[default]
    #[serde(rename = "function")]
    Function,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolFunction {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    pub r#type: ToolType,
    pub function: ToolFunction,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReasoningOptionsEffort {
    #[default]
    #[serde(rename = "none")]
    None,
    #[serde(rename = "minimal")]
    Minimal,
    #[serde(rename = "low")]
    Low,
    #[serde(rename = "medium")]
    Medium,
    #[serde(rename = "high")]
    High,
    #[serde(rename = "max")]
    Max,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReasoningOptions {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<ReasoningOptionsEffort>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_message: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateParams {
    pub messages: Messages,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_generation_prompt: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_final_message: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<TemplateParamsReasoning>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_variables: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChatParamsToolChoice1 {
    #[default]
    #[serde(rename = "auto")]
    Auto,
    #[serde(rename = "none")]
    None,
    #[serde(rename = "required")]
    Required,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NamedToolType {
    #[default]
    #[serde(rename = "function")]
    Function,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedToolFunction {
    pub name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedTool {
    pub r#type: NamedToolType,
    pub function: NamedToolFunction,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ChatParamsToolChoice {
    ChatParamsToolChoice1(ChatParamsToolChoice1),
    NamedTool(NamedTool),
}

impl Default for ChatParamsToolChoice {
    fn default() -> Self {
        Self::ChatParamsToolChoice1(Default::default())
    }
}

impl From<ChatParamsToolChoice1> for ChatParamsToolChoice {
    fn from(value: ChatParamsToolChoice1) -> Self {
        Self::ChatParamsToolChoice1(value)
    }
}

impl From<NamedTool> for ChatParamsToolChoice {
    fn from(value: NamedTool) -> Self {
        Self::NamedTool(value)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatParams {
    pub context_id: ContextId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ChatParamsToolChoice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynatemp_range: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynatemp_exponent: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_n_sigma: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xtc_probability: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xtc_threshold: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_keep: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirostat: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirostat_tau: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirostat_eta: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive_target: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive_decay: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapters: Option<AdapterScales>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_multiplier: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_base: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_allowed_length: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_penalty_last_n: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_sequence_breakers: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samplers: Option<Vec<SamplerName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<LogitBias>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_eos: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar_syntax: Option<SamplingParamsGrammarSyntax>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<SamplingParamsJsonSchema>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structure: Option<SamplingParamsStructure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_properties: Option<SamplingParamsOtherProperties>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_layout: Option<SamplingParamsJsonLayout>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced_tokens: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<SchedulingParamsPriority>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speculation: Option<SchedulingParamsSpeculation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_overflow: Option<SchedulingParamsContextOverflow>,
    pub messages: Messages,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_generation_prompt: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_final_message: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<TemplateParamsReasoning>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_variables: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolCallType {
    #[default]
    #[serde(rename = "function")]
    Function,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCallFunction {
    pub name: String,
    pub arguments: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCall {
    pub id: String,
    pub r#type: ToolCallType,
    pub function: ToolCallFunction,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FinishReason {
    #[default]
    #[serde(rename = "stop")]
    Stop,
    #[serde(rename = "toolCalls")]
    ToolCalls,
    #[serde(rename = "length")]
    Length,
    #[serde(rename = "contextFull")]
    ContextFull,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UsageCachedFrom {
    #[default]
    #[serde(rename = "sequence")]
    Sequence,
    #[serde(rename = "memory")]
    Memory,
    #[serde(rename = "disk")]
    Disk,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub prompt_tokens: u64,
    pub cached_tokens: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_from: Option<UsageCachedFrom>,
    pub completion_tokens: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guessed_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated_tokens: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timings {
    pub queue_ms: f64,
    pub prompt_ms: f64,
    pub time_to_first_token_ms: Option<f64>,
    pub generate_ms: f64,
    pub tokens_per_second: Option<f64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LikelyToken {
    pub id: Token,
    pub token: String,
    pub bytes: Vec<u64>,
    pub logprob: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChosenToken {
    pub top_logprobs: Vec<LikelyToken>,
    pub id: Token,
    pub token: String,
    pub bytes: Vec<u64>,
    pub logprob: f64,
}

pub type Logprobs = Vec<ChosenToken>;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompleteResult {
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Logprobs>,
    pub finish_reason: FinishReason,
    pub stop_string: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored_keywords: Option<Vec<String>>,
    pub seed: i64,
    pub usage: Usage,
    pub timings: Timings,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AssistantMessageRole {
    #[default]
    #[serde(rename = "assistant")]
    Assistant,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssistantMessage {
    pub role: AssistantMessageRole,
    pub content: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaUseKind {
    #[default]
    #[serde(rename = "image")]
    Image,
    #[serde(rename = "audio")]
    Audio,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaUse {
    pub kind: MediaUseKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    pub tokens: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatResult {
    pub message: AssistantMessage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Logprobs>,
    pub finish_reason: FinishReason,
    pub stop_string: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored_keywords: Option<Vec<String>>,
    pub seed: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Vec<MediaUse>>,
    pub usage: Usage,
    pub timings: Timings,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SamplingParamsGrammarSyntax {
    #[default]
    #[serde(rename = "gbnf")]
    Gbnf,
    #[serde(rename = "lark")]
    Lark,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SamplingParamsJsonSchema {
    Members(serde_json::Map<String, serde_json::Value>),
    Flag(bool),
}

impl Default for SamplingParamsJsonSchema {
    fn default() -> Self {
        Self::Members(Default::default())
    }
}

impl From<serde_json::Map<String, serde_json::Value>> for SamplingParamsJsonSchema {
    fn from(value: serde_json::Map<String, serde_json::Value>) -> Self {
        Self::Members(value)
    }
}

impl From<bool> for SamplingParamsJsonSchema {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SamplingParamsStructure {
    #[default]
    #[serde(rename = "strict")]
    Strict,
    #[serde(rename = "check")]
    Check,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SamplingParamsOtherProperties {
    #[default]
    #[serde(rename = "never")]
    Never,
    #[serde(rename = "allowed")]
    Allowed,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SamplingParamsJsonLayout {
    #[default]
    #[serde(rename = "free")]
    Free,
    #[serde(rename = "line")]
    Line,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SchedulingParamsPriority {
    #[default]
    #[serde(rename = "interactive")]
    Interactive,
    #[serde(rename = "background")]
    Background,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SchedulingParamsSpeculation {
    #[default]
    #[serde(rename = "none")]
    None,
    #[serde(rename = "lookup")]
    Lookup,
    #[serde(rename = "draft")]
    Draft,
    #[serde(rename = "mtp")]
    Mtp,
    #[serde(rename = "auto")]
    Auto,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SchedulingParamsContextOverflow {
    #[default]
    #[serde(rename = "error")]
    Error,
    #[serde(rename = "truncateMiddle")]
    TruncateMiddle,
    #[serde(rename = "shift")]
    Shift,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InfillParams {
    pub context_id: ContextId,
    pub prefix: String,
    pub suffix: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynatemp_range: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynatemp_exponent: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_n_sigma: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xtc_probability: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xtc_threshold: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_keep: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirostat: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirostat_tau: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirostat_eta: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive_target: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive_decay: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapters: Option<AdapterScales>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_multiplier: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_base: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_allowed_length: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_penalty_last_n: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_sequence_breakers: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samplers: Option<Vec<SamplerName>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_bias: Option<LogitBias>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_eos: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar_syntax: Option<SamplingParamsGrammarSyntax>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<SamplingParamsJsonSchema>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub structure: Option<SamplingParamsStructure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_properties: Option<SamplingParamsOtherProperties>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_layout: Option<SamplingParamsJsonLayout>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced_tokens: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<SchedulingParamsPriority>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speculation: Option<SchedulingParamsSpeculation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_overflow: Option<SchedulingParamsContextOverflow>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InfillResult {
    pub text: String,
    pub finish_reason: FinishReason,
    pub stop_string: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored_keywords: Option<Vec<String>>,
    pub seed: i64,
    pub usage: Usage,
    pub timings: Timings,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EmbedParamsInput {
    Text(Text),
    List(Vec<Text>),
}

impl Default for EmbedParamsInput {
    fn default() -> Self {
        Self::Text(Default::default())
    }
}

impl From<Text> for EmbedParamsInput {
    fn from(value: Text) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<Text>> for EmbedParamsInput {
    fn from(value: Vec<Text>) -> Self {
        Self::List(value)
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EmbedParamsEncodingFormat {
    #[default]
    #[serde(rename = "float")]
    Float,
    #[serde(rename = "base64")]
    Base64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextsPriority {
    #[default]
    #[serde(rename = "interactive")]
    Interactive,
    #[serde(rename = "background")]
    Background,
}

pub type TextsTimeout = f64;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmbedParams {
    pub context_id: ContextId,
    pub input: EmbedParamsInput,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding_format: Option<EmbedParamsEncodingFormat>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<TextsPriority>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<TextsTimeout>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Vector {
    List(Vec<f64>),
    Text(String),
}

impl Default for Vector {
    fn default() -> Self {
        Self::List(Default::default())
    }
}

impl From<Vec<f64>> for Vector {
    fn from(value: Vec<f64>) -> Self {
        Self::List(value)
    }
}

impl From<String> for Vector {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EmbedResultEmbeddingsItem {
    Vector(Vector),
    List(Vec<Vector>),
}

impl Default for EmbedResultEmbeddingsItem {
    fn default() -> Self {
        Self::Vector(Default::default())
    }
}

impl From<Vector> for EmbedResultEmbeddingsItem {
    fn from(value: Vector) -> Self {
        Self::Vector(value)
    }
}

impl From<Vec<Vector>> for EmbedResultEmbeddingsItem {
    fn from(value: Vec<Vector>) -> Self {
        Self::List(value)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmbedTimings {
    pub queue_ms: f64,
    pub prompt_ms: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmbedResult {
    pub embeddings: Vec<EmbedResultEmbeddingsItem>,
    pub dimensions: u64,
    pub usage: Usage,
    pub timings: EmbedTimings,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RerankParams {
    pub context_id: ContextId,
    pub query: String,
    pub documents: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_n: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<TextsPriority>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<TextsTimeout>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RankedDocument {
    pub index: u64,
    pub score: f64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RerankResult {
    pub results: Vec<RankedDocument>,
    pub usage: Usage,
    pub timings: EmbedTimings,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenizeParams {
    pub model_id: ModelId,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_special: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parse_special: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenizeResult {
    pub tokens: Vec<Token>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DetokenizeParams {
    pub model_id: ModelId,
    pub tokens: Vec<Token>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DetokenizeResult {
    pub text: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyTemplateParams {
    pub model_id: ModelId,
    pub messages: Messages,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_generation_prompt: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_final_message: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<TemplateParamsReasoning>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_variables: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplyTemplateResult {
    pub prompt: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TemplateParamsReasoning {
    Flag(bool),
    ReasoningOptions(ReasoningOptions),
}

impl Default for TemplateParamsReasoning {
    fn default() -> Self {
        Self::Flag(Default::default())
    }
}

impl From<bool> for TemplateParamsReasoning {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<ReasoningOptions> for TemplateParamsReasoning {
    fn from(value: ReasoningOptions) -> Self {
        Self::ReasoningOptions(value)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CountTokensParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_id: Option<ContextId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<ModelId>,
    pub messages: Messages,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_generation_prompt: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continue_final_message: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<TemplateParamsReasoning>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_variables: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CountTokensResult {
    pub tokens: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_size: Option<u64>,
}

pub type Fraction = Option<f64>;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DownloadProgress {
    pub request_id: RequestId,
    pub progress: Fraction,
    pub downloaded_bytes: u64,
    pub total_bytes: Option<i64>,
    pub bytes_per_second: Option<f64>,
    pub eta_ms: Option<f64>,
    pub file: String,
    pub file_index: u64,
    pub file_count: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyProgress {
    pub request_id: RequestId,
    pub progress: Fraction,
    pub verified_bytes: u64,
    pub total_bytes: Option<i64>,
    pub file: String,
    pub file_index: u64,
    pub file_count: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadProgress {
    pub request_id: RequestId,
    pub progress: Fraction,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueProgress {
    pub request_id: RequestId,
    pub progress: Fraction,
    pub position: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PromptProgress {
    pub request_id: RequestId,
    pub progress: Fraction,
    pub prompt_tokens: u64,
    pub processed_tokens: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum GenerateProgressSegment {
    #[default]
    #[serde(rename = "text")]
    Text,
    #[serde(rename = "reasoning")]
    Reasoning,
    #[serde(rename = "toolCall")]
    ToolCall,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCallProgress {
    pub index: u64,
    pub id: String,
    pub name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerateProgress {
    pub request_id: RequestId,
    pub progress: Fraction,
    pub segment: GenerateProgressSegment,
    pub delta: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call: Option<ToolCallProgress>,
    pub completion_tokens: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Logprobs>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncodeProgress {
    pub request_id: RequestId,
    pub progress: Fraction,
    pub chunks: u64,
    pub encoded_chunks: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmbedProgress {
    pub request_id: RequestId,
    pub progress: Fraction,
    pub texts: u64,
    pub processed_texts: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "progressType")]
pub enum Progress {
    #[serde(rename = "download")]
    Download(DownloadProgress),
    #[serde(rename = "verify")]
    Verify(VerifyProgress),
    #[serde(rename = "load")]
    Load(LoadProgress),
    #[serde(rename = "queue")]
    Queue(QueueProgress),
    #[serde(rename = "prompt")]
    Prompt(PromptProgress),
    #[serde(rename = "generate")]
    Generate(GenerateProgress),
    #[serde(rename = "encode")]
    Encode(EncodeProgress),
    #[serde(rename = "embed")]
    Embed(EmbedProgress),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum InfoLevel {
    #[default]
    #[serde(rename = "debug")]
    Debug,
    #[serde(rename = "info")]
    Info,
    #[serde(rename = "warning")]
    Warning,
    #[serde(rename = "error")]
    Error,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    pub level: InfoLevel,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_id: Option<ModelId>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartialResult {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timings: Option<Timings>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_bytes: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorData {
    pub kind: String,
    pub retryable: bool,
    pub remedy: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<PartialResult>,
}
