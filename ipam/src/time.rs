//! Points in time as the caller hands them in.

use core::fmt;
use core::time::Duration;

/// Nanoseconds since an epoch that the caller chooses; arithmetic saturates.
///
/// State that outlives a process (stores, leases) uses the Unix epoch. Alike in every core of the family, and convertible
/// from and to a [`Duration`] since the epoch, so that a caller of several cores needs one clock.
///
/// ```
/// use ipam::Timestamp;
/// use std::time::Duration;
///
/// let start = Timestamp::from_secs(100);
/// assert_eq!(start.after(Duration::from_secs(20)), Timestamp::from_secs(120));
/// assert_eq!(Timestamp::from_secs(120).since(start), Duration::from_secs(20));
/// // Arithmetic saturates: the last point in time means "never".
/// assert_eq!(Timestamp::MAX.after(Duration::from_secs(1)), Timestamp::MAX);
/// assert_eq!(Timestamp::from(Duration::from_millis(5)), Timestamp::from_millis(5));
/// ```
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
    /// The last point in time, 584 years after the epoch; as a deadline it means "never".
    pub const MAX: Self = Self(u64::MAX);

    /// From nanoseconds since the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
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
    ///
    /// ```
    /// # use ipam::Timestamp;
    /// # use std::time::Duration;
    /// let end = Timestamp::from_secs(100).after(Duration::from_secs(20));
    /// assert_eq!(end, Timestamp::from_secs(120));
    /// ```
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(Self::from(wait).0))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    ///
    /// ```
    /// # use ipam::Timestamp;
    /// # use std::time::Duration;
    /// let (start, end) = (Timestamp::from_secs(100), Timestamp::from_secs(120));
    /// assert_eq!(end.since(start), Duration::from_secs(20));
    /// assert_eq!(start.since(end), Duration::ZERO); // it is not after it
    /// ```
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl From<Duration> for Timestamp {
    fn from(since_epoch: Duration) -> Self {
        Self(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Timestamp> for Duration {
    fn from(time: Timestamp) -> Self {
        Self::from_nanos(time.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, nanos) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        write!(f, "{secs}.{nanos:09} s")
    }
}
