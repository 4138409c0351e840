//! `berth place solve`.

use super::{Instance, refused, write};
use crate::answer::{Answer, Failure};
use crate::process::cpu_seconds;
use clap::Args;
use scheduler_core::{Answer as Found, Improver as _, Model, NodeId, Placement, Solver, roadef};
use serde_json::json;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Searches for a cheaper assignment. The answer is never worse than the initial assignment, and feasible if
/// that one is. Ctrl-C ends the search; the best answer so far is kept.
///
/// Example: berth place solve --model a1_1.model.txt --assignment a1_1.assignment.txt --solution new.txt
/// --cpu-seconds 60
#[derive(Debug, Args)]
pub(super) struct SolveArgs {
    #[command(flatten)]
    instance: Instance,
    /// Where to write the new assignment (ROADEF 2012 text).
    #[arg(long, value_name = "FILE")]
    solution: Option<PathBuf>,
    /// Wall seconds [default: 10 when no budget is named].
    #[arg(long, value_name = "S", group = "budget")]
    seconds: Option<f64>,
    /// CPU seconds per search thread, reading included; wall time is capped at three times that.
    #[arg(long, value_name = "S", group = "budget")]
    cpu_seconds: Option<f64>,
    /// Evaluations per search thread: the same answer on any machine.
    #[arg(long, value_name = "N", group = "budget")]
    evaluations: Option<u64>,
    /// Search threads, each with a seed of its own.
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    /// Seed of every random choice.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Where to write time, evaluations and cost of each improvement (CSV).
    #[arg(long, value_name = "CSV")]
    curve: Option<PathBuf>,
}

/// Set by Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

/// One improvement: seconds since the start, evaluations, cost.
type Improvement = (f64, u64, i64);

/// What a search thread needs to know about its budget.
#[derive(Clone, Copy)]
enum Limit {
    Wall(f64),
    /// Seconds per thread, and what of them reading has taken.
    Cpu(f64, f64),
    Evaluations(u64),
}

pub(super) fn run(args: &SolveArgs) -> Result<Answer, Failure> {
    let start = Instant::now();
    for (name, value) in [
        ("--seconds", args.seconds),
        ("--cpu-seconds", args.cpu_seconds),
    ] {
        if value.is_some_and(|v| !v.is_finite() || v < 0.0) {
            return Err(Failure::input("want a number of seconds, 0 or more", name));
        }
    }
    // A second handler in one process is refused; then the first one serves.
    let _ = ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed));
    let (model, initial) = args.instance.read()?;
    let limit = match (args.seconds, args.cpu_seconds, args.evaluations) {
        (_, Some(s), _) => Limit::Cpu(s, thread_cpu()),
        (_, _, Some(n)) => Limit::Evaluations(n),
        (s, _, _) => Limit::Wall(s.unwrap_or(10.0)),
    };
    let (found, curve) = search(args, limit, start, &model, &initial)?;
    let placement =
        Placement::moved(&model, &initial, &found.assignment).map_err(|e| refused(&e))?;
    let feasible = placement.violations(&model).is_empty();
    if let Some(path) = &args.solution {
        write(path, &roadef::write_assignment(&found.assignment))?;
    }
    if let Some(path) = &args.curve {
        write(path, &csv(&curve))?;
    }
    let gap = if found.cost == 0 {
        0.0
    } else {
        (found.cost - found.lower_bound) as f64 / found.cost as f64
    };
    let (moves, seconds, cpu) = (
        placement.moves(),
        start.elapsed().as_secs_f64(),
        cpu_seconds(),
    );
    let text = format!(
        "cost {} (was {}, bound {}, gap {:.4} %), {moves} moves, {} evaluations in {seconds:.1} s\n",
        found.cost,
        found.initial,
        found.lower_bound,
        gap * 100.0,
        found.evaluations
    );
    let json = json!({
        "initial": found.initial, "final": found.cost, "lower_bound": found.lower_bound, "gap": gap,
        "feasible": feasible, "moves": moves, "evaluations": found.evaluations, "seconds": seconds,
        "cpu_seconds": cpu, "seed": args.seed, "threads": args.threads,
    });
    Ok(Answer {
        text,
        json,
        status: u8::from(!feasible),
    })
}

