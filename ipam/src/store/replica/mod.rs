//! An allocator kept in step with a store: decide on the copy in memory, commit, or learn what changed and
//! decide again.

use crate::rng::{Xoshiro256PlusPlus, stream};
use crate::state::Ipam;
mod commit;

use crate::change::Change;
use crate::store::codec::RecordError;
use crate::store::damage::{Frozen, RejectedRecord, WHOLE};
use crate::store::record::{COPIES, KINDS, Record};
use crate::store::restore::Restorer;
use crate::store::seam::{Event, Revision, Store, StoreError, Watched};
use crate::time::Timestamp;
use alloc::string::{String, ToString};
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
    #[error("`{key}` was contended in all of {attempts} attempts")]
    Contended {
        /// The key that was in the way last.
        key: String,
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
    pub(super) store: S,
    pub(super) ipam: Ipam,
    pub(super) revision: Revision,
    /// Whether the store has a seed: the first commit gives it one.
    seeded: bool,
    pub(super) rejected: Vec<RejectedRecord>,
    rng: Xoshiro256PlusPlus,
    /// How often a transaction is tried.
    attempts: u32,
}

/// Keys of one page of a listing.
pub(super) const PAGE: usize = 4096;
/// Attempts before a transaction gives up, as Calico's and whereabouts' hundred, fewer for the back-off.
const ATTEMPTS: u32 = 32;

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

    /// Reads everything anew. Kinds are listed one after another: should others commit meanwhile, it is
    /// done over.
    pub(in crate::store) async fn reload(&mut self, now: Timestamp) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            if let Some((ipam, rejected, revision)) = self.read_all(now).await? {
                (self.ipam, self.rejected, self.revision) = (ipam, rejected, revision);
                return Ok(());
            }
        }
        Err(StoreError::Io(
            "the store changed faster than it could be read".into(),
        ))
    }

    async fn read_all(
        &mut self,
        now: Timestamp,
    ) -> Result<Option<(Ipam, Vec<RejectedRecord>, Revision)>, StoreError> {
        let mut ipam = Ipam::new(self.ipam.seed());
        ipam.dirty.track();
        let mut restorer = Restorer::onto(ipam, now);
        self.seeded = false;
        let mut revision = None;
        for kind in KINDS {
            let mut after: Option<String> = None;
            loop {
                let page = self.store.list(kind, after.as_deref(), PAGE).await?;
                if *revision.get_or_insert(page.revision) != page.revision {
                    return Ok(None);
                }
                for (key, value) in &page.entries {
                    self.seeded |= key == "m/";
                    add(&mut restorer, key, value)?;
                }
                after = page.entries.last().map(|(key, _)| key.clone());
                if !page.more {
                    break;
                }
            }
        }
        let revision = revision.unwrap_or(0);
        let whole = self.store.damage().await?;
        let whole = whole.into_iter().map(|reason| RejectedRecord {
            frozen: Frozen::Store,
            ..RejectedRecord::new(WHOLE, "the store", reason)
        });
        let (mut ipam, mut rejected) = restorer.finish();
        rejected.extend(whole);
        rejected.extend(self.bad_copies(&ipam).await?);
        if rejected.iter().any(|m| m.key == "m/") {
            ipam.tokens.begin_anew();
        }
        ipam.tokens.count(revision);
        Ok(Some((ipam, rejected, revision)))
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
        match self.store.watch("", self.revision).await? {
            Watched::Compacted => self.reload(now).await,
            // What rejected records may hold is worked out from the whole.
            Watched::Events(events, _)
                if events.iter().any(|e| is_structural(&e.key))
                    || !(events.is_empty() || self.rejected.is_empty()) =>
            {
                self.reload(now).await
            }
            Watched::Events(events, revision) => {
                self.overwrite(&events, now)?;
                if !self.rejected.is_empty() && !events.is_empty() {
                    return self.reload(now).await;
                }
                self.revision = revision;
                self.ipam.tokens.count(revision);
                self.ipam.advance(now);
                Ok(())
            }
        }
    }

    /// Copies of pools' records that are not what they copy.
    async fn bad_copies(&mut self, ipam: &Ipam) -> Result<Vec<RejectedRecord>, StoreError> {
        let mut bad = Vec::new();
        // As many as there may be pools: one page.
        for (key, value) in self.store.list(COPIES, None, usize::MAX).await?.entries {
            let own = key.replacen(COPIES, "p/", 1);
            match ipam.record(&own).map(|r| r.encode()) {
                Some(bytes)
                    if bytes != value && Record::decode(&value).ok() != ipam.record(&own) =>
                {
                    bad.push(RejectedRecord::new(
                        &key,
                        &own,
                        "is not the copy of its pool's record",
                    ));
                }
                _ => {}
            }
        }
        Ok(bad)
    }

    /// Makes the records of some keys what the events say.
    fn overwrite(&mut self, events: &[Event], now: Timestamp) -> Result<(), StoreError> {
        for (key, value) in events
            .iter()
            .filter_map(|e| Some((&e.key, e.value.as_ref()?)))
        {
            known(key, value)?;
        }
        let mut ipam = core::mem::replace(&mut self.ipam, Ipam::new(0));
        events.iter().for_each(|event| ipam.clear_key(&event.key));
        self.rejected
            .retain(|m| !events.iter().any(|e| e.key == m.key));
        let mut restorer = Restorer::onto(ipam, now);
        let copy = |e: &&Event| e.key.starts_with(COPIES);
        let mut present: Vec<&Event> = events.iter().filter(|e| !copy(e)).collect();
        present.sort_by_key(|e| KINDS.iter().position(|k| e.key.starts_with(k)));
        for event in present {
            if let Some(value) = &event.value {
                add(&mut restorer, &event.key, value)?;
            }
        }
        let (ipam, rejected) = restorer.finish();
        self.ipam = ipam;
        self.rejected.extend(rejected);
        Ok(())
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
        Err(TransactError::Contended {
            key: contended,
            attempts: self.attempts,
        })
    }
}

/// Whether a key's change alters the ground that others stand on.
fn is_structural(key: &str) -> bool {
    key.starts_with("p/") || key.starts_with("m/")
}

/// Refuses what a later version wrote.
fn known(key: &str, value: &[u8]) -> Result<(), StoreError> {
    match Record::decode(value) {
        Err(RecordError::Version { found, known }) => Err(StoreError::Version {
            key: key.to_string(),
            found,
            known,
        }),
        _ => Ok(()),
    }
}

fn add(restorer: &mut Restorer, key: &str, value: &[u8]) -> Result<(), StoreError> {
    match Record::decode(value) {
        Ok(record) if record.has_key(key) => restorer.add(record, key, || {
            Record::decode(value).map_or_else(|_| Frozen::of_key(key), |r| Frozen::of_record(&r))
        }),
        Ok(record) => {
            let reason = alloc::format!("is the record of `{}`", record.key());
            restorer
                .rejected
                .push(RejectedRecord::new(key, key, reason));
        }
        Err(RecordError::Version { .. }) => return known(key, value),
        Err(error) => restorer.rejected.push(RejectedRecord::new(key, key, error)),
    }
    Ok(())
}
