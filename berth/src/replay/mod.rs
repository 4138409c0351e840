//! `berth replay`: a day of real load through the four cores, second by second.
//!
//! The replay holds the world (containers, demand, hosts' cores, a model of the kernel's shaping, a registry)
//! and carries out what the cores decide; it decides nothing itself. Addresses come from `ipam`, shaping
//! plans and the division of the uplink from `netshape`, who gets traffic and how much from
//! `discovery-core`, placement, overload and moves from `scheduler-core`. After every step the invariants
//! of all four are checked.

pub mod events;
pub mod figures;
mod load;
mod report;
mod summary;
pub mod trace;
pub mod upsample;
mod world;

pub use summary::Summary;

use crate::answer::{Answer, Failure};
use crate::process;
use clap::{Args, ValueEnum};
use events::Events;
use figures::Figures;
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use trace::{Format, Trace};

/// Cores of a host.
pub const HOST_CORES: f64 = 8.0;
/// Safety capacity of a host: above it, a host is overloaded.
pub const SAFETY: f64 = 0.8;
/// Mean load of a host that the default number of hosts is chosen for.
const MEAN_LOAD: f64 = 0.6;
/// Most hosts that may be asked for.
const MAX_HOSTS: usize = 10_000;

/// Which runs to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protect {
    /// Overload protection moves containers.
    On,
    /// Nothing moves.
    Off,
    /// One run of each, from the same initial placement.
    Both,
}

/// Whether starting replicas get their traffic slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Warmup {
    /// Slow start.
    On,
    /// Full weight at once.
    Off,
}

