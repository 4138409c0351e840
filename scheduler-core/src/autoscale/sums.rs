//! What is added up and compared for a number of replicas.

use super::pods::{Groups, Load, PodState};
use super::replicas::ReplicaError;
use alloc::collections::BTreeMap;
use alloc::string::ToString;

/// Fills gaps so that the change is damped: missing pods use `full` on the way down and nothing on the way up,
/// unready ones nothing on the way up.
pub(super) fn fill<'a>(groups: &mut Groups<'a>, ratio: f64, full: impl Fn(&str) -> i64) {
    if ratio < 1.0 {
        let full = groups.missing.iter().map(|pod| (*pod, full(pod)));
        groups.values.extend(full);
    } else if ratio > 1.0 {
        let none: &mut dyn Iterator<Item = &&'a str> =
            &mut groups.missing.iter().chain(&groups.unready);
        groups.values.extend(none.map(|pod| (*pod, 0)));
    }
}

/// Use as whole percent of the requests, and the mean use, over metrics of known pods.
pub(super) fn utilization(
    values: &BTreeMap<&str, i64>,
    requests: &BTreeMap<&str, i64>,
) -> Result<(i64, i64), ReplicaError> {
    let (mut used, mut asked, mut count) = (0_i128, 0_i128, 0_i128);
    for (pod, value) in values {
        if let Some(request) = requests.get(pod) {
            used += i128::from(*value);
            asked += i128::from(*request);
            count += 1;
        }
    }
    if asked <= 0 {
        return Err(ReplicaError::NoMatch);
    }
    Ok((narrow(used * 100 / asked), narrow(used / count.max(1))))
}

pub(super) fn mean(values: &BTreeMap<&str, i64>) -> Option<i64> {
    let total: i128 = values.values().map(|v| i128::from(*v)).sum();
    let count = i128::try_from(values.len()).unwrap_or(i128::MAX);
    (count > 0).then(|| narrow(total / count))
}

pub(super) fn requests<'a>(
    pods: &[PodState<'a>],
    resource: &str,
) -> Result<BTreeMap<&'a str, i64>, ReplicaError> {
    let ask = |pod: &PodState<'a>| match pod.request {
        Some(request) => Ok((pod.name, request)),
        None => Err(ReplicaError::NoRequest {
            resource: resource.to_string(),
            pod: pod.name.to_string(),
        }),
    };
    pods.iter().map(ask).collect()
}

pub(super) fn serving(load: &Load<'_>) -> Result<usize, ReplicaError> {
    if load.pods.is_empty() {
        return Err(ReplicaError::NoPods);
    }
    Ok(load.pods.iter().filter(|p| p.serves()).count())
}

pub(super) fn sum(values: &[i64]) -> Result<i64, ReplicaError> {
    if values.is_empty() {
        return Err(ReplicaError::NoValues);
    }
    Ok(narrow(values.iter().map(|v| i128::from(*v)).sum()))
}

pub(super) fn positive(target: i64) -> Result<(), ReplicaError> {
    if target <= 0 {
        return Err(ReplicaError::Target { given: target });
    }
    Ok(())
}

/// Rounded up, from 0 to `u32::MAX`.
pub(super) fn ceil(replicas: f64) -> u32 {
    libm::ceil(replicas) as u32
}

fn narrow(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}
