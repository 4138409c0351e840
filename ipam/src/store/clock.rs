//! The time that hosts which share a store go by.

use super::damage::RejectedRecord;
use super::record::{Record, TIME};
use super::replica::{PAGE, known};
use super::seam::{Guard, Revision, Store, StoreError, Txn};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

/// The store's time, as one host knows it.
///
/// Wall clocks jump, and hosts' do not agree: leases and quarantines that end by them end too early somewhere. So the time stands in the
/// store. Whoever serves moves it on by compare-and-swap, by no more than has passed on its own *monotonic* clock since it saw the value
/// that is stored there, and by no more than a step: it never runs faster than real time, whatever wall clocks do, never jumps, and stands
/// still while nobody serves. What a host takes for now is the value that it saw last and what has passed on its monotonic clock since, up to
/// a step; it then looks again.
///
/// So no host's now is ever ahead of another's by more than real time and a step allow: whoever grants a lease at time `t` by its own
/// knowledge finds no other host at `t + lease` before `lease - step` has passed, less the time that its look at the store took (at most
/// [`StoreClock::ROUND_TRIP`]), less drift. That is what [`Margin`](crate::store::Margin) covers.
///
/// It has no clock of its own: monotonic time is handed in, since whatever epoch (since the host started, say).
///
/// ```
/// use ipam::Timestamp;
/// use ipam::store::{MemoryStore, StoreClock, ready};
///
/// # async fn run() -> Result<(), ipam::store::StoreError> {
/// let mut store = MemoryStore::default();
/// let wall = Timestamp::from_secs(1_700_000_000); // of whoever serves first
/// let mut server = StoreClock::default();
/// assert_eq!(server.serve(&mut store, wall, || Timestamp::from_secs(10)).await?, wall);
/// // Two seconds later its wall clock has jumped a year.
/// let later = server.serve(&mut store, Timestamp::from_secs(1_731_536_000), || Timestamp::from_secs(12)).await?;
/// assert_eq!(later, Timestamp::from_secs(1_700_000_002));
/// // Another host, started 500 s ago, goes by the same time.
/// let mut host = StoreClock::default();
/// host.read(&mut store, || Timestamp::from_secs(500)).await?;
/// assert_eq!(host.now(Timestamp::from_secs(501)), Some(Timestamp::from_secs(1_700_000_003)));
/// # Ok(())
/// # }
/// # ready(run()).expect("a store in memory never waits")?;
/// # Ok::<(), ipam::store::StoreError>(())
/// ```
#[derive(Clone, Debug)]
pub struct StoreClock {
    step: Duration,
    seen: Option<Seen>,
}

/// The store's time as it was seen.
#[derive(Clone, Copy, Debug)]
struct Seen {
    time: Timestamp,
    /// On the host's monotonic clock; the value was in the store by then.
    at: Timestamp,
    revision: Revision,
}

impl Default for StoreClock {
    fn default() -> Self {
        Self::with_step(Self::STEP)
    }
}

impl StoreClock {
    /// How far the time is moved on at once, and for how long a look at it is good: five seconds. Whoever serves does so several times in
    /// that time; a longer one makes margins longer, a shorter one lets time stand still whenever etcd elects a leader (a second by
    /// default).
    pub const STEP: Duration = Duration::from_secs(5);

    /// How long a look may take: of one that took longer nothing is learned.
    pub const ROUND_TRIP: Duration = Duration::from_secs(1);

    /// A clock with a step of its own: the same for all hosts of a store.
    #[must_use]
    pub fn with_step(step: Duration) -> Self {
        Self { step, seen: None }
    }

    /// Now by the store's time, on a host whose monotonic clock shows `monotonic`. None before the first look, and where the last one is
    /// longer ago than a step: look again ([`StoreClock::read`], [`StoreClock::serve`]).
    #[must_use]
    pub fn now(&self, monotonic: Timestamp) -> Option<Timestamp> {
        let seen = self.seen?;
        let passed = monotonic.since(seen.at);
        (passed <= self.step).then(|| seen.time.after(passed))
    }

