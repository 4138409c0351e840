//! What a cold callee lets in: concurrency and rate that rise from cold to full, consulted without a lock.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use super::sentinel::Decision;
use crate::builder::builder;
use crate::duration::nanos;
use crate::error::ConfigError;
use crate::hash::high;
use crate::limits::{span, within};
use crate::time::Timestamp;

/// How limits rise with the time since the start.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct AdmissionRules {
    /// Requests under way at once when warm, 1 to 262,143; `None` does not limit them.
    pub concurrency: Option<u32>,
    /// Requests a second when warm, 1 to 10^7; `None` does not limit them.
    pub rate: Option<u32>,
    /// Requests that may come at once without regard to the rate, 1 to 262,143; a cold callee must regain them
    /// within two hours.
    pub burst: u32,
    /// How long the ramp takes; it is followed in 4,096 steps.
    pub window: Duration,
    /// Its shape.
    pub curve: Curve,
    /// A request beyond the rate waits for at most this long (up to an hour); zero rejects it. Beyond the concurrency it is
    /// rejected always: when a place will be free is not known.
    pub queue: Duration,
}

impl AdmissionRules {
    /// A ramp over `window` that limits nothing yet: set a concurrency, a rate or both.
    #[must_use]
    pub const fn new(window: Duration, curve: Curve) -> Self {
        Self {
            concurrency: None,
            rate: None,
            burst: 1,
            window,
            curve,
            queue: Duration::ZERO,
        }
    }
}

builder!(AdmissionRules {
    with_burst: burst: u32,
    with_window: window: Duration,
    with_curve: curve: Curve,
    with_queue: queue: Duration,
} or {
    with_concurrency: concurrency: u32,
    with_rate: rate: u32,
});

/// The low bits of the state: requests under way.
const COUNT: u64 = (1 << 18) - 1;

/// Times are kept in nanoseconds modulo this and one more, 19.5 hours: the state's upper 46 bits.
const WRAP: u64 = (1 << 46) - 1;

/// Whoever asks may be so far behind whoever asked before (two threads' clocks): 1 s. Further back is a clock that
/// was set back.
const SKEW: u64 = 1_000_000_000;

/// The longest that a spent burst may take to come back: 2 hours.
const REFILL: u64 = 7_200_000_000_000;

/// A start that no clock tells: warm.
const WARM: u64 = u64::MAX;

/// Limits are computed anew in so many steps of the ramp.
const STEPS: u64 = 1 << 12;

/// Admission to one callee. Shared by reference between threads: asking is one compare-and-swap, and never
/// waits.
///
/// A request that is late by up to a second (threads read their clocks and then ask in another order) is served as
/// if at the latest time asked for. Further back, the clock was set back: admission begins afresh, as after a pause.
///
/// ```
/// use core::time::Duration;
/// use discovery_core::Timestamp;
/// use discovery_core::warm_up::{Admission, AdmissionRules, Curve, Decision};
///
/// let rules = AdmissionRules::new(Duration::from_secs(60), Curve::Linear { cold_percent: 25 })
///     .with_concurrency(8);
/// let admission = Admission::new(rules, Timestamp::ZERO)?;
/// let admitted = (0..8).filter(|_| admission.ask(Timestamp::ZERO) == Decision::Admit).count();
/// assert_eq!(admitted, 2); // a quarter of 8 while cold
/// admission.done(); // one of them has ended
/// assert_eq!(admission.ask(Timestamp::from_secs(60)), Decision::Admit);
/// # Ok::<(), discovery_core::engine::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Admission {
    rules: AdmissionRules,
    /// 1 / window, per nanosecond.
    pace: f64,
    window: u64,
    /// 2^64 * `STEPS` / window.
    stride: u64,
    /// How long a request may wait.
    queue: u64,
    /// The time between requests when warm (0: no limit).
    interval: f64,
    /// The most requests under way, when warm.
    most: u64,
    /// 1 where requests under way are counted.
    count: u64,
    /// How far beyond now what was let in can ever reach; what seems further is of a time long past (or of a thread
    /// that is behind by up to [`SKEW`]).
    reach: u64,
    /// Nanoseconds at which the ramp began, or [`WARM`].
    start: AtomicU64,
    /// The latest time asked for, in nanoseconds. Written without a lock: of threads that write it at the same
    /// moment one wins, and none of them is further off than their clocks are from each other.
    latest: AtomicU64,
    /// The limits of one step of the ramp: see [`Limits`].
    limits: AtomicU64,
    /// Requests under way in the low bits; above them the moment by which all that was let in would have come
    /// at the allowed rate (GCRA's theoretical arrival time). One word, so that both limits are decided at
    /// once.
    state: AtomicU64,
}

