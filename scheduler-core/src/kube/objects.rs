//! Nodes and pods, as far as scores and evictions look at them.

use super::fit::{Expression, Taint, Toleration};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Amounts by resource: `cpu` in thousandths of a core, `memory` in bytes, `pods` and all else in units.
pub type Quantities<'a> = BTreeMap<&'a str, u64>;

/// One container's requests and limits; what is not stated is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container<'a> {
    /// Requests.
    pub requests: Quantities<'a>,
    /// Limits.
    pub limits: Quantities<'a>,
}

/// How a pod is treated when its node runs short; the first goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// No requests or limits of CPU or memory.
    BestEffort,
    /// Anything in between.
    Burstable,
    /// Limits of CPU and memory on all containers, equal to the requests.
    Guaranteed,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod<'a> {
    /// Name.
    pub name: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Index of its node; out of range for one that stands nowhere.
    pub node: usize,
    /// Its containers.
    pub containers: Vec<Container<'a>>,
    /// Containers that run one after another before the others.
    pub init_containers: Vec<Container<'a>>,
    /// What the runtime adds for the pod.
    pub overhead: Quantities<'a>,
    /// Measured use; `None` if it was not measured.
    pub measured: Option<Quantities<'a>>,
    /// Priority, if it has one.
    pub priority: Option<i32>,
    /// Kinds of its owners (`ReplicaSet`, `DaemonSet`, ...).
    pub owners: Vec<&'a str>,
    /// Whether it mirrors a pod that the node itself runs, or is such a pod.
    pub of_node: bool,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// Whether it keeps data on its node (`emptyDir`, `hostPath`).
    pub local_storage: bool,
    /// Whether it is marked as evictable whatever it is.
    pub always_evictable: bool,
    /// Labels that its node must have.
    pub node_selector: Vec<(&'a str, &'a str)>,
    /// Required node affinity: all expressions of one of the terms; none at all is no requirement.
    pub node_affinity: Vec<Vec<Expression<'a>>>,
    /// Which taints it tolerates.
    pub tolerations: Vec<Toleration<'a>>,
}

impl<'a> Pod<'a> {
    /// What it requests: its containers together or the largest init container, and the overhead. A container
    /// that does not state a resource counts `default` of it. `None` if it says nothing about the resource.
    #[must_use]
    pub fn request(&self, resource: &str, default: u64) -> Option<u64> {
        let of = |c: &Container<'a>| c.requests.get(resource).copied();
        let stated = self.containers.iter().chain(&self.init_containers);
        let overhead = self.overhead.get(resource).copied();
        let known = default > 0 || overhead.is_some() || stated.clone().any(|c| of(c).is_some());
        if !known {
            return None;
        }
        let sum = self
            .containers
            .iter()
            .fold(0_u64, |sum, c| sum.saturating_add(of(c).unwrap_or(default)));
        let init = self
            .init_containers
            .iter()
            .map(|c| of(c).unwrap_or(default));
        let most = sum.max(init.max().unwrap_or(0));
        Some(most.saturating_add(overhead.unwrap_or(0)))
    }

    /// The resources that it states requests for.
    pub(super) fn requested(&self) -> impl Iterator<Item = &'a str> {
        let all = self.containers.iter().chain(&self.init_containers);
        all.flat_map(|c| c.requests.keys().copied())
            .chain(self.overhead.keys().copied())
    }

    /// Its class.
    #[must_use]
    pub fn qos(&self) -> Qos {
        let both = ["cpu", "memory"];
        let all = self.containers.iter().chain(&self.init_containers);
        let amount = |q: &Quantities<'a>, r: &str| q.get(r).copied().unwrap_or(0);
        if all.clone().all(|c| {
            both.iter()
                .all(|r| amount(&c.requests, r) == 0 && amount(&c.limits, r) == 0)
        }) {
            return Qos::BestEffort;
        }
        let fixed = |c: &Container<'a>, r: &str| {
            let limit = amount(&c.limits, r);
            limit > 0 && c.requests.get(r).is_none_or(|request| *request == limit)
        };
        if all.clone().all(|c| both.iter().all(|r| fixed(c, r))) {
            return Qos::Guaranteed;
        }
        Qos::Burstable
    }
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node<'a> {
    /// Name.
    pub name: &'a str,
    /// What its pods may have of it together; `pods` is how many.
    pub allocatable: Quantities<'a>,
    /// Whether new pods are kept off.
    pub unschedulable: bool,
    /// Labels.
    pub labels: BTreeMap<&'a str, &'a str>,
    /// Taints.
    pub taints: Vec<Taint<'a>>,
    /// Measured use, without `pods`; `None` if it was not measured.
    pub measured: Option<Quantities<'a>>,
}
