//! Moves, suspects.

use super::claim::bad_name;
use super::{ApplyError, unknown};
use crate::cidr::AddressRange;
use crate::claim::RetentionKind;
use crate::identity::Identity;
use crate::pool::spec::name_fits;
use crate::state::{Ipam, Spot};
use crate::workloads::{LAST_END, Move, WHILE_MOVING};
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

impl Ipam {
    pub(super) fn apply_move_begun(
        &mut self,
        identity: Identity<'_>,
        from: &str,
        to: &str,
    ) -> Result<(), ApplyError> {
        let name = &*identity.to_string();
        let id = self
            .workload(identity)
            .ok_or_else(|| unknown("workload", name))?;
        name_fits(to).map_err(|_| bad_name("host", to, "has a name that does not fit"))?;
        let from = self.host(from).ok_or_else(|| unknown("host", from))?;
        if self.workloads.is_moving(id) {
            return Err(bad_name("workload", name, "is moving already"));
        }
        let Some(claim) = self.claim_on(id, from) else {
            return Err(bad_name("workload", name, "holds nothing on that host"));
        };
        let Some(spots) = self.claims.get(claim).map(|c| c.spots) else {
            return Err(unknown("workload", name));
        };
        let retention = self.claims.retention(claim);
        let to = self.intern_host(to);
        for host in [from, to] {
            self.hosts.begin_use(host);
        }
        // Who moves is alive.
        let since = self.claims.touch(claim, self.now());
        let moving = Move {
            from,
            to,
            since,
            retention,
            spots,
        };
        self.workloads.begin_move(id, moving);
        Ok(())
    }

    /// A workload's claim on a host; of several the latest. The chain's own order is no matter to go by: a
    /// restored state has another one.
    pub(crate) fn claim_on(&self, workload: u32, host: u32) -> Option<u32> {
        let here = self.claims_of(workload).filter_map(|id| {
            let claim = self.claims.get(id).filter(|c| c.host == host)?;
            Some((claim.sequence, id))
        });
        here.max().map(|(_, id)| id)
    }

    pub(super) fn apply_move_ended(&mut self, identity: Identity<'_>) -> Result<(), ApplyError> {
        let name = &*identity.to_string();
        let id = self
            .workload(identity)
            .ok_or_else(|| unknown("workload", name))?;
        let ended = self.workloads.end_move(id);
        let Some(Move {
            from,
            to,
            retention,
            ..
        }) = ended
        else {
            return Err(unknown("move of", name));
        };
        for host in [from, to] {
            self.end_host_use(host);
        }
        // What was retained for as long as the move took is retained for the usual time from now on.
        let ttl = match retention {
            RetentionKind::Sticky(ttl) => ttl,
            RetentionKind::Ephemeral | RetentionKind::Fixed => Duration::ZERO,
        };
        let since = self.workloads.since(id);
        let until = self.now().max(since).after(ttl).min(LAST_END);
        let waiting = self
            .workloads
            .sticky(id)
            .filter(|&(_, u)| u == WHILE_MOVING);
        let waiting: Vec<Spot> = waiting.map(|(spot, _)| spot).collect();
        for spot in waiting {
            if let Some(family) = self.pools.get(spot.pool).map(|p| p.spec().cidr.family()) {
                self.workloads.unretain(id, family, spot);
                self.retain(id, family, spot, until);
                self.workloads.note_since(id, since);
            }
        }
        self.workloads.remove_idle(id);
        Ok(())
    }

    pub(super) fn apply_suspected(&mut self, owner: &str, sequence: u64) -> Result<(), ApplyError> {
        let id = self.checked_owner(owner, sequence)?;
        self.claims.suspect(id, sequence, self.now());
        Ok(())
    }

    pub(super) fn apply_cleared(&mut self, owner: &str) -> Result<(), ApplyError> {
        let id = self.owner(owner).ok_or_else(|| unknown("owner", owner))?;
        self.claims.clear_suspect(id);
        Ok(())
    }
}

/// The addresses of a range; callers bound its size.
pub(crate) fn addresses(range: AddressRange) -> impl Iterator<Item = core::net::IpAddr> {
    let (first, last) = range.numbers();
    let family = range.family();
    (first..=last).map(move |n| family.address(n))
}