/// What is allowed at one step of the ramp, packed into a word that says which step it is: whoever finds
/// another step's computes its own and leaves it there, so that no order of threads mixes two.
#[derive(Clone, Copy)]
struct Limits(u64);

impl Limits {
    /// Between requests, in 28 bits and a shift of 4: exact to 1 in 10^8.
    fn new(step: u64, most: u64, each: u64) -> Self {
        let shift = u64::from((u64::BITS - each.leading_zeros()).saturating_sub(28));
        let mantissa = each >> shift;
        Self((step + 1) << 50 | most << 32 | shift << 28 | mantissa)
    }

    fn of(self, step: u64) -> bool {
        self.0 >> 50 == step + 1
    }

    fn most(self) -> u64 {
        self.0 >> 32 & COUNT
    }

    /// Nanoseconds between requests.
    fn each(self) -> u64 {
        (self.0 & ((1 << 28) - 1)) << (self.0 >> 28 & 15)
    }
}

impl Admission {
    /// Cold at `now`.
    ///
    /// # Errors
    /// A limit out of its range; a burst that a cold callee would need over two hours to regain.
    pub fn new(rules: AdmissionRules, now: Timestamp) -> Result<Self, ConfigError> {
        let concurrency = u64::from(rules.concurrency.unwrap_or(1));
        within("admission.concurrency", concurrency, 1, COUNT)?;
        let rate = u64::from(rules.rate.unwrap_or(1));
        within("admission.rate", rate, 1, 10_000_000)?;
        let queue_ms = u64::try_from(rules.queue.as_millis()).unwrap_or(u64::MAX);
        within("admission.queue", queue_ms, 0, 3_600_000)?;
        span("admission.window", rules.window)?;
        let cold = match rules.curve {
            Curve::Linear { cold_percent } => {
                within("admission.cold_percent", u64::from(cold_percent), 1, 100)?;
                100.0 / f64::from(cold_percent)
            }
            Curve::ColdFactor { factor } => {
                within("admission.cold_factor", u64::from(factor), 2, 1000)?;
                f64::from(factor)
            }
        };
        let interval = rules.rate.map_or(0.0, |r| 1e9 / f64::from(r));
        let coldest = libm::ceil(interval * cold) as u64;
        let most_burst = REFILL.checked_div(coldest).map_or(COUNT, |n| n.min(COUNT));
        within("admission.burst", u64::from(rules.burst), 1, most_burst)?;
        let (queue, window) = (nanos(rules.queue), nanos(rules.window));
        Ok(Self {
            pace: 1.0 / window as f64,
            window,
            stride: u64::MAX / window * STEPS,
            queue,
            interval,
            most: rules.concurrency.map_or(COUNT, u64::from),
            count: u64::from(rules.concurrency.is_some()),
            reach: queue + coldest * u64::from(rules.burst) + SKEW,
            rules,
            start: AtomicU64::new(now.as_nanos()),
            latest: AtomicU64::new(now.as_nanos()),
            limits: AtomicU64::new(0),
            state: AtomicU64::new((now.as_nanos() & WRAP) << COUNT.count_ones()),
        })
    }

