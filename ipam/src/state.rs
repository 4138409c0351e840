//! The allocator's state: dense records, names stored once, indices by name.

use crate::change::HostSettings;
use crate::cidr::Family;
use crate::claim::Kept;
use crate::names::{NameId, Names};
use crate::pool::{Pool, PoolId};
use crate::rng::hash;
use crate::slab::Slab;
use crate::time::Timestamp;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use hashbrown::HashTable;

/// No record.
pub(crate) const NONE: u32 = u32::MAX;
const NO_POOL: u16 = u16::MAX;
/// Pool numbers are 16 bits, one of them for "none".
pub(crate) const MOST_POOLS: usize = NO_POOL as usize;

/// At most one address per family, as pool and slot: 12 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spots {
    slots: [u32; 2],
    pools: [u16; 2],
}

/// One address, as pool and slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) pool: u16,
    pub(crate) slot: u32,
}

impl Spots {
    pub(crate) const EMPTY: Self = Self {
        slots: [0; 2],
        pools: [NO_POOL; 2],
    };

    #[inline]
    pub(crate) fn get(self, family: Family) -> Option<Spot> {
        let i = family as usize;
        (self.pools[i] != NO_POOL).then_some(Spot {
            pool: self.pools[i],
            slot: self.slots[i],
        })
    }

    pub(crate) fn set(&mut self, family: Family, spot: Option<Spot>) {
        let i = family as usize;
        let spot = spot.unwrap_or(Spot {
            pool: NO_POOL,
            slot: 0,
        });
        (self.pools[i], self.slots[i]) = (spot.pool, spot.slot);
    }

    pub(crate) fn is_empty(self) -> bool {
        self.pools == [NO_POOL; 2]
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = (Family, Spot)> {
        [Family::V4, Family::V6]
            .into_iter()
            .filter_map(move |f| Some((f, self.get(f)?)))
    }
}

/// One owner's claim: 56 bytes.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) sequence: u64,
    /// When it was made or last renewed.
    pub(crate) touched: Timestamp,
    /// The lease's end; [`Timestamp::MAX`] for none.
    pub(crate) until: Timestamp,
    pub(crate) owner: NameId,
    pub(crate) workload: u32,
    pub(crate) host: u32,
    /// The workload's next claim.
    pub(crate) next: u32,
    pub(crate) spots: Spots,
    pub(crate) kind: Kind,
}

/// [`Kept`] without the time, which stands with the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ephemeral,
    Sticky,
    Fixed,
}

/// A workload: who holds addresses for it, and which it will find again. 32 bytes.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// How long its addresses are kept after release, in nanoseconds.
    pub(crate) ttl: u64,
    pub(crate) name: NameId,
    /// Its first claim.
    pub(crate) head: u32,
    /// Kept addresses: reserved ones whether held or not, sticky ones while not held.
    pub(crate) spots: Spots,
    /// Whether `spots` are a reservation.
    pub(crate) fixed: bool,
}

/// A host.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) name: NameId,
    /// Claims and blocks that refer to it.
    pub(crate) uses: u32,
    pub(crate) settings: HostSettings,
}

/// A workload on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) since: Timestamp,
    /// How the addresses are kept.
    pub(crate) kept: Kept,
    /// What moves.
    pub(crate) spots: Spots,
}

/// The allocator. See the crate page.
#[derive(Clone, Debug)]
pub struct Ipam {
    pub(crate) seed: u64,
    pub(crate) now: Timestamp,
    pub(crate) sequence: u64,
    /// No rest and no keeping ends before this.
    pub(crate) due: Timestamp,
    pub(crate) pools: Vec<Option<Pool>>,
    pub(crate) pool_names: BTreeMap<Arc<str>, PoolId>,
    pub(crate) names: Names,
    pub(crate) claims: Slab<Claim>,
    pub(crate) workloads: Slab<Workload>,
    pub(crate) hosts: Slab<Host>,
    pub(crate) by_owner: HashTable<u32>,
    pub(crate) by_workload: HashTable<u32>,
    pub(crate) by_host: HashTable<u32>,
    /// When sticky workloads without a claim forget their addresses.
    pub(crate) sticky: BTreeSet<(Timestamp, u32)>,
    /// The same, by workload.
    pub(crate) sticky_until: BTreeMap<u32, Timestamp>,
    /// Reserved addresses beyond one per family.
    pub(crate) extra: BTreeMap<u32, Vec<Spot>>,
    pub(crate) moves: BTreeMap<u32, Move>,
    /// Keys of records that time made untrue since they were last taken; `None` where nobody takes them.
    pub(crate) dirty: Option<BTreeSet<alloc::string::String>>,
    /// Owners that were missing, by claim: since when, and their token then.
    pub(crate) suspects: BTreeMap<u32, (Timestamp, u64)>,
}

