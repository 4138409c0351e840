//! Random operations against the naive model.

use ipam::testing::{OP_BYTES, fuzz_ops};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_allocator_agrees_with_the_model(
        seed in any::<u8>(),
        ops in proptest::collection::vec(any::<[u8; OP_BYTES]>(), 0..150),
    ) {
        let mut data = vec![seed];
        data.extend(ops.iter().flatten());
        fuzz_ops(&data);
    }
}
