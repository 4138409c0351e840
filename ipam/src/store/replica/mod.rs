//! An allocator kept in step with a store: decide on the copy in memory, commit, or learn what changed and
//! decide again.

mod commit;
mod copy;
mod read;

pub(in crate::store) use read::{add, known};

use crate::change::Change;
use crate::claim::ClaimError;
use crate::pool::{Pool, PoolId};
use crate::rng::{Xoshiro256PlusPlus, stream};
use crate::state::Ipam;
use crate::store::damage::RejectedRecord;
use crate::store::seam::{Event, Revision, Store, StoreError, Watched};
use crate::store::subject::subject;
use crate::store::summary::Summaries;
use crate::store::write::is_structural;
use crate::time::Timestamp;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use rand::RngExt as _;

/// Why a transaction came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactError<E> {
    /// It was decided so; the store is as it was.
    #[error(transparent)]
    Refused(E),
    /// Others were quicker, every time.
    #[error("{subject} was contended in all of {attempts} attempts")]
    Contended {
        /// The key that was in the way last.
        key: String,
        /// What that is, such as `block 10.0.0.64/26 of host h2`.
        subject: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// A stored record that it needs, or that may hold what it would give, is damaged; the store is as it was.
    #[error("{}; until it is repaired (fsck --repair) {}", .0, .0.frozen)]
    Damaged(RejectedRecord),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl<E> From<StoreError> for TransactError<E> {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contended {
                key,
                subject,
                attempts,
            } => Self::Contended {
                key,
                subject,
                attempts,
            },
            other => Self::Store(other),
        }
    }
}

/// An allocator beside its store.
///
/// ```
/// # use ipam::{PoolSpec, Replica, Request, Timestamp, store::{MemoryStore, ready}};
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # let (now, sleep) = (Timestamp::from_secs(1), |_| std::future::ready(()));
/// let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
/// replica.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?), sleep).await?;
/// let grant = replica.claim(now, &Request::new("container-1/eth0"), sleep).await?;
/// // Whoever opens the store next finds the claim.
/// let replica = Replica::open(replica.into_store(), now, 7).await?;
/// let claim = replica.ipam().claim_of("container-1/eth0").ok_or("a claim")?;
/// assert_eq!(claim.sequence(), grant.sequence);
/// # Ok(())
/// # }
/// # ready(run()).ok_or("a store in memory never waits")??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Replica<S> {
    pub(in crate::store) store: S,
    pub(in crate::store) ipam: Ipam,
    pub(in crate::store) revision: Revision,
    /// Whether the store has a seed: the first commit gives it one.
    pub(in crate::store) seeded: bool,
    pub(in crate::store) rejected: Vec<RejectedRecord>,
    /// Where free blocks are, as it is stored.
    pub(in crate::store) summaries: Summaries,
    /// Whether the store's records prove each other; those of formats before 4 do not.
    pub(in crate::store) whole: bool,
    /// Whether any record has an earlier format.
    pub(in crate::store) outdated: bool,
    /// Whether the copy may hold what is not stored: an operation ended, or was given up, before that was known. All is read
    /// anew then before anything else is decided.
    pub(in crate::store) unsure: bool,
    rng: Xoshiro256PlusPlus,
    /// How often a transaction is tried.
    attempts: u32,
}

/// Keys of one page of a listing.
pub(in crate::store) const PAGE: usize = 4096;
/// Attempts before a transaction gives up, as Calico's and whereabouts' hundred, fewer for the back-off.
pub(in crate::store) const ATTEMPTS: u32 = 32;

/// Nobody deletes a block's record while its pool stays.
fn is_lost_block(event: &Event) -> bool {
    event.value.is_none() && event.key.starts_with("b/")
}

