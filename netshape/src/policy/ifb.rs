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
    format!("bsh{:08x}", hash(veth)).into()
}
