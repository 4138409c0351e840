//! The replay of a real day, and what a newcomer's first command costs. Each figure runs the `berth` binary as a
//! process of its own, so CPU and memory are the command's and nobody else's.

use crate::{Figure, Judge, Limit, Measured};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

const DAYS: [&str; 3] = ["20110303", "20110322", "20110412"];
const SEEDS: [u64; 3] = [1, 2, 3];

/// The rows of this area.
#[must_use]
pub fn figures() -> Vec<Figure> {
    [days(), whole(), trees()].concat()
}

/// A row that every run measures.
fn row(
    id: &'static str,
    what: &'static str,
    unit: &'static str,
    judge: Judge,
    must: Limit,
    aim: Limit,
    run: fn() -> Result<Measured, String>,
) -> Figure {
    Figure {
        id,
        what,
        unit,
        judge,
        must,
        aim,
        long: false,
        run,
    }
}

/// One day.
fn days() -> Vec<Figure> {
    vec![
        row(
            "replay/cpu",
            "planetlab/20110303, both modes and baselines",
            "CPU s",
            Judge::Ours,
            Limit::AtMost(120.0),
            Limit::AtMost(60.0),
            cpu,
        ),
        row(
            "replay/memory",
            "the same, peak resident",
            "MB",
            Judge::Ours,
            Limit::AtMost(500.0),
            Limit::None,
            memory,
        ),
        row(
            "replay/overload",
            "overloaded host-seconds, protected (peer: placed by load, unprotected)",
            "s",
            Judge::Ratio,
            Limit::AtMost(0.5),
            Limit::AtMost(0.2),
            overload,
        ),
        row(
            "replay/moves",
            "moves per container and day",
            "moves",
            Judge::Ours,
            Limit::AtMost(1.0),
            Limit::AtMost(0.5),
            moves,
        ),
    ]
}

/// What takes minutes: three days, and a build from nothing.
fn whole() -> Vec<Figure> {
    let long = |id, what, unit, judge, must, aim, run| Figure {
        long: true,
        ..row(id, what, unit, judge, must, aim, run)
    };
    vec![
        long(
            "replay/warm-up",
            "unserved core-seconds of starting replicas, three days (peer: without warm-up)",
            "core s",
            Judge::Ratio,
            Limit::AtMost(0.5),
            Limit::AtMost(0.2),
            warm_up,
        ),
        long(
            "replay/invariants",
            "invariants broken, three days and three seeds",
            "count",
            Judge::Ours,
            Limit::AtMost(0.0),
            Limit::None,
            invariants,
        ),
        long(
            "replay/first-command",
            "cargo run --release in a fresh clone, building included",
            "s",
            Judge::Ours,
            Limit::AtMost(300.0),
            Limit::AtMost(180.0),
            first_command,
        ),
    ]
}

/// How much a core brings with it.
fn trees() -> Vec<Figure> {
    let tree = |id, run| {
        let what = "crates in the dependency tree";
        let (must, aim) = (Limit::AtMost(24.0), Limit::AtMost(18.0));
        row(id, what, "crates", Judge::Ours, must, aim, run)
    };
    vec![
        tree("tree/ipam", || in_tree("ipam")),
        tree("tree/netshape", || in_tree("netshape")),
        tree("tree/discovery-core", || in_tree("discovery-core")),
        tree("tree/scheduler-core", || in_tree("scheduler-core")),
    ]
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// Cargo, in the repository.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    command.current_dir(root());
    command
}

/// The release binary, built once; or `$BERTH_BINARY`.
pub(crate) fn binary() -> Result<&'static Path, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let build = || {
        if let Some(path) = std::env::var_os("BERTH_BINARY") {
            return Ok(path.into());
        }
        let status = cargo()
            .args([
                "build",
                "--release",
                "-q",
                "-p",
                "berth-cli",
                "--features",
                "xds",
            ])
            .status();
        match status {
            Ok(status) if status.success() => {}
            other => return Err(format!("cargo build -p berth-cli: {other:?}")),
        }
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        Ok(own.with_file_name("berth"))
    };
    BUILT.get_or_init(build).as_deref().map_err(Clone::clone)
}

/// The JSON of `berth replay` on a day of the shared data; an exit status other than 0 is an error.
pub(crate) fn replay(day: &str, more: &[&str]) -> Result<Value, String> {
    let trace = test_support::data(&format!("planetlab/{day}")).ok_or("no planetlab data")?;
    let mut command = Command::new(binary()?);
    command
        .args(["replay", "--format", "planetlab", "--json", "--trace"])
        .arg(trace)
        .args(more);
    let out = command.output().map_err(|e| e.to_string())?;
    if !out.status.success() {
        return Err(format!(
            "{}: {}",
            out.status,
            String::from_utf8_lossy(&out.stderr)
        ));
    }
    serde_json::from_slice(&out.stdout).map_err(|e| e.to_string())
}

