//! What time it is, by all that tells.

use super::StoreClock;
use crate::store::record::TimeOrigin;
use crate::store::seam::Elapsed;
use crate::time::Timestamp;
use core::time::Duration;

/// By how much what a stopwatch shows may be behind without anything being wrong: it may show whole seconds, and takes time to come.
const LAG: Duration = Duration::from_secs(1).saturating_add(StoreClock::ROUND_TRIP);

/// A stopwatch is started anew after five minutes, as often as etcd checkpoints leases where it is told to: a store that loses what it has
/// counted counts on from nothing, and time stands still until that is as much as it was.
const LASTS: Duration = Duration::from_secs(300);

/// What time it is, and by what it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) time: Timestamp,
    /// None where a stopwatch is to be started.
    pub(super) origin: Option<TimeOrigin>,
}

impl Judged {
    pub(super) fn anew(time: Timestamp) -> Self {
        Self { time, origin: None }
    }
}

/// What time it is, where it is no earlier than `now`, is counted from `origin`, the stopwatch shows so much, and by the host's own clock it is
/// `own` at least.
///
/// A reading of an earlier term than the one that was written down is of a member that has been deposed: what it counted may be what others
/// have given up for lost.
pub(super) fn judge(
    (now, origin): (Timestamp, Option<TimeOrigin>),
    shown: Option<Elapsed>,
    own: Option<Timestamp>,
) -> Judged {
    let own = own.unwrap_or_default();
    let counts = origin.zip(shown);
    let Some((origin, shown)) = counts.filter(|(origin, shown)| shown.term >= origin.term) else {
        return Judged::anew(now.max(own));
    };
    let counted = origin.base.after(shown.time);
    let bridged = match shown.term == origin.term {
        // The store's clock counts, not that of the host whose runs fastest.
        true => own.min(counted.after(LAG)),
        false => own,
    };
    let time = now.max(counted).max(bridged);
    let lost = time > counted.after(LAG);
    let old = time.since(origin.base) > LASTS;
    let term = shown.term;
    Judged {
        time,
        origin: (!lost && !old).then_some(TimeOrigin { term, ..origin }),
    }
}
