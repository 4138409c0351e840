//! The time that hosts which share a store go by.

mod judge;
mod proof;

use super::record::{Record, TIME, TimeOrigin};
use super::replica::known;
use super::seam::{Elapsed, Guard, Started, Store, StoreError, Txn};
use crate::time::Timestamp;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;
use judge::{Judged, judge};
pub(super) use proof::{damaged_time, proved};

/// The store's time, as one host knows it.
///
/// Wall clocks jump, and hosts' do not agree: leases and quarantines that end by them end too early somewhere. So time is the store's. Where
/// the store has a clock (etcd has: its leases run down by the clock of the member that leads), time is counted by a
/// [stopwatch](Store::start_stopwatch) of the store's, whoever runs, and whether anybody does. What hosts do is to write down how far it has
/// come, by compare-and-swap, before any of them goes by it: a store may lose what it has counted (etcd does when it elects a leader, unless
/// it checkpoints leases), and then time goes on from what was written last. So it never runs backwards, never runs faster than real time,
/// and what it may lose is the time between the last look of anybody and such a loss; a host that looked before and after bridges up to a step
/// of that by its own *monotonic* clock. No wall clock has a say, but for the one that a store without any time is given.
///
/// Where the store has no clock, time is moved on by who serves, by no more than has passed on their monotonic clocks, and stands still while
/// nobody does.
///
/// What a host takes for now is what its last look came to and what has passed on its monotonic clock since, up to a step after what is
/// stored; it then looks again. So no host's now is ever ahead of another's by more than real time and a step allow: whoever grants a lease at
/// time `t` by its own knowledge finds no other host at `t + lease` before `lease - step` has passed, less the time that its look at the store
/// took (at most [`StoreClock::ROUND_TRIP`]), less drift. That is what [`Margin`](crate::store::Margin) covers.
///
/// It has no clock of its own: monotonic time is handed in, since whatever epoch (since the host started, say).
///
/// ```
/// use ipam::Timestamp;
/// use ipam::store::{MemoryStore, StoreClock, ready};
///
/// # async fn run() -> Result<(), ipam::store::StoreError> {
/// let mut store = MemoryStore::default(); // it has no clock
/// let wall = Timestamp::from_secs(1_700_000_000); // of whoever serves first
/// let mut server = StoreClock::default();
/// assert_eq!(server.serve(&mut store, wall, || Timestamp::from_secs(10)).await?, wall);
/// // Three seconds later its wall clock has jumped a year.
/// let later = server.serve(&mut store, Timestamp::from_secs(1_731_536_000), || Timestamp::from_secs(13)).await?;
/// assert_eq!(later, Timestamp::from_secs(1_700_000_003));
/// // Another host, started 500 s ago, goes by the same time.
/// let mut host = StoreClock::default();
/// host.read(&mut store, || Timestamp::from_secs(500)).await?;
/// assert_eq!(host.now(Timestamp::from_secs(501)), Some(Timestamp::from_secs(1_700_000_004)));
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
    /// On the host's monotonic clock; it was that time by then.
    at: Timestamp,
    /// What was stored: nobody goes by more than a step after that.
    stored: Timestamp,
}

/// Attempts to write down how far time has come. Whoever was quicker has done it: a second look is mostly enough.
const ATTEMPTS: u32 = 8;

impl Default for StoreClock {
    fn default() -> Self {
        Self::with_step(Self::STEP)
    }
}

impl StoreClock {
    /// How far a host's now may be after what is stored: five seconds. A longer one makes margins longer, a shorter one has the time written
    /// down more often: once in a quarter of a step at the most, whoever does.
    pub const STEP: Duration = Duration::from_secs(5);

    /// How long a look may take: of one that took longer nothing is learned.
    pub const ROUND_TRIP: Duration = Duration::from_secs(1);

    /// A clock with a step of its own: the same for all hosts of a store.
    #[must_use]
    pub fn with_step(step: Duration) -> Self {
        Self { step, seen: None }
    }

