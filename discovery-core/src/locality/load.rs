//! Load by priority, as Envoy computes it: the first priority carries what its healthy part can, the rest
//! fails over in steps of one percent.

use alloc::vec;
use alloc::vec::Vec;

use crate::builder::builder;

/// The health of one priority: counts of hosts, or sums of their weights (Envoy's `weighted_priority_health`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PriorityHealth {
    /// All.
    pub hosts: u64,
    /// Healthy ones.
    pub healthy: u64,
    /// Degraded ones.
    pub degraded: u64,
    /// Neither used nor counted (draining, not yet checked); they count when load falls by number of hosts.
    pub excluded: u64,
}

/// Envoy's knobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PriorityRules {
    /// A healthy share of 100 / this many percent carries the whole (Envoy: 140).
    pub overprovisioning_percent: u32,
    /// Below this percentage of available hosts a priority panics, if all priorities together do not suffice
    /// (Envoy: 50); 0 turns panic off.
    pub panic_percent: u32,
}

builder!(PriorityRules {
    with_overprovisioning_percent: overprovisioning_percent: u32,
    with_panic_percent: panic_percent: u32,
});

impl Default for PriorityRules {
    fn default() -> Self {
        Self {
            overprovisioning_percent: 140,
            panic_percent: 50,
        }
    }
}

/// Percent of the load by priority; `healthy` and `degraded` together are 100 unless there are no hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Loads {
    /// To healthy hosts.
    pub healthy: Vec<u32>,
    /// To degraded hosts.
    pub degraded: Vec<u32>,
    /// Priorities that use all of their hosts.
    pub panic: Vec<bool>,
}

/// What all priorities together can carry, in percent of the whole load: the base of every verdict on panic and
/// failover. There is no other implementation of either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// By healthy hosts, each priority's at most 100; and by degraded ones.
    pub(crate) healthy: u64,
    pub(crate) degraded: u64,
}

impl Capacity {
    pub(crate) fn of(
        priorities: impl Iterator<Item = PriorityHealth>,
        rules: &PriorityRules,
    ) -> Self {
        let none = Self {
            healthy: 0,
            degraded: 0,
        };
        priorities.fold(none, |sum, p| Self {
            healthy: sum.healthy + health(&p, p.healthy, rules),
            degraded: sum.degraded + health(&p, p.degraded, rules),
        })
    }

    /// Both together, at most 100.
    pub(crate) fn whole(self) -> u64 {
        (self.healthy + self.degraded).min(100)
    }

    /// Whether a priority panics: too few of its hosts are available, and all priorities together do not suffice.
    pub(crate) fn panics(self, p: &PriorityHealth, rules: &PriorityRules) -> bool {
        self.whole() < 100 && too_few(p, rules)
    }

    /// The percentages that a priority's healthy and degraded hosts can carry, of `whole`: rounded down.
    pub(crate) fn parts(self, p: &PriorityHealth, rules: &PriorityRules) -> (u64, u64) {
        let part = |well| health(p, well, rules) * 100 / self.whole().max(1);
        (part(p.healthy), part(p.degraded))
    }
}

/// Divides load over priorities, best first (Envoy's `LoadBalancerBase::recalculatePerPriorityState` and
/// `recalculateLoadInTotalPanic`). Integers throughout. O(priorities).
///
/// ```
/// use discovery_core::locality::{PriorityHealth, PriorityRules, priority_loads};
///
/// let priority = |healthy| PriorityHealth { hosts: 10, healthy, ..PriorityHealth::default() };
/// // Half of the near hosts carry 1.4 x 50 % of the load, the rest fails over.
/// let loads = priority_loads(&[priority(5), priority(10)], &PriorityRules::default());
/// assert_eq!(loads.healthy, [70, 30]);
/// ```
#[must_use]
pub fn priority_loads(priorities: &[PriorityHealth], rules: &PriorityRules) -> Loads {
    let n = priorities.len();
    let capacity = Capacity::of(priorities.iter().copied(), rules);
    let whole = capacity.whole();
    let mut loads = Loads {
        healthy: vec![0; n],
        degraded: vec![0; n],
        panic: vec![false; n],
    };
    if whole > 0 {
        let parts = |p| capacity.parts(p, rules);
        let mut left = 100u64;
        take(
            priorities.iter().map(|p| parts(p).0),
            &mut left,
            &mut loads.healthy,
        );
        take(
            priorities.iter().map(|p| parts(p).1),
            &mut left,
            &mut loads.degraded,
        );
        // What rounding left over goes to the first that can take any.
        let first = |well: fn(&PriorityHealth) -> u64| {
            priorities
                .iter()
                .position(|p| health(p, well(p), rules) > 0)
        };
        match (first(|p| p.healthy), first(|p| p.degraded)) {
            (Some(i), _) => add(&mut loads.healthy, i, left),
            (None, Some(i)) => add(&mut loads.degraded, i, left),
            (None, None) => {}
        }
    }
    for (panic, p) in loads.panic.iter_mut().zip(priorities) {
        *panic = capacity.panics(p, rules);
    }
    if n > 0 && loads.panic.iter().all(|&p| p) {
        return total_panic(priorities, loads);
    }
    if whole == 0 && n > 0 {
        // No priority panics, yet none carries a whole percent: the best that can serve does. If there is none, all of
        // the load is nominally the first's, as in Envoy.
        let first = |well: fn(&PriorityHealth) -> u64| priorities.iter().position(|p| well(p) > 0);
        match (first(|p| p.healthy), first(|p| p.degraded)) {
            (None, Some(i)) => add(&mut loads.degraded, i, 100),
            (i, _) => add(&mut loads.healthy, i.unwrap_or(0), 100),
        }
    }
    loads
}

