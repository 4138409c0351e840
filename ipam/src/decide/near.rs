//! The claim most often made, by a short way: a new owner of a workload that is not known yet takes any IPv4
//! address, and the first block that its host has in the first pool has one free. What it is given is what the
//! long way would give, which the model tests see to; everything else goes the long way.
//!
//! Nothing is handed on in structures that are written and read again at once: a processor that has to put such a
//! thing together from several writes waits until all writes before them, far ones too, have reached memory.

use super::claim::lease_of;
use crate::cidr::Family;
use crate::claim::{Families, Grant, Kept, Origin, Place, Request, Retention};
use crate::identity::DEFAULT_INTERFACE;
use crate::index::{Home, tag};
use crate::names::LONGEST;
use crate::pool::PoolId;
use crate::rng::scan;
use crate::state::{Claim, Ipam, Kind, NONE, Spot, Spots, Ttl, end};
use alloc::vec::Vec;
use core::slice;

/// Whether a request, as far as it can be told without a look at the state, is for any IPv4 address, and no more than
/// kept for a time.
#[inline]
fn is_plain(request: &Request<'_>) -> bool {
    let asked = request.pools.len() + request.labels.len() + request.addresses.len();
    let kept = match request.retention {
        Retention::Ephemeral => true,
        Retention::Sticky(_) => request.workload.is_some(),
        Retention::Fixed(_) => false,
    };
    // A workload's key is its name where the interface is the default one.
    let keyed = request.interface == DEFAULT_INTERFACE;
    asked == 0 && request.after.is_none() && request.families == Families::V4 && kept && keyed
}

impl Ipam {
    /// A name's hash, and whether it can be stored and printed ([`name_fits`](crate::pool::spec::name_fits)).
    #[inline]
    pub(super) fn scanned(&self, name: &str) -> (u64, bool) {
        let (hash, control) = scan(self.seed, name.as_bytes());
        (hash, !control && !name.is_empty() && name.len() <= LONGEST)
    }

    /// The tag of a name that can be stored and printed.
    #[inline]
    fn tagged(&self, name: &str) -> Option<u32> {
        let (hash, fits) = self.scanned(name);
        fits.then(|| tag(hash))
    }

    /// Makes a claim by the short way; `None` where that may not be what is to be made, or where something is wrong
    /// with the request. Nothing was altered then.
    #[inline(always)]
    pub(super) fn claim_near(&mut self, request: &Request<'_>) -> Option<Grant> {
        let host_name = request.host.filter(|_| is_plain(request))?;
        let host = self.host_at(self.tagged(host_name)?, host_name)?;
        let &id = self.pool_names.values().next()?;
        let pool = self.pool_at(id.0)?;
        // All that is looked up next is asked of memory at once.
        pool.blocks.hosts.warm(host);
        let owner = self.tagged(request.owner)?;
        self.by_owner.warm(owner);
        let workload = match request.workload {
            Some(name) => {
                let workload = self.tagged(name)?;
                self.by_workload.warm(workload);
                Some((workload, name))
            }
            None => None,
        };
        let draining = pool.draining || self.hosts.get(host)?.settings().draining;
        if draining || pool.spec.cidr.family() != Family::V4 {
            return None;
        }
        // The address is chosen while memory brings the parts of the indices that the names lead to.
        let slot = pool.pick_near(host, self.draw(Family::V4))?;
        let known = workload.and_then(|(tag, name)| self.workload_at(tag, name));
        if known.is_some() || self.owner_at(owner, request.owner).is_some() {
            return None;
        }
        Some(self.make_near(request, (owner, workload, host), id, slot))
    }

    /// Makes the claim of a new owner, known by its tag, for a new workload or none, on a host.
    #[inline(always)]
    fn make_near(
        &mut self,
        request: &Request<'_>,
        (owner, workload, host): (u32, Option<(u32, &str)>, u32),
        id: PoolId,
        slot: u32,
    ) -> Grant {
        let sequence = self.sequence.saturating_add(1);
        let kept = Kept::from(request.retention);
        let workload = workload.map_or(NONE, |(tag, name)| self.add_workload(tag, name));
        let mut spots = Spots::EMPTY;
        spots.set(Family::V4, Some(Spot { pool: id.0, slot }));
        let mut leases = Vec::with_capacity(1);
        let mut until = crate::time::Timestamp::MAX;
        if let Some(pool) = self.pool_at(id.0) {
            let place = Place {
                pool: id,
                address: pool.address(slot),
                origin: Origin::Fresh,
            };
            until = self.lease_end(request, slice::from_ref(&place).iter(), self.now);
            leases.push(lease_of(pool, &place));
        }
        let claim = Claim {
            sequence,
            touched: self.now,
            until,
            workload,
            workload_tag: 0,
            host,
            next: NONE,
            previous: NONE,
            spots,
            home: Home::of(owner),
            kind: Kind::from(kept),
            ttl: Ttl::NONE,
        };
        let claim = self.link_claim(claim, request.owner, owner, kept);
        let now = self.now;
        if let Some(pool) = self.pool_at_mut(id.0) {
            pool.note_given(pool.address(slot), Origin::Fresh, false);
            pool.hold_free(slot, claim, now);
        }
        Grant {
            sequence,
            until: end(until),
            leases,
        }
    }
}
