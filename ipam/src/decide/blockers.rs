//! What stands in the way of a workload's claim: its move, another owner of what is fixed, claims whose lease is over.

use super::errors::ClaimError;
use crate::change::{Change, ChangeKind, Reason};
use crate::claim::{Request, Retention};
use crate::state::{Ipam, Kind, end};
use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;

impl Ipam {
    pub(super) fn moving_error(&self, workload: u32, request: &Request<'_>) -> Option<ClaimError> {
        let moving = self.workloads.moving(workload)?;
        // A sticky workload may claim a second address while it moves: make before break.
        if !self.workloads.has_reservation(workload)
            && !matches!(request.retention, Retention::Fixed(_))
        {
            return None;
        }
        Some(ClaimError::Moving {
            workload: self.workloads.identity(workload)?.to_string(),
            from: self.hosts.name(moving.from)?.to_string(),
            to: self.hosts.name(moving.to)?.to_string(),
        })
    }

    /// A fixed address is one owner's at a time: of several that hold some, by what older stores allowed, the first.
    pub(super) fn held_error(&self, workload: u32, request: &Request<'_>) -> Option<ClaimError> {
        if !matches!(request.retention, Retention::Fixed(_)) {
            return None;
        }
        let holders = self.claims_of(workload).filter_map(|id| {
            let claim = self.claims.get(id).filter(|c| c.until > self.now())?;
            let mut held = claim.spots.iter();
            let fixed =
                claim.kind == Kind::Fixed || held.any(|(_, s)| self.is_reserved_to(workload, s));
            fixed.then_some((claim.sequence, id, claim))
        });
        let (_, id, claim) = holders.min_by_key(|&(sequence, ..)| sequence)?;
        Some(ClaimError::Held {
            workload: self.workloads.identity(workload)?.to_string(),
            addresses: self.places_of(id).map(|p| p.address).collect(),
            owner: self.claims.owner(id).to_string(),
            host: self.hosts.name(claim.host).map(ToString::to_string),
            until: end(claim.until),
        })
    }

    /// A workload's claims whose lease is over end first, so that it can have its addresses again.
    pub(super) fn expire_blockers(&self, workload: u32, changes: &mut Vec<Change<'_>>) {
        let over = self.over_claims_of(workload);
        let over = over.map(|(id, claim)| (claim.sequence, id));
        // Oldest first: the chain's own order is another in a restored state.
        let mut over: Vec<(u64, u32)> = over.collect();
        over.sort_unstable();
        for (sequence, id) in over {
            let owner = Cow::Owned(self.claims.owner(id).to_string());
            let kind = ChangeKind::Released {
                owner,
                sequence,
                reason: Reason::Expired,
            };
            changes.push(Change::new(self.now(), kind));
        }
    }
}