impl<S: Store> Replica<S> {
    /// Reads a store's whole state. An empty store is given `seed`; another keeps its own.
    ///
    /// ```
    /// # use ipam::{PoolSpec, Replica, Request, Timestamp, store::{MemoryStore, ready}};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let now = Timestamp::from_secs(1);
    /// let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
    /// assert_eq!(replica.ipam().claim_count(), 0);
    /// # Ok(())
    /// # }
    /// # ready(run()).ok_or("a store in memory never waits")??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the store fails.
    pub async fn open(store: S, now: Timestamp, seed: u64) -> Result<Self, StoreError> {
        let rng = stream(seed, "back-off");
        let (ipam, rejected) = (Ipam::new(seed), Vec::new());
        let mut replica = Self {
            store,
            ipam,
            revision: 0,
            seeded: false,
            rejected,
            summaries: Summaries::whole(),
            whole: true,
            outdated: false,
            unsure: false,
            rng,
            attempts: ATTEMPTS,
        };
        replica.reload(now).await?;
        Ok(replica)
    }

    /// The allocator as of the last transaction or [`Replica::catch_up`].
    #[must_use]
    pub fn ipam(&self) -> &Ipam {
        &self.ipam
    }

    /// Stored records that do not fit, and are not part of the state.
    #[must_use]
    pub fn rejected(&self) -> &[RejectedRecord] {
        &self.rejected
    }