impl Ipam {
    /// An empty allocator. The seed decides where hosts' blocks start and what random order gives, and
    /// guards the indices against chosen names.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            now: Timestamp::ZERO,
            sequence: 0,
            due: Timestamp::MAX,
            pools: Vec::new(),
            pool_names: BTreeMap::new(),
            names: Names::default(),
            claims: Slab::default(),
            workloads: Slab::default(),
            hosts: Slab::default(),
            by_owner: HashTable::new(),
            by_workload: HashTable::new(),
            by_host: HashTable::new(),
            sticky: BTreeSet::new(),
            sticky_until: BTreeMap::new(),
            extra: BTreeMap::new(),
            moves: BTreeMap::new(),
            dirty: None,
            suspects: BTreeMap::new(),
        }
    }

    #[inline]
    pub(crate) fn pool_at(&self, pool: u16) -> Option<&Pool> {
        self.pools.get(pool as usize)?.as_ref()
    }

    #[inline]
    pub(crate) fn pool_at_mut(&mut self, pool: u16) -> Option<&mut Pool> {
        self.pools.get_mut(pool as usize)?.as_mut()
    }

    #[inline]
    pub(crate) fn owner(&self, name: &str) -> Option<u32> {
        let same = |&id: &u32| {
            let claim = self.claims.get(id);
            claim.is_some_and(|c| self.names.bytes(c.owner) == name.as_bytes())
        };
        self.by_owner
            .find(hash(self.seed, name.as_bytes()), same)
            .copied()
    }

    #[inline]
    pub(crate) fn workload(&self, name: &str) -> Option<u32> {
        let same = |&id: &u32| {
            let workload = self.workloads.get(id);
            workload.is_some_and(|w| self.names.bytes(w.name) == name.as_bytes())
        };
        self.by_workload
            .find(hash(self.seed, name.as_bytes()), same)
            .copied()
    }

    pub(crate) fn host(&self, name: &str) -> Option<u32> {
        let same = |&id: &u32| {
            let host = self.hosts.get(id);
            host.is_some_and(|h| self.names.bytes(h.name) == name.as_bytes())
        };
        self.by_host
            .find(hash(self.seed, name.as_bytes()), same)
            .copied()
    }

    pub(crate) fn owner_name(&self, claim: u32) -> &str {
        self.claims
            .get(claim)
            .map_or("", |c| self.names.get(c.owner))
    }

    pub(crate) fn workload_name(&self, workload: u32) -> Option<&str> {
        self.workloads.get(workload).map(|w| self.names.get(w.name))
    }

    pub(crate) fn host_name(&self, host: u32) -> Option<&str> {
        self.hosts.get(host).map(|h| self.names.get(h.name))
    }

    /// The addresses a workload has reserved or kept, reserved ones beyond the first per family included.
    pub(crate) fn kept_spots(&self, workload: u32) -> impl Iterator<Item = Spot> + '_ {
        let first = self
            .workloads
            .get(workload)
            .map_or(Spots::EMPTY, |w| w.spots);
        let extra = self.extra.get(&workload).into_iter().flatten().copied();
        first.iter().map(|(_, spot)| spot).chain(extra)
    }

    /// A workload's claims.
    pub(crate) fn claims_of(&self, workload: u32) -> impl Iterator<Item = u32> + '_ {
        let mut id = self.workloads.get(workload).map_or(NONE, |w| w.head);
        core::iter::from_fn(move || {
            let claim = self.claims.get(id)?;
            Some(core::mem::replace(&mut id, claim.next))
        })
    }

    pub(crate) fn kept_of(&self, claim: &Claim) -> Kept {
        match claim.kind {
            Kind::Ephemeral => Kept::Ephemeral,
            Kind::Fixed => Kept::Fixed,
            Kind::Sticky => {
                let ttl = self.workloads.get(claim.workload).map_or(0, |w| w.ttl);
                Kept::Sticky(core::time::Duration::from_nanos(ttl))
            }
        }
    }
}

/// The end of a lease as callers see it.
pub(crate) fn end(until: Timestamp) -> Option<Timestamp> {
    (until != Timestamp::MAX).then_some(until)
}

/// A million claims are what these sizes are for.
const _: () = assert!(size_of::<Option<Claim>>() == 56 && size_of::<Option<Workload>>() == 32);
