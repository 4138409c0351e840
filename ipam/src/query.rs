//! Looking: who holds what, how full pools are, why a claim would be refused.

use crate::change::HostSettings;
use crate::cidr::{Cidr, Family};
use crate::claim::{Lease, Request, RetentionKind};
use crate::decide::{ClaimError, Decision};
use crate::identity::Identity;
use crate::pool::blocks::{BlockState, NOBODY};
use crate::pool::cells::State;
use crate::pool::released::List;
use crate::pool::spec::PoolSpec;
use crate::pool::{Pool, PoolId, Usage};
use crate::state::{Claim, Host, Ipam, Workload, end};
use crate::time::Timestamp;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::IpAddr;

/// One owner's claim, looked at in place.
#[derive(Clone, Copy, Debug)]
pub struct ClaimRef<'a> {
    ipam: &'a Ipam,
    id: u32,
    claim: &'a Claim,
}

impl<'a> ClaimRef<'a> {
    /// The owner.
    #[must_use]
    pub fn owner(self) -> &'a str {
        self.ipam.claims.owner(self.id)
    }

    /// The workload behind it.
    #[must_use]
    pub fn workload(self) -> Option<&'a str> {
        self.ipam.workload_name(self.claim.workload)
    }

    /// The workload's interface that has the addresses; `None` without a workload.
    #[must_use]
    pub fn interface(self) -> Option<&'a str> {
        let identity = self.ipam.identity(self.claim.workload);
        identity.map(|i| i.interface)
    }

    /// The host that uses the addresses.
    #[must_use]
    pub fn host(self) -> Option<&'a str> {
        self.ipam.host_name(self.claim.host)
    }

    /// Its fencing token.
    #[must_use]
    pub fn sequence(self) -> u64 {
        self.claim.sequence
    }

    /// How long the addresses stay with the workload.
    #[must_use]
    pub fn kept(self) -> RetentionKind {
        self.ipam.kept_of(self.id)
    }

    /// The end of its lease; `None`: until released.
    #[must_use]
    pub fn until(self) -> Option<Timestamp> {
        end(self.claim.until)
    }

    /// When it was made or last renewed.
    #[must_use]
    pub fn touched(self) -> Timestamp {
        self.claim.touched
    }

    /// Its addresses, IPv4 first, without allocating.
    pub fn addresses(self) -> impl Iterator<Item = IpAddr> + 'a {
        let spots = self.claim.spots;
        let ipam = self.ipam;
        [Family::V4, Family::V6]
            .into_iter()
            .filter_map(move |family| {
                let spot = spots.get(family)?;
                Some(ipam.pool_at(spot.pool)?.address(spot.slot))
            })
    }

    /// Its addresses with what is needed to use them.
    #[must_use]
    pub fn leases(self) -> Vec<Lease> {
        self.ipam
            .places_of(self.id)
            .filter_map(|p| self.ipam.lease(p))
            .collect()
    }
}

/// One pool, looked at in place.
#[derive(Clone, Copy, Debug)]
pub struct PoolRef<'a> {
    id: PoolId,
    pool: &'a Pool,
}

impl<'a> PoolRef<'a> {
    /// Its number.
    #[must_use]
    pub fn id(self) -> PoolId {
        self.id
    }

    /// What it is.
    #[must_use]
    pub fn spec(self) -> &'a PoolSpec {
        &self.pool.spec
    }

    /// Whether it gives nothing more.
    #[must_use]
    pub fn draining(self) -> bool {
        self.pool.draining
    }

    /// How many addresses are in which state, as of the allocator's last operation. Constant time.
    #[must_use]
    pub fn usage(self) -> Usage {
        self.pool.usage()
    }
}

/// One block of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRef<'a> {
    /// Its prefix.
    pub cidr: Cidr,
    /// The host that has it, and how far its hold has come.
    pub host: Option<(&'a str, BlockState)>,
    /// Addresses held, retained or in quarantine.
    pub used: u32,
    /// Since when it has none of those, if it has none.
    pub empty_since: Option<Timestamp>,
    /// Counts its changes of host: the guard of a take-over.
    pub generation: u64,
}

