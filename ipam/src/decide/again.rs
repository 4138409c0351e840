//! An owner that has a claim asks again.

use super::claim::Decision;
use super::errors::ClaimError;
use super::request::{missing_label, wanted};
use crate::change::{Change, ChangeKind};
use crate::cidr::{Family, shortened};
use crate::claim::{Grant, Origin, Place, Request, Retention, RetentionKind};
use crate::pool::PoolId;
use crate::state::{Claim, Ipam, end};
use crate::time::Timestamp;
use alloc::borrow::Cow;
use alloc::vec::Vec;

impl Ipam {
    /// The owner has a claim: it is this one, or the request is another.
    pub(super) fn again<'a>(
        &self,
        id: u32,
        request: &Request<'a>,
    ) -> Result<Decision<'a>, ClaimError> {
        let Some(claim) = self.claims.get(id) else {
            return Err(ClaimError::UnknownPool(shortened(request.owner)));
        };
        let owner = || shortened(request.owner);
        if let Some(field) = self.difference(id, request) {
            return Err(ClaimError::Different {
                owner: owner(),
                field,
            });
        }
        let places: Vec<Place> = self.places_of(id).collect();
        let leases = places.iter().filter_map(|&p| self.lease(p)).collect();
        if claim.until > self.now() {
            let prolonged = self.sign_of_life(id, claim, request, &places);
            let (sequence, until) = (claim.sequence, end(prolonged.unwrap_or(claim.until)));
            let renewed = prolonged.map(|_| ChangeKind::Renewed {
                owner: Cow::Borrowed(request.owner),
                sequence,
                until,
            });
            let changes = renewed.map(|kind| Change::new(self.now(), kind));
            return Ok(Decision {
                grant: Grant {
                    sequence,
                    until,
                    leases,
                },
                changes: changes.into_iter().collect(),
            });
        }
        // Its lease is over and nobody took the address: it goes on under a new token.
        let next = self.tokens.next();
        let until = end(self.lease_end(request, places.iter(), self.now().max(claim.touched)));
        let (owner, sequence) = (Cow::Borrowed(request.owner), claim.sequence);
        let kind = ChangeKind::Reissued {
            owner,
            sequence,
            next,
            until,
        };
        let changes = alloc::vec![Change::new(self.now(), kind)];
        Ok(Decision {
            grant: Grant {
                sequence: next,
                until,
                leases,
            },
            changes,
        })
    }

    /// The new end of a lease whose owner has claimed again, if that is worth a write: its owner is under suspicion,
    /// or half of its lease is over. A claim without a lease is not written again for its age. A lease is never cut
    /// short by this; a request that asks for none goes on with one as long as before.
    fn sign_of_life(
        &self,
        id: u32,
        claim: &Claim,
        request: &Request<'_>,
        places: &[Place],
    ) -> Option<Timestamp> {
        let endless = claim.until == Timestamp::MAX;
        let (age, length) = (
            self.now().since(claim.touched),
            claim.until.since(claim.touched),
        );
        let aged = !endless && age >= length / 2;
        let suspected = self.claims.suspected(id).map(|(since, _)| since);
        if !aged && suspected.is_none() {
            return None;
        }
        // A clock that is behind cuts nothing short.
        let begins = self
            .now()
            .max(claim.touched)
            .max(suspected.unwrap_or(self.now()));
        let until = match self.lease_end(request, places.iter(), begins) {
            Timestamp::MAX if !endless => begins.after(length),
            asked => asked,
        };
        Some(until.max(claim.until))
    }

    /// The addresses of a claim.
    pub(crate) fn places_of(&self, claim: u32) -> impl Iterator<Item = Place> + '_ {
        let spots = self.claims.get(claim).map(|c| c.spots);
        spots
            .into_iter()
            .flat_map(crate::state::Spots::iter)
            .filter_map(|(_, spot)| {
                let address = self.pools.get(spot.pool)?.address(spot.slot);
                Some(Place {
                    pool: PoolId(spot.pool),
                    address,
                    origin: Origin::Reused,
                })
            })
    }

    /// In what an owner's claim does not answer a request.
    fn difference(&self, id: u32, request: &Request<'_>) -> Option<&'static str> {
        let claim = self.claims.get(id)?;
        if request.workload != self.workloads.name(claim.workload) {
            return Some("workload");
        }
        let interface = self.workloads.identity(claim.workload).map(|i| i.interface);
        if interface.is_some_and(|i| i != request.interface) {
            return Some("interface");
        }
        if request.host != self.hosts.name(claim.host) {
            return Some("host");
        }
        if RetentionKind::from(request.retention) != self.claims.retention(id) {
            return Some("retention");
        }
        for family in [Family::V4, Family::V6] {
            let spot = claim.spots.get(family);
            if request.families.want(family) != spot.is_some() {
                return Some("family");
            }
            let Some(pool) = spot.and_then(|s| self.pools.get(s.pool)) else {
                continue;
            };
            let named = request.pools.is_empty() || request.pools.contains(&pool.name());
            if !named || missing_label(pool, request).is_some() {
                return Some("pool");
            }
            let address = pool.address(spot?.slot);
            let asked = wanted(request, family);
            if asked.is_some_and(|a| a != address) {
                return Some("address");
            }
            if let Retention::Fixed(ranges) = request.retention {
                let mut ranges = ranges.iter().filter(|r| r.family() == family).peekable();
                if ranges.peek().is_some() && !ranges.any(|r| r.contains(address)) {
                    return Some("address");
                }
            }
        }
        None
    }
}
