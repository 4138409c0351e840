//! Why a pool gave nothing, and why an address is unavailable.

use crate::time::Timestamp;
use alloc::string::String;
use core::fmt;

/// Why one pool gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "why", rename_all = "kebab-case"))]
pub enum PoolReason {
    /// It is of the other family.
    Family,
    /// A label is missing or has another value.
    Label {
        /// The label's key.
        key: String,
        /// The value asked for.
        want: String,
        /// The pool's value.
        have: Option<String>,
    },
    /// It gives nothing more.
    Draining,
    /// No address is free.
    Full {
        /// Held by owners.
        held: u32,
        /// Retained for workloads.
        reserved: u32,
        /// In quarantine after release.
        quarantined: u32,
        /// When the first of those becomes free.
        next: Option<Timestamp>,
    },
    /// Addresses are free, but in blocks the host may not use.
    Blocks {
        /// The limit that keeps it from taking another block.
        limit: Option<u32>,
        /// Free addresses in other hosts' blocks.
        free: u64,
    },
}

impl fmt::Display for PoolReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Family => f.write_str("is of the other family"),
            Self::Label {
                key,
                want,
                have: Some(have),
            } => {
                write!(f, "has {key}={have}, not {key}={want}")
            }
            Self::Label {
                key,
                want,
                have: None,
            } => write!(f, "has no label {key}={want}"),
            Self::Draining => f.write_str("is draining"),
            Self::Full {
                held,
                reserved,
                quarantined,
                next,
            } => {
                write!(
                    f,
                    "is full: {held} held, {reserved} reserved, {quarantined} in quarantine"
                )?;
                next.map_or(Ok(()), |next| write!(f, " (the first until {next})"))
            }
            Self::Blocks { limit, free } => {
                let limit = limit.map_or_else(String::new, |l| alloc::format!(" of {l}"));
                write!(
                    f,
                    "has {free} free addresses in other hosts' blocks only; this host is at its limit{limit} or the pool is strict"
                )
            }
        }
    }
}

/// One pool that was considered for a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Considered {
    /// The pool's name.
    pub pool: String,
    /// Why it gave nothing.
    #[cfg_attr(feature = "serde", serde(rename = "why"))]
    pub reason: PoolReason,
}

impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.pool, self.reason)
    }
}

/// Why an address is unavailable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnavailableReason {
    /// It lies in no pool that was asked for.
    NoPool,
    /// The pool never gives it out, because it is this.
    Excluded(&'static str),
    /// An owner holds it.
    Held {
        /// The owner.
        owner: String,
        /// Its host.
        host: Option<String>,
        /// The end of its lease.
        until: Option<Timestamp>,
    },
    /// It is retained for a workload.
    Retained {
        /// The workload.
        workload: String,
    },
    /// It is in quarantine after release.
    Quarantined {
        /// Until then.
        until: Timestamp,
    },
    /// Its pool gives nothing more.
    Draining,
    /// The sparse pool that it lies in has no room for another block.
    NoSlots,
    /// A stored record that may hold it is damaged.
    Damaged,
}

impl fmt::Display for UnavailableReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPool => f.write_str("is in no pool that was asked for"),
            Self::Excluded(reason) => write!(f, "is never given out: it is {reason}"),
            Self::Held { owner, host, until } => {
                write!(f, "is held by `{owner}`")?;
                host.iter().try_for_each(|h| write!(f, " on `{h}`"))?;
                until.iter().try_for_each(|u| write!(f, " until {u}"))
            }
            Self::Retained { workload } => write!(f, "is retained for `{workload}`"),
            Self::Quarantined { until } => write!(f, "is in quarantine until {until}"),
            Self::Draining => f.write_str("is in a draining pool"),
            Self::Damaged => f.write_str("may be held: a stored record about it is damaged"),
            Self::NoSlots => f.write_str("would need another block than the pool has room for"),
        }
    }
}
