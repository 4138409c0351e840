//! The allocator's state: dense records, names stored once, indices by name.

use crate::claims::Claims;
use crate::clock::Clock;
use crate::departed::Departed;
use crate::hash::hash;
use crate::hosts::Hosts;
use crate::identity::Identity;
use crate::index::{Home, Index, tag};
use crate::pool::{Pool, PoolId};
pub(crate) use crate::spots::{Spot, Spots};
use crate::time::Timestamp;
use crate::tokens::Tokens;
use crate::workloads::Workloads;
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

/// The allocator. See the crate page.
#[derive(Clone, Debug)]
pub struct Ipam {
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) tokens: Tokens,
    pub(crate) pools: Vec<Option<Pool>>,
    pub(crate) pool_names: BTreeMap<Arc<str>, PoolId>,
    pub(crate) claims: Claims,
    pub(crate) workloads: Workloads,
    pub(crate) hosts: Hosts,
    pub(crate) by_owner: Index,
    /// Times of sticky claims that are not whole seconds, by claim, in nanoseconds.
    pub(crate) odd_ttls: BTreeMap<u32, u64>,
    /// Keys of records that time made untrue since they were last taken; `None` where nobody takes them.
    pub(crate) dirty: Option<BTreeSet<alloc::string::String>>,
    /// How many claims' leases end when, of those that have one.
    pub(crate) leases: BTreeMap<Timestamp, u32>,
    /// What is in quarantine of pools that are gone.
    pub(crate) departed: Departed,
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
            clock: Clock::default(),
            tokens: Tokens::default(),
            pools: Vec::new(),
            pool_names: BTreeMap::new(),
            claims: Claims::default(),
            workloads: Workloads::default(),
            hosts: Hosts::default(),
            by_owner: Index::default(),
            odd_ttls: BTreeMap::new(),
            dirty: None,
            leases: BTreeMap::new(),
            departed: BTreeMap::new(),
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
        self.workloads.find(tag(self.hashed(&key)), &key)
    }

    /// The records of a workload, one for each interface it is known by.
    pub(crate) fn workloads_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = u32> + 'a {
        let identities = self.workloads.identities(name);
        identities.filter_map(|identity| self.workload(identity))
    }

    #[inline]
    pub(crate) fn host(&self, name: &str) -> Option<u32> {
        self.hosts.find(tag(self.hashed(name)), name)
    }

    pub(crate) fn owner_name(&self, claim: u32) -> &str {
        match self.claims.get(claim) {
            Some(_) => self.claims.owner(claim),
            None => "",
        }
    }

    /// A workload's claims.
    pub(crate) fn claims_of(&self, workload: u32) -> impl Iterator<Item = u32> + '_ {
        let mut id = self.workloads.first_claim(workload);
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
const _: () = assert!(size_of::<Option<Claim>>() == 64);
