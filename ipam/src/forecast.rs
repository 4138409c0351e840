//! When a pool will be full, from how its use has grown.

use crate::time::Timestamp;
use alloc::collections::VecDeque;
use core::time::Duration;

/// A straight line through the latest samples of a pool's use: least squares over a window of time.
///
/// The caller samples, say once a minute: the line says how many addresses a second are added net, and when
/// the capacity is reached at that rate.
///
/// ```
/// use ipam::{Timestamp, pool::Forecast};
/// use std::time::Duration;
///
/// let mut forecast = Forecast::new(Duration::from_secs(3600));
/// for minute in 0..10 {
///     forecast.sample(Timestamp::from_secs(minute * 60), 100 + minute * 6); // six more a minute
/// }
/// assert!((forecast.rate().unwrap() - 0.1).abs() < 1e-9);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    window: Duration,
    samples: VecDeque<(Timestamp, u64)>,
}

/// Most samples kept; older ones go first.
const MOST_SAMPLES: usize = 4096;

impl Forecast {
    /// Looks back over `window`.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self {
            window,
            samples: VecDeque::new(),
        }
    }

    /// Notes the addresses in use at a time. A time that is not after the last sample's replaces that.
    pub fn sample(&mut self, now: Timestamp, used: u64) {
        if self.samples.back().is_some_and(|&(at, _)| at >= now) {
            self.samples.pop_back();
        }
        self.samples.push_back((now, used));
        while self.samples.len() > MOST_SAMPLES
            || self
                .samples
                .front()
                .is_some_and(|&(at, _)| at.after(self.window) < now)
        {
            self.samples.pop_front();
        }
    }

    /// Net addresses a second; `None` with fewer than two samples.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        let &(origin, _) = self.samples.front()?;
        let n = self.samples.len() as f64;
        let points = || {
            self.samples
                .iter()
                .map(|&(at, y)| (at.since(origin).as_secs_f64(), y as f64))
        };
        let (sx, sy) = points().fold((0.0, 0.0), |(sx, sy), (x, y)| (sx + x, sy + y));
        let (mx, my) = (sx / n, sy / n);
        let (num, den) = points().fold((0.0, 0.0), |(num, den), (x, y)| {
            (num + (x - mx) * (y - my), den + (x - mx) * (x - mx))
        });
        (den > 0.0).then(|| num / den)
    }

    /// When `capacity` is reached at the present rate; `None` while use does not grow.
    #[must_use]
    pub fn exhausted_at(&self, capacity: u64) -> Option<Timestamp> {
        let &(now, used) = self.samples.back()?;
        let rate = self.rate().filter(|&r| r > 0.0)?;
        let seconds = capacity.saturating_sub(used) as f64 / rate;
        // Over 292 years is no forecast.
        (seconds < 9.2e9).then(|| now.after(Duration::from_secs_f64(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_growth_reaches_the_capacity_when_it_should() {
        let mut forecast = Forecast::new(Duration::from_secs(600));
        assert_eq!(forecast.exhausted_at(100), None);
        for minute in 0..10 {
            forecast.sample(Timestamp::from_secs(60 * minute), 6 * minute);
        }
        assert!((forecast.rate().unwrap() - 0.1).abs() < 1e-9);
        // 54 in use at 540 s; 46 more at 0.1 a second take 460 s.
        assert_eq!(
            forecast
                .exhausted_at(100)
                .map(|t| t.as_nanos() / 1_000_000_000),
            Some(1000)
        );
    }

    #[test]
    fn a_pool_that_does_not_fill_has_no_end() {
        let mut forecast = Forecast::new(Duration::from_secs(60));
        for second in 0..30 {
            forecast.sample(Timestamp::from_secs(second), 40 - second);
        }
        assert_eq!(forecast.exhausted_at(100), None);
        // What is older than the window does not count.
        for second in 100..110 {
            forecast.sample(Timestamp::from_secs(second), second);
        }
        assert!((forecast.rate().unwrap() - 1.0).abs() < 1e-9);
    }
}
