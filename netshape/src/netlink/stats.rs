//! What a dump counts.

use super::attr::{Attrs, Fields};
use super::error::DecodeError;

/// Counters of a qdisc or class: `TCA_STATS2`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stats {
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Packets sent.
    pub sent_packets: u64,
    /// Packets that wait.
    pub qlen: u32,
    /// Bytes that wait.
    pub backlog_bytes: u32,
    /// Packets dropped.
    pub drops: u32,
    /// Packets put back.
    pub requeues: u32,
    /// How often a limit held something up.
    pub overlimits: u32,
    /// Estimated byte/s, where an estimator runs.
    pub estimated_bytes_per_second: Option<u64>,
    /// Estimated packets a second.
    pub estimated_packets_per_second: Option<u64>,
    /// An HTB class's own.
    pub htb: Option<HtbStats>,
}

/// `tc_htb_xstats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HtbStats {
    /// Packets sent by its own right.
    pub lends: u32,
    /// Packets sent on borrowed tokens.
    pub borrows: u32,
    /// Packets too big for the rate table.
    pub giants: u32,
    /// Tokens, in ticks; below zero while in debt.
    pub tokens: i32,
    /// The ceiling's tokens.
    pub ctokens: i32,
}

pub(super) fn read(attrs: Attrs<'_>, into: &mut Stats) -> Result<(), DecodeError> {
    for attr in attrs {
        let attr = attr?;
        match attr.kind {
            1 => {
                let bytes: [u8; 12] = attr.array()?;
                let mut fields = Fields(&bytes);
                into.sent_bytes = fields.u64();
                into.sent_packets = into.sent_packets.max(u64::from(fields.u32()));
            }
            2 => {
                let bytes: [u8; 8] = attr.array()?;
                let mut fields = Fields(&bytes);
                into.estimated_bytes_per_second = Some(u64::from(fields.u32()));
                into.estimated_packets_per_second = Some(u64::from(fields.u32()));
            }
            3 => {
                let bytes: [u8; 20] = attr.array()?;
                let mut fields = Fields(&bytes);
                into.qlen = fields.u32();
                into.backlog_bytes = fields.u32();
                into.drops = fields.u32();
                into.requeues = fields.u32();
                into.overlimits = fields.u32();
            }
            8 => into.sent_packets = attr.u64()?,
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn read_htb(data: &[u8]) -> Option<HtbStats> {
    let bytes: &[u8; 20] = data.first_chunk()?;
    let mut fields = Fields(bytes);
    let (lends, borrows, giants) = (fields.u32(), fields.u32(), fields.u32());
    Some(HtbStats {
        lends,
        borrows,
        giants,
        tokens: fields.i32(),
        ctokens: fields.i32(),
    })
}
