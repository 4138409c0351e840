//! Stored times that no sane clock can have written: what they are about is held until a repair sets them.

use super::ApplyError;
use crate::pool::PoolId;
use crate::pool::cells::State;
use crate::state::{Ipam, NONE};
use crate::time::Timestamp;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// How far clocks of hosts may differ before a stored time is taken for a fault.
const AHEAD: Duration = Duration::from_secs(24 * 3600);

impl Timestamp {
    /// Whether this is so far ahead of a clock that says `now` that a clock must have been wrong: more than 24 hours.
    #[must_use]
    pub(crate) fn is_ahead_of(self, now: Self) -> bool {
        self > now.after(AHEAD)
    }

    /// This, or `now` where it is [ahead](Self::is_ahead_of) of that.
    pub(crate) fn capped(self, now: Self) -> Self {
        if self.is_ahead_of(now) { now } else { self }
    }
}

impl Ipam {
    /// Times of an address that are ahead by more than clocks differ become now; what was to end some time after one of
    /// them ends as long after now. Others stay.
    pub(super) fn apply_times_capped(
        &mut self,
        id: Option<PoolId>,
        address: IpAddr,
    ) -> Result<(), ApplyError> {
        let Some(id) = id else {
            self.departed.cap_times(address, self.now());
            return Ok(());
        };
        let pool = self.pools.get(id.0).ok_or(ApplyError::NoPool(id))?;
        let reason = "is not of its pool";
        let slot = pool.slot(address);
        let slot = slot.ok_or(ApplyError::Address { address, reason })?;
        let now = self.now();
        match pool.state(slot) {
            State::Held(claim) => self.cap_claim(claim),
            State::Retained(workload) => self.cap_workload(workload),
            State::Quarantined(_) | State::Queued(_) | State::Blank => {}
        }
        if let Some(pool) = self.pools.get_mut(id.0) {
            pool.cap_quarantine(slot, now);
            pool.cap_block(slot, now);
        }
        self.catch_up();
        Ok(())
    }

    fn cap_claim(&mut self, id: u32) {
        let now = self.now();
        self.claims.cap_times(id, now);
        let workload = self.claims.get(id).map_or(NONE, |c| c.workload);
        if workload != NONE {
            self.cap_workload(workload);
        }
    }

    fn cap_workload(&mut self, id: u32) {
        let now = self.now();
        if let Some(moving) = self.workloads.moving(id) {
            let since = moving.since.capped(now);
            self.workloads.cap_move(id, since);
        }
        let since = self.workloads.since(id);
        if !since.is_ahead_of(now) {
            return;
        }
        // What ends before that was written by a clock that was right.
        let late: Vec<_> = self.workloads.sticky(id).collect();
        let late = late.into_iter().filter(|&(_, until)| until > since);
        for (spot, until) in late.filter(|&(_, until)| until != Timestamp::MAX) {
            if let Some(family) = self.pools.get(spot.pool).map(|p| p.spec().cidr.family()) {
                self.workloads.unretain(id, family, spot);
                self.retain(id, family, spot, now.after(until.since(since)));
            }
        }
        self.workloads.set_since(id, now);
    }
}
