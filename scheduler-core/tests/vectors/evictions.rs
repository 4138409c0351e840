//! `descheduler_node_utilization.json` and `descheduler_evictions_observed.json`: how many are evicted, and
//! who where that is settled.

use super::cluster::{any, measured, node, pod};
use super::{list, named, same};
use doors::{Value, VectorFile};
use scheduler_core::kube::{Evictor, Goal, Namespaces, Percents};
use std::collections::BTreeSet;

#[test]
fn descheduler_node_utilization() {
    let Some(mut file) = VectorFile::open("descheduler_node_utilization.json") else {
        return;
    };
    let cases = list(file.json(), "cases").to_vec();
    for (index, case) in cases.iter().enumerate() {
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

#[test]
fn descheduler_evictions_observed() {
    let Some(mut file) = VectorFile::open("descheduler_evictions_observed.json") else {
        return;
    };
    let cases = list(file.json(), "cases").to_vec();
    for (index, case) in cases.iter().enumerate() {
        file.case(&named(index, case), observed(case));
    }
    file.finish();
}

/// The number that upstream's test asserts, and that only victims it allows are taken.
fn asserted(case: &Value, key: &str, by_measure: bool) -> Result<(), String> {
    let victims = victims(case, by_measure)?;
    let want = case[key].as_u64().ok_or(format!("no {key}"))?;
    same("evicted", &want, &(victims.len() as u64))?;
    let allowed: BTreeSet<&str> = list(case, "evictedPods")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if !allowed.is_empty() && !victims.is_subset(&allowed) {
        return Err(format!("want only {allowed:?}, got {victims:?}"));
    }
    Ok(())
}

/// What upstream did when it ran.
fn observed(case: &Value) -> Result<(), String> {
    let victims = victims(case, case["metrics_enabled"] == true)?;
    let want = case["observed_total_evicted"]
        .as_u64()
        .ok_or("nothing observed")?;
    same("evicted", &want, &(victims.len() as u64))?;
    if case["victim_set_stable"] == true {
        let set = list(case, "observed_evicted_set")
            .iter()
            .filter_map(Value::as_str);
        same("victims", &set.collect(), &victims)?;
    }
    Ok(())
}

fn victims(case: &Value, by_measure: bool) -> Result<BTreeSet<&str>, String> {
    let mut nodes = list(case, "nodes")
        .iter()
        .map(node)
        .collect::<Result<Vec<_>, _>>()?;
    let mut pods = list(case, "pods")
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
    // Without measurements upstream gives the cycle up, which evicts nobody.
    let evicted = evictor.evictions(&nodes, &pods).unwrap_or_default();
    Ok(evicted.into_iter().map(|at| pods[at].name).collect())
}

fn evictor(case: &Value) -> Result<Evictor<'_>, String> {
    let low = percents(&case["thresholds"])?;
    let modes = any(case, &["evictionModes", "eviction_modes"]).as_array();
    let only = |m: &Value| {
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
            only_thresholded: modes.is_some_and(|m| m.iter().any(only)),
        },
        other => return Err(format!("unknown plugin {other:?}")),
    };
    let limits = any(case, &["evictionLimits", "eviction_limits"]);
    let namespaces = any(case, &["evictableNamespaces", "evictable_namespaces"]);
    let names = |keys: &[&str]| -> Vec<&str> {
        let each = any(namespaces, keys).as_array().into_iter().flatten();
        each.filter_map(Value::as_str).collect()
    };
    let (except, only) = (
        names(&["Exclude", "exclude"]),
        names(&["Include", "include"]),
    );
    let mut evictor = Evictor::new(goal);
    evictor.idle_nodes = any(case, &["numberOfNodes", "number_of_nodes"])
        .as_u64()
        .map_or(0, |n| n as usize);
    evictor.node_limit = any(limits, &["Node", "node"]).as_u64().map(|n| n as usize);
    evictor.namespaces = match (except.is_empty(), only.is_empty()) {
        (true, true) => Namespaces::All,
        (true, false) => Namespaces::Only(only),
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
