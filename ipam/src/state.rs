//! The allocator's state: dense records, names stored once, indices by name.

use crate::change::HostSettings;
use crate::claim::RetentionKind;
use crate::claims::Claims;
use crate::clock::Clock;
use crate::departed::Departed;
use crate::hash::hash;
use crate::identity::Identity;
use crate::index::{Home, Index, tag};
use crate::names::{NameId, Names};
use crate::pool::{Pool, PoolId};
use crate::reserved::Reserved;
use crate::slab::Slab;
pub(crate) use crate::spots::{Spot, Spots};
use crate::sticky::{Apart, Sticky};
use crate::time::Timestamp;
use crate::tokens::Tokens;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// No record.
pub(crate) const NONE: u32 = u32::MAX;
/// Pool numbers are 16 bits, one of them for "none".
pub(crate) const MOST_POOLS: usize = u16::MAX as usize;

/// One owner's claim: a cache line of its own.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Claim {
    pub(crate) sequence: u64,
    /// When it was made or last renewed.
    pub(crate) touched: Timestamp,
    /// The lease's end; [`Timestamp::MAX`] for none.
    pub(crate) until: Timestamp,
    pub(crate) workload: u32,
    /// The workload's place in its index: where it ends with the claim, the index is asked at once.
    pub(crate) workload_tag: u32,
    pub(crate) host: u32,
    /// The workload's next claim and the one before.
    pub(crate) next: u32,
    pub(crate) previous: u32,
    pub(crate) spots: Spots,
    /// Its place in the index.
    pub(crate) home: Home,
    pub(crate) kind: Kind,
    /// How long its addresses stay after release, if it is sticky.
    pub(crate) ttl: Ttl,
}

/// Seconds, or a mark that the time stands among [`Ipam::odd_ttls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ttl(pub(crate) u32);

/// [`RetentionKind`] without the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ephemeral,
    Sticky,
    Fixed,
}

/// A workload: who holds addresses for it, and which it will find again. 32 bytes.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// The latest time known about the addresses it keeps or kept: no quarantine of theirs begins before.
    pub(crate) since: Timestamp,
    /// Retained addresses: reserved ones whether held or not, else sticky ones while not held, which end at one time.
    pub(crate) spots: Spots,
    pub(crate) name: NameId,
    /// Its place in the index.
    pub(crate) tag: u32,
    /// Its first claim, and in the top bit whether `spots` are a reservation.
    head: u32,
}

/// The bit of [`Workload::head`] beside the claim, and the claim that is none: ids end at 2^29.
const FIXED: u32 = 1 << 31;
const NO_CLAIM: u32 = FIXED - 1;

impl Workload {
    pub(crate) fn new(name: NameId, tag: u32) -> Self {
        Self {
            since: Timestamp::ZERO,
            spots: Spots::EMPTY,
            name,
            tag,
            head: NO_CLAIM,
        }
    }

    /// Its first claim, [`NONE`] of none.
    #[inline]
    pub(crate) fn head(&self) -> u32 {
        match self.head & NO_CLAIM {
            NO_CLAIM => NONE,
            claim => claim,
        }
    }

    pub(crate) fn set_head(&mut self, claim: u32) {
        self.head = self.head & FIXED | claim.min(NO_CLAIM);
    }

    /// Whether what it keeps is a reservation.
    #[inline]
    pub(crate) fn fixed(&self) -> bool {
        self.head & FIXED != 0
    }

    pub(crate) fn set_fixed(&mut self, fixed: bool) {
        self.head = self.head & NO_CLAIM | if fixed { FIXED } else { 0 };
    }
}

/// A host: small, since every claim and every release looks at one.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) name: NameId,
    /// Claims and blocks that refer to it.
    pub(crate) uses: u32,
    /// Its place in the index.
    pub(crate) tag: u32,
    /// What it has been set to, if that is not what every host is.
    settings: Option<Box<HostSettings>>,
}

/// What a host is set to that nobody has set.
static UNSET: HostSettings = HostSettings {
    block_limit: None,
    draining: false,
    starts: Vec::new(),
    address: None,
    subnet: None,
};

impl Host {
    pub(crate) fn new(name: NameId, tag: u32) -> Self {
        Self {
            name,
            uses: 0,
            tag,
            settings: None,
        }
    }

    #[inline]
    pub(crate) fn settings(&self) -> &HostSettings {
        self.settings.as_deref().unwrap_or(&UNSET)
    }

    /// Whether it has settings of its own.
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.settings.is_some()
    }

    pub(crate) fn set(&mut self, settings: HostSettings) {
        self.settings = (settings != UNSET).then(|| Box::new(settings));
    }
}

/// A workload on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) since: Timestamp,
    /// How the addresses are kept.
    pub(crate) kept: RetentionKind,
    /// What moves.
    pub(crate) spots: Spots,
}

