//! `descheduler_node_utilization.json` and `descheduler_evictions_observed.json`: how many are evicted, and
//! who where that is settled.

use super::cluster::{any, measured, node, pod};
use super::{cases, flag, named, optional_list, same};
use scheduler_core::kube::{Evictor, EvictorError, Goal, Namespaces, Percents};
use std::collections::BTreeSet;
use test_support::{Value, VectorFile, list, only, texts};

pub(crate) fn descheduler_node_utilization() {
    let mut file = VectorFile::open("descheduler_node_utilization.json");
    for (index, case) in cases(&file).iter().enumerate() {
        let id = named(index, case);
        if case["faithful"] == false {
            file.differs(
                &id,
                "the file says that its input is not fully written down",
            );
            continue;
        }
        file.case(&id, asserted(case, "expectedPodsEvicted", false));
        if !case["expectedPodsWithMetricsEvicted"].is_null() {
            let outcome = asserted(case, "expectedPodsWithMetricsEvicted", true);
            file.case(&format!("{id}, measured"), outcome);
        }
    }
    file.finish();
}

pub(crate) fn descheduler_evictions_observed() {
    let mut file = VectorFile::open("descheduler_evictions_observed.json");
    for (index, case) in cases(&file).iter().enumerate() {
        file.case(&named(index, case), observed(case));
    }
    file.finish();
}

/// The fields of a case as upstream's test writes it. Where a re-implementation agrees, and the line, is for people.
const ASSERTED: [&str; 19] = [
    "name",
    "plugin",
    "thresholds",
    "targetThresholds",
    "useDeviationThresholds",
    "evictionLimits",
    "evictionModes",
    "evictableNamespaces",
    "numberOfNodes",
    "nodes",
    "pods",
    "nodemetricses",
    "podmetricses",
    "expectedPodsEvicted",
    "expectedPodsWithMetricsEvicted",
    "evictedPods",
    "faithful",
    "source_line",
    "reimplementation_agrees",
];

/// The fields of a case as it ran. The number of runs is for people.
const OBSERVED: [&str; 22] = [
    "name",
    "kind",
    "thresholds",
    "target_thresholds",
    "use_deviation_thresholds",
    "eviction_limits",
    "eviction_modes",
    "evictable_namespaces",
    "number_of_nodes",
    "node_fit",
    "metrics_enabled",
    "nodes",
    "pods",
    "node_metrics",
    "pod_metrics",
    "expected_evicted_count",
    "allowed_evicted",
    "observed_total_evicted",
    "observed_evicted_set",
    "observed_evicted_in_order",
    "victim_set_stable",
    "order_stable_over_runs",
];

/// The number that upstream's test asserts, and that only victims it allows are taken.
fn asserted(case: &Value, key: &str, by_measure: bool) -> Result<(), String> {
    only(case, &ASSERTED)?;
    let victims = victims(case, by_measure)?;
    counted(case, key, &victims)?;
    allowed(case, "evictedPods", &victims)
}

/// What upstream did when it ran, and what its test asserts of it.
fn observed(case: &Value) -> Result<(), String> {
    only(case, &[&OBSERVED[..], &["runs"]].concat())?;
    let victims = victims(case, flag(case, "metrics_enabled")?)?;
    for key in ["observed_total_evicted", "expected_evicted_count"] {
        counted(case, key, &victims)?;
    }
    allowed(case, "allowed_evicted", &victims)?;
    let sorted: BTreeSet<&str> = victims.iter().copied().collect();
    if flag(case, "victim_set_stable")? {
        let set = texts(case, "observed_evicted_set")?;
        same("victims", &set.into_iter().collect(), &sorted)?;
    }
    if flag(case, "order_stable_over_runs")? {
        let order = texts(case, "observed_evicted_in_order")?;
        same("order of victims", &order, &victims)?;
    }
    Ok(())
}

fn counted(case: &Value, key: &str, victims: &[&str]) -> Result<(), String> {
    let want = case[key].as_u64().ok_or(format!("no {key}"))?;
    same(key, &want, &(victims.len() as u64))
}

