//! What workloads retain, as far as pools and claims have a say in it.

use crate::cidr::Family;
use crate::pool::cells::State;
use crate::state::{Claim, Ipam, Kind, Spot};
use crate::time::Timestamp;

impl Ipam {
    /// Whether an address is reserved to a workload's interface, held or not.
    pub(crate) fn is_reserved_to(&self, workload: u32, spot: Spot) -> bool {
        let number = || self.pools.number(spot);
        self.workloads.is_reserved(workload, spot, number)
    }

    /// Notes that somebody holds a reserved address, or nobody does any more.
    pub(crate) fn set_reserved_idle(&mut self, workload: u32, spot: Spot, idle: bool) {
        let number = || self.pools.number(spot);
        self.workloads.set_idle(workload, spot, number, idle);
    }

    /// Adds an address to a workload's reservation.
    pub(crate) fn add_reserved(&mut self, id: u32, family: Family, spot: Spot) {
        let idle = self.pools.state(spot) == Some(State::Retained(id));
        let number = || self.pools.number(spot);
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

    /// The claims of a workload whose lease is over. Nothing is looked at where none is over at all.
    pub(crate) fn over_claims_of(&self, workload: u32) -> impl Iterator<Item = (u32, &Claim)> {
        let chain = self
            .claims
            .any_over(self.now())
            .then(|| self.claims_of(workload));
        let claims = chain.into_iter().flatten();
        let claims = claims.filter_map(|id| Some((id, self.claims.get(id)?)));
        claims.filter(|(_, claim)| claim.until <= self.now())
    }
}
