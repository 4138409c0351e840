//! Looking: who holds what, how full pools are, why a claim would be refused.

mod views;

pub use views::{BlockRef, ClaimRef, Holder, PoolRef};

use crate::change::HostSettings;
use crate::claim::Request;
use crate::decide::{ClaimError, Decision};
use crate::identity::Identity;
use crate::pool::blocks::NOBODY;
use crate::pool::cells::State;
use crate::pool::released::List;
use crate::state::Ipam;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::IpAddr;

impl Ipam {
    /// Every pool, by name.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let free: u64 = ipam.pools().map(|pool| pool.usage().free).sum();
    /// assert_eq!(free, 254);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pools(&self) -> impl Iterator<Item = PoolRef<'_>> {
        self.pools.by_name().filter_map(|id| self.pool_ref(id))
    }

    /// The pool of a name.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// assert_eq!(ipam.pool("p").map(|p| p.usage().capacity), Some(254));
    /// assert!(ipam.pool("q").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<PoolRef<'_>> {
        self.pool_ref(self.pools.named(name)?)
    }

    /// A host's settings, if the host is known.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0").host("h1"))?;
    /// assert_eq!(ipam.host_settings("h1").map(|s| s.draining), Some(false));
    /// assert!(ipam.host_settings("h2").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn host_settings(&self, host: &str) -> Option<&HostSettings> {
        self.hosts.settings(self.host(host)?)
    }

    /// Every host that claims, blocks, moves or settings refer to, by name.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0").host("h1"))?;
    /// assert!(ipam.hosts().eq(["h1"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> = self.hosts.iter().map(|(_, name)| name).collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// A pool's blocks that have a host or a used address, in the order of their slots.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0").host("h1"))?;
    /// let block = ipam.blocks("p").next().ok_or("a block")?;
    /// assert_eq!((block.host.map(|(host, _)| host), block.used), (Some("h1"), 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn blocks(&self, pool: &str) -> impl Iterator<Item = BlockRef<'_>> {
        let id = self.pools.named(pool);
        let pool = id.and_then(|id| self.pools.get(id.0));
        pool.into_iter().flat_map(move |pool| {
            let blocks = pool
                .blocks()
                .iter()
                .filter(|(_, b)| b.host != NOBODY || b.used > 0);
            blocks.map(move |(index, block)| BlockRef {
                cidr: pool.block_cidr(index),
                host: self.hosts.name(block.host).map(|name| (name, block.state)),
                used: block.used,
                empty_since: (block.used == 0).then_some(block.empty_since),
                generation: block.generation,
            })
        })
    }

    /// Every claim, in the order of their records (not of time).
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0").host("h1"))?;
    /// for claim in ipam.claims() {
    ///     let addresses: Vec<_> = claim.addresses().collect();
    ///     println!("{} on {:?}: {addresses:?}", claim.owner(), claim.host());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claims(&self) -> impl Iterator<Item = ClaimRef<'_>> {
        self.claims.iter().filter_map(|(id, _)| self.claim_ref(id))
    }

    /// How many claims there are.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// assert_eq!(ipam.claim_count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn claim_count(&self) -> usize {
        self.claims.len()
    }

    /// An owner's claim.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let grant = ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// assert_eq!(ipam.claim_of("container-1/eth0").map(|c| c.sequence()), Some(grant.sequence));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn claim_of(&self, owner: &str) -> Option<ClaimRef<'_>> {
        self.claim_ref(self.owner(owner)?)
    }

    /// A workload's claims through all its interfaces, the latest first.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("c1/eth0").workload("shop/web-0"))?;
    /// ipam.claim(at(2), &Request::new("c1/net1").workload("shop/web-0").interface("net1"))?;
    /// assert!(ipam.claims_of_workload("shop/web-0").map(|c| c.owner()).eq(["c1/net1", "c1/eth0"]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claims_of_workload(&self, workload: &str) -> impl Iterator<Item = ClaimRef<'_>> {
        let ids = self
            .workloads_named(workload)
            .flat_map(|w| self.claims_of(w));
        let mut claims: Vec<ClaimRef<'_>> = ids.filter_map(|id| self.claim_ref(id)).collect();
        claims.sort_unstable_by_key(|c| core::cmp::Reverse(c.sequence()));
        claims.into_iter()
    }

    /// A host's claims, in no order. Linear in all claims.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.claim(at(1), &Request::new("container-1/eth0").host("h1"))?;
    /// assert_eq!(ipam.claims_of_host("h1").count(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn claims_of_host(&self, host: &str) -> impl Iterator<Item = ClaimRef<'_>> {
        let host = self.host(host);
        let claims = self.claims.iter();
        let here = claims.filter(move |(_, claim)| host == Some(claim.host));
        here.filter_map(|(id, _)| self.claim_ref(id))
    }

    /// Whether a workload has a reservation.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// ipam.reserve(at(1), "shop/db-0", &["10.9.0.10".parse()?])?;
    /// assert!(ipam.is_reserved("shop/db-0") && !ipam.is_reserved(("shop/db-0", "net1")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_reserved<'w>(&self, workload: impl Into<Identity<'w>>) -> bool {
        self.workload(workload.into())
            .is_some_and(|id| self.workloads.has_reservation(id))
    }

    /// The latest fencing token given.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let grant = ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// assert_eq!(ipam.sequence(), grant.sequence);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.tokens.latest()
    }

    /// The addresses that a workload has reserved, whether held now or not, or retains for a time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("c1/eth0").workload("shop/web-0").sticky(Duration::from_secs(300));
    /// let grant = ipam.claim(at(1), &request)?;
    /// ipam.release(at(2), "c1/eth0", grant.sequence)?;
    /// assert_eq!(ipam.retained_for("shop/web-0").next(), grant.address());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "kept")]
    pub fn retained_for<'w>(
        &self,
        workload: impl Into<Identity<'w>>,
    ) -> impl Iterator<Item = IpAddr> {
        let spots = self
            .workload(workload.into())
            .into_iter()
            .flat_map(|w| self.workloads.retained(w));
        spots.filter_map(|spot| Some(self.pools.get(spot.pool)?.address(spot.slot)))
    }

    /// What is known of an address; `None` outside all pools. A few look-ups.
    ///
    /// ```
    /// # use ipam::claim::Holder;
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let grant = ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// let address = grant.address().ok_or("an address")?;
    /// match ipam.holder(address) {
    ///     Some(Holder::Held(claim)) => assert_eq!(claim.owner(), "container-1/eth0"),
    ///     other => panic!("{other:?}"),
    /// }
    /// assert!(ipam.holder("192.0.2.1".parse()?).is_none()); // of no pool
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn holder(&self, address: IpAddr) -> Option<Holder<'_>> {
        let (_, pool) = self.pools.of_address(address)?;
        if let Some(reason) = pool.spec().excludes(address) {
            return Some(Holder::Excluded(reason));
        }
        let state = pool
            .slot(address)
            .map_or(State::Blank, |slot| pool.state(slot));
        Some(match state {
            State::Held(id) => Holder::Held(self.claim_ref(id)?),
            State::Retained(id) => Holder::Retained(self.workloads.name(id)?),
            State::Quarantined(id) => Holder::Quarantined(
                pool.released()
                    .get(List::Quarantine, id)?
                    .at
                    .after(pool.spec().quarantine),
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
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let empty = (ipam.heap_bytes(), ipam.name_bytes());
    /// ipam.claim(at(1), &Request::new("container-1/eth0"))?;
    /// assert!(ipam.heap_bytes() > empty.0 && ipam.name_bytes() > empty.1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let records =
            self.claims.heap_bytes() + self.workloads.heap_bytes() + self.hosts.heap_bytes();
        records + self.pools.heap_bytes()
    }

    /// Bytes that hold names: see [`Ipam::heap_bytes`].
    #[must_use]
    pub fn name_bytes(&self) -> usize {
        self.workloads.name_bytes() + self.hosts.name_bytes() + self.claims.name_bytes()
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
        let _ = writeln!(out, "  {}", change.kind);
    }
    out
}
