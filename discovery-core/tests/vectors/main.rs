//! Inputs and expected outputs recorded from peers, each through the public API; one test a known file.
//! What differs on purpose stands in `README.md` beside this file.

mod outliers;
mod picks;
mod shares;
mod warmup;

use test_support::{Need, Value, VectorFile, only};

/// Runs every case of a file; a case's id is its place and name. A field that is not among those read fails its case.
fn each(file: &'static str, fields: &[&str], run: impl Fn(&Value, &Value) -> Result<(), String>) {
    let mut vectors = VectorFile::open(file);
    let whole = vectors.json().clone();
    let cases = list(&whole, "cases");
    if let Some(count) = whole.get("count") {
        assert_eq!(count.as_u64(), Some(cases.len() as u64), "cases of {file}");
    }
    for (i, case) in cases.iter().enumerate() {
        let name = case.get("test").map_or(String::new(), Value::to_string);
        let outcome = only(case, fields).and_then(|()| run(case, &whole));
        vectors.case(&format!("#{i} {name}"), outcome);
    }
    vectors.finish();
}

/// A list, empty where the field is absent or null.
///
/// # Panics
/// When it is anything else: read as empty it would hide what it says.
fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    match value.get(key) {
        None | Some(Value::Null) => &[],
        Some(Value::Array(items)) => items,
        Some(other) => panic!("{key:?} is {other}, want a list"),
    }
}

/// What `read` makes of a field that may be absent or null, which is `default`.
fn or<T>(
    value: &Value,
    key: &str,
    default: T,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<T, String> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(found) => read(found).ok_or(format!("{key:?} is {found}")),
    }
}

/// Each item of a list.
///
/// # Panics
/// When one cannot be read.
fn items<'a, T>(value: &'a Value, key: &str, read: impl Fn(&'a Value) -> Option<T>) -> Vec<T> {
    let one = |item| read(item).unwrap_or_else(|| panic!("{key:?} holds {item}"));
    list(value, key).iter().map(one).collect()
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
    items(value, key, Value::as_f64)
}

fn integers(value: &Value, key: &str) -> Vec<u64> {
    items(value, key, whole)
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

test_support::tests! {
    outliers::envoy_outlier_success_rate [Need::Vectors("envoy_outlier_success_rate.json")],
    outliers::grpc_outlier_detection [Need::Vectors("grpc_outlier_detection.json")],
    picks::envoy_edf [Need::Vectors("envoy_edf.json")],
    picks::envoy_slow_start_picks [Need::Vectors("envoy_slow_start_picks.json")],
    picks::envoy_locality_wrr [Need::Vectors("envoy_locality_wrr.json")],
    picks::nginx_smooth_wrr [Need::Vectors("nginx_smooth_wrr.json")],
    picks::grpc_static_stride [Need::Vectors("grpc_static_stride.json")],
    shares::envoy_priority_load [Need::Vectors("envoy_priority_load.json")],
    shares::envoy_weighted_priority_health [Need::Vectors("envoy_weighted_priority_health.json")],
    shares::istio_locality_priority [Need::Vectors("istio_locality_priority.json")],
    shares::k8s_categorize_endpoints_rules [Need::Vectors("k8s_categorize_endpoints_rules.json")],
    shares::consul_ae_scale [Need::Vectors("consul_ae_scale.json")],
    warmup::envoy_slow_start_factor [Need::Vectors("envoy_slow_start_factor.json")],
    warmup::dubbo_warmup [Need::Vectors("dubbo_warmup.json")],
    warmup::sentinel_warmup [Need::Vectors("sentinel_warmup.json")],
}