/// The day's replay in both modes, run once for the four figures that read it.
fn day() -> Result<Value, String> {
    static DAY: Mutex<Option<Result<Value, String>>> = Mutex::new(None);
    let mut kept = DAY.lock().map_err(|e| e.to_string())?;
    kept.get_or_insert_with(|| replay(DAYS[0], &[])).clone()
}

fn number(json: &Value, path: &str) -> Result<f64, String> {
    json.pointer(path)
        .and_then(Value::as_f64)
        .ok_or_else(|| format!("no {path} in the answer"))
}

fn cpu() -> Result<Measured, String> {
    Ok(Measured::alone(number(&day()?, "/cpu_seconds")?))
}

fn memory() -> Result<Measured, String> {
    Ok(Measured::alone(number(&day()?, "/peak_rss_bytes")? / 1e6))
}

fn overload() -> Result<Measured, String> {
    let day = day()?;
    let of = |run: usize| number(&day, &format!("/runs/{run}/overloaded_host_seconds"));
    Ok(Measured::beside(of(1)?, of(0)?))
}

fn moves() -> Result<Measured, String> {
    let day = day()?;
    let per_day = number(&day, "/simulated_seconds")? / 86_400.0;
    Ok(Measured::alone(
        number(&day, "/runs/1/moves")? / number(&day, "/containers")? / per_day,
    ))
}

fn warm_up() -> Result<Measured, String> {
    let (mut with, mut without) = (0.0, 0.0);
    for day in DAYS {
        let path = "/runs/0/unserved_start_core_seconds";
        with += number(&replay(day, &["--protect", "on", "--warmup", "on"])?, path)?;
        without += number(&replay(day, &["--protect", "on", "--warmup", "off"])?, path)?;
    }
    Ok(Measured::beside(with, without))
}

fn invariants() -> Result<Measured, String> {
    let mut broken = 0.0;
    for day in DAYS {
        for seed in SEEDS {
            // A broken invariant is exit 1, which `replay` reports as an error.
            match replay(day, &["--seed", &seed.to_string()]) {
                Ok(answer) => broken += number(&answer, "/invariant_violations")?,
                Err(why) => {
                    eprintln!("{day}, seed {seed}: {why}");
                    broken += 1.0;
                }
            }
        }
    }
    Ok(Measured::alone(broken))
}

/// Wall seconds of the README's first command in a clone of the committed state, with a target folder of its
/// own; crates may come from cargo's download cache.
fn first_command() -> Result<Measured, String> {
    let dir = std::env::temp_dir().join(format!("berth-first-{}", std::process::id()));
    let clone = Command::new("git")
        .arg("clone")
        .arg("-q")
        .arg(root())
        .arg(&dir)
        .status();
    if !clone.as_ref().is_ok_and(std::process::ExitStatus::success) {
        return Err(format!("git clone: {clone:?}"));
    }
    let start = Instant::now();
    let mut command = cargo();
    let command = command.current_dir(&dir).env_remove("CARGO_TARGET_DIR");
    let out = command
        .args(["run", "--release", "-q"])
        .output()
        .map_err(|e| e.to_string());
    let spent = start.elapsed().as_secs_f64();
    // What is left behind is only a temporary folder.
    let _ = std::fs::remove_dir_all(&dir);
    let out = out?;
    let text = String::from_utf8_lossy(&out.stdout);
    if !out.status.success() || !text.contains("overloaded host-seconds") {
        return Err(format!(
            "{}: {}",
            out.status,
            String::from_utf8_lossy(&out.stderr)
        ));
    }
    Ok(Measured::alone(spent))
}

/// Unique crate names in `cargo tree -p X -e normal --prefix none`, without X.
fn in_tree(core: &str) -> Result<Measured, String> {
    let out = cargo()
        .args(["tree", "-q", "-p", core, "-e", "normal", "--prefix", "none"])
        .output();
    let out = out.map_err(|e| e.to_string())?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&out.stdout);
    let names = text
        .lines()
        .filter_map(|l| l.split_whitespace().next())
        .filter(|&n| n != core);
    Ok(Measured::alone(
        names.collect::<std::collections::BTreeSet<_>>().len() as f64,
    ))
}
