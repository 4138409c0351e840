//! Operations, naive checks and byte decoding that model tests and fuzz targets share. Not a stable API.

mod bytes;
mod live;

pub use bytes::Bytes;
pub use live::{LiveOp, LiveWorld};

/// The fuzz entry: bytes become a small cluster and operations on it; every invariant is checked after each.
///
/// # Panics
/// When an invariant is broken: that is what a fuzzer looks for.
pub fn fuzz_ops(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let mut world = LiveWorld::decode(&mut bytes);
    for _ in 0..200 {
        if bytes.is_empty() {
            break;
        }
        let op = LiveOp::decode(&mut bytes);
        world.apply(&op);
    }
}
