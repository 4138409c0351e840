//! An operator's commands, from a local socket to the driver: a line of JSON asks, a line answers.

mod client;
mod operator;
mod server;
mod show;

pub(super) use client::{confirm, drain, show};
pub(super) use operator::{Operator, Reply};
pub(super) use server::Control;
pub(super) use show::show as document;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// The longest line that is read, in bytes.
const LONGEST: u64 = 64 << 10;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Request {
    Drain {
        target: Target,
        on: bool,
        over: Duration,
    },
    Confirm {
        service: String,
    },
    Show {},
}

/// Who is drained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Target {
    Endpoint(String),
    Node(String),
    Region(String),
}

impl Target {
    fn kind(&self) -> &'static str {
        match self {
            Self::Endpoint(_) => "endpoint",
            Self::Node(_) => "node",
            Self::Region(_) => "region",
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Endpoint(name) | Self::Node(name) | Self::Region(name) => name,
        }
    }
}

/// What is answered: a document, or why not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Response {
    Done(Value),
    /// A stable word, and a sentence.
    No(String, String),
}
