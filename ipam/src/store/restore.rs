//! Records as state: the whole at once, or one key after another.

mod blocks;
mod claims;
mod restored;
mod workloads;

pub(crate) use restored::Restored;

use super::damage::{Frozen, RejectedRecord};
use super::proof::{Doubts, Told};
use super::record::{MoveRecord, Record};
use crate::apply::ApplyError;
use crate::cidr::Family;
use crate::pool::cells::State;
use crate::pool::released::List;
use crate::pool::spec::name_fits;
use crate::pool::{Pool, PoolId, PoolSpec};
use crate::state::{Ipam, Spot, Spots};
use crate::time::Timestamp;
use crate::workloads::Move;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

/// Tokens, generations and counts of releases above this are refused: no allocator comes near it (a thousand
/// million claims a second for 292 years), and the next one must still be larger.
pub(crate) const MOST_COUNT: u64 = 1 << 63;

/// A released address on its way into the list that it is in at `now`.
struct Waiting {
    at: Timestamp,
    order: u64,
    spot: Spot,
}

impl Waiting {
    /// What a workload retained until then comes after all that was released at one time.
    const RETAINED: u64 = u64::MAX;

    fn was_retained(&self) -> bool {
        self.order == Self::RETAINED
    }
}

impl Ipam {
    /// The state that records describe, at `now`. What does not fit is left out and listed: of two claims
    /// to one address the one that comes first in the order of keys stays. Linear, sorting aside.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// let (again, rejected) = Ipam::restore(at(1), ipam.records());
    /// assert!(rejected.is_empty());
    /// assert_eq!(again.records(), ipam.records());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn restore<'a>(
        now: Timestamp,
        records: impl IntoIterator<Item = Record<'a>>,
    ) -> (Self, Vec<RejectedRecord>) {
        let mut records: Vec<Record<'a>> = records.into_iter().collect();
        if !records.is_sorted_by_key(Record::rank) {
            records.sort_by_key(Record::rank);
        }
        let mut restorer = Restorer::new(now);
        for record in &records {
            let key = record.key();
            restorer.add(record.clone(), &key, || Frozen::of_record(record));
        }
        if restorer.whole {
            restorer.missing(&[]);
        }
        let mut restored = restorer.finish(true);
        let doubts: Vec<String> = restored.doubts.blocks.iter().cloned().collect();
        for key in doubts {
            let record = records.iter().find(|r| r.rank() == 4 && r.key() == key);
            restored.explain(&key, record);
        }
        restored.settle();
        (restored.ipam, restored.rejected)
    }
}

/// Restores a state record by record, in the order of their kinds.
pub(crate) struct Restorer {
    pub(crate) ipam: Ipam,
    waiting: Vec<Waiting>,
    pub(crate) rejected: Vec<RejectedRecord>,
    pub(super) told: Told,
    /// Whether records prove each other: those of formats before 4 do not.
    pub(crate) whole: bool,
    /// Whether only some records are added: blocks give nothing unless [opened](Self::open_block).
    part: bool,
}

