//! The simulated hosts, all alike.

/// Cores of a host.
pub const HOST_CORES: f64 = 8.0;
/// Safety capacity of a host, as a share of its cores: above it, a host is overloaded.
pub const SAFETY: f64 = 0.8;
