//! Overload with hysteresis: entered when the mean over a window is above a threshold and a window's worth of the
//! last two windows' samples were, so that no spike shorter than the window enters; left below a lower threshold.

use crate::{NodeId, Timestamp};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use thiserror::Error;

/// One measurement, in a unit that the caller chooses (millicores, say); [`UNKNOWN`] where there is none.
pub type Sample = u32;

/// A missing sample: unknown, not zero. Samples from 2^31 on count as unknown too.
pub const UNKNOWN: Sample = Sample::MAX;

/// The first value that is no measurement: below it a sample fits the signed lanes that averages use.
pub(super) const FIRST_UNKNOWN: Sample = 1 << 31;

/// How overload is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectorConfig {
    /// Time between two samples.
    pub interval: Duration,
    /// Samples in the window; a spike of fewer samples triggers nothing.
    pub window: usize,
    /// Left when the mean is below so many thousandths of the threshold.
    pub leave_permille: u32,
    /// Least known samples in the window; with fewer the state stays as it is.
    pub least_known: usize,
}

impl Default for DetectorConfig {
    /// 1 s, a window of 10 samples of which 5 are known, left below 95 % of the threshold.
    fn default() -> Self {
        let interval = Duration::from_secs(1);
        Self {
            interval,
            window: 10,
            leave_permille: 950,
            least_known: 5,
        }
    }
}

/// Samples that were refused; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SampleError {
    /// Not one sample for each node or task.
    #[error("{given} samples, want one for each of the {want} {what}")]
    Length {
        /// `nodes` or `tasks`.
        what: &'static str,
        /// Samples given.
        given: usize,
        /// Samples wanted.
        want: usize,
    },
    /// Not later than the samples before.
    #[error("samples of {given:?} came after samples of {last:?}")]
    Backwards {
        /// Their time.
        given: Timestamp,
        /// The time of those before.
        last: Timestamp,
    },
}

/// What happened to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum EventKind {
    /// The node has become overloaded.
    Entered,
    /// The node is no longer overloaded.
    Left,
}

/// A change of a node's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Which node.
    pub node: NodeId,
    /// What happened.
    pub kind: EventKind,
    /// The mean over the window that told it.
    pub mean: Sample,
    /// The threshold that it was held against.
    pub threshold: Sample,
}

/// A ring window per node and the state that follows from it.
#[derive(Clone, Debug)]
pub struct Detector {
    config: DetectorConfig,
    threshold: Vec<Sample>,
    /// `window` rows of one sample a node.
    ring: Vec<Sample>,
    next: usize,
    sum: Vec<u64>,
    known: Vec<u32>,
    /// Whether the samples of the last two windows were above the threshold: `2 * window` rows.
    above_ring: Vec<bool>,
    above_next: usize,
    /// How many of them were, per node.
    above: Vec<u32>,
    hot: Vec<bool>,
    last: Option<Timestamp>,
}

impl Detector {
    /// A detector for one node for each threshold. A window or interval of nothing counts as one.
    #[must_use]
    pub fn new(config: DetectorConfig, thresholds: Vec<Sample>) -> Self {
        let nodes = thresholds.len();
        let window = config.window.max(1);
        let interval = config.interval.max(Duration::from_nanos(1));
        let least_known = config.least_known.clamp(1, window);
        Self {
            config: DetectorConfig {
                window,
                interval,
                least_known,
                ..config
            },
            threshold: thresholds,
            ring: vec![UNKNOWN; window * nodes],
            next: 0,
            sum: vec![0; nodes],
            known: vec![0; nodes],
            above_ring: vec![false; 2 * window * nodes],
            above_next: 0,
            above: vec![0; nodes],
            hot: vec![false; nodes],
            last: None,
        }
    }

