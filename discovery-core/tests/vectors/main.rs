//! Inputs and expected outputs recorded from peers, each through the public API; one test a known file.
//! What differs on purpose stands in `README.md` beside this file.

mod outliers;
mod picks;
mod shares;
mod warmup;

use doors::{Value, VectorFile};

/// Runs every case of a file; a case's id is its place and name.
fn each(file: &str, run: impl Fn(&Value, &Value) -> Result<(), String>) {
    let Some(mut vectors) = VectorFile::open(file) else {
        return;
    };
    let whole = vectors.json().clone();
    for (i, case) in list(&whole, "cases").iter().enumerate() {
        let name = case.get("test").and_then(Value::as_str).unwrap_or("");
        vectors.case(&format!("#{i} {name}"), run(case, &whole));
    }
    vectors.finish();
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// A whole number of at least 0, however it is written (`8` or `8.0`).
fn whole(value: &Value) -> Option<u64> {
    let real = || value.as_f64().filter(|n| *n >= 0.0 && n.fract() == 0.0);
    value.as_u64().or_else(|| real().map(|n| n as u64))
}

fn integer(value: &Value, key: &str) -> Result<u64, String> {
    value
        .get(key)
        .and_then(whole)
        .ok_or_else(|| format!("no whole number {key}"))
}

fn number(value: &Value, key: &str) -> Result<f64, String> {
    value
        .get(key)
        .and_then(Value::as_f64)
        .ok_or_else(|| format!("no number {key}"))
}

fn numbers(value: &Value, key: &str) -> Vec<f64> {
    list(value, key).iter().filter_map(Value::as_f64).collect()
}

fn integers(value: &Value, key: &str) -> Vec<u64> {
    list(value, key).iter().filter_map(whole).collect()
}

/// A case of whose expectations none is known must not pass.
fn asserts_nothing() -> Result<(), String> {
    Err("none of its expectations is known here".into())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, want: &T, got: &T) -> Result<(), String> {
    if want == got {
        Ok(())
    } else {
        Err(format!("{what}: want {want:?}, got {got:?}"))
    }
}

/// Whether a number is within a tolerance of what is wanted.
fn near(what: &str, want: f64, got: f64, tolerance: f64) -> Result<(), String> {
    if (want - got).abs() <= tolerance {
        return Ok(());
    }
    Err(format!("{what}: want {want} within {tolerance}, got {got}"))
}
