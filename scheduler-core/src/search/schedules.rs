//! The annealing schedules: what a run of the search looks like from its first temperature to its last, as a table.
//!
//! Geometric cooling is that of Kirkpatrick, Gelatt and Vecchi (1983); capacities as penalties whose rates adapt while a node
//! is overfull follow strategic oscillation (Glover 1977). Each row's source is the change (date and title in the history)
//! that brought its numbers. The runs that chose them were not recorded; the scorecard's `place/` rows, on the
//! ROADEF/EURO 2012 instances, are what a change of a row must not worsen.

use super::block::Branching;

/// Temperature at the end of a run, in mean cost above the bound of a task.
const LAST_TEMPERATURE: f64 = 1e-7;
/// Temperatures below this make no difference where costs are whole numbers.
const COLDEST: f64 = 0.02;
/// By how much the rates of excess grow in the squeeze.
const SQUEEZE: f64 = 1e3;

/// How a run goes. Temperatures are in mean cost above the bound of a task at the start of the search.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// First temperature, and the one at which the squeeze begins.
    pub(super) hot: f64,
    pub(super) cold: f64,
    /// First rate of excess, and the one when the squeeze begins.
    pub(super) first_rate: f64,
    pub(super) last_rate: f64,
    /// How fast a node's own rate grows while it is overfull, and falls again: e to the this in a whole run.
    pub(super) growth: f64,
    /// First penalty for transient room, in load costs of what is held.
    pub(super) transient_penalty: f64,
    /// What being away from home is said to cost, in temperatures. A task can be away on many nodes and at home
    /// on one, so heat alone drives tasks away; the logarithm of the number of nodes would cancel just that.
    pub(super) away: f64,
    /// Share of evaluations spent on sub-problems.
    pub(super) blocks: f64,
    pub(super) branching: Branching,
    /// Share of the run after which excess is squeezed out, and the temperature then, in `cold`s.
    pub(super) knee: f64,
    pub(super) reheat: f64,
    /// Share of targets near a task's home, and of sub-problems among near nodes: where moves over a short distance
    /// cost less, they are rare among all.
    pub(super) near: f64,
    /// Share of single steps of tasks that are away from home: in the end these are few, and the ones that cost.
    pub(super) roam: f64,
}

/// How things stand at some point of a run.
pub(super) struct Moment {
    pub(super) heat: f64,
    pub(super) rate: f64,
    pub(super) transient_penalty: f64,
}

impl Schedule {
    /// The moment at this part of the run, 0 to 1; `scale` is the unit of temperatures.
    pub(super) fn moment(&self, part: f64, scale: f64) -> Moment {
        let along = |from: f64, to: f64, part: f64| from * libm::exp(libm::log(to / from) * part);
        let (cold, last) = (
            (self.cold * scale).max(COLDEST),
            (LAST_TEMPERATURE * scale).max(COLDEST),
        );
        let hot = (self.hot * scale).max(cold);
        let before = (part / self.knee).min(1.0);
        let rate = along(self.first_rate, self.last_rate, before);
        if part < self.knee {
            let left = 1.0 - before;
            let (heat, transient_penalty) = (
                along(hot, cold, before),
                self.transient_penalty * left * left,
            );
            return Moment {
                heat,
                rate,
                transient_penalty,
            };
        }
        let tail = (part - self.knee) / (1.0 - self.knee).max(1e-9);
        Moment {
            heat: along(cold * self.reheat, last, tail.min(1.0)),
            rate: rate * along(1.0, SQUEEZE, (tail * 3.0).min(1.0)),
            transient_penalty: 0.0,
        }
    }
}

/// The schedules that race for the main part of the budget, the most versatile first: of equals the earlier one wins.
pub(super) const RACING: [Schedule; 6] = [MIXED, SPARSE, CLOSE, TIGHT, SINGLES, BLOCKS];

/// Single steps among nodes that may be overfull for long: for few tasks a node, of which some are large.
/// Source: 2026-11-27, "single steps anneal where it matters".
pub(super) const SINGLES: Schedule = Schedule {
    hot: 1.5,
    cold: 0.02,
    first_rate: 2.0,
    last_rate: 30.0,
    growth: 70.0,
    transient_penalty: 0.0,
    away: 0.0,
    blocks: 0.0,
    branching: Branching::Weight,
    knee: 0.9,
    reheat: 3.0,
    near: 0.0,
    roam: 0.5,
};

/// Both kinds of steps, transient room penalised: for many tasks a node, with transient resources.
/// Source: 2026-11-27, the first schedule with both kinds of steps; `roam` added the same day with the six-way race.
pub(super) const MIXED: Schedule = Schedule {
    hot: 2.0,
    cold: 0.013,
    first_rate: 5.0,
    last_rate: 1e4,
    growth: 0.0,
    transient_penalty: 1.0,
    away: 0.0,
    blocks: 0.5,
    branching: Branching::Weight,
    knee: 0.98,
    reheat: 1.0,
    near: 0.0,
    roam: 0.6,
};

/// The same, but few tasks leave their homes: where moves cost much beside what there is to gain.
/// Source: 2026-11-27, "few moves where moves are dear".
pub(super) const SPARSE: Schedule = Schedule { away: 3.0, ..MIXED };

/// Fewer still, and most stay near: where what there is to gain can all be gained, and moves are what is left.
/// Source: 2026-11-27, with near targets and the six-way race.
pub(super) const TIGHT: Schedule = Schedule {
    hot: 10.0,
    away: 6.0,
    near: 0.9,
    ..MIXED
};

/// Between these.
/// Source: 2026-11-27, with near targets and the six-way race.
pub(super) const CLOSE: Schedule = Schedule {
    away: 1.7,
    near: 0.8,
    ..MIXED
};

/// Sub-problems only, from hotter: where nodes must be filled exactly in many resources.
/// Source: 2026-11-27, the first schedule on penalised capacities.
pub(super) const BLOCKS: Schedule = Schedule {
    hot: 4.0,
    cold: 0.013,
    first_rate: 5.0,
    last_rate: 1e6,
    growth: 0.0,
    transient_penalty: 1.0,
    away: 0.0,
    blocks: 1.0,
    branching: Branching::Regret,
    knee: 0.98,
    reheat: 1.0,
    near: 0.0,
    roam: 0.5,
};

/// Downhill from where it stands, nothing overfull for long.
/// Source: by construction: no heat, and a rate at which no excess pays.
pub(super) const DOWNHILL: Schedule = Schedule {
    hot: 0.0,
    cold: 0.0,
    first_rate: 1e6,
    last_rate: 1e6,
    growth: 0.0,
    transient_penalty: 0.0,
    away: 0.0,
    blocks: 0.5,
    branching: Branching::Regret,
    knee: 1.0,
    reheat: 1.0,
    near: 0.0,
    roam: 0.0,
};

/// Once more from warm, strictly: for the last share of the budget.
/// Source: 2026-11-27, "what has settled is not heated again": the run before caps its heat.
pub(super) const REFINE: Schedule = Schedule {
    hot: 0.02,
    cold: 1e-6,
    first_rate: 1e4,
    last_rate: 1e6,
    growth: 0.0,
    transient_penalty: 0.0,
    away: 0.0,
    blocks: 0.5,
    branching: Branching::Regret,
    knee: 0.95,
    reheat: 1.0,
    near: 0.0,
    roam: 0.0,
};
