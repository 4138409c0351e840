//! What a workload's interface retains: reserved addresses for good, sticky ones each until its own time.
//!
//! Most retain one sticky address, or one of each family that end at the same time: those stand in the workload's own
//! record. Whatever does not fit there stands [apart](super::sticky::Apart).

use super::Workloads;
use super::record::Workload;
use super::reserved::Reserved;
use crate::cidr::Family;
use crate::spots::{Spot, Spots};
use crate::time::Timestamp;
use alloc::vec::Vec;

/// The end of what is retained for as long as a move takes.
pub(crate) const WHILE_MOVING: Timestamp = Timestamp::MAX;
/// The last end of what is retained for a time.
pub(crate) const LAST_END: Timestamp = Timestamp::from_nanos(u64::MAX - 1);

/// All that is retained, and since when.
impl Workloads {
    /// The addresses that a workload's interface retains, reserved ones first.
    #[inline]
    pub(crate) fn retained(&self, id: u32) -> impl Iterator<Item = Spot> + '_ {
        let own = self.directory.get(id).map_or(Spots::EMPTY, |w| w.spots);
        let apart = self.apart.of(id).map(|(spot, _)| spot);
        let own = own.iter().map(|(_, spot)| spot);
        own.chain(self.extra(id)).chain(apart)
    }

    /// Since when, at the earliest, an address that a workload's interface retains can be out of use: no time about it
    /// runs backwards past this, whichever clock comes to it.
    #[inline]
    pub(crate) fn since(&self, id: u32) -> Timestamp {
        self.directory.get(id).map_or(Timestamp::ZERO, |w| w.since)
    }

    /// Notes a time about the addresses of a workload's interface.
    #[inline]
    pub(crate) fn note_since(&mut self, id: u32, at: Timestamp) {
        if let Some(workload) = self.directory.get_mut(id) {
            workload.since = workload.since.max(at);
        }
    }

    /// Sets a time that no sane clock can have written.
    pub(crate) fn set_since(&mut self, id: u32, at: Timestamp) {
        if let Some(workload) = self.directory.get_mut(id) {
            workload.since = at;
        }
    }

    /// Of what is retained no more, claims and quarantines know the times.
    #[inline]
    pub(crate) fn settle_since(&mut self, id: u32) {
        if self.retained(id).next().is_none() {
            self.set_since(id, Timestamp::ZERO);
        }
    }

    /// Retains nothing any more; what it did until now.
    pub(crate) fn clear(&mut self, id: u32) -> Vec<Spot> {
        let spots: Vec<Spot> = self.retained(id).collect();
        self.sticky.remove(id);
        for &spot in &spots {
            self.apart.remove(id, spot);
        }
        self.extra.remove(&id);
        if let Some(workload) = self.directory.get_mut(id) {
            workload.spots = Spots::EMPTY;
            workload.since = Timestamp::ZERO;
            workload.set_fixed(false);
        }
        spots
    }

    /// Gives addresses the numbers that they have in a pool that grew.
    pub(crate) fn renumber(&mut self, spot: impl Fn(Spot) -> Spot) {
        for workload in self.directory.iter_mut() {
            workload.spots.renumber(&spot);
        }
        for moving in self.moves.values_mut() {
            moving.spots.renumber(&spot);
        }
        self.apart.renumber(&spot);
        for extra in self.extra.values_mut() {
            *extra = extra.renumbered(&spot);
        }
    }
}

/// Reservations. The number of an address in its pool is asked for only where a reservation is large.
impl Workloads {
    /// Whether a workload's interface has a reservation.
    #[inline]
    pub(crate) fn has_reservation(&self, id: u32) -> bool {
        self.directory.get(id).is_some_and(Workload::fixed)
    }

    /// The addresses that are reserved, held or not.
    pub(crate) fn reserved(&self, id: u32) -> impl Iterator<Item = Spot> + '_ {
        let first = self.first_reserved(id).iter().map(|(_, spot)| spot);
        first.chain(self.extra(id))
    }

    /// The first reserved address of each family.
    pub(crate) fn first_reserved(&self, id: u32) -> Spots {
        let fixed = self.directory.get(id).filter(|w| w.fixed());
        fixed.map_or(Spots::EMPTY, |w| w.spots)
    }

    /// The reserved addresses beyond the first of each family.
    fn extra(&self, id: u32) -> impl Iterator<Item = Spot> + '_ {
        let extra = self.extra.get(&id).into_iter();
        extra.flat_map(Reserved::iter)
    }

    /// The first of those that nobody holds, of the pools wanted: one look a pool.
    pub(crate) fn first_idle(&self, id: u32, wanted: impl Fn(Spot) -> bool) -> Option<Spot> {
        self.extra.get(&id)?.first_idle(wanted)
    }

    /// Whether an address is reserved to a workload's interface, held or not.
    #[inline]
    pub(crate) fn is_reserved(&self, id: u32, spot: Spot, number: impl Fn() -> u128) -> bool {
        let Some(record) = self.directory.get(id).filter(|w| w.fixed()) else {
            return false;
        };
        let extra = || {
            let extra = self.extra.get(&id);
            extra.is_some_and(|e| e.contains(spot, number()))
        };
        record.spots.iter().any(|(_, s)| s == spot) || extra()
    }

    /// Notes that somebody holds a reserved address, or nobody does any more.
    #[inline]
    pub(crate) fn set_idle(&mut self, id: u32, spot: Spot, number: impl Fn() -> u128, idle: bool) {
        if let Some(extra) = self.extra.get_mut(&id) {
            extra.set_idle(spot, number(), idle);
        }
    }

    /// From now on what stands in a workload's record is a reservation: what is sticky there stands apart.
    pub(crate) fn begin_reservation(&mut self, id: u32) {
        let until = self.sticky.get(id);
        self.sticky.remove(id);
        let Some(workload) = self.directory.get_mut(id).filter(|w| !w.fixed()) else {
            return;
        };
        workload.set_fixed(true);
        let spots = core::mem::replace(&mut workload.spots, Spots::EMPTY);
        for (_, spot) in spots.iter() {
            self.apart.insert(id, spot, until.unwrap_or(WHILE_MOVING));
        }
    }

    /// Adds an address, which is not sticky, to a reservation. `idle` says whether nobody holds it.
    pub(crate) fn reserve(
        &mut self,
        id: u32,
        (family, spot): (Family, Spot),
        number: impl Fn() -> u128,
        idle: bool,
    ) {
        self.begin_reservation(id);
        let Some(workload) = self.directory.get_mut(id) else {
            return;
        };
        match workload.spots.get(family) {
            None => workload.spots.set(family, Some(spot)),
            Some(_) => {
                let extra = self.extra.entry(id).or_default();
                extra.insert(spot, number(), idle);
            }
        }
    }

    /// Nothing is reserved any more.
    pub(crate) fn end_reservation(&mut self, id: u32) {
        self.extra.remove(&id);
        if let Some(workload) = self.directory.get_mut(id).filter(|w| w.fixed()) {
            workload.spots = Spots::EMPTY;
            workload.set_fixed(false);
        }
    }
}