    /// The store.
    ///
    /// ```
    /// # use ipam::{PoolSpec, Replica, Request, Timestamp, store::{MemoryStore, ready}};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let now = Timestamp::from_secs(1);
    /// # let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
    /// let store: MemoryStore = replica.into_store();
    /// # Ok(())
    /// # }
    /// # ready(run()).ok_or("a store in memory never waits")??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_store(self) -> S {
        self.store
    }

    /// The store, for what stands in it beside the state, such as its [time](crate::store::StoreClock). Whoever writes records of the
    /// state by it is another writer, of whom this replica learns as of any.
    ///
    /// ```
    /// # use ipam::{Replica, Timestamp, store::{MemoryStore, StoreClock, ready}};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let now = Timestamp::from_secs(1);
    /// let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
    /// let mut clock = StoreClock::default();
    /// clock.serve(replica.store_mut(), now, || Timestamp::from_secs(5)).await?;
    /// # Ok(())
    /// # }
    /// # ready(run()).ok_or("a store in memory never waits")??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// Learns what others committed since.
    ///
    /// ```
    /// # use ipam::{PoolSpec, Replica, Request, Timestamp, store::{MemoryStore, ready}};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let now = Timestamp::from_secs(1);
    /// let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
    /// replica.catch_up(now).await?;
    /// assert_eq!(replica.ipam().now(), now);
    /// # Ok(())
    /// # }
    /// # ready(run()).ok_or("a store in memory never waits")??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the store fails.
    pub async fn catch_up(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if self.unsure {
            return self.reload(now).await;
        }
        match self.store.watch("", self.revision).await? {
            Watched::Compacted => self.reload(now).await,
            // What rejected records may hold is worked out from the whole.
            Watched::Events(events, _)
                if events
                    .iter()
                    .any(|e| is_structural(&e.key) || is_lost_block(e))
                    || !(events.is_empty() || self.rejected.is_empty()) =>
            {
                self.reload(now).await
            }
            Watched::Events(events, revision) => {
                let fits = self.overwrite(&events, now)?;
                if !fits || !self.rejected.is_empty() && !events.is_empty() {
                    return self.reload(now).await;
                }
                self.revision = revision;
                self.ipam.tokens.count(revision);
                self.ipam.advance(now);
                Ok(())
            }
        }
    }

    /// Decides on the state at `now` and commits what was decided. `decide` may be called again when others
    /// were quicker; a conflict costs a reading of the keys that changed, not of the pool. `wait` is awaited
    /// between attempts for the duration given: adapters sleep there.
    ///
    /// ```
    /// # use ipam::{PoolSpec, Replica, Request, Timestamp, store::{MemoryStore, ready}};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (now, sleep) = (Timestamp::from_secs(1), |_| std::future::ready(()));
    /// # let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
    /// # replica.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?), sleep).await?;
    /// // Two claims at once, or none.
    /// let pair = ["container-1/eth0", "container-2/eth0"];
    /// let decide = |ipam: &ipam::Ipam| {
    ///     let mut next = ipam.clone();
    ///     let mut changes = Vec::new();
    ///     for owner in pair {
    ///         let decision = next.decide_claim(&Request::new(owner))?;
    ///         let owned = decision.changes.into_iter().map(|change| change.into_owned());
    ///         changes.extend(owned.inspect(|change| next.apply(change).expect("just decided")));
    ///     }
    ///     Ok::<_, ipam::claim::ClaimError>(((), changes))
    /// };
    /// replica.transact(now, decide, sleep).await?;
    /// assert_eq!(replica.ipam().claim_count(), 2);
    /// # Ok(())
    /// # }
    /// # ready(run()).ok_or("a store in memory never waits")??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TransactError`].
    pub async fn transact<T, E, W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        mut decide: impl FnMut(&Ipam) -> Result<(T, Vec<Change<'static>>), E>,
        mut wait: impl FnMut(Duration) -> W,
    ) -> Result<T, TransactError<E>> {
        let mut contended = String::new();
        for attempt in 0..self.attempts {
            self.catch_up(now).await.map_err(TransactError::Store)?;
            let (answer, changes) = decide(&self.ipam).map_err(TransactError::Refused)?;
            if let Some(rejected) = changes
                .iter()
                .find_map(|c| self.ipam.barred_by(&self.rejected, c))
            {
                return Err(TransactError::Damaged(rejected.clone()));
            }
            match self.commit(now, &changes).await {
                Ok(()) => return Ok(answer),
                Err(StoreError::Conflict { key }) => contended = key,
                Err(error) => return Err(TransactError::Store(error)),
            }
            // Full jitter: up to 1 ms, doubling up to 256 ms.
            let most = 1_000_000u64 << attempt.min(8);
            wait(Duration::from_nanos(self.rng.random_range(0..=most))).await;
        }
        let record = self.ipam.record(&contended);
        Err(TransactError::Contended {
            subject: subject(&self.ipam, &contended, record.as_ref()),
            key: contended,
            attempts: self.attempts,
        })
    }

    /// An answer, unless it is a refusal that may rest on a damaged record, one of these: an owner whose claim cannot be read
    /// holds what it held.
    pub(in crate::store) fn known<T, E>(
        &self,
        answer: Result<T, TransactError<E>>,
        keys: impl IntoIterator<Item = String>,
    ) -> Result<T, TransactError<E>> {
        let Err(TransactError::Refused(_)) = answer else {
            return answer;
        };
        let keys: Vec<String> = keys.into_iter().collect();
        let damaged = self.rejected().iter().find(|r| keys.contains(&r.key));
        match damaged {
            Some(rejected) => Err(TransactError::Damaged(rejected.clone())),
            None => answer,
        }
    }

    /// An answer, unless it is that pools are exhausted of which a damaged record withholds addresses: perhaps only these are wanting.
    pub(in crate::store) fn known_exhausted<T>(
        &self,
        answer: Result<T, TransactError<ClaimError>>,
    ) -> Result<T, TransactError<ClaimError>> {
        let Err(TransactError::Refused(ClaimError::Exhausted { considered, .. })) = &answer else {
            return answer;
        };
        let of_pool = |id: PoolId| {
            let name = self.ipam.pools.get(id.0).map(Pool::name);
            considered.iter().any(|one| Some(&*one.pool) == name)
        };
        let mut damaged = self.rejected.iter();
        match damaged.find(|rejected| rejected.frozen.withholds(of_pool)) {
            Some(rejected) => Err(TransactError::Damaged(rejected.clone())),
            None => answer,
        }
    }
}
