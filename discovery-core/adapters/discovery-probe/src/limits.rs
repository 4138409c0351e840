//! How much is under way at once.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Bounds on what is under way at once; more wait for a permit until their deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Probes over the network, each of which holds a descriptor.
    pub connections: usize,
    /// Programs.
    pub programs: usize,
}

impl Default for Limits {
    /// Half of the descriptors that this process may have, 64 to 16,384, and 32 programs.
    fn default() -> Self {
        let descriptors = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        let half = usize::try_from(descriptors / 2).unwrap_or(usize::MAX);
        Self {
            connections: half.clamp(64, 16_384),
            programs: 32,
        }
    }
}

impl Limits {
    /// So many connections at once, at least one.
    #[must_use]
    pub fn with_connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// So many programs at once, at least one.
    #[must_use]
    pub fn with_programs(mut self, programs: usize) -> Self {
        self.programs = programs;
        self
    }
}

/// Raises this process's limit of descriptors as far as it may; how many it may have then.
///
/// # Errors
/// The kernel's.
pub fn raise_descriptors() -> std::io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}