    /// Looks at the store's time. One message. Where it is damaged, the latest time that stands in any record, for which all are read: it is
    /// behind, so nothing ends early by it, but it stands still until the time is written anew ([`StoreClock::serve`], `fsck --repair`).
    ///
    /// ```
    /// # use ipam::Timestamp;
    /// # use ipam::store::{MemoryStore, StoreClock, ready};
    /// // Nobody has ever served this store: it has no time.
    /// let mut clock = StoreClock::default();
    /// let seen = ready(clock.read(&mut MemoryStore::default(), || Timestamp::from_secs(1)));
    /// assert_eq!(seen, Some(Ok(None)));
    /// ```
    ///
    /// # Errors
    /// When the store fails, or takes longer than [`StoreClock::ROUND_TRIP`]. Nothing is known then.
    pub async fn read<S: Store>(
        &mut self,
        store: &mut S,
        mut monotonic: impl FnMut() -> Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(match self.look(store, &mut monotonic).await? {
            Look::Seen(seen) => Some(seen.time),
            Look::Missing(_) => None,
            Look::Damaged(_) => proved(store).await?,
        })
    }

    /// Looks at the store's time, if need be, and moves it on. One message in the common case: to be called several times a step. A store
    /// without a time is given `wall`, or the latest time that stands in any record, if that is later: all are read then. One that is damaged
    /// goes on from the latest time that stands in any record, and `wall` is asked only where none tells.
    ///
    /// ```
    /// # use ipam::Timestamp;
    /// # use ipam::store::{MemoryStore, StoreClock, ready};
    /// # ready(async {
    /// let (mut store, wall) = (MemoryStore::default(), Timestamp::from_secs(1_700_000_000));
    /// let mut clock = StoreClock::default();
    /// clock.serve(&mut store, wall, || Timestamp::from_secs(1)).await?;
    /// // A server that stood still for an hour moves the time on by no more than a step.
    /// let late = clock.serve(&mut store, wall, || Timestamp::from_secs(3601)).await?;
    /// assert_eq!(late.since(wall), StoreClock::STEP);
    /// # Ok::<(), ipam::store::StoreError>(())
    /// # }).unwrap()?;
    /// # Ok::<(), ipam::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As [`StoreClock::read`].
    pub async fn serve<S: Store>(
        &mut self,
        store: &mut S,
        wall: Timestamp,
        mut monotonic: impl FnMut() -> Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let (next, guard) = match self.seen {
            Some(seen) => {
                let passed = monotonic().since(seen.at).min(self.step);
                (
                    seen.time.after(passed),
                    Guard::unchanged(TIME, seen.revision),
                )
            }
            None => match self.look(store, &mut monotonic).await? {
                Look::Seen(seen) => return Ok(seen.time),
                Look::Missing(guard) => (latest(store).await?.max(wall), guard),
                Look::Damaged(guard) => (proved(store).await?.unwrap_or(wall), guard),
            },
        };
        // Whether it took place is unknown where the answer is lost.
        self.seen = None;
        let value = Record::Time { now: next }.encode();
        let txn = Txn {
            guards: Vec::from([guard]),
            put: Vec::from([(TIME.to_string(), value)]),
            ..Txn::default()
        };
        match store.commit(txn).await {
            Ok(revision) => {
                let (time, at) = (next, monotonic());
                self.seen = Some(Seen { time, at, revision });
                Ok(time)
            }
            // Another has moved it on.
            Err(StoreError::Conflict { .. }) => match self.look(store, &mut monotonic).await? {
                Look::Seen(seen) => Ok(seen.time),
                Look::Missing(_) | Look::Damaged(_) => Err(StoreError::Io(
                    "the store's time was removed while it was moved on".into(),
                )),
            },
            Err(error) => Err(error),
        }
    }

