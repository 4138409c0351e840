//! The operations, naive model and checks that model tests and fuzz targets share. Not a stable API.

mod hostile;
mod hosts;
mod model;
mod op;
mod store;

pub use crate::slots::SlotTree;
pub use hostile::{fuzz_policies, fuzz_records};
pub use model::Model;
pub use op::{Op, Reader};
pub use store::{check_replicas, check_store};

/// Runs operations decoded from bytes against the allocator and the naive model, checking everything
/// after each. Panics where they disagree.
pub fn fuzz_ops(data: &[u8]) {
    let (seed, ops) = data.split_at(data.len().min(1));
    let mut model = Model::new(u64::from(seed.first().copied().unwrap_or(0)));
    // Each check is linear: a bound keeps one input's time in milliseconds.
    for record in ops.chunks(OP_BYTES).take(400) {
        if let Some(op) = Op::decode(&mut Reader::new(record)) {
            model.step(&op);
        }
    }
    model.finish();
}

/// Bytes of one operation: all are of one length, so that dropping one leaves the others as they were.
pub const OP_BYTES: usize = 9;
