//! Recorded runs of host-local, replayed: what is not the same is named here, with the reason.

use crate::calls::BERTH_CNI;
use test_support::cni::replay;

/// Steps that are answered otherwise on purpose: case and number of the step, and why.
const BETTER: [(&str, &str); 1] = [(
    "gc-1.1.0/2",
    "GC has freed what no attachment holds, so that CHECK finds nothing",
)];

pub(crate) fn every_recorded_run_agrees() {
    let steps = replay(BERTH_CNI);
    let better = |id: &str| BETTER.iter().any(|(name, _)| *name == id);
    let other: Vec<_> = steps
        .iter()
        .filter(|(_, outcome)| outcome.is_err())
        .collect();
    let wrong: Vec<_> = other.iter().filter(|(id, _)| !better(id)).collect();
    eprintln!(
        "recorded runs of host-local: {} of {} steps agree, {} differ on purpose",
        steps.len() - other.len(),
        steps.len(),
        other.len() - wrong.len()
    );
    assert!(steps.len() > 200, "only {} steps ran", steps.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(other.len(), BETTER.len(), "what is named as better is so");
}
