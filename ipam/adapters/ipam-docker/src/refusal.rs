//! Why an engine's request is not done.

use ipam::store::{StoreError, TransactError};
use serde_json::{Value, json};
use std::fmt;

/// What kind of no it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// The request can't be read, or can't be meant.
    Bad,
    /// The answer is no: in use, full, overlapping.
    Refused,
    /// The store failed; nothing is known to have happened.
    Failed,
}

impl RefusalKind {
    /// The name in metrics: `bad`, `refused`, `failed`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// The HTTP status of the answer. Never 404, which an engine takes for a method that the plugin lacks.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Bad => 400,
            Self::Refused => 409,
            Self::Failed => 500,
        }
    }
}

/// A request that is not done, and why. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its kind.
    pub kind: RefusalKind,
    /// One sentence for people; engines pass it on.
    pub message: String,
}

impl Refusal {
    /// A request that can't be read or meant.
    pub fn bad(message: impl Into<String>) -> Self {
        let (kind, message) = (RefusalKind::Bad, message.into());
        Self { kind, message }
    }

    /// A no.
    pub fn refused(message: impl Into<String>) -> Self {
        let (kind, message) = (RefusalKind::Refused, message.into());
        Self { kind, message }
    }

    /// A failure of the store.
    pub fn failed(message: impl Into<String>) -> Self {
        let (kind, message) = (RefusalKind::Failed, message.into());
        Self { kind, message }
    }

    /// The body of the answer, as engines read it with any status but 200 (moby's `pkg/plugins/client.go`).
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"Err": self.message})
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<TransactError<Self>> for Refusal {
    fn from(error: TransactError<Self>) -> Self {
        match error {
            TransactError::Refused(refusal) => refusal,
            other => Self::failed(other.to_string()),
        }
    }
}
