//! `netshape`'s diff beside the one of the crate `nlink`, on the same trees as the same kernel dumps them.
//!
//! `nlink-diff [CONTAINERS] [DEVICES]` makes a network namespace of its own (root is needed), lets `tc` carry out our plan
//! for an uplink with CONTAINERS classes and for DEVICES veths, and reads the kernel through nlink's socket. Then one
//! container in ten is to have another rate. Timed is the diff alone, from decoded state: `NetworkConfig::diff_snapshot`
//! there, `diff_device` and `diff` here; CPU time of the thread, the least of several rounds. One line of JSON says how long
//! each took.
//!
//! The classes are the same on both sides. nlink has no bfifo to declare below a class, and not every kernel has fq_codel:
//! so nlink's reading is taken before `tc` adds the leaves, and ours after. We compare them too, and nlink need not.
//!
//! All bursts take a whole number of microseconds, so that tc's rounding and nlink's give the same ticks and both sides
//! find the same changes; that they do is checked before anything is timed.
#![forbid(unsafe_code)]

mod rig;
mod trees;

use netshape::ObservedState;
use netshape::plan::{diff, diff_device};
use nlink::netlink::config::{NetworkConfig, PlanOptions, Snapshot};
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use trees::Wanted;

type Failure = Box<dyn std::error::Error>;

/// Rounds of each measurement, and how long one lasts.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.split_first() {
        Some((first, sizes)) if first == "--inside" => inside(sizes),
        _ => unshared(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("nlink-diff: {error}");
            ExitCode::from(3)
        }
    }
}

/// Runs this program again in a network namespace of its own.
fn unshared(args: &[String]) -> Result<ExitCode, Failure> {
    let mut command = Command::new("unshare");
    command
        .arg("--net")
        .arg(std::env::current_exe()?)
        .arg("--inside")
        .args(args);
    let status = command.status()?;
    Ok(ExitCode::from(
        u8::try_from(status.code().unwrap_or(3)).unwrap_or(3),
    ))
}

fn inside(sizes: &[String]) -> Result<ExitCode, Failure> {
    let size = |i: usize, default: usize| sizes.get(i).map_or(Ok(default), |s| s.parse());
    let (containers, devices) = (size(0, 10_000)?, size(1, 1_000)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let uplink = {
        let wanted = Wanted::uplink(containers)?;
        let (snapshot, kernel) = rig::make(&wanted, &runtime)?;
        compare(&wanted, &snapshot, &kernel)?
    };
    rig::clear()?;
    let many = {
        let wanted = Wanted::devices(devices)?;
        let (snapshot, kernel) = rig::make(&wanted, &runtime)?;
        compare(&wanted, &snapshot, &kernel)?
    };
    println!(
        "{}",
        serde_json::json!({
            "containers": containers, "devices": devices,
            "uplink": {"ours_ms": uplink.0, "nlink_ms": uplink.1},
            "veths": {"ours_ms": many.0, "nlink_ms": many.1},
        })
    );
    Ok(ExitCode::SUCCESS)
}

/// Our plan for what is wanted.
fn ours(wanted: &Wanted, kernel: &ObservedState) -> netshape::plan::Plan {
    match &wanted.uplink {
        Some(uplink) => diff_device(kernel, &wanted.host, uplink),
        None => diff(kernel, &wanted.host),
    }
}

/// nlink's count of changes.
fn theirs(config: &NetworkConfig, snapshot: &Snapshot) -> Result<usize, Failure> {
    let diff = config.diff_snapshot(snapshot, PlanOptions::default())?;
    Ok(diff.change_count())
}

/// Milliseconds of our diff and of nlink's, where both find what was changed and nothing else.
fn compare(
    wanted: &Wanted,
    snapshot: &Snapshot,
    kernel: &ObservedState,
) -> Result<(f64, f64), Failure> {
    let before = (
        ours(wanted, kernel).len(),
        theirs(&wanted.config()?, snapshot)?,
    );
    if before != (0, 0) {
        let text = theirs_text(&wanted.config()?, snapshot)?;
        return Err(format!(
            "settled, and still {} steps of ours and {} of nlink's:\n{}{text}",
            before.0,
            before.1,
            ours(wanted, kernel).lines()
        )
        .into());
    }
    let mut wanted = wanted.clone();
    let changed = wanted.change();
    let config = wanted.config()?;
    let found = (ours(&wanted, kernel).len(), theirs(&config, snapshot)?);
    if found != (changed, changed) {
        return Err(format!("{changed} changes, found {} and {}", found.0, found.1).into());
    }
    let mine = least(|| Ok(ours(&wanted, kernel).len()))?;
    let peer = least(|| theirs(&config, snapshot))?;
    Ok((mine, peer))
}

fn theirs_text(config: &NetworkConfig, snapshot: &Snapshot) -> Result<String, Failure> {
    let diff = config.diff_snapshot(snapshot, PlanOptions::default())?;
    let text = diff.to_string();
    Ok(text.lines().take(10).collect::<Vec<_>>().join("\n"))
}

/// Least milliseconds of CPU time of this thread that a call takes, over several rounds of as many calls as fill one: the
/// kernel counts CPU time in ticks of some milliseconds.
fn least(call: impl Fn() -> Result<usize, Failure>) -> Result<f64, Failure> {
    let mut once = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        black_box(call()?);
        once = once.min(start.elapsed().max(Duration::from_nanos(100)));
    }
    let calls = (ROUND.as_nanos() / once.as_nanos()).clamp(1, 100_000) as u32;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = cpu_ns()?;
        for _ in 0..calls {
            black_box(call()?);
        }
        best = best.min((cpu_ns()? - start) as f64 / 1e6 / f64::from(calls));
    }
    Ok(best)
}

/// Nanoseconds of CPU time that this thread has run.
fn cpu_ns() -> Result<u64, Failure> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text
        .split_whitespace()
        .next()
        .ok_or("empty schedstat")?
        .parse()?)
}
