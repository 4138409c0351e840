//! Hosts and their blocks.

use super::ApplyError;
use super::claim::bad_name;
use crate::change::HostSettings;
use crate::cidr::Cidr;
use crate::index::tag;
use crate::pool::PoolId;
use crate::pool::blocks::{BlockState, NOBODY};
use crate::pool::spec::{Affinity, name_fits};
use crate::state::Ipam;

impl Ipam {
    pub(crate) fn intern_host(&mut self, name: &str) -> u32 {
        self.hosts.intern(tag(self.hashed(name)), name)
    }

    /// Removes a host without claims, blocks, moves and settings of its own.
    pub(crate) fn drop_host_if_idle(&mut self, id: u32) {
        let mut pools = self.pools.iter();
        let has_blocks = || pools.any(|(_, p)| p.blocks().hosts.get(id).is_some());
        self.hosts.remove_idle(id, has_blocks);
    }

    /// A claim or a move of this host is over.
    pub(crate) fn end_host_use(&mut self, id: u32) {
        self.hosts.end_use(id);
        self.drop_host_if_idle(id);
    }

    pub(crate) fn apply_host_set(
        &mut self,
        name: &str,
        settings: &HostSettings,
    ) -> Result<(), ApplyError> {
        name_fits(name).map_err(|_| bad_name("host", name, "does not fit"))?;
        if settings.starts.len() > crate::pools::MOST_POOLS {
            return Err(bad_name(
                "host",
                name,
                "has more starts than there can be pools",
            ));
        }
        let id = self.intern_host(name);
        self.hosts.set(id, settings.clone());
        self.drop_host_if_idle(id);
        Ok(())
    }

    /// The block of a prefix, made if need be, if its generation is still the one seen.
    fn guarded_block(&mut self, id: PoolId, cidr: Cidr, seen: u64) -> Result<u32, ApplyError> {
        let refuse = |reason| {
            Err(ApplyError::Block {
                block: cidr,
                reason,
            })
        };
        let pool = self.pools.get_mut(id.0).ok_or(ApplyError::NoPool(id))?;
        let inside =
            cidr.prefix() == pool.spec().block_size && pool.spec().cidr.contains(cidr.first());
        if !inside || pool.spec().affinity == Affinity::Off {
            return refuse("is no block of its pool");
        }
        let known = pool.slot(cidr.first());
        let generation = known.map_or(0, |s| pool.blocks().get(pool.block_of(s)).generation);
        if generation != seen {
            return refuse("has changed hands meanwhile");
        }
        match pool.materialise(cidr.first()) {
            Some(slot) => Ok(pool.block_of(slot)),
            None => refuse("does not fit any more"),
        }
    }

    pub(super) fn apply_block_taken(
        &mut self,
        id: PoolId,
        cidr: Cidr,
        host: &str,
        state: BlockState,
        seen: u64,
    ) -> Result<(), ApplyError> {
        name_fits(host).map_err(|_| bad_name("host", host, "does not fit"))?;
        let block = self.guarded_block(id, cidr, seen)?;
        let known = self.host(host);
        let owner = self
            .pools
            .get(id.0)
            .map(|p| p.blocks().get(block))
            .filter(|b| b.host != NOBODY);
        if let Some(other) = owner.filter(|b| Some(b.host) != known)
            && other.used > 0
        {
            return Err(ApplyError::Block {
                block: cidr,
                reason: "is another host's and in use",
            });
        }
        let host = self.intern_host(host);
        if let Some(pool) = self.pools.get_mut(id.0) {
            pool.take_block(block, host, state);
        }
        if let Some(before) = owner {
            self.drop_host_if_idle(before.host);
        }
        Ok(())
    }

    pub(super) fn apply_block_released(
        &mut self,
        id: PoolId,
        cidr: Cidr,
        seen: u64,
    ) -> Result<(), ApplyError> {
        let block = self.guarded_block(id, cidr, seen)?;
        let Some(pool) = self.pools.get_mut(id.0) else {
            return Ok(());
        };
        let before = pool.blocks().get(block);
        if before.host == NOBODY {
            return Err(ApplyError::Block {
                block: cidr,
                reason: "belongs to nobody",
            });
        }
        pool.release_block(block);
        self.drop_host_if_idle(before.host);
        Ok(())
    }
}
