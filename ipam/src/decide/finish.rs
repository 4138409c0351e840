//! The end of a move: a new owner on the new host has the address that moved.

use super::claim::Decision;
use super::errors::{ClaimError, MoveError, UnavailableReason};
use crate::change::{Change, ChangeKind, Reason};
use crate::cidr::{Family, shortened};
use crate::claim::{Grant, Origin, Place};
use crate::identity::Identity;
use crate::pool::PoolId;
use crate::pool::cells::State;
use crate::state::{Ipam, end};
use crate::workloads::Move;
use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::IpAddr;

impl Ipam {
    /// Decides the end of a move and alters nothing.
    ///
    /// ```
    /// # use ipam::{Ipam, PoolSpec, Request, Timestamp};
    /// # let at = Timestamp::from_secs;
    /// # let mut ipam = Ipam::new(7);
    /// # ipam.add_pool(at(0), PoolSpec::new("p", "10.9.0.0/24".parse()?))?;
    /// let request = Request::new("container-1/eth0").workload("shop/web-0").host("h1").fixed(&[]);
    /// let first = ipam.claim(at(1), &request)?;
    /// ipam.begin_move(at(2), "shop/web-0", "h1", "h2")?;
    /// ipam.release(at(3), "container-1/eth0", first.sequence)?;
    /// let decision = ipam.decide_finish_move("shop/web-0", "container-2/eth0")?;
    /// ipam.apply_all(&decision.changes)?;
    /// assert_eq!(decision.grant.address(), first.address());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`MoveError`].
    pub fn decide_finish_move<'a>(
        &self,
        workload: impl Into<Identity<'a>>,
        owner: &'a str,
    ) -> Result<Decision<'a>, MoveError> {
        let identity = workload.into();
        crate::pool::spec::name_fits(owner).map_err(|error| ClaimError::Name {
            field: "owner",
            error,
        })?;
        let (id, moving) = self.moving(identity)?;
        if self.owner(owner).is_some() {
            let (owner, field) = (shortened(owner), "host");
            return Err(ClaimError::Different { owner, field }.into());
        }
        let mut changes = Vec::new();
        let places = self.moved_places(id, moving, &mut changes)?;
        let (_, to) = self.ends_of(moving);
        let sequence = self.tokens.next();
        let pools = places
            .iter()
            .flatten()
            .filter_map(|p| self.pools.get(p.pool.0)?.spec().lease);
        let begins = self.beginning(Some(id), places.iter().flatten());
        let until = pools.min().map(|l| begins.after(l)).and_then(end);
        let leases = places
            .iter()
            .flatten()
            .filter_map(|&p| self.lease(p))
            .collect();
        let [v4, v6] = places;
        changes.push(Change::new(
            self.now(),
            ChangeKind::Claimed {
                owner: Cow::Borrowed(owner),
                workload: Some(Cow::Borrowed(identity.workload)),
                interface: Cow::Borrowed(identity.interface),
                host: Some(Cow::Owned(to)),
                sequence,
                until,
                retention: moving.retention,
                v4,
                v6,
            },
        ));
        changes.push(self.move_ended(identity, true));
        Ok(Decision {
            grant: Grant {
                sequence,
                until,
                leases,
            },
            changes,
        })
    }

    /// Where the moving addresses are, by family. The old owner's claim to them ends with `changes`.
    fn moved_places(
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
