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

use test_support::{Need, Value, VectorFile, list, text};

/// The file's cases; a file without them fails.
fn cases(file: &VectorFile) -> Vec<Value> {
    list(file.json(), "cases").expect("cases").to_vec()
}

/// A text that may be absent or null, but is nothing else.
fn optional_text<'a>(value: &'a Value, key: &str) -> Result<Option<&'a str>, String> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => text(value, key).map(Some),
    }
}

/// A list that may be absent, but is nothing else.
fn optional_list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], String> {
    if value.get(key).is_none() {
        return Ok(&[]);
    }
    list(value, key)
}

/// A yes or no that may be absent, which is no.
fn flag(value: &Value, key: &str) -> Result<bool, String> {
    match value.get(key) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(other) => Err(format!("{key:?} is {other}, want true or false")),
    }
}

/// A case's name with its place in the file: names repeat.
fn named(index: usize, case: &Value) -> String {
    format!("#{index} {}", case["name"])
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

test_support::tests! {
    classify::descheduler_classify [Need::Vectors("descheduler_classify.json")],
    evictions::descheduler_node_utilization [Need::Vectors("descheduler_node_utilization.json")],
    evictions::descheduler_evictions_observed [Need::Vectors("descheduler_evictions_observed.json")],
    hpa::hpa_replicas [Need::Vectors("hpa_replicas.json")],
    scores::kube_scheduler_scores [Need::Vectors("kube_scheduler_scores.json")],
    vpa::vpa_histogram [Need::Vectors("vpa_histogram.json")],
}
