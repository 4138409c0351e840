//! Names of ifb devices.

use alloc::format;
use alloc::sync::Arc;

/// FNV-1a, 32 bits: stable across machines and versions, which is all that is asked of it.
pub(crate) fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |h, b| {
        (h ^ u32::from(b)).wrapping_mul(0x0100_0193)
    })
}

/// Name of the ifb that takes a veth's container egress, 12 characters: `bsh` and a digest, and a sign of the name's end.
pub(crate) fn ifb_name(veth: &str) -> Arc<str> {
    format!("{PREFIX}{:08x}", hash(veth)).into()
}

/// What the names of all ifbs of ours begin with.
const PREFIX: &str = "bsh";

/// Whether a name is such a one.
pub(crate) fn is_ifb_name(dev: &str) -> bool {
    let digest = dev.strip_prefix(PREFIX);
    digest
        .is_some_and(|d| d.len() == 8 && d.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}
