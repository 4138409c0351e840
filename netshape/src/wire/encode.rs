//! Messages to bytes, with attributes in the order in which tc sends them.

use super::attr::Out;
use super::{Options, TcMessage, What, action, queue, u32};
use crate::object::Stab;
use alloc::vec::Vec;

/// `TCA_*` of the headers.
const KIND: u16 = 1;
const OPTIONS: u16 = 2;
const RATE: u16 = 5;
const STAB: u16 = 8;
const CHAIN: u16 = 11;
const INGRESS_BLOCK: u16 = 13;
const EGRESS_BLOCK: u16 = 14;

impl TcMessage {
    /// Appends the message's bytes.
    pub fn encode(&self, into: &mut Vec<u8>) {
        let start = into.len();
        into.extend_from_slice(&[0; 4]);
        into.extend_from_slice(&self.what.number(self.verb).to_le_bytes());
        into.extend_from_slice(&self.flags.to_le_bytes());
        into.extend_from_slice(&self.seq.to_le_bytes());
        into.extend_from_slice(&self.pid.to_le_bytes());
        // tcmsg: family and padding, ifindex, handle, parent, info.
        into.extend_from_slice(&[0; 4]);
        into.extend_from_slice(&self.ifindex.to_le_bytes());
        into.extend_from_slice(&self.handle.raw().to_le_bytes());
        into.extend_from_slice(&self.parent.raw().to_le_bytes());
        into.extend_from_slice(&self.info.to_le_bytes());
        self.attributes(&mut Out(into));
        let len = u32::len(into.len() - start);
        if let Some(place) = into.get_mut(start..start + 4) {
            place.copy_from_slice(&len);
        }
    }

    /// The message's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        self.encode(&mut bytes);
        bytes
    }

    fn attributes(&self, out: &mut Out<'_>) {
        let filter = self.what == What::Filter;
        if let Some(chain) = self.chain {
            out.u32(CHAIN, chain);
        }
        if let Some(kind) = &self.kind {
            out.text(KIND, kind);
        }
        // A filter's estimator comes after its options, that of others before.
        let estimator = self
            .estimator
            .map(|e| [e.interval.to_le_bytes()[0], e.ewma_log]);
        if let Some(estimator) = estimator.filter(|_| !filter) {
            out.attr(RATE, &estimator);
        }
        if let Some(block) = self.ingress_block {
            out.u32(INGRESS_BLOCK, block);
        }
        if let Some(block) = self.egress_block {
            out.u32(EGRESS_BLOCK, block);
        }
        if let Some(options) = &self.options {
            self.options(options, out);
        }
        if let Some(estimator) = estimator.filter(|_| filter) {
            out.attr(RATE, &estimator);
        }
        if let Some(stab) = &self.stab {
            write_stab(stab, out);
        }
    }

    fn options(&self, options: &Options, out: &mut Out<'_>) {
        match options {
            Options::Htb(htb) => out.nest(OPTIONS, |o| queue::write_htb(htb, o)),
            Options::HtbClass(class) => out.nest(OPTIONS, |o| queue::write_class(class, o)),
            Options::Tbf(tbf) => out.nest(OPTIONS, |o| queue::write_tbf(tbf, o)),
            Options::FqCodel(f) => out.nest(OPTIONS, |o| queue::write_fq_codel(f, o)),
            Options::U32(u32) => out.nest(OPTIONS, |o| u32::write(u32, o, action::write)),
            Options::Fifo(limit) => out.u32(OPTIONS, *limit),
            Options::Raw(bytes) => out.attr(OPTIONS, bytes),
        }
    }
}

/// `TCA_STAB`: the specification, and the table where there is one.
fn write_stab(stab: &Stab, out: &mut Out<'_>) {
    out.nest(STAB, |out| {
        let mut spec = Vec::with_capacity(24);
        spec.extend_from_slice(&[stab.cell_log, stab.size_log]);
        spec.extend_from_slice(&stab.cell_align.to_le_bytes());
        spec.extend_from_slice(&stab.overhead.to_le_bytes());
        for field in [stab.linklayer, stab.mpu, stab.mtu, stab.tsize] {
            spec.extend_from_slice(&field.to_le_bytes());
        }
        out.attr(1, &spec);
        if !stab.data.is_empty() {
            let data: Vec<u8> = stab
                .data
                .iter()
                .flat_map(|entry| entry.to_le_bytes())
                .collect();
            out.attr(2, &data);
        }
    });
}
