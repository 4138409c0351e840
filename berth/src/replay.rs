//! `berth replay`: the command line of the simulated platform (the crate `berth-sim`).

use crate::answer::{Answer, Failure};
use crate::outputs::{is_same_folder, keep_apart};
use crate::process;
use berth_sim::{Detail, ErrorKind, Options, trace};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

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

/// How a trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A directory of files named `host_slice`, one integer percentage a line, each 300 s.
    Planetlab,
    /// Our own JSON lines.
    Berth,
}

/// What demand does from one sample of the trace to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Between {
    /// It stays at the sample, and steps to the next one.
    Hold,
    /// It runs in a straight line to the next one.
    Ramp,
}

/// Which decisions are written to `events.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Events {
    /// No file.
    None,
    /// Placement, overload, moves and addresses: about a megabyte a day.
    Moves,
    /// Every decision of all four cores: hundreds of megabytes a day.
    All,
}

/// Arguments of `berth replay`.
#[derive(Args, Clone, Debug)]
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
    /// What demand does from one sample of the trace to the next.
    #[arg(long, value_enum, default_value = "ramp")]
    pub between: Between,
    /// Seed of everything random; the same seed gives the same bytes.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Write report.html, summary.json and events.jsonl into this folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Which decisions go into events.jsonl.
    #[arg(long, value_enum, default_value = "moves")]
    pub events: Events,
}

impl Default for ReplayArgs {
    fn default() -> Self {
        Self {
            trace: None,
            format: Format::Planetlab,
            hosts: None,
            protect: Protect::Both,
            warmup: Warmup::On,
            between: Between::Ramp,
            seed: 7,
            out: None,
            events: Events::Moves,
        }
    }
}

impl ReplayArgs {
    fn options(&self) -> Options {
        Options {
            hosts: self.hosts,
            protect: match self.protect {
                Protect::On => berth_sim::Protect::On,
                Protect::Off => berth_sim::Protect::Off,
                Protect::Both => berth_sim::Protect::Both,
            },
            warm_up: self.warmup == Warmup::On,
            between: match self.between {
                Between::Hold => berth_sim::Between::Hold,
                Between::Ramp => berth_sim::Between::Ramp,
            },
            seed: self.seed,
            events: match self.events {
                Events::None => Detail::None,
                Events::Moves => Detail::Moves,
                Events::All => Detail::All,
            },
            out: self.out.clone(),
        }
    }
}

impl From<berth_sim::Error> for Failure {
    fn from(error: berth_sim::Error) -> Self {
        let kind = match error.kind {
            ErrorKind::Input => return Self::input(error.message, error.place),
            ErrorKind::Io => {
                let io = Self::no("io", error.message, error.place);
                return Self {
                    class: crate::answer::Class::Io,
                    ..io
                };
            }
            ErrorKind::Infeasible => "infeasible",
            ErrorKind::Invariant => "invariant_broken",
            _ => "internal",
        };
        Self::no(kind, error.message, error.place)
    }
}

/// Replays and answers.
///
/// # Errors
/// A trace that can't be read or isn't one (exit 2 or 3), hosts that can't hold it (exit 1), an invariant
/// that broke (exit 1, with the step named), a folder that can't be written (exit 3).
pub fn run(args: &ReplayArgs) -> Result<Answer, Failure> {
    let start = std::time::Instant::now();
    let format = match args.format {
        Format::Planetlab => trace::Format::Planetlab,
        Format::Berth => trace::Format::Berth,
    };
    if let (Some(trace), Some(out)) = (&args.trace, &args.out) {
        let written = berth_sim::FILES.map(|name| out.join(name));
        let outputs = written.iter().map(|path| ("--out", path.as_path()));
        keep_apart(&[("--trace", trace)], &outputs.collect::<Vec<_>>())?;
        if is_same_folder(trace, out) {
            // The next replay would read the report for a container's load.
            return Err(Failure::input("want another folder than --trace", "--out"));
        }
    }
    let trace = match &args.trace {
        Some(path) => trace::read(path, format)?,
        None => trace::generate(args.seed),
    };
    let options = args.options();
    let total = trace.seconds() * options.protect.worlds().len() as u64;
    let (done, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let summary = std::thread::scope(|scope| {
        scope.spawn(|| progress(&done, total, &over));
        let summary = berth_sim::replay(&options, &trace, &done);
        over.store(true, Ordering::Relaxed);
        summary
    })?;
    let mut json = summary.json();
    json["wall_seconds"] = json!(start.elapsed().as_secs_f64());
    json["cpu_seconds"] = json!(process::cpu_seconds());
    json["peak_rss_bytes"] = json!(process::peak_rss_bytes());
    Ok(Answer::done(summary.text(), json))
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
