//! Which endpoints a node's traffic may use, by Kubernetes' rules for `EndpointSlice`s.

use alloc::vec::Vec;

use crate::endpoint::Conditions;

/// Whose endpoints may be used: a Kubernetes service's traffic policy.
#[doc(alias = "internalTrafficPolicy")]
#[doc(alias = "externalTrafficPolicy")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum TrafficPolicy {
    /// All of the cluster's.
    #[default]
    Cluster,
    /// Only those on this node.
    Local,
}

/// An endpoint as it is seen from one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Its conditions.
    pub conditions: Conditions,
    /// It runs on this node.
    pub local: bool,
    /// The zones its hints name; empty without hints.
    pub hints: &'a [&'a str],
}

/// The places in `endpoints` of those that traffic from a node in `zone` may use (kube-proxy's
/// `CategorizeEndpoints`): the ready ones, or, when there are none, those that serve although they terminate.
/// Hints narrow the ready ones down to the zone if all of them have hints and one of them names the zone.
///
/// ```
/// use discovery_core::endpoint::Conditions;
/// use discovery_core::locality::{Candidate, TrafficPolicy, usable};
///
/// let at = |hints| Candidate { conditions: Conditions::READY, local: false, hints };
/// let endpoints = [at(&["a"]), at(&["b"])];
/// assert_eq!(usable(&endpoints, TrafficPolicy::Cluster, Some("b")), [1]);
/// assert_eq!(usable(&endpoints, TrafficPolicy::Cluster, Some("c")), [0, 1]); // no hint names c
/// ```
#[doc(alias = "CategorizeEndpoints")]
#[must_use]
pub fn usable(
    endpoints: &[Candidate<'_>],
    policy: TrafficPolicy,
    zone: Option<&str>,
) -> Vec<usize> {
    let mine = |e: &Candidate<'_>| policy == TrafficPolicy::Cluster || e.local;
    let pick = |wanted: &dyn Fn(&Candidate<'_>) -> bool| -> Vec<usize> {
        let all = endpoints.iter().enumerate();
        all.filter(|(_, e)| mine(e) && wanted(e))
            .map(|(i, _)| i)
            .collect()
    };
    let ready = pick(&|e| e.conditions.ready);
    if ready.is_empty() {
        return pick(&|e| e.conditions.serving && e.conditions.terminating);
    }
    let Some(zone) = zone.filter(|_| policy == TrafficPolicy::Cluster) else {
        return ready;
    };
    let hinted = endpoints
        .iter()
        .filter(|e| e.conditions.ready)
        .all(|e| !e.hints.is_empty());
    let near = pick(&|e| e.conditions.ready && e.hints.contains(&zone));
    if hinted && !near.is_empty() {
        near
    } else {
        ready
    }
}
