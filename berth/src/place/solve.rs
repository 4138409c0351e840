//! `berth place solve`.

use super::meeting::{Meeting, Seat};
use super::watch::{Improvement, Limit, Watch, thread_cpu};
use super::{Instance, counts, refused, write};
use crate::answer::{Answer, Failure};
use crate::outputs::{Named, keep_apart};
use crate::process::cpu_seconds;
use clap::Args;
use scheduler_core::search::{Answer as Found, relaxed_bound};
use scheduler_core::{Model, NodeId, Placement, Solver, roadef};
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Searches for a cheaper assignment. The answer is never worse than the initial assignment, and feasible if
/// that one is; one that breaks constraints is mended first, at what that costs, and nothing is broken more often. Ctrl-C ends the search; the best answer so far is kept.
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
    /// Evaluations per search thread: the same answer on any machine; 0 makes none.
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

/// Wall seconds when no budget is named.
const DEFAULT_SECONDS: f64 = 10.0;

/// Set by Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

/// Additions and multiplications for the lower bound: some tenths of a second.
const BOUND_WORK: f64 = 3e8;
/// And at most so many for each second of the budget: some percent of it.
const BOUND_WORK_PER_SECOND: f64 = 3e7;

pub(super) fn run(args: &SolveArgs) -> Result<Answer, Failure> {
    let start = Instant::now();
    prepare(args)?;
    let (model, initial) = args.instance.read()?;
    let bound = bound(args, &model, &initial)?;
    let limit = match (args.seconds, args.cpu_seconds, args.evaluations) {
        (_, Some(s), _) => Limit::Cpu(s, thread_cpu()),
        (_, _, Some(n)) => Limit::Evaluations(n),
        (s, _, _) => Limit::Wall(s.unwrap_or(DEFAULT_SECONDS)),
    };
    let (found, curve) = search(args, limit, start, &model, &initial)?;
    let placement =
        Placement::moved(&model, &initial, &found.assignment).map_err(|e| refused(&e))?;
    let feasible = found.violations.is_empty();
    let before = Placement::new(&model, &initial).map_err(|e| refused(&e))?;
    let before = before.violations(&model);
    if let Some(path) = &args.solution {
        write(path, &roadef::write_assignment(&found.assignment))?;
    }
    if let Some(path) = &args.curve {
        write(path, &csv(&curve))?;
    }
    // The relaxed bound holds for what is feasible.
    let bound = match feasible {
        true => bound.max(found.lower_bound),
        false => found.lower_bound,
    };
    let outcome = Outcome {
        moves: placement.moves(),
        seconds: start.elapsed().as_secs_f64(),
        bound,
        before,
        found,
    };
    Ok(outcome.answer(args))
}

/// A search that is over.
struct Outcome {
    found: scheduler_core::search::Answer,
    before: scheduler_core::placement::Violations,
    bound: i64,
    moves: usize,
    seconds: f64,
}

impl Outcome {
    fn answer(&self, args: &SolveArgs) -> Answer {
        let Self {
            found,
            before,
            bound,
            moves,
            seconds,
        } = self;
        let feasible = found.violations.is_empty();
        let gap = match found.cost {
            0 => 0.0,
            cost => (cost - bound) as f64 / cost as f64,
        };
        let text = format!(
            "cost {} (was {}, bound {}, gap {:.4} %){}, {moves} moves, {} evaluations in {seconds:.1} s\n",
            found.cost,
            found.initial,
            bound,
            gap * 100.0,
            match (feasible, before.is_empty()) {
                (true, true) => "",
                (true, false) => ", feasible again",
                (false, _) => ", not feasible",
            },
            found.evaluations
        );
        let json = json!({
            "initial": found.initial, "final": found.cost, "lower_bound": bound, "gap": gap,
            "feasible": feasible, "moves": moves, "evaluations": found.evaluations, "seconds": seconds,
            "cpu_seconds": cpu_seconds(), "seed": args.seed, "threads": args.threads,
            "initial_violations": counts(before), "violations": counts(&found.violations),
        });
        Answer {
            text,
            json,
            status: u8::from(!feasible),
        }
    }
}

