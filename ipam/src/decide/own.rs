//! What a workload's interface has of its own: reserved, sticky, or left by a claim whose lease is over.

use super::errors::UnavailableReason;
use super::request::missing_label;
use crate::cidr::Family;
use crate::claim::{Origin, Place, Request};
use crate::pool::cells::State;
use crate::pool::{Pool, PoolId};
use crate::state::{Claim, Ipam, Kind, Spot, end};
use crate::workloads::WHILE_MOVING;
use alloc::string::ToString;

impl Ipam {
    /// The address that the workload's interface has reserved, else one that is sticky: of several that in the pool
    /// which the request prefers, or whose name comes first.
    pub(super) fn choose_retained(
        &self,
        request: &Request<'_>,
        workload: u32,
        family: Family,
    ) -> Option<Place> {
        let wanted = |spot: &Spot| {
            let pool = self.pools.get(spot.pool);
            pool.is_some_and(|pool| {
                let named = request.pools.is_empty() || request.pools.contains(&pool.name());
                let family = pool.spec().cidr.family() == family;
                family && named && missing_label(pool, request).is_none()
            })
        };
        let place = |spot: Spot| {
            let pool = self.pools.get(spot.pool)?;
            Some(Place {
                pool: PoolId(spot.pool),
                address: pool.address(spot.slot),
                origin: Origin::Reused,
            })
        };
        if let Some(spot) = self.choose_reserved(workload, wanted) {
            return place(spot);
        }
        let sticky = self.workloads.sticky(workload).map(|(spot, _)| spot);
        let sticky = sticky.filter(|&spot| !self.gives_way(workload, spot));
        let over = self.over_claims_of(workload).filter_map(|(_, claim)| {
            let mut spots = claim.spots.iter().map(|(_, spot)| spot);
            spots.find(|&spot| wanted(&spot) && self.will_be_retained(claim, spot))
        });
        let open = |spot: &Spot| self.pools.get(spot.pool).is_some_and(|p| !p.draining());
        let all = sticky.chain(over).filter(wanted).filter(open);
        all.min_by_key(|spot| {
            let name = self.pools.get(spot.pool).map(Pool::name);
            let rank = request.pools.iter().position(|n| Some(*n) == name);
            (rank, name)
        })
        .and_then(place)
    }

    /// The first reserved address that nobody holds, or whose claim's lease is over.
    fn choose_reserved(&self, workload: u32, wanted: impl Fn(&Spot) -> bool) -> Option<Spot> {
        if !self.workloads.has_reservation(workload) {
            return None;
        }
        let own = self.workloads.first_reserved(workload);
        let first = |spot: &Spot| own.iter().any(|(_, s)| s == *spot);
        let idle = |spot: &Spot| {
            let state = self.pools.state(*spot);
            state == Some(State::Retained(workload)) && wanted(spot)
        };
        let extra = self.workloads.first_idle(workload, |spot| wanted(&spot));
        let own = own.iter().map(|(_, spot)| spot).filter(idle);
        let over = self.over_claims_of(workload);
        let over = over.flat_map(|(_, claim)| claim.spots.iter().map(|(_, spot)| spot));
        let over = over.filter(|spot| wanted(spot) && self.is_reserved_to(workload, *spot));
        let all = own.chain(extra).chain(over);
        all.min_by_key(|spot| (!first(spot), spot.pool, self.pools.number(*spot)))
    }

    /// Whether a sticky address that is retained will not be any more once the workload's interface claims: it waits for the
    /// end of a move, or a claim whose lease is over, and which ends first, leaves another of the pool behind.
    pub(super) fn gives_way(&self, workload: u32, spot: Spot) -> bool {
        if self.is_reserved_to(workload, spot) {
            return false;
        }
        let sticky = self.workloads.sticky_in(workload, spot.pool);
        let waits = sticky.is_some_and(|(_, until)| until == WHILE_MOVING);
        let mut over = self.over_claims_of(workload);
        waits
            || over.any(|(_, claim)| {
                let mut held = claim.spots.iter().map(|(_, s)| s);
                held.any(|s| s.pool == spot.pool && self.will_be_retained(claim, s))
            })
    }

    /// Whether an address of a claim whose lease is over will be retained for its workload once the claim ends: it is
    /// sticky, and its interface holds no other sticky one of the pool, by a claim that goes on or by one that ends later.
    fn will_be_retained(&self, claim: &Claim, spot: Spot) -> bool {
        let id = claim.workload;
        let of_pool = |c: &Claim| self.is_sticky_in(c, spot.pool);
        let stays = |c: &Claim| c.until > self.now() || c.sequence > claim.sequence;
        let mut claims = self.claims_of(id).filter_map(|c| self.claims.get(c));
        let other = claims.any(|c| c.sequence != claim.sequence && of_pool(c) && stays(c));
        let moves = self.workloads.is_moving_in(id, spot.pool);
        let draining = self
            .pools
            .get(spot.pool)
            .is_none_or(|p: &Pool| p.draining());
        let sticky = claim.kind == Kind::Sticky && !self.is_reserved_to(id, spot);
        sticky && !other && !moves && !draining
    }

    /// A held address can be had by its own workload once the holder's lease is over.
    pub(super) fn takeable_from(
        &self,
        holder: u32,
        spot: Spot,
        workload: Option<u32>,
    ) -> Result<Origin, UnavailableReason> {
        let Some(claim) = self.claims.get(holder) else {
            return Err(UnavailableReason::NoPool);
        };
        let stays =
            || self.is_reserved_to(claim.workload, spot) || self.will_be_retained(claim, spot);
        if claim.until <= self.now() && workload == Some(claim.workload) && stays() {
            return Ok(Origin::Reused);
        }
        Err(UnavailableReason::Held {
            owner: self.claims.owner(holder).to_string(),
            host: self.hosts.name(claim.host).map(ToString::to_string),
            until: end(claim.until),
        })
    }
}
