//! The allocator's state: parts that each own their fields, and what is found by way of several.

use crate::claims::Claims;
pub(crate) use crate::claims::{Claim, Kind};
use crate::clock::Clock;
use crate::departed::Departed;
use crate::hash::hash;
use crate::hosts::Hosts;
use crate::identity::Identity;
use crate::index::tag;
use crate::pools::Pools;
pub(crate) use crate::spots::{Spot, Spots};
use crate::store::{DirtyKeys, UsedAddress};
use crate::time::Timestamp;
use crate::tokens::Tokens;
use crate::workloads::Workloads;
use alloc::collections::BTreeMap;

/// No record.
pub(crate) const NONE: u32 = u32::MAX;

/// The allocator. See the crate page.
///
/// ```
/// use ipam::{Ipam, PoolSpec, Request, Timestamp};
///
/// let now = Timestamp::from_secs(1);
/// let mut ipam = Ipam::new(7);
/// ipam.add_pool(now, PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
/// let grant = ipam.claim(now, &Request::new("container-1/eth0"))?;
/// ipam.release(now, "container-1/eth0", grant.sequence)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ipam {
    seed: u64,
    pub(crate) clock: Clock,
    pub(crate) tokens: Tokens,
    pub(crate) pools: Pools,
    pub(crate) claims: Claims,
    pub(crate) workloads: Workloads,
    pub(crate) hosts: Hosts,
    pub(crate) departed: Departed,
    pub(crate) dirty: DirtyKeys,
    /// What blocks tell of addresses whose claims or workloads are lost: stored with their blocks until that is repaired.
    pub(crate) lost: BTreeMap<Spot, UsedAddress<'static>>,
}

impl Ipam {
    /// An empty allocator. The seed decides where hosts' blocks start and what random order gives, and
    /// guards the indices against chosen names.
    ///
    /// ```
    /// use ipam::{Ipam, PoolSpec, Request, Timestamp};
    ///
    /// // The same seed and the same calls give the same state, on any machine.
    /// let state = || {
    ///     let mut ipam = Ipam::new(7);
    ///     ipam.add_pool(Timestamp::ZERO, PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    ///     ipam.claim(Timestamp::ZERO, &Request::new("container-1/eth0").host("h1"))?;
    ///     Ok::<_, Box<dyn std::error::Error>>(ipam)
    /// };
    /// assert_eq!(state()?.records(), state()?.records());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            clock: Clock::default(),
            tokens: Tokens::default(),
            pools: Pools::default(),
            claims: Claims::default(),
            workloads: Workloads::default(),
            hosts: Hosts::default(),
            departed: Departed::default(),
            dirty: DirtyKeys::default(),
            lost: BTreeMap::new(),
        }
    }

    #[inline]
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Takes another seed, if the state is empty: indices are built under it.
    pub(crate) fn reseed(&mut self, seed: u64) {
        if self.claims.len() == 0 && self.workloads.len() == 0 && self.hosts.len() == 0 {
            self.seed = seed;
        }
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