    /// Now by the store's time, on a host whose monotonic clock shows `monotonic`. None before the first look, and a step after what was stored
    /// then: look again ([`StoreClock::serve`]).
    #[must_use]
    pub fn now(&self, monotonic: Timestamp) -> Option<Timestamp> {
        let seen = self.seen?;
        let now = seen.time.after(monotonic.since(seen.at));
        (now <= seen.stored.after(self.step)).then_some(now)
    }

    /// The same, of a look that is no older than half a step.
    fn recent(&self, monotonic: Timestamp) -> Option<Timestamp> {
        let looked = self.seen?.at.after(self.step / 2);
        self.now(monotonic).filter(|_| monotonic < looked)
    }

    /// The earliest that it can be by what has passed on this host's clock since it looked last. Nothing is known where what is stored has
    /// gone back since (it was damaged, and goes on from what records prove): others go by that now.
    fn own(&self, monotonic: Timestamp, stored: Timestamp) -> Option<Timestamp> {
        let seen = self.seen.filter(|seen| seen.stored <= stored)?;
        let now = seen.time.after(monotonic.since(seen.at));
        Some(now.min(seen.stored.after(self.step)))
    }

    /// Looks at the store's time, and writes nothing: for who only tells of it, and does nothing by it that alters what others have. One or
    /// two messages. Where it is damaged, the latest time that stands in any record, for which all are read: it is behind, so nothing ends
    /// early by it, but it stands still until the time is written anew ([`StoreClock::serve`], `fsck --repair`).
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
        let look = look(store, &mut monotonic).await?;
        Ok(match look.found {
            Found::Missing => None,
            Found::Damaged => proved(store).await?,
            Found::Time(now, origin) => {
                let own = self.own(look.at, now);
                let Judged { time, .. } = judge((now, origin), look.shown, own);
                self.seen = Some(Seen {
                    time,
                    at: look.at,
                    stored: now,
                });
                Some(time)
            }
        })
    }

    /// Now by the store's time, for who acts by it. No message where the last look is less than half a step old; then one or two, and one more
    /// where what is stored is more than a quarter of a step old. To be called several times a step by whoever acts all the time.
    ///
    /// A store without a time is given the latest that stands in any record, for which all are read, and `wall` only where there is none: a
    /// wall clock that is ahead would end what is others'. So does one whose time is damaged.
    ///
    /// ```
    /// # use ipam::Timestamp;
    /// # use ipam::store::{MemoryStore, StoreClock, ready};
    /// # ready(async {
    /// let (mut store, wall) = (MemoryStore::default(), Timestamp::from_secs(1_700_000_000));
    /// let mut clock = StoreClock::default();
    /// clock.serve(&mut store, wall, || Timestamp::from_secs(1)).await?;
    /// // A server that stood still for an hour moves the time of a store without a clock on by no more than a step.
    /// let late = clock.serve(&mut store, wall, || Timestamp::from_secs(3601)).await?;
    /// assert_eq!(late.since(wall), StoreClock::STEP);
    /// # Ok::<(), ipam::store::StoreError>(())
    /// # }).unwrap()?;
    /// # Ok::<(), ipam::store::StoreError>(())
    /// ```
    ///
    /// # Errors
    /// As [`StoreClock::read`]; others were quicker in each of eight attempts. What was known before is known still.
    pub async fn serve<S: Store>(
        &mut self,
        store: &mut S,
        wall: Timestamp,
        mut monotonic: impl FnMut() -> Timestamp,
    ) -> Result<Timestamp, StoreError> {
        if let Some(now) = self.recent(monotonic()) {
            return Ok(now);
        }
        for _ in 0..ATTEMPTS {
            let look = look(store, &mut monotonic).await?;
            let (stored, judged) = match look.found {
                Found::Missing | Found::Damaged => {
                    let own = self.own(look.at, Timestamp::MAX);
                    let known = proved(store).await?.max(own);
                    (None, Judged::anew(known.unwrap_or(wall)))
                }
                Found::Time(now, origin) => {
                    let own = self.own(look.at, now);
                    (Some((now, origin)), judge((now, origin), look.shown, own))
                }
            };
            if let Some(stored) = self.settle(store, stored, judged, look.guard).await? {
                let (time, at) = (judged.time, look.at);
                self.seen = Some(Seen { time, at, stored });
                return Ok(self.now(monotonic()).unwrap_or(time));
            }
        }
        Err(StoreError::Contended {
            key: TIME.into(),
            subject: "the store's time".into(),
            attempts: ATTEMPTS,
        })
    }

    /// Writes down how far time has come, if that is due; what is stored then. None where another was quicker.
    async fn settle<S: Store>(
        &self,
        store: &mut S,
        stored: Option<(Timestamp, Option<TimeOrigin>)>,
        judged: Judged,
        guard: Guard,
    ) -> Result<Option<Timestamp>, StoreError> {
        let before = stored.and_then(|(_, origin)| origin);
        let started = match judged.origin {
            Some(_) => None,
            None => store.start_stopwatch().await?,
        };
        let anew = |started: Started| TimeOrigin {
            stopwatch: started.stopwatch,
            base: judged.time,
            term: started.term,
        };
        let origin = judged.origin.or(started.map(anew));
        if let Some((now, _)) = stored
            && origin == before
        {
            // By a clock of the store's own all count alike meanwhile.
            let pause = origin.map_or(Duration::ZERO, |_| self.step / 4);
            if judged.time <= now.after(pause) {
                return Ok(Some(now));
            }
        }
        let record = Record::Time {
            now: judged.time,
            origin,
        };
        let txn = Txn {
            guards: Vec::from([guard]),
            put: Vec::from([(TIME.to_string(), record.encode())]),
            ..Txn::default()
        };
        let (useless, written) = match store.commit(txn).await {
            Ok(_) => (before.filter(|_| started.is_some()), Some(judged.time)),
            Err(StoreError::Conflict { .. }) => (started.map(anew), None),
            // Whether it is counted by the new one is unknown.
            Err(error) => return Err(error),
        };
        if let Some(useless) = useless {
            // One that stays does no harm.
            let _ = store.stop_stopwatch(useless.stopwatch).await;
        }
        Ok(written)
    }
}

