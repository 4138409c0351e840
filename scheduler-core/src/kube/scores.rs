//! The scheduler's scores of nodes by how much of them is requested.

use super::objects::{Pod, Quantities};
use alloc::vec::Vec;

/// The best score.
const MOST: u64 = 100;

/// What a container that states nothing counts for: a tenth of a core, 200 MiB. Without it any number of
/// such containers would go to one node.
const DEFAULT_CPU: u64 = 100;
const DEFAULT_MEMORY: u64 = 200 * 1024 * 1024;

/// What is scored high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Nodes with much left.
    LeastAllocated,
    /// Nodes with little left.
    MostAllocated,
    /// Nodes whose resources are filled alike. Counts what is requested only, without defaults or weights.
    BalancedAllocation,
}

/// How much a resource counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight<'a> {
    /// The resource.
    pub name: &'a str,
    /// Its weight, 1 to 100.
    pub weight: i64,
}

/// Weights out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("resources[{}].weight must be from 1 to 100", .at.first().copied().unwrap_or(0))]
pub struct ScoreError {
    /// Indices of the resources whose weights they are, rising.
    pub at: Vec<usize>,
}

/// Scores nodes from 0 to 100.
///
/// ```
/// use scheduler_core::kube::{Container, Pod, Quantities, ScoreError, Scorer, Strategy, Weight};
///
/// let scorer = Scorer::new(Strategy::LeastAllocated, &[Weight { name: "cpu", weight: 1 }])?;
/// let requests = Quantities::from([("cpu", 1000)]);
/// let container = Container { requests, ..Container::default() };
/// let pod = Pod { name: "web-0", containers: vec![container], ..Pod::default() };
/// // A quarter of the node's CPU would be requested.
/// assert_eq!(scorer.score(&Quantities::from([("cpu", 4000)]), &[], &pod), 75);
/// # Ok::<(), ScoreError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scorer<'a> {
    strategy: Strategy,
    weights: Vec<(&'a str, u64)>,
}

impl<'a> Scorer<'a> {
    /// One that looks at these resources.
    ///
    /// # Errors
    /// [`ScoreError`] with all weights that are not from 1 to 100.
    pub fn new(strategy: Strategy, weights: &[Weight<'a>]) -> Result<Self, ScoreError> {
        let fine = |w: &Weight<'_>| u64::try_from(w.weight).is_ok_and(|w| (1..=MOST).contains(&w));
        let wrong = weights.iter().enumerate().filter(|(_, w)| !fine(w));
        let at: Vec<usize> = wrong.map(|(i, _)| i).collect();
        if !at.is_empty() {
            return Err(ScoreError { at });
        }
        let weights = weights.iter().map(|w| (w.name, w.weight.unsigned_abs()));
        Ok(Self {
            strategy,
            weights: weights.collect(),
        })
    }

    /// The score of a node with these `allocatable` amounts on which the pods of `present` are, were `pod` to
    /// join them. O(resources x containers).
    #[must_use]
    pub fn score(&self, allocatable: &Quantities<'_>, present: &[&Pod<'_>], pod: &Pod<'_>) -> u64 {
        let parts: Vec<(u64, u64, u64)> = self
            .weights
            .iter()
            .filter_map(|(name, weight)| {
                let (asked, capacity) = self.fill(name, allocatable, present, pod)?;
                Some((asked, capacity, *weight))
            })
            .collect();
        match self.strategy {
            Strategy::LeastAllocated => mean(&parts, |asked, capacity| capacity - asked),
            Strategy::MostAllocated => mean(&parts, |asked, _| asked),
            Strategy::BalancedAllocation => balanced(&parts),
        }
    }

    /// Requested (at most the capacity, except that too much counts as full) and capacity of one resource;
    /// `None` where it is passed over: not on the node, or an extended resource that the pod does not want.
    fn fill(
        &self,
        name: &str,
        allocatable: &Quantities<'_>,
        present: &[&Pod<'_>],
        pod: &Pod<'_>,
    ) -> Option<(u64, u64)> {
        let capacity = allocatable.get(name).copied().filter(|c| *c > 0)?;
        let default = match (self.strategy, name) {
            (Strategy::BalancedAllocation, _) => 0,
            (_, "cpu") => DEFAULT_CPU,
            (_, "memory") => DEFAULT_MEMORY,
            _ => 0,
        };
        let wanted = pod.request(name, default).unwrap_or(0);
        if wanted == 0 && !matches!(name, "cpu" | "memory" | "ephemeral-storage") {
            return None;
        }
        let asked = present.iter().fold(wanted, |sum, p| {
            sum.saturating_add(p.request(name, default).unwrap_or(0))
        });
        Some((asked.min(capacity), capacity))
    }
}

/// Weighted mean of `part / capacity` in hundredths, each rounded down before the mean is.
fn mean(parts: &[(u64, u64, u64)], part: impl Fn(u64, u64) -> u64) -> u64 {
    let (mut sum, mut weights) = (0_u128, 0_u128);
    for (asked, capacity, weight) in parts {
        let share = u128::from(part(*asked, *capacity)) * u128::from(MOST) / u128::from(*capacity);
        sum += share * u128::from(*weight);
        weights += u128::from(*weight);
    }
    u64::try_from(sum / weights.max(1)).unwrap_or(MOST)
}

/// 100 less the standard deviation of the filled shares.
fn balanced(parts: &[(u64, u64, u64)]) -> u64 {
    let shares = parts.iter().map(|(a, c, _)| *a as f64 / *c as f64);
    let deviation = match parts.len() {
        0 | 1 => 0.0,
        2 => {
            // Written out as upstream does: the root would round differently.
            let mut shares = shares;
            let (a, b) = (shares.next().unwrap_or(0.0), shares.next().unwrap_or(0.0));
            libm::fabs((a - b) / 2.0)
        }
        n => {
            let mean = shares.clone().sum::<f64>() / n as f64;
            let squares: f64 = shares.map(|s| (s - mean) * (s - mean)).sum();
            libm::sqrt(squares / n as f64)
        }
    };
    ((1.0 - deviation) * MOST as f64) as u64
}
