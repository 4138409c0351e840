//! What overload costs, and what a move is expected to save of it.

use super::protector::Protector;
use crate::model::{NodeId, TaskId};
use crate::time::Timestamp;
use core::time::Duration;

/// When a move pays. Harm is demand unserved or served late: in a second with demand D on a node of capacity C and threshold T
/// it is `max(0, D - C)` unserved, and `max(0, min(D, C) - T)^2 / (C - T)` late: nothing at the threshold, all that lies above
/// it on a full node. A move is made when the harm it is expected to save within [`Worth::horizon`] exceeds what it costs by
/// [`Worth::least`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Worth {
    /// How far ahead harm is counted.
    pub horizon: Duration,
    /// A move must save, beyond its cost, the harm that a full node does in so long (`C - T` each second).
    pub least: Duration,
    /// Moves of a task in a day, in thousandths, that [`Worth::least`] is meant for. When moves of the last hour come faster, more must be
    /// saved, and less when they come slower: a quarter of `least` when nothing moves, and the square of the ratio more.
    pub daily_permille: u32,
    /// For how long nobody serves a task that moves: its use in that time is part of the cost.
    pub gap: Duration,
    /// For how long a task that has just moved takes twice its use: what that does to its new node is part of the cost.
    pub warm_up: Duration,
    /// What every second above the threshold counts besides its harm, in thousandths of a full node's. Harm alone grows from nothing there, and
    /// leaves nodes just above it.
    pub floor_permille: u32,
    /// How long one unit of [`Task::move_cost`](crate::model::Task::move_cost) (bytes, mostly) takes to be moved. The task serves a
    /// tenth less meanwhile (Beloglazov and Buyya 2012), which is part of the cost.
    pub transfer: Duration,
}

impl Default for Worth {
    /// Half an hour ahead; a second and a half of a full node at least, at six moves of ten tasks in a day; a twentieth for each second above
    /// the threshold; a gap of one second, a minute of warming up, nothing to transfer. Chosen on three PlanetLab days, held and ramped, by
    /// `scorecard replay/` on 2026-11-30.
    fn default() -> Self {
        Self {
            horizon: Duration::from_secs(1800),
            least: Duration::from_millis(1_500),
            daily_permille: 600,
            gap: Duration::from_secs(1),
            warm_up: Duration::from_secs(60),
            floor_permille: 50,
            transfer: Duration::ZERO,
        }
    }
}

/// Saving and cost of a move, in the samples' unit times seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Balance {
    /// Harm that it is expected to save.
    pub saved: u64,
    /// What it costs: gap, warming up and transfer.
    pub cost: u64,
}

/// A level that is expected, and how sure that is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Level {
    mean: f64,
    variance: f64,
}

/// Nodes and weights of the Gauss-Hermite rule of 7 points for a normal distribution (Abramowitz and Stegun, table 25.10).
const RULE: [(f64, f64); 7] = [
    (-3.750_439_717_7, 0.000_548_268_9),
    (-2.366_759_410_7, 0.030_757_124_0),
    (-1.154_405_394_7, 0.240_123_178_6),
    (0.0, 0.457_142_857_1),
    (1.154_405_394_7, 0.240_123_178_6),
    (2.366_759_410_7, 0.030_757_124_0),
    (3.750_439_717_7, 0.000_548_268_9),
];

/// The limits that harm is counted by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Limits {
    /// What a second above the threshold counts besides its harm.
    pub(super) floor: f64,
    pub(super) capacity: f64,
    pub(super) threshold: f64,
}

impl Limits {
    /// Harm in a second with this demand.
    pub(super) fn harm(self, demand: f64) -> f64 {
        let above = demand.min(self.capacity) - self.threshold;
        let late = if above > 0.0 {
            above * above / self.room() + self.floor
        } else {
            0.0
        };
        late + (demand - self.capacity).max(0.0)
    }