    async fn look<S: Store>(
        &mut self,
        store: &mut S,
        monotonic: &mut impl FnMut() -> Timestamp,
    ) -> Result<Look, StoreError> {
        self.seen = None;
        let asked = monotonic();
        let (values, revision) = store.get(&[TIME.to_string()]).await?;
        let at = monotonic();
        let took = at.since(asked);
        if took > Self::ROUND_TRIP {
            return Err(StoreError::Io(format!(
                "the store's time took {} ms to come, which is more than the {} ms that margins allow for",
                took.as_millis(),
                Self::ROUND_TRIP.as_millis()
            )));
        }
        let Some(Some(value)) = values.into_iter().next() else {
            return Ok(Look::Missing(Guard::absent(TIME, revision)));
        };
        known(TIME, &value)?;
        match Record::decode(TIME, &value) {
            Ok(Record::Time { now: time }) => {
                let seen = Seen { time, at, revision };
                self.seen = Some(seen);
                Ok(Look::Seen(seen))
            }
            _ => Ok(Look::Damaged(Guard::unchanged(TIME, revision))),
        }
    }
}

/// What a look at the store's time found.
enum Look {
    Seen(Seen),
    /// There is none; what a transaction that begins one rests on.
    Missing(Guard),
    /// It cannot be read. It goes on from where records prove that it was: a wall clock that is ahead would end what is others'.
    Damaged(Guard),
}

/// The latest time that any record proves, if one does.
pub(super) async fn proved<S: Store>(store: &mut S) -> Result<Option<Timestamp>, StoreError> {
    let latest = latest(store).await?;
    Ok(Some(latest).filter(|&at| at > Timestamp::ZERO))
}

/// What is wrong with the store's time, if anything is.
///
/// # Errors
/// A later version wrote it.
pub(super) fn damaged_time(value: Option<&[u8]>) -> Result<Option<RejectedRecord>, StoreError> {
    let Some(value) = value else {
        return Ok(None);
    };
    known(TIME, value)?;
    let why: String = match Record::decode(TIME, value) {
        Ok(Record::Time { .. }) => return Ok(None),
        Ok(_) => "is another record".into(),
        Err(error) => error.to_string(),
    };
    Ok(Some(RejectedRecord::new(TIME, "the store's time", why)))
}

/// The latest time that stands in any record; that of nothing is zero. Linear in the store.
async fn latest<S: Store>(store: &mut S) -> Result<Timestamp, StoreError> {
    let mut latest = Timestamp::ZERO;
    for kind in ["b/", "w/", "x/", "c/", "g/"] {
        let mut after: Option<String> = None;
        loop {
            let page = store.list(kind, after.as_deref(), PAGE).await?;
            for (key, value) in &page.entries {
                known(key, value)?;
                if let Ok(record) = Record::decode(key, value) {
                    latest = latest.max(latest_of(&record));
                }
            }
            after = page.entries.into_iter().next_back().map(|(key, _)| key);
            if !page.more {
                break;
            }
        }
    }
    Ok(latest)
}

/// The latest time at which something had happened that a record tells of; not when something ends.
fn latest_of(record: &Record<'_>) -> Timestamp {
    let never = |at: &Timestamp| *at != Timestamp::MAX;
    let mut latest = Timestamp::ZERO;
    let mut note = |at: Timestamp| latest = latest.max(Some(at).filter(never).unwrap_or_default());
    match record {
        Record::Block {
            empty_since,
            released,
            ..
        } => {
            note(*empty_since);
            released.iter().for_each(|one| note(one.at));
        }
        Record::Workload { since, moving, .. } => {
            note(*since);
            moving.iter().for_each(|moving| note(moving.since));
        }
        Record::Claim {
            touched, suspect, ..
        } => {
            note(*touched);
            suspect.iter().for_each(|(since, _)| note(*since));
        }
        Record::Departed { quarantined, .. } => quarantined.iter().for_each(|one| note(one.at)),
        _ => {}
    }
    latest
}