/// Sticky addresses, held by nobody: at most one of a pool, each with its end.
impl Workloads {
    pub(crate) fn sticky(&self, id: u32) -> impl Iterator<Item = (Spot, Timestamp)> + '_ {
        let until = self.sticky.get(id);
        let own = self.directory.get(id).zip(until);
        let own = own.map_or(Spots::EMPTY, |(w, _)| w.spots).iter();
        let own = own.filter_map(move |(_, spot)| Some((spot, until?)));
        own.chain(self.apart.of(id))
    }

    /// The sticky address that a workload's interface retains in a pool.
    pub(crate) fn sticky_in(&self, id: u32, pool: u16) -> Option<(Spot, Timestamp)> {
        let workload = self.directory.get(id)?;
        let mut own = workload.spots.iter().filter(|_| !workload.fixed());
        if let Some((_, spot)) = own.find(|(_, spot)| spot.pool == pool) {
            return Some((spot, self.sticky.get(id)?));
        }
        if self.apart.is_empty() {
            return None;
        }
        self.apart.of(id).find(|(spot, _)| spot.pool == pool)
    }

    /// Retains a sticky address until a time, or [`WHILE_MOVING`]; when it expires at the latest.
    pub(crate) fn retain(
        &mut self,
        id: u32,
        family: Family,
        spot: Spot,
        until: Timestamp,
    ) -> Timestamp {
        let Some(workload) = self.directory.get_mut(id) else {
            return Timestamp::MAX;
        };
        let first = !workload.fixed() && workload.spots.is_empty();
        // The time is far away: it is asked for only where there is one.
        let joins =
            !first && self.sticky.get(id) == Some(until) && workload.spots.get(family).is_none();
        if until == WHILE_MOVING || !(first || joins) {
            self.apart.insert(id, spot, until);
            return until;
        }
        workload.spots.set(family, Some(spot));
        match first {
            true => self.sticky.add(id, until),
            false => until,
        }
    }

    /// A sticky address is not retained any more.
    #[inline]
    pub(crate) fn unretain(&mut self, id: u32, family: Family, spot: Spot) {
        if self.apart.remove(id, spot).is_none() {
            let Some(workload) = self.directory.get_mut(id) else {
                return;
            };
            if workload.fixed() || workload.spots.get(family) != Some(spot) {
                return;
            }
            workload.spots.set(family, None);
            if workload.spots.is_empty() {
                self.sticky.remove(id);
            }
        }
        self.settle_since(id);
    }

    /// When the next sticky address expires.
    pub(crate) fn next_expiry(&self) -> Timestamp {
        let own = self.sticky.first().map(|(until, _)| until);
        let apart = self.apart.first().map(|(until, ..)| until);
        let first = own.into_iter().chain(apart).min();
        first.unwrap_or(Timestamp::MAX)
    }

    /// Takes out the sticky addresses that expire at `due`, which is the next expiry: whose each is, and when its quarantine
    /// begins, no earlier than anything that is known of it.
    pub(crate) fn take_expired(&mut self, due: Timestamp) -> Vec<(u32, Spot, Timestamp)> {
        let mut over = Vec::new();
        while let Some((until, id)) = self.sticky.first().filter(|(until, _)| *until <= due) {
            debug_assert_eq!(until, due);
            self.sticky.remove(id);
            if let Some(workload) = self.directory.get_mut(id) {
                let at = due.max(workload.since);
                let spots = core::mem::replace(&mut workload.spots, Spots::EMPTY);
                over.extend(spots.iter().map(|(_, spot)| (id, spot, at)));
            }
        }
        while let Some((until, id, spot)) = self.apart.first().filter(|(until, ..)| *until <= due) {
            debug_assert_eq!(until, due);
            self.apart.remove(id, spot);
            over.push((id, spot, due.max(self.since(id))));
        }
        over
    }
}
