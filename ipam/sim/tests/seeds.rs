//! Many seeds: nothing that is simulated breaks anything.

use ipam_sim::{Options, run};
use std::collections::BTreeMap;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    #[allow(
        clippy::disallowed_methods,
        reason = "chooses how much is run, never how it runs"
    )]
    std::env::var(name).ok()?.parse().ok()
}

/// Everything that is meant to happen.
const EXPECTED: [&str; 28] = [
    "claim",
    "claim collected",
    "claim refused",
    "clock jump",
    "collection",
    "commit",
    "conflict",
    "crash",
    "damage",
    "election",
    "host missed by a census",
    "late release",
    "lease run out",
    "message doubled",
    "message lost",
    "message slow",
    "move aborted",
    "move begun",
    "move finished",
    "no time",
    "partition",
    "reboot",
    "release",
    "renewal",
    "repair",
    "reply lost",
    "stall",
    "stopwatches removed",
];

#[test]
fn no_fault_breaks_anything() {
    let from = number("BERTH_SIM_FROM").unwrap_or(0);
    let seeds = number("BERTH_SIM_SEEDS").unwrap_or(1_000);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in from..from.saturating_add(seeds) {
        let outcome = run(Options {
            seed,
            ..Options::default()
        });
        assert_eq!(
            outcome.broken, None,
            "replay: cargo run --release -p ipam-sim -- --seed {seed}"
        );
        for (what, count) in outcome.counts {
            *counts.entry(what).or_default() += count;
        }
    }
    let count = |what: &&str| counts.get(what).copied().unwrap_or(0);
    let seldom: Vec<_> = EXPECTED
        .into_iter()
        .filter(|what| count(what) < 1 + seeds / 100)
        .collect();
    assert_eq!(seldom, Vec::<&str>::new(), "{counts:?}");
}

#[test]
fn the_same_seed_gives_the_same_events() {
    for seed in [3, 17] {
        let options = Options {
            seed,
            trace: true,
            ..Options::default()
        };
        let outcome = run(options);
        assert!(outcome.trace.len() > 100, "{}", outcome.trace.len());
        assert_eq!(outcome, run(options));
        // Whoever looks alters nothing.
        let unseen = run(Options {
            trace: false,
            ..options
        });
        assert_eq!(
            (unseen.steps, unseen.counts),
            (outcome.steps, outcome.counts)
        );
    }
}
