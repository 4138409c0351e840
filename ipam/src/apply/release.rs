//! The end of a claim, and what becomes of its addresses.

use super::ApplyError;
use crate::cidr::Family;
use crate::index::tag;
use crate::pool::Pool;
use crate::state::{Claim, Ipam, Kind, Spot};
use crate::time::Timestamp;
use crate::workloads::{LAST_END, WHILE_MOVING};
use core::time::Duration;

impl Ipam {
    pub(super) fn apply_released(&mut self, owner: &str, sequence: u64) -> Result<(), ApplyError> {
        let tag = tag(self.hashed(owner));
        let id = self.checked_tagged(tag, owner, sequence)?;
        self.end_claim(id, tag);
        Ok(())
    }

    /// Ends a claim, whose owner's tag this is.
    pub(crate) fn end_claim(&mut self, id: u32, tag: u32) {
        let known = self.claims.get(id).filter(|c| c.kind == Kind::Sticky);
        let ttl = known.map_or(Duration::ZERO, |claim| self.claims.ttl(id, claim));
        let suspected = self.claims.suspected(id).map(|(since, _)| since);
        let Some(claim) = self.take_claim(id, tag) else {
            return;
        };
        // A clock that is behind ends nothing early.
        let at = self.now().max(claim.touched);
        let at = at.max(suspected.unwrap_or(at));
        for (family, spot) in claim.spots.iter() {
            self.give_back(&claim, ttl, at, family, spot);
        }
        self.workloads.remove_idle(claim.workload);
        self.drop_host_if_idle(claim.host);
    }

    /// Takes a claim out of the records, its index, its workload's chain and its host's count.
    pub(crate) fn take_claim(&mut self, id: u32, tag: u32) -> Option<Claim> {
        let (claim, first) = self.claims.remove(id, tag)?;
        if let Some(first) = first {
            self.workloads.set_first_claim(claim.workload, first);
        }
        self.hosts.end_use(claim.host);
        Some(claim)
    }

    /// An address after its claim: reserved ones stay with the workload, sticky ones until their time, unless the
    /// workload holds another of the pool by now; the rest goes to quarantine. All of that begins at `at`.
    fn give_back(
        &mut self,
        claim: &Claim,
        ttl: Duration,
        at: Timestamp,
        family: Family,
        spot: Spot,
    ) {
        let id = claim.workload;
        let fixed = self.workloads.has_reservation(id);
        // Most are neither retained nor on their way.
        if claim.kind == Kind::Ephemeral && !fixed && !self.workloads.any_moving() {
            return self.quarantine_held(spot, at);
        }
        if fixed && self.is_reserved_to(id, spot) {
            self.workloads.note_since(id, at);
            if let Some(pool) = self.pools.get_mut(spot.pool) {
                pool.retain_held(spot.slot, id);
            }
            self.set_reserved_idle(id, spot, true);
            return;
        }
        // On its way an address waits for the new host, whatever else the workload holds; what it releases
        // besides does not take that one's place.
        let moving = self.workloads.moving(id).map(|m| m.spots);
        if moving.and_then(|m| m.get(family)) == Some(spot) {
            return self.retain_sticky(id, family, spot, at, WHILE_MOVING);
        }
        if claim.kind == Kind::Sticky && !self.has_other_in(id, spot.pool) {
            let until = at.after(ttl).min(LAST_END);
            return self.retain_sticky(id, family, spot, at, until);
        }
        self.quarantine_held(spot, at);
    }

    /// Whether nothing of a pool is to be retained for a workload's interface: it drains, or the interface holds or moves
    /// another of its addresses that is sticky.
    fn has_other_in(&self, id: u32, pool: u16) -> bool {
        let mut held = self.claims_of(id).filter_map(|c| self.claims.get(c));
        self.pools.get(pool).is_none_or(Pool::draining)
            || held.any(|c| self.is_sticky_in(c, pool))
            || self.workloads.is_moving_in(id, pool)
    }

    /// An address that a claim held goes into quarantine.
    #[inline]
    fn quarantine_held(&mut self, spot: Spot, at: Timestamp) {
        let now = self.now();
        if let Some(pool) = self.pools.get_mut(spot.pool) {
            pool.quarantine_held(spot.slot, at, now);
            self.clock.expect(pool.next_due());
        }
    }

    /// A sticky workload will find this address again; the one it retained of the pool goes.
    fn retain_sticky(
        &mut self,
        id: u32,
        family: Family,
        spot: Spot,
        at: Timestamp,
        until: Timestamp,
    ) {
        let old = self.workloads.sticky_in(id, spot.pool).map(|(old, _)| old);
        let since = self.now().max(self.workloads.since(id));
        if let Some(old) = old {
            self.workloads.unretain(id, family, old);
        }
        self.workloads.note_since(id, at);
        self.retain(id, family, spot, until);
        if let Some(pool) = self.pools.get_mut(spot.pool) {
            pool.retain_held(spot.slot, id);
        }
        if let Some(old) = old {
            self.quarantine_spot(old, since);
        }
    }

    pub(crate) fn quarantine_spot(&mut self, spot: Spot, at: Timestamp) {
        let now = self.now();
        if let Some(pool) = self.pools.get_mut(spot.pool) {
            pool.quarantine(spot.slot, at, now);
            let due = pool.next_due();
            self.clock.expect(due);
        }
    }
}
