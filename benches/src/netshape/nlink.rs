//! Rows beside nlink, a peer with a workspace of its own.

use crate::{Figure, Judge, Limit, Measured};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// One run of `benches/compare/nlink`, which makes its own network namespace: milliseconds of both sides, by part.
pub(super) fn nlink(part: &str) -> Result<Measured, String> {
    static RUN: OnceLock<Result<Value, String>> = OnceLock::new();
    let answer = RUN.get_or_init(|| {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("compare/nlink/Cargo.toml");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let run = Command::new(cargo)
            .args(["run", "--release", "--locked", "--quiet", "--manifest-path"])
            .arg(manifest)
            .args(["--bin", "nlink-diff"])
            .stderr(Stdio::inherit())
            .output();
        let run = run.map_err(|e| format!("cargo: {e}"))?;
        if !run.status.success() {
            return Err(format!("nlink-diff (needs root, tc, HTB): {}", run.status));
        }
        serde_json::from_slice(&run.stdout).map_err(|e| format!("nlink-diff: {e}"))
    });
    let part = answer.as_ref().map_err(Clone::clone)?.get(part);
    let ms = |side: &str| part?.get(side)?.as_f64();
    match (ms("ours_ms"), ms("nlink_ms")) {
        (Some(ours), Some(peer)) => Ok(Measured::beside(ours, peer)),
        _ => Err("nlink-diff said something else".to_owned()),
    }
}

/// A row beside nlink. Most of a run is the kernel making classes.
pub(super) fn beside_nlink(
    id: &'static str,
    what: &'static str,
    run: fn() -> Result<Measured, String>,
) -> Figure {
    Figure {
        id,
        what,
        unit: "ms",
        judge: Judge::Ratio,
        must: Limit::AtMost(1.0),
        aim: Limit::AtMost(0.2),
        long: true,
        run,
    }
}
