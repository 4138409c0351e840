//! The allocator of one host: operations on parts, with what was read before at hand.

use super::cache::Cache;
use super::plan::Goal;
use super::warm::Warm;
use super::{PartialReplica, Replica};
use crate::change::ChangeKind;
use crate::claim::{ClaimError, Grant, ReleaseError, RenewError, Request};
use crate::collect::{Census, Collection};
use crate::pool::{PoolId, PoolSpec};
use crate::state::Ipam;
use crate::store::record::{Record, host_key};
use crate::store::replica::{TransactError, known};
use crate::store::seam::{Store, StoreError, Watched};
use crate::time::Timestamp;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::net::IpAddr;
use core::time::Duration;

/// Blocks that are collected in one transaction, with the records of all that holds addresses there.
const BLOCKS_AT_ONCE: usize = 8;

/// The allocator of one of many hosts that share a store.
///
/// It does what a [`PartialReplica`] does, and keeps the records that it read. A claim in the host's own block is one message: the
/// transaction that makes it, which fails where any record that it rests on is no longer as it was known. An owner and a workload that
/// were not heard of are taken to be new, and read only where they turn out not to be. A new block takes two or three messages.
///
/// After a conflict the records of the operation are read again, in one request; pauses have full jitter, attempts are bounded, and the
/// error says what was contended. An answer that would be no, and one that would be what the owner already has, is never given from
/// what was known before.
///
/// ```
/// use ipam::store::{HostReplica, MemoryStore, ready};
/// use ipam::{PoolSpec, Replica, Request, Timestamp};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let (now, sleep) = (Timestamp::from_secs(1), |_| std::future::ready(()));
/// let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
/// replica.add_pool(now, PoolSpec::new("p", "10.0.0.0/8".parse()?), sleep).await?;
/// let mut host = HostReplica::new(replica.into_store(), "h1", 7);
/// let grant = host.claim(now, &Request::new("container-1/eth0"), sleep).await?;
/// host.release(now, "container-1/eth0", grant.sequence, sleep).await?;
/// assert_eq!(host.whole_reads(), 0);
/// # Ok(())
/// # }
/// # ready(run()).expect("a store in memory never waits")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct HostReplica<S> {
    part: PartialReplica<S>,
    host: String,
}

impl<S: Store> HostReplica<S> {
    /// The allocator of a host. A store that is still empty is given `seed`, as [`Replica::open`] says; hosts pause after conflicts by
    /// streams of that seed and their names.
    pub fn new(store: S, host: &str, seed: u64) -> Self {
        let mut part = PartialReplica::new(store, seed);
        part.rng = crate::rng::stream(seed, &alloc::format!("back-off of host {host}"));
        part.cache = Some(Cache::default());
        Self {
            part,
            host: host.into(),
        }
    }

    /// The host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// How many operations took the whole state.
    pub fn whole_reads(&self) -> u64 {
        self.part.whole_reads()
    }

    /// How many records are known from before; at most 16,384.
    pub fn cached(&self) -> usize {
        self.part.cache.as_ref().map_or(0, Cache::len)
            + self.part.warm.as_ref().map_or(0, Warm::len)
    }

    /// The store.
    pub fn into_store(self) -> S {
        self.part.into_store()
    }

    /// The pools, as [`PartialReplica::pools`].
    ///
    /// # Errors
    /// When the store fails.
    pub async fn pools(&mut self) -> Result<Vec<PoolSpec>, StoreError> {
        self.part.pools().await
    }

    /// [`Ipam::claim`](crate::Ipam::claim) in the store, for this host where the request names none.
    ///
    /// # Errors
    /// [`TransactError`] of [`ClaimError`].
    pub async fn claim<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        request: &Request<'_>,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<Grant, TransactError<ClaimError>> {
        let mut request = *request;
        request.host = request.host.or(Some(&self.host));
        match self.part.claim_warm(now, &request).await? {
            Some(grant) => Ok(grant),
            None => self.part.claim(now, &request, wait).await,
        }
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
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<ReleaseError>> {
        self.part.release(now, owner, sequence, wait).await
    }

