//! What tc says when it does not take a line.

use crate::text::printable;
use alloc::format;
use alloc::string::String;

/// Why tc does not take a line, in its words where it has some.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", printable(.0))]
pub struct TcError(String);

impl TcError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// `Illegal "name"`.
    pub(super) fn illegal(name: &str) -> Self {
        Self(format!("Illegal \"{name}\""))
    }

    /// `What is "word"?`.
    pub(super) fn unknown(word: &str) -> Self {
        Self(format!("What is \"{word}\"?"))
    }

    /// `argument "word" is wrong: why`.
    pub(super) fn invalid(why: &str, word: &str) -> Self {
        Self(format!("argument \"{word}\" is wrong: {why}"))
    }

    /// `duplicate "name": "word" is the second value.`
    pub(super) fn duplicate(name: &str, word: &str) -> Self {
        Self(format!(
            "Error: duplicate \"{name}\": \"{word}\" is the second value."
        ))
    }

    /// `Cannot find device "dev"`.
    pub(super) fn no_device(dev: &str) -> Self {
        Self(format!("Cannot find device \"{dev}\""))
    }
}
