//! Mending a store: what can be rebuilt from the rest is, what cannot is dropped only when asked for by name.

use super::damage::{Frozen, RejectedRecord, STRUCTURE};
use super::record::{COPIES, KINDS, Record, ReleasedAddress, copy_key, pool_key};
use super::replica::{PAGE, Replica};
use super::seam::{Store, StoreError, Txn};
use crate::pool::PoolId;
use crate::pool::is_used;
use crate::state::Ipam;
use crate::time::Timestamp;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

impl<S: Store> Replica<S> {
    /// Rebuilds the damaged records of which everything stands elsewhere too; how many.
    ///
    /// A pool from its copy. A block from the claims and workloads that hold its addresses: the others of its
    /// addresses go into quarantine from now on, and it belongs to no host. A cursor and a seed, which hold
    /// nothing, begin anew. Times more than 24 h ahead of the clock are set to now. Claims, workloads and
    /// hosts stand nowhere else: they are left as they are.
    ///
    /// ```
    /// # use ipam::{PoolSpec, Replica, Request, Timestamp, store::{MemoryStore, ready}};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let now = Timestamp::from_secs(1);
    /// # let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
    /// assert_eq!(replica.rebuild(now).await?, 0); // nothing is damaged
    /// # Ok(())
    /// # }
    /// # ready(run()).ok_or("a store in memory never waits")??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the store fails or others change the records meanwhile.
    pub async fn rebuild(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        self.catch_up(now).await?;
        // Nothing is written to a store that is itself not to be trusted.
        if self.rejected.iter().any(|m| m.frozen == Frozen::Store) {
            return Ok(0);
        }
        let pages = self.rejected.iter().any(|m| m.key == STRUCTURE);
        if pages {
            self.store.mend().await?;
        }
        let mut rebuilt = self.set_times(now).await?;
        // Pools first: what the others hold is known only then.
        for pools in [true, false] {
            let mut txn = Txn {
                since: self.revision,
                ..Txn::default()
            };
            for rejected in self.rejected.clone() {
                if rejected.key.starts_with("p/") == pools {
                    self.rebuilt(&rejected, &mut txn).await?;
                }
            }
            if txn.put.is_empty() && txn.delete.is_empty() {
                continue;
            }
            rebuilt += txn.unchanged.len();
            self.store.commit(txn).await?;
            self.reload(now).await?;
        }
        if pages {
            self.inspect().await?;
            rebuilt += usize::from(self.rejected.iter().all(|m| m.key != STRUCTURE));
        }
        Ok(rebuilt)
    }

    /// Sets stored times too far ahead of the clock to now; how many records that may alter.
    async fn set_times(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        let problems = self.ipam.times_ahead().into_iter();
        let changes = problems.flat_map(|problem| problem.changes);
        // What is damaged is not written over.
        let changes = changes.filter(|c| self.ipam.barred_by(&self.rejected, c).is_none());
        let changes: Vec<_> = changes.collect();
        let set: BTreeSet<String> = changes.iter().flat_map(|c| self.ipam.touched(c)).collect();
        if !changes.is_empty() {
            self.commit(now, &changes).await?;
            self.reload(now).await?;
        }
        Ok(set.len())
    }