/// Searches in threads of independent seeds; the best answer, all evaluations, and the joint curve.
fn search(
    args: &SolveArgs,
    limit: Limit,
    start: Instant,
    model: &Model,
    initial: &[NodeId],
) -> Result<(Found, Vec<Improvement>), Failure> {
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads)
            .map(|t| {
                let seed = args
                    .seed
                    .wrapping_add(u64::from(t).wrapping_mul(0x9e37_79b9));
                let shows = t == 0 && std::io::stderr().is_terminal();
                scope.spawn(move || one(limit, start, seed, shows, model, initial))
            })
            .collect();
        threads
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect()
    });
    let mut best: Option<Found> = None;
    let (mut curve, mut evaluations) = (Vec::new(), 0);
    for outcome in outcomes {
        let gone = |_| Failure::no("search_failed", "a search thread ended early", "");
        let (found, improvements) = outcome.map_err(gone)?.map_err(|e| refused(&e))?;
        evaluations += found.evaluations;
        curve.extend(improvements);
        if best.as_ref().is_none_or(|b| found.cost < b.cost) {
            best = Some(found);
        }
    }
    let mut best = best.ok_or_else(|| Failure::input("want at least one thread", "--threads"))?;
    best.evaluations = evaluations;
    curve.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut least = i64::MAX;
    curve.retain(|(_, _, cost)| {
        let better = *cost < least;
        least = least.min(*cost);
        better
    });
    Ok((best, curve))
}

fn one(
    limit: Limit,
    start: Instant,
    seed: u64,
    shows: bool,
    model: &Model,
    initial: &[NodeId],
) -> Result<(Found, Vec<Improvement>), scheduler_core::PlacementError> {
    let own = thread_cpu();
    let mut budget = |evaluations: u64| -> f64 {
        if STOP.load(Ordering::Relaxed) {
            return f64::INFINITY;
        }
        let wall = start.elapsed().as_secs_f64();
        match limit {
            Limit::Wall(s) => wall / s.max(1e-9),
            Limit::Cpu(s, reading) => {
                let cpu = (thread_cpu() - own + reading) / s.max(1e-9);
                cpu.max(wall / (3.0 * s.max(1e-9)))
            }
            Limit::Evaluations(n) => evaluations as f64 / n.max(1) as f64,
        }
    };
    let mut curve: Vec<Improvement> = Vec::new();
    let mut shown = Instant::now();
    let mut improved = |evaluations: u64, cost: i64| {
        curve.push((start.elapsed().as_secs_f64(), evaluations, cost));
        if shows && shown.elapsed().as_millis() > 200 {
            shown = Instant::now();
            // Progress is for people; a closed terminal is no reason to stop.
            let _ = write!(
                std::io::stderr(),
                "\r{:>8.1} s  cost {cost:<24}",
                start.elapsed().as_secs_f64()
            );
        }
    };
    let found = Solver { seed }.improve(model, initial, &mut budget, &mut improved)?;
    if shows {
        let _ = writeln!(std::io::stderr());
    }
    Ok((found, curve))
}

fn csv(curve: &[Improvement]) -> String {
    let mut out = String::from("seconds,evaluations,cost\n");
    for (seconds, evaluations, cost) in curve {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{seconds:.6},{evaluations},{cost}");
    }
    out
}

/// CPU seconds of this thread (first field of schedstat, nanoseconds); where there is no such file, of none.
fn thread_cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let field = text
        .split_whitespace()
        .next()
        .and_then(|f| f.parse::<f64>().ok());
    field.unwrap_or(0.0) / 1e9
}
