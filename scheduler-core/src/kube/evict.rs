//! Which pods the descheduler may evict at all, and in which order.

use super::objects::Pod;

/// Pods from here on keep the cluster itself alive.
const SYSTEM_CRITICAL: i32 = 2_000_000_000;

/// Whether the default evictor would let a pod be evicted: it is owned, by other than a `DaemonSet`, is not the
/// node's own, not being deleted, not critical to the system, and keeps no data on its node.
#[must_use]
pub fn evictable(pod: &Pod<'_>) -> bool {
    pod.always_evictable
        || (!pod.owners.is_empty()
            && !pod.owners.contains(&"DaemonSet")
            && !pod.of_node
            && !pod.deleting
            && pod.priority.is_none_or(|p| p < SYSTEM_CRITICAL)
            && !pod.local_storage)
}

/// Whom to evict first: no priority, then low ones; among equals, by class.
pub(super) fn rank(pod: &Pod<'_>) -> impl Ord + use<> {
    (pod.priority, pod.qos())
}
