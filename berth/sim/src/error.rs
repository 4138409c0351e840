//! Why a replay ended without an answer.

use std::fmt::Display;

/// What kind of failure it was; whoever drives the simulation decides what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A trace or a setting is not what it should be.
    Input,
    /// The containers do not fit on the hosts.
    Infeasible,
    /// An invariant broke, or a core refused what it should accept: a defect in Berth.
    Invariant,
    /// A run ended with a panic: a defect in Berth.
    Panic,
    /// Reading or writing failed.
    Io,
}

/// A failure: its kind, a sentence for people, and the file and line, field, or second that it is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Error {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// What was given, and what would be right.
    pub message: String,
    /// File and line, field, or simulated second.
    pub place: String,
}

impl Error {
    fn new(kind: ErrorKind, message: impl Into<String>, place: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            place: place.into(),
        }
    }

    /// A bad trace or setting.
    pub(crate) fn input(message: impl Into<String>, place: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, message, place)
    }

    /// Containers that do not fit.
    pub(crate) fn infeasible(message: impl Into<String>, place: impl Into<String>) -> Self {
        Self::new(ErrorKind::Infeasible, message, place)
    }

    /// An invariant that broke in `core` during a simulated second.
    pub(crate) fn invariant(second: u64, core: &str, problem: &dyn Display) -> Self {
        let message = format!("{core}: {problem}");
        Self::new(ErrorKind::Invariant, message, format!("second {second}"))
    }

    /// A run that panicked.
    pub(crate) fn panicked() -> Self {
        Self::new(ErrorKind::Panic, "a run ended with a panic", "replay")
    }

    /// Reading or writing `place` failed.
    pub(crate) fn io(error: &std::io::Error, place: impl Into<String>) -> Self {
        Self::new(ErrorKind::Io, error.to_string(), place)
    }
}