/// Moves load between priorities as far as their hosts are still cold, or their region is on its way out: the same
/// load in thousandths of a percent, no more of it to a priority than its `able` percent of warm hosts can carry, best
/// first; all of them in proportion where that is not enough. `warm_shares` is a priority's weight now and when warm.
///
/// Warm shares are relative, as weights are: priorities that are all cold alike keep their loads.
pub(crate) fn by_warm_share(
    loads: &[u32],
    able: &[u64],
    warm_shares: &[(u64, u64)],
    rules: &PriorityRules,
) -> Vec<u32> {
    const UNIT: u64 = 1_000;
    let warm =
        |&(now, whole): &(u64, u64)| u128::from(now) * u128::from(UNIT) / u128::from(whole.max(1));
    let warmest = warm_shares.iter().map(warm).max().unwrap_or(0).max(1);
    let part = |w| {
        let part = warm(w) * 10 * u128::from(rules.overprovisioning_percent.max(100)) / warmest;
        part.min(u128::from(UNIT)) as u64
    };
    let whole: u64 = loads.iter().map(|&l| u64::from(l)).sum();
    let can: Vec<u64> = able
        .iter()
        .zip(warm_shares)
        .map(|(a, w)| a * part(w))
        .collect();
    let sum: u64 = can.iter().sum();
    if whole == 0 || sum == 0 || warm_shares.iter().all(|w| w.1 == 0 || part(w) == UNIT) {
        return loads.iter().map(|&l| l * UNIT as u32).collect();
    }
    let mut left = whole * UNIT;
    let scarce = sum < left;
    let given = can.iter().map(|&can| {
        let load = if scarce {
            can * whole * UNIT / sum
        } else {
            can.min(left)
        };
        left -= load;
        load as u32
    });
    given.collect()
}

/// Percent of a priority's load that `well` of its hosts can carry.
pub(crate) fn health(p: &PriorityHealth, well: u64, rules: &PriorityRules) -> u64 {
    match p.hosts.saturating_sub(p.excluded) {
        0 => 0,
        counted => {
            let able =
                u128::from(rules.overprovisioning_percent) * u128::from(well) / u128::from(counted);
            u64::try_from(able.min(100)).unwrap_or(100)
        }
    }
}

fn too_few(p: &PriorityHealth, rules: &PriorityRules) -> bool {
    let counted = p.hosts.saturating_sub(p.excluded);
    let available = u128::from(p.healthy) + u128::from(p.degraded);
    match counted {
        0 => rules.panic_percent > 0,
        _ => available * 100 < u128::from(counted) * u128::from(rules.panic_percent),
    }
}

fn take(parts: impl Iterator<Item = u64>, left: &mut u64, loads: &mut [u32]) {
    for (load, part) in loads.iter_mut().zip(parts) {
        let part = part.min(*left);
        *load = part as u32;
        *left -= part;
    }
}

fn add(loads: &mut [u32], at: usize, more: u64) {
    if let Some(load) = loads.get_mut(at) {
        *load += more as u32;
    }
}

/// Every priority panics: load by number of hosts, excluded ones counted; what rounding leaves goes to the
/// first that has any.
fn total_panic(priorities: &[PriorityHealth], mut loads: Loads) -> Loads {
    let all: u128 = priorities.iter().map(|p| u128::from(p.hosts)).sum();
    loads.healthy.fill(0);
    loads.degraded.fill(0);
    if all == 0 {
        return loads;
    }
    let mut left = 100u64;
    for (load, p) in loads.healthy.iter_mut().zip(priorities) {
        let part = (u128::from(p.hosts) * 100 / all) as u64;
        *load = part as u32;
        left -= part.min(left);
    }
    if let Some(first) = priorities.iter().position(|p| p.hosts > 0) {
        add(&mut loads.healthy, first, left);
    }
    loads
}
