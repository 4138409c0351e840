//! A claim on its way into the state: decided or read from a change, then made.

use crate::cidr::Family;
use crate::claim::{Origin, Place, RetentionKind};
use crate::claims::NewClaim;
use crate::identity::Identity;
use crate::index::tag;
use crate::pool::cells::State;
use crate::pool::released::List;
use crate::state::{Ipam, Kind, NONE, Spots};
use crate::time::Timestamp;

/// A name, its hash, and the record that bears it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    pub(crate) hash: u64,
    pub(crate) id: Option<u32>,
}

/// A claim before it is made, every name looked up. Both a decision and a stored change become one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) owner: Named<'a>,
    /// The workload's name, with the hash of its key.
    pub(crate) workload: Option<Named<'a>>,
    pub(crate) interface: &'a str,
    pub(crate) host: Option<Named<'a>>,
    pub(crate) sequence: u64,
    pub(crate) until: Timestamp,
    pub(crate) retention: RetentionKind,
    /// IPv4 first.
    pub(crate) places: [Option<Place>; 2],
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
        let id = self.claims.find(tag(named.hash), named.name);
        Named { id, ..named }
    }

    /// A workload's name with the hash of the key that it has together with its interface, not looked up yet.
    #[inline]
    pub(crate) fn unfound_workload<'a>(&self, identity: Identity<'a>) -> Named<'a> {
        let (name, hash) = (identity.workload, self.hashed(&identity.key()));
        let id = None;
        Named { name, hash, id }
    }

    #[inline]
    pub(crate) fn named_workload<'a>(&self, named: Named<'a>, interface: &str) -> Named<'a> {
        let key = Identity::from((named.name, interface)).key();
        let id = self.workloads.find(tag(named.hash), &key);
        Named { id, ..named }
    }

    /// Prefetches what a claim's names will be found by.
    #[inline]
    pub(crate) fn prefetch_names(&self, owner: Named<'_>, workload: Option<Named<'_>>) {
        self.claims.prefetch_tag(tag(owner.hash));
        if let Some(workload) = workload {
            self.workloads.prefetch_tag(tag(workload.hash));
        }
    }

    #[inline]
    pub(crate) fn named_host<'a>(&self, named: Named<'a>) -> Named<'a> {
        let id = self.hosts.find(tag(named.hash), named.name);
        Named { id, ..named }
    }

    /// The same draft with its names looked up anew: changes that were carried out before it may have brought some.
    pub(crate) fn refreshed<'a>(&self, draft: &Draft<'a>) -> Draft<'a> {
        let workload = draft.workload;
        Draft {
            owner: self.named_owner(draft.owner),
            workload: workload.map(|w| self.named_workload(w, draft.interface)),
            host: draft.host.map(|h| self.named_host(h)),
            ..*draft
        }
    }

    /// Makes a claim that was checked.
    pub(crate) fn make_claim(&mut self, draft: &Draft<'_>) {
        let workload = draft.workload.map_or(NONE, |w| {
            w.id.unwrap_or_else(|| {
                let identity = Identity::from((w.name, draft.interface));
                self.workloads.insert(tag(w.hash), identity)
            })
        });
        let host = draft.host.map_or(NONE, |h| {
            h.id.unwrap_or_else(|| self.hosts.intern(tag(h.hash), h.name))
        });
        let kind = Kind::from(draft.retention);
        let known = draft.workload.and_then(|w| w.id);
        let id = self.link_claim(&NewClaim {
            owner: draft.owner.name,
            tag: tag(draft.owner.hash),
            sequence: draft.sequence,
            touched: self.beginning(known, draft.places.iter().flatten()),
            until: draft.until,
            workload,
            host,
            spots: Spots::EMPTY,
            retention: draft.retention,
        });
        let mut spots = Spots::EMPTY;
        for place in draft.places.iter().flatten() {
            let spot = self.take_place(id, workload, host == NONE, place, kind);
            spots.set(Family::of(place.address), spot);
        }
        self.claims.set_spots(id, spots);
    }

    /// Stores a claim and makes it known to its workload and host; its slots are the caller's matter.
    #[inline(always)]
    pub(crate) fn link_claim(&mut self, new: &NewClaim<'_>) -> u32 {
        let (workload, host, sequence) = (new.workload, new.host, new.sequence);
        let (first, workload_tag) = self.workloads.first_claim_and_tag(workload);
        let id = self.claims.insert(new, first, workload_tag);
        self.workloads.set_first_claim(workload, id);
        self.hosts.begin_use(host);
        self.tokens.note(sequence);
        id
    }

    /// When what is given to a workload's claim begins: now, but not before anything that is known of its addresses. A
    /// clock may be behind those that others wrote by.
    pub(crate) fn beginning<'p>(
        &self,
        workload: Option<u32>,
        places: impl Iterator<Item = &'p Place>,
    ) -> Timestamp {
        let mut at = self.now();
        // Of what is free, nothing is known that is still to come.
        for place in places.filter(|p| p.origin != Origin::Fresh) {
            let pool = self.pools.get(place.pool.0);
            let known = pool.and_then(|p| Some((p, p.slot(place.address)?)));
            let Some((pool, slot)) = known else {
                continue;
            };
            at = at.max(match pool.state(slot) {
                State::Retained(w) if Some(w) == workload => self.workloads.since(w),
                State::Held(c) => {
                    let claim = self.claims.get(c);
                    claim.map_or(at, |c| c.touched.max(self.workloads.since(c.workload)))
                }
                State::Quarantined(id) => pool
                    .released()
                    .get(List::Quarantine, id)
                    .map_or(at, |r| r.at),
                _ => at,
            });
        }
        at
    }
}
