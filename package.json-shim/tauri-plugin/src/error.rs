//! Why a call failed.

use crate::types::ErrorData;
use serde::Serialize;
use std::fmt;

/// An error response of the program, or `startFailed`, `exited` (it died), `closed` (it was told to end).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Error {
    /// A stable name for code to check.
    pub kind: String,
    /// What happened, and what to do.
    pub message: String,
    /// What the program says about it.
    pub data: Option<ErrorData>,
}

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(kind: &str, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), data: None }
    }

    /// Whether the same call can succeed if it is made again.
    pub fn retryable(&self) -> bool {
        self.data.as_ref().map_or(matches!(self.kind.as_str(), "exited" | "overloaded" | "aborted"), |data| data.retryable)
    }

    /// The error object of a response.
    pub(crate) fn of_response(error: &serde_json::Value) -> Self {
        let data = error.get("data").cloned().unwrap_or_default();
        Self {
            kind: data["kind"].as_str().unwrap_or("internalError").into(),
            message: error["message"].as_str().unwrap_or_default().into(),
            data: serde_json::from_value(data).ok(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
