//! Replays a seed of the simulation, or runs many.

use ipam_sim::{Bug, Options, messages, run};
use std::process::ExitCode;

const USAGE: &str =
    "usage: ipam-sim --seed N [--bug B]      replays one seed and says what happened
       ipam-sim --seeds N [--from M] [--bug B]  runs N seeds from M (0) on
       ipam-sim --hosts N [--each M]            counts the messages of M (40) claims of each of N hosts";

/// What the command line asks.
#[derive(Default)]
struct Arguments {
    seed: Option<u64>,
    seeds: Option<u64>,
    from: u64,
    bug: Option<Bug>,
    hosts: Option<usize>,
    each: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    if let Some(hosts) = arguments.hosts {
        return count(hosts, arguments.each.unwrap_or(40));
    }
    let sound = match (arguments.seed, arguments.seeds) {
        (Some(seed), _) => replay(seed, arguments.bug),
        (None, seeds) => many(arguments.from, seeds.unwrap_or(1_000), arguments.bug),
    };
    if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut parsed = Arguments::default();
    while let Some(name) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("`{name}` needs a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|error| format!("{name} {value}: {error}"))
        };
        match &*name {
            "--seed" => parsed.seed = Some(number()?),
            "--seeds" => parsed.seeds = Some(number()?),
            "--from" => parsed.from = number()?,
            "--hosts" => parsed.hosts = usize::try_from(number()?).ok(),
            "--each" => parsed.each = usize::try_from(number()?).ok(),
            "--bug" => parsed.bug = Some(value.parse()?),
            _ => return Err(format!("there is no option `{name}`")),
        }
    }
    Ok(parsed)
}

/// Counts messages.
fn count(hosts: usize, each: usize) -> ExitCode {
    match messages(hosts, each) {
        Ok(counted) => {
            println!("{:.3} messages a claim: {counted:?}", counted.per_claim());
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one seed and prints what happened.
fn replay(seed: u64, bug: Option<Bug>) -> bool {
    let outcome = run(Options {
        seed,
        bug,
        trace: true,
    });
    for line in &outcome.trace {
        println!("{line}");
    }
    println!(
        "{} s simulated, {} steps, {} messages",
        outcome.lasted.as_secs(),
        outcome.steps,
        outcome.messages
    );
    match &outcome.broken {
        None => println!("seed {seed}: everything held"),
        Some(line) => println!("seed {seed}: BROKEN: {line}"),
    }
    outcome.broken.is_none()
}

/// Runs seeds until one breaks.
fn many(from: u64, seeds: u64, bug: Option<Bug>) -> bool {
    let mut counts = std::collections::BTreeMap::new();
    for seed in from..from.saturating_add(seeds) {
        let outcome = run(Options {
            seed,
            bug,
            trace: false,
        });
        for (what, count) in outcome.counts {
            *counts.entry(what).or_insert(0) += count;
        }
        if let Some(line) = outcome.broken {
            let bug = bug.map_or(String::new(), |bug| format!(" --bug {bug}"));
            println!(
                "seed {seed}: BROKEN: {line}\nreplay: cargo run --release -p ipam-sim -- --seed {seed}{bug}"
            );
            return false;
        }
    }
    for (what, count) in counts {
        println!("{count:>9}  {what}");
    }
    println!("{seeds} seeds from {from}: everything held");
    true
}