    /// From the threshold to the capacity: the harm of a full node in a second.
    pub(super) fn room(self) -> f64 {
        (self.capacity - self.threshold).max(1.0)
    }

    /// Harm in a second that is expected.
    fn expected(self, level: Level) -> f64 {
        let deviation = libm::sqrt(level.variance);
        let points = RULE.iter();
        let harm = |(at, weight): &(f64, f64)| weight * self.harm(level.mean + at * deviation);
        points.map(harm).sum()
    }
}

/// One stretch of the time ahead: what a task takes in it, by its averages of 30 s, 5 min and 90 min, and how far it strays from that, over
/// the mean squared distance of the first from the last.
struct Stretch {
    until: u64,
    fast: f64,
    slow: f64,
    lasting: f64,
    spread: f64,
}

/// Least squares over three PlanetLab days, held and ramped alike. What is far from lasting use soon comes back to it.
const AHEAD: [Stretch; 3] = [
    Stretch {
        until: 200,
        fast: 0.86,
        slow: -0.48,
        lasting: 0.62,
        spread: 0.7,
    },
    Stretch {
        until: 600,
        fast: 0.15,
        slow: -0.06,
        lasting: 0.91,
        spread: 1.0,
    },
    Stretch {
        until: 1_800,
        fast: 0.05,
        slow: 0.0,
        lasting: 0.95,
        spread: 1.0,
    },
];
/// Until a move that begins now helps, in seconds.
const BEGINS: u64 = 70;

/// What is expected in each stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Outlook([Level; 3]);

impl Outlook {
    /// The same in all stretches.
    pub(super) fn steady(mean: f64) -> Self {
        Self(
            [Level {
                mean,
                variance: 0.0,
            }; 3],
        )
    }

    pub(super) fn with(mut self, other: Self) -> Self {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            own.mean += other.mean;
            own.variance += other.variance;
        }
        self
    }

    pub(super) fn without(mut self, other: Self) -> Self {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            own.mean -= other.mean;
            own.variance = (own.variance - other.variance).max(0.0);
        }
        self
    }

    /// The mean of the second stretch.
    pub(super) fn mean(self) -> f64 {
        self.0[1].mean
    }

    /// The highest of the levels that are rarely passed: one deviation above the mean.
    pub(super) fn high(self) -> f64 {
        let high = |l: Level| l.mean + libm::sqrt(l.variance);
        self.0.into_iter().map(high).fold(0.0, f64::max)
    }
}

impl Limits {
    /// Harm that is expected between now and `horizon`, from when a move could help.
    pub(super) fn ahead(self, outlook: Outlook, horizon: Duration) -> f64 {
        let (horizon, mut from, mut harm) = (horizon.as_secs(), BEGINS, 0.0);
        let last = AHEAD.len() - 1;
        for (i, (stretch, level)) in AHEAD.iter().zip(outlook.0).enumerate() {
            let until = if i == last {
                horizon
            } else {
                stretch.until.min(horizon)
            };
            harm += self.expected(level) * until.saturating_sub(from) as f64;
            from = from.max(until);
        }
        harm
    }
}

/// A count of moves that decays: by a factor of e each hour.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent {
    count: f64,
    at: Timestamp,
}

impl Recent {
    const SPAN: f64 = 3_600.0;

    pub(super) fn count(&self, now: Timestamp) -> f64 {
        self.count * libm::exp(-now.since(self.at).as_secs_f64() / Self::SPAN)
    }

    /// Nothing was counted after `now`.
    pub(super) fn set_back(&mut self, now: Timestamp) {
        self.at = self.at.min(now);
    }

    pub(super) fn add(&mut self, now: Timestamp) {
        self.count = self.count(now) + 1.0;
        self.at = self.at.max(now);
    }
}

