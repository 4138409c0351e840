//! Overload with hysteresis: entered when the mean over a window is above a threshold and a window's worth of the
//! last two windows' samples were, so that no spike shorter than the window enters; left below a lower threshold.

use super::config::ProtectorError;
use super::pace::Pace;
use super::samples::FIRST_UNKNOWN;
use super::samples::{DetectorConfig, Event, EventKind, Sample, SampleError, UNKNOWN};
use crate::model::NodeId;
use crate::time::Timestamp;
use alloc::vec;
use alloc::vec::Vec;

/// What is kept of one node besides its samples.
#[derive(Clone, Debug, Default)]
struct State {
    threshold: Sample,
    /// What counts as close to the threshold.
    close: Sample,
    /// Sum and number of the window's known samples.
    sum: u64,
    known: u32,
    /// How many of the last two windows' samples were above the threshold, and above `close`.
    above: u32,
    above_close: u32,
    hot: bool,
    last_seen: Option<Timestamp>,
}

/// A ring window per node and the state that follows from it.
///
/// ```
/// use scheduler_core::live::{Detector, DetectorConfig, EventKind, UNKNOWN};
/// use scheduler_core::{NodeId, Timestamp};
///
/// // One node, overloaded above 800.
/// let mut detector = Detector::new(DetectorConfig::default(), vec![800])?;
/// let mut events = Vec::new();
/// for second in 1..30 {
///     let sample = if second % 4 == 0 { UNKNOWN } else { 900 };
///     detector.observe(Timestamp::from_secs(second), &[sample], &mut events)?;
/// }
/// assert_eq!((events.len(), events[0].kind), (1, EventKind::Entered));
/// assert!(detector.is_hot(NodeId(0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Detector {
    config: DetectorConfig,
    /// From how many thousandths of its threshold on a node is close to it.
    close_permille: u32,
    state: Vec<State>,
    /// `2 * window` rows of one sample a node.
    ring: Vec<Sample>,
    /// The row of the oldest samples.
    next: usize,
    /// When the last samples came, counted or not.
    last: Option<Timestamp>,
    pace: Pace,
}

impl Detector {
    /// A detector for one node for each threshold.
    ///
    /// # Errors
    /// [`ProtectorError`]: an interval of nothing, a window of nothing or too long, one that can never be full enough,
    /// an overload that is left above the threshold.
    pub fn new(config: DetectorConfig, thresholds: Vec<Sample>) -> Result<Self, ProtectorError> {
        config.check()?;
        Ok(Self::with_close(config, 1000, thresholds))
    }

    /// [`Detector::new`] of a checked configuration, and with the same demand on duration it tells what is above `close_permille` thousandths
    /// of its threshold.
    pub(super) fn with_close(
        config: DetectorConfig,
        close_permille: u32,
        thresholds: Vec<Sample>,
    ) -> Self {
        let rows = 2 * config.window * thresholds.len();
        let state = thresholds.into_iter().map(|threshold| State {
            threshold,
            close: share(threshold, close_permille),
            ..State::default()
        });
        Self {
            config,
            close_permille,
            state: state.collect(),
            ring: vec![UNKNOWN; rows],
            next: 0,
            last: None,
            pace: Pace::default(),
        }
    }

    /// The detector of changed nodes: one for each threshold, and for each what it was before, if it was. Windows and
    /// states go on; samples are held against the new threshold.
    pub(super) fn renumbered(&self, thresholds: &[Sample], was: &[Option<usize>]) -> Self {
        let mut next = Self::with_close(self.config, self.close_permille, thresholds.to_vec());
        let (old, new) = (self.state.len(), thresholds.len());
        for (node, was) in was.iter().enumerate() {
            let before = was.and_then(|was| Some((was, self.state.get(was)?)));
            let (Some((was, before)), Some(state)) = (before, next.state.get_mut(node)) else {
                continue;
            };
            *state = State {
                threshold: state.threshold,
                close: state.close,
                above: 0,
                above_close: 0,
                ..before.clone()
            };
            for row in 0..2 * self.config.window {
                let sample = self.ring.get(row * old + was).copied();
                let sample = sample.unwrap_or(UNKNOWN);
                state.count(sample, 1);
                if let Some(place) = next.ring.get_mut(row * new + node) {
                    *place = sample;
                }
            }
        }
        (next.next, next.last) = (self.next, self.last);
        next.pace = self.pace.clone();
        next
    }

