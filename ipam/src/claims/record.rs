//! One owner's claim.

use crate::claim::RetentionKind;
use crate::index::Home;
use crate::spots::Spots;
use crate::time::Timestamp;

/// One owner's claim: a cache line of its own. Read anywhere, written by [`Claims`](super::Claims) only.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Claim {
    pub(crate) sequence: u64,
    /// When it was made or last renewed.
    pub(crate) touched: Timestamp,
    /// The lease's end; [`Timestamp::MAX`] for none.
    pub(crate) until: Timestamp,
    pub(crate) workload: u32,
    /// The workload's place in its index: where it ends with the claim, the index is asked at once.
    pub(crate) workload_tag: u32,
    pub(crate) host: u32,
    /// The workload's next claim and the one before.
    pub(super) next: u32,
    pub(super) previous: u32,
    pub(crate) spots: Spots,
    /// Its place in the index.
    pub(super) home: Home,
    pub(crate) kind: Kind,
    /// How long its addresses stay after release, if it is sticky.
    pub(super) ttl: Ttl,
}

/// [`RetentionKind`] without the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ephemeral,
    Sticky,
    Fixed,
}

impl From<RetentionKind> for Kind {
    fn from(retention: RetentionKind) -> Self {
        match retention {
            RetentionKind::Ephemeral | RetentionKind::Sticky(core::time::Duration::ZERO) => {
                Self::Ephemeral
            }
            RetentionKind::Sticky(_) => Self::Sticky,
            RetentionKind::Fixed => Self::Fixed,
        }
    }
}

/// Seconds, or a mark that the time stands in a list of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ttl(u32);

impl Ttl {
    #[cfg(test)]
    pub(super) const NONE: Self = Self(0);
    /// It stands in a list of its own.
    pub(super) const ODD: Self = Self(u32::MAX);

    /// Nearly all are whole seconds and short of 136 years; the nanoseconds of those that are not.
    pub(super) fn of(retention: RetentionKind) -> (Self, Option<u64>) {
        let RetentionKind::Sticky(ttl) = retention else {
            return (Self(0), None);
        };
        match u32::try_from(ttl.as_secs()) {
            Ok(seconds) if ttl.subsec_nanos() == 0 && seconds != Self::ODD.0 => {
                (Self(seconds), None)
            }
            _ => (Self::ODD, Some(Timestamp::from(ttl).as_nanos())),
        }
    }

    pub(super) fn whole_seconds(self) -> Option<u64> {
        (self != Self::ODD).then_some(self.0.into())
    }
}

/// A million claims are what this size is for.
const _: () = assert!(size_of::<Option<Claim>>() == 64);