/// The allocator. See the crate page.
#[derive(Clone, Debug)]
pub struct Ipam {
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) tokens: Tokens,
    pub(crate) pools: Vec<Option<Pool>>,
    pub(crate) pool_names: BTreeMap<Arc<str>, PoolId>,
    pub(crate) names: Names,
    pub(crate) claims: Claims,
    pub(crate) workloads: Slab<Workload>,
    pub(crate) hosts: Slab<Host>,
    pub(crate) by_owner: Index,
    pub(crate) by_workload: Index,
    pub(crate) by_host: Index,
    /// When sticky addresses that stand in workloads' records expire.
    pub(crate) sticky: Sticky,
    /// The other sticky addresses.
    pub(crate) apart: Apart,
    /// Times of sticky claims that are not whole seconds, by claim, in nanoseconds.
    pub(crate) odd_ttls: BTreeMap<u32, u64>,
    /// Reserved addresses beyond one per family.
    pub(crate) extra: BTreeMap<u32, Reserved>,
    pub(crate) moves: BTreeMap<u32, Move>,
    /// Keys of records that time made untrue since they were last taken; `None` where nobody takes them.
    pub(crate) dirty: Option<BTreeSet<alloc::string::String>>,
    /// How many claims' leases end when, of those that have one.
    pub(crate) leases: BTreeMap<Timestamp, u32>,
    /// What is in quarantine of pools that are gone.
    pub(crate) departed: Departed,
    /// Owners that were missing, by claim: since when, and their token then.
    pub(crate) suspects: BTreeMap<u32, (Timestamp, u64)>,
    /// Interfaces other than the default one, by workload: its records beside the one that bears its name alone.
    pub(crate) interfaces: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
}

impl Ipam {
    /// An empty allocator. The seed decides where hosts' blocks start and what random order gives, and
    /// guards the indices against chosen names.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            clock: Clock::default(),
            tokens: Tokens::default(),
            pools: Vec::new(),
            pool_names: BTreeMap::new(),
            names: Names::default(),
            claims: Claims::default(),
            workloads: Slab::default(),
            hosts: Slab::default(),
            by_owner: Index::default(),
            by_workload: Index::default(),
            by_host: Index::default(),
            sticky: Sticky::default(),
            apart: Apart::default(),
            odd_ttls: BTreeMap::new(),
            extra: BTreeMap::new(),
            moves: BTreeMap::new(),
            dirty: None,
            leases: BTreeMap::new(),
            departed: BTreeMap::new(),
            suspects: BTreeMap::new(),
            interfaces: BTreeMap::new(),
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

    /// The hash of a name under the allocator's seed.
    #[inline]
    pub(crate) fn hashed(&self, name: &str) -> u64 {
        hash(self.seed, name.as_bytes())
    }

    #[inline]
    pub(crate) fn owner(&self, name: &str) -> Option<u32> {
        self.owner_at(tag(self.hashed(name)), name)
    }

    /// As [`Ipam::owner`], its tag known.
    #[inline]
    pub(crate) fn owner_at(&self, tag: u32, name: &str) -> Option<u32> {
        self.by_owner.find(tag, |id| {
            self.claims.get(id).is_some() && self.claims.is(id, name)
        })
    }

    /// The record of a workload and interface.
    pub(crate) fn workload(&self, identity: Identity<'_>) -> Option<u32> {
        let key = identity.key();
        self.workload_at(tag(self.hashed(&key)), &key)
    }

    /// The records of a workload, one for each interface it is known by.
    pub(crate) fn workloads_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = u32> + 'a {
        let others = self.interfaces.get(name).into_iter().flatten();
        let others = others.map(move |interface| Identity::from((name, &**interface)));
        let all = core::iter::once(Identity::from(name)).chain(others);
        all.filter_map(|identity| self.workload(identity))
    }

    /// As [`Ipam::workload`], its [key](Identity::key) and the key's tag known.
    #[inline]
    pub(crate) fn workload_at(&self, tag: u32, key: &str) -> Option<u32> {
        self.by_workload.find(tag, |id| {
            let workload = self.workloads.get(id);
            workload.is_some_and(|w| self.names.is(w.name, key))
        })
    }

    #[inline]
    pub(crate) fn host(&self, name: &str) -> Option<u32> {
        self.host_at(tag(self.hashed(name)), name)
    }

    /// As [`Ipam::host`], its tag known.
    #[inline]
    pub(crate) fn host_at(&self, tag: u32, name: &str) -> Option<u32> {
        self.by_host.find(tag, |id| {
            let host = self.hosts.get(id);
            host.is_some_and(|h| self.names.is(h.name, name))
        })
    }

    pub(crate) fn owner_name(&self, claim: u32) -> &str {
        match self.claims.get(claim) {
            Some(_) => self.claims.owner(claim),
            None => "",
        }
    }

    pub(crate) fn identity(&self, workload: u32) -> Option<Identity<'_>> {
        let workload = self.workloads.get(workload)?;
        Some(Identity::of_key(self.names.get(workload.name)))
    }

    pub(crate) fn workload_name(&self, workload: u32) -> Option<&str> {
        self.identity(workload).map(|i| i.workload)
    }

    pub(crate) fn host_name(&self, host: u32) -> Option<&str> {
        self.hosts.get(host).map(|h| self.names.get(h.name))
    }

    /// A workload's claims.
    pub(crate) fn claims_of(&self, workload: u32) -> impl Iterator<Item = u32> + '_ {
        let mut id = self.workloads.get(workload).map_or(NONE, Workload::head);
        core::iter::from_fn(move || {
            let claim = self.claims.get(id)?;
            Some(core::mem::replace(&mut id, claim.next))
        })
    }
}

/// The end of a lease as callers see it.
pub(crate) fn end(until: Timestamp) -> Option<Timestamp> {
    (until != Timestamp::MAX).then_some(until)
}

/// A million claims are what these sizes are for.
const _: () = assert!(size_of::<Option<Claim>>() == 64 && size_of::<Option<Workload>>() == 32);
