//! Peers' recorded inputs and outputs, met through the public API: one test a known file. See
//! `vectors/README.md` for what is compared and how.

#[path = "vectors/classify.rs"]
mod classify;
#[path = "vectors/cluster.rs"]
mod cluster;
#[path = "vectors/evictions.rs"]
mod evictions;
#[path = "vectors/hpa.rs"]
mod hpa;
#[path = "vectors/scores.rs"]
mod scores;
#[path = "vectors/vpa.rs"]
mod vpa;

use doors::Value;

/// A field's text, empty where it is absent or null.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("")
}

/// A list, empty where it is absent or null.
fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// A case's name with its place in the file: names repeat.
fn named(index: usize, case: &Value) -> String {
    format!("#{index} {}", text(case, "name"))
}

/// `Err` with both where they differ.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, want: &T, got: &T) -> Result<(), String> {
    if want == got {
        return Ok(());
    }
    Err(format!("{what}: want {want:?}, got {got:?}"))
}

/// `Err` where two numbers differ by more than a part in 10^9: bucket starts and totals are sums of powers.
fn near(what: &str, want: f64, got: f64) -> Result<(), String> {
    if (want - got).abs() <= 1e-9 * want.abs().max(1e-9) {
        return Ok(());
    }
    Err(format!("{what}: want {want}, got {got}"))
}
