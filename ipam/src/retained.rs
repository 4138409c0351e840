//! What workloads retain, as far as pools and claims have a say in it.

use crate::cidr::Family;
use crate::claim::RetentionKind;
use crate::pool::Pool;
use crate::pool::cells::State;
use crate::state::{Claim, Ipam, Kind, Spot, Ttl};
use crate::time::Timestamp;
use core::time::Duration;

impl Ipam {
    /// Whether an address is reserved to a workload's interface, held or not.
    pub(crate) fn is_reserved_to(&self, workload: u32, spot: Spot) -> bool {
        let number = || self.number_at(spot);
        self.workloads.is_reserved(workload, spot, number)
    }

    /// Notes that somebody holds a reserved address, or nobody does any more.
    pub(crate) fn set_reserved_idle(&mut self, workload: u32, spot: Spot, idle: bool) {
        let number = || number_in(&self.pools, spot);
        self.workloads.set_idle(workload, spot, number, idle);
    }

    /// Adds an address to a workload's reservation.
    pub(crate) fn add_reserved(&mut self, id: u32, family: Family, spot: Spot) {
        let pool = self.pool_at(spot.pool);
        let idle = pool.is_some_and(|p| p.state(spot.slot) == State::Retained(id));
        let number = || number_in(&self.pools, spot);
        self.workloads.reserve(id, (family, spot), number, idle);
    }

    /// Retains a sticky address until a time, or [`WHILE_MOVING`](crate::workloads::WHILE_MOVING).
    pub(crate) fn retain(&mut self, id: u32, family: Family, spot: Spot, until: Timestamp) {
        let due = self.workloads.retain(id, family, spot, until);
        self.clock.expect(due);
    }

    /// Whether a claim holds an address of a pool that will be sticky once the claim ends.
    pub(crate) fn is_sticky_in(&self, claim: &Claim, pool: u16) -> bool {
        let mut spots = claim.spots.iter().map(|(_, spot)| spot);
        let id = claim.workload;
        let sticky = claim.kind == Kind::Sticky;
        sticky && spots.any(|spot| spot.pool == pool && !self.is_reserved_to(id, spot))
    }

    /// An address as a number, by which those of a pool are in an order that no process sees otherwise.
    pub(crate) fn number_at(&self, spot: Spot) -> u128 {
        number_in(&self.pools, spot)
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

fn number_in(pools: &[Option<Pool>], spot: Spot) -> u128 {
    let pool = pools.get(usize::from(spot.pool)).and_then(Option::as_ref);
    pool.map_or(0, |p| p.layout.number(spot.slot))
}
