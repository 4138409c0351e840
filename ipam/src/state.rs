//! The allocator's state: dense records, names stored once, indices by name.

use crate::claims::Claims;
pub(crate) use crate::claims::{Claim, Kind};
use crate::clock::Clock;
use crate::departed::Departed;
use crate::hash::hash;
use crate::hosts::Hosts;
use crate::identity::Identity;
use crate::index::tag;
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
    /// Keys of records that time made untrue since they were last taken; `None` where nobody takes them.
    pub(crate) dirty: Option<BTreeSet<alloc::string::String>>,
    /// What is in quarantine of pools that are gone.
    pub(crate) departed: Departed,
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
            dirty: None,
            departed: BTreeMap::new(),
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
        self.claims.find(tag(self.hashed(name)), name)
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

    /// A workload's claims.
    pub(crate) fn claims_of(&self, workload: u32) -> impl Iterator<Item = u32> + '_ {
        self.claims.chain(self.workloads.first_claim(workload))
    }
}

/// The end of a lease as callers see it.
pub(crate) fn end(until: Timestamp) -> Option<Timestamp> {
    (until != Timestamp::MAX).then_some(until)
}