/// Arguments of `berth replay`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Example:\n  berth replay --trace ../shared/data/planetlab/20110303 --format planetlab --out out"
)]
pub struct ReplayArgs {
    /// A load trace; without one, a day is generated from the seed.
    #[arg(long, value_name = "PATH")]
    pub trace: Option<PathBuf>,
    /// How the trace is written.
    #[arg(long, value_enum, default_value = "planetlab")]
    pub format: Format,
    /// Hosts of 8 cores [default: as many as make the mean host 60 % busy].
    #[arg(long, value_name = "N")]
    pub hosts: Option<usize>,
    /// Whether overload protection moves containers.
    #[arg(long, value_enum, default_value = "both")]
    pub protect: Protect,
    /// Whether starting replicas get their traffic slowly.
    #[arg(long, value_enum, default_value = "on")]
    pub warmup: Warmup,
    /// Seed of everything random; the same seed gives the same bytes.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Write report.html, summary.json and events.jsonl into this folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

impl Default for ReplayArgs {
    fn default() -> Self {
        Self {
            trace: None,
            format: Format::Planetlab,
            hosts: None,
            protect: Protect::Both,
            warmup: Warmup::On,
            seed: 7,
            out: None,
        }
    }
}

/// Replays and answers.
///
/// # Errors
/// A trace that can't be read or isn't one (exit 2 or 3), hosts that can't hold it (exit 1), an invariant
/// that broke (exit 1, with the step named), a folder that can't be written (exit 3).
pub fn run(args: &ReplayArgs) -> Result<Answer, Failure> {
    let start = std::time::Instant::now();
    let trace = match &args.trace {
        Some(path) => trace::read(path, args.format)?,
        None => trace::generate(args.seed),
    };
    let summary = replay(args, &trace)?;
    if let Some(dir) = &args.out {
        write(dir, "summary.json", &(summary.json().to_string() + "\n"))?;
        write(dir, "report.html", &report::html(&summary))?;
    }
    let mut json = summary.json();
    json["wall_seconds"] = json!(start.elapsed().as_secs_f64());
    json["cpu_seconds"] = json!(process::cpu_seconds());
    json["peak_rss_bytes"] = json!(process::peak_rss_bytes());
    Ok(Answer::done(summary.text(), json))
}

/// The runs that were asked for, side by side, from the same trace and placement.
///
/// # Errors
/// As [`run`].
pub fn replay(args: &ReplayArgs, trace: &Trace) -> Result<Summary, Failure> {
    let hosts = hosts(args.hosts, trace)?;
    if let Some(dir) = &args.out {
        fs::create_dir_all(dir).map_err(|e| Failure::io(&e, dir.display().to_string()))?;
    }
    let modes: &[bool] = match args.protect {
        Protect::On => &[true],
        Protect::Off => &[false],
        Protect::Both => &[false, true],
    };
    let done = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let total = trace.seconds() * modes.len() as u64;
    let runs = std::thread::scope(|scope| {
        scope.spawn(|| progress(&done, total, &over));
        let one = |&protect: &bool| {
            let (done, setup) = (
                &done,
                world::Setup {
                    trace,
                    hosts,
                    protect,
                    warmup: args.warmup,
                    seed: args.seed,
                },
            );
            scope.spawn(move || -> Result<Figures, Failure> {
                let mut events = Events::open(args.out.as_deref(), protect)?;
                let figures = world::run(&setup, &mut events, done)?;
                events.close()?;
                Ok(figures)
            })
        };
        let threads: Vec<_> = modes.iter().map(one).collect();
        let joined = threads.into_iter().map(|thread| {
            let crashed = |_| {
                Err(Failure::no(
                    "internal",
                    "a run ended with a panic",
                    "replay",
                ))
            };
            thread.join().unwrap_or_else(crashed)
        });
        let runs = joined.collect::<Vec<_>>();
        over.store(true, Ordering::Relaxed);
        runs.into_iter().collect::<Result<Vec<_>, _>>()
    })?;
    if let Some(dir) = &args.out {
        events::join(dir, modes)?;
    }
    Ok(Summary {
        trace: trace.name.clone(),
        generated: trace.generated,
        seed: args.seed,
        containers: trace.containers.len(),
        services: trace.services.len(),
        hosts,
        host_cores: HOST_CORES,
        safety: SAFETY,
        simulated_seconds: trace.seconds(),
        runs,
    })
}

/// The number of hosts: as asked for, or such that the mean host is 60 % busy, and at least two, since there
/// are two centres.
fn hosts(asked: Option<usize>, trace: &Trace) -> Result<usize, Failure> {
    if let Some(hosts) = asked {
        if (2..=MAX_HOSTS).contains(&hosts) {
            return Ok(hosts);
        }
        let what = format!("{hosts} hosts; want 2 (one a centre) to {MAX_HOSTS}");
        return Err(Failure::input(what, "--hosts"));
    }
    let cores = trace.mean_percent() / 100.0 * trace.containers.len() as f64;
    Ok(((cores / (MEAN_LOAD * HOST_CORES)).ceil() as usize).clamp(2, MAX_HOSTS))
}

fn write(dir: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = dir.join(name);
    let done = fs::File::create(&path).and_then(|mut f| f.write_all(text.as_bytes()));
    done.map_err(|e| Failure::io(&e, path.display().to_string()))
}

/// A progress bar on standard error while it is a terminal, until `over`.
fn progress(done: &AtomicU64, total: u64, over: &AtomicBool) {
    if !std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        return;
    }
    let bar = indicatif::ProgressBar::new(total);
    if let Ok(style) = indicatif::ProgressStyle::with_template(
        "{elapsed_precise} {wide_bar} {percent} % of the simulated seconds, {eta} left",
    ) {
        bar.set_style(style);
    }
    while !over.load(Ordering::Relaxed) {
        bar.set_position(done.load(Ordering::Relaxed));
        std::thread::sleep(Duration::from_millis(100));
    }
    bar.finish_and_clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_chosen_for_sixty_percent_and_bounded() {
        let trace = trace::generate(7);
        assert_eq!(hosts(None, &trace).expect("a number"), 27);
        assert_eq!(hosts(Some(40), &trace).expect("a number"), 40);
        for bad in [0, 1, MAX_HOSTS + 1] {
            assert_eq!(
                hosts(Some(bad), &trace).expect_err("refused").place,
                "--hosts"
            );
        }
    }
}