    /// Takes one sample for each node, and pushes what changed. Intervals without samples in between count
    /// as unknown; of samples that come faster than the interval one an interval counts, so that a window spans its time
    /// at any rate. O(nodes), plus O(nodes x window) at most for a gap.
    ///
    /// # Errors
    /// Not one sample for each node; time that has not advanced, unless a clock was set back by more than two windows:
    /// windows begin anew then, and states stay.
    pub fn observe(
        &mut self,
        now: Timestamp,
        samples: &[Sample],
        events: &mut Vec<Event>,
    ) -> Result<(), SampleError> {
        self.take(now, samples, events).map(drop)
    }

    /// [`Detector::push`], and whether the samples count: between two rows they only show that somebody is there.
    pub(super) fn take(
        &mut self,
        now: Timestamp,
        samples: &[Sample],
        events: &mut Vec<Event>,
    ) -> Result<bool, SampleError> {
        let (given, want) = (samples.len(), self.state.len());
        if given != want {
            return Err(SampleError::Length {
                kind: "nodes",
                given,
                want,
            });
        }
        let rows = self.rows_until(now)?;
        self.last = Some(now);
        for (state, sample) in self.state.iter_mut().zip(samples) {
            if *sample < FIRST_UNKNOWN {
                state.last_seen = Some(now);
            }
        }
        if rows == 0 {
            return Ok(false);
        }
        for _ in 1..rows.min(2 * self.config.window as u128 + 1) {
            self.advance(|_| UNKNOWN);
        }
        self.advance(|node| samples.get(node).copied().unwrap_or(UNKNOWN));
        for node in 0..samples.len() {
            events.extend(self.judge(now, node));
        }
        Ok(true)
    }

    /// How many rows begin until `now`, the one of its samples included.
    fn rows_until(&mut self, now: Timestamp) -> Result<u128, SampleError> {
        if self.is_set_back(now) {
            self.begin_anew();
            self.last = None;
        }
        let Some(last) = self.last else {
            self.pace = Pace::begin(now);
            return Ok(1);
        };
        if now <= last {
            return Err(SampleError::Backwards { given: now, last });
        }
        Ok(self.pace.rows(now, self.config.interval))
    }

    /// Whether `now` is so long before the last samples that the clock must have been ahead then.
    pub(super) fn is_set_back(&self, now: Timestamp) -> bool {
        let windows = 2 * self.config.window as u32;
        let windows = self.config.interval.saturating_mul(windows);
        self.last.is_some_and(|last| last.since(now) > windows)
    }

    /// Drops every sample.
    fn begin_anew(&mut self) {
        self.ring.fill(UNKNOWN);
        for state in &mut self.state {
            (state.sum, state.known) = (0, 0);
            (state.above, state.above_close) = (0, 0);
            state.last_seen = None;
        }
    }

    /// Takes a row of samples; those of a window ago leave the mean, those of two windows ago are dropped.
    fn advance(&mut self, sample: impl Fn(usize) -> Sample) {
        let (nodes, window) = (self.state.len(), self.config.window);
        let (oldest, middle) = (self.next, (self.next + window) % (2 * window));
        for (node, state) in self.state.iter_mut().enumerate() {
            let new = sample(node);
            let leaving = self.ring.get(middle * nodes + node).copied();
            if let Some(leaving) = leaving.filter(|s| *s < FIRST_UNKNOWN) {
                state.sum -= u64::from(leaving);
                state.known -= 1;
            }
            if new < FIRST_UNKNOWN {
                state.sum += u64::from(new);
                state.known += 1;
            }
            if let Some(place) = self.ring.get_mut(oldest * nodes + node) {
                state.count(*place, -1);
                *place = new;
            }
            state.count(new, 1);
        }
        self.next = (oldest + 1) % (2 * window);
    }

