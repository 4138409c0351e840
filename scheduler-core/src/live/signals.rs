//! Averages per task: what it takes just now, what it has taken for some minutes, what it takes lastingly, and how far it strays
//! from that.

use super::protector::carried;
use super::samples::{FIRST_UNKNOWN, Sample};
use crate::time::Timestamp;
use alloc::vec;
use alloc::vec::Vec;

/// Exponentially weighted averages of every task's samples, one step an interval. 32-bit floats in the
/// IEEE 754 sense: the same on any machine, four to a register, and precise to seven digits, which is more
/// than any sample is.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    /// Short average per task.
    fast: Vec<f32>,
    /// Long average per task.
    slow: Vec<f32>,
    /// Average over an hour and a half.
    lasting: Vec<f32>,
    /// Mean squared difference of the short average from the lasting one, over an hour.
    swing: Vec<f32>,
    fast_share: f32,
    slow_share: f32,
    /// When each task's last known sample was taken.
    last_seen: Vec<Timestamp>,
    /// Steps seen by each task, as a float: the averages start as plain means.
    seen: Vec<f32>,
}

/// Samples of the lasting average: of those tried (20 min to 4 h) the best at foretelling the next ten minutes of PlanetLab's days.
const LASTING_SHARE: f32 = 1.0 / 5_400.0;
/// Samples of the mean squared difference.
const SWING_SHARE: f32 = 1.0 / 3_600.0;

impl Signals {
    /// Averages over about `fast` and `slow` samples.
    pub(super) fn new(tasks: usize, fast: u32, slow: u32) -> Self {
        let share = |samples: u32| 1.0 / samples.max(1) as f32;
        Self {
            fast: vec![0.0; tasks],
            slow: vec![0.0; tasks],
            lasting: vec![0.0; tasks],
            swing: vec![0.0; tasks],
            last_seen: vec![Timestamp::ZERO; tasks],
            seen: vec![0.0; tasks],
            fast_share: share(fast),
            slow_share: share(slow),
        }
    }

    /// The averages of changed tasks: for each what it was before, if it was.
    pub(super) fn renumbered(&self, was: &[Option<usize>]) -> Self {
        Self {
            fast: carried(&self.fast, was),
            slow: carried(&self.slow, was),
            lasting: carried(&self.lasting, was),
            swing: carried(&self.swing, was),
            last_seen: carried(&self.last_seen, was),
            seen: carried(&self.seen, was),
            ..*self
        }
    }

    /// Takes one sample for each task; unknown ones change nothing, and those that do not count (another of the same
    /// interval did) only show that the task is there. Branches are written as selections so that the loop runs in vector lanes.
    pub(super) fn push(&mut self, now: Timestamp, samples: &[Sample], count: bool) {
        if !count {
            for (last_seen, sample) in self.last_seen.iter_mut().zip(samples) {
                *last_seen = if *sample < FIRST_UNKNOWN {
                    now
                } else {
                    *last_seen
                };
            }
            return;
        }
        let averages = self.fast.iter_mut().zip(&mut self.slow).zip(&mut self.seen);
        let lasting = self.lasting.iter_mut().zip(&mut self.swing);
        let tasks = averages.zip(lasting).zip(&mut self.last_seen);
        for (sample, ((((fast, slow), seen), (lasting, swing)), last_seen)) in
            samples.iter().zip(tasks)
        {
            let known = *sample < FIRST_UNKNOWN;
            let value = (*sample & (FIRST_UNKNOWN - 1)) as i32 as f32;
            let steps = *seen + 1.0;
            let early = 1.0 / steps;
            let one = |share: f32| if early > share { early } else { share };
            let f = *fast + (value - *fast) * one(self.fast_share);
            let s = *slow + (value - *slow) * one(self.slow_share);
            let l = *lasting + (value - *lasting) * one(LASTING_SHARE);
            let w = *swing + ((f - l) * (f - l) - *swing) * one(SWING_SHARE);
            *lasting = if known { l } else { *lasting };
            *swing = if known { w } else { *swing };
            *fast = if known { f } else { *fast };
            *slow = if known { s } else { *slow };
            *seen = if known { steps.min(1e6) } else { *seen };
            *last_seen = if known { now } else { *last_seen };
        }
    }

    /// What the task takes just now.
    pub(super) fn fast(&self, task: usize) -> f64 {
        self.fast.get(task).map_or(0.0, |v| f64::from(*v))
    }

    /// What the task has taken for some minutes.
    pub(super) fn slow(&self, task: usize) -> f64 {
        self.slow.get(task).map_or(0.0, |v| f64::from(*v))
    }

    /// What the task takes lastingly.
    pub(super) fn lasting(&self, task: usize) -> f64 {
        self.lasting.get(task).map_or(0.0, |v| f64::from(*v))
    }

    /// Mean squared difference of what it takes just now from what it takes lastingly.
    pub(super) fn swing(&self, task: usize) -> f64 {
        self.swing.get(task).map_or(0.0, |v| f64::from(*v))
    }

    /// Nothing was heard after `now`.
    pub(super) fn set_back(&mut self, now: Timestamp) {
        for last_seen in &mut self.last_seen {
            *last_seen = (*last_seen).min(now);
        }
    }

    /// When the task's last known sample was taken; nothing if there was none.
    pub(super) fn last_seen(&self, task: usize) -> Option<Timestamp> {
        (self.seen(task) > 0).then(|| self.last_seen.get(task).copied())?
    }

    /// Samples of the task so far.
    pub(super) fn seen(&self, task: usize) -> usize {
        self.seen.get(task).map_or(0, |v| *v as usize)
    }
}