    /// [`Ipam::renew`](crate::Ipam::renew) in the store.
    ///
    /// # Errors
    /// [`TransactError`] of [`RenewError`]; one that is [refused](TransactError::Refused) means: stop using the address.
    pub async fn renew<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        owner: &str,
        sequence: u64,
        lease: Option<Duration>,
        wait: impl FnMut(Duration) -> W,
    ) -> Result<(), TransactError<RenewError>> {
        self.part.renew(now, owner, sequence, lease, wait).await
    }

    /// One pass of collection over the host's own blocks ([`Ipam::decide_collection`](crate::Ipam::decide_collection)), a few at a time:
    /// ends claims there whose leases are over, whoever made them; suspects or releases owners of this host that the census lacks; gives
    /// up blocks that it does not need. What is given back was committed.
    ///
    /// What the host holds in others' blocks is theirs to end once its lease is over; without a lease it is seen by
    /// [`Replica::collect`] alone.
    ///
    /// # Errors
    /// [`TransactError`]; nothing is refused. What was committed before the error stays so.
    pub async fn collect<W: Future<Output = ()>>(
        &mut self,
        now: Timestamp,
        census: Option<Census<'_>>,
        mut wait: impl FnMut(Duration) -> W,
    ) -> Result<Collection, TransactError<Infallible>> {
        let mut pass = Collection::default();
        let blocks = self.own_blocks().await?;
        let mut have: BTreeMap<PoolId, usize> = BTreeMap::new();
        for (pool, _) in &blocks {
            *have.entry(*pool).or_default() += 1;
        }
        let host = self.host.clone();
        for some in blocks.chunks(BLOCKS_AT_ONCE) {
            let decide = |ipam: &Ipam| {
                let pass = ipam.decide_host_collection(&host, some, &have, census);
                let changes = pass.changes.clone();
                Ok::<_, Infallible>((pass, changes))
            };
            let goal = Goal::Blocks(&host, some);
            let part = self.part.operate(now, goal, decide, &mut wait).await?;
            let part = match part {
                Some(part) => part,
                None => {
                    let mut whole = self.part.whole(now).await?;
                    let rejected = whole.rejected().to_vec();
                    let decide = |ipam: &Ipam| {
                        let mut pass = ipam.decide_host_collection(&host, some, &have, census);
                        pass.changes
                            .retain(|change| ipam.barred_by(&rejected, change).is_none());
                        let changes = pass.changes.clone();
                        Ok((pass, changes))
                    };
                    whole.transact(now, decide, &mut wait).await?
                }
            };
            for change in &part.changes {
                if let ChangeKind::BlockReleased { pool, .. } = &change.kind {
                    let have = have.entry(*pool).or_default();
                    *have = have.saturating_sub(1);
                }
            }
            pass.blocks += part.blocks;
            pass.suspects.extend(part.suspects);
            pass.released.extend(part.released);
            pass.changes.extend(part.changes);
        }
        Ok(pass)
    }

    /// The host's blocks, by pool and first address.
    async fn own_blocks(&mut self) -> Result<Vec<(PoolId, IpAddr)>, StoreError> {
        let key = host_key(&self.host);
        let (values, _) = self.part.store.get(core::slice::from_ref(&key)).await?;
        let Some(Some(value)) = values.first() else {
            return Ok(Vec::new());
        };
        known(&key, value)?;
        Ok(match Record::decode(&key, value) {
            Ok(Record::Host { blocks, .. }) => blocks.unwrap_or_default(),
            _ => Vec::new(),
        })
    }

    /// Learns what others changed of the records that are known. Nothing depends on it but how often an operation meets a conflict, and
    /// how soon pools that were added are used.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn refresh(&mut self) -> Result<(), StoreError> {
        let Some(cache) = &mut self.part.cache else {
            return Ok(());
        };
        let warm = self.part.warm.as_ref().and_then(Warm::floor);
        let Some(floor) = cache.floor().into_iter().chain(warm).min() else {
            return Ok(());
        };
        match self.part.store.watch("", floor).await? {
            Watched::Compacted => {
                self.part.warm = None;
                cache.clear();
            }
            Watched::Events(events, revision) => {
                match &mut self.part.warm {
                    Some(warm) if events.is_empty() => warm.saw(revision),
                    _ => self.part.cool(),
                }
                if let Some(cache) = &mut self.part.cache {
                    cache.note_events(events, revision);
                }
            }
        }
        Ok(())
    }

    /// The whole state, for what takes it: it is read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn whole(&mut self, now: Timestamp) -> Result<Replica<&mut S>, StoreError> {
        self.part.whole(now).await
    }
}
