//! Reservations: addresses that are a workload's for as long as they stand.

use super::claim::bad_name;
use super::workload::addresses;
use super::{ApplyError, unknown};
use crate::cidr::{AddressRange, Family};
use crate::identity::Identity;
use crate::pool::PoolId;
use crate::pool::cells::State;
use crate::state::{Ipam, Spot};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::IpAddr;

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
        identity.check().map_err(|(field, _)| {
            let name = match field {
                "interface" => identity.interface,
                _ => identity.workload,
            };
            bad_name(field, name, "does not fit")
        })?;
        let total = ranges
            .iter()
            .fold(0u128, |n, (_, r)| n.saturating_add(r.count()));
        let known = self.workload(identity);
        if known.is_some_and(|w| self.workloads.is_moving(w)) {
            return Err(bad_name("workload", workload, "is moving"));
        }
        for &(id, range) in ranges {
            let refuse = |reason| Err(ApplyError::Range { range, reason });
            if total > MOST_RESERVED {
                return refuse("is more than 65,536 addresses");
            }
            let pool = self.pools.get(id.0).ok_or(ApplyError::NoPool(id))?;
            if !pool.spec().cidr.contains(range.first()) || !pool.spec().cidr.contains(range.last())
            {
                return refuse("is not of its pool");
            }
            for address in addresses(range) {
                let refuse = |reason| Err(ApplyError::Address { address, reason });
                if pool.spec().excludes(address).is_some() {
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
                    State::Retained(w) if !mine(w) => {
                        return refuse("is retained for another workload");
                    }
                    State::Quarantined(_) => return refuse("is in quarantine"),
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
        let now = self.now();
        self.workloads.begin_reservation(id);
        self.workloads.note_since(id, now);
        for &(pool_id, range) in ranges {
            for address in addresses(range) {
                let Some(pool) = self.pools.get_mut(pool_id.0) else {
                    continue;
                };
                let Some(slot) = pool.materialise(address) else {
                    continue;
                };
                if !matches!(pool.state(slot), State::Held(_)) {
                    pool.retain(slot, id, now);
                }
                let spot = Spot {
                    pool: pool_id.0,
                    slot,
                };
                if !self.is_reserved_to(id, spot) {
                    let family = Family::of(address);
                    self.workloads.unretain(id, family, spot);
                    self.add_reserved(id, family, spot);
                }
            }
        }
        Ok(())
    }

    /// Whether reservations of a workload can end: its number, and those that do, in order of pool and slot.
    pub(crate) fn check_unreserved(
        &self,
        identity: Identity<'_>,
        ranges: &[AddressRange],
    ) -> Result<(u32, BTreeSet<Spot>), ApplyError> {
        let name = &*identity.to_string();
        let id = self
            .workload(identity)
            .ok_or_else(|| unknown("workload", name))?;
        if !self.workloads.has_reservation(id) {
            return Err(bad_name("workload", name, "has no reservation"));
        }
        if self.workloads.is_moving(id) {
            return Err(bad_name("workload", name, "is moving"));
        }
        if ranges.is_empty() {
            return Ok((id, self.workloads.reserved(id).collect()));
        }
        let reserved: BTreeMap<IpAddr, Spot> = self
            .workloads
            .reserved(id)
            .filter_map(|spot| Some((self.pools.get(spot.pool)?.address(spot.slot), spot)))
            .collect();
        let mut ending = BTreeSet::new();
        for &range in ranges {
            let mut found = reserved.range(range.first()..=range.last()).peekable();
            let reason = "is not reserved to this workload";
            found.peek().ok_or(ApplyError::Range { range, reason })?;
            ending.extend(found.map(|(_, &spot)| spot));
        }
        Ok((id, ending))
    }

    pub(super) fn apply_unreserved(
        &mut self,
        identity: Identity<'_>,
        ranges: &[AddressRange],
    ) -> Result<(), ApplyError> {
        let (id, ending) = self.check_unreserved(identity, ranges)?;
        let left: Vec<Spot> = self
            .workloads
            .reserved(id)
            .filter(|s| !ending.contains(s))
            .collect();
        self.workloads.end_reservation(id);
        for &spot in &left {
            if let Some(family) = self.pools.get(spot.pool).map(|p| p.spec().cidr.family()) {
                self.add_reserved(id, family, spot);
            }
        }
        // Who holds one of the addresses keeps it, by a claim that goes on as it was made, until it is released.
        let at = self.now().max(self.workloads.since(id));
        let mut ending: Vec<Spot> = ending.into_iter().collect();
        ending.sort_by_key(|spot| (spot.pool, self.pools.number(*spot)));
        for spot in ending {
            let pool = self.pools.get(spot.pool);
            if pool.is_some_and(|p| p.state(spot.slot) == State::Retained(id)) {
                self.quarantine_spot(spot, at);
            }
        }
        self.workloads.settle_since(id);
        self.workloads.remove_idle(id);
        Ok(())
    }
}
