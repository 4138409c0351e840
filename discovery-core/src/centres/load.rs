//! Load by priority, as Envoy computes it: the first priority carries what its healthy part can, the rest
//! fails over in steps of one percent.

use alloc::vec;
use alloc::vec::Vec;

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
pub struct PriorityRules {
    /// A healthy share of 100 / this many percent carries the whole (Envoy: 140).
    pub overprovisioning_percent: u32,
    /// Below this percentage of available hosts a priority panics, if all priorities together do not suffice
    /// (Envoy: 50); 0 turns panic off.
    pub panic_percent: u32,
}

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

/// Divides load over priorities, best first (Envoy's `LoadBalancerBase::recalculatePerPriorityState` and
/// `recalculateLoadInTotalPanic`). Integers throughout. O(priorities).
#[must_use]
pub fn priority_loads(priorities: &[PriorityHealth], rules: &PriorityRules) -> Loads {
    let n = priorities.len();
    let healthy: Vec<u64> = priorities
        .iter()
        .map(|p| health(p, p.healthy, rules))
        .collect();
    let degraded: Vec<u64> = priorities
        .iter()
        .map(|p| health(p, p.degraded, rules))
        .collect();
    let whole = healthy
        .iter()
        .chain(&degraded)
        .fold(0u64, |sum, h| sum.saturating_add(*h))
        .min(100);
    let mut loads = Loads {
        healthy: vec![0; n],
        degraded: vec![0; n],
        panic: vec![false; n],
    };
    if whole > 0 {
        let mut left = 100u64;
        take(&healthy, whole, &mut left, &mut loads.healthy);
        take(&degraded, whole, &mut left, &mut loads.degraded);
        // What rounding left over goes to the first that can take any.
        let first = healthy.iter().position(|&h| h > 0).map(|i| (i, true));
        match first.or_else(|| degraded.iter().position(|&h| h > 0).map(|i| (i, false))) {
            Some((i, true)) => add(&mut loads.healthy, i, left),
            Some((i, false)) => add(&mut loads.degraded, i, left),
            None => {}
        }
    }
    for (panic, p) in loads.panic.iter_mut().zip(priorities) {
        *panic = whole < 100 && panics(p, rules);
    }
    if n > 0 && loads.panic.iter().all(|&p| p) {
        return total_panic(priorities, loads);
    }
    if whole == 0 && n > 0 {
        // Nothing is available and panic is off: nominally all of it is the first's.
        add(&mut loads.healthy, 0, 100);
    }
    loads
}

/// Percent of a priority's load that `well` of its hosts can carry.
fn health(p: &PriorityHealth, well: u64, rules: &PriorityRules) -> u64 {
    match p.hosts.saturating_sub(p.excluded) {
        0 => 0,
        counted => {
            let able =
                u128::from(rules.overprovisioning_percent) * u128::from(well) / u128::from(counted);
            u64::try_from(able.min(100)).unwrap_or(100)
        }
    }
}

fn panics(p: &PriorityHealth, rules: &PriorityRules) -> bool {
    let counted = p.hosts.saturating_sub(p.excluded);
    let available = u128::from(p.healthy) + u128::from(p.degraded);
    match counted {
        0 => rules.panic_percent > 0,
        _ => available * 100 < u128::from(counted) * u128::from(rules.panic_percent),
    }
}

fn take(healths: &[u64], whole: u64, left: &mut u64, loads: &mut [u32]) {
    for (load, health) in loads.iter_mut().zip(healths) {
        let part = (health * 100 / whole).min(*left);
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
