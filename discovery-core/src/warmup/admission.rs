//! What a cold callee lets in: concurrency and rate that rise from cold to full, consulted without a lock.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;

use super::sentinel::Answer;
use crate::config::{span, within};
use crate::error::ConfigError;
use crate::time::{Timestamp, nanos};

/// How limits rise with the time since the start.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Curve {
    /// From `cold_percent` of the limit in a straight line (`HAProxy` ramps a server's `maxconn` so).
    Linear {
        /// The part allowed at the start, 1 to 100.
        cold_percent: u8,
    },
    /// Sentinel's: from `1 / factor` of the limit. Sentinel's allowance grows with the requests it lets in;
    /// for a callee that takes all it is allowed this solves to `full / sqrt(f^2 - (f^2 - 1) * age / window)`.
    ColdFactor {
        /// How much less a cold callee can do, 2 to 1000 (Sentinel: 3).
        factor: u32,
    },
}

/// What is admitted when warm, and how it gets there.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AdmissionRules {
    /// Requests under way at once when warm, 1 to 10^9; `None` does not limit them.
    pub concurrency: Option<u32>,
    /// Requests a second when warm, 1 to 10^9; `None` does not limit them.
    pub rate: Option<u32>,
    /// Requests that may come at once without regard to the rate, at least 1.
    pub burst: u32,
    /// How long the ramp takes.
    pub window: Duration,
    /// Its shape.
    pub curve: Curve,
    /// A request beyond the rate waits for at most this long; zero rejects it. Beyond the concurrency it is
    /// rejected always: when a place will be free is not known.
    pub queue: Duration,
}

/// Admission to one callee. Shared by reference between threads: asking is one compare-and-swap for each
/// limit that is set, and never waits.
#[derive(Debug)]
pub struct Admission {
    rules: AdmissionRules,
    window: u64,
    queue: u64,
    /// Nanoseconds between requests when warm.
    interval: u64,
    /// Nanoseconds at which the ramp began.
    start: AtomicU64,
    /// The moment by which all that was let in would have come at the allowed rate (GCRA's theoretical
    /// arrival time).
    due: AtomicU64,
    under_way: AtomicU32,
}

impl Admission {
    /// Cold at `now`.
    ///
    /// # Errors
    /// A limit out of its range.
    pub fn new(rules: AdmissionRules, now: Timestamp) -> Result<Self, ConfigError> {
        const MOST: u64 = 1_000_000_000;
        within(
            "admission.concurrency",
            u64::from(rules.concurrency.unwrap_or(1)),
            1,
            MOST,
        )?;
        within(
            "admission.rate",
            u64::from(rules.rate.unwrap_or(1)),
            1,
            MOST,
        )?;
        within("admission.burst", u64::from(rules.burst), 1, MOST)?;
        span("admission.window", rules.window)?;
        match rules.curve {
            Curve::Linear { cold_percent } => {
                within("admission.cold_percent", u64::from(cold_percent), 1, 100)?;
            }
            Curve::ColdFactor { factor } => {
                within("admission.cold_factor", u64::from(factor), 2, 1000)?;
            }
        }
        Ok(Self {
            window: nanos(rules.window),
            queue: nanos(rules.queue),
            interval: MOST / u64::from(rules.rate.unwrap_or(1)).max(1),
            rules,
            start: AtomicU64::new(now.nanos()),
            due: AtomicU64::new(0),
            under_way: AtomicU32::new(0),
        })
    }

    /// Cold again from `now` on.
    pub fn restart(&self, now: Timestamp) {
        self.start.store(now.nanos(), Ordering::Relaxed);
    }

    /// Warm from now on: for a callee that was warm all along, or one of a service that is cold as a whole
    /// and must serve in full.
    pub fn warm(&self) {
        self.start.store(0, Ordering::Relaxed);
    }

    /// The part of the limits that is open, 0 to 1.
    #[must_use]
    pub fn level(&self, now: Timestamp) -> f64 {
        let start = self.start.load(Ordering::Relaxed);
        let age = now.nanos().saturating_sub(start);
        // A start of 0 is what `warm` writes.
        if age >= self.window || start == 0 {
            return 1.0;
        }
        let way = age as f64 / self.window as f64;
        match self.rules.curve {
            Curve::Linear { cold_percent } => {
                let cold = f64::from(cold_percent) / 100.0;
                cold + (1.0 - cold) * way
            }
            Curve::ColdFactor { factor } => {
                let square = f64::from(factor) * f64::from(factor);
                1.0 / libm::sqrt(square - (square - 1.0) * way)
            }
        }
    }

    /// Asks for one request. [`Answer::Go`] and [`Answer::Wait`] take a place, which [`Admission::done`]
    /// gives back; [`Answer::Reject`] takes nothing.
    #[must_use]
    pub fn ask(&self, now: Timestamp) -> Answer {
        let level = self.level(now);
        if let Some(full) = self.rules.concurrency {
            // At least one, or a callee could never warm up.
            let limit = ((f64::from(full) * level) as u32).max(1);
            let before = self.under_way.fetch_add(1, Ordering::Relaxed);
            if before >= limit {
                self.under_way.fetch_sub(1, Ordering::Relaxed);
                return Answer::Reject;
            }
        }
        if self.rules.rate.is_none() {
            return Answer::Go;
        }
        let answer = self.pace(now.nanos(), level);
        if answer == Answer::Reject && self.rules.concurrency.is_some() {
            self.under_way.fetch_sub(1, Ordering::Relaxed);
        }
        answer
    }

    fn pace(&self, now: u64, level: f64) -> Answer {
        let each = if level < 1.0 {
            (self.interval as f64 / level) as u64
        } else {
            self.interval
        };
        let ahead = each.saturating_mul(u64::from(self.rules.burst - 1));
        let mut due = self.due.load(Ordering::Relaxed);
        loop {
            let wait = due.saturating_sub(now).saturating_sub(ahead);
            if wait > self.queue {
                return Answer::Reject;
            }
            let next = due.max(now).saturating_add(each);
            match self
                .due
                .compare_exchange_weak(due, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) if wait == 0 => return Answer::Go,
                Ok(_) => return Answer::Wait(Duration::from_nanos(wait)),
                Err(moved) => due = moved,
            }
        }
    }

    /// A request that was let in is over.
    pub fn done(&self) {
        if self.rules.concurrency.is_some() {
            // One too many must not wrap to a limit that is never free again.
            let less = |n: u32| Some(n.saturating_sub(1));
            let _ = self
                .under_way
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }

    /// Requests under way.
    #[must_use]
    pub fn under_way(&self) -> u32 {
        self.under_way.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
