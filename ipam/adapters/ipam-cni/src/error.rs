//! What a plugin answers when it refuses.

use serde_json::{Value, json};
use std::fmt;

/// The codes of the specification's table ("Error" in section 5 of CNI 1.1.0) that this plugin uses, and 8, which Go's library has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Code {
    /// 1: the configuration's version is not one that the plugin, or the command, knows.
    IncompatibleVersion,
    /// 3: nothing is held for the container.
    UnknownContainer,
    /// 4: an environment variable is missing or wrong; the message names it.
    InvalidEnvironment,
    /// 5: reading or writing failed.
    Io,
    /// 6: the configuration is no JSON, or has values of the wrong type.
    Decode,
    /// 7: the configuration cannot be.
    InvalidConfig,
    /// 8: the namespace is the plugin's own. Not in the table; what Go's library answers.
    InvalidNamespace,
    /// 11: not now; the same call may succeed later.
    TryAgainLater,
    /// 50: ADD cannot be served now (the answer to STATUS).
    NotAvailable,
}

impl Code {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::IncompatibleVersion => 1,
            Self::UnknownContainer => 3,
            Self::InvalidEnvironment => 4,
            Self::Io => 5,
            Self::Decode => 6,
            Self::InvalidConfig => 7,
            Self::InvalidNamespace => 8,
            Self::TryAgainLater => 11,
            Self::NotAvailable => 50,
        }
    }
}

/// A refusal: what goes to standard output, with exit status 1.
///
/// ```
/// use ipam_cni::{Code, Refusal};
///
/// let refusal = Refusal::new(Code::InvalidConfig, "missing network name");
/// assert_eq!(refusal.to_json(Some("1.1.0"))["code"], 7);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its code.
    pub code: Code,
    /// What is wrong: where host-local has a text for it, that text.
    pub message: String,
    /// More: what was given, what would be right. May be empty.
    pub details: String,
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.message, self.code.number())?;
        match self.details.is_empty() {
            true => Ok(()),
            false => write!(f, ": {}", self.details),
        }
    }
}

impl Refusal {
    /// A refusal without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: String::new(),
        }
    }

    /// The same with details.
    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// The error object, in the configuration's version where that is known.
    #[must_use]
    pub fn to_json(&self, version: Option<&str>) -> Value {
        let mut json = json!({ "code": self.code.number(), "msg": self.message });
        if let Some(version) = version {
            json["cniVersion"] = version.into();
        }
        if !self.details.is_empty() {
            json["details"] = self.details.as_str().into();
        }
        json
    }
}
