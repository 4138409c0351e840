//! Source, engine, registry, proxies and callers in virtual time: messages are lost, repeated, late and
//! reordered, each part crashes, the engine's clock is set ahead and back. A failing seed is printed and replays: `BERTH_SIM_SEED=<seed>`.
//! `BERTH_SIM_SEEDS` says how many seeds are run (1,000), `BERTH_SIM_FROM` which is the first (0).
//!
//! Held at every step: the engine's own invariants; no traffic to an endpoint that the engine has given no
//! weight since before the last whole sync that the proxy has seen; no operation empties the registry while
//! the plan leaves somebody in it; ejections within their cap; what others registered stays; the engine's time is its clock's within a second, and
//! no check is late. After quiet: registry and proxies say what is true, and shares are the weights'.

mod chaos;
mod checks;
mod engine;
mod events;
mod setup;
mod syncing;
mod world;

use world::World;

/// How many seeds, and the only one to run, from the environment.
fn seeds() -> std::ops::Range<u64> {
    #[allow(
        clippy::disallowed_methods,
        reason = "chooses how much is run, never how it runs"
    )]
    let number = |name| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    match number("BERTH_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let from = number("BERTH_SIM_FROM").unwrap_or(0);
            from..from.saturating_add(number("BERTH_SIM_SEEDS").unwrap_or(1_000))
        }
    }
}

#[test]
fn thousand_simulated_worlds_converge() {
    for seed in seeds() {
        let mut world = World::new(seed);
        if let Err(broken) = world.run() {
            let last = world.log.len().saturating_sub(30);
            panic!(
                "BERTH_SIM_SEED={seed}: {broken}\n{}",
                world.log[last..].join("\n")
            );
        }
    }
}

#[test]
fn simulated_world_replays_from_its_seed() {
    let mut runs = [World::new(7), World::new(7)];
    for world in &mut runs {
        world.run().unwrap();
    }
    let [one, two] = runs;
    assert!(one.log.len() > 100);
    assert_eq!(one.log, two.log);
}
