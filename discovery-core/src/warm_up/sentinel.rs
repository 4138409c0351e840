//! Sentinel's warm-up: a bucket of stored tokens that a cold start finds full and traffic empties; the fuller
//! it is above a warning line, the fewer requests a second pass.

use core::fmt;
use core::time::Duration;

use crate::error::ConfigError;
use crate::limits::{span, within};
use crate::time::Timestamp;

/// Sentinel's `WarmUpController`, and with a queue its `WarmUpRateLimiterController`: decision for decision.
/// The caller counts requests by second; a single owner asks.
///
/// ```
/// use core::time::Duration;
/// use discovery_core::Timestamp;
/// use discovery_core::warm_up::{Decision, SentinelWarmUp};
///
/// let mut warm_up = SentinelWarmUp::new(90, Duration::from_secs(10), 3, None)?;
/// let now = Timestamp::from_secs(1);
/// assert_eq!(warm_up.ask(now, 29, 0, 1), Decision::Admit);
/// assert_eq!(warm_up.ask(now, 30, 0, 1), Decision::Reject); // cold: a third of 90
/// # Ok::<(), discovery_core::engine::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SentinelWarmUp {
    /// Requests a second when warm.
    count: f64,
    cold_factor: u32,
    warning: u64,
    most: u64,
    slope: f64,
    stored: u64,
    /// Whole seconds at which tokens were last filled, in milliseconds; `None` before the first request, which
    /// finds the bucket full (Sentinel's counts from the epoch of its wall clock, with the same result).
    filled_ms: Option<u64>,
    queue: Option<Duration>,
    passed_ms: Option<u64>,
}

/// Whether a request is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Decision {
    /// Go ahead.
    Admit,
    /// Go ahead after this long; the place in the queue is taken.
    Wait(Duration),
    /// Too much for now.
    Reject,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admit => f.write_str("admit"),
            Self::Wait(wait) => write!(f, "wait for {wait:?}"),
            Self::Reject => f.write_str("reject"),
        }
    }
}

impl SentinelWarmUp {
    /// `count` requests a second once warm, after `warm_up`; a cold start lets `count / cold_factor` pass
    /// (Sentinel's default is 3). With a `queue`, requests are paced and wait for at most so long.
    ///
    /// # Errors
    /// A count of 0 or above 10^9, a cold factor below 2 or above 1000, a warm-up outside 1 ms to a year.
    pub fn new(
        count: u32,
        warm_up: Duration,
        cold_factor: u32,
        queue: Option<Duration>,
    ) -> Result<Self, ConfigError> {
        within("admission.count", u64::from(count), 1, 1_000_000_000)?;
        within("admission.cold_factor", u64::from(cold_factor), 2, 1000)?;
        span("admission.warm_up", warm_up)?;
        let (n, f, seconds) = (
            f64::from(count),
            f64::from(cold_factor),
            warm_up.as_secs_f64(),
        );
        let warning = (seconds * n) as u64 / u64::from(cold_factor - 1);
        let most = warning + (2.0 * seconds * n / (1.0 + f)) as u64;
        let span = (most - warning).max(1) as f64;
        let slope = (f - 1.0) / n / span;
        Ok(Self {
            count: n,
            cold_factor,
            warning,
            most,
            slope,
            stored: 0,
            filled_ms: None,
            queue,
            passed_ms: None,
        })
    }

    /// Whether `acquire` more may pass, when `passed` have in this second and `passed_before` in the last.
    /// The first request finds the bucket full: cold.
    pub fn ask(
        &mut self,
        now: Timestamp,
        passed: u64,
        passed_before: u64,
        acquire: u32,
    ) -> Decision {
        let now_ms = now.as_nanos() / 1_000_000;
        self.follow(now_ms);
        self.sync(now_ms, passed_before);
        let rate = self.rate();
        match self.queue {
            None if passed as f64 + f64::from(acquire) <= rate => Decision::Admit,
            None => Decision::Reject,
            Some(queue) => self.pace(now_ms, f64::from(acquire) / rate, queue),
        }
    }