    /// Cold again from `now` on.
    pub fn restart(&self, now: Timestamp) {
        self.start.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Warm from now on: for a callee that was warm all along, or one of a service that is cold as a whole
    /// and must serve in full.
    pub fn warm(&self) {
        self.start.store(WARM, Ordering::Relaxed);
    }

    /// The part of the limits that is open, 0 to 1.
    #[must_use]
    pub fn level(&self, now: Timestamp) -> f64 {
        self.age(now).map_or(1.0, |age| self.level_at(age))
    }

    /// Nanoseconds since the start; `None` when warm.
    fn age(&self, now: Timestamp) -> Option<u64> {
        let start = self.start.load(Ordering::Relaxed);
        let age = now.as_nanos().saturating_sub(start);
        (age < self.window && start != WARM).then_some(age)
    }

    fn level_at(&self, age: u64) -> f64 {
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

    /// The limits at `now`: those of the present step of the ramp, as of when it was first asked for.
    fn limits(&self, now: Timestamp) -> Limits {
        let age = self.age(now);
        let step = age.map_or(STEPS, |age| high(age, self.stride));
        let known = Limits(self.limits.load(Ordering::Relaxed));
        if known.of(step) {
            return known;
        }
        let fresh = self.compute(step, age.map_or(1.0, |age| self.level_at(age)));
        self.limits.store(fresh.0, Ordering::Relaxed);
        fresh
    }

    #[cold]
    fn compute(&self, step: u64, level: f64) -> Limits {
        // At least one, or a callee could never warm up.
        let most = match self.count {
            0 => COUNT,
            _ => ((self.most as f64 * level + 1e-6) as u64).clamp(1, self.most),
        };
        Limits::new(step, most, libm::round(self.interval / level) as u64)
    }

    /// Asks for one request. [`Decision::Admit`] and [`Decision::Wait`] take a place, which [`Admission::done`]
    /// gives back; [`Decision::Reject`] takes nothing.
    #[must_use]
    pub fn ask(&self, now: Timestamp) -> Decision {
        let now = self.caught_up(now);
        let limits = self.limits(now);
        let (most, each) = (limits.most(), limits.each());
        let ahead = each * u64::from(self.rules.burst - 1);
        let now = now.as_nanos() & WRAP;
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let under_way = state & COUNT;
            if self.count > 0 && under_way >= most {
                return Decision::Reject;
            }
            // How far what was let in reaches beyond now. More than could ever have been let in means a
            // moment long past: times wrap.
            let beyond = (state >> COUNT.count_ones()).wrapping_sub(now) & WRAP;
            let beyond = if beyond > self.reach || each == 0 {
                0
            } else {
                beyond
            };
            let wait = beyond.saturating_sub(ahead);
            if wait > self.queue {
                return Decision::Reject;
            }
            let due = now.wrapping_add(beyond).wrapping_add(each) & WRAP;
            let next = due << COUNT.count_ones() | (under_way + self.count);
            match self.state.compare_exchange_weak(
                state,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) if wait == 0 => return Decision::Admit,
                Ok(_) => return Decision::Wait(Duration::from_nanos(wait)),
                Err(moved) => state = moved,
            }
        }
    }

    /// The time as which a request counts: the latest asked for, unless the clock was set back.
    fn caught_up(&self, now: Timestamp) -> Timestamp {
        let (nanos, latest) = (now.as_nanos(), self.latest.load(Ordering::Relaxed));
        if nanos > latest {
            self.latest.store(nanos, Ordering::Relaxed);
        } else if latest - nanos > SKEW {
            self.set_back(now);
        } else {
            return Timestamp::from_nanos(latest);
        }
        now
    }

    /// The clock was set back: nothing is known of the time before it.
    #[cold]
    fn set_back(&self, now: Timestamp) {
        self.latest.store(now.as_nanos(), Ordering::Relaxed);
        let due = (now.as_nanos() & WRAP) << COUNT.count_ones();
        let afresh = |state: u64| Some(due | (state & COUNT));
        let _ = self
            .state
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, afresh);
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
