//! The simulation of many hosts over one store: how fast it is, and how many messages a claim takes in it.

use crate::Measured;
use crate::measure::thread_cpu_ns;
use ipam_sim::{Options, run};

/// Seeds of one measurement.
const SEEDS: u64 = 300;

/// Whole simulations a second of CPU, every one of which must hold.
pub(super) fn seeds() -> Result<Measured, String> {
    let before = thread_cpu_ns()?;
    for seed in 0..SEEDS {
        let outcome = run(Options {
            seed,
            ..Options::default()
        });
        if let Some(line) = outcome.broken {
            return Err(format!("seed {seed}: {line}"));
        }
    }
    let spent = thread_cpu_ns()? - before;
    Ok(Measured::alone(SEEDS as f64 * 1e9 / spent as f64))
}

/// Messages to the store for each of a hundred thousand claims by five thousand hosts.
pub(super) fn messages() -> Result<Measured, String> {
    let counted = ipam_sim::messages(5_000, 20)?;
    Ok(Measured::alone(counted.per_claim()))
}