    /// Takes one sample for each node, and pushes what changed. Intervals without samples in between count
    /// as unknown. O(nodes), plus O(nodes x window) at most for a gap.
    ///
    /// # Errors
    /// Not one sample for each node; time that has not advanced.
    pub fn push(
        &mut self,
        now: Timestamp,
        samples: &[Sample],
        events: &mut Vec<Event>,
    ) -> Result<(), SampleError> {
        let (given, want) = (samples.len(), self.threshold.len());
        if given != want {
            return Err(SampleError::Length {
                what: "nodes",
                given,
                want,
            });
        }
        if let Some(last) = self.last {
            if now <= last {
                return Err(SampleError::Backwards { given: now, last });
            }
            let interval = self.config.interval.as_nanos();
            let half = interval / 2;
            let slots = (now.since(last).as_nanos() + half) / interval;
            let missed = slots.saturating_sub(1).min(2 * self.config.window as u128);
            for _ in 0..missed {
                self.advance(|_| UNKNOWN);
            }
        }
        self.last = Some(now);
        self.advance(|node| samples.get(node).copied().unwrap_or(UNKNOWN));
        for node in 0..want {
            events.extend(self.judge(now, node));
        }
        Ok(())
    }

    fn advance(&mut self, sample: impl Fn(usize) -> Sample) {
        let nodes = self.threshold.len();
        let row = self
            .above_ring
            .iter_mut()
            .skip(self.above_next * nodes)
            .take(nodes);
        let each = row.zip(&mut self.above).zip(&self.threshold);
        for (node, ((old, above), threshold)) in each.enumerate() {
            let new = sample(node);
            let is = new < FIRST_UNKNOWN && new > *threshold;
            *above = *above - u32::from(*old) + u32::from(is);
            *old = is;
        }
        self.above_next = (self.above_next + 1) % (2 * self.config.window);
        let row = self.ring.iter_mut().skip(self.next * nodes).take(nodes);
        for (node, ((old, sum), known)) in row.zip(&mut self.sum).zip(&mut self.known).enumerate() {
            if *old < FIRST_UNKNOWN {
                *sum -= u64::from(*old);
                *known -= 1;
            }
            let new = sample(node);
            if new < FIRST_UNKNOWN {
                *sum += u64::from(new);
                *known += 1;
            }
            *old = new;
        }
        self.next = (self.next + 1) % self.config.window;
    }

    fn judge(&mut self, at: Timestamp, node: usize) -> Option<Event> {
        let known = *self.known.get(node)?;
        // A window that is not yet full may not enter: a spike at the start is still a spike.
        if (known as usize) < self.config.least_known {
            return None;
        }
        let (sum, threshold) = (*self.sum.get(node)?, *self.threshold.get(node)?);
        let hot = self.hot.get_mut(node)?;
        let limit = u64::from(threshold) * u64::from(known);
        let leave = limit * u64::from(self.config.leave_permille) / 1000;
        // A spike shorter than the window can lift the mean, but it has too few samples above the threshold.
        let lasting = *self.above.get(node)? as usize >= self.config.window;
        let kind = match *hot {
            false if sum > limit && lasting => EventKind::Entered,
            true if sum < leave => EventKind::Left,
            _ => return None,
        };
        *hot = kind == EventKind::Entered;
        let mean = (sum / u64::from(known)) as Sample;
        Some(Event {
            at,
            node: NodeId(node as u32),
            kind,
            mean,
            threshold,
        })
    }

    /// Whether the node is overloaded now.
    #[must_use]
    pub fn is_hot(&self, node: NodeId) -> bool {
        self.hot.get(node.index()).copied().unwrap_or(false)
    }

    /// The overloaded nodes, ascending.
    pub fn hot(&self) -> impl Iterator<Item = NodeId> + '_ {
        let nodes = self.hot.iter().zip(0_u32..);
        nodes.filter(|(hot, _)| **hot).map(|(_, n)| NodeId(n))
    }

    /// Mean over the window; nothing while too few samples are known.
    #[must_use]
    pub fn mean(&self, node: NodeId) -> Option<Sample> {
        let known = *self.known.get(node.index())?;
        if (known as usize) < self.config.least_known {
            return None;
        }
        let sum = self.sum.get(node.index())?;
        Some((sum / u64::from(known)) as Sample)
    }

    /// The threshold of a node.
    #[must_use]
    pub fn threshold(&self, node: NodeId) -> Option<Sample> {
        self.threshold.get(node.index()).copied()
    }
}

#[cfg(test)]
#[path = "detector_tests.rs"]
mod tests;
