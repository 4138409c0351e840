//! Random operations against the naive model, hostile records and policies, and the fuzz targets' corpora.

use ipam::testing::{OP_BYTES, fuzz_ops, fuzz_policies, fuzz_records};
use proptest::prelude::*;
use std::path::Path;

/// As many cases, or more where `PROPTEST_CASES` says so.
fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: cases.max(default.cases),
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config(2000))]

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

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn hostile_records_restore_to_a_sound_state(
        ops in proptest::collection::vec(any::<[u8; OP_BYTES]>(), 1..60),
        damage in proptest::collection::vec(any::<u8>(), 1..60),
    ) {
        // A quarter of the bytes are damage; operations that do nothing fill up the rest.
        let mut data: Vec<u8> = ops.iter().flatten().copied().collect();
        data.resize(data.len().max(damage.len() * 3).next_multiple_of(OP_BYTES), 0);
        data.extend(damage.iter().cycle().take(data.len() / 3));
        fuzz_records(&data);
    }

    #[test]
    fn hostile_policies_are_refused_or_work(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz_policies(&data);
    }

    #[test]
    fn any_bytes_are_a_record_or_an_error(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        for key in ["c/o", "w/w", "b/", ""] {
            prop_assert!(ipam::store::Record::decode(key, &data).is_err() || !data.is_empty());
        }
    }
}

/// What a fuzz target runs on its input.
type Target = fn(&[u8]);

/// Runs a target over its committed inputs; how many there were.
fn replay(target: &str, run: Target) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut ran = 0;
    for kind in ["corpus", "crashers"] {
        let Ok(entries) = std::fs::read_dir(root.join(kind).join(target)) else {
            continue;
        };
        let mut paths: Vec<_> = entries.map(|e| e.expect("an entry").path()).collect();
        paths.sort();
        for path in paths {
            run(&std::fs::read(&path).expect("an input"));
            ran += 1;
        }
    }
    ran
}

#[test]
fn the_committed_corpora_and_crashers_pass() {
    let targets: [(&str, Target); 3] = [
        ("ipam_ops", fuzz_ops),
        ("ipam_records", fuzz_records),
        ("ipam_policies", fuzz_policies),
    ];
    for (target, run) in targets {
        assert!(
            replay(target, run) >= 6,
            "the corpus of {target} is not there"
        );
    }
}
