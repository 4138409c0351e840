//! How a controller works.

use std::time::Duration;

/// How a controller works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// What the cluster is called in the store: the first part of its owners' and workloads' names.
    pub cluster: String,
    /// The one namespace that is watched; `None`: all of them. Of others nothing is concluded.
    pub namespace: Option<String>,
    /// How often claims are collected.
    pub collect: Duration,
    /// How long a pod must be missing, in two passes, before what it has is released.
    pub grace: Duration,
    /// The seed of pauses.
    pub seed: u64,
}

impl Default for Settings {
    /// Cluster `kube`, a pass each minute, a grace of fifteen minutes.
    fn default() -> Self {
        Self {
            cluster: "kube".to_owned(),
            namespace: None,
            collect: Duration::from_secs(60),
            grace: Duration::from_secs(900),
            seed: 0,
        }
    }
}

/// The longest name of a cluster.
const LONGEST_CLUSTER: usize = 32;

impl Settings {
    /// The settings with a name of the cluster.
    ///
    /// # Errors
    /// The name is empty, longer than 32 characters, or has a slash or control characters in it.
    pub fn cluster(mut self, name: &str) -> Result<Self, String> {
        let fits = (1..=LONGEST_CLUSTER).contains(&name.len())
            && !name.contains(|c: char| c == '/' || c.is_control());
        if !fits {
            return Err(format!(
                "{name:?} cannot name a cluster: want 1 to {LONGEST_CLUSTER} characters without slash and control characters"
            ));
        }
        name.clone_into(&mut self.cluster);
        Ok(self)
    }
}
