//! How often to compare everything, with nothing to prompt it.

use core::time::Duration;

use crate::duration::nanos;
use crate::rng::{self, Xoshiro256PlusPlus};
use crate::time::Timestamp;
use rand::{Rng, RngExt as _};

/// Nodes up to which the interval is not stretched (Consul's `scaleThreshold`).
const THRESHOLD: u32 = 128;

/// How much the spread of full comparisons grows with the cluster: Consul's
/// `ceil(log2(nodes) - log2(128)) + 1` above 128 nodes, 1 up to there.
///
/// ```
/// use discovery_core::registry::scale_factor;
///
/// assert_eq!((scale_factor(128), scale_factor(129), scale_factor(8_192)), (1, 2, 7));
/// ```
#[must_use]
pub fn scale_factor(nodes: u32) -> u32 {
    if nodes <= THRESHOLD {
        return 1;
    }
    // ceil(log2 n) in integers; 128 is a power of two, so its logarithm comes out of the ceiling.
    (u32::BITS - (nodes - 1).leading_zeros()) - THRESHOLD.ilog2() + 1
}

/// When each node compares everything next: after the interval, and a random part of `scale_factor`
/// intervals, so that a large cluster does not descend on its registry at once. Sooner after a failure, and when a
/// registry server was found anew.
///
/// ```
/// use core::time::Duration;
/// use discovery_core::Timestamp;
/// use discovery_core::registry::AntiEntropy;
///
/// let mut anti_entropy = AntiEntropy::new(7);
/// let now = Timestamp::from_secs(1_000);
/// let wait = anti_entropy.next(now, 100).since(now);
/// assert!((Duration::from_secs(60)..Duration::from_secs(120)).contains(&wait));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AntiEntropy<R = Xoshiro256PlusPlus> {
    /// The interval (Consul: 1 min).
    pub interval: Duration,
    /// After a failure (Consul: 15 s).
    pub retry: Duration,
    /// After a registry server was found (Consul: 3 s).
    pub server_up: Duration,
    rng: R,
}

impl AntiEntropy {
    /// With Consul's intervals, spread by the seed's stream `anti-entropy`: give each node a seed of its own.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_rng(rng::stream(seed, "anti-entropy"))
    }
}

impl<R: Rng> AntiEntropy<R> {
    /// With Consul's intervals, spread by the caller's generator.
    #[must_use]
    pub fn with_rng(rng: R) -> Self {
        let seconds = Duration::from_secs;
        Self {
            interval: seconds(60),
            retry: seconds(15),
            server_up: seconds(3),
            rng,
        }
    }

    /// The next full comparison after one that went well.
    pub fn next(&mut self, now: Timestamp, nodes: u32) -> Timestamp {
        let spread = self.spread(self.interval, nodes);
        now.after(self.interval).after(spread)
    }

    /// The next one after one that failed.
    pub fn after_failure(&mut self, now: Timestamp, nodes: u32) -> Timestamp {
        let spread = self.spread(self.retry, nodes);
        now.after(self.retry).after(spread)
    }

    /// The next one when a registry server was found that was not there before.
    pub fn after_server_up(&mut self, now: Timestamp, nodes: u32) -> Timestamp {
        now.after(self.spread(self.server_up, nodes))
    }

    /// A random part of the scaled duration.
    fn spread(&mut self, over: Duration, nodes: u32) -> Duration {
        let most = nanos(over).saturating_mul(u64::from(scale_factor(nodes)));
        Duration::from_nanos(self.rng.random_range(0..most.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_over_the_scaled_interval() {
        let mut ae = AntiEntropy::new(3);
        let now = Timestamp::from_secs(1000);
        let waits: alloc::vec::Vec<u64> = (0..1000)
            .map(|_| ae.next(now, 8192).since(now).as_secs())
            .collect();
        assert!(waits.iter().all(|w| (60..480).contains(w)));
        assert!(waits.iter().any(|w| *w < 80) && waits.iter().any(|w| *w > 460));
        assert!((15..30).contains(&ae.after_failure(now, 1).since(now).as_secs()));
        let found = (0..1000).map(|_| ae.after_server_up(now, 1000).since(now));
        assert!(found.max().is_some_and(|w| (11..12).contains(&w.as_secs())));
        assert_eq!(scale_factor(u32::MAX), 26);
    }
}