/// Where the case names those that may be taken, no others are.
fn allowed(case: &Value, key: &str, victims: &[&str]) -> Result<(), String> {
    let named = optional_list(case, key)?;
    if named.is_empty() {
        return Ok(());
    }
    let allowed = texts(case, key)?;
    match victims.iter().find(|v| !allowed.contains(v)) {
        Some(other) => Err(format!("want only {allowed:?}, got {other:?}")),
        None => Ok(()),
    }
}

/// Who is evicted, in order.
fn victims(case: &Value, by_measure: bool) -> Result<Vec<&str>, String> {
    let mut nodes = list(case, "nodes")?
        .iter()
        .map(node)
        .collect::<Result<Vec<_>, _>>()?;
    let mut pods = list(case, "pods")?
        .iter()
        .map(|p| pod(p, &nodes))
        .collect::<Result<Vec<_>, _>>()?;
    if by_measure {
        let of_nodes = measured(any(case, &["nodemetricses", "node_metrics"]))?;
        let of_pods = measured(any(case, &["podmetricses", "pod_metrics"]))?;
        for node in &mut nodes {
            node.measured = of_nodes.get(node.name).cloned();
        }
        for pod in &mut pods {
            pod.measured = of_pods.get(pod.name).cloned();
        }
    }
    let mut evictor = evictor(case)?;
    evictor.measured = by_measure;
    let evicted = match evictor.evictions(&nodes, &pods) {
        // Without measurements upstream gives the cycle up, which evicts nobody.
        Err(EvictorError::Unmeasured { .. }) if by_measure => Vec::new(),
        other => other.map_err(|e| e.to_string())?,
    };
    Ok(evicted.into_iter().map(|at| pods[at].name).collect())
}

fn evictor(case: &Value) -> Result<Evictor<'_>, String> {
    let low = percents(&case["thresholds"])?;
    let modes = any(case, &["evictionModes", "eviction_modes"]).as_array();
    let only_some = |m: &Value| {
        m.as_str()
            .is_some_and(|m| m.ends_with("OnlyThresholdingResources"))
    };
    let goal = match any(case, &["plugin", "kind"]).as_str() {
        Some("LowNodeUtilization") => Goal::Spread {
            low,
            high: percents(any(case, &["targetThresholds", "target_thresholds"]))?,
            deviation: any(
                case,
                &["useDeviationThresholds", "use_deviation_thresholds"],
            ) == true,
        },
        Some("HighNodeUtilization") => Goal::Pack {
            low,
            only_thresholded: modes.is_some_and(|m| m.iter().any(only_some)),
        },
        other => return Err(format!("unknown plugin {other:?}")),
    };
    let limits = any(case, &["evictionLimits", "eviction_limits"]);
    let namespaces = any(case, &["evictableNamespaces", "evictable_namespaces"]);
    if !namespaces.is_null() {
        only(namespaces, &["Exclude", "exclude", "Include", "include"])?;
    }
    if !limits.is_null() {
        only(limits, &["Node", "node"])?;
    }
    let names = |keys: &[&str]| -> Result<Vec<&str>, String> {
        let found = keys.iter().find(|key| namespaces.get(**key).is_some());
        found.map_or(Ok(Vec::new()), |key| texts(namespaces, key))
    };
    let (except, include) = (
        names(&["Exclude", "exclude"])?,
        names(&["Include", "include"])?,
    );
    let mut evictor = Evictor::new(goal);
    evictor.idle_nodes = any(case, &["numberOfNodes", "number_of_nodes"])
        .as_u64()
        .map_or(0, |n| n as usize);
    evictor.node_limit = any(limits, &["Node", "node"]).as_u64().map(|n| n as usize);
    evictor.namespaces = match (except.is_empty(), include.is_empty()) {
        (true, true) => Namespaces::All,
        (true, false) => Namespaces::Only(include),
        (false, _) => Namespaces::Except(except),
    };
    evictor.node_fit = case["node_fit"] != false;
    Ok(evictor)
}

fn percents(value: &Value) -> Result<Percents<'_>, String> {
    let map = value.as_object().ok_or("no thresholds")?;
    let each = map.iter().map(|(name, percent)| {
        let percent = percent
            .as_f64()
            .ok_or(format!("{name}: {percent} is no percentage"))?;
        Ok((name.as_str(), percent))
    });
    each.collect()
}
