//! Whom the descheduler would evict to spread load, or to pack it.

use super::classes::{
    Percents, Rule, around, average, classify, heaviest_first, lightest_first, percents,
};
use super::evict::{evictable, rank};
use super::fit::{fits_elsewhere, tolerates};
use super::objects::{Node, Pod, Quantities};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

const BASIC: [&str; 3] = ["cpu", "memory", "pods"];

/// Which namespaces' pods may be evicted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Namespaces<'a> {
    /// All.
    #[default]
    All,
    /// All but these.
    Except(Vec<&'a str>),
    /// Only these.
    Only(Vec<&'a str>),
}

impl Namespaces<'_> {
    fn allow(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Except(names) => !names.contains(&namespace),
            Self::Only(names) => names.contains(&namespace),
        }
    }
}

/// What eviction is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal<'a> {
    /// `LowNodeUtilization`: from nodes with anything above `high`, while some have everything at or below `low`.
    Spread {
        /// Low thresholds, percent.
        low: Percents<'a>,
        /// High thresholds, percent, of the same resources.
        high: Percents<'a>,
        /// Whether thresholds are distances from the mean over all nodes.
        deviation: bool,
    },
    /// `HighNodeUtilization`: from nodes with everything at or below `low`, so that they can be given back.
    Pack {
        /// Thresholds, percent.
        low: Percents<'a>,
        /// Whether only pods go that request a resource with a threshold.
        only_thresholded: bool,
    },
}

/// Why nothing can be decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvictorError {
    /// Measured use is wanted, and a node has none of a resource.
    #[error("no measured use of {resource} on node {node}")]
    Unmeasured {
        /// The node.
        node: String,
        /// The resource.
        resource: String,
    },
}

/// The descheduler's balancing plugins with the default evictor.
#[derive(Clone, Debug, PartialEq)]
pub struct Evictor<'a> {
    /// What for.
    pub goal: Goal<'a>,
    /// Nothing is done unless more nodes than this are under-used.
    pub idle_nodes: usize,
    /// Most evictions from a node.
    pub node_limit: Option<usize>,
    /// Whose pods.
    pub namespaces: Namespaces<'a>,
    /// Whether a victim must fit on some other node.
    pub node_fit: bool,
    /// Whether measured use counts, instead of requests.
    pub measured: bool,
}

/// A node's state in the decision: what is used, and how much may be.
struct State<'a> {
    at: usize,
    used: BTreeMap<&'a str, i128>,
    allowed: BTreeMap<&'a str, i128>,
}

impl<'a> Evictor<'a> {
    /// One that packs or spreads without limits, by requests, with node fit.
    #[must_use]
    pub fn new(goal: Goal<'a>) -> Self {
        Self {
            goal,
            idle_nodes: 0,
            node_limit: None,
            namespaces: Namespaces::All,
            node_fit: true,
            measured: false,
        }
    }

