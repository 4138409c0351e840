//! Points in time as the caller hands them in.

use core::fmt;
use core::time::Duration;

/// How far clocks of hosts may differ before a stored time is taken for a fault.
const AHEAD: Duration = Duration::from_secs(24 * 3600);

/// Nanoseconds since an epoch that the caller chooses; arithmetic saturates.
///
/// State that outlives a process (stores, leases) uses the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The epoch itself.
    pub const ZERO: Self = Self(0);
    /// The last point in time; as a deadline it means "never".
    pub const MAX: Self = Self(u64::MAX);

    /// From nanoseconds since the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// From whole seconds since the epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This point plus a duration, at most [`Timestamp::MAX`].
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(nanos(wait)))
    }

    /// Whether this is so far ahead of a clock that says `now` that a clock must have been wrong: more than 24 hours.
    #[must_use]
    pub(crate) fn is_ahead_of(self, now: Self) -> bool {
        self > now.after(AHEAD)
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09} s",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000
        )
    }
}

/// A duration in nanoseconds, saturating (584 years).
#[inline]
pub(crate) fn nanos(wait: Duration) -> u64 {
    let whole = wait.as_secs().saturating_mul(1_000_000_000);
    whole.saturating_add(wait.subsec_nanos().into())
}