impl Restorer {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self::onto(Ipam::new(0), now)
    }

    /// Goes on with a state from which the records' keys were cleared.
    pub(crate) fn onto(mut ipam: Ipam, now: Timestamp) -> Self {
        // What is due by then is carried out once everything is known.
        let _ = ipam.clock.pass(now);
        Self {
            ipam,
            waiting: Vec::new(),
            rejected: Vec::new(),
            told: Told::default(),
            whole: false,
            part: false,
        }
    }

    /// Whether a key's record does not fit.
    pub(crate) fn rejects(&self, key: &str) -> bool {
        self.rejected.iter().any(|rejected| rejected.key == key)
    }

    /// Only some records will be added.
    pub(crate) fn begin_part(&mut self) {
        self.part = true;
    }

    /// A pool of which only some blocks will be known.
    fn add_pool_part(&mut self, id: PoolId, spec: &PoolSpec) -> Result<(), ApplyError> {
        self.ipam.pools.check(spec)?;
        self.ipam.pools.insert(id, Pool::part(spec.clone()))?;
        Ok(())
    }

    /// The block of a key is known: its addresses are free but for what its record, if there is one, and others say.
    pub(crate) fn open_block(&mut self, key: &str) {
        let Some((id, block)) = self.ipam.block_named(key) else {
            return;
        };
        if let Some(pool) = self.ipam.pools.get_mut(id.0) {
            pool.open_block(block.first());
        }
    }

    /// A host has blocks that may not be among those that are known.
    fn note_blocks_of(&mut self, name: &str, blocks: &[(PoolId, IpAddr)]) {
        let host = self.ipam.intern_host(name);
        for &(id, first) in blocks {
            if let Some(pool) = self.ipam.pools.get_mut(id.0) {
                pool.note_block(first, host);
            }
        }
        self.ipam.drop_host_if_idle(host);
    }

    /// Adds a record, whose key this is; `frozen` says what it may hold should it not fit.
    pub(crate) fn add(&mut self, record: Record<'_>, key: &str, frozen: impl FnOnce() -> Frozen) {
        if let Err(rejected) = self.try_add(record, key) {
            let frozen = frozen();
            let decodes = true;
            self.rejected.push(RejectedRecord {
                frozen,
                decodes,
                ..rejected
            });
        }
    }

    fn try_add(&mut self, record: Record<'_>, key: &str) -> Result<(), RejectedRecord> {
        match record {
            Record::Meta { seed, base, whole } => {
                if base > MOST_COUNT {
                    let reason = "counts further than anything can have been counted";
                    return Err(RejectedRecord::new(key, key, reason));
                }
                self.whole = whole;
                self.ipam.tokens.begin(base);
                self.ipam.reseed(seed);
                Ok(())
            }
            Record::Pool { id, draining, spec } => {
                let added = match self.part {
                    true => self.add_pool_part(id, &spec),
                    false => self.ipam.apply_pool_added(id, &spec),
                };
                added.map_err(|e: ApplyError| RejectedRecord::new(key, &spec.name, e))?;
                if let Some(pool) = self.ipam.pools.get_mut(id.0) {
                    pool.set_draining(draining);
                }
                Ok(())
            }
            Record::Cursor { id, cursor } => {
                let bad = || RejectedRecord::new(key, id, "is a cursor of no pool");
                let cursor = cursor.parse().map_err(|_| bad())?;
                let pool = self.ipam.pools.get_mut(id.0).ok_or_else(bad)?;
                pool.set_cursor(cursor);
                Ok(())
            }
            Record::Host {
                name,
                settings,
                blocks,
            } => {
                if let Some(blocks) = blocks {
                    self.note_blocks(&name, &blocks);
                    if self.part && name_fits(&name).is_ok() {
                        self.note_blocks_of(&name, &blocks);
                    }
                }
                let set = self.ipam.apply_host_set(&name, &settings);
                set.map_err(|e| RejectedRecord::new(key, &name, e))
            }
            block @ Record::Block { .. } => self.add_block(block, key),
            workload @ Record::Workload { .. } => self.add_workload(workload, key),
            claim @ Record::Claim { .. } => self.add_claim(claim, key),
            Record::Departed { block, quarantined } => {
                let restored = self.ipam.restore_departed(block, &quarantined);
                restored.map_err(|reason| RejectedRecord::new(key, block, reason))
            }
            // It stands in the blocks; who keeps it in step reads it apart.
            Record::Summary { .. } | Record::Time { .. } => Ok(()),
        }
    }

    /// The slot of an address that is nobody's yet.
    fn vacant(&mut self, place: (PoolId, IpAddr), key: &str) -> Result<Spot, RejectedRecord> {
        let (id, address) = place;
        let rejected = |reason: &str| RejectedRecord::new(key, address, reason);
        let pool = self
            .ipam
            .pools
            .get_mut(id.0)
            .ok_or_else(|| rejected("is an address of no pool"))?;
        if pool.spec().excludes(address).is_some() {
            return Err(rejected("is excluded"));
        }
        let slot = pool
            .materialise(address)
            .ok_or_else(|| rejected("is not of its pool"))?;
        match pool.state(slot) {
            State::Held(_) | State::Retained(_) => Err(rejected("belongs to another already")),
            _ => Ok(Spot { pool: id.0, slot }),
        }
    }

    /// A workload on its way; its hosts' names were checked.
    fn add_move(&mut self, id: u32, moving: &MoveRecord<'_>) {
        let (from, to) = (
            self.ipam.intern_host(&moving.from),
            self.ipam.intern_host(&moving.to),
        );
        let mut spots = Spots::EMPTY;
        for &(pool, address) in &moving.addresses {
            let slot = self
                .ipam
                .pools
                .get_mut(pool.0)
                .and_then(|p| p.materialise(address));
            let spot = slot.map(|slot| Spot { pool: pool.0, slot });
            spots.set(Family::of(address), spot);
        }
        for host in [from, to] {
            self.ipam.hosts.begin_use(host);
        }
        let (since, retention) = (moving.since, moving.retention);
        let moving = Move {
            from,
            to,
            since,
            retention,
            spots,
        };
        self.ipam.workloads.begin_move(id, moving);
    }

    /// Puts released addresses that nobody has into their lists, in order of release.
    /// With `complete`, where every record was added, what no record tells of is looked for too.
    pub(crate) fn finish(mut self, complete: bool) -> Restored {
        // Stable: what expired at one time stays in order of workload.
        self.waiting.sort_by_key(|w| (w.at, w.order));
        let now = self.ipam.now();
        self.ipam.freeze(&self.rejected);
        // What a block tells to be in use is nobody's to release, though the claim that uses it is lost: whose retention has ended had it before.
        let told: BTreeSet<Spot> = match self.waiting.iter().any(Waiting::was_retained) {
            true => self.told.spots().collect(),
            false => BTreeSet::new(),
        };
        let lost = |w: &&Waiting| w.was_retained() && told.contains(&w.spot);
        for waiting in self.waiting.iter().filter(|w| !lost(w)) {
            let Some(pool) = self.ipam.pools.get_mut(waiting.spot.pool) else {
                continue;
            };
            if pool.state(waiting.spot.slot) == State::Blank {
                pool.release_again(waiting.spot.slot, waiting.at, waiting.order, now);
            }
        }
        self.ipam.catch_up();
        let doubts = match self.whole {
            true => self.doubts(complete),
            false => Doubts::default(),
        };
        Restored {
            ipam: self.ipam,
            rejected: self.rejected,
            doubts,
            whole: self.whole,
        }
    }
}

impl Ipam {
    /// Sees to it that tokens come after `sequence`. Stores count commits and do this by themselves; who
    /// keeps records elsewhere keeps the latest token too, for the claims that are gone.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.resume_sequence(41);
    /// assert_eq!(ipam.claim(at(1), &Request::new("container-1/eth0"))?.sequence, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume_sequence(&mut self, sequence: u64) {
        self.tokens.note(sequence);
    }
}

/// Both lists exist for as long as a pool does.
const _: () = assert!(List::Quarantine as usize == 0);
