//! A claim that was checked, made.

use crate::cidr::Family;
use crate::claim::{Kept, Origin, Place};
use crate::claims::Claims;
use crate::identity::Identity;
use crate::index::{Home, tag};
use crate::pool::cells::State;
use crate::pool::rest::List;
use crate::state::{Claim, Ipam, Kind, NONE, Spots, Ttl};
use crate::time::Timestamp;

/// A name, its hash, and the record that bears it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    pub(crate) hash: u64,
    pub(crate) id: Option<u32>,
}

/// A claim about to be made: checked, every name looked up once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Making<'a> {
    pub(crate) owner: Named<'a>,
    /// The workload's name, with the hash of its key.
    pub(crate) workload: Option<Named<'a>>,
    pub(crate) interface: &'a str,
    pub(crate) host: Option<Named<'a>>,
    pub(crate) sequence: u64,
    pub(crate) until: Timestamp,
    pub(crate) kept: Kept,
    /// IPv4 first.
    pub(crate) places: [Option<Place>; 2],
    /// The places' slots where they are known, else [`NONE`].
    pub(crate) slots: [u32; 2],
}

/// Names come with their hashes.
impl Ipam {
    /// A name that was not looked up yet.
    #[inline]
    pub(crate) fn unfound<'a>(&self, name: &'a str) -> Named<'a> {
        let (hash, id) = (self.hashed(name), None);
        Named { name, hash, id }
    }

    #[inline]
    pub(crate) fn named_owner<'a>(&self, named: Named<'a>) -> Named<'a> {
        let id = self.owner_at(tag(named.hash), named.name);
        Named { id, ..named }
    }

    /// A workload's name with the hash of the key that it has together with its interface.
    pub(crate) fn named_workload<'a>(&self, identity: Identity<'a>) -> Named<'a> {
        let (key, name) = (identity.key(), identity.workload);
        let hash = self.hashed(&key);
        let id = self.workload_at(tag(hash), &key);
        Named { name, hash, id }
    }

    #[inline]
    pub(crate) fn named_host<'a>(&self, named: Named<'a>) -> Named<'a> {
        let id = self.host_at(tag(named.hash), named.name);
        Named { id, ..named }
    }

    /// Everything was checked.
    pub(crate) fn make_claim(&mut self, making: &Making<'_>) {
        let workload = making.workload.map_or(NONE, |w| {
            w.id.unwrap_or_else(|| {
                let identity = Identity::from((w.name, making.interface));
                self.add_identity(tag(w.hash), identity)
            })
        });
        let host = making.host.map_or(NONE, |h| {
            h.id.unwrap_or_else(|| self.add_host(tag(h.hash), h.name))
        });
        let kind = Kind::from(making.kept);
        let known = making.workload.and_then(|w| w.id);
        let claim = Claim {
            sequence: making.sequence,
            touched: self.beginning(known, making.places.iter().flatten()),
            until: making.until,
            workload,
            workload_tag: 0,
            host,
            next: NONE,
            previous: NONE,
            spots: Spots::EMPTY,
            home: Home::of(tag(making.owner.hash)),
            kind,
            ttl: Ttl::NONE,
        };
        let id = self.link_claim(
            claim,
            making.owner.name,
            tag(making.owner.hash),
            making.kept,
        );
        let mut spots = Spots::EMPTY;
        for (place, &slot) in making.places.iter().zip(&making.slots) {
            if let Some(place) = place {
                let spot = self.take_place(id, workload, host == NONE, place, slot, kind);
                spots.set(Family::of(place.address), spot);
            }
        }
        if let Some(claim) = self.claims.get_mut(id) {
            claim.spots = spots;
        }
    }

    /// Stores a claim and makes it known to index, workload and host; its slots are the caller's matter.
    #[inline(always)]
    pub(crate) fn link_claim(
        &mut self,
        mut claim: Claim,
        owner: &str,
        tag: u32,
        kept: Kept,
    ) -> u32 {
        let (host, sequence) = (claim.host, claim.sequence);
        self.count_lease(claim.until, true);
        let workload = self.workloads.get_mut(claim.workload);
        let first = workload.as_ref().map_or(NONE, |w| w.head());
        (claim.next, claim.previous) = (first, NONE);
        claim.workload_tag = workload.as_ref().map_or(0, |w| w.tag);
        let (ttl, odd) = Ttl::of(kept);
        claim.ttl = ttl;
        let id = self.claims.insert(owner, claim);
        if let Some(w) = workload {
            w.set_head(id);
        }
        if let Some(nanos) = odd {
            self.odd_ttls.insert(id, nanos);
        }
        let claims = &self.claims;
        self.by_owner.insert(tag, id, |c| tag_of(claims, c));
        if let Some(next) = self.claims.get_mut(first) {
            next.previous = id;
        }
        if let Some(host) = self.hosts.get_mut(host) {
            host.uses += 1;
        }
        self.sequence = self.sequence.max(sequence);
        id
    }

    /// When what is given to a workload's claim begins: now, but not before anything that is known of its addresses. A
    /// clock may be behind those that others wrote by.
    pub(crate) fn beginning<'p>(
        &self,
        workload: Option<u32>,
        places: impl Iterator<Item = &'p Place>,
    ) -> Timestamp {
        let mut at = self.now;
        // Of what is free, nothing is known that is still to come.
        for place in places.filter(|p| p.origin != Origin::Fresh) {
            let pool = self.pool_at(place.pool.0);
            let known = pool.and_then(|p| Some((p, p.slot(place.address)?)));
            let Some((pool, slot)) = known else {
                continue;
            };
            at = at.max(match pool.state(slot) {
                State::Kept(w) if Some(w) == workload => self.since_of(w),
                State::Held(c) => {
                    let claim = self.claims.get(c);
                    claim.map_or(at, |c| c.touched.max(self.since_of(c.workload)))
                }
                State::Resting(id) => pool.rest.get(List::Resting, id).map_or(at, |r| r.at),
                _ => at,
            });
        }
        at
    }

    /// Asks memory for what the end of a claim will touch, all at once.
    #[inline]
    pub(crate) fn warm(&self, claim: &Claim) {
        self.workloads.warm(claim.workload);
        self.hosts.warm(claim.host);
    }
}

/// A tag of a claim's owner, as far as its home in the index goes.
#[inline]
pub(crate) fn tag_of(claims: &Claims, claim: u32) -> u32 {
    claims.get(claim).map_or(0, |c| c.home.tag())
}
