//! Whether the namespace that a container gives is another than the plugin's own.

use ipam_cni::{Code, Environment, Refusal};
use std::os::unix::fs::MetadataExt as _;

const OWN: &str = "/proc/self/ns/net";

/// Refuses the plugin's own namespace, unless that is told to be fine. One that is not there is no reason to refuse: it
/// may be gone, and host-local takes it too.
pub(crate) fn check(environment: &Environment) -> Result<(), Refusal> {
    if environment.namespace.is_empty() || environment.own_namespace_is_fine() {
        return Ok(());
    }
    let identity = |path: &str| std::fs::metadata(path).map(|m| (m.dev(), m.ino()));
    match (identity(&environment.namespace), identity(OWN)) {
        (Ok(given), Ok(own)) if given == own => Err(Refusal::new(
            Code::InvalidNamespace,
            "plugin's netns and netns from CNI_NETNS should not be the same",
        )
        .details(format!(
            "CNI_NETNS is {:?}; CNI_NETNS_OVERRIDE=1 allows it",
            environment.namespace
        ))),
        _ => Ok(()),
    }
}