/// Refuses what the command line contradicts itself in, and files that cannot be written, before the search begins.
fn prepare(args: &SolveArgs) -> Result<(), Failure> {
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
    let instance = &args.instance;
    let inputs: [Named<'_>; 2] = [
        ("--model", &instance.model),
        ("--assignment", &instance.assignment),
    ];
    let solution = args.solution.iter().map(|p| ("--solution", p.as_path()));
    let curve = args.curve.iter().map(|p| ("--curve", p.as_path()));
    keep_apart(&inputs, &solution.chain(curve).collect::<Vec<_>>())?;
    for path in [&args.solution, &args.curve].into_iter().flatten() {
        writable(path)?;
    }
    Ok(())
}

/// Whether a file can be written, asked before the search rather than after it. Nothing is changed.
fn writable(path: &Path) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::io(&e, path.display().to_string());
    let exists = path.exists();
    let mut options = std::fs::OpenOptions::new();
    options
        .append(true)
        .create(true)
        .open(path)
        .map_err(failed)?;
    if !exists {
        std::fs::remove_file(path).map_err(failed)?;
    }
    Ok(())
}

/// What no feasible assignment is cheaper than, found in a small part of the budget.
fn bound(args: &SolveArgs, model: &Model, initial: &[NodeId]) -> Result<i64, Failure> {
    let seconds = match (args.seconds.or(args.cpu_seconds), args.evaluations) {
        (None, Some(_)) => f64::INFINITY,
        (seconds, _) => seconds.unwrap_or(DEFAULT_SECONDS),
    };
    let work = (seconds * BOUND_WORK_PER_SECOND).min(BOUND_WORK) as u64;
    let known = Placement::new(model, initial)
        .map_err(|e| refused(&e))?
        .cost(model);
    relaxed_bound(model, initial, known, work).map_err(|e| refused(&e))
}

/// Searches in threads of independent seeds that exchange their best answers once; the best answer, all evaluations, and the joint curve.
fn search(
    args: &SolveArgs,
    limit: Limit,
    start: Instant,
    model: &Model,
    initial: &[NodeId],
) -> Result<(Found, Vec<Improvement>), Failure> {
    let placed = Placement::new(model, initial).map_err(|e| refused(&e))?;
    let broken = !placed.violations(model).is_empty();
    let meeting = Meeting::new(args.threads as usize, broken.then_some((model, initial)));
    let meeting = &meeting;
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..args.threads)
            .map(|t| {
                let seed = args
                    .seed
                    .wrapping_add(u64::from(t).wrapping_mul(0x9e37_79b9));
                let watch = Watch::new(limit, start, &STOP, t == 0);
                let seat = meeting.seat(t as usize);
                scope.spawn(move || one(watch, seed, seat, model, initial))
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
        let worth = |f: &Found| (f.violations.total(), f.cost);
        if best.as_ref().is_none_or(|b| worth(&found) < worth(b)) {
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
    watch: Watch,
    seed: u64,
    mut seat: Seat<'_>,
    model: &Model,
    initial: &[NodeId],
) -> Result<(Found, Vec<Improvement>), scheduler_core::placement::PlacementError> {
    let watch = watch.started();
    let mut budget = |evaluations: u64| watch.spent(evaluations);
    let mut improved = |evaluations: u64, cost: i64| watch.improved(evaluations, cost);
    let found =
        Solver { seed }.improve_together(model, initial, &mut budget, &mut improved, &mut seat)?;
    Ok((found, watch.finished()))
}

fn csv(curve: &[Improvement]) -> String {
    let mut out = String::from("seconds,evaluations,cost\n");
    for (seconds, evaluations, cost) in curve {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{seconds:.6},{evaluations},{cost}");
    }
    out
}
