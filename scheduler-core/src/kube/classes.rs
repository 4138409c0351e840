//! The descheduler's classes of nodes: use in percent of capacity, compared with thresholds.

use super::objects::Quantities;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Percent by resource.
pub type Percents<'a> = BTreeMap<&'a str, f64>;

/// When a node's use meets a threshold; a resource that its use does not name is used 0 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// All resources of the threshold are below it.
    AllBelow,
    /// All are at or below it.
    AllAtMost,
    /// All are above it.
    AllAbove,
    /// At least one is above it.
    AnyAbove,
    /// Always.
    Always,
}

impl Rule {
    fn holds(self, usage: &Percents<'_>, threshold: &Percents<'_>) -> bool {
        let used = |name: &str| usage.get(name).copied().unwrap_or(0.0);
        let mut each = threshold.iter().map(|(name, limit)| (used(name), *limit));
        match self {
            Self::AllBelow => each.all(|(used, limit)| used < limit),
            Self::AllAtMost => each.all(|(used, limit)| used <= limit),
            Self::AllAbove => each.all(|(used, limit)| used > limit),
            Self::AnyAbove => each.any(|(used, limit)| used > limit),
            Self::Always => true,
        }
    }
}

/// Use in percent of capacity: of nothing it is 0 %, and what the capacity does not name is left out.
#[must_use]
pub fn percents<'a>(usage: &Quantities<'a>, capacity: &Quantities<'_>) -> Percents<'a> {
    let percent = |used: u64, capacity: u64| {
        if capacity == 0 {
            0.0
        } else {
            used as f64 / capacity as f64 * 100.0
        }
    };
    let known = usage
        .iter()
        .filter_map(|(name, used)| Some((*name, percent(*used, *capacity.get(name)?))));
    known.collect()
}

/// Mean by resource, over the nodes that name it.
#[must_use]
pub fn average<'a>(usages: &[Percents<'a>]) -> Percents<'a> {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (name, percent) in usages.iter().flatten() {
        let entry = sums.entry(*name).or_default();
        *entry = (entry.0 + percent, entry.1 + 1.0);
    }
    sums.into_iter()
        .map(|(name, (sum, n))| (name, sum / n))
        .collect()
}

/// Thresholds `low` below and `high` above an average, each kept within 0 and 100 %.
#[must_use]
pub fn around<'a>(
    average: &Percents<'a>,
    low: &Percents<'a>,
    high: &Percents<'a>,
) -> (Percents<'a>, Percents<'a>) {
    let shift = |by: &Percents<'a>, sign: f64| {
        let mut moved = average.clone();
        for (name, percent) in by {
            *moved.entry(*name).or_default() += sign * percent;
        }
        for percent in moved.values_mut() {
            *percent = percent.clamp(0.0, 100.0);
        }
        moved
    };
    (shift(low, -1.0), shift(high, 1.0))
}

/// For each node the index of the first threshold whose rule holds, `None` where none does.
/// O(nodes x thresholds x resources).
#[must_use]
pub fn classify(usages: &[Percents<'_>], rules: &[(Percents<'_>, Rule)]) -> Vec<Option<usize>> {
    let class = |usage: &Percents<'_>| {
        rules
            .iter()
            .position(|(limit, rule)| rule.holds(usage, limit))
    };
    usages.iter().map(class).collect()
}

/// Indices of nodes by falling sum of what is used, whatever the units, as the descheduler sorts them; equal
/// ones in the order given.
#[must_use]
pub fn heaviest_first(usages: &[Quantities<'_>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..usages.len()).collect();
    order.sort_by_cached_key(|at| core::cmp::Reverse(total(usages, *at)));
    order
}

/// The same by rising sum.
#[must_use]
pub fn lightest_first(usages: &[Quantities<'_>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..usages.len()).collect();
    order.sort_by_cached_key(|at| total(usages, *at));
    order
}

fn total(usages: &[Quantities<'_>], at: usize) -> u128 {
    let values = usages.get(at).into_iter().flat_map(BTreeMap::values);
    values.map(|v| u128::from(*v)).sum()
}
