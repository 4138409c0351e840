//! The claim most often made, by a short way: a new owner of a workload that is not known yet takes any IPv4
//! address, and the first block that its host has in the first pool has one free. What it is given is what the
//! long way would give, which the model tests see to; everything else goes the long way.

use super::claim::lease_of;
use super::errors::ClaimError;
use crate::apply::making::Named;
use crate::cidr::Family;
use crate::claim::{Families, Grant, Kept, Origin, Place, Request, Retention};
use crate::index::{Home, tag};
use crate::names::LONGEST;
use crate::pool::PoolId;
use crate::pool::spec::name_fits;
use crate::rng::scan;
use crate::state::{Claim, Ipam, Kind, NONE, Spot, Spots, end};
use alloc::vec;
use core::slice;

/// A request's names and the records that bear them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Names<'a> {
    pub(super) owner: Named<'a>,
    pub(super) workload: Option<Named<'a>>,
    pub(super) host: Option<Named<'a>>,
}

impl Names<'_> {
    /// Whether neither owner nor workload is known.
    pub(super) fn is_new(&self) -> bool {
        self.owner.id.is_none() && self.workload.is_none_or(|w| w.id.is_none())
    }
}

/// An address near at hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near {
    pool: PoolId,
    slot: u32,
}

impl Ipam {
    /// The names of a request, hashed; the host looked up. All that is looked up next is asked of memory at once.
    ///
    /// # Errors
    /// [`ClaimError::Name`] for the first that cannot be stored and printed.
    #[inline]
    pub(super) fn hashed_names<'a>(&self, request: &Request<'a>) -> Result<Names<'a>, ClaimError> {
        // Hosts are few: their records are near, and what they lead to is not.
        let host = request.host.map(|name| self.fitting("host", name));
        let host = host.map(|host| host.map(|h| self.named_host(h)));
        if let Some(Ok(Named { id: Some(id), .. })) = host {
            self.pools
                .iter()
                .flatten()
                .take(1)
                .for_each(|p| p.blocks.hosts.warm(id));
        }
        let owner = self.fitting("owner", request.owner)?;
        self.by_owner.warm(tag(owner.hash));
        let workload = match request.workload {
            Some(name) => {
                let workload = self.fitting("workload", name)?;
                self.by_workload.warm(tag(workload.hash));
                Some(workload)
            }
            None => None,
        };
        Ok(Names {
            owner,
            workload,
            host: host.transpose()?,
        })
    }

    /// The names of a request, all looked up.
    ///
    /// # Errors
    /// As [`Ipam::hashed_names`].
    pub(super) fn names<'a>(&self, request: &Request<'a>) -> Result<Names<'a>, ClaimError> {
        Ok(self.found(self.hashed_names(request)?))
    }

    /// Names, all looked up.
    #[inline]
    pub(super) fn found<'a>(&self, names: Names<'a>) -> Names<'a> {
        Names {
            owner: self.named_owner(names.owner),
            workload: names.workload.map(|w| self.named_workload(w)),
            host: names.host,
        }
    }

    /// A request's name with its hash, if it can be stored and printed; not looked up yet.
    #[inline]
    fn fitting<'a>(&self, field: &'static str, name: &'a str) -> Result<Named<'a>, ClaimError> {
        let (hash, control) = scan(self.seed, name.as_bytes());
        if control || name.is_empty() || name.len() > LONGEST {
            name_fits(name).map_err(|error| ClaimError::Name { field, error })?;
        }
        let id = None;
        Ok(Named { name, hash, id })
    }

    /// The address that the short way gives to a new owner of a new workload; `None` where it may be another, or
    /// where something is wrong with the request.
    #[inline]
    pub(super) fn near(&self, request: &Request<'_>, names: &Names<'_>) -> Option<Near> {
        let asked = request.pools.len() + request.labels.len() + request.addresses.len();
        let any = asked == 0 && request.after.is_none() && request.families == Families::V4;
        let kept = match request.retention {
            Retention::Ephemeral => true,
            Retention::Sticky(_) => request.workload.is_some(),
            Retention::Fixed(_) => false,
        };
        if !any || !kept {
            return None;
        }
        let host = names.host?.id?;
        let &id = self.pool_names.values().next()?;
        let pool = self.pool_at(id.0)?;
        let draining = pool.draining || self.hosts.get(host)?.settings().draining;
        if draining || pool.spec.cidr.family() != Family::V4 {
            return None;
        }
        let slot = pool.pick_near(host, self.draw(Family::V4))?;
        Some(Near { pool: id, slot })
    }

    /// Makes the claim of a new owner of a new workload, or of none.
    #[inline]
    pub(super) fn claim_near(
        &mut self,
        request: &Request<'_>,
        names: &Names<'_>,
        near: Near,
    ) -> Grant {
        let now = self.now;
        let kept = Kept::from(request.retention);
        let host = names.host.and_then(|h| h.id).unwrap_or(NONE);
        let workload = names
            .workload
            .map_or(NONE, |w| self.add_workload(tag(w.hash), w.name));
        let mut spots = Spots::EMPTY;
        let Near { pool, slot } = near;
        spots.set(Family::V4, Some(Spot { pool: pool.0, slot }));
        let mut grant = Grant {
            sequence: self.sequence.saturating_add(1),
            until: None,
            leases: vec![],
        };
        let mut until = crate::time::Timestamp::MAX;
        if let Some(pool) = self.pool_at(pool.0) {
            let place = Place {
                pool: near.pool,
                address: pool.address(slot),
                origin: Origin::Fresh,
            };
            until = self.lease_end(request, slice::from_ref(&place).iter());
            grant.until = end(until);
            grant.leases = vec![lease_of(pool, &place)];
        }
        let claim = Claim {
            sequence: grant.sequence,
            touched: now,
            until,
            workload,
            workload_tag: 0,
            host,
            next: NONE,
            previous: NONE,
            spots,
            home: Home::of(tag(names.owner.hash)),
            kind: Kind::from(kept),
        };
        let claim = self.link_claim(claim, names.owner, kept);
        if let Some(pool) = self.pool_at_mut(pool.0) {
            pool.note_given(pool.address(slot), Origin::Fresh, false);
            pool.hold_free(slot, claim, now);
        }
        grant
    }
}
