//! What a workload's interface retains: reserved addresses for good, sticky ones each until its own time.
//!
//! Most keep one sticky address, or one of each family that end at the same time: those stand in the workload's own
//! record. Whatever does not fit there stands [apart](crate::sticky::Apart).

use crate::cidr::Family;
use crate::claim::RetentionKind;
use crate::reserved::Reserved;
use crate::state::{Claim, Ipam, Kind, Spot, Spots, Ttl};
use crate::time::Timestamp;
use core::time::Duration;

/// The end of what is retained for as long as a move takes.
pub(crate) const WHILE_MOVING: Timestamp = Timestamp::MAX;
/// The last end of what is retained for a time.
pub(crate) const LAST_END: Timestamp = Timestamp::from_nanos(u64::MAX - 1);

impl Ipam {
    /// The addresses that a workload's interface retains, reserved ones first.
    pub(crate) fn kept_spots(&self, workload: u32) -> impl Iterator<Item = Spot> + '_ {
        let first = self.workloads.get(workload);
        let first = first.map_or(Spots::EMPTY, |w| w.spots);
        let extra = self.extra.get(&workload).into_iter();
        let extra = extra.flat_map(Reserved::iter);
        let apart = self.apart.of(workload).map(|(spot, _)| spot);
        first.iter().map(|(_, spot)| spot).chain(extra).chain(apart)
    }

    /// Those that are reserved, held or not.
    pub(crate) fn reserved_spots(&self, workload: u32) -> impl Iterator<Item = Spot> + '_ {
        let fixed = self.workloads.get(workload).filter(|w| w.fixed());
        let first = fixed.map_or(Spots::EMPTY, |w| w.spots);
        let extra = self.extra.get(&workload).into_iter();
        let extra = extra.flat_map(Reserved::iter);
        first.iter().map(|(_, spot)| spot).chain(extra)
    }

    /// Whether an address is reserved to a workload's interface, held or not.
    pub(crate) fn is_reserved_to(&self, workload: u32, spot: Spot) -> bool {
        let Some(record) = self.workloads.get(workload).filter(|w| w.fixed()) else {
            return false;
        };
        let extra = || {
            let extra = self.extra.get(&workload);
            extra.is_some_and(|e| e.contains(spot, self.number_at(spot)))
        };
        record.spots.iter().any(|(_, s)| s == spot) || extra()
    }

    /// Whether a claim holds an address of a pool that will be sticky once the claim ends.
    pub(crate) fn is_sticky_in(&self, claim: &Claim, pool: u16) -> bool {
        let mut spots = claim.spots.iter().map(|(_, spot)| spot);
        let id = claim.workload;
        let sticky = claim.kind == Kind::Sticky;
        sticky && spots.any(|spot| spot.pool == pool && !self.is_reserved_to(id, spot))
    }

    /// Whether a workload's interface moves with a sticky address of a pool.
    pub(crate) fn is_moving_in(&self, id: u32, pool: u16) -> bool {
        let moving = self.moves.get(&id);
        let moving = moving.filter(|m| matches!(m.kept, RetentionKind::Sticky(_)));
        moving.is_some_and(|m| m.spots.iter().any(|(_, spot)| spot.pool == pool))
    }

    /// Notes that somebody holds a reserved address, or nobody does any more.
    pub(crate) fn set_reserved_idle(&mut self, workload: u32, spot: Spot, idle: bool) {
        if self.extra.is_empty() {
            return;
        }
        let number = self.number_at(spot);
        if let Some(extra) = self.extra.get_mut(&workload) {
            extra.set_idle(spot, number, idle);
        }
    }

    /// An address as a number, by which those of a pool are in an order that no process sees otherwise.
    pub(crate) fn number_at(&self, spot: Spot) -> u128 {
        self.pool_at(spot.pool)
            .map_or(0, |p| p.layout.number(spot.slot))
    }

    /// Whether any claim's lease is over.
    pub(crate) fn any_over(&self) -> bool {
        let first = self.leases.first_key_value();
        first.is_some_and(|(until, _)| *until <= self.now())
    }

    /// The claims of a workload whose lease is over. Nothing is looked at where none is over at all.
    pub(crate) fn over_claims_of(&self, workload: u32) -> impl Iterator<Item = (u32, &Claim)> {
        let chain = self.any_over().then(|| self.claims_of(workload));
        let claims = chain.into_iter().flatten();
        let claims = claims.filter_map(|id| Some((id, self.claims.get(id)?)));
        claims.filter(|(_, claim)| claim.until <= self.now())
    }

    /// Counts a lease that ends then, or no longer does.
    pub(crate) fn count_lease(&mut self, until: Timestamp, begins: bool) {
        if until == Timestamp::MAX {
            return;
        }
        let count = self.leases.entry(until).or_default();
        *count = match begins {
            true => count.saturating_add(1),
            false => count.saturating_sub(1),
        };
        if *count == 0 {
            self.leases.remove(&until);
        }
    }

    /// Those that are sticky, held by nobody: at most one of a pool, each with its end.
    pub(crate) fn sticky_spots(
        &self,
        workload: u32,
    ) -> impl Iterator<Item = (Spot, Timestamp)> + '_ {
        let until = self.sticky.get(workload);
        let first = self.workloads.get(workload).zip(until);
        let first = first.map_or(Spots::EMPTY, |(w, _)| w.spots).iter();
        let first = first.filter_map(move |(_, spot)| Some((spot, until?)));
        first.chain(self.apart.of(workload))
    }

    /// Retains a sticky address until a time, or [`WHILE_MOVING`].
    pub(crate) fn retain(&mut self, id: u32, family: Family, spot: Spot, until: Timestamp) {
        let Some(workload) = self.workloads.get_mut(id) else {
            return;
        };
        let first = !workload.fixed() && workload.spots.is_empty();
        // The time is far away: it is asked for only where there is one.
        let joins =
            !first && self.sticky.get(id) == Some(until) && workload.spots.get(family).is_none();
        if until != WHILE_MOVING && (first || joins) {
            workload.spots.set(family, Some(spot));
            if first {
                self.clock.expect(self.sticky.add(id, until));
            }
            return;
        }
        self.apart.insert(id, spot, until);
        self.clock.expect(until);
    }

    /// A sticky address is not retained any more.
    pub(crate) fn unretain(&mut self, id: u32, family: Family, spot: Spot) {
        if self.apart.remove(id, spot).is_none() {
            let Some(workload) = self.workloads.get_mut(id) else {
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

    /// Of what is retained no more, claims and quarantines know the times.
    pub(crate) fn settle_since(&mut self, id: u32) {
        if self.kept_spots(id).next().is_none()
            && let Some(workload) = self.workloads.get_mut(id)
        {
            workload.since = Timestamp::ZERO;
        }
    }

    /// Makes room in a workload's own record for a reservation: what is sticky there stands apart from now on.
    pub(crate) fn set_apart(&mut self, id: u32) {
        let until = self.sticky.get(id);
        self.sticky.remove(id);
        let Some(workload) = self.workloads.get_mut(id).filter(|w| !w.fixed()) else {
            return;
        };
        let spots = core::mem::replace(&mut workload.spots, Spots::EMPTY);
        for (_, spot) in spots.iter() {
            self.apart.insert(id, spot, until.unwrap_or(WHILE_MOVING));
        }
    }

    /// The sticky address that a workload's interface retains in a pool.
    pub(crate) fn sticky_in(&self, id: u32, pool: u16) -> Option<(Spot, Timestamp)> {
        let workload = self.workloads.get(id)?;
        let mut first = workload.spots.iter().filter(|_| !workload.fixed());
        if let Some((_, spot)) = first.find(|(_, spot)| spot.pool == pool) {
            return Some((spot, self.sticky.get(id)?));
        }
        if self.apart.is_empty() {
            return None;
        }
        self.apart.of(id).find(|(spot, _)| spot.pool == pool)
    }

    /// How a claim's addresses are kept.
    pub(crate) fn kept_of(&self, id: u32) -> RetentionKind {
        let Some(claim) = self.claims.get(id) else {
            return RetentionKind::Ephemeral;
        };
        match claim.kind {
            Kind::Ephemeral => RetentionKind::Ephemeral,
            Kind::Fixed => RetentionKind::Fixed,
            Kind::Sticky => RetentionKind::Sticky(self.ttl_of(id, claim)),
        }
    }

    /// How long a sticky claim's addresses stay after release.
    #[inline]
    pub(crate) fn ttl_of(&self, id: u32, claim: &Claim) -> Duration {
        match claim.ttl.whole_seconds() {
            Some(seconds) => Duration::from_secs(seconds),
            None => Duration::from_nanos(self.odd_ttls.get(&id).copied().unwrap_or_default()),
        }
    }

    /// Since when, at the earliest, an address that a workload's interface retains can be out of use: no time about it
    /// runs backwards past this, whichever clock comes to it.
    pub(crate) fn since_of(&self, workload: u32) -> Timestamp {
        self.workloads
            .get(workload)
            .map_or(Timestamp::ZERO, |w| w.since)
    }

    /// Notes a time about the addresses of a workload's interface.
    pub(crate) fn note_since(&mut self, workload: u32, at: Timestamp) {
        if let Some(workload) = self.workloads.get_mut(workload) {
            workload.since = workload.since.max(at);
        }
    }
}

impl Ttl {
    pub(crate) const NONE: Self = Self(0);
    /// It stands in a list of its own.
    pub(crate) const ODD: Self = Self(u32::MAX);

    /// Nearly all are whole seconds and short of 136 years; the nanoseconds of those that are not.
    pub(crate) fn of(kept: RetentionKind) -> (Self, Option<u64>) {
        let RetentionKind::Sticky(ttl) = kept else {
            return (Self::NONE, None);
        };
        match u32::try_from(ttl.as_secs()) {
            Ok(seconds) if ttl.subsec_nanos() == 0 && seconds != Self::ODD.0 => {
                (Self(seconds), None)
            }
            _ => (Self::ODD, Some(Timestamp::from(ttl).as_nanos())),
        }
    }

    fn whole_seconds(self) -> Option<u64> {
        (self != Self::ODD).then_some(self.0.into())
    }
}