impl Protector {
    /// What a move must save beyond its cost, in seconds of a full node.
    pub(super) fn price(&self, worth: &Worth, now: Timestamp) -> f64 {
        let tasks = self.cluster.model().tasks() as f64;
        let hourly = tasks * f64::from(worth.daily_permille) / 1000.0 / 24.0;
        let ratio = self.recent.count(now) / hourly.max(1.0);
        worth.least.as_secs_f64() * (0.25 + ratio * ratio)
    }

    /// What a task is expected to take.
    pub(super) fn outlook(&self, task: usize) -> Outlook {
        let signals = &self.signals;
        let (fast, slow, lasting) = (
            signals.fast(task),
            signals.slow(task),
            signals.lasting(task),
        );
        let swing = signals.swing(task);
        let mut outlook = Outlook::default();
        for (level, stretch) in outlook.0.iter_mut().zip(&AHEAD) {
            let mean = stretch.fast * fast + stretch.slow * slow + stretch.lasting * lasting;
            level.mean = mean.max(0.0);
            level.variance = stretch.spread * swing;
        }
        outlook
    }

    /// Capacity and threshold of a node, in the samples' unit.
    pub(super) fn limits(&self, node: usize) -> Limits {
        let id = NodeId(node as u32);
        let threshold = f64::from(self.detector.threshold(id).unwrap_or(0));
        let capacity = self.cluster.model().capacity(id).get(self.resource);
        let capacity = capacity.map_or(threshold, |c| *c as f64);
        let capacity = capacity.max(threshold);
        let floor = self.config.worth.map_or(0, |w| w.floor_permille);
        Limits {
            floor: f64::from(floor) / 1000.0 * (capacity - threshold).max(1.0),
            capacity,
            threshold,
        }
    }

    /// What it costs to move a task that is expected to take `task` to a node that has `there` without it.
    pub(super) fn cost_of(
        &self,
        worth: &Worth,
        task: TaskId,
        use_of: Outlook,
        (limits, there): (Limits, Outlook),
    ) -> f64 {
        let with = there.with(use_of).0[0];
        let warming = Level {
            mean: with.mean + use_of.mean(),
            ..with
        };
        let warm_up = limits.expected(warming) - limits.expected(with);
        let units = self.cluster.model().task_move_cost(task).unwrap_or(0);
        let transfer = worth.transfer.as_secs_f64() * units as f64 * 0.1;
        use_of.mean() * (worth.gap.as_secs_f64() + transfer) + warm_up * worth.warm_up.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: Limits = Limits {
        floor: 0.0,
        capacity: 8000.0,
        threshold: 6400.0,
    };

    #[test]
    fn harm_begins_at_the_threshold_and_is_all_on_a_full_node() {
        assert_eq!((NODE.harm(0.0), NODE.harm(6400.0)), (0.0, 0.0));
        assert!((NODE.harm(7200.0) - 400.0).abs() < 1e-9);
        assert!((NODE.harm(8000.0) - 1600.0).abs() < 1e-9);
        assert!((NODE.harm(9000.0) - 2600.0).abs() < 1e-9);
        let none = Limits {
            floor: 0.0,
            capacity: 100.0,
            threshold: 100.0,
        };
        assert_eq!((none.harm(100.0), none.harm(150.0)), (0.0, 50.0));
    }

    #[test]
    fn what_is_less_sure_is_expected_to_do_more_harm() {
        let at = |mean, deviation: f64| {
            NODE.expected(Level {
                mean,
                variance: deviation * deviation,
            })
        };
        assert!((at(7000.0, 0.0) - NODE.harm(7000.0)).abs() < 1e-6);
        assert!(at(6000.0, 0.0) == 0.0 && at(6000.0, 300.0) > 0.0);
        assert!(at(6000.0, 600.0) > at(6000.0, 300.0));
        // The exact value of E[max(0, X - T)^2] / (C - T) for a mean at the threshold is half the variance.
        assert!((at(6400.0, 300.0) / (300.0 * 300.0 / 2.0 / 1600.0) - 1.0).abs() < 0.01);
    }
}
