//! Random operations against engine and model; the fuzzers' corpora and crashers.

use std::path::Path;

use discovery_core::testing::{
    fuzz_callers, fuzz_ops, fuzz_restored, fuzz_snapshot, fuzz_sync, run_ops,
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2_000), failure_persistence: None, ..ProptestConfig::default() })]

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

    #[test]
    fn a_restored_engine_goes_on_as_its_original(data in proptest::collection::vec(any::<u8>(), 0..500)) {
        fuzz_restored(&data);
    }

    #[test]
    fn registries_converge_and_never_run_empty(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz_sync(&data);
    }

    #[test]
    fn picks_have_weight_and_limits_hold(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz_callers(&data);
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
    let ran = |name, target| assert!(replay(name, target) > 0, "no corpus of {name}");
    ran("discovery_ops", fuzz_ops);
    ran("discovery_snapshot", fuzz_snapshot);
    ran("discovery_sync", fuzz_sync);
    ran("discovery_callers", fuzz_callers);
}