/// What a look at the store's time found.
struct Look {
    found: Found,
    /// What a transaction that writes it down rests on.
    guard: Guard,
    /// What its stopwatch shows.
    shown: Option<Elapsed>,
    /// When that was known, on the host's monotonic clock.
    at: Timestamp,
}

enum Found {
    Time(Timestamp, Option<TimeOrigin>),
    Missing,
    /// It cannot be read.
    Damaged,
}

/// Looks at what is stored, and then at the stopwatch: what is counted is never judged by what is stored later.
async fn look<S: Store>(
    store: &mut S,
    monotonic: &mut impl FnMut() -> Timestamp,
) -> Result<Look, StoreError> {
    let asked = monotonic();
    let (values, revision) = store.get(&[TIME.to_string()]).await?;
    let value = values.into_iter().next().flatten();
    let found = match &value {
        None => Found::Missing,
        Some(value) => {
            known(TIME, value)?;
            match Record::decode(TIME, value) {
                Ok(Record::Time { now, origin }) => Found::Time(now, origin),
                _ => Found::Damaged,
            }
        }
    };
    let shown = match found {
        Found::Time(_, Some(origin)) => store.stopwatch(origin.stopwatch).await?,
        _ => None,
    };
    let at = monotonic();
    let (took, most) = (at.since(asked), StoreClock::ROUND_TRIP);
    if took > most {
        return Err(StoreError::Io(format!(
            "the store's time took {} ms to come, which is more than the {} ms that margins allow for",
            took.as_millis(),
            most.as_millis()
        )));
    }
    let guard = match value {
        None => Guard::absent(TIME, revision),
        Some(_) => Guard::unchanged(TIME, revision),
    };
    Ok(Look {
        found,
        guard,
        shown,
        at,
    })
}
