//! `hpa_replicas.json`: the wanted replicas, or the error.

use super::{cases, flag, named, optional_list, optional_text, same};
use scheduler_core::Timestamp;
use scheduler_core::autoscale::{
    Load, Phase, PodMetric, PodState, Readiness, ReplicaCalculator, ReplicaError, Wanted,
};
use std::time::Duration;
use test_support::{Value, VectorFile, field, list, only, text};

/// Late enough that every start lies in the past.
const NOW: u64 = 1_000_000_000;
const WINDOW: Duration = Duration::from_secs(60);

pub(crate) fn hpa_replicas() {
    let mut file = VectorFile::open("hpa_replicas.json");
    for (index, case) in cases(&file).iter().enumerate() {
        file.case(&named(index, case), run(case));
    }
    file.finish();
}

/// The fields of a case; where a re-implementation agrees, and the line, is for people.
const FIELDS: [&str; 16] = [
    "name",
    "current_replicas",
    "tolerance",
    "cpu_initialization_period_s",
    "initial_readiness_delay_s",
    "pods",
    "metric_kind",
    "resource_name",
    "target",
    "target_per_pod",
    "metrics",
    "values",
    "expect",
    "source_line",
    "reimplementation_agrees",
    "note",
];

fn run(case: &Value) -> Result<(), String> {
    only(case, &FIELDS)?;
    let delay = seconds(case, "initial_readiness_delay_s")?;
    let calculator = ReplicaCalculator::new(
        case["tolerance"].as_f64().ok_or("no tolerance")?,
        seconds(case, "cpu_initialization_period_s")?,
        delay,
    )
    .map_err(|e| e.to_string())?;
    let described = list(case, "pods")?;
    let pods = described
        .iter()
        .map(|p| pod(p, delay))
        .collect::<Result<Vec<_>, _>>()?;
    let metrics = optional_list(case, "metrics")?
        .iter()
        .map(|m| metric(m, described, &pods))
        .collect::<Result<Vec<_>, _>>()?;
    let load = Load {
        now: Timestamp::from_secs(NOW),
        current: u32::try_from(case["current_replicas"].as_u64().ok_or("no current")?)
            .map_err(|e| e.to_string())?,
        pods: &pods,
    };
    compare(&case["expect"], answer(case, &calculator, &load, &metrics)?)
}

