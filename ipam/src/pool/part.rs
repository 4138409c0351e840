//! A pool of which only some blocks are known.

use super::Pool;
use super::blocks::{BlockState, NOBODY};
use super::layout::Layout;
use super::spec::Affinity;
use crate::slots::SlotTree;
use core::net::IpAddr;

impl Pool {
    /// Gives nothing out of any block from now on, until it is [opened](Self::open_block). Of a pool that is new.
    pub(crate) fn close(&mut self) {
        self.part = true;
        self.free = SlotTree::new(self.layout.len());
        self.blocks.close();
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
            let host = self.blocks.get(block).host;
            match host {
                NOBODY => self.blocks.open_unclaimed(block),
                _ => self.blocks.set_open(block, true),
            }
        }
    }

    /// A block is a host's, whatever else may be known of it.
    pub(crate) fn note_block(&mut self, first: IpAddr, host: u32) {
        if self.spec.affinity == Affinity::Off || self.spec.cidr.first() > first {
            return;
        }
        let sparse = matches!(self.layout, Layout::Sparse { .. });
        let known = self.slot(first).is_some();
        let Some(slot) = self.materialise(first) else {
            return;
        };
        let block = self.block_of(slot);
        if sparse && !known {
            let slots = self.blocks.slots(block);
            self.free.fill(slots, false);
        }
        self.blocks
            .set_host(block, host, BlockState::Confirmed, false);
    }
}
