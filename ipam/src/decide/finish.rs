//! The end of a move: what moved is the new owner's, once the old one has released it or its lease is over.

use super::errors::{ClaimError, MoveError, UnavailableReason};
use crate::change::{Change, ChangeKind, Reason};
use crate::cidr::Family;
use crate::claim::{Origin, Place};
use crate::pool::PoolId;
use crate::pool::cells::State;
use crate::state::{Ipam, end};
use crate::workloads::Move;
use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::IpAddr;

impl Ipam {
    /// Where the moving addresses are, by family. The old owner's claim to them ends with `changes`.
    pub(super) fn moved_places(
        &self,
        id: u32,
        moving: &Move,
        changes: &mut Vec<Change<'_>>,
    ) -> Result<[Option<Place>; 2], MoveError> {
        let mut places = [None, None];
        for (family, spot) in moving.spots.iter() {
            let Some(pool) = self.pools.get(spot.pool) else {
                continue;
            };
            let address = pool.address(spot.slot);
            match pool.state(spot.slot) {
                State::Retained(w) if w == id => {}
                State::Held(c) if self.claims.get(c).is_some_and(|c| c.workload == id) => {
                    self.end_expired(c, address, changes)?;
                }
                _ => return Err(self.lost(address)),
            }
            let pool = PoolId(spot.pool);
            places[family as usize] = Some(Place {
                pool,
                address,
                origin: Origin::Reused,
            });
        }
        Ok(places)
    }

    fn lost(&self, address: IpAddr) -> MoveError {
        let reason = UnavailableReason::Quarantined { until: self.now() };
        ClaimError::Unavailable { address, reason }.into()
    }

    /// The old owner's claim ends if its lease is over.
    fn end_expired(
        &self,
        holder: u32,
        address: IpAddr,
        changes: &mut Vec<Change<'_>>,
    ) -> Result<(), MoveError> {
        let Some(claim) = self.claims.get(holder) else {
            return Err(self.lost(address));
        };
        let owner = self.claims.owner(holder).to_string();
        if claim.until > self.now() {
            let host = self.hosts.name(claim.host).unwrap_or_default().to_string();
            return Err(MoveError::StillHeld {
                address,
                owner,
                host,
                until: end(claim.until),
            });
        }
        let (owner, sequence) = (Cow::Owned(owner), claim.sequence);
        let kind = ChangeKind::Released {
            owner,
            sequence,
            reason: Reason::Expired,
        };
        let change = Change::new(self.now(), kind);
        if changes.last() != Some(&change) {
            changes.push(change);
        }
        Ok(())
    }
}

/// Families in the order in which they are stored.
const _: () = assert!(Family::V4 as usize == 0 && Family::V6 as usize == 1);
