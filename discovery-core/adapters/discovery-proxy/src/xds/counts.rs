//! What a server counts, and what its clients rejected.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The most characters of a client's complaint that are repeated.
const LONGEST: usize = 300;

/// Counters of an [`XdsServer`](super::XdsServer).
#[derive(Debug, Default)]
pub struct XdsCounts {
    streams: AtomicU64,
    responses: AtomicU64,
    accepted: AtomicU64,
    rejected: AtomicU64,
    rejection: Mutex<Option<String>>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct XdsCounted {
    /// Streams that are open.
    pub streams: u64,
    /// Responses sent.
    pub responses: u64,
    /// Responses acknowledged.
    pub accepted: u64,
    /// Responses rejected: their clients keep what they had.
    pub rejected: u64,
}

impl XdsCounts {
    /// As it is now.
    #[must_use]
    pub fn now(&self) -> XdsCounted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        XdsCounted {
            streams: read(&self.streams),
            responses: read(&self.responses),
            accepted: read(&self.accepted),
            rejected: read(&self.rejected),
        }
    }

    /// The latest rejection since this was asked last, for people: who, of what, why.
    pub fn take_rejection(&self) -> Option<String> {
        self.rejection.lock().ok()?.take()
    }

    pub(super) fn opened(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn responded(&self) {
        self.responses.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn rejected(&self, node: &str, type_url: &str, why: &str) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        let kind = type_url.rsplit('.').next().unwrap_or_default();
        let text: String = why.chars().take(LONGEST).collect();
        let node: String = node.chars().take(LONGEST).collect();
        if let Ok(mut rejection) = self.rejection.lock() {
            *rejection = Some(format!("{node:?} rejected a {kind}: {text:?}"));
        }
    }
}
