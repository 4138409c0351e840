//! Single operations on a store, each from the few records that it needs: for processes that are started for one
//! address and must not read them all.

mod attempt;
mod build;
mod cache;
mod free;
mod host;
mod missing;
mod plan;
mod strangers;
mod view;
mod warm;

use super::calls::owned;
use super::replica::{Replica, TransactError};
use super::seam::{Store, StoreError};
use crate::change::Change;
use crate::claim::{ClaimError, Grant, ReleaseError, RenewError, Request};
use crate::pool::PoolSpec;
use crate::rng::{Xoshiro256PlusPlus, stream};
use crate::state::Ipam;
use crate::time::Timestamp;
use alloc::string::String;
use alloc::vec::Vec;
use cache::Cache;
use core::time::Duration;
use plan::Goal;
use rand::RngExt as _;
use view::View;
use warm::Warm;

pub use host::HostReplica;

/// Attempts before an operation gives up, as those of a [`Replica`].
const ATTEMPTS: u32 = super::replica::ATTEMPTS;

/// A store that is asked for one address at a time.
///
/// An operation reads the pools' records, its owner's, its workload's and its host's, the pages of the
/// pool's summary that lead to a block with a free address, and that block; decides on the part of the state that these are, by
/// the same code that decides on the whole; and commits what it altered. What it costs does not grow with the claims
/// there are. A [`Replica`], which has the whole state at hand, is for whoever serves many.
///
/// Where a part cannot tell (nothing is free but what a quarantine would have to give, a record is damaged, the answer is no, a
/// store of an earlier format), the operation is done on the whole state instead.
///
/// ```
/// use ipam::store::{MemoryStore, PartialReplica, ready};
/// use ipam::{PoolSpec, Replica, Request, Timestamp};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let (now, sleep) = (Timestamp::from_secs(1), |_| std::future::ready(()));
/// let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
/// replica.add_pool(now, PoolSpec::new("p", "10.0.0.0/8".parse()?), sleep).await?;
/// let mut addresses = PartialReplica::new(replica.into_store(), 7);
/// let grant = addresses.claim(now, &Request::new("container-1/eth0").host("h1"), sleep).await?;
/// addresses.release(now, "container-1/eth0", grant.sequence, sleep).await?;
/// assert_eq!(addresses.whole_reads(), 0);
/// # Ok(())
/// # }
/// # ready(run()).expect("a store in memory never waits")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PartialReplica<S> {
    store: S,
    seed: u64,
    rng: Xoshiro256PlusPlus,
    whole_reads: u64,
    /// What a [`HostReplica`] knows from before.
    cache: Option<Cache>,
    /// Its fast path.
    warm: Option<Warm>,
    /// What the fast path found contended.
    again: Vec<String>,
}

impl<S: Store> PartialReplica<S> {
    /// Operations on a store. A store that is still empty is given `seed`, as [`Replica::open`] says.
    pub fn new(store: S, seed: u64) -> Self {
        Self {
            store,
            seed,
            rng: stream(seed, "back-off of parts"),
            whole_reads: 0,
            cache: None,
            warm: None,
            again: Vec::new(),
        }
    }

    /// How many operations took the whole state.
    pub fn whole_reads(&self) -> u64 {
        self.whole_reads
    }

    /// The store.
    pub fn into_store(self) -> S {
        self.store
    }

    /// The pools, in no order that means anything; damaged ones are left out.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn pools(&mut self) -> Result<Vec<PoolSpec>, StoreError> {
        let mut view = View::new(&mut self.store, Timestamp::ZERO);
        view.fetch_pools(usize::MAX).await?;
        let pools = view.stored_pools();
        Ok(pools.filter_map(|(_, pool)| Some(pool?.spec)).collect())
    }

    /// [`Ipam::claim`](crate::Ipam::claim) in the store.
    ///
    /// # Errors
    /// [`TransactError`] of [`ClaimError`].
    pub async fn claim<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        request: &Request<'_>,
        mut wait: impl FnMut(Duration) -> W,
    ) -> Result<Grant, TransactError<ClaimError>> {
        let part = self.try_claim(now, request, &mut wait).await;
        match part? {
            Some(grant) => Ok(grant),
            None => {
                let mut whole = self.whole(now).await?;
                whole.claim(now, request, wait).await
            }
        }
    }

    /// As [`PartialReplica::claim`], and nothing where only the whole state tells what comes of it: also where the answer is no.
    ///
    /// # Errors
    /// When the store fails, and [`StoreError::Contended`].
    pub async fn try_claim<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        request: &Request<'_>,
        mut wait: impl FnMut(Duration) -> W,
    ) -> Result<Option<Grant>, StoreError> {
        let decide = |ipam: &Ipam| {
            let decision = ipam.decide_claim(request)?;
            Ok::<_, ClaimError>((decision.grant, owned(decision.changes)))
        };
        self.operate(now, Goal::Claim(request), decide, &mut wait)
            .await
    }

    /// [`Ipam::release`](crate::Ipam::release) in the store.
    ///
    /// # Errors
    /// [`TransactError`] of [`ReleaseError`].
    pub async fn release<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        owner: &str,
        sequence: u64,
        mut wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<ReleaseError>> {
        let decide = |ipam: &Ipam| {
            Ok::<_, ReleaseError>((
                (),
                owned(Vec::from([ipam.decide_release(owner, sequence)?])),
            ))
        };
        let part = self.try_with_claim(now, owner, decide, &mut wait).await;
        match part? {
            Some(()) => Ok(()),
            None => {
                let mut whole = self.whole(now).await?;
                whole.release(now, owner, sequence, wait).await
            }
        }
    }

    /// [`Ipam::renew`](crate::Ipam::renew) in the store.
    ///
    /// # Errors
    /// [`TransactError`] of [`RenewError`].
    pub async fn renew<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        owner: &str,
        sequence: u64,
        lease: Option<Duration>,
        mut wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<RenewError>> {
        let decide = |ipam: &Ipam| {
            let change = ipam.decide_renew(owner, sequence, lease)?;
            Ok::<_, RenewError>(((), owned(Vec::from([change]))))
        };
        let part = self.try_with_claim(now, owner, decide, &mut wait).await;
        match part? {
            Some(()) => Ok(()),
            None => {
                let mut whole = self.whole(now).await?;
                whole.renew(now, owner, sequence, lease, wait).await
            }
        }
    }

    /// Decides what concerns an owner's claim, with that claim, its workload and the blocks of both at hand, and commits it. Of the
    /// rest of the state `decide` knows nothing. Nothing is done where the owner has no claim, `decide` refuses, or only the whole
    /// state tells.
    ///
    /// # Errors
    /// When the store fails, and [`StoreError::Contended`].
    pub async fn try_with_claim<T, E, W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        owner: &str,
        decide: impl FnMut(&Ipam) -> Result<(T, Vec<Change<'static>>), E>,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<Option<T>, StoreError> {
        self.operate(now, Goal::Owner(owner), decide, wait).await
    }

    /// Full jitter: up to 1 ms, doubling up to 256 ms, as a [`Replica`] pauses.
    fn pause(&mut self, attempt: u32) -> Duration {
        let most = 1_000_000u64 << attempt.min(8);
        Duration::from_nanos(self.rng.random_range(0..=most))
    }

    async fn whole(&mut self, now: Timestamp) -> Result<Replica<&mut S>, StoreError> {
        self.whole_reads += 1;
        // What it writes is not seen here.
        self.cool();
        if let Some(cache) = &mut self.cache {
            cache.clear();
        }
        Replica::open(&mut self.store, now, self.seed).await
    }
}
