//! Who carries how much: priorities, localities, usable endpoints, anti-entropy's scale.

use discovery_core::endpoint::Conditions;
use discovery_core::locality::{
    Candidate, Failover, Locality, PriorityHealth, PriorityRules, TrafficPolicy, locality_priority,
    priority_loads, usable,
};
use discovery_core::registry::scale_factor;
use test_support::{Value, only, text};

use super::{asserts_nothing, each, integer, integers, items, list, or, same, whole};

fn rules(case: &Value) -> Result<PriorityRules, String> {
    let percent = |key, default| or(case, key, default, |p| u32::try_from(whole(p)?).ok());
    Ok(PriorityRules::default()
        .with_overprovisioning_percent(percent("overprovisioning_factor", 140)?)
        .with_panic_percent(percent("panic_threshold_percent", 50)?))
}

/// The fields of a case of priorities.
const FIELDS: [&str; 6] = [
    "overprovisioning_factor",
    "panic_threshold_percent",
    "priorities",
    "healthy_load",
    "degraded_load",
    "panic",
];

/// Compares what the case asserts; absent fields were not asserted.
fn compare(case: &Value, priorities: &[PriorityHealth]) -> Result<(), String> {
    let loads = priority_loads(priorities, &rules(case)?);
    if ["healthy_load", "degraded_load", "panic"]
        .iter()
        .all(|key| case.get(key).is_none())
    {
        return asserts_nothing();
    }
    for (key, got) in [
        ("healthy_load", &loads.healthy),
        ("degraded_load", &loads.degraded),
    ] {
        if case.get(key).is_some() {
            let got: Vec<u64> = got.iter().map(|&l| u64::from(l)).collect();
            same(key, &integers(case, key), &got)?;
        }
    }
    if case.get("panic").is_some() {
        let want = items(case, "panic", Value::as_bool);
        same("panic", &want, &loads.panic)?;
    }
    Ok(())
}

pub(crate) fn envoy_priority_load() {
    each("envoy_priority_load.json", &FIELDS, |case, _| {
        let priority = |p: &Value| {
            only(p, &["hosts", "healthy", "degraded", "excluded"])?;
            Ok(PriorityHealth {
                hosts: integer(p, "hosts")?,
                healthy: or(p, "healthy", 0, whole)?,
                degraded: or(p, "degraded", 0, whole)?,
                excluded: or(p, "excluded", 0, whole)?,
            })
        };
        let priorities = list(case, "priorities").iter().map(priority);
        compare(case, &priorities.collect::<Result<Vec<_>, String>>()?)
    });
}

pub(crate) fn envoy_weighted_priority_health() {
    each("envoy_weighted_priority_health.json", &FIELDS, |case, _| {
        let mut priorities = Vec::new();
        for priority in list(case, "priorities") {
            let mut health = PriorityHealth::default();
            for host in list(priority, "hosts") {
                let weight = host.get(0).and_then(whole).ok_or("a host without weight")?;
                health.hosts += weight;
                match host.get(1).and_then(Value::as_str) {
                    Some("H") => health.healthy += weight,
                    Some("D") => health.degraded += weight,
                    Some("X") => health.excluded += weight,
                    Some("U") => {}
                    other => return Err(format!("a host that is {other:?}")),
                }
            }
            priorities.push(health);
        }
        compare(case, &priorities)
    });
}

pub(crate) fn istio_locality_priority() {
    let fields = ["a", "b", "failover", "priority"];
    each("istio_locality_priority.json", &fields, |case, _| {
        let (a, b) = (text(case, "a")?, text(case, "b")?);
        let pair = |f| {
            only(f, &["from", "to"])?;
            Ok((text(f, "from")?, text(f, "to")?))
        };
        let pairs: Vec<(&str, &str)> = match case.get("failover") {
            Some(Value::Array(all)) => all.iter().map(pair).collect::<Result<_, String>>()?,
            Some(f @ Value::Object(_)) => vec![pair(f)?],
            None | Some(Value::Null) => Vec::new(),
            Some(other) => return Err(format!("a failover that is {other}")),
        };
        let failovers: Vec<_> = pairs
            .iter()
            .map(|(from, to)| Failover { from, to })
            .collect();
        let got = locality_priority(Locality::parse(a), Locality::parse(b), &failovers);
        same("priority", &integer(case, "priority")?, &u64::from(got))
    });
}

pub(crate) fn k8s_categorize_endpoints_rules() {
    let fields = ["endpoints", "policy", "zone", "usable"];
    each("k8s_categorize_endpoints_rules.json", &fields, |case, _| {
        for endpoint in list(case, "endpoints") {
            only(
                endpoint,
                &["ready", "serving", "terminating", "local", "hints"],
            )?;
            for key in ["ready", "serving", "terminating"] {
                let known = endpoint.get(key).and_then(Value::as_bool);
                known.ok_or(format!("{key:?} is neither true nor false in {endpoint}"))?;
            }
            or(endpoint, "local", false, Value::as_bool)?;
        }
        // Looked at above; those that are only sometimes there are false without.
        let flag = |e: &Value, key| e.get(key).and_then(Value::as_bool) == Some(true);
        let hints: Vec<Vec<&str>> = list(case, "endpoints")
            .iter()
            .map(|e| items(e, "hints", Value::as_str))
            .collect();
        let seen = |(e, hints): (&Value, &'static [&'static str])| Candidate {
            conditions: Conditions {
                ready: flag(e, "ready"),
                serving: flag(e, "serving"),
                terminating: flag(e, "terminating"),
            },
            local: flag(e, "local"),
            hints,
        };
        let mut endpoints: Vec<Candidate<'_>> = list(case, "endpoints")
            .iter()
            .map(|e| seen((e, &[])))
            .collect();
        for (endpoint, hints) in endpoints.iter_mut().zip(&hints) {
            endpoint.hints = hints;
        }
        let named = |v: &Value| v.as_str().map(str::to_ascii_lowercase);
        let policy = match or(case, "policy", "cluster".to_owned(), named)?.as_str() {
            "local" => TrafficPolicy::Local,
            "cluster" => TrafficPolicy::Cluster,
            other => return Err(format!("unknown policy {other:?}")),
        };
        let zone = match case.get("zone") {
            None | Some(Value::Null) => None,
            Some(_) => Some(text(case, "zone")?),
        };
        let got: Vec<u64> = usable(&endpoints, policy, zone)
            .iter()
            .map(|&i| i as u64)
            .collect();
        if case.get("usable").is_none() {
            return asserts_nothing();
        }
        same("usable", &integers(case, "usable"), &got)
    });
}

pub(crate) fn consul_ae_scale() {
    each("consul_ae_scale.json", &["nodes", "factor"], |case, _| {
        let nodes = u32::try_from(integer(case, "nodes")?).map_err(|e| e.to_string())?;
        same(
            "factor",
            &integer(case, "factor")?,
            &u64::from(scale_factor(nodes)),
        )
    });
}