fn answer(
    case: &Value,
    calculator: &ReplicaCalculator,
    load: &Load<'_>,
    metrics: &[PodMetric<'_>],
) -> Result<Result<Wanted, ReplicaError>, String> {
    let values = optional_list(case, "values")?
        .iter()
        .map(|v| v.as_i64().ok_or("a value that is not an integer"))
        .collect::<Result<Vec<_>, _>>()?;
    let target = |key: &str| case[key].as_i64().ok_or(format!("no {key}"));
    let object = || values.first().copied().ok_or("no value of the object");
    Ok(match text(case, "metric_kind")? {
        "resource" => {
            let percent = u32::try_from(target("target")?).map_err(|e| e.to_string())?;
            calculator.resource(load, text(case, "resource_name")?, percent, metrics)
        }
        "resource_raw" | "raw_resource" => calculator.resource_mean(
            load,
            text(case, "resource_name")?,
            target("target")?,
            metrics,
        ),
        "pods" => calculator.pods(load, target("target")?, metrics),
        "object" => calculator.object(load, target("target")?, object()?),
        "object_per_pod" => calculator.object_per_pod(load, target("target_per_pod")?, object()?),
        "external" => calculator.external(load, target("target")?, &values),
        "external_per_pod" => calculator.external_per_pod(load, target("target_per_pod")?, &values),
        other => return Err(format!("unknown kind of metric {other:?}")),
    })
}

fn compare(expect: &Value, got: Result<Wanted, ReplicaError>) -> Result<(), String> {
    let known = [
        "replicas",
        "utilization",
        "raw_value",
        "error_contains",
        "error_args",
    ];
    only(expect, &known)?;
    if let Some(wanted) = optional_text(expect, "error_contains")? {
        let got = match got {
            Ok(wanted) => return Err(format!("want an error, got {wanted:?}")),
            Err(error) => error.to_string(),
        };
        return contains(wanted, &got);
    }
    let got = got.map_err(|e| format!("want an answer, got the error {e}"))?;
    let replicas = expect["replicas"].as_u64().ok_or("no replicas expected")?;
    same("replicas", &replicas, &u64::from(got.replicas))?;
    if let Some(usage) = expect.get("utilization") {
        let usage = usage.as_i64().ok_or("a use that is no integer")?;
        same("utilization", &usage, &got.usage)?;
    }
    if let Some(mean) = expect.get("raw_value") {
        let mean = mean.as_i64().ok_or("a mean that is no integer")?;
        same("raw value", &Some(mean), &got.mean)?;
    }
    Ok(())
}

/// Whether the pieces of a message between its verbs (`%s`) occur in order.
fn contains(wanted: &str, got: &str) -> Result<(), String> {
    let mut rest = got;
    for piece in wanted.split("%s").flat_map(|p| p.split("%v")) {
        let at = rest
            .find(piece)
            .ok_or(format!("want {wanted:?} in the error, got {got:?}"))?;
        rest = &rest[at + piece.len()..];
    }
    Ok(())
}

fn pod(pod: &Value, delay: Duration) -> Result<PodState<'_>, String> {
    let known = [
        "name",
        "ready",
        "metric_fresh",
        "never_ready",
        "phase",
        "deleting",
        "start_age_s",
        "request_milli",
    ];
    only(pod, &known)?;
    let whole = |key: &str| match field(pod, key)? {
        Value::Null => Ok(None),
        other => other
            .as_u64()
            .map(Some)
            .ok_or(format!("{key:?} is {other}")),
    };
    let started = match whole("start_age_s")? {
        Some(age) => Timestamp::from_secs(NOW - age),
        None => Timestamp::ZERO,
    };
    // A pod that was ever ready turned so later than the delay after its start.
    let since = if flag(pod, "never_ready")? {
        started
    } else {
        started.after(delay)
    };
    Ok(PodState {
        name: text(pod, "name")?,
        phase: match text(pod, "phase")? {
            "Pending" => Phase::Pending,
            "Running" => Phase::Running,
            "Succeeded" => Phase::Succeeded,
            "Failed" => Phase::Failed,
            "Unknown" => Phase::Unknown,
            other => return Err(format!("unknown phase {other:?}")),
        },
        deleting: flag(pod, "deleting")?,
        readiness: Some(Readiness {
            ready: flag(pod, "ready")?,
            since,
        }),
        started: Some(started),
        request: whole("request_milli")?
            .map(i64::try_from)
            .transpose()
            .map_err(|e| e.to_string())?,
    })
}

/// A pod's metric: fresh means that its whole window lies after the pod's last change of readiness.
fn metric<'a>(
    metric: &'a Value,
    described: &[Value],
    pods: &[PodState<'_>],
) -> Result<PodMetric<'a>, String> {
    only(metric, &["pod", "value"])?;
    let name = text(metric, "pod")?;
    let owner = pods.iter().zip(described).find(|(p, _)| p.name == name);
    let since = owner
        .and_then(|(p, _)| p.readiness)
        .map_or(Timestamp::ZERO, |r| r.since);
    let fresh = owner.map_or(Ok(false), |(_, d)| flag(d, "metric_fresh"))?;
    Ok(PodMetric {
        pod: name,
        value: metric["value"].as_i64().ok_or("a metric without value")?,
        at: if fresh { since.after(WINDOW) } else { since },
        window: WINDOW,
    })
}

fn seconds(case: &Value, key: &str) -> Result<Duration, String> {
    let seconds = case[key].as_u64().ok_or(format!("no {key}"))?;
    Ok(Duration::from_secs(seconds))
}
