//! Whether a pod may stand on a node: labels, taints, and room by requests.

use super::objects::{Node, Pod};

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Keeps new ones off.
    NoSchedule,
    /// Makes the scheduler avoid the node.
    PreferNoSchedule,
    /// Keeps new ones off and sends those there away.
    NoExecute,
}

/// A mark that keeps pods off a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taint<'a> {
    /// Key.
    pub key: &'a str,
    /// Value.
    pub value: &'a str,
    /// What it does.
    pub effect: Effect,
}

/// Which values of a taint are tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerates<'a> {
    /// Any.
    Any,
    /// This one.
    Value(&'a str),
}

/// What a pod tolerates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toleration<'a> {
    /// The taint's key; `None` is any.
    pub key: Option<&'a str>,
    /// Its value.
    pub value: Tolerates<'a>,
    /// Its effect; `None` is any.
    pub effect: Option<Effect>,
}

impl Toleration<'_> {
    fn covers(&self, taint: &Taint<'_>) -> bool {
        self.effect.is_none_or(|e| e == taint.effect)
            && self.key.is_none_or(|k| k == taint.key)
            && match self.value {
                Tolerates::Any => true,
                Tolerates::Value(value) => value == taint.value,
            }
    }
}

/// How a node's label is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator<'a> {
    /// It is one of these.
    In(alloc::vec::Vec<&'a str>),
    /// It is absent or none of these.
    NotIn(alloc::vec::Vec<&'a str>),
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
    /// It is a whole number above this.
    Gt(i64),
    /// It is a whole number below this.
    Lt(i64),
}

/// A requirement on one label of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression<'a> {
    /// The label's key.
    pub key: &'a str,
    /// How its value is compared.
    pub operator: Operator<'a>,
}

impl Expression<'_> {
    fn holds(&self, node: &Node<'_>) -> bool {
        let label = node.labels.get(self.key).copied();
        let number = label.and_then(|l| l.parse::<i64>().ok());
        match &self.operator {
            Operator::In(values) => label.is_some_and(|l| values.contains(&l)),
            Operator::NotIn(values) => label.is_none_or(|l| !values.contains(&l)),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::Gt(bound) => number.is_some_and(|n| n > *bound),
            Operator::Lt(bound) => number.is_some_and(|n| n < *bound),
        }
    }
}

/// Whether the node's labels are what the pod requires.
fn matches(pod: &Pod<'_>, node: &Node<'_>) -> bool {
    let selected = pod
        .node_selector
        .iter()
        .all(|(key, value)| node.labels.get(key) == Some(value));
    // A term without expressions matches nothing.
    let term =
        |t: &alloc::vec::Vec<Expression<'_>>| !t.is_empty() && t.iter().all(|e| e.holds(node));
    selected && (pod.node_affinity.is_empty() || pod.node_affinity.iter().any(term))
}

/// Whether the pod tolerates all taints of the node, or only those that keep it off.
pub(super) fn tolerates(pod: &Pod<'_>, node: &Node<'_>, preferences: bool) -> bool {
    node.taints
        .iter()
        .filter(|t| preferences || t.effect != Effect::PreferNoSchedule)
        .all(|taint| pod.tolerations.iter().any(|t| t.covers(taint)))
}

/// Whether the pod's requests fit beside those of the pods that stand on the node, one more pod included.
fn has_room(pod: &Pod<'_>, at: usize, node: &Node<'_>, pods: &[Pod<'_>]) -> bool {
    let there = || pods.iter().filter(|p| p.node == at);
    let limit = node.allocatable.get("pods").copied().unwrap_or(0);
    if there().count() as u64 >= limit {
        return false;
    }
    pod.requested().all(|name| {
        let taken = there().fold(0_u64, |sum, p| {
            sum.saturating_add(p.request(name, 0).unwrap_or(0))
        });
        let capacity = node.allocatable.get(name).copied().unwrap_or(0);
        let wanted = pod.request(name, 0).unwrap_or(0);
        // Nothing wanted of what is over-committed is still too much there.
        capacity
            .checked_sub(taken)
            .is_some_and(|free| wanted <= free)
    })
}

/// Whether the pod would fit on any node but its own.
pub(super) fn fits_elsewhere(pod: &Pod<'_>, nodes: &[Node<'_>], pods: &[Pod<'_>]) -> bool {
    nodes.iter().enumerate().any(|(at, node)| {
        at != pod.node
            && !node.unschedulable
            && matches(pod, node)
            && tolerates(pod, node, false)
            && has_room(pod, at, node, pods)
    })
}