    /// Looks at how the store keeps its records as closely as it can; what it finds is one of [`Replica::rejected`]. Linear in
    /// the store.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn inspect(&mut self) -> Result<(), StoreError> {
        self.rejected.retain(|m| m.key != STRUCTURE);
        if let Some(reason) = self.store.inspect().await? {
            self.rejected.push(RejectedRecord {
                frozen: Frozen::Nothing,
                ..RejectedRecord::new(STRUCTURE, "the store", reason)
            });
        }
        Ok(())
    }

    /// Adds to a transaction what mends a rejected record, if anything does.
    async fn rebuilt(
        &mut self,
        rejected: &RejectedRecord,
        txn: &mut Txn,
    ) -> Result<(), StoreError> {
        let key = rejected.key.clone();
        let put = match &rejected.frozen {
            Frozen::Pool(id) => self.pool_copy(*id).await?,
            Frozen::Block(id, first) => self.ipam.block_anew(*id, *first),
            Frozen::Nothing if key.starts_with(COPIES) => {
                let own = self.ipam.record(&key.replacen(COPIES, "p/", 1));
                own.map(|record| record.encode())
            }
            Frozen::Nothing if key == "m/" => Some(self.ipam.meta().encode()),
            Frozen::Nothing if key.starts_with("r/") => {
                txn.delete.push(key.clone());
                txn.unchanged.push(key);
                return Ok(());
            }
            _ => None,
        };
        if let Some(bytes) = put {
            txn.unchanged.push(key.clone());
            txn.put.push((key, bytes));
        }
        Ok(())
    }

    /// The copy of a pool's record, where it is sound and the pool fits beside the others.
    async fn pool_copy(&mut self, id: PoolId) -> Result<Option<Vec<u8>>, StoreError> {
        let key = pool_key(id);
        let copy = Vec::from_iter(copy_key(&key));
        let (values, _) = self.store.get(&copy).await?;
        let bytes = values.into_iter().next().flatten();
        Ok(bytes.filter(|bytes| match Record::decode(bytes) {
            Ok(record @ Record::Pool { .. }) if record.has_key(&key) => {
                let Record::Pool { spec, .. } = record else {
                    return false;
                };
                self.ipam.pools.check(&spec).is_ok()
            }
            _ => false,
        }))
    }

    /// Drops damaged records, and with them whatever they held, for good: those of the keys named, or all. Whoever
    /// uses an address of theirs must be stopped before, since it will be given to others. How many were dropped.
    ///
    /// ```
    /// # use ipam::{PoolSpec, Replica, Request, Timestamp, store::{MemoryStore, ready}};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let now = Timestamp::from_secs(1);
    /// # let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
    /// // What is damaged, by key; `None` for all of it.
    /// let keys: Vec<String> = replica.rejected().iter().map(|r| r.key.clone()).collect();
    /// assert_eq!(replica.discard(now, Some(&keys)).await?, 0);
    /// # Ok(())
    /// # }
    /// # ready(run()).ok_or("a store in memory never waits")??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the store fails or others change the records meanwhile.
    #[doc(alias = "forget")]
    pub async fn discard(
        &mut self,
        now: Timestamp,
        keys: Option<&[String]>,
    ) -> Result<usize, StoreError> {
        self.catch_up(now).await?;
        let meant = |m: &&RejectedRecord| keys.is_none_or(|keys| keys.contains(&m.key));
        let meant: Vec<RejectedRecord> = self.rejected.iter().filter(meant).cloned().collect();
        if meant.iter().any(|m| m.frozen == Frozen::Store) {
            self.store.accept().await?;
            self.reload(now).await?;
        }
        let mut delete: Vec<String> = Vec::new();
        for rejected in meant.iter().filter(|m| m.frozen != Frozen::Store) {
            delete.extend(copy_key(&rejected.key));
            delete.push(rejected.key.clone());
        }
        if !delete.is_empty() {
            let txn = Txn {
                unchanged: delete.clone(),
                since: self.revision,
                put: Vec::new(),
                delete,
            };
            self.store.commit(txn).await?;
            self.reload(now).await?;
        }
        Ok(meant.len())
    }

    /// Replaces the whole store by a state: every other record goes.
    ///
    /// ```
    /// # use ipam::{PoolSpec, Replica, Request, Timestamp, store::{MemoryStore, ready}};
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (now, sleep) = (Timestamp::from_secs(1), |_| std::future::ready(()));
    /// # let mut replica = Replica::open(MemoryStore::default(), now, 7).await?;
    /// # replica.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?), sleep).await?;
    /// // As a dump is loaded: another state takes the place of what the store holds.
    /// let (state, rejected) = ipam::Ipam::restore(now, replica.ipam().records());
    /// assert!(rejected.is_empty());
    /// let mut other = Replica::open(MemoryStore::default(), now, 8).await?;
    /// other.replace(now, &state).await?;
    /// assert!(other.ipam().pool("p").is_some());
    /// # Ok(())
    /// # }
    /// # ready(run()).ok_or("a store in memory never waits")??;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the store fails or others write meanwhile.
    pub async fn replace(&mut self, now: Timestamp, ipam: &Ipam) -> Result<(), StoreError> {
        if self.rejected.iter().any(|m| m.frozen == Frozen::Store) {
            self.store.accept().await?;
        }
        self.catch_up(now).await?;
        // What this store and the other state have counted both lie behind.
        let base = ipam.sequence().max(self.ipam.sequence());
        let mut records = ipam.records();
        for record in &mut records {
            if let Record::Meta { base: told, .. } = record {
                *told = base;
            }
        }
        let mut put: Vec<(String, Vec<u8>)> = Vec::with_capacity(records.len());
        for record in &records {
            let (key, bytes) = (record.key(), record.encode());
            put.extend(copy_key(&key).map(|copy| (copy, bytes.clone())));
            put.push((key, bytes));
        }
        let kept: BTreeSet<&str> = put.iter().map(|(k, _)| &**k).collect();
        let mut delete = Vec::new();
        for kind in KINDS.into_iter().chain([COPIES]) {
            let mut after: Option<String> = None;
            loop {
                let page = self.store.list(kind, after.as_deref(), PAGE).await?;
                after = page.entries.last().map(|(key, _)| key.clone());
                let gone = page.entries.into_iter().map(|(k, _)| k);
                delete.extend(gone.filter(|k| !kept.contains(&**k)));
                if !page.more {
                    break;
                }
            }
        }
        let txn = Txn {
            unchanged: delete.clone(),
            since: self.revision,
            put,
            delete,
        };
        self.store.commit(txn).await?;
        self.reload(now).await
    }
}

impl Ipam {
    /// A damaged block's record, made from the claims and workloads that hold its addresses: whatever else it
    /// has may have been in use until a moment ago. `None` where its pool is unknown.
    fn block_anew(&self, id: PoolId, first: IpAddr) -> Option<Vec<u8>> {
        let pool = self.pools.get(id.0)?;
        let first = pool.spec().cidr.family().address(crate::net::number(first));
        let block = crate::Cidr::containing(first, pool.spec().block_size).ok()?;
        if block.first() != first || !pool.spec().cidr.contains(first) {
            return None;
        }
        let mut released = Vec::new();
        for (offset, address) in crate::apply::workload::addresses(block.range()).enumerate() {
            let used = pool
                .slot(address)
                .is_some_and(|slot| is_used(pool.state(slot)));
            if !used && pool.spec().excludes(address).is_none() {
                released.push(ReleasedAddress {
                    offset: offset as u32,
                    at: self.now(),
                    order: offset as u64,
                });
            }
        }
        let record = Record::Block {
            pool: id,
            block,
            host: None,
            // Above every generation that the block may have had: each of those took a commit.
            generation: self.tokens.latest().saturating_add(1 << 32),
            empty_since: self.now(),
            released,
        };
        Some(record.encode())
    }
}
