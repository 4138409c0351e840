//! What a key's record says, taken out of the state: before it is read anew.

use crate::change::HostSettings;
use crate::departed::chunk_of;
use crate::identity::Identity;
use crate::index::tag;
use crate::pool::blocks::NOBODY;
use crate::pool::cells::State;
use crate::pool::spec::Affinity;
use crate::state::Ipam;
use crate::store::record::departed_of;
use crate::store::record::identity_of;

impl Ipam {
    /// Takes everything that a key's record says out of the state.
    pub(crate) fn clear_key(&mut self, key: &str) {
        let Some((kind, rest)) = key.split_at_checked(2) else {
            return;
        };
        match kind {
            "h/" => {
                if let Some(id) = self.host(rest) {
                    self.hosts.set(id, HostSettings::default());
                    self.drop_host_if_idle(id);
                }
            }
            "b/" => self.clear_block(rest),
            "w/" | "x/" => {
                if let Some(identity) = identity_of(key) {
                    self.clear_workload(identity);
                }
            }
            "c/" => self.clear_claim(rest),
            "g/" => {
                if let Some(first) = departed_of(key).and_then(chunk_of) {
                    self.departed.clear(first);
                }
            }
            _ => {}
        }
    }

    fn clear_claim(&mut self, owner: &str) {
        let Some(id) = self.owner(owner) else { return };
        let Some(claim) = self.take_claim(id, tag(self.hashed(owner))) else {
            return;
        };
        let now = self.now();
        for (_, spot) in claim.spots.iter() {
            let reserved = self.is_reserved_to(claim.workload, spot);
            self.set_reserved_idle(claim.workload, spot, reserved);
            if let Some(pool) = self.pools.get_mut(spot.pool) {
                match reserved {
                    true => pool.retain(spot.slot, claim.workload, now),
                    false => pool.clear(spot.slot, now),
                }
            }
        }
        self.workloads.remove_idle(claim.workload);
        self.drop_host_if_idle(claim.host);
    }

    fn clear_workload(&mut self, identity: Identity<'_>) {
        let Some(id) = self.workload(identity) else {
            return;
        };
        let now = self.now();
        for spot in self.workloads.clear(id) {
            if let Some(pool) = self.pools.get_mut(spot.pool)
                && pool.state(spot.slot) == State::Retained(id)
            {
                pool.clear(spot.slot, now);
            }
        }
        if let Some(moving) = self.workloads.end_move(id) {
            for host in [moving.from, moving.to] {
                self.end_host_use(host);
            }
        }
        self.workloads.remove_idle(id);
    }

    fn clear_block(&mut self, rest: &str) {
        let id = rest.get(..5).and_then(|id| id.parse::<u16>().ok());
        let first = rest
            .get(6..)
            .and_then(|hex| u128::from_str_radix(hex, 16).ok());
        let (Some(id), Some(first)) = (id, first) else {
            return;
        };
        let now = self.now();
        let Some(pool) = self.pools.get_mut(id) else {
            return;
        };
        let Some(slot) = pool.slot(pool.spec().cidr.family().address(first)) else {
            return;
        };
        let block = pool.block_of(slot);
        for slot in pool.blocks().slots(block) {
            if matches!(pool.state(slot), State::Quarantined(_) | State::Queued(_)) {
                pool.clear(slot, now);
            }
        }
        if pool.spec().affinity == Affinity::Off {
            return;
        }
        let host = pool.blocks().get(block).host;
        if host != NOBODY {
            pool.release_block(block);
            self.drop_host_if_idle(host);
        }
    }
}