    fn judge(&mut self, at: Timestamp, node: usize) -> Option<Event> {
        let (window, least) = (self.config.window, self.config.min_known);
        let state = self.state.get_mut(node)?;
        let threshold = state.threshold;
        let mean = state.mean(least)?;
        let limit = u64::from(threshold) * u64::from(state.known);
        let leave = limit * u64::from(self.config.leave_permille) / 1000;
        // A spike shorter than the window can lift the mean, but it has too few samples above the threshold.
        let lasting = state.above as usize >= window;
        let kind = match state.hot {
            false if state.sum > limit && lasting => EventKind::Entered,
            true if state.sum < leave => EventKind::Left,
            _ => return None,
        };
        state.hot = kind == EventKind::Entered;
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
        self.state.get(node.index()).is_some_and(|s| s.hot)
    }

    /// The overloaded nodes, ascending.
    pub fn hot(&self) -> impl Iterator<Item = NodeId> + '_ {
        let nodes = self.state.iter().zip(0_u32..);
        nodes.filter(|(s, _)| s.hot).map(|(_, n)| NodeId(n))
    }

    /// Mean over the window; nothing while too few samples are known.
    #[must_use]
    pub fn mean(&self, node: NodeId) -> Option<Sample> {
        self.state.get(node.index())?.mean(self.config.min_known)
    }

    /// When the node's last known sample was taken; nothing if there was none.
    #[must_use]
    pub fn last_seen(&self, node: NodeId) -> Option<Timestamp> {
        self.state.get(node.index())?.last_seen
    }

    /// How many samples of the node's window are known.
    pub(super) fn known(&self, node: NodeId) -> usize {
        self.state.get(node.index()).map_or(0, |s| s.known as usize)
    }

    /// Whether the node is close to its threshold, or above it, and was for as long as an overload must last.
    pub(super) fn is_close(&self, node: NodeId) -> bool {
        let (window, least) = (self.config.window, self.config.min_known);
        let state = self.state.get(node.index());
        state.is_some_and(|s| {
            let mean = s.mean(least);
            mean.is_some()
                && s.sum > u64::from(s.close) * u64::from(s.known)
                && s.above_close as usize >= window
        })
    }

    /// The threshold of a node.
    #[must_use]
    pub fn threshold(&self, node: NodeId) -> Option<Sample> {
        self.state.get(node.index()).map(|s| s.threshold)
    }
}

impl State {
    /// Adds (`by` 1) or takes (-1) a sample of the last two windows.
    fn count(&mut self, sample: Sample, by: i32) {
        if sample < FIRST_UNKNOWN {
            let is = |limit: Sample| if sample > limit { by } else { 0 };
            self.above = self.above.wrapping_add_signed(is(self.threshold));
            self.above_close = self.above_close.wrapping_add_signed(is(self.close));
        }
    }

    /// A window that is not yet full enough tells nothing: a spike at the start is still a spike.
    fn mean(&self, min_known: usize) -> Option<Sample> {
        let enough = self.known as usize >= min_known;
        enough.then(|| (self.sum / u64::from(self.known.max(1))) as Sample)
    }
}

/// So many thousandths of a threshold, rounded down: a whole sample is above both or neither.
fn share(threshold: Sample, permille: u32) -> Sample {
    let exact = u64::from(threshold) * u64::from(permille) / 1000;
    Sample::try_from(exact).unwrap_or(Sample::MAX)
}

#[cfg(test)]
#[path = "detector_tests.rs"]
mod tests;
