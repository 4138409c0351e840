//! Random operations against engine and model; the fuzzers' corpora and crashers.

use std::path::Path;

use discovery_core::testing::{fuzz_ops, fuzz_snapshot, run_ops};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn engine_and_model_agree(data in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Err(broken) = run_ops(&data) {
            return Err(TestCaseError::fail(broken));
        }
    }

    #[test]
    fn damaged_snapshots_are_refused_or_harmless(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz_snapshot(&data);
    }
}

/// Runs `target` over its committed inputs; how many there were.
fn replay(name: &str, target: fn(&[u8])) -> usize {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut ran = 0;
    for folder in ["corpus", "crashers"] {
        let Ok(files) = std::fs::read_dir(fuzz.join(folder).join(name)) else {
            continue;
        };
        let mut paths: Vec<_> = files.map(|f| f.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            target(&std::fs::read(&path).unwrap());
            ran += 1;
        }
    }
    ran
}

#[test]
fn committed_fuzz_inputs_pass() {
    assert!(
        replay("discovery_ops", fuzz_ops) > 0,
        "no corpus of discovery_ops"
    );
    assert!(
        replay("discovery_snapshot", fuzz_snapshot) > 0,
        "no corpus of discovery_snapshot"
    );
}
