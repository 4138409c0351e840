//! Reservations, moves, suspects.

use super::claim::bad_name;
use super::{ApplyError, unknown};
use crate::cidr::{AddressRange, Family};
use crate::claim::Kept;
use crate::identity::Identity;
use crate::pool::PoolId;
use crate::pool::cells::State;
use crate::pool::spec::name_fits;
use crate::retained::{LAST_END, WHILE_MOVING};
use crate::state::{Ipam, Kind, Move, Spot, Spots, Workload};
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

/// Most addresses of one reservation change: each gets a record.
pub(crate) const MOST_RESERVED: u128 = 1 << 16;

impl Ipam {
    /// Whether every address of some ranges can be reserved to a workload: `Err` names the first that
    /// cannot and why.
    pub(crate) fn check_reserved(
        &self,
        identity: Identity<'_>,
        ranges: &[(PoolId, AddressRange)],
    ) -> Result<(), ApplyError> {
        let workload = &*identity.to_string();
        identity
            .check()
            .map_err(|(field, _)| bad_name(field, workload, "has a name that does not fit"))?;
        let total = ranges
            .iter()
            .fold(0u128, |n, (_, r)| n.saturating_add(r.count()));
        let known = self.workload(identity);
        if known.is_some_and(|w| self.moves.contains_key(&w)) {
            return Err(bad_name("workload", workload, "is moving"));
        }
        for &(id, range) in ranges {
            let refuse = |why| Err(ApplyError::Range { range, why });
            if total > MOST_RESERVED {
                return refuse("is more than 65,536 addresses");
            }
            let pool = self.pool_at(id.0).ok_or(ApplyError::NoPool(id))?;
            if !pool.spec.cidr.contains(range.first()) || !pool.spec.cidr.contains(range.last()) {
                return refuse("is not of its pool");
            }
            for address in addresses(range) {
                let refuse = |why| Err(ApplyError::Address { address, why });
                if pool.spec.excludes(address).is_some() {
                    return refuse("is excluded");
                }
                if pool.is_frozen(address) {
                    return refuse("may be held: a stored record about it is damaged");
                }
                let Some(slot) = pool.slot(address) else {
                    continue;
                };
                let mine = |w: u32| known == Some(w);
                match pool.state(slot) {
                    State::Held(c) if !self.claims.get(c).is_some_and(|c| mine(c.workload)) => {
                        return refuse("is held by another workload");
                    }
                    State::Kept(w) if !mine(w) => return refuse("is kept for another workload"),
                    State::Resting(_) => return refuse("is resting"),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    pub(super) fn apply_reserved(
        &mut self,
        identity: Identity<'_>,
        ranges: &[(PoolId, AddressRange)],
    ) -> Result<(), ApplyError> {
        self.check_reserved(identity, ranges)?;
        if ranges.is_empty() {
            return Err(bad_name("workload", identity.workload, "reserves nothing"));
        }
        let id = self.intern_workload(identity);
        let now = self.now;
        self.begin_reservation(id);
        self.note_since(id, now);
        for &(pool_id, range) in ranges {
            for address in addresses(range) {
                let Some(pool) = self.pool_at_mut(pool_id.0) else {
                    continue;
                };
                let Some(slot) = pool.materialise(address) else {
                    continue;
                };
                if !matches!(pool.state(slot), State::Held(_)) {
                    pool.keep(slot, id, now);
                }
                let spot = Spot {
                    pool: pool_id.0,
                    slot,
                };
                if !self.is_reserved_to(id, spot) {
                    let family = Family::of(address);
                    self.unretain(id, family, spot);
                    self.add_reserved(id, family, spot);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn add_reserved(&mut self, id: u32, family: Family, spot: Spot) {
        let pool = self.pool_at(spot.pool);
        let idle = pool.is_some_and(|p| p.state(spot.slot) == State::Kept(id));
        let Some(workload) = self.workloads.get_mut(id) else {
            return;
        };
        match workload.spots.get(family) {
            None => workload.spots.set(family, Some(spot)),
            Some(_) => self.extra.entry(id).or_default().insert(spot, idle),
        }
    }

    pub(super) fn apply_unreserved(&mut self, identity: Identity<'_>) -> Result<(), ApplyError> {
        let name = &*identity.to_string();
        let id = self
            .workload(identity)
            .ok_or_else(|| unknown("workload", name))?;
        if !self.workloads.get(id).is_some_and(Workload::fixed) {
            return Err(bad_name("workload", name, "has no reservation"));
        }
        if self.moves.contains_key(&id) {
            return Err(bad_name("workload", name, "is moving"));
        }
        let spots: Vec<Spot> = self.reserved_spots(id).collect();
        self.extra.remove(&id);
        if let Some(w) = self.workloads.get_mut(id) {
            w.spots = Spots::EMPTY;
            w.set_fixed(false);
        }
        // Who holds one of the addresses keeps it for as long as the claim lasts.
        let held: Vec<u32> = self.claims_of(id).collect();
        for claim in held {
            if let Some(claim) = self.claims.get_mut(claim).filter(|c| c.kind == Kind::Fixed) {
                claim.kind = Kind::Ephemeral;
            }
        }
        let at = self.now.max(self.since_of(id));
        for spot in spots {
            let pool = self.pool_at(spot.pool);
            if pool.is_some_and(|p| p.state(spot.slot) == State::Kept(id)) {
                self.rest_spot(spot, at);
            }
        }
        self.settle_since(id);
        self.drop_workload_if_idle(id);
        Ok(())
    }

    pub(super) fn apply_move_begun(
        &mut self,
        identity: Identity<'_>,
        from: &str,
        to: &str,
    ) -> Result<(), ApplyError> {
        let name = &*identity.to_string();
        let id = self
            .workload(identity)
            .ok_or_else(|| unknown("workload", name))?;
        name_fits(to).map_err(|_| bad_name("host", to, "has a name that does not fit"))?;
        let from = self.host(from).ok_or_else(|| unknown("host", from))?;
        if self.moves.contains_key(&id) {
            return Err(bad_name("workload", name, "is moving already"));
        }
        let Some(claim) = self.claim_on(id, from) else {
            return Err(bad_name("workload", name, "holds nothing on that host"));
        };
        let Some(spots) = self.claims.get(claim).map(|c| c.spots) else {
            return Err(unknown("workload", name));
        };
        let kept = self.kept_of(claim);
        let to = self.intern_host(to);
        for host in [from, to] {
            if let Some(host) = self.hosts.get_mut(host) {
                host.uses += 1;
            }
        }
        // Who moves is alive.
        let mut since = self.now;
        if let Some(claim) = self.claims.get_mut(claim) {
            since = since.max(claim.touched);
            claim.touched = since;
        }
        self.suspects.remove(&claim);
        let moving = Move {
            from,
            to,
            since,
            kept,
            spots,
        };
        self.moves.insert(id, moving);
        Ok(())
    }

    /// A workload's claim on a host; of several the latest. The chain's own order is no matter to go by: a
    /// restored state has another one.
    pub(crate) fn claim_on(&self, workload: u32, host: u32) -> Option<u32> {
        let here = self.claims_of(workload).filter_map(|id| {
            let claim = self.claims.get(id).filter(|c| c.host == host)?;
            Some((claim.sequence, id))
        });
        here.max().map(|(_, id)| id)
    }

    pub(super) fn apply_move_ended(&mut self, identity: Identity<'_>) -> Result<(), ApplyError> {
        let name = &*identity.to_string();
        let id = self
            .workload(identity)
            .ok_or_else(|| unknown("workload", name))?;
        let ended = self.moves.remove(&id);
        let Some(Move { from, to, kept, .. }) = ended else {
            return Err(unknown("move of", name));
        };
        for host in [from, to] {
            if let Some(host) = self.hosts.get_mut(host) {
                host.uses = host.uses.saturating_sub(1);
            }
            self.drop_host_if_idle(host);
        }
        // What was kept for as long as the move took is kept for the usual time from now on.
        let ttl = match kept {
            Kept::Sticky(ttl) => ttl,
            Kept::Ephemeral | Kept::Fixed => Duration::ZERO,
        };
        let since = self.since_of(id);
        let until = self.now.max(since).after(ttl).min(LAST_END);
        let waiting = self.sticky_spots(id).filter(|&(_, u)| u == WHILE_MOVING);
        let waiting: Vec<Spot> = waiting.map(|(spot, _)| spot).collect();
        for spot in waiting {
            if let Some(family) = self.pool_at(spot.pool).map(|p| p.spec.cidr.family()) {
                self.unretain(id, family, spot);
                self.retain(id, family, spot, until);
                self.note_since(id, since);
            }
        }
        self.drop_workload_if_idle(id);
        Ok(())
    }

    pub(super) fn apply_suspected(&mut self, owner: &str, sequence: u64) -> Result<(), ApplyError> {
        let id = self.checked_owner(owner, sequence)?;
        let touched = self.claims.get(id).map_or(self.now, |c| c.touched);
        let since = self.now.max(touched);
        self.suspects.entry(id).or_insert((since, sequence));
        Ok(())
    }

    pub(super) fn apply_cleared(&mut self, owner: &str) -> Result<(), ApplyError> {
        let id = self.owner(owner).ok_or_else(|| unknown("owner", owner))?;
        self.suspects.remove(&id);
        Ok(())
    }
}

/// The addresses of a range; callers bound its size.
pub(crate) fn addresses(range: AddressRange) -> impl Iterator<Item = core::net::IpAddr> {
    let (first, last) = range.numbers();
    let family = range.family();
    (first..=last).map(move |n| family.address(n))
}
