//! What a cold callee lets in: concurrency and rate that rise from cold to full, consulted without a lock.

use core::sync::atomic::{AtomicU64, Ordering};
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
    /// Requests under way at once when warm, 1 to 262,143; `None` does not limit them.
    pub concurrency: Option<u32>,
    /// Requests a second when warm, 1 to 10^7; `None` does not limit them.
    pub rate: Option<u32>,
    /// Requests that may come at once without regard to the rate, 1 to 262,143.
    pub burst: u32,
    /// How long the ramp takes.
    pub window: Duration,
    /// Its shape.
    pub curve: Curve,
    /// A request beyond the rate waits for at most this long (up to an hour); zero rejects it. Beyond the concurrency it is
    /// rejected always: when a place will be free is not known.
    pub queue: Duration,
}

/// The low bits of the state: requests under way.
const COUNT: u64 = (1 << 18) - 1;

/// Times are kept in units of 2^2 ns, in the state's upper 46 bits: 78 hours until they wrap.
const UNIT: u32 = 2;

/// Times in units wrap here.
const WRAP: u64 = (1 << 46) - 1;

/// Admission to one callee. Shared by reference between threads: asking is one compare-and-swap, and never
/// waits.
#[derive(Debug)]
pub struct Admission {
    rules: AdmissionRules,
    /// 1 / window, per nanosecond.
    pace: f64,
    window: u64,
    /// In units: how long a request may wait, and the time between requests when warm (0: no limit).
    queue: u64,
    interval: u64,
    /// The most requests under way, when warm.
    most: u64,
    /// 1 where requests under way are counted.
    count: u64,
    /// Nanoseconds at which the ramp began.
    start: AtomicU64,
    /// Requests under way in the low bits; above them the moment, in units, by which all that was let in
    /// would have come at the allowed rate (GCRA's theoretical arrival time). One word, so that both limits
    /// are decided at once.
    state: AtomicU64,
}

impl Admission {
    /// Cold at `now`.
    ///
    /// # Errors
    /// A limit out of its range.
    pub fn new(rules: AdmissionRules, now: Timestamp) -> Result<Self, ConfigError> {
        within(
            "admission.concurrency",
            u64::from(rules.concurrency.unwrap_or(1)),
            1,
            COUNT,
        )?;
        within(
            "admission.rate",
            u64::from(rules.rate.unwrap_or(1)),
            1,
            10_000_000,
        )?;
        within("admission.burst", u64::from(rules.burst), 1, COUNT)?;
        let queue_ms = u64::try_from(rules.queue.as_millis()).unwrap_or(u64::MAX);
        within("admission.queue", queue_ms, 0, 3_600_000)?;
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
            pace: 1.0 / nanos(rules.window) as f64,
            window: nanos(rules.window),
            queue: nanos(rules.queue) >> UNIT,
            interval: rules
                .rate
                .map_or(0, |r| (1_000_000_000 / u64::from(r)) >> UNIT),
            most: rules.concurrency.map_or(COUNT, u64::from),
            count: u64::from(rules.concurrency.is_some()),
            rules,
            start: AtomicU64::new(now.nanos()),
            state: AtomicU64::new(0),
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
        let way = age as f64 * self.pace;
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
        let (mut most, mut each) = (self.most, self.interval);
        if level < 1.0 {
            each = (each as f64 / level) as u64;
            if self.count > 0 {
                // At least one, or a callee could never warm up.
                most = ((most as f64 * level + 1e-6) as u64).max(1);
            }
        }
        let ahead = each * u64::from(self.rules.burst - 1);
        let now = (now.nanos() >> UNIT) & WRAP;
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let under_way = state & COUNT;
            if under_way >= most {
                return Answer::Reject;
            }
            // How far what was let in reaches beyond now. More than could ever have been let in means a
            // moment long past: times wrap.
            let beyond = (state >> COUNT.count_ones()).wrapping_sub(now) & WRAP;
            let beyond = if beyond > WRAP / 2 { 0 } else { beyond };
            let wait = beyond.saturating_sub(ahead);
            if wait > self.queue {
                return Answer::Reject;
            }
            let due = now.wrapping_add(beyond).wrapping_add(each) & WRAP;
            let next = due << COUNT.count_ones() | (under_way + self.count);
            match self.state.compare_exchange_weak(
                state,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) if wait == 0 => return Answer::Go,
                Ok(_) => return Answer::Wait(Duration::from_nanos(wait << UNIT)),
                Err(moved) => state = moved,
            }
        }
    }

    /// A request that was let in is over.
    pub fn done(&self) {
        // One too many changes nothing rather than the neighbouring bits.
        let less = |state: u64| (state & COUNT > 0).then(|| state - 1);
        let _ = self
            .state
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Requests under way; 0 where concurrency is not limited.
    #[must_use]
    pub fn under_way(&self) -> u32 {
        (self.state.load(Ordering::Relaxed) & COUNT) as u32
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
