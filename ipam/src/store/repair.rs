//! Mending a store: what can be rebuilt from the rest is, what cannot is dropped only when asked for by name.

use super::damage::{Frozen, RejectedRecord, STRUCTURE};
use super::record::{COPIES, KINDS, Record, copy_key, identity_of};
use super::replica::{PAGE, Replica};
use super::seam::{Guard, Store, StoreError, Txn};
use super::summary::Summaries;
use crate::state::Ipam;
use crate::time::Timestamp;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

/// Rounds of rebuilding: pools, blocks, what those tell of, and what points at that.
const ROUNDS: usize = 6;

impl<S: Store> Replica<S> {
    /// Rebuilds the damaged records of which everything stands elsewhere too; how many.
    ///
    /// A pool from its copy. A block from the claims and workloads that hold its addresses and the host that names it: the
    /// others of its addresses go into quarantine from now on. A claim from the blocks that tell of it: without a lease, since
    /// only it told of that. A workload from the blocks that tell what it retains and the claims that it is behind: a move of it
    /// is over, and the address that waited for its new host stays with it for 24 h. A summary from the blocks. A cursor and a seed, which hold nothing, begin anew. Times more than 24 h ahead of
    /// the clock are set to now. A host from the blocks that are its own and the copy of its settings.
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
            // What was known of it before may be of no use.
            self.catch_up(now).await?;
        }
        let mut rebuilt = self.set_times(now).await?;
        // Pools first: what the others hold is known only then. What was read of one record may tell of the next.
        for round in 0..ROUNDS {
            let mut txn = Txn::default();
            let mut all = self.rejected.clone();
            all.sort_by_key(|rejected| identity_of(&rejected.key).is_some());
            for rejected in all {
                // A workload tells of its claims: they come before it.
                let claims = txn.put.iter().any(|(key, _)| key.starts_with("c/"));
                let early = claims && identity_of(&rejected.key).is_some();
                if rejected.key.starts_with("p/") == (round == 0) && !early {
                    self.rebuilt(&rejected, &mut txn).await?;
                }
            }
            if txn.put.is_empty() && txn.delete.is_empty() {
                match round {
                    0 => continue,
                    _ => break,
                }
            }
            rebuilt += txn.guards.len();
            self.store.commit(txn).await?;
            self.reload(now).await?;
        }
        // A store whose records are not known to prove each other is written anew, lest the next damage find it so.
        if rebuilt > 0 && !self.whole && self.rejected.is_empty() {
            self.commit(now, &[]).await?;
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
        let mut keys: BTreeSet<String> = BTreeSet::new();
        for rejected in meant.iter().filter(|m| m.frozen != Frozen::Store) {
            keys.insert(rejected.key.clone());
            keys.extend(self.blocks_of(rejected));
            self.unsure = true;
            // Its record says from now on that it is empty: others tell that there is one.
            if let Frozen::Block(id, first) = rejected.frozen
                && let Some(pool) = self.ipam.pools.get_mut(id.0)
            {
                let first = pool
                    .spec()
                    .cidr
                    .family()
                    .address(crate::cidr::number(first));
                pool.materialise(first);
            }
            self.ipam.forget_lost(&rejected.frozen);
        }
        if !keys.is_empty() {
            self.write_anew(&keys).await?;
            self.reload(now).await?;
            // What named them does so no longer.
            let pointers = self.rejected.iter().filter(|m| m.is_pointer());
            let pointers: BTreeSet<String> = pointers.map(|m| m.key.clone()).collect();
            if !pointers.is_empty() {
                self.write_anew(&pointers).await?;
                self.reload(now).await?;
            }
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
        records.extend(Summaries::of_state(ipam));
        let mut put: Vec<(String, Vec<u8>)> = Vec::with_capacity(records.len());
        for record in &records {
            let key = record.key();
            let copy = record.copy().map(|copy| copy.encode());
            put.extend(copy_key(&key).zip(copy));
            put.push((key, record.encode()));
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
            guards: delete
                .iter()
                .map(|key| Guard::unchanged(key, self.revision))
                .collect(),
            put,
            delete,
        };
        self.store.commit(txn).await?;
        self.reload(now).await
    }
}