    /// Indices of the pods that would be evicted, in order. Equal nodes and pods are taken in the order given.
    /// O(pods x nodes x pods) with node fit.
    ///
    /// # Errors
    /// [`EvictorError`].
    pub fn evictions(
        &self,
        nodes: &[Node<'a>],
        pods: &[Pod<'a>],
    ) -> Result<Vec<usize>, EvictorError> {
        let names = self.names();
        let usages = nodes
            .iter()
            .enumerate()
            .map(|(at, node)| self.usage(at, node, pods, &names))
            .collect::<Result<Vec<_>, _>>()?;
        let (classes, ceilings) = self.classes(nodes, &usages);
        let group = |class: usize| -> Vec<usize> {
            let of = classes.iter().enumerate();
            of.filter(|(_, c)| **c == Some(class))
                .map(|(at, _)| at)
                .collect()
        };
        let (low, other) = (group(0), group(1));
        if low.len() <= self.idle_nodes || low.len() == nodes.len() || other.is_empty() {
            return Ok(Vec::new());
        }
        let (mut order, sources, targets) = match self.goal {
            Goal::Spread { .. } => (heaviest_first(&usages), other, low),
            Goal::Pack { .. } => (lightest_first(&usages), low, other),
        };
        order.retain(|at| sources.contains(at));
        let state = |at: usize| State {
            at,
            used: names
                .iter()
                .map(|n| (*n, amount(usages.get(at), n)))
                .collect(),
            allowed: nodes.get(at).map_or_else(BTreeMap::new, |node| {
                names
                    .iter()
                    .map(|n| (*n, allowed(node, &ceilings, n)))
                    .collect()
            }),
        };
        let mut pool = pool(targets.iter().map(|at| state(*at)), &names);
        let mut victims = Vec::new();
        for source in order {
            self.relieve(
                state(source),
                nodes,
                pods,
                &targets,
                &mut pool,
                &mut victims,
            );
        }
        Ok(victims)
    }

    /// The resources that count: those with thresholds, and the basic ones.
    fn names(&self) -> BTreeSet<&'a str> {
        let (Goal::Spread { low, .. } | Goal::Pack { low, .. }) = &self.goal;
        low.keys().copied().chain(BASIC).collect()
    }

    /// Each node's class (0 under-used, 1 the other end of the goal) and the upper thresholds.
    fn classes(
        &self,
        nodes: &[Node<'a>],
        usages: &[Quantities<'a>],
    ) -> (Vec<Option<usize>>, Percents<'a>) {
        let shares = nodes.iter().zip(usages);
        let shares: Vec<Percents<'a>> = shares
            .map(|(n, used)| percents(used, &n.allocatable))
            .collect();
        let (rules, spread) = match &self.goal {
            Goal::Spread {
                low,
                high,
                deviation,
            } => {
                let (low, high) = if *deviation {
                    let named = |share: &Percents<'a>| -> Percents<'a> {
                        let own = share.iter().filter(|(name, _)| low.contains_key(*name));
                        own.map(|(name, percent)| (*name, *percent)).collect()
                    };
                    let shares: Vec<Percents<'a>> = shares.iter().map(named).collect();
                    around(&average(&shares), low, high)
                } else {
                    (low.clone(), high.clone())
                };
                ([(low, Rule::AllAtMost), (high, Rule::AnyAbove)], true)
            }
            Goal::Pack { low, .. } => {
                let high = low.keys().map(|name| (*name, 100.0)).collect();
                (
                    [(low.clone(), Rule::AllAtMost), (high, Rule::Always)],
                    false,
                )
            }
        };
        let [(_, _), (ceilings, _)] = &rules;
        let mut classes = classify(&shares, &rules);
        // An unschedulable node takes nothing: as an under-used one of a spread it is judged anew.
        for ((class, node), share) in classes.iter_mut().zip(nodes).zip(&shares) {
            if node.unschedulable && spread && *class == Some(0) {
                let again = classify(core::slice::from_ref(share), &rules[1..]);
                *class = again.first().copied().flatten().map(|_| 1);
            } else if node.unschedulable && !spread && *class == Some(1) {
                *class = None;
            }
        }
        (classes, ceilings.clone())
    }

    /// What is used of a node, by requests or as measured; `pods` is how many there are.
    fn usage(
        &self,
        at: usize,
        node: &Node<'a>,
        pods: &[Pod<'a>],
        names: &BTreeSet<&'a str>,
    ) -> Result<Quantities<'a>, EvictorError> {
        let there = || pods.iter().filter(|p| p.node == at);
        let of = |name: &'a str| {
            if name == "pods" {
                return Ok((name, there().count() as u64));
            }
            if !self.measured {
                let sum = there().fold(0_u64, |sum, p| {
                    sum.saturating_add(p.request(name, 0).unwrap_or(0))
                });
                return Ok((name, sum));
            }
            let measured = node.measured.as_ref().and_then(|m| m.get(name));
            let measured = measured.ok_or_else(|| EvictorError::Unmeasured {
                node: node.name.to_string(),
                resource: name.to_string(),
            })?;
            Ok((name, *measured))
        };
        names.iter().map(|name| of(name)).collect()
    }

    /// Evicts from one node until it need not, or the pool is spent.
    fn relieve(
        &self,
        mut source: State<'a>,
        nodes: &[Node<'a>],
        pods: &[Pod<'a>],
        targets: &[usize],
        pool: &mut BTreeMap<&'a str, i128>,
        victims: &mut Vec<usize>,
    ) {
        let there = pods.iter().enumerate().filter(|(_, p)| p.node == source.at);
        let mut candidates: Vec<(usize, &Pod<'a>)> = there
            .filter(|(_, p)| evictable(p) && self.concerns(p))
            .collect();
        candidates.sort_by_key(|(_, p)| rank(p));
        let mut taken = 0_usize;
        for (index, pod) in candidates {
            let limited = self.node_limit.is_some_and(|limit| taken >= limit);
            if limited || !self.goes_on(&source, pool) {
                return;
            }
            let welcome = targets
                .iter()
                .filter_map(|at| nodes.get(*at))
                .any(|node| tolerates(pod, node, true));
            if !welcome
                || !self.namespaces.allow(pod.namespace)
                || (self.node_fit && !fits_elsewhere(pod, nodes, pods))
                || (self.measured && pod.measured.is_none())
            {
                continue;
            }
            victims.push(index);
            taken = taken.saturating_add(1);
            for (name, free) in pool.iter_mut() {
                let amount = self.taken_by(pod, name);
                *free -= amount;
                *source.used.entry(*name).or_default() -= amount;
            }
        }
    }

    /// What a victim's going frees of a resource.
    fn taken_by(&self, pod: &Pod<'a>, name: &str) -> i128 {
        if name == "pods" {
            return 1;
        }
        if self.measured {
            return amount(pod.measured.as_ref(), name);
        }
        i128::from(pod.request(name, 0).unwrap_or(0))
    }

    /// Whether the goal is about such a pod.
    fn concerns(&self, pod: &Pod<'_>) -> bool {
        match &self.goal {
            Goal::Pack {
                low,
                only_thresholded: true,
            } => pod.requested().any(|name| low.contains_key(name)),
            _ => true,
        }
    }

    /// Whether more is to go: there is room for it, and a node to spread from is still too full.
    fn goes_on(&self, source: &State<'_>, pool: &BTreeMap<&str, i128>) -> bool {
        let full = |(name, used): (&&str, &i128)| {
            source
                .allowed
                .get(name)
                .is_some_and(|allowed| used > allowed)
        };
        let needed = match self.goal {
            Goal::Spread { .. } => source.used.iter().any(full),
            Goal::Pack { .. } => true,
        };
        needed && pool.values().all(|free| *free > 0)
    }
}

/// What all targets together may take. Pooled, as upstream does: no single one need have the room.
fn pool<'a>(
    targets: impl Iterator<Item = State<'a>>,
    names: &BTreeSet<&'a str>,
) -> BTreeMap<&'a str, i128> {
    let mut pool: BTreeMap<&str, i128> = names.iter().map(|name| (*name, 0)).collect();
    for target in targets {
        for (name, free) in &mut pool {
            let of = |amounts: &BTreeMap<&str, i128>| amounts.get(name).copied().unwrap_or(0);
            *free += of(&target.allowed) - of(&target.used);
        }
    }
    pool
}

/// A node's capacity up to the upper threshold, rounded down; all of it where there is none.
fn allowed(node: &Node<'_>, ceilings: &Percents<'_>, name: &str) -> i128 {
    let capacity = node.allocatable.get(name).copied().unwrap_or(0);
    match ceilings.get(name) {
        Some(percent) => (percent * 0.01 * capacity as f64) as i128,
        None => i128::from(capacity),
    }
}

fn amount(quantities: Option<&Quantities<'_>>, name: &str) -> i128 {
    i128::from(quantities.and_then(|q| q.get(name)).copied().unwrap_or(0))
}
