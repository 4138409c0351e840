//! `vpa_histogram.json`: buckets, percentiles, decay, checkpoints.

use super::{cases, named, near, optional_list, same};
use scheduler_core::Timestamp;
use scheduler_core::autoscale::{
    Buckets, Checkpoint, DecayingHistogram, Histogram, HistogramError,
};
use std::collections::BTreeMap;
use std::time::Duration;
use test_support::{Value, VectorFile, list, only, text};

pub(crate) fn vpa_histogram() {
    let mut file = VectorFile::open("vpa_histogram.json");
    let axes = list(file.json(), "bucket_options").expect("axes").to_vec();
    for (index, axis) in axes.iter().enumerate() {
        file.case(&format!("bucket_options #{index}"), cut(axis));
    }
    for (index, case) in cases(&file).iter().enumerate() {
        file.case(&named(index, case), run(case));
    }
    file.finish();
}

fn axis(options: &Value) -> Result<Buckets, String> {
    let known = [
        "kind",
        "max_value",
        "first_bucket_or_bucket_size",
        "epsilon",
        "ratio",
    ];
    only(options, &known)?;
    let number = |key: &str| options[key].as_f64().ok_or(format!("no {key}"));
    let (max, first) = (number("max_value")?, number("first_bucket_or_bucket_size")?);
    match text(options, "kind")? {
        "linear" => Buckets::linear(max, first, number("epsilon")?),
        "exponential" => Buckets::exponential(max, first, number("ratio")?, number("epsilon")?),
        other => return Err(format!("unknown kind of axis {other:?}")),
    }
    .map_err(|e| e.to_string())
}

fn cut(case: &Value) -> Result<(), String> {
    only(
        case,
        &["options", "num_buckets", "bucket_start", "find_bucket"],
    )?;
    let buckets = axis(&case["options"])?;
    let count = case["num_buckets"].as_u64().ok_or("no count")?;
    same("buckets", &count, &(buckets.count() as u64))?;
    for (bucket, start) in case["bucket_start"].as_object().ok_or("no starts")? {
        let bucket: usize = bucket.parse().map_err(|e| format!("{bucket}: {e}"))?;
        let start = start.as_f64().ok_or("a start that is no number")?;
        near(&format!("start of {bucket}"), start, buckets.start(bucket))?;
    }
    for probe in list(case, "find_bucket")? {
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
        only(op, &["op", "value", "weight", "t_s"])?;
        let number = |key: &str| {
            op[key]
                .as_f64()
                .ok_or(format!("an operation without {key}"))
        };
        let (value, weight) = (number("value")?, number("weight")?);
        let at = Timestamp::from_nanos((number("t_s")? * 1e9) as u64);
        let done: Result<(), HistogramError> = match (self, text(op, "op")?) {
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
    let known = [
        "name",
        "origin",
        "options",
        "half_life_s",
        "ops",
        "percentiles",
        "is_empty",
        "checkpoint_bucket_weights",
        "checkpoint_total_weight",
        "checkpoint_reference_s",
    ];
    only(case, &known)?;
    let mut half_life = Duration::ZERO;
    let mut histogram = match case.get("half_life_s") {
        None | Some(Value::Null) => Either::Plain(Histogram::new(buckets)),
        Some(seconds) => {
            half_life = Duration::from_secs_f64(seconds.as_f64().ok_or("no half-life")?);
            let new = DecayingHistogram::new(buckets, half_life);
            Either::Decaying(new.map_err(|e| e.to_string())?)
        }
    };
    for op in optional_list(case, "ops")? {
        histogram.apply(op)?;
    }
    for probe in optional_list(case, "percentiles")? {
        let p = probe["p"].as_f64().ok_or("no percentile")?;
        let want = probe["expect"].as_f64().ok_or("no value of a percentile")?;
        near(
            &format!("percentile {p}"),
            want,
            histogram.inner().percentile(p),
        )?;
    }
    if let Some(want) = case.get("is_empty") {
        let want = want.as_bool().ok_or("is_empty is neither true nor false")?;
        same("is empty", &want, &histogram.inner().is_empty())?;
    }
    if let Some(weights) = case.get("checkpoint_bucket_weights") {
        let weights = weights.as_object().ok_or("no weights by bucket")?;
        let checkpoint = histogram.inner().checkpoint();
        saved(case, weights, &checkpoint)?;
        // What was saved can be loaded, and is saved as the same again.
        let again = histogram.restored(buckets, half_life)?.inner().checkpoint();
        same("second checkpoint", &checkpoint.weights, &again.weights)?;
    }
    if let Some(want) = case.get("checkpoint_reference_s") {
        let want = want.as_u64().ok_or("a reference that is no time")?;
        let Either::Decaying(h) = &histogram else {
            return Err("a reference of what does not decay".into());
        };
        let want = Some(Timestamp::from_secs(want));
        same("reference", &want, &h.reference())?;
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
    if let Some(total) = case.get("checkpoint_total_weight") {
        let total = total.as_f64().ok_or("a total that is no number")?;
        near("total weight", total, got.total)?;
    }
    Ok(())
}
