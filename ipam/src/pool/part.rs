//! A pool of which only some blocks are known.

use super::Pool;
use super::blocks::{BlockState, NOBODY};
use super::layout::Layout;
use super::spec::{Affinity, PoolSpec};
use core::net::IpAddr;

impl Pool {
    /// A pool that gives nothing out of any block until that is [opened](Self::open_block). It takes the room of those that are
    /// known, whatever its size.
    pub(crate) fn part(spec: PoolSpec) -> Self {
        let layout = Layout::sparse(spec.cidr, spec.block_bits());
        Self::laid_out(spec, layout, true)
    }

    /// Makes the addresses of a block free that may be given out.
    pub(crate) fn open_block(&mut self, first: IpAddr) {
        let Some(slot) = self.materialise(first) else {
            return;
        };
        let block = self.block_of(slot);
        for slot in self.blocks.slots(block) {
            if !self.is_barred(self.address(slot)) {
                self.free.release(slot);
            }
        }
        if self.spec.affinity != Affinity::Off {
            match self.blocks.get(block).host {
                NOBODY => self.blocks.open_unclaimed(block),
                _ => self.blocks.set_open(block, true),
            }
        }
    }

    /// A block is a host's, whatever else may be known of it.
    pub(crate) fn note_block(&mut self, first: IpAddr, host: u32) {
        if self.spec.affinity == Affinity::Off {
            return;
        }
        if let Some(slot) = self.materialise(first) {
            let (block, state) = (self.block_of(slot), BlockState::Confirmed);
            self.blocks.set_host(block, host, state, false);
        }
    }
}
