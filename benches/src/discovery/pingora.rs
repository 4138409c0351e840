//! pingora's weighted round robin beside our smooth picker, by the package in `benches/compare/pingora`: a workspace of its own,
//! which is built and run here.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::{Figure, Judge, Limit, Measured};

/// One size's line: (ours, peer) nanoseconds a pick and largest deviations.
#[derive(Clone, Copy)]
struct Row {
    ns: (f64, f64),
    deviation: (f64, f64),
}

/// The package's rows, measured once for all figures.
fn rows() -> Result<&'static [Row], String> {
    static ROWS: OnceLock<Result<Vec<Row>, String>> = OnceLock::new();
    ROWS.get_or_init(run).as_deref().map_err(Clone::clone)
}

fn run() -> Result<Vec<Row>, String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("compare/pingora/Cargo.toml");
    let output = Command::new("cargo")
        .args(["run", "--release", "--locked", "--quiet", "--manifest-path"])
        .arg(&manifest)
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("it said nothing");
        return Err(format!("compare/pingora (needs cmake, g++): {last}"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let rows: Vec<Row> = text.lines().map(row).collect::<Result<_, _>>()?;
    if rows.is_empty() {
        return Err("compare/pingora printed no row".into());
    }
    Ok(rows)
}

fn row(line: &str) -> Result<Row, String> {
    let value: Value = serde_json::from_str(line).map_err(|e| format!("{line}: {e}"))?;
    let number = |key: &str| {
        let found = value.get(key).and_then(Value::as_f64);
        found.ok_or_else(|| format!("no number {key} in {line}"))
    };
    Ok(Row {
        ns: (number("ours_ns")?, number("peer_ns")?),
        deviation: (number("ours_deviation")?, number("peer_deviation")?),
    })
}

/// The size at which we do worst against the peer.
fn worst(pair: fn(&Row) -> (f64, f64)) -> Result<Measured, String> {
    let pairs = rows()?.iter().map(pair);
    let worst = pairs.max_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
    let (ours, peer) = worst.ok_or("no row")?;
    Ok(Measured::beside(ours, peer))
}

/// The rows.
pub(super) fn figures() -> Vec<Figure> {
    let figure = |id, what, unit, run| Figure {
        id,
        what,
        unit,
        judge: Judge::Ratio,
        must: Limit::AtMost(1.0),
        aim: Limit::AtMost(1.0),
        long: true,
        run,
    };
    vec![
        figure(
            "discovery/pingora-ns",
            "smooth weighted pick at rest; peer pingora's weighted round robin, bare selection; worst ratio of 10, 1,000, 10,000 endpoints",
            "ns",
            || worst(|row| row.ns),
        ),
        figure(
            "discovery/pingora-deviation",
            "largest deviation over 10^6 picks; peer pingora's weighted round robin; worst ratio of the same sizes",
            "picks",
            || worst(|row| row.deviation),
        ),
    ]
}
