//! `vpa_histogram.json`: buckets, percentiles, decay, checkpoints.

use super::{list, named, near, same, text};
use doors::{Value, VectorFile};
use scheduler_core::Timestamp;
use scheduler_core::autoscale::{
    Buckets, Checkpoint, DecayingHistogram, Histogram, HistogramError,
};
use std::collections::BTreeMap;
use std::time::Duration;

#[test]
fn vpa_histogram() {
    let Some(mut file) = VectorFile::open("vpa_histogram.json") else {
        return;
    };
    let axes = list(file.json(), "bucket_options").to_vec();
    for (index, axis) in axes.iter().enumerate() {
        file.case(&format!("bucket_options #{index}"), cut(axis));
    }
    let cases = list(file.json(), "cases").to_vec();
    for (index, case) in cases.iter().enumerate() {
        file.case(&named(index, case), run(case));
    }
    file.finish();
}

fn axis(options: &Value) -> Result<Buckets, String> {
    let number = |key: &str| options[key].as_f64().ok_or(format!("no {key}"));
    let (max, first) = (number("max_value")?, number("first_bucket_or_bucket_size")?);
    match text(options, "kind") {
        "linear" => Buckets::linear(max, first, number("epsilon")?),
        "exponential" => Buckets::exponential(max, first, number("ratio")?, number("epsilon")?),
        other => return Err(format!("unknown kind of axis {other:?}")),
    }
    .map_err(|e| e.to_string())
}

fn cut(case: &Value) -> Result<(), String> {
    let buckets = axis(&case["options"])?;
    let count = case["num_buckets"].as_u64().ok_or("no count")?;
    same("buckets", &count, &(buckets.count() as u64))?;
    for (bucket, start) in case["bucket_start"].as_object().ok_or("no starts")? {
        let bucket: usize = bucket.parse().map_err(|e| format!("{bucket}: {e}"))?;
        let start = start.as_f64().ok_or("a start that is no number")?;
        near(&format!("start of {bucket}"), start, buckets.start(bucket))?;
    }
    for probe in list(case, "find_bucket") {
        let value = probe["p"].as_f64().ok_or("no value")?;
        let want = probe["expect"].as_u64().ok_or("no index")?;
        same(
            &format!("bucket of {value}"),
            &want,
            &(buckets.find(value) as u64),
        )?;
    }
    Ok(())
}

/// The end of time: no vector has a clock that is ahead.
const LATE: Timestamp = Timestamp::from_nanos(u64::MAX);

/// A histogram with or without decay.
enum Either {
    Plain(Histogram),
    Decaying(DecayingHistogram),
}

impl Either {
    fn apply(&mut self, op: &Value) -> Result<(), String> {
        let number = |key: &str| {
            op[key]
                .as_f64()
                .ok_or(format!("an operation without {key}"))
        };
        let (value, weight) = (number("value")?, number("weight")?);
        let at = Timestamp::from_nanos((number("t_s")? * 1e9) as u64);
        let done: Result<(), HistogramError> = match (self, text(op, "op")) {
            (Self::Plain(h), "add") => h.add(value, weight),
            (Self::Plain(h), "subtract") => h.subtract(value, weight),
            (Self::Decaying(h), "add") => h.add(LATE, value, weight, at),
            (Self::Decaying(h), "subtract") => h.subtract(LATE, value, weight, at),
            (_, other) => return Err(format!("unknown operation {other:?}")),
        };
        done.map_err(|e| e.to_string())
    }

    fn inner(&self) -> &Histogram {
        match self {
            Self::Plain(h) => h,
            Self::Decaying(h) => h.histogram(),
        }
    }

    /// The same after a round trip through its checkpoint.
    fn restored(&self, buckets: Buckets, half_life: Duration) -> Result<Self, String> {
        Ok(match self {
            Self::Plain(h) => {
                let mut new = Histogram::new(buckets);
                new.load(&h.checkpoint()).map_err(|e| e.to_string())?;
                Self::Plain(new)
            }
            Self::Decaying(h) => {
                let (checkpoint, reference) = h.checkpoint();
                let new =
                    DecayingHistogram::restore(LATE, buckets, half_life, &checkpoint, reference);
                Self::Decaying(new.map_err(|e| e.to_string())?)
            }
        })
    }
}

fn run(case: &Value) -> Result<(), String> {
    let buckets = axis(&case["options"])?;
    let half_life = Duration::from_secs_f64(case["half_life_s"].as_f64().unwrap_or(0.0));
    let mut histogram = if case["half_life_s"].is_null() {
        Either::Plain(Histogram::new(buckets))
    } else {
        Either::Decaying(DecayingHistogram::new(buckets, half_life).map_err(|e| e.to_string())?)
    };
    for op in list(case, "ops") {
        histogram.apply(op)?;
    }
    for probe in list(case, "percentiles") {
        let p = probe["p"].as_f64().ok_or("no percentile")?;
        let want = probe["expect"].as_f64().ok_or("no value of a percentile")?;
        near(
            &format!("percentile {p}"),
            want,
            histogram.inner().percentile(p),
        )?;
    }
    if let Some(want) = case["is_empty"].as_bool() {
        same("is empty", &want, &histogram.inner().is_empty())?;
    }
    if let Some(weights) = case["checkpoint_bucket_weights"].as_object() {
        let checkpoint = histogram.inner().checkpoint();
        saved(case, weights, &checkpoint)?;
        // What was saved can be loaded, and is saved as the same again.
        let again = histogram.restored(buckets, half_life)?.inner().checkpoint();
        same("second checkpoint", &checkpoint.weights, &again.weights)?;
    }
    if let (Some(want), Either::Decaying(h)) = (case["checkpoint_reference_s"].as_u64(), &histogram)
    {
        same(
            "reference",
            &Some(Timestamp::from_secs(want)),
            &h.reference(),
        )?;
    }
    Ok(())
}

fn saved(
    case: &Value,
    weights: &serde_json::Map<String, Value>,
    got: &Checkpoint,
) -> Result<(), String> {
    let mut want = BTreeMap::new();
    for (bucket, weight) in weights {
        let bucket: usize = bucket.parse().map_err(|e| format!("{bucket}: {e}"))?;
        let weight = weight.as_u64().and_then(|w| u32::try_from(w).ok());
        want.insert(bucket, weight.ok_or("a weight that is no number")?);
    }
    same("checkpoint", &want, &got.weights)?;
    if let Some(total) = case["checkpoint_total_weight"].as_f64() {
        near("total weight", total, got.total)?;
    }
    Ok(())
}