    /// Requests a second that may pass now: the warm count below the warning line, less above it.
    #[must_use]
    pub fn rate(&self) -> f64 {
        if self.stored < self.warning {
            return self.count;
        }
        let above = (self.stored - self.warning) as f64;
        (1.0 / (above * self.slope + 1.0 / self.count)).next_up()
    }

    /// A clock that was set back by more than a second goes on from there, with the tokens that are stored.
    fn follow(&mut self, now_ms: u64) {
        let queue_ms = self
            .queue
            .map_or(0, |q| u64::try_from(q.as_millis()).unwrap_or(u64::MAX));
        let follow = |at: u64, latest: u64| match at > latest.saturating_add(1_000) {
            true => now_ms,
            false => at,
        };
        self.filled_ms = self.filled_ms.map(|at| follow(at, now_ms));
        // Who waits in the queue has passed in the future.
        let queued = now_ms.saturating_add(queue_ms);
        self.passed_ms = self.passed_ms.map(|at| follow(at, queued));
    }

    fn sync(&mut self, now_ms: u64, passed_before: u64) {
        let second = now_ms - now_ms % 1000;
        let filled_ms = match self.filled_ms {
            Some(filled) if second <= filled => return,
            Some(filled) => filled,
            None => {
                self.stored = self.most;
                second
            }
        };
        let idle = passed_before < self.count as u64 / u64::from(self.cold_factor);
        // At the line itself nothing is filled up: Sentinel's rule, kept.
        if self.stored < self.warning || (self.stored > self.warning && idle) {
            let fresh = (second - filled_ms) as f64 * self.count / 1000.0;
            self.stored = (self.stored as f64 + fresh) as u64;
        }
        self.stored = self.stored.min(self.most).saturating_sub(passed_before);
        self.filled_ms = Some(second);
    }

    fn pace(&mut self, now_ms: u64, seconds: f64, queue: Duration) -> Decision {
        let cost = libm::round(seconds * 1000.0) as u64;
        let due = self.passed_ms.map_or(0, |at| at.saturating_add(cost));
        if due <= now_ms {
            self.passed_ms = Some(now_ms);
            return Decision::Admit;
        }
        let wait = Duration::from_millis(due - now_ms);
        if wait > queue {
            return Decision::Reject;
        }
        self.passed_ms = Some(due);
        Decision::Wait(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_leapt_and_came_back_rejects_for_a_second_at_most() {
        let (warm_up, day) = (Duration::from_secs(10), 86_400_000);
        for queue in [None, Some(Duration::ZERO), Some(Duration::from_millis(200))] {
            let mut s = SentinelWarmUp::new(100, warm_up, 3, queue).unwrap();
            s.ask(Timestamp::from_millis(1_000), 0, 0, 1);
            s.ask(Timestamp::from_millis(day), 0, 50, 1);
            let now = |ms: u64| Timestamp::from_millis(2_000 + ms);
            let later = (0..40).map(|i| s.ask(now(1_300 + i * 100), 0, 50, 1));
            let rejected = later.filter(|a| *a == Decision::Reject).count();
            // One that looked while the clock was wrong still counts.
            assert!(rejected <= 10, "{rejected} with {queue:?}");
            let before = s.rate();
            for second in 5..20 {
                s.ask(now(second * 1_000), 0, 60, 1);
            }
            assert!(s.rate() > before || before >= 100.0, "it goes on warming");
        }
    }

    #[test]
    fn cold_at_first_by_any_clock() {
        for start in [0, 1_500, 1_600_000_000_000] {
            let warm_up = Duration::from_secs(10);
            let mut s = SentinelWarmUp::new(90, warm_up, 3, None).unwrap();
            let at = |ms: u64| Timestamp::from_millis(start + ms);
            let passes = |s: &mut SentinelWarmUp, ms, before| {
                let passed = |n: &u64| s.ask(at(ms), *n, before, 1) == Decision::Admit;
                (0..200).take_while(passed).count()
            };
            assert_eq!(passes(&mut s, 0, 0), 30, "a third");
            // Taking all that it is allowed it is warm after its time.
            let mut before = 30;
            for second in 1..=10 {
                before = passes(&mut s, second * 1_000, before) as u64;
            }
            assert_eq!(passes(&mut s, 11_000, before), 90);
        }
    }
}