/// What is known of an address.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// An owner holds it.
    Held(ClaimRef<'a>),
    /// It is kept for this workload, held by nobody.
    Retained(&'a str),
    /// It is in quarantine until then.
    Quarantined(Timestamp),
    /// Anyone may have it.
    Free,
    /// It is never given out, being this.
    Excluded(&'static str),
    /// It is given out only when asked for.
    SetAside,
    /// It is given to nobody: a stored record that may hold it is damaged.
    Frozen,
}

impl Ipam {
    /// Every pool, by name.
    pub fn pools(&self) -> impl Iterator<Item = PoolRef<'_>> {
        self.pool_names.values().filter_map(|&id| {
            Some(PoolRef {
                id,
                pool: self.pool_at(id.0)?,
            })
        })
    }

    /// The pool of a name.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<PoolRef<'_>> {
        let id = *self.pool_names.get(name)?;
        Some(PoolRef {
            id,
            pool: self.pool_at(id.0)?,
        })
    }

    /// A host's settings, if the host is known.
    #[must_use]
    pub fn host_settings(&self, host: &str) -> Option<&HostSettings> {
        self.hosts.get(self.host(host)?).map(Host::settings)
    }

    /// Every host that claims, blocks, moves or settings refer to, by name.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> = self
            .hosts
            .iter()
            .map(|(_, h)| self.names.get(h.name))
            .collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// A pool's blocks that have a host or a used address, in the order of their slots.
    pub fn blocks(&self, pool: &str) -> impl Iterator<Item = BlockRef<'_>> {
        let pool = self.pool(pool).map(|p| p.pool);
        pool.into_iter().flat_map(move |pool| {
            let blocks = pool
                .blocks
                .iter()
                .filter(|(_, b)| b.host != NOBODY || b.used > 0);
            blocks.map(move |(index, block)| BlockRef {
                cidr: pool.block_cidr(index),
                host: self.host_name(block.host).map(|name| (name, block.state)),
                used: block.used,
                empty_since: (block.used == 0).then_some(block.empty_since),
                generation: block.generation,
            })
        })
    }

    /// Every claim, in the order of their records (not of time).
    pub fn claims(&self) -> impl Iterator<Item = ClaimRef<'_>> {
        self.claims.iter().map(|(id, claim)| ClaimRef {
            ipam: self,
            id,
            claim,
        })
    }

    pub(crate) fn claim_ref(&self, id: u32) -> Option<ClaimRef<'_>> {
        let claim = self.claims.get(id)?;
        let ipam = self;
        Some(ClaimRef { ipam, id, claim })
    }

    /// How many claims there are.
    #[must_use]
    pub fn claim_count(&self) -> usize {
        self.claims.len()
    }

    /// An owner's claim.
    #[must_use]
    pub fn claim_of(&self, owner: &str) -> Option<ClaimRef<'_>> {
        let id = self.owner(owner)?;
        Some(ClaimRef {
            ipam: self,
            id,
            claim: self.claims.get(id)?,
        })
    }

    /// A workload's claims through all its interfaces, the latest first.
    pub fn claims_of_workload(&self, workload: &str) -> impl Iterator<Item = ClaimRef<'_>> {
        let ids = self
            .workloads_named(workload)
            .flat_map(|w| self.claims_of(w));
        let claims = ids.filter_map(|id| {
            let claim = self.claims.get(id)?;
            let ipam = self;
            Some(ClaimRef { ipam, id, claim })
        });
        let mut claims: Vec<ClaimRef<'_>> = claims.collect();
        claims.sort_unstable_by_key(|c| core::cmp::Reverse(c.sequence()));
        claims.into_iter()
    }

    /// A host's claims, in no order. Linear in all claims.
    pub fn claims_of_host(&self, host: &str) -> impl Iterator<Item = ClaimRef<'_>> {
        let host = self.host(host);
        let claims = self.claims.iter();
        let here = claims.filter(move |(_, claim)| host == Some(claim.host));
        here.map(|(id, claim)| ClaimRef {
            ipam: self,
            id,
            claim,
        })
    }

    /// Whether a workload has a reservation.
    #[must_use]
    pub fn is_reserved<'w>(&self, workload: impl Into<Identity<'w>>) -> bool {
        self.workload(workload.into())
            .and_then(|id| self.workloads.get(id))
            .is_some_and(Workload::fixed)
    }

    /// The latest fencing token given.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The addresses a workload has reserved, or keeps for a time, whether held now or not.
    pub fn kept_for<'w>(&self, workload: impl Into<Identity<'w>>) -> impl Iterator<Item = IpAddr> {
        let spots = self
            .workload(workload.into())
            .into_iter()
            .flat_map(|w| self.kept_spots(w));
        spots.filter_map(|spot| Some(self.pool_at(spot.pool)?.address(spot.slot)))
    }

    /// What is known of an address; `None` outside all pools. A few look-ups.
    #[must_use]
    pub fn holder(&self, address: IpAddr) -> Option<Holder<'_>> {
        let pool = self
            .pools
            .iter()
            .flatten()
            .find(|p| p.spec.cidr.contains(address))?;
        if let Some(what) = pool.spec.excludes(address) {
            return Some(Holder::Excluded(what));
        }
        let state = pool
            .slot(address)
            .map_or(State::Blank, |slot| pool.state(slot));
        Some(match state {
            State::Held(id) => Holder::Held(ClaimRef {
                ipam: self,
                id,
                claim: self.claims.get(id)?,
            }),
            State::Retained(id) => Holder::Retained(self.workload_name(id)?),
            State::Quarantined(id) => Holder::Quarantined(
                pool.released
                    .get(List::Quarantine, id)?
                    .at
                    .after(pool.spec.quarantine),
            ),
            State::Blank | State::Queued(_) if pool.is_frozen(address) => Holder::Frozen,
            State::Blank | State::Queued(_) if pool.is_set_aside(address) => Holder::SetAside,
            State::Blank | State::Queued(_) => Holder::Free,
        })
    }

    /// What a request would be given now, or why it would be refused, in words: which pools were considered
    /// and what each lacks. The decision is the one [`Ipam::claim`] would carry out.
    ///
    /// ```
    /// use ipam::{Ipam, PoolSpec, Request, Timestamp};
    ///
    /// let at = Timestamp::from_secs;
    /// let mut ipam = Ipam::new(7);
    /// ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("container-1/eth0").labels(&[("rack", "r1")]);
    /// assert!(ipam.explain(&request).contains("has no label rack=r1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn explain(&self, request: &Request<'_>) -> String {
        match self.decide_claim(request) {
            Ok(decision) => explain_grant(&decision),
            Err(ClaimError::Exhausted {
                family, considered, ..
            }) => {
                let mut out = alloc::format!("no {family} address; pools considered:\n");
                for one in &considered {
                    let _ = writeln!(out, "  {one}");
                }
                if considered.is_empty() {
                    out.push_str("  none: there are no pools\n");
                }
                out
            }
            Err(error) => error.to_string() + "\n",
        }
    }

    /// Bytes on the heap without names: what the figures of memory per claim count.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let records =
            self.claims.heap_bytes() + self.workloads.heap_bytes() + self.hosts.heap_bytes();
        let indices = [&self.by_owner, &self.by_workload, &self.by_host];
        let indices: usize = indices
            .into_iter()
            .map(crate::index::Index::heap_bytes)
            .sum();
        let pools: usize = self.pools.iter().flatten().map(Pool::heap_bytes).sum();
        records + indices + pools + self.sticky.heap_bytes() + self.apart.heap_bytes()
    }

    /// Bytes that hold names.
    #[must_use]
    pub fn name_bytes(&self) -> usize {
        self.names.heap_bytes() + self.claims.name_bytes()
    }
}

fn explain_grant(decision: &Decision<'_>) -> String {
    let mut out = String::new();
    for lease in &decision.grant.leases {
        let _ = writeln!(
            out,
            "{} of `{}`: {:?}",
            lease.address, lease.pool, lease.origin
        );
    }
    for change in &decision.changes {
        let _ = writeln!(out, "  {}", change.what);
    }
    out
}
